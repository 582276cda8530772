//! Brightness, contrast and colours of pixels. The documentation names effects and ranges but no formulas; these are
//! ours. Whoever changes one raises [`crate::ENGINE_VERSION`].

use offprint_modifiers::{Colorize, Tone};

use super::mix::compute_luma;
use super::sample::Sample;

/// Brightness, contrast and balance, as one lookup table for each of red, green and blue.
pub(super) fn build_curves<S: Sample>(tone: &Tone) -> [Vec<S>; 3] {
    let top = S::MAX_VALUE as f64;
    tone.balance.map(|balance| {
        let curve = |value: u64| {
            let bright = (value as f64 + top * f64::from(tone.brightness) / 100.0).clamp(0.0, top);
            let balanced = apply_contrast(bright, f64::from(tone.contrast), top) + top * f64::from(balance) / 100.0;
            S::from_u64(balanced.round().clamp(0.0, top) as u64)
        };
        (0..=S::MAX_VALUE).map(curve).collect()
    })
}

fn apply_contrast(value: f64, contrast: f64, top: f64) -> f64 {
    let gain = if contrast >= 0.0 { 1.0 / (1.0 - contrast / 101.0) } else { 1.0 + contrast / 100.0 };
    (top / 2.0 + (value - top / 2.0) * gain).clamp(0.0, top)
}

/// Changes hue and saturation of a pixel whose first three components are red, green and blue.
pub(super) fn adjust_saturation<S: Sample>(pixel: &mut [S], tone: &Tone) {
    if tone.hue != 0 || tone.saturation > 0 {
        let [hue, saturation, lightness] = convert_to_hsl([pixel[0], pixel[1], pixel[2]]);
        let more = 1.0 + f64::from(tone.saturation.max(0)) / 100.0;
        let rgb =
            convert_from_hsl((hue + f64::from(tone.hue)).rem_euclid(360.0), (saturation * more).min(1.0), lightness);
        pixel[..3].copy_from_slice(&rgb);
    }
    if tone.saturation < 0 {
        let part = |at: usize| pixel[at].to_u64() as f64;
        let luma = 0.2126 * part(0) + 0.7152 * part(1) + 0.0722 * part(2);
        let kept = 1.0 + f64::from(tone.saturation) / 100.0;
        let saturate =
            |value: &mut S| *value = S::from_u64((luma + (value.to_u64() as f64 - luma) * kept).round() as u64);
        pixel[..3].iter_mut().for_each(saturate);
    }
}

/// Darkest, median and brightest level of all pixels that are not fully transparent, from 0 to 1.
pub(super) fn measure_brightness<'a, S: Sample>(pixels: impl Iterator<Item = &'a [S]>, alpha: bool) -> [f64; 3] {
    const LEVELS: usize = 256;
    let mut counts = [0u64; LEVELS];
    let is_visible = |pixel: &[S]| !alpha || pixel.last().is_some_and(|alpha| alpha.to_u64() > 0);
    for pixel in pixels.filter(|pixel| is_visible(pixel)) {
        counts[(compute_luma(&pixel[..3]).to_u64() * (LEVELS as u64 - 1) / S::MAX_VALUE) as usize] += 1;
    }
    let total: u64 = counts.iter().sum();
    let level = |index: Option<usize>| index.map_or(0.5, |level| level as f64 / (LEVELS - 1) as f64);
    let mut below = 0;
    let median = counts.iter().position(|count| {
        below += count;
        below * 2 >= total.max(1)
    });
    let used = |count: &u64| *count > 0;
    [level(counts.iter().position(used)), level(median), level(counts.iter().rposition(used))]
}

/// The colour of each brightness: from black over the colour to white. `norm` moves the median to the middle; contrast
/// then says how much of the whole range is used.
pub(super) fn build_colorize_table<S: Sample>(colorize: &Colorize, [least, median, most]: [f64; 3]) -> Vec<[S; 3]> {
    let [r, g, b, _] = colorize.color.to_rgba();
    let color = [r, g, b].map(|part| f64::from(part) / 255.0);
    let spread = (most - least).max(1.0 / 255.0);
    let stretch = if colorize.contrast > 0.0 { colorize.contrast / 100.0 / spread } else { 1.0 };
    let table = (0..=S::MAX_VALUE).map(|value| {
        let plain = value as f64 / S::MAX_VALUE as f64;
        let light = if colorize.norm { (0.5 + (plain - median) * stretch).clamp(0.0, 1.0) } else { plain };
        color.map(|part| {
            let mixed = if light < 0.5 { part * 2.0 * light } else { part + (1.0 - part) * (2.0 * light - 1.0) };
            S::from_u64((mixed * S::MAX_VALUE as f64).round() as u64)
        })
    });
    table.collect()
}

