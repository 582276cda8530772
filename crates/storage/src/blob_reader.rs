//! Reading blobs as streams, in pieces; objects of a remote store ahead of what is sent.

use std::fs::File;
use std::io;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt};
use rustix::buffer::spare_capacity;

use super::error::map_file_error;
use super::{Digest, Storage, StorageBackend, StorageError, run_blocking};

/// How much of a file is read at once, in bytes, and nothing ahead: the kernel does that. Each client that stops reading
/// holds this much of our memory until it is cut off (with 512 KiB and one piece ahead, 800 of them held 230 MB).
const FILE_CHUNK_BYTES: u64 = 128 << 10;

/// How much of an object is requested at once, in bytes.
const OBJECT_RANGE_BYTES: u64 = 2 << 20;

/// How many ranges of objects are requested at the same time, to make up for the latency of a remote store.
const MAX_CONCURRENT_RANGES: usize = 4;

/// A range of the bytes of a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobRange {
    pub digest: Digest,
    /// In bytes from the start of the blob.
    pub offset: u64,
    /// In bytes.
    pub len: u64,
    /// CRC-32 of exactly these bytes, where it is known. On a mismatch the last piece is withheld and an error takes
    /// its place, so that damaged bytes never end as a complete file.
    pub crc32: Option<u32>,
}

/// An open blob. Its file is opened once, with the first piece.
#[derive(Clone, Debug)]
struct BlobReader {
    storage: Storage,
    digest: Digest,
    file: Arc<OnceLock<File>>,
}

impl Storage {
    /// All bytes of a small blob.
    pub async fn read_all(&self, digest: &Digest) -> Result<Vec<u8>, StorageError> {
        let size = self.size(digest).await?;
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        let mut pieces = self.read_range(digest, 0, size).boxed();
        while let Some(piece) = pieces.next().await {
            bytes.extend_from_slice(&piece?);
        }
        Ok(bytes)
    }

    /// `len` bytes of a blob from `offset` on. A blob that ends earlier gives [`StorageError::Truncated`].
    pub fn read_range(
        &self,
        digest: &Digest,
        offset: u64,
        len: u64,
    ) -> BoxStream<'static, Result<Bytes, StorageError>> {
        self.read_ranges(vec![BlobRange { digest: *digest, offset, len, crc32: None }]).boxed()
    }

    /// Ranges of blobs, one after the other. Holds only a few pieces in memory, however long the ranges are.
    pub fn read_ranges(
        &self,
        ranges: Vec<BlobRange>,
    ) -> impl Stream<Item = Result<Bytes, StorageError>> + Send + use<> {
        let (piece_bytes, concurrency) = match &self.backend {
            StorageBackend::Files(_) => (FILE_CHUNK_BYTES, 1),
            StorageBackend::Objects(_) => (OBJECT_RANGE_BYTES, MAX_CONCURRENT_RANGES),
        };
        let storage = self.clone();
        let pieces = ranges.into_iter().flat_map(move |range| {
            let reader = BlobReader { storage: storage.clone(), digest: range.digest, file: Arc::default() };
            let end = range.offset + range.len;
            split_range(range.offset, range.len, piece_bytes).map(move |(at, len)| {
                let (reader, check) = (reader.clone(), range.crc32.map(|crc32| (crc32, at + len == end)));
                async move { (check, reader.digest, reader.read_piece(at, len).await) }
            })
        });
        let mut crc = crc32fast::Hasher::new();
        stream::iter(pieces).buffered(concurrency).map(move |(check, digest, piece)| {
            let piece = piece?;
            let Some((crc32, last)) = check else { return Ok(piece) };
            crc.update(&piece);
            match last && std::mem::take(&mut crc).finalize() != crc32 {
                true => Err(StorageError::Damaged(digest)),
                false => Ok(piece),
            }
        })
    }
}

impl BlobReader {
    async fn read_piece(self, at: u64, len: u64) -> Result<Bytes, StorageError> {
        let files = match &self.storage.backend {
            StorageBackend::Objects(objects) => return objects.get(&self.digest, at..at + len).await,
            StorageBackend::Files(files) => files.clone(),
        };
        let (cell, digest) = (self.file, self.digest);
        run_blocking(move || {
            let read = || {
                let file = match cell.get() {
                    Some(file) => file,
                    None => {
                        let opened = File::open(files.blob_path(&digest))?;
                        cell.get_or_init(|| opened)
                    }
                };
                read_file_piece(file, at, len)
            };
            Ok(read().map_err(|error| map_file_error(error, &digest))?.into())
        })
        .await
    }
}

/// Reads `len` bytes of a file. Blocks. The buffer is not zeroed first, for it is filled completely.
pub(super) fn read_file_piece(file: &File, mut at: u64, len: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(len as usize);
    while (bytes.len() as u64) < len {
        let length_before = bytes.len();
        // The spare capacity may be larger than requested: what is read too much is cut off below.
        match rustix::io::pread(file, spare_capacity(&mut bytes), at) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => at += (bytes.len() - length_before) as u64,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    bytes.truncate(len as usize);
    Ok(bytes)
}

/// Splits a range into pieces of `size` bytes: offset and length of each.
pub(super) fn split_range(offset: u64, len: u64, size: u64) -> impl Iterator<Item = (u64, u64)> + Send {
    let end = offset + len;
    (0..len.div_ceil(size)).map(move |number| {
        let at = offset + number * size;
        (at, size.min(end - at))
    })
}
