//! Texts with elements: SVG, HTML and XML.

/// The bytes as text, from its first letter on. `None` when they are not UTF-8 without control characters; the last
/// character may be cut.
pub fn decode_plain_text(bytes: &[u8]) -> Option<&str> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&bytes[..error.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    if text.chars().any(|letter| letter.is_control() && !matches!(letter, '\t' | '\n' | '\r' | '\u{c}')) {
        return None;
    }
    Some(text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']))
}

/// The name of the first element of a text.
pub fn find_root_element(mut text: &str) -> Option<&str> {
    loop {
        text = text.trim_start();
        let end = if text.starts_with("<!--") {
            text.find("-->")? + 3
        } else if text.starts_with("<!") && text.contains('[') && text.find('[') < text.find('>') {
            // A document type with declarations of its own.
            let inner = text.find("]")?;
            inner + text[inner..].find('>')? + 1
        } else if text.starts_with("<?") || text.starts_with("<!") {
            text.find('>')? + 1
        } else {
            let name = text.strip_prefix('<')?;
            return name.split(|letter: char| letter.is_whitespace() || letter == '>' || letter == '/').next();
        };
        text = &text[end..];
    }
}

/// Whether an element is the root of an SVG, also with a prefix.
pub fn is_svg_element(name: &str) -> bool {
    name == "svg" || name.ends_with(":svg")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_root_element_follows_comments_and_declarations() {
        let root = |bytes: &'static [u8]| find_root_element(decode_plain_text(bytes).unwrap());
        assert_eq!(root(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), Some("svg"));
        let long = b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- a > b -->\n<!DOCTYPE svg [<!ENTITY a 'b'>]>\n<s:svg>";
        assert_eq!(root(long), Some("s:svg"));
        assert_eq!(root(b"<!DOCTYPE html><html><svg></svg></html>"), Some("html"));
        assert_eq!(root(b"svg"), None);
        assert_eq!(root(b"<!-- not closed"), None);
        assert_eq!(decode_plain_text(b"\0svg"), None);
        assert_eq!(decode_plain_text(b"na\xC3"), Some("na"));
    }
}
