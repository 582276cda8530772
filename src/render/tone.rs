//! Brightness, contrast and colours. The documentation names effects and ranges but no formulas; these are ours, and
//! a change of them raises the engine version.

use super::pixels::Sample;
use crate::language::Tone;

/// Brightness, contrast and balance of each component, as tables.
pub(super) fn curves<S: Sample>(tone: &Tone) -> [Vec<S>; 3] {
    let top = S::TOP as f64;
    tone.balance.map(|balance| {
        let curve = |value: u64| {
            let bright = (value as f64 + top * f64::from(tone.brightness) / 100.0).clamp(0.0, top);
            let balanced = contrasted(bright, f64::from(tone.contrast), top) + top * f64::from(balance) / 100.0;
            S::narrow(balanced.round().clamp(0.0, top) as u64)
        };
        (0..=S::TOP).map(curve).collect()
    })
}

fn contrasted(value: f64, contrast: f64, top: f64) -> f64 {
    let away = if contrast >= 0.0 { 1.0 / (1.0 - contrast / 101.0) } else { 1.0 + contrast / 100.0 };
    (top / 2.0 + (value - top / 2.0) * away).clamp(0.0, top)
}

/// Hue, saturation and inversion of a pixel whose first three components are red, green and blue.
pub(super) fn recolor<S: Sample>(pixel: &mut [S], tone: &Tone) {
    if tone.hue != 0 || tone.saturation > 0 {
        let [hue, saturation, lightness] = to_hsl([pixel[0], pixel[1], pixel[2]]);
        let more = 1.0 + f64::from(tone.saturation.max(0)) / 100.0;
        let rgb = from_hsl((hue + f64::from(tone.hue)).rem_euclid(360.0), (saturation * more).min(1.0), lightness);
        pixel[..3].copy_from_slice(&rgb);
    }
    if tone.saturation < 0 {
        let part = |at: usize| pixel[at].wide() as f64;
        let luma = 0.2126 * part(0) + 0.7152 * part(1) + 0.0722 * part(2);
        let kept = 1.0 + f64::from(tone.saturation) / 100.0;
        let saturate = |value: &mut S| *value = S::narrow((luma + (value.wide() as f64 - luma) * kept).round() as u64);
        pixel[..3].iter_mut().for_each(saturate);
    }
    if tone.invert {
        pixel[..3].iter_mut().for_each(|value| *value = S::narrow(S::TOP - value.wide()));
    }
}

/// Hue in degrees, saturation and lightness from 0 to 1.
fn to_hsl<S: Sample>(rgb: [S; 3]) -> [f64; 3] {
    let [r, g, b] = rgb.map(|value| value.wide() as f64 / S::TOP as f64);
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

fn from_hsl<S: Sample>(hue: f64, saturation: f64, lightness: f64) -> [S; 3] {
    let reach = saturation * lightness.min(1.0 - lightness);
    [0.0, 8.0, 4.0].map(|offset| {
        let turn = (offset + hue / 30.0) % 12.0;
        let value = lightness - reach * (turn - 3.0).min(9.0 - turn).clamp(-1.0, 1.0);
        S::narrow((value * S::TOP as f64).round() as u64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn toned(rgb: [u8; 3], tone: Tone) -> [u8; 3] {
        let mut pixel = rgb;
        let curves = curves::<u8>(&tone);
        pixel.iter_mut().zip(&curves).for_each(|(value, curve)| *value = curve[usize::from(*value)]);
        recolor(&mut pixel, &tone);
        pixel
    }

    #[test]
    fn each_operation_does_what_it_says() {
        let none = Tone::default();
        assert_eq!(toned([10, 20, 30], none), [10, 20, 30]);
        assert_eq!(toned([10, 20, 30], Tone { invert: true, ..none }), [245, 235, 225]);
        assert_eq!(toned([100; 3], Tone { brightness: 40, ..none }), [202; 3]);
        assert_eq!(toned([10, 200, 128], Tone { contrast: 100, ..none }), [0, 255, 178]);
        assert_eq!(toned([10, 200, 128], Tone { contrast: -100, ..none }), [128; 3]);
        assert_eq!(toned([100; 3], Tone { balance: [50, 0, -100], ..none }), [228, 100, 0]);
        assert_eq!(toned([255, 0, 0], Tone { hue: 120, ..none }), [0, 255, 0]);
        assert_eq!(toned([255, 0, 0], Tone { hue: -180, ..none }), [0, 255, 255]);
        assert_eq!(toned([200, 100, 50], Tone { saturation: -100, ..none }), [118; 3]);
        assert_eq!(toned([150, 100, 100], Tone { saturation: 100, ..none })[1], 75);
    }

    #[test]
    fn hue_and_saturation_of_nothing_keep_every_colour() {
        for step in 0..4096u32 {
            let rgb = [(step >> 8) * 17, (step >> 4 & 15) * 17, (step & 15) * 17].map(|value| value as u8);
            let [hue, saturation, lightness] = to_hsl(rgb);
            assert_eq!(from_hsl::<u8>(hue, saturation, lightness), rgb);
        }
    }
}
