//! Colours as the language writes them. Documentation page: r-is-http-color.

use serde::{Deserialize, Serialize};

use super::diagnostic::ValueError;
use super::recipe::PixelType;

/// A colour as it is written: eight bits a component, alpha not premultiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Colour {
    pub pixel_type: PixelType,
    /// The components of `pixel_type`; the rest is 0. In CMYK, 0 is no ink.
    pub components: [u8; 4],
    /// Opacity; 255 is opaque.
    pub alpha: u8,
    /// Whether the components are in the source's colour space; otherwise in the output's.
    pub source: bool,
}

impl Colour {
    pub const WHITE: Self = Self::from_rgb(255, 255, 255);

    /// An opaque colour of red, green and blue.
    pub const fn from_rgb(r: u8, g: u8, b: u8) -> Self {
        Self { pixel_type: PixelType::Rgb, components: [r, g, b, 0], alpha: 255, source: false }
    }

    /// The same components, opaque and in the output's colour space.
    pub fn to_opaque(self) -> Self {
        Self { alpha: 255, source: false, ..self }
    }

    /// Red, green, blue and alpha. Gray and CMYK are converted without a profile: each ink darkens by its share, and
    /// black darkens all.
    pub fn to_rgba(self) -> [u8; 4] {
        let [a, b, c, k] = self.components;
        let [r, g, b] = match self.pixel_type {
            PixelType::Gray => [a; 3],
            PixelType::Rgb => [a, b, c],
            PixelType::Cmyk => [a, b, c].map(|ink| {
                let light = u32::from(255 - ink) * u32::from(255 - k);
                ((light + 127) / 255) as u8
            }),
        };
        [r, g, b, self.alpha]
    }
}

/// Parses any form of a colour: gray, RGB or CMYK; decimal or hexadecimal; with or without alpha. A suffix `g`, `r` or
/// `k` sets the components; a further `s` means that they are in the source's colour space.
pub(super) fn parse_colour(text: &str) -> Result<Colour, ValueError> {
    let lower = text.trim().to_ascii_lowercase();
    let (body, source) = lower.strip_suffix('s').map_or((lower.as_str(), false), |body| (body, true));
    let (body, suffix_type) = match body.char_indices().next_back() {
        Some((at, 'g')) => (&body[..at], Some(PixelType::Gray)),
        Some((at, 'r')) => (&body[..at], Some(PixelType::Rgb)),
        Some((at, 'k')) => (&body[..at], Some(PixelType::Cmyk)),
        _ => (body, None),
    };
    let colour = if let Some(digits) = body.strip_prefix("0x") {
        parse_hex_colour(digits, suffix_type, true)
    } else if body.contains(',') {
        parse_decimal_colour(body, suffix_type)
    } else {
        parse_hex_colour(body, suffix_type, false).or_else(|| parse_decimal_colour(body, suffix_type))
    };
    colour.map(|colour| Colour { source, ..colour }).ok_or_else(|| ValueError {
        remedy: "Write rrggbb, 0xrrggbb, r,g,b (0 to 255), one gray value (0 to 100), or c,m,y,k (percent, also \
                 as hexadecimal pairs 00 to 64) with the suffix k."
            .into(),
        ..ValueError::invalid(format!("`{}` is not a colour.", text.trim()))
    })
}

/// Parses a colour that must be RGB.
pub(super) fn parse_rgb_colour(text: &str) -> Result<Colour, ValueError> {
    let colour = parse_colour(text)?;
    if colour.pixel_type != PixelType::Rgb {
        return Err(ValueError::invalid(format!("`{}` is not an RGB colour.", text.trim())));
    }
    Ok(colour)
}

/// Hexadecimal digits without commas. One or two components need `0x` (`marked`), because without it they are decimal
/// gray. Pairs of digits are 0 to 255, but percent in CMYK, as both examples of the documentation have it.
fn parse_hex_colour(digits: &str, suffix_type: Option<PixelType>, marked: bool) -> Option<Colour> {
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) || digits.len() % 2 == 1 {
        return None;
    }
    let bytes = hex::decode(digits).ok()?;
    let pixel_type = suffix_type.unwrap_or(if bytes.len() <= 2 { PixelType::Gray } else { PixelType::Rgb });
    match pixel_type {
        PixelType::Gray if !marked => None,
        PixelType::Cmyk => {
            let percent: Option<Vec<u8>> = bytes.iter().map(|byte| scale_percent(f64::from(*byte))).collect();
            build_colour(pixel_type, &percent?)
        }
        _ => build_colour(pixel_type, &bytes),
    }
}

