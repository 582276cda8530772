//! The archive as a layout: a zip that is never built.
//!
//! All entries are stored, not deflated, and their sizes and CRCs are known, so the place of every byte is known before
//! the first one is sent. [`Layout`] writes these places down in an index, which is a blob like any other; [`Archive`]
//! reads only the records of the index that a range needs. The same index always gives the same bytes.

mod index;
mod layout;
mod segments;
mod zip;

use std::io;
use std::ops::Range;
use std::sync::Arc;

use async_stream::try_stream;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};

use super::{Digest, Error, Storage, blocking};
use index::Index;

pub use layout::{Laid, Layout, etag};
pub use segments::Segment;

/// One file of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the archive: relative, with `/` between folders.
    pub path: String,
    /// The blob that has its bytes.
    pub digest: Digest,
    /// Length in bytes.
    pub size: u64,
    /// CRC-32 of the bytes.
    pub crc32: u32,
    /// Its time in seconds since 1970. Zip keeps two-second steps between 1980 and 2107.
    pub time: i64,
}

/// An archive that can be read at any place. Clones share it.
#[derive(Clone, Debug)]
pub struct Archive {
    storage: Storage,
    index: Arc<Index>,
}

impl Archive {
    /// Opens the archive whose index is the blob `index`.
    pub async fn open(storage: &Storage, index: &Digest) -> Result<Self, Error> {
        let (storage, file) = (storage.clone(), storage.file(index).await?);
        blocking(move || Ok(Self { storage, index: Arc::new(Index::open(file)?) })).await
    }

    /// Length in bytes.
    pub fn size(&self) -> u64 {
        self.index.total.size()
    }

    /// How many files are in it.
    pub fn entries(&self) -> u64 {
        self.index.total.entries
    }

    /// What the archive holds from byte `range.start` on: some segments one after another, and the place where the
    /// next call goes on. Reads the index and no blob; blocks shortly.
    pub fn segments(&self, range: Range<u64>) -> Result<(Vec<Segment>, u64), Error> {
        segments::page(&self.index, range)
    }

    /// The bytes of a range, which is cut to the archive's length. Holds a page of the index and some pieces of blobs
    /// in memory, however long the range is. A file that is in the range as a whole is compared with its checksum:
    /// where it is damaged the stream ends with [`Error::Damaged`].
    pub fn stream(&self, range: Range<u64>) -> impl Stream<Item = Result<Bytes, Error>> + Send + use<> {
        let archive = self.clone();
        let end = range.end.min(self.size());
        try_stream! {
            let mut at = range.start;
            while at < end {
                let here = archive.clone();
                let (segments, next) = blocking(move || here.segments(at..end)).await?;
                let wanted = segments.iter().filter_map(Segment::wanted).collect();
                let mut pieces = std::pin::pin!(archive.storage.read(wanted));
                for segment in segments {
                    match segment {
                        Segment::Bytes(bytes) => yield bytes,
                        Segment::Blob { mut len, .. } => {
                            while len > 0 {
                                let Some(piece) = pieces.next().await else { break };
                                let piece = piece?;
                                len -= piece.len() as u64;
                                yield piece;
                            }
                        }
                    }
                }
                at = next;
            }
        }
    }
}

fn invalid(what: &str) -> Error {
    Error::Io(io::Error::new(io::ErrorKind::InvalidData, what.to_owned()))
}
