//! Other assets that a modifier names in `src=` and `mask=`: parsing only. Whether an asset exists is checked by the
//! service, which then pins its bytes. Documentation pages: r-object, r-src, r-mask.

use serde::{Deserialize, Serialize};

use super::diagnostic::ValueError;
use super::grammar::is_nested;
use super::recipe::Recipe;

/// Another asset, or an image made from one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AssetReference {
    /// The name as it was written. Whether such an asset exists is not known yet.
    Named(String),
    /// The bytes that the asset had when the job was created: their SHA-256 in hexadecimal digits.
    Pinned(String),
    /// The result of a nested request. The output settings of its recipe are not used.
    Request(Box<Recipe>),
}

impl AssetReference {
    /// Collects the assets it is made from; a nested request itself is none.
    pub(super) fn collect_assets<'a>(&'a self, found: &mut Vec<&'a Self>) {
        match self {
            Self::Request(recipe) => recipe.own_references().for_each(|reference| reference.collect_assets(found)),
            asset => found.push(asset),
        }
    }

    /// The same, mutable.
    pub(super) fn collect_assets_mut<'a>(&'a mut self, found: &mut Vec<&'a mut Self>) {
        match self {
            Self::Request(recipe) => {
                recipe.own_references_mut().for_each(|reference| reference.collect_assets_mut(found))
            }
            asset => found.push(asset),
        }
    }
}

/// A nested request: `is(name?modifier)`. `is` is optional, and brackets may be round or curly.
pub(super) struct NestedRequest<'a> {
    /// The part before the question mark, not decoded.
    pub(super) name: &'a str,
    /// The part after it, not decoded.
    pub(super) modifier: &'a str,
    /// Bytes from the start of the value to the modifier.
    pub(super) offset: usize,
}

/// Splits a value for which [`is_nested`] holds. Documentation page: r-request-nesting-and-embedding.
pub(super) fn parse_nested_request(value: &str) -> Result<NestedRequest<'_>, ValueError> {
    let kind = value.split(['(', '{']).next().unwrap_or_default();
    if matches!(kind.to_ascii_lowercase().as_str(), "ir" | "fxg") {
        return Err(ValueError {
            remedy: "Write the name of an asset, or is(name?modifier).".into(),
            ..ValueError::invalid(format!("`{kind}` requests are not supported."))
        });
    }
    let start = kind.len() + 1;
    let inner = value.get(start..value.len() - 1).unwrap_or_default();
    let (name, modifier) = inner.split_once('?').unwrap_or((inner, ""));
    Ok(NestedRequest { name, modifier, offset: start + name.len() + 1 })
}

/// Parses the value of `src=` or `mask=`. Catalogs write names with a slash in front, which has no meaning here.
pub(super) fn parse_asset_reference(command: &str, text: &str) -> Result<AssetReference, ValueError> {
    if is_nested(command, text.trim()) {
        return refuse(
            "A variable cannot contain a nested request.".into(),
            "Write the brackets in the command; variables may stand inside them.",
        );
    }
    parse_asset_name(text).map(AssetReference::Named)
}

/// Parses the name of an asset.
pub(super) fn parse_asset_name(text: &str) -> Result<String, ValueError> {
    let name = text.trim();
    if name.contains("://") || name.starts_with("//") {
        return refuse(
            format!("`{name}` is a URL; images are never fetched from URLs."),
            "Upload the image and write its name.",
        );
    }
    let plain = name.trim_start_matches('/');
    if plain.is_empty() {
        return refuse("The asset name is empty.".into(), "Write the name of an asset.");
    }
    if plain.contains(',') {
        return refuse(
            format!("`{name}` contains a comma, which asset names cannot have."),
            "Write the name or the handle of one asset.",
        );
    }
    if plain.contains('?') {
        return refuse(
            format!("`{name}` contains a question mark, which asset names cannot have."),
            "Write is(name?modifier), in small letters.",
        );
    }
    if plain.split(['/', '\\']).any(|part| part == ".." || part == ".") {
        return refuse(
            format!("`{name}` points outside the company's assets."),
            "Write the name or the handle of an asset.",
        );
    }
    Ok(plain.to_owned())
}

fn refuse<T>(detail: String, remedy: &str) -> Result<T, ValueError> {
    Err(ValueError { remedy: remedy.to_owned(), ..ValueError::invalid(detail) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DiagnosticKind;

    #[test]
    fn names_are_accepted_and_paths_to_elsewhere_refused() {
        let named = |text| parse_asset_reference("mask", text);
        assert_eq!(named(" /shoes/Red "), Ok(AssetReference::Named("shoes/Red".into())));
        assert_eq!(named("a..b"), Ok(AssetReference::Named("a..b".into())));
        for text in ["", "/", "a,b", "../a", "a/../b", "a\\..\\b", "http://x/y", "//x", "(a)"] {
            assert_eq!(named(text).map_err(|error| error.kind), Err(DiagnosticKind::InvalidModifier), "{text}");
        }
        let nested = |value| parse_nested_request(value).map(|parts| (parts.name, parts.modifier, parts.offset)).ok();
        assert_eq!(nested("is(a/b?wid=1&hei=2)"), Some(("a/b", "wid=1&hei=2", 7)));
        assert_eq!(nested("{a}"), Some(("a", "", 3)));
        assert_eq!(nested("ir(a)"), None);
    }
}
