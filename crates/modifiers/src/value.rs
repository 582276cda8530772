//! Parsers for the parts of values: numbers, pixels, flags, keywords, lists.

use std::fmt::Display;
use std::ops::RangeBounds;

use super::diagnostic::ValueError;

/// A finite decimal number; an exponent is allowed, because catalogs write them. Refuses `inf` and `nan`, which Rust
/// accepts.
pub(super) fn parse_decimal(text: &str) -> Option<f64> {
    let text = text.trim();
    let has_number_chars = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    text.parse().ok().filter(|number: &f64| has_number_chars && number.is_finite())
}

/// The parts of a value between commas, without white space around them; at least one. Empty parts at the end are left
/// out: they stand for the defaults.
pub(super) fn split_parts(value: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = value.split(',').map(str::trim).collect();
    while parts.len() > 1 && parts.last().is_some_and(|part| part.is_empty()) {
        parts.pop();
    }
    parts
}

/// The `N` parts of a value; `names` describes them in the error.
pub(super) fn split_exactly<'a, const N: usize>(value: &'a str, names: &str) -> Result<[&'a str; N], ValueError> {
    <[&str; N]>::try_from(split_parts(value)).map_err(|parts| {
        ValueError::invalid(format!("`{value}` has {} values, not the {N} values {names}.", parts.len()))
    })
}

/// A whole number inside a range; `meant` describes the range in the error. `100.0` is accepted, because programs write
/// it.
pub(super) fn parse_integer(text: &str, range: impl RangeBounds<i64>, meant: impl Display) -> Result<i64, ValueError> {
    let text = text.trim();
    let decimal = || parse_decimal(text).filter(|number| number.fract() == 0.0).map(|number| number as i64);
    let number = text.parse().ok().or_else(decimal);
    let number = number.ok_or_else(|| ValueError::invalid(format!("`{text}` is not a whole number.")))?;
    check_range(number, &range, meant)
}

/// A number of pixels inside a range. Real requests contain fractions; they are rounded, halves up.
fn parse_rounded(text: &str, range: impl RangeBounds<i64>, meant: impl Display) -> Result<i64, ValueError> {
    let number = parse_decimal(text)
        .ok_or_else(|| ValueError::invalid(format!("`{}` is not a number of pixels.", text.trim())))?;
    check_range((number + 0.5).floor() as i64, &range, meant)
}

/// A number inside a range; `meant` describes the range in the error.
pub(super) fn parse_real(text: &str, range: impl RangeBounds<f64>, meant: impl Display) -> Result<f64, ValueError> {
    let number =
        parse_decimal(text).ok_or_else(|| ValueError::invalid(format!("`{}` is not a number.", text.trim())))?;
    check_range(number, &range, meant)
}

fn check_range<T: PartialOrd + Display>(
    number: T,
    range: &impl RangeBounds<T>,
    meant: impl Display,
) -> Result<T, ValueError> {
    if range.contains(&number) {
        Ok(number)
    } else {
        Err(ValueError::invalid(format!("The value must be {meant}, not {number}.")))
    }
}

/// A size in pixels, 1 to 2,147,483,647.
pub(super) fn parse_pixels(text: &str) -> Result<u32, ValueError> {
    parse_rounded(text, 1..=i64::from(i32::MAX), "above 0 and below 2,147,483,648").map(|number| number as u32)
}

/// A size in pixels, 0 to 2,147,483,647.
pub(super) fn parse_pixels_or_zero(text: &str) -> Result<u32, ValueError> {
    parse_rounded(text, 0..=i64::from(i32::MAX), "between 0 and 2,147,483,647").map(|number| number as u32)
}

/// A coordinate in pixels, on either side of the edge.
pub(super) fn parse_coordinate(text: &str) -> Result<i32, ValueError> {
    let limit = i64::from(i32::MAX);
    parse_rounded(text, -limit..=limit, "within 2,147,483,647 pixels of the edge").map(|number| number as i32)
}

/// `0` or `1`.
pub(super) fn parse_flag(text: &str) -> Result<bool, ValueError> {
    match text.trim() {
        "0" => Ok(false),
        "1" => Ok(true),
        other => Err(ValueError::invalid(format!("`{other}` is not 0 or 1."))),
    }
}

/// `0` or `1`; also `false` or `true`, as the documentation's examples of embedding write it.
pub(super) fn parse_embedding(text: &str) -> Result<bool, ValueError> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        flag => parse_flag(flag),
    }
}

/// One of a few keywords, case-insensitive.
pub(super) fn parse_keyword<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, ValueError> {
    let text = text.trim();
    let keyword = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
    keyword.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        ValueError::invalid(format!("`{text}` is not one of {}.", known.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_parts_at_the_end_are_defaults() {
        for (value, parts) in [("", &[""] as &[&str]), (",", &[""]), ("1, ,", &["1"]), ("1,,2,", &["1", "", "2"])] {
            assert_eq!(split_parts(value), parts, "{value}");
        }
        assert_eq!(
            ["1", "TRUE", "0", "false", "yes"].map(|text| parse_embedding(text).ok()),
            [Some(true), Some(true), Some(false), Some(false), None]
        );
    }

    #[test]
    fn whole_numbers_may_be_decimals_and_pixels_fractions() {
        let count = |text| parse_integer(text, 0..=100, "between 0 and 100").ok();
        assert_eq!([count("7"), count(" 7.0 "), count("1e1"), count("+7")], [Some(7), Some(7), Some(10), Some(7)]);
        assert_eq!([count("7.5"), count("101.0"), count("x"), count("1e300")], [None; 4]);
        assert_eq!(
            [parse_pixels("399.5").ok(), parse_pixels("0.4").ok(), parse_pixels("1e12").ok()],
            [Some(400), None, None]
        );
        assert_eq!(
            [parse_coordinate("-1.5").ok(), parse_coordinate("-1.6").ok(), parse_coordinate("-0.2").ok()],
            [Some(-1), Some(-2), Some(0)]
        );
    }
}
