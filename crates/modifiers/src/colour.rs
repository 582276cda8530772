//! Colours as the language writes them. Documentation page: r-is-http-color.

use serde::{Deserialize, Serialize};

use super::complaint::Fault;
use super::recipe::PixelType;

/// A colour as it is written, with unassociated alpha, eight bits a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Colour {
    /// The components it has.
    pub pixel_type: PixelType,
    /// As many of them; the rest is 0. Inks count from no ink.
    pub components: [u8; 4],
    /// Opacity; 255 is opaque.
    pub alpha: u8,
    /// It lies in the source's colour space instead of the output's.
    pub source: bool,
}

impl Colour {
    /// White and opaque.
    pub const WHITE: Self = Self::rgb(255, 255, 255);

    /// An opaque colour of red, green and blue.
    pub const fn rgb(r: u8, g: u8, b: u8) -> Self {
        Self { pixel_type: PixelType::Rgb, components: [r, g, b, 0], alpha: 255, source: false }
    }

    /// The same colour, opaque and in the output's colour space.
    pub fn opaque(self) -> Self {
        Self { alpha: 255, source: false, ..self }
    }

    /// Red, green, blue and alpha; from other components by the naive rule.
    pub fn rgba(self) -> [u8; 4] {
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

/// Reads any form of a colour: gray, RGB or CMYK; decimal or hexadecimal; with or without alpha. The letter at the end
/// says which components; an `s` after it says that they lie in the source's colour space.
pub(super) fn read(text: &str) -> Result<Colour, Fault> {
    let lower = text.trim().to_ascii_lowercase();
    let (body, source) = lower.strip_suffix('s').map_or((lower.as_str(), false), |body| (body, true));
    let (body, said) = match body.char_indices().next_back() {
        Some((at, 'g')) => (&body[..at], Some(PixelType::Gray)),
        Some((at, 'r')) => (&body[..at], Some(PixelType::Rgb)),
        Some((at, 'k')) => (&body[..at], Some(PixelType::Cmyk)),
        _ => (body, None),
    };
    let read = if let Some(digits) = body.strip_prefix("0x") {
        packed(digits, said, true)
    } else if body.contains(',') {
        listed(body, said)
    } else {
        packed(body, said, false).or_else(|| listed(body, said))
    };
    read.map(|colour| Colour { source, ..colour }).ok_or_else(|| Fault {
        remedy: "Write rrggbb, 0xrrggbb, r,g,b (0 to 255), one gray value (0 to 100) or c,m,y,k with the suffix k."
            .into(),
        ..Fault::invalid(format!("`{}` is not a colour.", text.trim()))
    })
}

/// Reads a colour that must be RGB.
pub(super) fn read_rgb(text: &str) -> Result<Colour, Fault> {
    let colour = read(text)?;
    if colour.pixel_type != PixelType::Rgb {
        return Err(Fault::invalid(format!("`{}` is not a colour of red, green and blue.", text.trim())));
    }
    Ok(colour)
}

/// Hexadecimal digits without commas. Without `0x` one and two components would look like decimal gray.
fn packed(digits: &str, said: Option<PixelType>, marked: bool) -> Option<Colour> {
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) || digits.len() % 2 == 1 {
        return None;
    }
    let bytes = hex::decode(digits).ok()?;
    let pixel_type = said.unwrap_or(if bytes.len() <= 2 { PixelType::Gray } else { PixelType::Rgb });
    if pixel_type == PixelType::Gray && !marked {
        return None;
    }
    colour(pixel_type, &bytes)
}

/// Decimal components with commas.
fn listed(body: &str, said: Option<PixelType>) -> Option<Colour> {
    let parts: Vec<f64> = body.split(',').map(super::value::decimal).collect::<Option<_>>()?;
    let pixel_type = said.unwrap_or(if parts.len() <= 2 { PixelType::Gray } else { PixelType::Rgb });
    let top = if pixel_type == PixelType::Rgb { 255.0 } else { 100.0 };
    if !parts.iter().all(|part| (0.0..=top).contains(part)) {
        return None;
    }
    let bytes: Vec<u8> = parts.iter().map(|part| (part * 255.0 / top + 0.5).floor() as u8).collect();
    colour(pixel_type, &bytes)
}

/// As many components as there must be, with alpha or without.
fn colour(pixel_type: PixelType, bytes: &[u8]) -> Option<Colour> {
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
            ("00ffff00k", [255, 0, 0, 255]),
            ("0x00ffff0080ks", [255, 0, 0, 128]),
        ] {
            assert_eq!(read(text).map(Colour::rgba), Ok(expected), "{text}");
        }
    }

    #[test]
    fn gray_and_inks_are_not_rgb() {
        for text in ["50", "0,50", "0x7080", "50g", "0,0,0,0k", "00000000k", "50gs"] {
            assert!(read(text).is_ok() && read_rgb(text).is_err(), "{text}");
        }
        for text in ["ff0000", "0xff0000", "ff000080r", "1,2,3", "1,2,3,4rs", "ff0000s"] {
            assert!(read_rgb(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn components_stay_as_they_are_written() {
        let read = |text| read(text).map(|it| (it.pixel_type, it.components, it.alpha, it.source));
        assert_eq!(read("10,20,30,40k"), Ok((PixelType::Cmyk, [26, 51, 77, 102], 255, false)));
        assert_eq!(read("0a141e28ks"), Ok((PixelType::Cmyk, [10, 20, 30, 40], 255, true)));
        assert_eq!(read("40gs"), Ok((PixelType::Gray, [102, 0, 0, 0], 255, true)));
        assert_eq!(read("1,2,3,4"), Ok((PixelType::Rgb, [1, 2, 3, 0], 4, false)));
    }

    #[test]
    fn what_is_no_colour_is_refused() {
        for text in ["", "zzz", "101", "256,0,0", "1,2,3,4,5", "0x", "0x123", "1,2,3k", "12345", "-1", "nan", "é"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