/// Decimal components with commas.
fn parse_decimal_colour(body: &str, suffix_type: Option<PixelType>) -> Option<Colour> {
    let parts: Vec<f64> = body.split(',').map(super::value::parse_decimal).collect::<Option<_>>()?;
    let pixel_type = suffix_type.unwrap_or(if parts.len() <= 2 { PixelType::Gray } else { PixelType::Rgb });
    let scale = |part: &f64| match pixel_type {
        PixelType::Rgb => (0.0..=255.0).contains(part).then(|| (part + 0.5).floor() as u8),
        _ => scale_percent(*part),
    };
    build_colour(pixel_type, &parts.iter().map(scale).collect::<Option<Vec<u8>>>()?)
}

/// 0 to 100 as a byte.
fn scale_percent(percent: f64) -> Option<u8> {
    (0.0..=100.0).contains(&percent).then(|| (percent * 255.0 / 100.0 + 0.5).floor() as u8)
}

/// Takes the components of `pixel_type`, and alpha if there is one byte more.
fn build_colour(pixel_type: PixelType, bytes: &[u8]) -> Option<Colour> {
    let count = pixel_type.components();
    let alpha = match bytes.len().checked_sub(count)? {
        0 => 255,
        1 => bytes[count],
        _ => return None,
    };
    let components = std::array::from_fn(|at| if at < count { bytes[at] } else { 0 });
    Some(Colour { pixel_type, components, alpha, source: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read() {
        for (text, expected) in [
            ("000000", [0, 0, 0, 255]),
            ("100", [255, 255, 255, 255]),
            ("50g", [128, 128, 128, 255]),
            ("0,50", [0, 0, 0, 128]),
            ("1,2,3", [1, 2, 3, 255]),
            ("1,2,3,4rs", [1, 2, 3, 4]),
            ("0x70G", [112, 112, 112, 255]),
            ("0x7080", [112, 112, 112, 128]),
            ("0XA0b0C0", [160, 176, 192, 255]),
            ("a0b0c0d0r", [160, 176, 192, 208]),
            ("0,100,100,0k", [255, 0, 0, 255]),
            ("0,0,0,100,50k", [0, 0, 0, 128]),
            ("00646400k", [255, 0, 0, 255]),
            ("0x0064640032ks", [255, 0, 0, 128]),
        ] {
            assert_eq!(parse_colour(text).map(Colour::to_rgba), Ok(expected), "{text}");
        }
    }

    #[test]
    fn gray_and_inks_are_not_rgb() {
        for text in ["50", "0,50", "0x7080", "50g", "0,0,0,0k", "00000000k", "50gs"] {
            assert!(parse_colour(text).is_ok() && parse_rgb_colour(text).is_err(), "{text}");
        }
        for text in ["ff0000", "0xff0000", "ff000080r", "1,2,3", "1,2,3,4rs", "ff0000s"] {
            assert!(parse_rgb_colour(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn components_stay_as_they_are_written() {
        let read =
            |text| parse_colour(text).map(|colour| (colour.pixel_type, colour.components, colour.alpha, colour.source));
        assert_eq!(read("10,20,30,40k"), Ok((PixelType::Cmyk, [26, 51, 77, 102], 255, false)));
        assert_eq!(read("0a141e28ks"), Ok((PixelType::Cmyk, [26, 51, 77, 102], 255, true)));
        assert_eq!(
            read("0x0a0b0C0d0eks"),
            parse_colour("10,11,12,13,14ks").map(|c| (c.pixel_type, c.components, c.alpha, true))
        );
        assert_eq!(read("40gs"), Ok((PixelType::Gray, [102, 0, 0, 0], 255, true)));
        assert_eq!(read("1,2,3,4"), Ok((PixelType::Rgb, [1, 2, 3, 0], 4, false)));
    }

    #[test]
    fn what_is_no_colour_is_refused() {
        for text in
            ["", "zzz", "101", "256,0,0", "1,2,3,4,5", "0x", "0x123", "1,2,3k", "12345", "-1", "nan", "é", "00ff0000k"]
        {
            assert!(parse_colour(text).is_err(), "{text}");
        }
    }
}
