//! The images of the demo: the samples of the project, or the user's own.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use offprint_core::Digest;

use super::to_demo_error;
use crate::cli::{CliError, samples};

/// Images on the disk and their folder in the service.
pub struct DemoImages {
    /// Their folder on the disk.
    pub local: PathBuf,
    /// Their folder in the service.
    pub folder: String,
    /// Whether they are the project's samples, so that their results are known.
    pub drawn: bool,
    /// The digests of all files.
    pub contents: BTreeSet<Digest>,
}

impl DemoImages {
    /// The images of a folder, or samples that are drawn below `work`.
    pub fn prepare(given: Option<&Path>, work: &Path) -> Result<Self, CliError> {
        let drawn = given.is_none();
        let (local, folder) = match given {
            Some(given) => {
                let local = given.canonicalize().map_err(|error| to_demo_error("read your images", error))?;
                let name = Digest::compute(local.as_os_str().as_encoded_bytes()).to_string();
                (local, format!("yours-{}", &name[..8]))
            }
            None => {
                let local = work.join("images");
                println!("Drawing {} images into {}", samples::list_sample_names().count(), local.display());
                samples::draw_samples(&local, &[]).map_err(|error| to_demo_error("draw the images", error))?;
                (local, "demo".to_owned())
            }
        };
        let mut contents = BTreeSet::new();
        collect_digests(&local, &mut contents).map_err(|error| to_demo_error("read the images", error))?;
        if contents.is_empty() {
            return Err(to_demo_error("find images", format!("{} has no files", local.display())));
        }
        Ok(Self { local, folder, drawn, contents })
    }
}

/// Names that begin with a dot are left out, as `offprint push` does.
fn collect_digests(folder: &Path, contents: &mut BTreeSet<Digest>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")) {
            continue;
        }
        if path.is_dir() {
            collect_digests(&path, contents)?;
        } else {
            contents.insert(Digest::compute(&fs::read(&path)?));
        }
    }
    Ok(())
}
