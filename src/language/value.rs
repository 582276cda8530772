//! The small parts that values are made of.

use std::fmt::Display;
use std::ops::RangeBounds;

use super::complaint::Fault;

/// A decimal number; an exponent is allowed, as in catalogs. Never infinite.
pub(super) fn decimal(text: &str) -> Option<f64> {
    let text = text.trim();
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    text.parse().ok().filter(|number: &f64| plain && number.is_finite())
}

/// The parts of a value between commas.
pub(super) fn parts(value: &str) -> Vec<&str> {
    value.split(',').map(str::trim).collect()
}

/// The parts of a value that must be as many as `names`.
pub(super) fn exactly<'a, const N: usize>(value: &'a str, names: &str) -> Result<[&'a str; N], Fault> {
    let found = parts(value);
    <[&str; N]>::try_from(found)
        .map_err(|found| Fault::invalid(format!("`{value}` has {} of the {N} numbers {names}.", found.len())))
}

/// A whole number inside a range.
pub(super) fn whole(text: &str, range: impl RangeBounds<i64>, meant: impl Display) -> Result<i64, Fault> {
    let text = text.trim();
    let number: i64 =
        text.parse().map_err(|_| Fault::invalid(format!("`{text}` is not a whole number that can be used.")))?;
    inside(number, &range, meant)
}

/// A number inside a range.
pub(super) fn real(text: &str, range: impl RangeBounds<f64>, meant: impl Display) -> Result<f64, Fault> {
    let number = decimal(text).ok_or_else(|| Fault::invalid(format!("`{}` is not a number.", text.trim())))?;
    inside(number, &range, meant)
}

fn inside<T: PartialOrd + Display>(number: T, range: &impl RangeBounds<T>, meant: impl Display) -> Result<T, Fault> {
    if range.contains(&number) { Ok(number) } else { Err(Fault::invalid(format!("{number} is not {meant}."))) }
}

/// A number of pixels that has a size: 1 to 2,147,483,647.
pub(super) fn pixels(text: &str) -> Result<u32, Fault> {
    whole(text, 1..=i64::from(i32::MAX), "above 0 and below 2,147,483,648").map(|number| number as u32)
}

/// A number of pixels that may be nothing.
pub(super) fn pixels_or_none(text: &str) -> Result<u32, Fault> {
    whole(text, 0..=i64::from(i32::MAX), "between 0 and 2,147,483,647").map(|number| number as u32)
}

/// A place in pixels, on either side of the edge.
pub(super) fn place(text: &str) -> Result<i32, Fault> {
    let most = i64::from(i32::MAX);
    whole(text, -most..=most, "a place within 2,147,483,647 pixels of the edge").map(|number| number as i32)
}

/// `0` or `1`.
pub(super) fn flag(text: &str) -> Result<bool, Fault> {
    match text.trim() {
        "0" => Ok(false),
        "1" => Ok(true),
        other => Err(Fault::invalid(format!("`{other}` is neither 0 nor 1."))),
    }
}

/// One of a few words, in any case.
pub(super) fn word<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, Fault> {
    let text = text.trim();
    let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
    found.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        Fault::invalid(format!("`{text}` is none of {}.", known.join(", ")))
    })
}
