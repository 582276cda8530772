//! Finds the languages of `src/words`.

use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    list_languages();
}

/// Writes the list of languages that `src/words/mod.rs` includes: each file's tag, and its text.
fn list_languages() {
    println!("cargo:rerun-if-changed=src/words");
    let folder = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default()).join("src/words");
    let entries =
        std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{} cannot be read: {error}", folder.display()));
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "ftl"));
    files.sort();
    let lines = files.iter().map(|path| {
        let tag = path.file_stem().unwrap_or_default().to_string_lossy();
        format!("    ({tag:?}, include_str!({path:?})),\n")
    });
    let list = format!("&[\n{}]\n", lines.collect::<String>());
    let out = Path::new(&std::env::var("OUT_DIR").unwrap_or_default()).join("words.rs");
    std::fs::write(&out, list).unwrap_or_else(|error| panic!("{} cannot be written: {error}", out.display()));
}
