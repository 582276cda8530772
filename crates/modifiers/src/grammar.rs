//! Text to tokens and back. Documentation pages: r-basic-syntax, r-http-encoding, r-request-nesting-and-embedding.

use std::fmt;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

/// Commands whose value may be a request in brackets, with `&` and `=` of its own.
const BRACKETED: [&str; 3] = ["src", "mask", "imageset"];

/// What must be escaped so that a value is read as it was.
const ESCAPED: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'&').add(b'+').add(b'=').add(b'<').add(b'>');

/// The same where brackets would hold together what stands behind them.
const ESCAPED_BRACKETS: &AsciiSet = &ESCAPED.add(b'(').add(b')').add(b'{').add(b'}');

/// One token as it was written, with its place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Piece<'a> {
    /// Bytes from the start of the text.
    pub offset: usize,
    /// Without the blanks around it; never empty.
    pub text: &'a str,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'a> {
    /// `name=value`, or a name alone.
    Command { name: &'a str, value: Option<String> },
    /// `$name=value`.
    Variable { name: &'a str, value: String },
    /// `$name$`.
    Call(&'a str),
    /// A token that is none of these.
    Malformed(&'a str),
}

/// The token as it could have been written: reading it gives the token again.
impl fmt::Display for Token<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command { name, value: None } => out.write_str(name),
            Self::Command { name, value: Some(value) } if is_nested(name, value) => write!(out, "{name}={value}"),
            Self::Command { name, value: Some(value) } if opening(name, value).is_some() => {
                write!(out, "{name}={}", utf8_percent_encode(value, ESCAPED_BRACKETS))
            }
            Self::Command { name, value: Some(value) } => write!(out, "{name}={}", encode(value)),
            Self::Variable { name, value } => write!(out, "${name}={}", encode(value)),
            Self::Call(name) => write!(out, "${name}$"),
            Self::Malformed(text) => out.write_str(text),
        }
    }
}

/// Whether a text says nothing: only `&`, blanks and comments count as absent.
pub fn is_blank(text: &str) -> bool {
    split(text).is_empty()
}

/// Splits at `&`. Empty tokens and comments fall away, and so does one `?` at the start.
pub(super) fn split(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let blank = text.len() - text.trim_start().len();
    let mut start = if text[blank..].starts_with('?') { blank + 1 } else { 0 };
    while start < text.len() {
        let end = start + token_length(&text[start..]);
        let raw = &text[start..end];
        let trimmed = raw.trim();
        if !trimmed.is_empty() && !trimmed.starts_with('.') {
            pieces.push(Piece { offset: start + (raw.len() - raw.trim_start().len()), text: trimmed });
        }
        start = end + 1;
    }
    pieces
}

fn token_length(rest: &str) -> usize {
    let plain = rest.find('&').unwrap_or(rest.len());
    let Some((name, value)) = rest[..plain].split_once('=') else { return plain };
    let start = name.len() + 1 + (value.len() - value.trim_start().len());
    match nested_length(name.trim(), &rest[start..]) {
        Some(length) => rest[start + length..].find('&').map_or(rest.len(), |more| start + length + more),
        // Brackets that never close must not swallow the commands behind them.
        None => plain,
    }
}

/// Where the bracket is that opens a request in a value of this command. `is`, `ir` and `fxg` before it mind their case in
/// `src=` and do not in `mask=`.
fn opening(name: &str, value: &str) -> Option<usize> {
    if !BRACKETED.iter().any(|known| known.eq_ignore_ascii_case(name)) {
        return None;
    }
    let any_case = !name.eq_ignore_ascii_case("src");
    let at = value.find(['(', '{'])?;
    let known = |word: &str| if any_case { value[..at].eq_ignore_ascii_case(word) } else { value[..at] == *word };
    ["", "is", "ir", "fxg"].into_iter().any(known).then_some(at)
}

/// The length of the bracketed request that a value of this command begins with, if its brackets close.
fn nested_length(name: &str, value: &str) -> Option<usize> {
    let opening = opening(name, value)?;
    let mut depth = 0usize;
    for (at, byte) in value.bytes().enumerate().skip(opening) {
        match byte {
            b'(' | b'{' => depth += 1,
            b')' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return Some(at + 1);
        }
    }
    None
}

/// Whether a value is a bracketed request as a whole. Its escapes are its own and are left alone.
pub(super) fn is_nested(name: &str, value: &str) -> bool {
    nested_length(name, value) == Some(value.len())
}

/// Says what a token is, and decodes its value.
pub(super) fn read<'a>(piece: &Piece<'a>) -> Token<'a> {
    let text = piece.text;
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name.trim_end(), Some(value.trim())),
        None => (text, None),
    };
    if let Some(rest) = name.strip_prefix('$') {
        return match (rest.strip_suffix('$'), value) {
            (Some(called), None) if is_ident(called) => Token::Call(called),
            (None, Some(value)) if is_ident(rest) => Token::Variable { name: rest, value: decode(value) },
            _ => Token::Malformed(text),
        };
    }
    if name.is_empty() {
        return Token::Malformed(text);
    }
    let value = value.map(|value| if is_nested(name, value) { value.to_owned() } else { decode(value) });
    Token::Command { name, value }
}

