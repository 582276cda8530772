//! The fields of the form that errors of the request are about.

use crate::http::pages::console::new_export::request::{RENDITION_FIELDS, TEXTS};

/// The field of the form that an error of the request is about, by its `id`.
pub(super) fn name_field(pointer: &str) -> Option<String> {
    let parts: Vec<&str> = pointer.trim_start_matches('/').split('/').collect();
    let own = match parts.as_slice() {
        [""] => return None,
        ["assetHandleArray", ..] => "picked",
        ["assets" | "lines" | "name" | "modifier" | "preset" | "outputName", ..] => "list",
        ["assetFilter", "name", ..] => "search",
        ["assetFilter", "type", ..] => "type",
        ["assetFilter" | "folder" | "cursor" | "limit", ..] => "folder",
        ["renditions", row, name, ..] => {
            let field = RENDITION_FIELDS.iter().find(|(_, known)| known == name).map(|(field, _)| *field);
            return Some(format!("{}-{row}", field.unwrap_or("rendition-name")));
        }
        ["renditions"] => "rendition-name-0",
        ["deliverTo", _, name @ ("prefix" | "onExisting" | "manifest")] => *name,
        ["deliverTo", ..] => "connection",
        ["execSchedule"] => "words",
        [
            name
            @ ("fmt" | "is_modifier" | "macro" | "notifyEmails" | "priority" | "execTime" | "timeZone" | "overlap"),
        ] => *name,
        ["notifyEmails", _] => "notifyEmails",
        [name @ ("onlyChanged" | "onRemoved")] => *name,
        [name] if TEXTS.contains(name) => *name,
        _ => "further",
    };
    Some(own.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_find_their_fields() {
        for (pointer, field) in [
            ("/assets/3/name", Some("list")),
            ("/lines/2", Some("list")),
            ("/assetHandleArray/0", Some("picked")),
            ("/assetFilter/name", Some("search")),
            ("/assetFilter", Some("folder")),
            ("/renditions/1/is_modifier", Some("rendition-modifier-1")),
            ("/renditions", Some("rendition-name-0")),
            ("/deliverTo/0/connection", Some("connection")),
            ("/deliverTo/0/prefix", Some("prefix")),
            ("/execSchedule", Some("words")),
            ("/is_modifier", Some("is_modifier")),
            ("/nameTemplate", Some("nameTemplate")),
            ("/metadata/a", Some("further")),
            ("", None),
        ] {
            assert_eq!(name_field(pointer).as_deref(), field, "{pointer}");
        }
    }
}
