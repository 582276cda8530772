//! Orientation, resolution and rights from EXIF.

use exif::{In, Reader, Tag, Value};

use super::ImageHeader;
use crate::rights::{ImageRights, decode_text};
use crate::turn::Turn;

/// Copies orientation, resolution and rights into the header. Damaged EXIF is ignored: it is no reason to refuse an
/// image.
pub(super) fn apply_exif(header: &mut ImageHeader, raw: Vec<u8>) {
    let Ok(exif) = Reader::new().read_raw(raw) else { return };
    let field = |tag| exif.get_field(tag, In::PRIMARY).map(|field| &field.value);
    if let Some(orientation) = field(Tag::Orientation).and_then(|value| value.get_uint(0)) {
        header.orientation = Turn::from_exif(orientation);
    }
    let resolution = match field(Tag::XResolution) {
        Some(Value::Rational(parts)) => parts.first().map(exif::Rational::to_f64),
        _ => None,
    };
    let text = |tag| match field(tag) {
        Some(Value::Ascii(parts)) => decode_text(&parts.join(&b"; "[..])),
        _ => None,
    };
    let exif = ImageRights {
        creators: text(Tag::Artist).into_iter().collect(),
        copyright: text(Tag::Copyright),
        credit: None,
    };
    header.rights = std::mem::take(&mut header.rights).or(exif);
    let unit = field(Tag::ResolutionUnit).and_then(|value| value.get_uint(0)).unwrap_or(2);
    header.dpi = header.dpi.or(resolution.and_then(|value| to_dots_per_inch(value, unit)));
}

/// Converts a resolution with a TIFF unit (2: per inch, 3: per centimetre) to dots per inch. `None` when it is
/// implausible.
pub(super) fn to_dots_per_inch(value: f64, unit: u32) -> Option<f64> {
    let dpi = match unit {
        2 => value,
        3 => value * 2.54,
        _ => return None,
    };
    (dpi.is_finite() && (1.0..=65_535.0).contains(&dpi)).then_some(dpi)
}
