//! The pictures of the demo: drawn, or somebody's own.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::failed;
use crate::cli::{Refusal, samples};
use crate::digest::Digest;

/// Pictures on the disk and where they go in the service.
pub struct Pictures {
    /// Where they are.
    pub local: PathBuf,
    /// The service's folder.
    pub folder: String,
    /// Whether the project drew them, so that we know what must become of them.
    pub drawn: bool,
    /// What each file holds.
    pub contents: BTreeSet<Digest>,
}

impl Pictures {
    /// Those of a folder, or new ones, drawn below `work`.
    pub fn of(given: Option<&Path>, work: &Path) -> Result<Self, Refusal> {
        let drawn = given.is_none();
        let (local, folder) = match given {
            Some(given) => {
                let local = given.canonicalize().map_err(|error| failed("read your pictures", error))?;
                let name = Digest::of(local.as_os_str().as_encoded_bytes()).to_string();
                (local, format!("yours-{}", &name[..8]))
            }
            None => {
                let local = work.join("pictures");
                println!("Drawing {} pictures into {}", samples::names().count(), local.display());
                samples::draw(&local, &[]).map_err(|error| failed("draw the pictures", error))?;
                (local, "demo".to_owned())
            }
        };
        let mut contents = BTreeSet::new();
        collect(&local, &mut contents).map_err(|error| failed("read the pictures", error))?;
        if contents.is_empty() {
            return Err(failed("find pictures", format!("{} has no files", local.display())));
        }
        Ok(Self { local, folder, drawn, contents })
    }
}

/// Names that begin with a dot are left out, as `offprint push` does.
fn collect(folder: &Path, contents: &mut BTreeSet<Digest>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")) {
            continue;
        }
        if path.is_dir() {
            collect(&path, contents)?;
        } else {
            contents.insert(Digest::of(&fs::read(&path)?));
        }
    }
    Ok(())
}
