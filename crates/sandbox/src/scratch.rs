//! Scratch folders: one for each render process, removed together with the process.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use offprint_imaging::SourceFiles;
use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

use super::protocol::{SOURCE_PATH, format_object_path, format_output_path};

/// The folder of one pool. A lock on it is held as long as its service lives, so that the next service can tell the
/// folders of a killed service from those in use.
#[derive(Debug)]
pub(super) struct ScratchRoot {
    folder: TempDir,
    _lock: File,
}

/// The folder of one process: it may read `in` and write `out`.
#[derive(Debug)]
pub(super) struct ScratchDir(TempDir);

impl ScratchRoot {
    /// Creates a folder below `root`, and removes those that killed services left there.
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        fs::create_dir_all(root)?;
        // The processes have another current directory, so the path must be absolute.
        let root = &root.canonicalize()?;
        for entry in fs::read_dir(root)?.flatten() {
            // A service that lives holds the lock of its folder, so a folder that can be locked is abandoned.
            if let Ok(folder) = File::open(entry.path())
                && flock(&folder, FlockOperation::NonBlockingLockExclusive).is_ok()
            {
                // Another service may be removing the same folder.
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        loop {
            let folder = tempfile::Builder::new().prefix("pool-").tempdir_in(root)?;
            let lock = File::open(folder.path())?;
            // Between its creation and its lock another service may have taken the new folder for an abandoned one.
            if flock(&lock, FlockOperation::LockExclusive).is_ok() && folder.path().exists() {
                return Ok(Self { folder, _lock: lock });
            }
        }
    }

    pub(crate) fn create_dir(&self) -> io::Result<ScratchDir> {
        let dir = tempfile::tempdir_in(&self.folder)?;
        fs::create_dir(dir.path().join("in"))?;
        fs::create_dir(dir.path().join("out"))?;
        Ok(ScratchDir(dir))
    }
}

impl ScratchDir {
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn output_path(&self, number: usize) -> PathBuf {
        self.path().join(format_output_path(number))
    }

    /// Puts the source and the other assets that its images need into `in`: as hard links, or as copies when they lie
    /// on another file system.
    pub(crate) fn place_files(&self, files: &SourceFiles) -> io::Result<()> {
        let objects = files.objects.iter().map(|(pin, file)| (format_object_path(pin), file.as_path()));
        for (name, file) in objects.chain([(SOURCE_PATH.to_owned(), files.source.as_path())]) {
            let target = self.path().join(name);
            fs::hard_link(file, &target).or_else(|_| fs::copy(file, &target).map(drop))?;
        }
        Ok(())
    }

    /// Removes all files.
    pub(crate) fn clear(&self) -> io::Result<()> {
        for folder in ["in", "out"] {
            for file in fs::read_dir(self.path().join(folder))? {
                fs::remove_file(file?.path())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_killed_services_are_removed_and_those_in_use_stay() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("pool-left/process/in")).unwrap();
        let first = ScratchRoot::open(root.path()).unwrap();
        let scratch_dir = first.create_dir().unwrap();
        let second = ScratchRoot::open(root.path()).unwrap();
        assert!(!root.path().join("pool-left").exists());
        assert!(scratch_dir.path().join("in").exists());
        drop((scratch_dir, first, second));
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }
}
