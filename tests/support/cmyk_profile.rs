//! A CMYK profile made for tests: inks that darken more than their values say (dot gain), on white paper, with a black
//! that still reflects a little. It fits no press, but its formula is known, so tests can compute the colours to expect.

/// The share of light that an amount of ink reflects, both 0 to 1.
fn compute_reflection(ink: f64) -> f64 {
    1.0 - ink.powf(0.7)
}

fn compute_ink(left: f64) -> f64 {
    (1.0 - left).max(0.0).powf(1.0 / 0.7)
}

/// Reflection of full black, as a share of white in sRGB values.
const BLACK_REFLECTANCE: f64 = 0.15;

/// sRGB values, 0 to 1, of CMYK, 0 to 1: the formula of the profile.
pub fn convert_inks_to_rgb([c, m, y, k]: [f64; 4]) -> [f64; 3] {
    [c, m, y].map(|it| BLACK_REFLECTANCE + (1.0 - BLACK_REFLECTANCE) * compute_reflection(it) * compute_reflection(k))
}

fn convert_rgb_to_inks(rgb: [f64; 3]) -> [f64; 4] {
    let parts = rgb.map(|it| ((it - BLACK_REFLECTANCE) / (1.0 - BLACK_REFLECTANCE)).clamp(0.0, 1.0));
    let most = parts.iter().copied().fold(0.0, f64::max);
    let [c, m, y] = parts.map(|it| if most > 0.0 { compute_ink(it / most) } else { 0.0 });
    [c, m, y, compute_ink(most)]
}

const WHITE_POINT: [f64; 3] = [0.9642, 1.0, 0.8249];
/// sRGB to the profile connection space, adapted to D50.
const RGB_TO_XYZ: [[f64; 3]; 3] =
    [[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]];
const XYZ_TO_RGB: [[f64; 3]; 3] =
    [[3.13386, -1.61687, -0.49061], [-0.97877, 1.91614, 0.03345], [0.07195, -0.22899, 1.40524]];

fn multiply_matrix(matrix: [[f64; 3]; 3], v: [f64; 3]) -> [f64; 3] {
    matrix.map(|row| row[0] * v[0] + row[1] * v[1] + row[2] * v[2])
}

fn to_lab(rgb: [f64; 3]) -> [f64; 3] {
    let linear = rgb.map(|v| if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) });
    let xyz = multiply_matrix(RGB_TO_XYZ, linear);
    let root = |v: f64| if v > 216.0 / 24389.0 { v.cbrt() } else { (24389.0 / 27.0 * v + 16.0) / 116.0 };
    let [x, y, z]: [f64; 3] = std::array::from_fn(|at| root(xyz[at] / WHITE_POINT[at]));
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

fn from_lab([l, a, b]: [f64; 3]) -> [f64; 3] {
    let y = (l + 16.0) / 116.0;
    let cube = |v: f64| if v > 6.0 / 29.0 { v.powi(3) } else { (116.0 * v - 16.0) * 27.0 / 24389.0 };
    let parts = [y + a / 500.0, y, y - b / 200.0];
    let linear = multiply_matrix(XYZ_TO_RGB, std::array::from_fn(|at| cube(parts[at]) * WHITE_POINT[at]));
    linear.map(|v| {
        let v = v.clamp(0.0, 1.0);
        if v <= 0.003_130_8 { v * 12.92 } else { 1.055 * v.powf(1.0 / 2.4) - 0.055 }
    })
}

/// A lookup table of sixteen bits (`mft2`) over a grid, with linear curves.
fn build_lut(inputs: usize, outputs: usize, grid: usize, value: impl Fn(&[f64]) -> Vec<u16>) -> Vec<u8> {
    let mut tag = b"mft2\0\0\0\0".to_vec();
    tag.extend([inputs as u8, outputs as u8, grid as u8, 0]);
    for at in 0..9 {
        tag.extend(if at % 4 == 0 { 65_536_u32 } else { 0 }.to_be_bytes());
    }
    tag.extend([0, 2, 0, 2]);
    let line = |tag: &mut Vec<u8>, many| (0..many).for_each(|_| tag.extend([0, 0, 0xFF, 0xFF]));
    line(&mut tag, inputs);
    for node in 0..grid.pow(inputs as u32) {
        let place = |at: usize| node / grid.pow((inputs - 1 - at) as u32) % grid;
        let at: Vec<f64> = (0..inputs).map(|at| place(at) as f64 / (grid - 1) as f64).collect();
        value(&at).iter().for_each(|it| tag.extend(it.to_be_bytes()));
    }
    line(&mut tag, outputs);
    tag
}

fn to_u16(value: f64) -> u16 {
    (value * 65_535.0).round().clamp(0.0, 65_535.0) as u16
}

/// The profile as a file, under the name of a documented one.
pub fn build_profile() -> Vec<u8> {
    let there = build_lut(4, 3, 13, |at| {
        let [l, a, b] = to_lab(convert_inks_to_rgb([at[0], at[1], at[2], at[3]]));
        // The Lab encoding of ICC version 2: L* 100 is 0xFF00.
        [l / 100.0 * 65_280.0, (a + 128.0) * 256.0, (b + 128.0) * 256.0]
            .map(|v| v.round().clamp(0.0, 65_535.0) as u16)
            .to_vec()
    });
    let back = build_lut(3, 4, 33, |at| {
        let [l, a, b] = [at[0], at[1], at[2]].map(|v| v * 65_535.0);
        convert_rgb_to_inks(from_lab([l * 100.0 / 65_280.0, a / 256.0 - 128.0, b / 256.0 - 128.0])).map(to_u16).to_vec()
    });
    let name = b"U.S. Web Coated (SWOP) v2\0";
    let mut description = b"desc\0\0\0\0".to_vec();
    description.extend((name.len() as u32).to_be_bytes());
    description.extend(name);
    description.extend([0; 78]);
    let mut white = b"XYZ \0\0\0\0".to_vec();
    WHITE_POINT.iter().for_each(|it| white.extend(((it * 65_536.0) as i32).to_be_bytes()));
    let tags: [(&[u8; 4], Vec<u8>); 5] = [
        (b"desc", description),
        (b"cprt", b"text\0\0\0\0none\0".to_vec()),
        (b"wtpt", white.clone()),
        (b"A2B0", there),
        (b"B2A0", back),
    ];
    let mut header = vec![0; 128];
    header[8..12].copy_from_slice(&[2, 0x40, 0, 0]);
    header[12..24].copy_from_slice(b"prtrCMYKLab ");
    header[36..40].copy_from_slice(b"acsp");
    header[68..80].copy_from_slice(&white[8..]);
    let mut body = Vec::new();
    let mut list = (tags.len() as u32).to_be_bytes().to_vec();
    let start = 128 + 4 + tags.len() * 12;
    for (name, data) in tags {
        list.extend(name);
        list.extend(((start + body.len()) as u32).to_be_bytes());
        list.extend((data.len() as u32).to_be_bytes());
        body.extend(data);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    let mut profile = [header, list, body].concat();
    let length = profile.len() as u32;
    profile[..4].copy_from_slice(&length.to_be_bytes());
    profile
}
