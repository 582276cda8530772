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

/// A whole number inside a range. It may be written as a decimal, as programs do: `100.0`.
pub(super) fn whole(text: &str, range: impl RangeBounds<i64>, meant: impl Display) -> Result<i64, Fault> {
    let text = text.trim();
    let decimal = || decimal(text).filter(|number| number.fract() == 0.0).map(|number| number as i64);
    let number = text.parse().ok().or_else(decimal);
    let number = number.ok_or_else(|| Fault::invalid(format!("`{text}` is not a whole number that can be used.")))?;
    inside(number, &range, meant)
}

/// A number of pixels inside a range; fractions, which real requests have, are rounded, and halves go up.
fn rounded(text: &str, range: impl RangeBounds<i64>, meant: impl Display) -> Result<i64, Fault> {
    let number =
        decimal(text).ok_or_else(|| Fault::invalid(format!("`{}` is not a number of pixels.", text.trim())))?;
    inside((number + 0.5).floor() as i64, &range, meant)
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
    rounded(text, 1..=i64::from(i32::MAX), "above 0 and below 2,147,483,648").map(|number| number as u32)
}

/// A number of pixels that may be nothing.
pub(super) fn pixels_or_none(text: &str) -> Result<u32, Fault> {
    rounded(text, 0..=i64::from(i32::MAX), "between 0 and 2,147,483,647").map(|number| number as u32)
}

/// A place in pixels, on either side of the edge.
pub(super) fn place(text: &str) -> Result<i32, Fault> {
    let most = i64::from(i32::MAX);
    rounded(text, -most..=most, "a place within 2,147,483,647 pixels of the edge").map(|number| number as i32)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_may_be_decimals_and_pixels_fractions() {
        let count = |text| whole(text, 0..=100, "between 0 and 100").ok();
        assert_eq!([count("7"), count(" 7.0 "), count("1e1"), count("+7")], [Some(7), Some(7), Some(10), Some(7)]);
        assert_eq!([count("7.5"), count("101.0"), count("x"), count("1e300")], [None; 4]);
        assert_eq!([pixels("399.5").ok(), pixels("0.4").ok(), pixels("1e12").ok()], [Some(400), None, None]);
        assert_eq!([place("-1.5").ok(), place("-1.6").ok(), place("-0.2").ok()], [Some(-1), Some(-2), Some(0)]);
    }
}
