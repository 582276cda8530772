//! The channel between the service and a render process: a pair of connected Unix sockets. Lines go both ways; open
//! files go to the process, as descriptors beside the bytes of a line (`SCM_RIGHTS`), so that it needs no path.
//!
//! Descriptors come with the bytes that they were sent with. A message takes at most [`MAX_FILES_PER_MESSAGE`] of them;
//! more are sent with the next bytes of the same line.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use tokio::io::Interest;
use tokio::net::UnixStream;

/// The kernel's limit is 253.
const MAX_FILES_PER_MESSAGE: usize = 128;

const CONTROL_BYTES: usize = rustix::cmsg_space!(ScmRights(MAX_FILES_PER_MESSAGE));

/// Sends a line that ends with a line feed, and descriptors with its first bytes.
///
/// # Errors
/// When the process has closed its end, or the line is too short for its descriptors.
pub(super) async fn send_line(channel: &UnixStream, line: &[u8], files: &[BorrowedFd<'_>]) -> std::io::Result<()> {
    let (mut line, mut files) = (line, files);
    while !line.is_empty() {
        let (batch, rest) = files.split_at(files.len().min(MAX_FILES_PER_MESSAGE));
        // As long as descriptors are left, bytes must be left to send them with.
        let bytes = if rest.is_empty() { line } else { &line[..1] };
        let sent = channel.async_io(Interest::WRITABLE, || Ok(send_message(channel, bytes, batch)?)).await?;
        (line, files) = (&line[sent..], rest);
    }
    if files.is_empty() { Ok(()) } else { Err(std::io::ErrorKind::InvalidInput.into()) }
}

fn send_message(channel: &UnixStream, bytes: &[u8], files: &[BorrowedFd<'_>]) -> rustix::io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); CONTROL_BYTES];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !files.is_empty() && !control.push(SendAncillaryMessage::ScmRights(files)) {
        return Err(Errno::NOBUFS);
    }
    retry_on_intr(|| sendmsg(channel, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL))
}

/// The process's end: reads lines with the descriptors that came with them.
#[derive(Debug)]
pub(super) struct LineReceiver<'fd> {
    channel: BorrowedFd<'fd>,
    /// Bytes that belong to the next line.
    pending: Vec<u8>,
}

impl<'fd> LineReceiver<'fd> {
    pub(super) fn new(channel: BorrowedFd<'fd>) -> Self {
        Self { channel, pending: Vec::new() }
    }

    /// The next line without its line feed, and its descriptors. `None` when the service has closed its end.
    pub(super) fn receive_line(&mut self) -> std::io::Result<Option<(Vec<u8>, Vec<OwnedFd>)>> {
        let (mut line, mut files) = (std::mem::take(&mut self.pending), Vec::new());
        let mut searched = 0;
        loop {
            if let Some(end) = line[searched..].iter().position(|byte| *byte == b'\n') {
                self.pending = line.split_off(searched + end + 1);
                line.pop();
                return Ok(Some((line, files)));
            }
            searched = line.len();
            if self.receive_message(&mut line, &mut files)? == 0 {
                return Ok(None);
            }
        }
    }

    /// Appends what has come. Returns how many bytes it was; 0 at the end.
    fn receive_message(&self, line: &mut Vec<u8>, files: &mut Vec<OwnedFd>) -> rustix::io::Result<usize> {
        let mut buffer = [0; 64 << 10];
        let mut space = [MaybeUninit::uninit(); CONTROL_BYTES];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = retry_on_intr(|| {
            recvmsg(self.channel, &mut [IoSliceMut::new(&mut buffer)], &mut control, RecvFlags::CMSG_CLOEXEC)
        })?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                files.extend(descriptors);
            }
        }
        line.extend_from_slice(&buffer[..received.bytes]);
        Ok(received.bytes)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Seek, Write};
    use std::os::fd::AsFd;

    use super::*;

    #[tokio::test]
    async fn many_files_arrive_in_order_with_a_long_line() {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let ours = UnixStream::from_std(ours).unwrap();
        let files: Vec<File> = (0..300)
            .map(|number| {
                let mut file = tempfile::tempfile().unwrap();
                write!(file, "{number}").unwrap();
                file.rewind().unwrap();
                file
            })
            .collect();
        let receiver = std::thread::spawn(move || {
            let mut receiver = LineReceiver::new(theirs.as_fd());
            let first = receiver.receive_line().unwrap().unwrap();
            let second = receiver.receive_line().unwrap().unwrap();
            (first, second, receiver.receive_line().unwrap().is_none())
        });
        let line = [vec![b'x'; 1 << 20], vec![b'\n']].concat();
        let descriptors: Vec<_> = files.iter().map(AsFd::as_fd).collect();
        send_line(&ours, &line, &descriptors).await.unwrap();
        send_line(&ours, b"go\n", &[]).await.unwrap();
        drop(ours);
        let ((received, descriptors), second, has_ended) = receiver.join().unwrap();
        assert_eq!((received.len(), descriptors.len(), has_ended), (1 << 20, 300, true));
        assert_eq!((second.0, second.1.len()), (b"go".to_vec(), 0));
        for (number, descriptor) in descriptors.into_iter().enumerate() {
            let mut text = String::new();
            File::from(descriptor).read_to_string(&mut text).unwrap();
            assert_eq!(text, number.to_string());
        }
    }

    #[tokio::test]
    async fn a_line_that_is_too_short_for_its_files_is_refused() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let file = tempfile::tempfile().unwrap();
        let files = vec![file.as_fd(); 3 * MAX_FILES_PER_MESSAGE];
        assert!(send_line(&ours, b"x\n", &files).await.is_err());
    }
}
