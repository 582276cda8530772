//! Steps that mix colours: opacity, fills, and the naive conversion of components without profiles.

use offprint_modifiers::PixelType;

use super::{FillColor, Raster, Sample};

impl<S: Sample> Raster<S> {
    pub(crate) fn fade(self, opacity: f64) -> Self {
        let mut image = self.with_alpha();
        let colors = image.pixel_type.components();
        for pixel in image.pixels_mut() {
            pixel[colors] = S::from_u64((pixel[colors].to_u64() as f64 * opacity).round() as u64);
        }
        image
    }

    pub(crate) fn fill(mut self, paint: FillColor) -> Self {
        if !self.alpha {
            return self;
        }
        let (colors, under) = (self.pixel_type.components(), paint.pixel::<S>(self.pixel_type));
        for pixel in self.pixels_mut().filter(|pixel| pixel[colors].to_u64() < S::MAX_VALUE) {
            blend_over(pixel, &under[..=colors]);
        }
        if paint.is_opaque() { self.without_alpha() } else { self }
    }

    pub(crate) fn fill_part(mut self, paint: FillColor, [left, top, right, bottom]: [u32; 4]) -> Self {
        if !self.alpha {
            return self;
        }
        let (colors, under) = (self.pixel_type.components(), paint.pixel::<S>(self.pixel_type));
        let (channels, stride) = (self.channels(), self.width as usize * self.channels());
        let rows = self.data.chunks_exact_mut(stride).take(bottom as usize).skip(top as usize);
        for row in rows {
            for pixel in row.chunks_exact_mut(channels).take(right as usize).skip(left as usize) {
                blend_over(pixel, &under[..=colors]);
            }
        }
        self
    }

    /// Multiplies colours by alpha.
    pub(crate) fn associate(mut self) -> Self {
        if self.alpha {
            self.pixels_mut().for_each(multiply_by_alpha);
        }
        self
    }

    /// Divides colours by alpha: undoes [`Raster::associate`].
    pub(crate) fn unassociate(mut self) -> Self {
        if self.alpha {
            self.pixels_mut().for_each(divide_by_alpha);
        }
        self
    }

    /// Converts to other components by the naive rules. Documentation page: r-color-management.
    pub(crate) fn recolor(self, to: PixelType) -> Self {
        let (from, alpha) = (self.pixel_type, self.alpha);
        if from == to {
            return self;
        }
        let (before, after) = (from.components(), to.components());
        let mut data = Vec::with_capacity(self.data.len() / self.channels() * (after + usize::from(alpha)));
        for pixel in self.pixels() {
            data.extend_from_slice(&recolor_naively(&pixel[..before], to)[..after]);
            data.extend_from_slice(&pixel[before..]);
        }
        self.with_data(to, alpha, data)
    }
}

/// Converts a colour to other components without profiles. To CMYK as much black as possible replaces the other inks;
/// from CMYK each component is the product of what its ink and black leave of the light.
pub(crate) fn recolor_naively<S: Sample>(color: &[S], to: PixelType) -> [S; 4] {
    let none = S::default();
    let rest = |value: S| S::from_u64(S::MAX_VALUE - value.to_u64());
    match (color, to) {
        (&[v], PixelType::Rgb) => [v, v, v, none],
        (&[v], PixelType::Cmyk) => [none, none, none, rest(v)],
        (&[_, _, _], PixelType::Gray) => [compute_luma(color), none, none, none],
        (&[r, g, b], PixelType::Cmyk) => {
            let max = r.to_u64().max(g.to_u64()).max(b.to_u64());
            let ink =
                |value: S| S::from_u64(((max - value.to_u64()) * S::MAX_VALUE + max / 2).checked_div(max).unwrap_or(0));
            [ink(r), ink(g), ink(b), S::from_u64(S::MAX_VALUE - max)]
        }
        (&[c, m, y, k], PixelType::Rgb) => {
            let light = |ink: S| S::from_u64((rest(ink).to_u64() * rest(k).to_u64() + S::MAX_VALUE / 2) / S::MAX_VALUE);
            [light(c), light(m), light(y), none]
        }
        (&[_, _, _, _], PixelType::Gray) => {
            let [r, g, b, _] = recolor_naively(color, PixelType::Rgb);
            [compute_luma(&[r, g, b]), none, none, none]
        }
        (same, _) => std::array::from_fn(|at| same.get(at).copied().unwrap_or_default()),
    }
}

/// Brightness of red, green and blue, with the weights of the primaries of sRGB (ITU-R BT.709).
pub(crate) fn compute_luma<S: Sample>(pixel: &[S]) -> S {
    S::from_u64((pixel[0].to_u64() * 2126 + pixel[1].to_u64() * 7152 + pixel[2].to_u64() * 722 + 5000) / 10_000)
}

pub(super) fn multiply_by_alpha<S: Sample>(pixel: &mut [S]) {
    let Some((alpha, colors)) = pixel.split_last_mut() else { return };
    let alpha = alpha.to_u64();
    colors
        .iter_mut()
        .for_each(|value| *value = S::from_u64((value.to_u64() * alpha + S::MAX_VALUE / 2) / S::MAX_VALUE));
}

pub(super) fn divide_by_alpha<S: Sample>(pixel: &mut [S]) {
    let Some((alpha, colors)) = pixel.split_last_mut() else { return };
    let alpha = alpha.to_u64();
    if alpha > 0 && alpha < S::MAX_VALUE {
        let whole = |value: S| S::from_u64(((value.to_u64() * S::MAX_VALUE + alpha / 2) / alpha).min(S::MAX_VALUE));
        colors.iter_mut().for_each(|value| *value = whole(*value));
    }
}

/// Lays a pixel over a colour; both have unassociated alpha.
fn blend_over<S: Sample>(pixel: &mut [S], under: &[S]) {
    let (Some((over, colors)), Some((below, under))) = (pixel.split_last_mut(), under.split_last()) else { return };
    let alpha = over.to_u64();
    let below = below.to_u64() * (S::MAX_VALUE - alpha);
    let total = alpha * S::MAX_VALUE + below;
    if total == 0 {
        return;
    }
    for (value, under) in colors.iter_mut().zip(under) {
        *value = S::from_u64((value.to_u64() * alpha * S::MAX_VALUE + under.to_u64() * below + total / 2) / total);
    }
    *over = S::from_u64((total + S::MAX_VALUE / 2) / S::MAX_VALUE);
}
