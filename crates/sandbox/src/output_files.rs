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

/// Reports closed files. A process keeps one for its whole life: closing a watch makes the caller wait until the kernel
/// has cleaned up behind it, 10 ms or more, which a render must not pay.
#[derive(Debug)]
pub(super) struct CloseWatch(Option<OwnedFd>);

impl CloseWatch {
    /// Where files cannot be watched, every file counts as held.
    pub(super) fn open() -> Self {
        Self(inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).ok())
    }

    /// Watches files until each is closed once. `None` when one cannot be watched, or two paths are the same file.
    fn add_files(&self, paths: &[PathBuf]) -> Option<BTreeSet<i32>> {
        let watch = self.0.as_ref()?;
        let add = |path: &PathBuf| inotify::add_watch(watch, path, WatchFlags::CLOSE_WRITE | WatchFlags::ONESHOT);
        let watched = paths.iter().map(add).collect::<Result<BTreeSet<_>, _>>().ok()?;
        (watched.len() == paths.len()).then_some(watched)
    }

    /// Takes all reports that are there, and removes their files from `open`. Reports of earlier requests name others:
    /// the kernel gives no number twice.
    fn read_reports(&self, open: &mut BTreeSet<i32>) {
        let Some(watch) = &self.0 else { return };
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = Reader::new(watch.as_fd(), &mut buffer);
        loop {
            match events.next() {
                Ok(event) if event.events().contains(ReadFlags::CLOSE_WRITE) => {
                    open.remove(&event.wd());
                }
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }
}

/// The files of one request.
#[derive(Debug)]
pub(super) struct OutputFiles {
    files: Vec<File>,
    /// Those whose close was not reported yet. `None` where they cannot be watched.
    open: Option<BTreeSet<i32>>,
}

impl OutputFiles {
    /// Creates the files, or empties those that exist.
    ///
    /// # Errors
    /// When one cannot be created.
    pub(super) fn create(paths: &[PathBuf], watch: &CloseWatch) -> io::Result<Self> {
        let files = paths.iter().map(File::create).collect::<Result<_, _>>()?;
        Ok(Self { files, open: watch.add_files(paths) })
    }

    pub(super) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.files.iter().map(AsFd::as_fd)
    }

    /// Closes the service's own descriptors, after they were handed over.
    pub(super) fn close(&mut self) {
        self.files.clear();
    }

    /// Whether every file is closed for good. Call it after [`close`](Self::close), with the watch that they were created
    /// with.
    pub(super) fn are_released(mut self, watch: &CloseWatch) -> bool {
        let Some(open) = &mut self.open else { return false };
        watch.read_reports(open);
        open.is_empty()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Two files of which somebody keeps the descriptors of the first `held`; whether all are released.
    fn are_released_while_held(held: usize) -> bool {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["a", "b"].map(|name| folder.path().join(name));
        let watch = CloseWatch::open();
        let mut outputs = OutputFiles::create(&paths, &watch).unwrap();
        let mut copies: Vec<OwnedFd> = outputs.descriptors().map(|file| file.try_clone_to_owned().unwrap()).collect();
        copies.truncate(held);
        outputs.close();
        outputs.are_released(&watch)
    }

    #[test]
    fn files_are_released_when_the_last_descriptor_is_closed() {
        assert_eq!([0, 1, 2].map(are_released_while_held), [true, false, false]);
    }

    #[test]
    fn files_that_cannot_be_told_apart_count_as_held() {
        let folder = tempfile::tempdir().unwrap();
        let watch = CloseWatch::open();
        let mut outputs = OutputFiles::create(&[folder.path().join("a"), folder.path().join("a")], &watch).unwrap();
        outputs.close();
        assert!(!outputs.are_released(&watch));
    }

    /// The same names again and again, as a process sees them, and files that stay and get another name.
    #[test]
    fn one_watch_serves_many_requests() {
        let folder = tempfile::tempdir().unwrap();
        let watch = CloseWatch::open();
        let path = folder.path().join("out");
        let create = || OutputFiles::create(std::slice::from_ref(&path), &watch).unwrap();
        for number in 0..300 {
            let mut outputs = create();
            let held = (number % 3 == 0).then(|| outputs.descriptors().next().unwrap().try_clone_to_owned().unwrap());
            outputs.close();
            assert_eq!(outputs.are_released(&watch), held.is_none(), "request {number}");
            if number % 2 == 0 {
                std::fs::rename(&path, folder.path().join(format!("kept-{number}"))).unwrap();
            }
        }
        drop(create());
        let mut reported_late = create();
        let held: Vec<_> = reported_late.descriptors().map(|file| file.try_clone_to_owned().unwrap()).collect();
        reported_late.close();
        assert!(!reported_late.are_released(&watch), "the report of an earlier request is not its own");
        drop(held);
    }
}