pub(super) fn colorize_pixel<S: Sample>(pixel: &mut [S], table: &[[S; 3]]) {
    let colour = table[compute_luma(&pixel[..3]).to_u64() as usize];
    pixel[..3].copy_from_slice(&colour);
}

/// Hue in degrees, saturation and lightness from 0 to 1.
fn convert_to_hsl<S: Sample>(rgb: [S; 3]) -> [f64; 3] {
    let [r, g, b] = rgb.map(|value| value.to_u64() as f64 / S::MAX_VALUE as f64);
    let (most, least) = (r.max(g).max(b), r.min(g).min(b));
    let (lightness, spread) = ((most + least) / 2.0, most - least);
    if spread == 0.0 {
        return [0.0, 0.0, lightness];
    }
    let hue = if most == r {
        (g - b) / spread
    } else if most == g {
        (b - r) / spread + 2.0
    } else {
        (r - g) / spread + 4.0
    };
    [(hue * 60.0).rem_euclid(360.0), spread / (1.0 - (2.0 * lightness - 1.0).abs()), lightness]
}

fn convert_from_hsl<S: Sample>(hue: f64, saturation: f64, lightness: f64) -> [S; 3] {
    let reach = saturation * lightness.min(1.0 - lightness);
    [0.0, 8.0, 4.0].map(|offset| {
        let turn = (offset + hue / 30.0) % 12.0;
        let value = lightness - reach * (turn - 3.0).min(9.0 - turn).clamp(-1.0, 1.0);
        S::from_u64((value * S::MAX_VALUE as f64).round() as u64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use offprint_modifiers::Colour;

    fn apply_tone(rgb: [u8; 3], tone: Tone) -> [u8; 3] {
        let mut pixel = rgb;
        let curves = build_curves::<u8>(&tone);
        pixel.iter_mut().zip(&curves).for_each(|(value, curve)| *value = curve[usize::from(*value)]);
        adjust_saturation(&mut pixel, &tone);
        pixel
    }

    #[test]
    fn each_operation_does_what_it_says() {
        let none = Tone::default();
        assert_eq!(apply_tone([10, 20, 30], none), [10, 20, 30]);
        assert_eq!(apply_tone([100; 3], Tone { brightness: 40, ..none }), [202; 3]);
        assert_eq!(apply_tone([10, 200, 128], Tone { contrast: 100, ..none }), [0, 255, 178]);
        assert_eq!(apply_tone([10, 200, 128], Tone { contrast: -100, ..none }), [128; 3]);
        assert_eq!(apply_tone([100; 3], Tone { balance: [50, 0, -100], ..none }), [228, 100, 0]);
        assert_eq!(apply_tone([255, 0, 0], Tone { hue: 120, ..none }), [0, 255, 0]);
        assert_eq!(apply_tone([255, 0, 0], Tone { hue: -180, ..none }), [0, 255, 255]);
        assert_eq!(apply_tone([200, 100, 50], Tone { saturation: -100, ..none }), [118; 3]);
        assert_eq!(apply_tone([150, 100, 100], Tone { saturation: 100, ..none })[1], 75);
    }

    #[test]
    fn colorizing_goes_from_black_over_the_colour_to_white() {
        let colorize = |norm, contrast| Colorize { color: Colour::from_rgb(0, 255, 0), norm, contrast };
        let plain = build_colorize_table::<u8>(&colorize(false, 0.0), [0.1, 0.2, 0.3]);
        assert_eq!((plain[0], plain[64], plain[255]), ([0; 3], [0, 128, 0], [255; 3]));
        let pixels = [[51u8, 51, 51], [51, 51, 51], [102, 102, 102]];
        let range = measure_brightness(pixels.iter().map(<[u8; 3]>::as_slice), false);
        assert_eq!(range, [0.2, 0.2, 0.4]);
        let moved = build_colorize_table::<u8>(&colorize(true, 0.0), range);
        assert_eq!((moved[51], moved[0]), ([0, 255, 0], [0, 153, 0]));
        let stretched = build_colorize_table::<u8>(&colorize(true, 100.0), range);
        assert_eq!((stretched[51], stretched[102]), ([0, 255, 0], [255; 3]));
    }

    #[test]
    fn hue_and_saturation_of_nothing_keep_every_colour() {
        for step in 0..4096u32 {
            let rgb = [(step >> 8) * 17, (step >> 4 & 15) * 17, (step & 15) * 17].map(|value| value as u8);
            let [hue, saturation, lightness] = convert_to_hsl(rgb);
            assert_eq!(convert_from_hsl::<u8>(hue, saturation, lightness), rgb);
        }
    }
}
