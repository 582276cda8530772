//! Paths of files in the archive: safe on every system, unique ignoring case, and fixed when the job is created.

use std::collections::{HashMap, HashSet};

use offprint_core::name::fold_path;

/// The longest file name that common file systems support.
const MAX_NAME_BYTES: usize = 255;

/// Allocates the paths of an archive, each once.
pub struct PathAllocator {
    taken_keys: HashSet<String>,
    folder_keys: HashSet<String>,
    /// The last number given to a name, so that ten thousand equal names do not each count from two.
    last_numbers: HashMap<String, usize>,
}

/// The name of an output file: the base name of the source, `-` and the suffix of the rendition, if there is one, and the
/// extension of the output format, or that of the source where the file is not converted.
pub fn build_output_name(file_name: &str, suffix: Option<&str>, extension: Option<&str>) -> String {
    let (base, own_extension) = split_extension(file_name);
    let suffix = suffix.map(|suffix| format!("-{suffix}")).unwrap_or_default();
    let end = format!("{suffix}{}", extension.unwrap_or(own_extension));
    format!("{}{end}", truncate_name(base, MAX_NAME_BYTES - end.len()))
}

/// Base name, and extension with its dot. A name whose only dot is at its start has no extension.
pub(super) fn split_extension(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(dot) if dot > 0 => name.split_at(dot),
        _ => (name, ""),
    }
}

/// The first `bytes` bytes at most, cut between characters, without a blank or dot at the end.
fn truncate_name(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text[..end].trim_end_matches([' ', '.'])
}

impl PathAllocator {
    /// For an archive with these folders; empty for its top. No file may get the name of a folder or of a manifest.
    pub fn new<'a>(folders: impl Iterator<Item = &'a str>) -> Self {
        let mut folder_keys = HashSet::new();
        // Most files share a few folders.
        let distinct: HashSet<&str> = folders.filter(|folder| !folder.is_empty()).collect();
        for folder in distinct {
            let ends = folder.match_indices('/').map(|(end, _)| end).chain([folder.len()]);
            folder_keys.extend(ends.map(|end| fold_path(&folder[..end])));
        }
        Self {
            taken_keys: HashSet::from(["manifest.json".into(), "manifest.csv".into()]),
            folder_keys,
            last_numbers: HashMap::new(),
        }
    }

    /// The path for a file of this name. The second file of a name becomes `name (2).ext`, in the order of the calls.
    pub fn allocate(&mut self, folder: &str, name: &str) -> String {
        let join = |name: &str| match folder.is_empty() {
            true => name.to_owned(),
            false => format!("{folder}/{name}"),
        };
        let (base, extension) = split_extension(name);
        let mut path = join(name);
        let number = self.last_numbers.entry(fold_path(&path)).or_insert(1);
        while self.taken_keys.contains(&fold_path(&path)) || self.folder_keys.contains(&fold_path(&path)) {
            *number += 1;
            let end = format!(" ({number}){extension}");
            path = join(&format!("{}{end}", truncate_name(base, MAX_NAME_BYTES - end.len())));
        }
        self.taken_keys.insert(fold_path(&path));
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make_flat_allocator() -> PathAllocator {
        PathAllocator::new(std::iter::empty())
    }

    #[test]
    fn the_extension_is_that_of_the_output_format() {
        assert_eq!(build_output_name("fileToExport.jpg", None, Some(".tiff")), "fileToExport.tiff");
        assert_eq!(build_output_name("archive.tar.gz", None, Some(".png")), "archive.tar.png");
        assert_eq!(build_output_name(".hidden", None, Some(".png")), ".hidden.png");
        assert_eq!(build_output_name("photo", None, None), "photo");
        let long = format!("{}.jpg", "ü".repeat(125));
        assert!(build_output_name(&long, None, Some(".tiff")).len() <= 255);
    }

    #[test]
    fn collisions_get_numbers_in_order_ignoring_case() {
        let mut names = make_flat_allocator();
        let mut take = |name| names.allocate("", name);
        assert_eq!(take("a.jpg"), "a.jpg");
        assert_eq!(take("A.JPG"), "A (2).JPG");
        assert_eq!(take("a (2).jpg"), "a (2) (2).jpg");
        assert_eq!(take("a.jpg"), "a (3).jpg");
    }

    #[test]
    fn manifests_and_folders_are_taken() {
        assert_eq!(make_flat_allocator().allocate("", "Manifest.json"), "Manifest (2).json");
        let mut names = PathAllocator::new(["", "shoes/red"].into_iter());
        assert_eq!(names.allocate("", "shoes"), "shoes (2)");
        assert_eq!(names.allocate("shoes", "RED"), "shoes/RED (2)");
        assert_eq!(names.allocate("shoes/red", "a.jpg"), "shoes/red/a.jpg");
    }

    #[test]
    fn ten_thousand_equal_names_stay_unique() {
        let mut names = make_flat_allocator();
        let all: HashSet<String> = (0..2000).map(|_| fold_path(&names.allocate("", "same.png"))).collect();
        assert_eq!(all.len(), 2000);
    }
}
