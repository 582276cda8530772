//! Folders for render processes, one each, gone when the process is.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

use super::protocol::{SOURCE, object, output};
use offprint_imaging::Files;

/// The pool's own folder. The lock on it says that its service lives, so that the next one can tidy up what a killed
/// service left.
#[derive(Debug)]
pub(super) struct Scratch {
    folder: TempDir,
    _lock: File,
}

/// One process's folder: `in` it may read, `out` it may write.
#[derive(Debug)]
pub(super) struct Desk(TempDir);

impl Scratch {
    /// Makes a folder below `root`.
    pub fn open(root: &Path) -> io::Result<Self> {
        fs::create_dir_all(root)?;
        // The processes stand elsewhere.
        let root = &root.canonicalize()?;
        for left in fs::read_dir(root)?.flatten() {
            // Whoever lives holds the lock of its folder.
            if let Ok(folder) = File::open(left.path())
                && flock(&folder, FlockOperation::NonBlockingLockExclusive).is_ok()
            {
                // Another service may tidy up at the same moment.
                let _ = fs::remove_dir_all(left.path());
            }
        }
        loop {
            let folder = tempfile::Builder::new().prefix("pool-").tempdir_in(root)?;
            let lock = File::open(folder.path())?;
            // One who tidies up may have taken the new folder for one left behind.
            if flock(&lock, FlockOperation::LockExclusive).is_ok() && folder.path().exists() {
                return Ok(Self { folder, _lock: lock });
            }
        }
    }

    pub fn desk(&self) -> io::Result<Desk> {
        let desk = tempfile::tempdir_in(&self.folder)?;
        fs::create_dir(desk.path().join("in"))?;
        fs::create_dir(desk.path().join("out"))?;
        Ok(Desk(desk))
    }
}

impl Desk {
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn output(&self, number: usize) -> PathBuf {
        self.path().join(output(number))
    }

    /// Lays a source on the desk, and what pictures need beside it: second names for their bytes, or, from another file
    /// system, copies.
    pub fn lay(&self, files: &Files) -> io::Result<()> {
        let objects = files.objects.iter().map(|(pin, file)| (object(pin), file.as_path()));
        for (place, file) in objects.chain([(SOURCE.to_owned(), files.source.as_path())]) {
            let place = self.path().join(place);
            fs::hard_link(file, &place).or_else(|_| fs::copy(file, &place).map(drop))?;
        }
        Ok(())
    }

    /// Takes everything away.
    pub fn clear(&self) -> io::Result<()> {
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
    fn what_a_killed_service_left_goes_and_what_another_has_stays() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("pool-left/desk/in")).unwrap();
        let first = Scratch::open(root.path()).unwrap();
        let desk = first.desk().unwrap();
        let second = Scratch::open(root.path()).unwrap();
        assert!(!root.path().join("pool-left").exists());
        assert!(desk.path().join("in").exists());
        drop((desk, first, second));
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }
}
