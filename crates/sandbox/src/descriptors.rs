//! The channel between the service and a render process: a pair of connected Unix sockets. Lines go both ways; open
//! files go to the process, as descriptors beside the bytes of a line (`SCM_RIGHTS`), so that it needs no path.
//!
//! Before each line a byte comes alone. The process waits for it with an ordinary `read`, which would lose descriptors;
//! only then does it receive with them. So an idle process is in a function of the C library, and a debugger that is
//! attached to it can call others, which is how reviews look for ways out.
//!
//! Descriptors come with the bytes that they were sent with. A message takes at most [`MAX_FILES_PER_MESSAGE`] of them;
//! more are sent with the next bytes of the same line.

use std::fs::File;
use std::io::{ErrorKind, IoSlice, IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use tokio::io::Interest;
use tokio::net::UnixStream;

/// What is sent before each line.
const WAKE_BYTE: &[u8] = b">";

/// The kernel's limit is 253.
const MAX_FILES_PER_MESSAGE: usize = 128;

const CONTROL_BYTES: usize = rustix::cmsg_space!(ScmRights(MAX_FILES_PER_MESSAGE));

/// Sends a line that ends with a line feed, and descriptors with its first bytes.
///
/// # Errors
/// When the process has closed its end, or the line is too short for its descriptors.
pub(super) async fn send_line(channel: &UnixStream, line: &[u8], files: &[BorrowedFd<'_>]) -> std::io::Result<()> {
    channel.async_io(Interest::WRITABLE, || Ok(send_message(channel, WAKE_BYTE, &[])?)).await?;
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
    /// The same socket, to wait for the next line.
    wake: File,
}

impl<'fd> LineReceiver<'fd> {
    /// # Errors
    /// When the descriptor cannot be duplicated.
    pub(super) fn new(channel: BorrowedFd<'fd>) -> std::io::Result<Self> {
        Ok(Self { channel, wake: File::from(channel.try_clone_to_owned()?) })
    }

    /// The next line without its line feed, and its descriptors. `None` when the service has closed its end.
    pub(super) fn receive_line(&mut self) -> std::io::Result<Option<(Vec<u8>, Vec<OwnedFd>)>> {
        let (mut line, mut files) = (Vec::new(), Vec::new());
        match self.wake.read_exact(&mut [0; WAKE_BYTE.len()]) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        }
        // The service waits for the reply to a line, so nothing comes behind the line feed.
        while line.pop_if(|byte| *byte == b'\n').is_none() {
            if self.receive_message(&mut line, &mut files)? == 0 {
                return Ok(None);
            }
        }
        Ok(Some((line, files)))
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

/// Closes what the service inherited from its own parent without knowing: a shell or a supervisor may leave files open
/// for all of its descendants. Called first, when nothing but the standard streams is ours.
pub(crate) fn close_inherited_files() {
    const LAST_STANDARD_STREAM: RawFd = 2;
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return };
    let numbers: Vec<RawFd> = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for number in numbers.into_iter().filter(|number| *number > LAST_STANDARD_STREAM) {
        // One of them was the folder itself, which is closed by now.
        let _ = nix::unistd::close(number);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::{Seek, Write};
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
            let mut receiver = LineReceiver::new(theirs.as_fd()).unwrap();
            let first = receiver.receive_line().unwrap().unwrap();
            (&theirs).write_all(b"!").unwrap();
            let second = receiver.receive_line().unwrap().unwrap();
            (first, second, receiver.receive_line().unwrap().is_none())
        });
        let line = [vec![b'x'; 1 << 20], vec![b'\n']].concat();
        let descriptors: Vec<_> = files.iter().map(AsFd::as_fd).collect();
        send_line(&ours, &line, &descriptors).await.unwrap();
        // As the protocol has it: the next line follows a reply.
        ours.readable().await.unwrap();
        // Unread bytes would make the end a reset.
        assert_eq!(ours.try_read(&mut [0; 1]).unwrap(), 1);
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
