//! The files that a render process writes: opened by the service, handed over as descriptors, and taken back only when
//! nobody can write to them any more.
//!
//! A stored file is named by the digest of its bytes, and other companies may come to share it. So a process that was
//! taken over must not keep a descriptor and change the file after the service has read it. The kernel reports when the
//! last descriptor, and the last mapping, of an opened file is gone (`IN_CLOSE_WRITE`): the service opens each file once,
//! closes its own descriptor after handing it over, and looks for that report when the results are there. Without it the
//! process is ended before the files are used, which closes everything that it had.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

/// The files of one request.
#[derive(Debug)]
pub(super) struct OutputFiles {
    files: Vec<File>,
    /// Reports closed files. `None` where that is not possible.
    watch: Option<OwnedFd>,
    watched: BTreeSet<i32>,
}

impl OutputFiles {
    /// Creates the files, or empties those that exist.
    ///
    /// # Errors
    /// When one cannot be created.
    pub(super) fn create(paths: &[PathBuf]) -> io::Result<Self> {
        let files = paths.iter().map(File::create).collect::<Result<_, _>>()?;
        let (watch, watched) = watch_files(paths).map_or((None, BTreeSet::new()), |(fd, set)| (Some(fd), set));
        Ok(Self { files, watch, watched })
    }

    pub(super) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.files.iter().map(AsFd::as_fd)
    }

    /// Closes the service's own descriptors, after they were handed over.
    pub(super) fn close(&mut self) {
        self.files.clear();
    }

    /// Whether every file is closed for good. Call it once, after [`close`](Self::close).
    pub(super) fn are_released(&self) -> bool {
        let Some(watch) = &self.watch else { return false };
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = Reader::new(watch.as_fd(), &mut buffer);
        let mut open = self.watched.clone();
        loop {
            match events.next() {
                Ok(event) if event.events().contains(ReadFlags::CLOSE_WRITE) => {
                    open.remove(&event.wd());
                }
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => return open.is_empty(),
            }
        }
    }
}

/// `None` when a file cannot be watched, or two paths are the same file.
fn watch_files(paths: &[PathBuf]) -> Option<(OwnedFd, BTreeSet<i32>)> {
    let watch = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).ok()?;
    let add = |path: &PathBuf| inotify::add_watch(&watch, path, WatchFlags::CLOSE_WRITE);
    let watched = paths.iter().map(add).collect::<Result<BTreeSet<_>, _>>().ok()?;
    (watched.len() == paths.len()).then_some((watch, watched))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Two files of which somebody keeps the descriptors of the first `held`; whether all are released.
    fn are_released_while_held(held: usize) -> bool {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["a", "b"].map(|name| folder.path().join(name));
        let mut outputs = OutputFiles::create(&paths).unwrap();
        let mut copies: Vec<OwnedFd> = outputs.descriptors().map(|file| file.try_clone_to_owned().unwrap()).collect();
        copies.truncate(held);
        outputs.close();
        outputs.are_released()
    }

    #[test]
    fn files_are_released_when_the_last_descriptor_is_closed() {
        assert_eq!([0, 1, 2].map(are_released_while_held), [true, false, false]);
    }

    #[test]
    fn files_that_cannot_be_told_apart_count_as_held() {
        let folder = tempfile::tempdir().unwrap();
        let mut outputs = OutputFiles::create(&[folder.path().join("a"), folder.path().join("a")]).unwrap();
        outputs.close();
        assert!(!outputs.are_released());
    }
}
