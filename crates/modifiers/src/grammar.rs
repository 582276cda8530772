//! Text to tokens and back: splitting, escapes, brackets. Knows no command but the three that take nested requests.
//! Documentation pages: r-basic-syntax, r-http-encoding, r-request-nesting-and-embedding.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

/// Commands whose value may be a nested request in brackets, which contains `&` and `=` of its own.
const BRACKETED_COMMANDS: [&str; 3] = ["src", "mask", "imageset"];

/// Characters to escape so that a printed value is parsed back to itself.
const ESCAPED_CHARS: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'&').add(b'+').add(b'=').add(b'<').add(b'>');

/// The same for values in which an unescaped bracket would begin a nested request.
const ESCAPED_CHARS_AND_BRACKETS: &AsciiSet = &ESCAPED_CHARS.add(b'(').add(b')').add(b'{').add(b'}');

/// One token as it was written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct RawToken<'a> {
    /// Bytes from the start of the text.
    pub(super) offset: usize,
    /// Without surrounding white space; never empty.
    pub(super) text: &'a str,
}

/// A token by its form; nothing is looked up.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ParsedToken<'a> {
    /// `name=value`, or a name alone.
    Command { name: Cow<'a, str>, value: Option<String> },
    /// `$name=value`.
    Variable { name: Cow<'a, str>, value: String },
    /// `$name$`. Libraries that build addresses append `=` to it; a value has no meaning.
    Call(Cow<'a, str>),
    /// `$name$:Crop`: a call, and a named crop of the asset.
    CropCall { name: Cow<'a, str>, crop: Cow<'a, str> },
    /// Dollar signs without a name: a call whose name was left out.
    EmptyCall(&'a str),
    /// None of the forms above.
    Malformed(&'a str),
}

/// Prints the token so that parsing gives the same token again.
impl fmt::Display for ParsedToken<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command { name, value: None } => out.write_str(name),
            Self::Command { name, value: Some(value) } if is_nested(name, value) => write!(out, "{name}={value}"),
            Self::Command { name, value: Some(value) } if find_opening_bracket(name, value).is_some() => {
                write!(out, "{name}={}", utf8_percent_encode(value, ESCAPED_CHARS_AND_BRACKETS))
            }
            Self::Command { name, value: Some(value) } => write!(out, "{name}={}", encode_value(value)),
            Self::Variable { name, value } => write!(out, "${name}={}", encode_value(value)),
            Self::Call(name) => write!(out, "${name}$"),
            Self::CropCall { name, crop } => write!(out, "${name}$:{crop}"),
            Self::EmptyCall(text) | Self::Malformed(text) => out.write_str(text),
        }
    }
}

/// Whether a text has no commands: only `&`, white space and comments.
pub fn is_blank(text: &str) -> bool {
    split_tokens(text).is_empty()
}

/// Splits at `&`. Drops empty tokens, comments, and one `?` at the start.
pub(super) fn split_tokens(text: &str) -> Vec<RawToken<'_>> {
    let mut tokens = Vec::new();
    let blank = text.len() - text.trim_start().len();
    let mut start = if text[blank..].starts_with('?') { blank + 1 } else { 0 };
    while start < text.len() {
        let end = start + measure_token(&text[start..]);
        let raw = &text[start..end];
        let trimmed = raw.trim();
        if !trimmed.is_empty() && !trimmed.starts_with('.') {
            tokens.push(RawToken { offset: start + (raw.len() - raw.trim_start().len()), text: trimmed });
        }
        start = end + 1;
    }
    tokens
}

/// The length of the token that `rest` begins with. An `&` inside a nested request does not end it:
///
/// ```text
/// src=is(a?wid=1&hei=2)&fmt=png
/// |---- one token ----| |-----|
/// ```
fn measure_token(rest: &str) -> usize {
    let plain = rest.find('&').unwrap_or(rest.len());
    let Some((name, value)) = rest[..plain].split_once('=') else { return plain };
    let start = name.len() + 1 + (value.len() - value.trim_start().len());
    match measure_nested_request(name.trim(), &rest[start..]) {
        Some(length) => rest[start + length..].find('&').map_or(rest.len(), |more| start + length + more),
        // An unclosed bracket must not swallow the commands after it.
        None => plain,
    }
}

/// The position of the bracket that opens a nested request in a value of this command. The words `is`, `ir` and `fxg`
/// before it are case-sensitive in `src=`, but not in `mask=`.
fn find_opening_bracket(name: &str, value: &str) -> Option<usize> {
    if !BRACKETED_COMMANDS.iter().any(|known| known.eq_ignore_ascii_case(name)) {
        return None;
    }
    let any_case = !name.eq_ignore_ascii_case("src");
    let bracket = value.find(['(', '{'])?;
    let prefix = &value[..bracket];
    let is_prefix = |word: &str| if any_case { prefix.eq_ignore_ascii_case(word) } else { prefix == word };
    ["", "is", "ir", "fxg"].into_iter().any(is_prefix).then_some(bracket)
}

