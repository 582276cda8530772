//! Colours as the language writes them. Documentation page: r-is-http-color.

use serde::{Deserialize, Serialize};

use super::complaint::Fault;

/// A colour with unassociated alpha, eight bits a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Colour {
    /// Red.
    pub r: u8,
    /// Green.
    pub g: u8,
    /// Blue.
    pub b: u8,
    /// Opacity; 255 is opaque.
    pub a: u8,
}

impl Colour {
    /// White and opaque.
    pub const WHITE: Self = Self { r: 255, g: 255, b: 255, a: 255 };

    /// The same colour, opaque.
    pub fn opaque(self) -> Self {
        Self { a: 255, ..self }
    }

    /// The four components.
    pub fn rgba(self) -> [u8; 4] {
        [self.r, self.g, self.b, self.a]
    }
}

/// How the components are to be read; said by a letter at the end.
#[derive(Clone, Copy, PartialEq)]
enum Space {
    Gray,
    Rgb,
    Cmyk,
}

/// Reads any form of a colour: gray, RGB or CMYK; decimal or hexadecimal; with or without alpha. The suffix `s`
/// (source colour space) is accepted.
pub(super) fn read(text: &str) -> Result<Colour, Fault> {
    let lower = text.trim().to_ascii_lowercase();
    let body = lower.strip_suffix('s').unwrap_or(&lower);
    let (body, space) = match body.char_indices().next_back() {
        Some((at, 'g')) => (&body[..at], Some(Space::Gray)),
        Some((at, 'r')) => (&body[..at], Some(Space::Rgb)),
        Some((at, 'k')) => (&body[..at], Some(Space::Cmyk)),
        _ => (body, None),
    };
    let read = if let Some(digits) = body.strip_prefix("0x") {
        packed(digits, space, true)
    } else if body.contains(',') {
        listed(body, space)
    } else {
        packed(body, space, false).or_else(|| listed(body, space))
    };
    read.ok_or_else(|| Fault {
        remedy: "Write rrggbb, 0xrrggbb, r,g,b (0 to 255), one gray value (0 to 100) or c,m,y,k with the suffix k."
            .into(),
        ..Fault::invalid(format!("`{}` is not a colour.", text.trim()))
    })
}

/// Reads a colour that must be RGB.
pub(super) fn read_rgb(text: &str) -> Result<Colour, Fault> {
    let colour = read(text)?;
    let lower = text.trim().to_ascii_lowercase();
    let body = lower.strip_suffix('s').unwrap_or(&lower);
    let parts = body.split(',').count();
    let digits = body.strip_prefix("0x").unwrap_or(body).trim_end_matches('r').len();
    let short = if parts > 1 { parts < 3 } else { digits < 6 };
    if short || body.ends_with(['g', 'k']) {
        return Err(Fault::invalid(format!("`{}` is not a colour of red, green and blue.", text.trim())));
    }
    Ok(colour)
}

/// Hexadecimal digits without commas. Without `0x` one and two components would look like decimal gray.
fn packed(digits: &str, space: Option<Space>, marked: bool) -> Option<Colour> {
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) || digits.len() % 2 == 1 {
        return None;
    }
    let bytes = hex::decode(digits).ok()?;
    match (space, bytes.as_slice()) {
        (None | Some(Space::Gray), &[v]) if marked => Some(Colour { r: v, g: v, b: v, a: 255 }),
        (None | Some(Space::Gray), &[v, a]) if marked => Some(Colour { r: v, g: v, b: v, a }),
        (None | Some(Space::Rgb), &[r, g, b]) => Some(Colour { r, g, b, a: 255 }),
        (None | Some(Space::Rgb), &[r, g, b, a]) => Some(Colour { r, g, b, a }),
        (Some(Space::Cmyk), &[c, m, y, k]) => Some(from_cmyk([c, m, y, k].map(|v| f64::from(v) / 255.0), 1.0)),
        (Some(Space::Cmyk), &[c, m, y, k, a]) => {
            Some(from_cmyk([c, m, y, k].map(|v| f64::from(v) / 255.0), f64::from(a) / 255.0))
        }
        _ => None,
    }
}

/// Decimal components with commas.
fn listed(body: &str, space: Option<Space>) -> Option<Colour> {
    let parts: Vec<f64> = body.split(',').map(super::value::decimal).collect::<Option<_>>()?;
    let within = |top: f64| parts.iter().all(|part| (0.0..=top).contains(part));
    let space = space.unwrap_or(if parts.len() <= 2 { Space::Gray } else { Space::Rgb });
    match (space, parts.as_slice()) {
        (Space::Gray, &[v]) if within(100.0) => Some(gray(v, 100.0)),
        (Space::Gray, &[v, a]) if within(100.0) => Some(gray(v, a)),
        (Space::Rgb, &[r, g, b]) if within(255.0) => Some(rgb(r, g, b, 255.0)),
        (Space::Rgb, &[r, g, b, a]) if within(255.0) => Some(rgb(r, g, b, a)),
        (Space::Cmyk, &[c, m, y, k]) if within(100.0) => Some(from_cmyk([c, m, y, k].map(|v| v / 100.0), 1.0)),
        (Space::Cmyk, &[c, m, y, k, a]) if within(100.0) => Some(from_cmyk([c, m, y, k].map(|v| v / 100.0), a / 100.0)),
        _ => None,
    }
}

fn byte(value: f64) -> u8 {
    (value + 0.5).floor().clamp(0.0, 255.0) as u8
}

fn rgb(r: f64, g: f64, b: f64, a: f64) -> Colour {
    Colour { r: byte(r), g: byte(g), b: byte(b), a: byte(a) }
}

fn gray(percent: f64, alpha: f64) -> Colour {
    let v = percent * 255.0 / 100.0;
    rgb(v, v, v, alpha * 255.0 / 100.0)
}

/// The naive conversion, for want of a profile.
fn from_cmyk([c, m, y, k]: [f64; 4], alpha: f64) -> Colour {
    let part = |ink: f64| 255.0 * (1.0 - ink) * (1.0 - k);
    rgb(part(c), part(m), part(y), 255.0 * alpha)
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
    fn what_is_no_colour_is_refused() {
        for text in ["", "zzz", "101", "256,0,0", "1,2,3,4,5", "0x", "0x123", "1,2,3k", "12345", "-1", "nan", "é"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
