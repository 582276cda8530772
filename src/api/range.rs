//! The `Range` header (RFC 9110, section 14).

use std::ops::Range as Span;

use actix_web::http::header::{self, HeaderMap};

/// What part of a representation a request wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All of it: no range was asked for, or one that means nothing to us.
    Whole,
    /// These bytes.
    Part(Span<u64>),
    /// Bytes that are not there.
    Outside,
}

impl Wanted {
    /// What the headers ask of a representation of `size` bytes. Ranges that cannot be read and several ranges at once
    /// are ignored, as the RFC allows: the whole is always a right answer.
    pub fn of(headers: &HeaderMap, size: u64) -> Self {
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
            (Some(range), None) => Self::one(range, size).unwrap_or(Self::Whole),
            _ => Self::Whole,
        }
    }

    /// None when it is not a range.
    fn one(range: &str, size: u64) -> Option<Self> {
        let (first, last) = range.split_once('-')?;
        if first.is_empty() {
            return Some(match number(last)? {
                0 => Self::Outside,
                // The last bytes of nothing are nothing: there is no part to send, but no mistake either.
                _ if size == 0 => Self::Whole,
                suffix => Self::Part(size.saturating_sub(suffix)..size),
            });
        }
        let first = number(first)?;
        let last = if last.is_empty() { u64::MAX } else { number(last)? };
        match first {
            first if first > last => None,
            first if first >= size => Some(Self::Outside),
            first => Some(Self::Part(first..last.saturating_add(1).min(size))),
        }
    }
}

/// Digits only, as the RFC wants them; what is larger than any file counts as the largest number.
fn number(digits: &str) -> Option<u64> {
    let plain = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    plain.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(line: &str, size: u64) -> Wanted {
        Wanted::parse(line, size)
    }

    #[test]
    fn one_range_is_a_part() {
        assert_eq!(wanted("bytes=0-0", 100), Wanted::Part(0..1));
        assert_eq!(wanted("bytes=0-99", 100), Wanted::Part(0..100));
        assert_eq!(wanted("bytes=10-19", 100), Wanted::Part(10..20));
        assert_eq!(wanted("bytes=99-", 100), Wanted::Part(99..100));
        assert_eq!(wanted("bytes=50-1000", 100), Wanted::Part(50..100));
        assert_eq!(wanted("BYTES= 1-2 ,, ", 100), Wanted::Part(1..3));
        assert_eq!(wanted("bytes=5-99999999999999999999999999", 100), Wanted::Part(5..100));
    }

    #[test]
    fn a_suffix_counts_from_the_end() {
        assert_eq!(wanted("bytes=-1", 100), Wanted::Part(99..100));
        assert_eq!(wanted("bytes=-100", 100), Wanted::Part(0..100));
        assert_eq!(wanted("bytes=-1000", 100), Wanted::Part(0..100));
        assert_eq!(wanted("bytes=-5", 0), Wanted::Whole);
    }

    #[test]
    fn what_begins_behind_the_end_is_outside() {
        assert_eq!(wanted("bytes=100-", 100), Wanted::Outside);
        assert_eq!(wanted("bytes=100-200", 100), Wanted::Outside);
        assert_eq!(wanted("bytes=-0", 100), Wanted::Outside);
        assert_eq!(wanted("bytes=0-", 0), Wanted::Outside);
        assert_eq!(wanted("bytes=99999999999999999999999999-", 100), Wanted::Outside);
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
            assert_eq!(wanted(line, 100), Wanted::Whole, "{line:?}");
        }
    }
}
