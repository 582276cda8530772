//! Collects the languages of `src/i18n`, so that adding a translation is adding a file.

use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    write_language_list();
}

/// Writes the list of languages that `src/i18n/mod.rs` includes: language tag and text of each `.ftl` file.
fn write_language_list() {
    println!("cargo:rerun-if-changed=src/i18n");
    let folder = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default()).join("src/i18n");
    let entries =
        std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("Cannot read {}: {error}", folder.display()));
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "ftl"));
    files.sort();
    let lines = files.iter().map(|path| {
        let tag = path.file_stem().unwrap_or_default().to_string_lossy();
        // Relative to the checkout: a target folder outlives the folder that the clone was in.
        format!("    ({tag:?}, include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/src/i18n/{tag}.ftl\"))),\n")
    });
    let list = format!("&[\n{}]\n", lines.collect::<String>());
    let out = Path::new(&std::env::var("OUT_DIR").unwrap_or_default()).join("languages.rs");
    std::fs::write(&out, list).unwrap_or_else(|error| panic!("Cannot write {}: {error}", out.display()));
}
