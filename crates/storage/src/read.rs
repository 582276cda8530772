//! Bytes on their way out: read in large pieces, the next one while the one before is sent.

use std::fs::File;
use std::io;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt};
use rustix::buffer::spare_capacity;

use super::error::of_file;
use super::{Digest, Error, Storage, Store, blocking};

/// How much of a file is read at once.
const PIECE: u64 = 512 << 10;

/// How much of an object is asked for at once.
const RANGE: u64 = 2 << 20;

/// How many ranges of objects are on their way at the same time, for a store far away.
const ABREAST: usize = 4;

/// Bytes of a blob that are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The blob.
    pub digest: Digest,
    /// Where in the blob.
    pub offset: u64,
    /// How many bytes.
    pub len: u64,
    /// CRC-32 of these bytes, where it is known. Bytes that have another are an error before the last of them is
    /// handed out.
    pub crc32: Option<u32>,
}

/// A blob that is being read. Its file is opened once, when the first piece is read.
#[derive(Clone, Debug)]
struct Open {
    storage: Storage,
    digest: Digest,
    file: Arc<OnceLock<File>>,
}

impl Storage {
    /// All bytes of a blob. For small ones.
    pub async fn bytes(&self, digest: &Digest) -> Result<Vec<u8>, Error> {
        let size = self.size(digest).await?;
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        let mut pieces = self.read_range(digest, 0, size).boxed();
        while let Some(piece) = pieces.next().await {
            bytes.extend_from_slice(&piece?);
        }
        Ok(bytes)
    }

    /// `len` bytes of a blob from `offset` on. A blob that ends before that gives [`Error::Short`].
    pub fn read_range(&self, digest: &Digest, offset: u64, len: u64) -> BoxStream<'static, Result<Bytes, Error>> {
        self.read(vec![Stretch { digest: *digest, offset, len, crc32: None }]).boxed()
    }

    /// Stretches of blobs, one after the other. Holds some pieces in memory, however long they are.
    pub fn read(&self, wanted: Vec<Stretch>) -> impl Stream<Item = Result<Bytes, Error>> + Send + use<> {
        let (size, abreast) = match &self.store {
            Store::Files(_) => (PIECE, 2),
            Store::Objects(_) => (RANGE, ABREAST),
        };
        let storage = self.clone();
        let pieces = wanted.into_iter().flat_map(move |wanted| {
            let open = Open { storage: storage.clone(), digest: wanted.digest, file: Arc::default() };
            let end = wanted.offset + wanted.len;
            spans(wanted.offset, wanted.len, size).map(move |(at, len)| {
                let (open, check) = (open.clone(), wanted.crc32.map(|crc32| (crc32, at + len == end)));
                async move { (check, open.digest, open.piece(at, len).await) }
            })
        });
        let mut crc = crc32fast::Hasher::new();
        stream::iter(pieces).buffered(abreast).map(move |(check, digest, piece)| {
            let piece = piece?;
            let Some((crc32, last)) = check else { return Ok(piece) };
            crc.update(&piece);
            match last && std::mem::take(&mut crc).finalize() != crc32 {
                true => Err(Error::Damaged(digest)),
                false => Ok(piece),
            }
        })
    }
}

impl Open {
    async fn piece(self, at: u64, len: u64) -> Result<Bytes, Error> {
        let files = match &self.storage.store {
            Store::Objects(objects) => return objects.get(&self.digest, at..at + len).await,
            Store::Files(files) => files.clone(),
        };
        let (cell, digest) = (self.file, self.digest);
        blocking(move || {
            let read = || {
                let file = match cell.get() {
                    Some(file) => file,
                    None => {
                        let opened = File::open(files.path(&digest))?;
                        cell.get_or_init(|| opened)
                    }
                };
                piece(file, at, len)
            };
            Ok(read().map_err(|error| of_file(error, &digest))?.into())
        })
        .await
    }
}

/// So many bytes of a file. Blocks. Memory that is about to be filled is not cleared before.
pub(super) fn piece(file: &File, mut at: u64, len: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(len as usize);
    while (bytes.len() as u64) < len {
        let before = bytes.len();
        // The allocator may have given more room than was asked for.
        match rustix::io::pread(file, spare_capacity(&mut bytes), at) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => at += (bytes.len() - before) as u64,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    bytes.truncate(len as usize);
    Ok(bytes)
}

/// A stretch in steps of this size: where each begins and how long it is.
pub(super) fn spans(offset: u64, len: u64, size: u64) -> impl Iterator<Item = (u64, u64)> + Send {
    let end = offset + len;
    (0..len.div_ceil(size)).map(move |number| {
        let at = offset + number * size;
        (at, size.min(end - at))
    })
}
