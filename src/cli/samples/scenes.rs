//! The scenes: functions from a position in the image (0 to 1, from the left and from the top) to its colour.
//!
//! Only plain arithmetic and square roots, which are exact everywhere: sines may differ between machines.

/// An image as a function of the position.
pub type Scene = fn(f32, f32) -> [f32; 4];

type Color = [f32; 3];

/// An orange evening over water, with ridges before it.
pub fn paint_sunset(u: f32, v: f32) -> [f32; 4] {
    let sky = |v: f32| mix_colors([0.35, 0.24, 0.48], [0.99, 0.66, 0.34], smooth_step(v / 0.7));
    let sun = |u: f32, v: f32| cover_disc(u * 1.5 - 1.02, v - 0.47, 0.085, 0.004);
    let mut color = mix_colors(sky(v), [1.0, 0.93, 0.75], sun(u, v));
    if v > 0.72 {
        // Water: the sky again, upside down and in waves.
        let wave = (compute_clouds(u * 6.0, v * 70.0, 2) - 0.5) * 0.05;
        let mirrored = 1.44 - v + wave;
        let glitter = cover_disc((u * 1.5 - 1.02) * 0.6, 0.0, 0.07, 0.05) * compute_clouds(u * 30.0, v * 220.0, 1);
        color = mix_colors(mix_colors(sky(mirrored), [0.22, 0.18, 0.34], 0.35), [1.0, 0.86, 0.62], glitter * 0.8);
    }
    color = blend_over(color, [0.42, 0.26, 0.44], cover_ridge(u * 4.0, v, 0.66, 0.16) * cover_below(v, 0.72));
    color = blend_over(color, [0.26, 0.16, 0.32], cover_ridge(u * 7.0 + 9.0, v, 0.71, 0.10) * cover_below(v, 0.72));
    to_opaque(blend_over(color, [0.08, 0.06, 0.12], cover_ridge(u * 11.0 + 30.0, v, 0.97, 0.08)))
}

/// Mountains, a lake and a meadow, with detail in every pixel. Hidden parts are not computed, since this image is large.
pub fn paint_lake(u: f32, v: f32) -> [f32; 4] {
    let meadow = cover_ridge(u * 9.0 + 70.0, v, 0.86, 0.10);
    let far = if meadow == 1.0 { [0.0; 3] } else { paint_meadow_background(u, v) };
    if meadow == 0.0 {
        return to_opaque(far);
    }
    let blade = compute_clouds(u * 700.0, v * 220.0, 2);
    to_opaque(blend_over(far, [0.20 + 0.3 * blade, 0.36 + 0.4 * blade, 0.10 + 0.1 * blade], meadow))
}

fn paint_meadow_background(u: f32, v: f32) -> Color {
    if v > 0.58 {
        return mix_colors([0.20, 0.42, 0.55], [0.62, 0.78, 0.86], compute_clouds(u * 14.0, v * 160.0, 3) * (1.0 - v));
    }
    let (mountain, wood) = (cover_ridge(u * 5.0, v, 0.52, 0.34), cover_ridge(u * 16.0 + 5.0, v, 0.58, 0.10));
    let rock = if mountain + wood > 0.0 { 0.35 + 0.45 * compute_clouds(u * 90.0, v * 140.0, 3) } else { 0.0 };
    let mut color = mix_colors([0.24, 0.50, 0.84], [0.80, 0.90, 0.97], v / 0.55);
    if mountain < 1.0 {
        color = mix_colors(color, [1.0, 1.0, 1.0], smooth_step(compute_clouds(u * 5.0, v * 11.0, 3) * 2.4 - 1.2));
    }
    if mountain > 0.0 {
        let snow = smooth_step((0.40 - v + 0.1 * compute_clouds(u * 40.0, v * 40.0, 1)) * 9.0);
        color =
            blend_over(color, mix_colors([rock * 0.72, rock * 0.76, rock * 0.86], [0.95, 0.97, 1.0], snow), mountain);
    }
    blend_over(color, [0.13 * rock + 0.06, 0.22 * rock + 0.12, 0.16], wood)
}