/// The length of the nested request that a value of this command begins with, if its brackets close.
fn measure_nested_request(name: &str, value: &str) -> Option<usize> {
    let opening = find_opening_bracket(name, value)?;
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

/// Whether a whole value is a nested request. Its escapes belong to the request inside and must not be decoded yet.
pub(super) fn is_nested(name: &str, value: &str) -> bool {
    measure_nested_request(name, value) == Some(value.len())
}

/// Finds the form of a token and decodes its name and its value.
pub(super) fn parse_token<'a>(token: &RawToken<'a>) -> ParsedToken<'a> {
    let text = token.text;
    if let Some((call, crop)) = text.split_once("$:")
        && let Some(called) = call.strip_prefix('$')
        && is_identifier(called)
        && is_identifier(crop)
    {
        return ParsedToken::CropCall { name: Cow::Borrowed(called), crop: Cow::Borrowed(crop) };
    }
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (decode_name(name.trim_end()), Some(value.trim())),
        None => (decode_name(text), None),
    };
    if name.contains('$') && name.bytes().all(|byte| byte == b'$') {
        return ParsedToken::EmptyCall(text);
    }
    if name.starts_with('$') {
        let rest = slice_name(&name, 1, 0);
        let called = slice_name(&name, 1, 1);
        return match value {
            _ if name.ends_with('$') && is_identifier(&called) => ParsedToken::Call(called),
            Some(value) if is_identifier(&rest) => ParsedToken::Variable { name: rest, value: decode_value(value) },
            _ => ParsedToken::Malformed(text),
        };
    }
    if name.is_empty() || name.ends_with('$') {
        return ParsedToken::Malformed(text);
    }
    let value = value.map(|value| if is_nested(&name, value) { value.to_owned() } else { decode_value(value) });
    ParsedToken::Command { name, value }
}

/// The name without so many bytes, which are dollar signs, at its start and its end.
fn slice_name<'a>(name: &Cow<'a, str>, start: usize, end: usize) -> Cow<'a, str> {
    match name {
        Cow::Borrowed(text) => Cow::Borrowed(text.get(start..text.len() - end).unwrap_or_default()),
        Cow::Owned(text) => Cow::Owned(text.get(start..text.len() - end).unwrap_or_default().to_owned()),
    }
}

/// Decodes escapes in a name. Encoders escape what stands in names as well, above all `$`: `%24name%24` is a call. Names
/// with other characters stay as they are written, because no command has such a name.
fn decode_name(name: &str) -> Cow<'_, str> {
    if !name.contains('%') {
        return Cow::Borrowed(name);
    }
    let decoded = percent_decode_str(name).decode_utf8_lossy();
    let is_plain = decoded.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"$-_.".contains(&byte));
    if is_plain && !decoded.starts_with('.') { Cow::Owned(decoded.into_owned()) } else { Cow::Borrowed(name) }
}

