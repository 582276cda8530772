//! Other assets that a modifier names: `src=` and `mask=`. Documentation pages: r-object, r-src, r-mask.

use serde::{Deserialize, Serialize};

use super::complaint::Fault;
use super::grammar::is_nested;
use super::recipe::Recipe;

/// Another asset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Object {
    /// As it was written. Nobody has looked yet whether there is one.
    Named(String),
    /// The bytes that it had when the recipe was made: their SHA-256, in hex.
    Pinned(String),
    /// What a request inside of the request makes of one. Its recipe says nothing of a file.
    Request(Box<Recipe>),
}

impl Object {
    /// The assets that it comes from.
    pub(super) fn assets<'a>(&'a self, found: &mut Vec<&'a Self>) {
        match self {
            Self::Request(recipe) => recipe.named().for_each(|object| object.assets(found)),
            asset => found.push(asset),
        }
    }

    /// The same, to pin them.
    pub(super) fn assets_mut<'a>(&'a mut self, found: &mut Vec<&'a mut Self>) {
        match self {
            Self::Request(recipe) => recipe.named_mut().for_each(|object| object.assets_mut(found)),
            asset => found.push(asset),
        }
    }
}

/// A request inside of the request: `is(name?modifier)`, `is` left away or not, round or curly brackets.
pub(super) struct Inside<'a> {
    /// What stands before the question mark, as it was written.
    pub name: &'a str,
    /// What stands behind it.
    pub modifier: &'a str,
    /// Bytes from the start of the value to the modifier.
    pub offset: usize,
}

/// Takes a bracketed value apart. Documentation page: r-request-nesting-and-embedding.
pub(super) fn inside(value: &str) -> Result<Inside<'_>, Fault> {
    let kind = value.split(['(', '{']).next().unwrap_or_default();
    if matches!(kind.to_ascii_lowercase().as_str(), "ir" | "fxg") {
        return Err(Fault {
            remedy: "Write the name of an asset, or is(name?modifier).".into(),
            ..Fault::invalid(format!("{kind} needs a renderer of its own, which there is not."))
        });
    }
    let start = kind.len() + 1;
    let inner = value.get(start..value.len() - 1).unwrap_or_default();
    let (name, modifier) = inner.split_once('?').unwrap_or((inner, ""));
    Ok(Inside { name, modifier, offset: start + name.len() + 1 })
}

/// Reads the value of `src=` or `mask=`. A slash before it is only the way of catalogs to say where it begins.
pub(super) fn read(command: &str, text: &str) -> Result<Object, Fault> {
    let refuse = |detail: String, remedy: &str| Err(Fault { remedy: remedy.to_owned(), ..Fault::invalid(detail) });
    let name = text.trim();
    if name.contains("://") || name.starts_with("//") {
        return refuse(
            format!("`{name}` is an address, and pictures are never fetched from addresses."),
            "Upload the picture, and write its name.",
        );
    }
    if is_nested(command, name) {
        return refuse(
            "A variable cannot hold a request inside of the request.".into(),
            "Write the brackets out, and variables inside of them.",
        );
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
    use crate::ComplaintKind;

    #[test]
    fn names_are_taken_and_ways_out_are_not() {
        let named = |text| read("mask", text);
        assert_eq!(named(" /shoes/Red "), Ok(Object::Named("shoes/Red".into())));
        assert_eq!(named("a..b"), Ok(Object::Named("a..b".into())));
        for text in ["", "/", "a,b", "../a", "a/../b", "a\\..\\b", "http://x/y", "//x", "(a)"] {
            assert_eq!(named(text).map_err(|fault| fault.kind), Err(ComplaintKind::InvalidModifier), "{text}");
        }
        let taken = |value| inside(value).map(|it| (it.name, it.modifier, it.offset)).ok();
        assert_eq!(taken("is(a/b?wid=1&hei=2)"), Some(("a/b", "wid=1&hei=2", 7)));
        assert_eq!(taken("{a}"), Some(("a", "", 3)));
        assert_eq!(taken("ir(a)"), None);
    }
}
