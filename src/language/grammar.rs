//! Text to tokens. Documentation pages: r-basic-syntax, r-http-encoding, r-request-nesting-and-embedding.

/// Commands whose value may hold bracketed requests with `&` of their own.
const BRACKETED: [&str; 3] = ["src=", "mask=", "imageset="];

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
    Malformed,
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
    let lead = rest.trim_start();
    let bracketed =
        BRACKETED.iter().any(|name| lead.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)));
    if !bracketed {
        return plain;
    }
    let mut depth = 0usize;
    for (at, byte) in rest.bytes().enumerate() {
        match byte {
            b'(' | b'{' => depth += 1,
            b')' | b'}' => depth = depth.saturating_sub(1),
            b'&' if depth == 0 => return at,
            _ => {}
        }
    }
    // Brackets that never close must not swallow the commands behind them.
    if depth == 0 { rest.len() } else { plain }
}

/// Says what a token is, and decodes its value.
pub(super) fn read<'a>(piece: &Piece<'a>) -> Token<'a> {
    let text = piece.text;
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name.trim_end(), Some(decode(value.trim()))),
        None => (text, None),
    };
    if let Some(rest) = name.strip_prefix('$') {
        return match (rest.strip_suffix('$'), value) {
            (Some(called), None) if is_ident(called) => Token::Call(called),
            (None, Some(value)) if is_ident(rest) => Token::Variable { name: rest, value },
            _ => Token::Malformed,
        };
    }
    if name.is_empty() { Token::Malformed } else { Token::Command { name, value } }
}

/// Whether a name may be a macro's or a variable's.
pub(super) fn is_ident(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// Percent escapes and `+`, once. UTF-8 where it is, else Latin-1, as the documentation's escapes are code points.
fn decode(value: &str) -> String {
    let spaced = value.replace('+', " ");
    let bytes: Vec<u8> = percent_encoding::percent_decode_str(&spaced).collect();
    String::from_utf8(bytes).unwrap_or_else(|wrong| wrong.into_bytes().into_iter().map(char::from).collect())
}

#[cfg(test)]
mod tests {
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
    }

    #[test]
    fn tells_calls_from_variables() {
        let token = |text| read(&Piece { offset: 0, text });
        assert_eq!(token("$a-b_c.1$"), Token::Call("a-b_c.1"));
        assert_eq!(token("$a=1"), Token::Variable { name: "a", value: "1".into() });
        assert_eq!(token("$a$=1"), Token::Malformed);
        assert_eq!(token("$a b$"), Token::Malformed);
        assert_eq!(token("=1"), Token::Malformed);
    }
}