/// Whether a name may be a macro's or a variable's.
pub(super) fn is_ident(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// Percent escapes and `+`, once. UTF-8 where it is, else Latin-1, as the documentation's escapes are code points.
pub(super) fn decode(value: &str) -> String {
    let spaced = value.replace('+', " ");
    let bytes: Vec<u8> = percent_decode_str(&spaced).collect();
    String::from_utf8(bytes).unwrap_or_else(|wrong| wrong.into_bytes().into_iter().map(char::from).collect())
}

fn encode(value: &str) -> String {
    utf8_percent_encode(value, ESCAPED).to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(text: &str) -> Vec<&str> {
        split(text).into_iter().map(|piece| piece.text).collect()
    }

    #[test]
    fn splits_at_ampersands_and_drops_what_says_nothing() {
        assert_eq!(texts("?&wid=1& \n .note=x &&hei=2 & "), ["wid=1", "hei=2"]);
        assert_eq!(split(" & wid=1")[0].offset, 3);
        assert!(is_blank(" &.ts=12& "));
        assert!(!is_blank("&x"));
    }

    #[test]
    fn brackets_hold_together_after_src_and_mask_only() {
        assert_eq!(texts("src=is(a?wid=1&hei=2)&fmt=png"), ["src=is(a?wid=1&hei=2)", "fmt=png"]);
        assert_eq!(texts("MASK={a?b&(c&d)}&x=1"), ["MASK={a?b&(c&d)}", "x=1"]);
        assert_eq!(texts("text=(a&b)"), ["text=(a", "b)"]);
        assert_eq!(texts("src=is(a&fmt=png"), ["src=is(a", "fmt=png"]);
        assert_eq!(texts("src=is(a?$x=1&mask=(b&c))d&fmt=png"), ["src=is(a?$x=1&mask=(b&c))d", "fmt=png"]);
        assert_eq!(texts("src=IS(a&b)&mask=IS(a&b)"), ["src=IS(a", "b)", "mask=IS(a&b)"]);
        assert_eq!(texts("src=a(b&c)"), ["src=a(b", "c)"]);
        assert_eq!(texts("imageSet={a,{b&c}}&x=1"), ["imageSet={a,{b&c}}", "x=1"]);
    }

    #[test]
    fn what_is_printed_opens_no_bracket_that_was_not_closed() {
        // In the text the comment's bracket keeps the one of `src=` open; without the comment it would close.
        let printed: Vec<_> = split("src={{}&.=is(&)").iter().map(|piece| read(piece).to_string()).collect();
        assert_eq!(printed, ["src=%7B%7B%7D", ")"]);
    }

    #[test]
    fn values_are_decoded_once_after_splitting() {
        let value = |text| match read(&split(text)[0]) {
            Token::Command { value, .. } => value.unwrap_or_default(),
            other => panic!("{other:?}"),
        };
        assert_eq!(value("a=%31%2C+%26"), "1, &");
        assert_eq!(value("a=%C3%A9"), "é");
        assert_eq!(value("a=%E9"), "é");
        assert_eq!(value("a=%2531"), "%31");
        assert_eq!(value("a=%zz"), "%zz");
        assert_eq!(value("a=b=c"), "b=c");
        assert_eq!(value("src=is(a?b=%2526)"), "is(a?b=%2526)");
        assert_eq!(value("src=%28a%2526%29"), "(a%26)");
    }

    #[test]
    fn tells_calls_from_variables() {
        let token = |text| read(&Piece { offset: 0, text });
        assert_eq!(token("$a-b_c.1$"), Token::Call("a-b_c.1"));
        assert_eq!(token("$a=1"), Token::Variable { name: "a", value: "1".into() });
        for malformed in ["$a$=1", "$a b$", "=1"] {
            assert_eq!(token(malformed), Token::Malformed(malformed));
        }
    }

    fn anything() -> impl Strategy<Value = String> {
        let name = prop_oneof!["[a-z_$.?]{0,4}", "(src|MASK|imageSet|wid)", "\\PC{0,3}"];
        let value = prop_oneof!["[-0-9.,+ %&()=${}isr]{0,16}", "(is|ir|IS|)\\([a-z&=%2?]{0,9}\\)", "\\PC{0,9}"];
        let token = (name, value).prop_map(|(name, value)| format!("{name}={value}"));
        proptest::collection::vec(prop_oneof![4 => token, 1 => "[$a-z. ]{0,5}"], 0..6).prop_map(|all| all.join("&"))
    }

    proptest! {
        #[test]
        fn what_was_printed_is_read_again(text in anything()) {
            let pieces = split(&text);
            for piece in &pieces {
                prop_assert_eq!(&text[piece.offset..piece.offset + piece.text.len()], piece.text);
            }
            let tokens: Vec<_> = pieces.iter().map(read).collect();
            // A question mark at the very start is not the text's own.
            let printed: String = tokens.iter().map(|token| format!("&{token}")).collect();
            let again = split(&printed);
            prop_assert_eq!(again.iter().map(read).collect::<Vec<_>>(), tokens, "{}", printed);
        }
    }
}