/// A lighthouse, upright; it is stored rotated.
pub fn paint_lighthouse(u: f32, v: f32) -> [f32; 4] {
    let mut color = mix_colors([0.36, 0.62, 0.86], [0.90, 0.95, 0.97], v);
    color = mix_colors(color, [1.0, 1.0, 1.0], smooth_step(compute_clouds(u * 3.0 + 4.0, v * 7.0, 4) * 2.2 - 1.1));
    let width = 0.055 + 0.055 * v;
    let side = (u - 0.5) / width;
    let shade = 1.0 - 0.35 * smooth_step((side + 0.6) / 1.6);
    let band = if ((v - 0.22) * 8.0).floor().rem_euclid(2.0) < 1.0 { [0.80, 0.16, 0.14] } else { [0.96, 0.95, 0.92] };
    let tower = cover_line(side.abs() - 1.0, 0.02) * cover_below(0.22, v) * cover_below(v, 0.84);
    color = blend_over(color, band.map(|c| c * shade), tower);
    let lamp = cover_line((u - 0.5).abs() - 0.05, 0.004) * cover_below(0.15, v) * cover_below(v, 0.22);
    color = blend_over(color, [1.0, 0.90, 0.50], lamp);
    let roof = cover_line((u - 0.5).abs() - (v - 0.09) * 1.1, 0.004) * cover_below(v, 0.15);
    color = blend_over(color, [0.20, 0.22, 0.28], roof);
    to_opaque(blend_over(color, [0.24, 0.33, 0.20], cover_ridge(u * 3.0 + 2.0, v, 0.84, 0.06)))
}

/// A cup on white, as in a shop.
pub fn paint_cup(u: f32, v: f32) -> [f32; 4] {
    let (x, y) = (u - 0.47, v - 0.52);
    let shadow = smooth_step(1.0 - compute_root(x * x / 0.085 + (y - 0.25) * (y - 0.25) / 0.004)) * 0.35;
    let mut color = mix_colors([1.0; 3], [0.55, 0.55, 0.60], shadow);
    let (hx, hy) = (x - 0.21, y + 0.02);
    let ring = cover_line((compute_root(hx * hx + hy * hy * 0.8) - 0.12).abs() - 0.026, 0.004);
    color = blend_over(color, [0.10, 0.42, 0.52], ring * cover_below(0.18, x));
    let half = 0.22 - 0.05 * smooth_step((y - 0.05) / 0.25);
    let light = 0.72 + 0.40 * smooth_step(1.0 - (x / half + 0.35).abs()) - 0.22 * smooth_step(x / half);
    let bottom = 0.25 + 0.02 * compute_root((1.0 - x * x / (half * half)).max(0.0));
    let body = cover_line(x.abs() - half, 0.003) * cover_below(-0.20, y) * cover_line(y - bottom, 0.004);
    color = blend_over(color, [0.13 * light, 0.52 * light, 0.62 * light], body);
    let rim = compute_root(x * x / (0.22 * 0.22) + (y + 0.20) * (y + 0.20) / (0.05 * 0.05));
    color = blend_over(color, [0.16, 0.58, 0.68], cover_line(rim - 1.0, 0.015));
    to_opaque(blend_over(color, [0.28, 0.16, 0.09], cover_line(rim - 0.88, 0.015)))
}

/// Hills that fade into fog. Gray.
pub fn paint_fog(u: f32, v: f32) -> [f32; 4] {
    let mut gray = 0.93 - 0.1 * v;
    for hill in 0..5u8 {
        let near = f32::from(hill) / 4.0;
        let shape = cover_ridge(u * (3.0 + 5.0 * near) + 17.0 * near, v, 0.42 + 0.5 * near, 0.18);
        gray += (0.82 - 0.68 * near - gray) * shape;
    }
    [gray, gray, gray, 1.0]
}

/// A skyline with lit windows.
pub fn paint_city(u: f32, v: f32) -> [f32; 4] {
    let mut color = mix_colors([0.03, 0.04, 0.13], [0.30, 0.20, 0.38], v);
    let star = hash_lattice((u * 640.0) as i32, (v * 360.0) as i32);
    color = blend_over(color, [0.9, 0.9, 1.0], if star > 0.9985 { cover_below(v, 0.6) } else { 0.0 });
    for row in 0..3i32 {
        let columns = 16.0 + 5.0 * row as f32;
        let house = (u * columns).floor();
        let height = 0.30 + 0.15 * row as f32 + 0.28 * hash_lattice(house as i32, 100 + row);
        if v > height {
            let dark = 0.12 - 0.035 * row as f32;
            color = [dark, dark, dark + 0.06];
            let (wx, wy) = ((u * columns).fract() * 5.0, (v - height) * 60.0);
            let lit = hash_lattice((house * 5.0 + wx.floor()) as i32 + 1000 * row, wy as i32) > 0.62;
            if lit && (0.25..0.75).contains(&wx.fract()) && wy.fract() > 0.4 && wx > 0.5 {
                color = [0.98, 0.84, 0.48];
            }
        }
    }
    to_opaque(color)
}