/// Whether a macro or a variable may have this name.
pub(super) fn is_identifier(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// Decodes percent escapes and `+`, once. Bytes that are not UTF-8 are taken as Latin-1, because the documentation's
/// examples escape code points (`%E9` for é).
pub(super) fn decode_value(value: &str) -> String {
    let spaced = value.replace('+', " ");
    let bytes: Vec<u8> = percent_decode_str(&spaced).collect();
    String::from_utf8(bytes).unwrap_or_else(|wrong| wrong.into_bytes().into_iter().map(char::from).collect())
}

fn encode_value(value: &str) -> String {
    utf8_percent_encode(value, ESCAPED_CHARS).to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split_texts(text: &str) -> Vec<&str> {
        split_tokens(text).into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn splits_at_ampersands_and_drops_empty_tokens_and_comments() {
        assert_eq!(split_texts("?&wid=1& \n .note=x &&hei=2 & "), ["wid=1", "hei=2"]);
        assert_eq!(split_tokens(" & wid=1")[0].offset, 3);
        assert!(is_blank(" &.ts=12& "));
        assert!(!is_blank("&x"));
    }

    #[test]
    fn brackets_hold_together_after_src_and_mask_only() {
        assert_eq!(split_texts("src=is(a?wid=1&hei=2)&fmt=png"), ["src=is(a?wid=1&hei=2)", "fmt=png"]);
        assert_eq!(split_texts("MASK={a?b&(c&d)}&x=1"), ["MASK={a?b&(c&d)}", "x=1"]);
        assert_eq!(split_texts("text=(a&b)"), ["text=(a", "b)"]);
        assert_eq!(split_texts("src=is(a&fmt=png"), ["src=is(a", "fmt=png"]);
        assert_eq!(split_texts("src=is(a?$x=1&mask=(b&c))d&fmt=png"), ["src=is(a?$x=1&mask=(b&c))d", "fmt=png"]);
        assert_eq!(split_texts("src=IS(a&b)&mask=IS(a&b)"), ["src=IS(a", "b)", "mask=IS(a&b)"]);
        assert_eq!(split_texts("src=a(b&c)"), ["src=a(b", "c)"]);
        assert_eq!(split_texts("imageSet={a,{b&c}}&x=1"), ["imageSet={a,{b&c}}", "x=1"]);
    }

    #[test]
    fn what_is_printed_opens_no_bracket_that_was_not_closed() {
        // In the text, the bracket in the comment keeps that of `src=` open; once the comment is dropped it would
        // close.
        let printed: Vec<_> =
            split_tokens("src={{}&.=is(&)").iter().map(|token| parse_token(token).to_string()).collect();
        assert_eq!(printed, ["src=%7B%7B%7D", ")"]);
    }

    #[test]
    fn values_are_decoded_once_after_splitting() {
        let value = |text| match parse_token(&split_tokens(text)[0]) {
            ParsedToken::Command { value, .. } => value.unwrap_or_default(),
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
    fn names_are_decoded_where_a_command_may_have_them() {
        let name = |text| match parse_token(&RawToken { offset: 0, text }) {
            ParsedToken::Command { name, .. } => name.into_owned(),
            other => panic!("{other:?}"),
        };
        assert_eq!(name("op%5Fusm=1"), "op_usm");
        assert_eq!(name("wid%3D1"), "wid%3D1");
        assert_eq!(name("%2Ewid=1"), "%2Ewid");
        assert_eq!(name("%zz=1"), "%zz");
    }

    #[test]
    fn tells_calls_from_variables() {
        let token = |text| parse_token(&RawToken { offset: 0, text });
        for call in ["$a-b_c.1$", "$a-b_c.1$=", "$a-b_c.1$=1", "%24a-b_c.1%24", "%24a%2Db_c.1$=", "$a-b_c.1%24"] {
            assert_eq!(token(call), ParsedToken::Call("a-b_c.1".into()), "{call}");
        }
        let crop = ParsedToken::CropCall { name: "a".into(), crop: "Large".into() };
        assert_eq!(token("$a$:Large"), crop);
        for variable in ["$a=1", "%24a=1", "$%61=1"] {
            assert_eq!(token(variable), ParsedToken::Variable { name: "a".into(), value: "1".into() }, "{variable}");
        }
        for empty in ["$", "$$", "$=", "%24%24=1"] {
            assert_eq!(token(empty), ParsedToken::EmptyCall(empty));
        }
        for malformed in ["$a$:", "$a$:b c", "$a b$", "$a", "a$", "a%24=1", "$a$b", "=1"] {
            assert_eq!(token(malformed), ParsedToken::Malformed(malformed));
        }
    }

    fn generate_text() -> impl Strategy<Value = String> {
        let name = prop_oneof!["[a-z_$.?]{0,4}", "(%24|%2E|%5F|[a-z$]){0,5}", "(src|MASK|imageSet|wid)", "\\PC{0,3}"];
        let value = prop_oneof!["[-0-9.,+ %&()=${}isr]{0,16}", "(is|ir|IS|)\\([a-z&=%2?]{0,9}\\)", "\\PC{0,9}"];
        let token = (name, value).prop_map(|(name, value)| format!("{name}={value}"));
        proptest::collection::vec(prop_oneof![4 => token, 1 => "[$a-z. ]{0,5}"], 0..6).prop_map(|all| all.join("&"))
    }

    proptest! {
        #[test]
        fn what_was_printed_is_read_again(text in generate_text()) {
            let raw_tokens = split_tokens(&text);
            for raw in &raw_tokens {
                prop_assert_eq!(&text[raw.offset..raw.offset + raw.text.len()], raw.text);
            }
            let tokens: Vec<_> = raw_tokens.iter().map(parse_token).collect();
            // `split_tokens` drops a question mark at the very start, so the printed text begins with `&`.
            let printed: String = tokens.iter().map(|token| format!("&{token}")).collect();
            let again = split_tokens(&printed);
            prop_assert_eq!(again.iter().map(parse_token).collect::<Vec<_>>(), tokens, "{}", printed);
        }
    }
}
