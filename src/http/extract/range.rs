//! The `Range` header (RFC 9110, section 14).

use std::ops::Range as Span;

use actix_web::http::header::{self, HeaderMap};

/// The part of a representation that a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ByteRange {
    /// All of it: there is no range, or one that is ignored.
    Whole,
    Part(Span<u64>),
    /// The range begins after the last byte: 416.
    Unsatisfiable,
}

impl ByteRange {
    /// The range that the headers ask for, of a representation of `size` bytes. Invalid ranges and several ranges at once
    /// are ignored, as the RFC allows: the whole is always a correct answer.
    pub fn from_headers(headers: &HeaderMap, size: u64) -> Self {
        let mut lines = headers.get_all(header::RANGE);
        match (lines.next().map(|line| line.to_str()), lines.next()) {
            (Some(Ok(line)), None) => Self::parse(line, size),
            _ => Self::Whole,
        }
    }

    fn parse(line: &str, size: u64) -> Self {
        let Some((unit, set)) = line.split_once('=') else { return Self::Whole };
        if !unit.trim().eq_ignore_ascii_case("bytes") {
            return Self::Whole;
        }
        // Lists may have empty elements.
        let mut ranges = set.split(',').map(str::trim).filter(|range| !range.is_empty());
        match (ranges.next(), ranges.next()) {
            (Some(range), None) => Self::parse_range(range, size).unwrap_or(Self::Whole),
            _ => Self::Whole,
        }
    }

    /// None when it is not a range.
    fn parse_range(range: &str, size: u64) -> Option<Self> {
        let (first, last) = range.split_once('-')?;
        if first.is_empty() {
            return Some(match parse_number(last)? {
                0 => Self::Unsatisfiable,
                // A suffix of an empty file is satisfiable, but has no part to send.
                _ if size == 0 => Self::Whole,
                suffix => Self::Part(size.saturating_sub(suffix)..size),
            });
        }
        let first = parse_number(first)?;
        let last = if last.is_empty() { u64::MAX } else { parse_number(last)? };
        match first {
            first if first > last => None,
            first if first >= size => Some(Self::Unsatisfiable),
            first => Some(Self::Part(first..last.saturating_add(1).min(size))),
        }
    }
}

/// Digits only, as the RFC requires; a number that does not fit is larger than any file anyway.
fn parse_number(digits: &str) -> Option<u64> {
    let plain = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    plain.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str, size: u64) -> ByteRange {
        ByteRange::parse(line, size)
    }

    #[test]
    fn one_range_is_a_part() {
        assert_eq!(parse_line("bytes=0-0", 100), ByteRange::Part(0..1));
        assert_eq!(parse_line("bytes=0-99", 100), ByteRange::Part(0..100));
        assert_eq!(parse_line("bytes=10-19", 100), ByteRange::Part(10..20));
        assert_eq!(parse_line("bytes=99-", 100), ByteRange::Part(99..100));
        assert_eq!(parse_line("bytes=50-1000", 100), ByteRange::Part(50..100));
        assert_eq!(parse_line("BYTES= 1-2 ,, ", 100), ByteRange::Part(1..3));
        assert_eq!(parse_line("bytes=5-99999999999999999999999999", 100), ByteRange::Part(5..100));
    }

    #[test]
    fn a_suffix_counts_from_the_end() {
        assert_eq!(parse_line("bytes=-1", 100), ByteRange::Part(99..100));
        assert_eq!(parse_line("bytes=-100", 100), ByteRange::Part(0..100));
        assert_eq!(parse_line("bytes=-1000", 100), ByteRange::Part(0..100));
        assert_eq!(parse_line("bytes=-5", 0), ByteRange::Whole);
    }

    #[test]
    fn a_range_that_begins_after_the_end_is_unsatisfiable() {
        assert_eq!(parse_line("bytes=100-", 100), ByteRange::Unsatisfiable);
        assert_eq!(parse_line("bytes=100-200", 100), ByteRange::Unsatisfiable);
        assert_eq!(parse_line("bytes=-0", 100), ByteRange::Unsatisfiable);
        assert_eq!(parse_line("bytes=0-", 0), ByteRange::Unsatisfiable);
        assert_eq!(parse_line("bytes=99999999999999999999999999-", 100), ByteRange::Unsatisfiable);
    }

    #[test]
    fn the_rest_is_ignored() {
        for line in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=5",
            "bytes=2-1",
            "bytes=a-b",
            "bytes=+1-2",
            "bytes=1-2-3",
            "bytes=--1",
            "bytes=0x1-2",
            "items=0-1",
            "bytes=0-1,5-6",
            "bytes=0 - 1",
        ] {
            assert_eq!(parse_line(line, 100), ByteRange::Whole, "{line:?}");
        }
    }
}
