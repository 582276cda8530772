//! Beginnings of texts as ranges, which an index finds. The columns are compared byte by byte (`collate "C"`), so all texts that
//! begin in the same way stand together.

use sqlx::{Postgres, QueryBuilder};

/// Writes the condition that the text of a column begins with `prefix`.
pub(super) fn push_prefix(sql: &mut QueryBuilder<Postgres>, column: &str, prefix: &str) {
    sql.push(format!(" and {column} >= ")).push_bind(prefix.to_owned());
    if let Some(end) = find_end_of_prefix(prefix) {
        sql.push(format!(" and {column} < ")).push_bind(end);
    }
}

/// The first text behind all that begin with `prefix`; none when there is no such text.
fn find_end_of_prefix(prefix: &str) -> Option<String> {
    let mut end = prefix.to_owned();
    while let Some(last) = end.pop() {
        if let Some(next) = find_next_char(last) {
            end.push(next);
            return Some(end);
        }
    }
    None
}

/// The character with the next number. Surrogates are no characters.
fn find_next_char(letter: char) -> Option<char> {
    match letter {
        '\u{d7ff}' => Some('\u{e000}'),
        letter => char::from_u32(u32::from(letter) + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_with_a_text_is_before_the_end_of_its_range() {
        for (prefix, end) in [("a", "b"), ("a/", "a0"), ("caf\u{e9}", "caf\u{ea}"), ("x\u{d7ff}", "x\u{e000}")] {
            assert_eq!(find_end_of_prefix(prefix).as_deref(), Some(end));
            assert!(format!("{prefix}\u{10ffff}\u{10ffff}").as_str() < end, "{prefix}");
        }
        assert_eq!(find_end_of_prefix("a\u{10ffff}\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(find_end_of_prefix("\u{10ffff}"), None);
        assert_eq!(find_end_of_prefix(""), None);
    }
}
