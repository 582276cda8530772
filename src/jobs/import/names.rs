//! The names of imported files: made safe as those of uploads are.

use offprint_core::name::{FileName, Folder};
use percent_encoding::percent_decode_str;
use url::Url;

/// Where an imported file goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryTarget {
    pub folder: String,
    pub file_name: String,
}

/// The folder and file name for an object. `path` is relative to the prefix of the import; its folders are kept below `folder`
/// with `keeps_folders`.
///
/// # Errors
/// A sentence: a name without usable characters, or folders that are too deep.
pub fn find_entry_target(folder: &str, path: &str, keeps_folders: bool) -> Result<EntryTarget, String> {
    let (parents, name) = path.rsplit_once('/').unwrap_or(("", path));
    let file_name = FileName::sanitize(name).map_err(|error| format!("{name:?} cannot be a file name: {error}."))?;
    let mut joined = folder.to_owned();
    for part in parents.split('/').filter(|part| keeps_folders && !part.is_empty()) {
        let part = FileName::sanitize(part).map_err(|error| format!("{part:?} cannot be a folder: {error}."))?;
        if !joined.is_empty() {
            joined.push('/');
        }
        joined.push_str(part.as_str());
    }
    let folder = Folder::parse(&joined)?;
    Ok(EntryTarget { folder: folder.as_str().to_owned(), file_name: file_name.to_string() })
}

/// The file name at the end of a URL's path, if there is one that can be used.
pub fn find_url_name(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let last = url.path_segments()?.next_back().filter(|last| !last.is_empty())?;
    let name = percent_decode_str(last).decode_utf8().ok()?;
    Some(FileName::sanitize(&name).ok()?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_folders_are_made_safe() {
        let target = |folder: &str, path: &str, keeps: bool| {
            find_entry_target(folder, path, keeps).map(|target| (target.folder, target.file_name))
        };
        assert_eq!(target("in", "a/b?/c:d.jpg", true), Ok(("in/a/b_".into(), "c_d.jpg".into())));
        assert_eq!(target("in", "a/b.jpg", false), Ok(("in".into(), "b.jpg".into())));
        assert_eq!(target("", "a.jpg", true), Ok((String::new(), "a.jpg".into())));
        assert!(target("", "\u{200b}", true).is_err());
        assert!(target("", &format!("{}x.jpg", "long/".repeat(300)), true).is_err());
    }

    #[test]
    fn a_url_names_its_file() {
        assert_eq!(find_url_name("https://a.example/x/shoe%20red.jpg?v=2"), Some("shoe red.jpg".into()));
        assert_eq!(find_url_name("https://a.example/"), None);
    }
}