/// Three circles of coloured glass on a transparent background.
pub fn paint_circles(u: f32, v: f32) -> [f32; 4] {
    let mut out = [0.0; 4];
    for (x, y, color) in
        [(0.5, 0.36, [0.91, 0.26, 0.22]), (0.37, 0.60, [0.18, 0.62, 0.36]), (0.63, 0.60, [0.20, 0.38, 0.88])]
    {
        let cover =
            cover_disc(u - x, v - y, 0.25, 0.003) * if cover_disc(u - x, v - y, 0.12, 0.003) > 0.5 { 1.0 } else { 0.7 };
        // "Over" compositing: the new circle covers the others as far as it is opaque.
        let alpha = cover + out[3] * (1.0 - cover);
        if alpha > 0.0 {
            for (channel, value) in color.into_iter().enumerate() {
                out[channel] = (value * cover + out[channel] * out[3] * (1.0 - cover)) / alpha;
            }
        }
        out[3] = alpha;
    }
    out
}

/// A moon with craters. Gray.
pub fn paint_moon(u: f32, v: f32) -> [f32; 4] {
    let (x, y) = (u - 0.5, v - 0.5);
    let far = compute_root(x * x + y * y);
    let light = smooth_step(0.75 + x * 1.2 - y * 0.8) * (0.55 + 0.45 * compute_clouds(u * 12.0, v * 12.0, 5));
    let gray = 0.04 + (light - 0.04) * cover_line(far - 0.4, 0.004);
    [gray, gray, gray, 1.0]
}

/// All hues from left to right, from dark to light: smooth only with 16 bits.
pub fn paint_rainbow(u: f32, v: f32) -> [f32; 4] {
    let hue = |shift: f32| ((((u + shift).fract() * 6.0) - 3.0).abs() - 1.0).clamp(0.0, 1.0);
    to_opaque([hue(0.0), hue(2.0 / 3.0), hue(1.0 / 3.0)].map(|c| c * (0.15 + 0.85 * v)))
}

/// A floor of tiles.
pub fn paint_tiles(u: f32, v: f32) -> [f32; 4] {
    let (x, y) = (u * 8.0, v * 6.0);
    let grout = (x.fract() - 0.5).abs().max((y.fract() - 0.5).abs()) > 0.47;
    if grout {
        return to_opaque([0.88, 0.86, 0.82]);
    }
    let pick = hash_lattice(x as i32, y as i32 + 50);
    let color = mix_colors([0.12, 0.36, 0.52], [0.84, 0.52, 0.28], pick);
    let star = (x.fract() - 0.5).abs() + (y.fract() - 0.5).abs();
    to_opaque(mix_colors(color, [0.96, 0.92, 0.84], cover_line((star - 0.3).abs() - 0.05, 0.02)))
}

/// A flower of eight petals.
pub fn paint_flower(u: f32, v: f32) -> [f32; 4] {
    const PETALS: [(f32, f32); 8] = [
        (1.0, 0.0),
        (0.707, 0.707),
        (0.0, 1.0),
        (-0.707, 0.707),
        (-1.0, 0.0),
        (-0.707, -0.707),
        (0.0, -1.0),
        (0.707, -0.707),
    ];
    let (x, y) = (u - 0.5, v - 0.5);
    let mut color = mix_colors([0.30, 0.52, 0.26], [0.55, 0.74, 0.40], compute_clouds(u * 9.0, v * 9.0, 3));
    for (index, (dx, dy)) in PETALS.into_iter().enumerate() {
        let (along, across) = (x * dx + y * dy, y * dx - x * dy);
        let petal = compute_root((along - 0.22) * (along - 0.22) / 0.026 + across * across / 0.0075);
        let tone = if index % 2 == 0 { [0.93, 0.42, 0.62] } else { [0.98, 0.60, 0.74] };
        color = blend_over(
            color,
            mix_colors(tone, [0.80, 0.20, 0.45], smooth_step(1.0 - along / 0.2)),
            cover_line(petal - 1.0, 0.02),
        );
    }
    to_opaque(blend_over(color, [0.98, 0.80, 0.22], cover_disc(x, y, 0.095, 0.004)))
}

