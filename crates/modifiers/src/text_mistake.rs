//! Tokens of texts that are no modifier: whole addresses, and texts that were escaped for HTML or as a whole. Their first
//! commands would be lost and the rest would look right, so they are refused with the remedy.

use percent_encoding::percent_decode_str;

use super::diagnostic::ValueError;

/// Character references that an `&` becomes in HTML, without the `&` at which the text was split.
const ESCAPED_AMPERSANDS: [&str; 4] = ["amp;", "#38;", "#038;", "#x26;"];

/// Those of other characters.
const ESCAPED_CHARS: [&str; 6] = ["quot;", "apos;", "lt;", "gt;", "#39;", "#34;"];

/// What is wrong with the text that this token was written in.
pub(super) fn find_text_mistake(token: &str) -> Option<ValueError> {
    let refuse = |detail: &str, remedy: &str| {
        Some(ValueError { remedy: remedy.to_owned(), ..ValueError::invalid(detail.to_owned()) })
    };
    let starts_with =
        |reference: &&str| token.get(..reference.len()).is_some_and(|start| start.eq_ignore_ascii_case(reference));
    if ESCAPED_AMPERSANDS.iter().any(starts_with) {
        return refuse("The text is escaped for HTML.", "Write `&` in place of `&amp;`.");
    }
    if ESCAPED_CHARS.iter().any(starts_with) {
        return refuse(
            "The text is escaped for HTML.",
            "Write the characters themselves, and `%26` for `&` in a value.",
        );
    }
    let name = token.split_once('=').map_or(token, |(name, _)| name);
    let decoded = percent_decode_str(name).decode_utf8_lossy();
    if is_address(&decoded) {
        return refuse(
            "This is a whole address, not a modifier.",
            "Write only what follows its question mark, such as `wid=400&fmt=png`.",
        );
    }
    if decoded.starts_with('?') {
        return refuse("A question mark does not separate commands.", "Write `&` between commands.");
    }
    if name.contains('%') && decoded.contains(['=', '&']) {
        return refuse("The text is percent-encoded as a whole.", "Write `=` and `&` as they are; encode only values.");
    }
    None
}

/// Whether a token without its value begins with an address, as a whole or without the scheme or the host.
fn is_address(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let has_image_path = ["is/image/", "is/content/"]
        .iter()
        .any(|path| lower.find(path).is_some_and(|at| at == 0 || lower[..at].ends_with('/')));
    let has_query = name.trim_start_matches('?').contains('?');
    lower.contains("://") || lower.starts_with("//") || has_image_path || has_query
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_escaped_texts_are_told_apart_from_commands() {
        let detail = |token| find_text_mistake(token).map(|mistake| mistake.detail);
        for address in [
            "https://cdn.example/is/image/Company/asset?wid=60",
            "HTTP://cdn.example/x",
            "//host/is/image/Company/asset?wid=60",
            "/is/image/Company/asset?wid=60",
            "is/image/Company/asset",
            "cdn.example/IS/Image/Company/asset?$thumb$",
            "asset?wid=60",
            "https%3A%2F%2Fcdn.example%2Fis%2Fimage%2Fa%3Fwid%3D60",
        ] {
            assert_eq!(detail(address).as_deref(), Some("This is a whole address, not a modifier."), "{address}");
        }
        for escaped in ["amp;hei=60", "AMP;", "#38;wid=1", "#x26;wid=1", "quot;"] {
            assert_eq!(detail(escaped).as_deref(), Some("The text is escaped for HTML."), "{escaped}");
        }
        assert!(find_text_mistake("wid%3D60%26hei%3D40").is_some());
        assert!(find_text_mistake("?wid=60").is_some());
        for command in
            ["wid=60", "src=is/image/a", "src=a?b", "text=a://b", "$thumb$=", "amps=1", "%24thumb%24", "a%20b"]
        {
            assert_eq!(detail(command), None, "{command}");
        }
    }
}
