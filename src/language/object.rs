//! Other assets that a modifier names: `src=` and `mask=`. Documentation pages: r-object, r-src, r-mask.

use serde::{Deserialize, Serialize};

use super::complaint::Fault;
use super::grammar::is_nested;

/// Another asset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Object {
    /// As it was written. Nobody has looked yet whether there is one.
    Named(String),
    /// The bytes that it had when the recipe was made: their SHA-256, in hex.
    Pinned(String),
}

/// Reads the value of `src=` or `mask=`. A slash before it is only the way of catalogs to say where it begins.
pub(super) fn read(command: &str, text: &str) -> Result<Object, Fault> {
    let refuse = |detail: String, remedy: &str| Err(Fault { remedy: remedy.to_owned(), ..Fault::invalid(detail) });
    let name = text.trim();
    let inner = name.trim_start_matches(['(', '{']);
    if name.contains("://") || inner.starts_with("//") {
        return refuse(
            format!("`{name}` is an address, and pictures are never fetched from addresses."),
            "Upload the picture, and write its name.",
        );
    }
    if is_nested(command, name) {
        let kind = name.split(['(', '{']).next().unwrap_or_default();
        if matches!(kind.to_ascii_lowercase().as_str(), "ir" | "fxg") {
            return refuse(
                format!("{kind} needs a renderer of its own, which there is not."),
                "Write the name of an asset.",
            );
        }
        return Err(Fault::later("A request inside of a request is not supported yet.", "Write the name of an asset."));
    }
    let plain = name.trim_start_matches('/');
    if plain.is_empty() {
        return refuse("It names no asset.".into(), "Write the name of an asset.");
    }
    if plain.contains(',') {
        return refuse(
            format!("`{name}` has a comma, which no name may have."),
            "Write the name or the handle of one asset.",
        );
    }
    if plain.split(['/', '\\']).any(|part| part == ".." || part == ".") {
        return refuse(
            format!("`{name}` leads out of the company's assets."),
            "Write the name or the handle of an asset.",
        );
    }
    Ok(Object::Named(plain.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::ComplaintKind;

    #[test]
    fn names_are_taken_and_ways_out_are_not() {
        let named = |text| read("mask", text);
        assert_eq!(named(" /shoes/Red "), Ok(Object::Named("shoes/Red".into())));
        assert_eq!(named("a..b"), Ok(Object::Named("a..b".into())));
        for text in
            ["", "/", "a,b", "../a", "a/../b", "a\\..\\b", "http://x/y", "(http://x/y)", "{//x/y}", "//x", "ir(a)"]
        {
            assert_eq!(named(text).map_err(|fault| fault.kind), Err(ComplaintKind::InvalidModifier), "{text}");
        }
        for text in ["is(a?wid=1&hei=2)", "{a}", "(a?wid=1)"] {
            assert_eq!(named(text).map_err(|fault| fault.kind), Err(ComplaintKind::NotSupportedYet), "{text}");
        }
    }
}
