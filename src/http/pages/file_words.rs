//! A file in a few words.

use crate::i18n::Language;

/// Such as `1.2 MB, 1200 × 800, PNG`.
pub(in crate::http) fn describe_file(
    language: &Language,
    size: Option<i64>,
    sides: Option<(i32, i32)>,
    mime: Option<&str>,
) -> String {
    let size = size.map(|size| language.format_size(size));
    let sides = sides.map(|(width, height)| format!("{width} × {height}"));
    let kind = mime.and_then(|mime| mime.strip_prefix("image/"));
    let kind =
        kind.map(|kind| kind.trim_start_matches("x-").split(['.', '+', ';']).next().unwrap_or(kind).to_uppercase());
    [size, sides, kind].into_iter().flatten().collect::<Vec<_>>().join(", ")
}
