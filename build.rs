//! Collects the languages of `src/i18n`, so that adding a translation is adding a file.

use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    write_language_list();
}

/// Writes the list of languages that `src/i18n/mod.rs` includes: the tag of each `.ftl` file, and its text with that of the
/// files in the folder of the same name.
fn write_language_list() {
    println!("cargo:rerun-if-changed=src/i18n");
    let folder = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default()).join("src/i18n");
    let files = list_texts(&folder);
    let lines = files.iter().map(|tag| {
        let parts = list_texts(&folder.join(tag)).into_iter().map(|part| format!("{tag}/{part}"));
        // Relative to the checkout: a target folder outlives the folder that the clone was in.
        let texts = [tag.clone()].into_iter().chain(parts).map(|name| {
            format!("include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/src/i18n/{name}.ftl\")), \"\\n\"")
        });
        format!("    ({tag:?}, concat!({})),\n", texts.collect::<Vec<_>>().join(", "))
    });
    assert!(!files.is_empty(), "{} has no texts", folder.display());
    let list = format!("&[\n{}]\n", lines.collect::<String>());
    let out = Path::new(&std::env::var("OUT_DIR").unwrap_or_default()).join("languages.rs");
    std::fs::write(&out, list).unwrap_or_else(|error| panic!("Cannot write {}: {error}", out.display()));
}

/// The names of the texts in a folder, in order; none when there is no such folder.
fn list_texts(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let texts = entries.filter(|path| path.extension().is_some_and(|ending| ending == "ftl"));
    let mut names: Vec<_> =
        texts.map(|path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
