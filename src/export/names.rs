//! Names of files in the archive: safe, unique ignoring case, and the same for everyone who asks.

use std::collections::{HashMap, HashSet};

use unicode_normalization::UnicodeNormalization;

use crate::db::vocabulary::Layout;

/// The longest name that file systems take, in bytes.
const LONGEST: usize = 255;

/// Hands out paths, each once.
pub struct Names {
    layout: Layout,
    taken: HashSet<String>,
    folders: HashSet<String>,
    /// The last number a name was given, so that ten thousand equal names are not counted up from two each time.
    numbers: HashMap<String, usize>,
}

/// A path as it is compared: two that differ in case only cannot lie in one folder everywhere.
pub fn key(path: &str) -> String {
    path.nfkc().flat_map(char::to_lowercase).collect()
}

/// The name of what comes out: the base name of what went in, the suffix of its rendition behind a `-`, if it has one,
/// and the extension of its new format, if it has one.
pub fn output(file_name: &str, suffix: Option<&str>, extension: Option<&str>) -> String {
    let (base, own) = split(file_name);
    let end = format!("{}{}", suffix.map(|suffix| format!("-{suffix}")).unwrap_or_default(), extension.unwrap_or(own));
    format!("{}{end}", cut(base, LONGEST - end.len()))
}

/// Base name and extension with its dot. A name that begins with its only dot is all base.
fn split(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(dot) if dot > 0 => name.split_at(dot),
        _ => (name, ""),
    }
}

/// The first `bytes` bytes at most, without half a letter and without a blank at the end.
fn cut(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text[..end].trim_end_matches([' ', '.'])
}

impl Names {
    /// Names for an archive that will hold these folders. No file may have the name of a folder, or of a manifest.
    pub fn new<'a>(layout: Layout, folders: impl Iterator<Item = &'a str>) -> Self {
        let mut all = HashSet::new();
        if layout == Layout::Folders {
            for folder in folders {
                let ends = folder.match_indices('/').map(|(end, _)| end).chain([folder.len()]);
                all.extend(ends.map(|end| key(&folder[..end])));
            }
        }
        Self {
            layout,
            taken: HashSet::from(["manifest.json".into(), "manifest.csv".into()]),
            folders: all,
            numbers: HashMap::new(),
        }
    }

    /// The path for a file of this name. The second of a name becomes `name (2).ext`, in the order of the calls.
    pub fn take(&mut self, folder: &str, name: &str) -> String {
        let place = |name: &str| match self.layout {
            Layout::Folders if !folder.is_empty() => format!("{folder}/{name}"),
            _ => name.to_owned(),
        };
        let (base, extension) = split(name);
        let mut path = place(name);
        let number = self.numbers.entry(key(&path)).or_insert(1);
        while self.taken.contains(&key(&path)) || self.folders.contains(&key(&path)) {
            *number += 1;
            let mark = format!(" ({number}){extension}");
            path = place(&format!("{}{mark}", cut(base, LONGEST - mark.len())));
        }
        self.taken.insert(key(&path));
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat() -> Names {
        Names::new(Layout::Flat, std::iter::empty())
    }

    #[test]
    fn the_extension_is_that_of_the_output_format() {
        assert_eq!(output("fileToExport.jpg", None, Some(".tiff")), "fileToExport.tiff");
        assert_eq!(output("archive.tar.gz", None, Some(".png")), "archive.tar.png");
        assert_eq!(output(".hidden", None, Some(".png")), ".hidden.png");
        assert_eq!(output("photo", None, None), "photo");
        let long = format!("{}.jpg", "ü".repeat(125));
        assert!(output(&long, None, Some(".tiff")).len() <= 255);
    }

    #[test]
    fn collisions_get_numbers_in_order_ignoring_case() {
        let mut names = flat();
        let mut take = |name| names.take("", name);
        assert_eq!(take("a.jpg"), "a.jpg");
        assert_eq!(take("A.JPG"), "A (2).JPG");
        assert_eq!(take("a (2).jpg"), "a (2) (2).jpg");
        assert_eq!(take("a.jpg"), "a (3).jpg");
    }

    #[test]
    fn manifests_and_folders_are_taken() {
        assert_eq!(flat().take("", "Manifest.json"), "Manifest (2).json");
        let mut names = Names::new(Layout::Folders, ["shoes/red"].into_iter());
        assert_eq!(names.take("", "shoes"), "shoes (2)");
        assert_eq!(names.take("shoes", "RED"), "shoes/RED (2)");
        assert_eq!(names.take("shoes/red", "a.jpg"), "shoes/red/a.jpg");
        assert_eq!(flat().take("shoes/red", "a.jpg"), "a.jpg");
    }

    #[test]
    fn ten_thousand_equal_names_stay_unique() {
        let mut names = flat();
        let all: HashSet<String> = (0..2000).map(|_| key(&names.take("", "same.png"))).collect();
        assert_eq!(all.len(), 2000);
    }
}