/// Rings in few colours, for GIF.
pub fn paint_target(u: f32, v: f32) -> [f32; 4] {
    const RINGS: [Color; 4] = [[0.95, 0.80, 0.20], [0.85, 0.20, 0.20], [0.20, 0.45, 0.80], [0.10, 0.10, 0.12]];
    let far = compute_root((u - 0.5) * (u - 0.5) + (v - 0.5) * (v - 0.5));
    to_opaque(RINGS.get((far / 0.115) as usize).copied().unwrap_or([0.97, 0.97, 0.95]))
}

fn to_opaque([r, g, b]: Color) -> [f32; 4] {
    [r, g, b, 1.0]
}

fn compute_root(value: f32) -> f32 {
    value.sqrt()
}

fn mix_colors(from: Color, to: Color, share: f32) -> Color {
    let share = share.clamp(0.0, 1.0);
    std::array::from_fn(|channel| from[channel] + (to[channel] - from[channel]) * share)
}

/// Mixes a colour over another by its coverage.
fn blend_over(under: Color, color: Color, cover: f32) -> Color {
    mix_colors(under, color, cover)
}

/// Smooth step from 0 to 1.
fn smooth_step(value: f32) -> f32 {
    let t = value.clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// 1 where the distance is negative, 0 where it is positive, soft over `width`.
fn cover_line(distance: f32, width: f32) -> f32 {
    (0.5 - distance / width).clamp(0.0, 1.0)
}

fn cover_disc(x: f32, y: f32, radius: f32, softness: f32) -> f32 {
    cover_line(compute_root(x * x + y * y) - radius, softness)
}

/// 1 where `a` is less than `b`.
fn cover_below(a: f32, b: f32) -> f32 {
    if a < b { 1.0 } else { 0.0 }
}

/// Coverage of the land under a ridge that rises up to `height` above `foot`.
fn cover_ridge(along: f32, v: f32, foot: f32, height: f32) -> f32 {
    const SOFT: f32 = 0.003;
    if v > foot + SOFT || v < foot - height - SOFT {
        return cover_below(foot, v);
    }
    cover_line(foot - height * compute_clouds(along, foot * 100.0, 4) - v, SOFT)
}

/// A pseudo-random number from 0 to 1 for each point of a grid, the same on every machine.
fn hash_lattice(x: i32, y: i32) -> f32 {
    let mut bits = (x as u32).wrapping_mul(0x9E37_79B1) ^ (y as u32).wrapping_mul(0x85EB_CA77);
    bits ^= bits >> 15;
    bits = bits.wrapping_mul(0x2C1B_3C6D);
    bits ^= bits >> 12;
    bits = bits.wrapping_mul(0x297A_2D39);
    (bits >> 16) as f32 / 65535.0
}

/// The numbers of the grid, interpolated smoothly.
fn compute_noise(x: f32, y: f32) -> f32 {
    let (left, top) = (x.floor(), y.floor());
    let (s, t) = (smooth_step(x - left), smooth_step(y - top));
    let (i, j) = (left as i32, top as i32);
    let upper = hash_lattice(i, j) + (hash_lattice(i + 1, j) - hash_lattice(i, j)) * s;
    let lower = hash_lattice(i, j + 1) + (hash_lattice(i + 1, j + 1) - hash_lattice(i, j + 1)) * s;
    upper + (lower - upper) * t
}

/// Noise of several octaves, from 0 to 1.
fn compute_clouds(x: f32, y: f32, octaves: u8) -> f32 {
    let (mut sum, mut weight, mut scale) = (0.0, 0.0, 1.0);
    for _ in 0..octaves {
        sum += compute_noise(x * scale, y * scale) / scale;
        weight += 1.0 / scale;
        scale *= 2.0;
    }
    sum / weight
}
