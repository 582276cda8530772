//! The archive of a job as a layout: a zip that is never built.
//!
//! All entries are stored, not deflated, and their sizes and CRCs are known, so the offset of every byte is known
//! before the first one is sent, and any byte range can be served. [`ArchiveIndexWriter`] writes these offsets to an
//! index, which is a blob like any other; [`Archive`] reads only the records of the index that a range needs. The same
//! index always gives the same bytes, so its digest is the archive's entity tag.
//!
//! ```text
//! archive: | local header, bytes | local header, bytes | ... | central headers ... | end records |
//!          0                                                 ^ central_start       ^ central_end
//!
//! index:   | record | record | ... | names, one after the other | totals, magic |
//!            80 bytes each                                        40 bytes
//! ```
//!
//! Nothing here knows of jobs or HTTP. Where to begin reading: `index.rs` (what is stored), then `segments.rs` (how a
//! range becomes bytes); `zip.rs` has the structures of the format.

mod index;
mod index_writer;
mod segments;
mod zip;

use std::io;
use std::ops::Range;
use std::sync::Arc;

use async_stream::try_stream;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};

use super::{Digest, Storage, StorageError, run_blocking};
use index::ArchiveIndex;

pub use index_writer::{ArchiveIndexWriter, StagedArchive, format_etag};
pub use segments::ArchiveSegment;

/// One file of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveEntry {
    /// Relative, with `/` between folders; 1 to 65,535 bytes.
    pub path: String,
    /// The blob with the bytes of the file.
    pub digest: Digest,
    /// In bytes.
    pub size: u64,
    pub crc32: u32,
    /// Modification time in seconds since 1970. Between 1901 and 2038 it is exact; otherwise it has steps of two seconds
    /// between 1980 and 2107, and programs take it as their local time.
    pub time: i64,
}

/// An archive that can be read from any offset. Clones share it.
#[derive(Clone, Debug)]
pub struct Archive {
    storage: Storage,
    index: Arc<ArchiveIndex>,
}

impl Archive {
    /// Opens the archive whose index is the blob `index`.
    pub async fn open(storage: &Storage, index: &Digest) -> Result<Self, StorageError> {
        let (storage, file) = (storage.clone(), storage.open_file(index).await?);
        run_blocking(move || Ok(Self { storage, index: Arc::new(ArchiveIndex::open(file)?) })).await
    }

    /// In bytes.
    pub fn size(&self) -> u64 {
        self.index.totals.size()
    }

    pub fn entry_count(&self) -> u64 {
        self.index.totals.entries
    }

    /// The segments of the archive from byte `range.start` on, as many as one page of the index gives, and the offset
    /// at which the next call must continue. Reads the index and no blob; blocks briefly.
    pub fn read_segments(&self, range: Range<u64>) -> Result<(Vec<ArchiveSegment>, u64), StorageError> {
        segments::collect_segments(&self.index, range)
    }

    /// The bytes of a range, which is clamped to the archive's length. Holds a page of the index and a few pieces of
    /// blobs in memory, however long the range is. A file that lies completely in the range is compared with its
    /// CRC-32: when it is damaged, the stream ends with [`StorageError::Damaged`].
    pub fn stream(&self, range: Range<u64>) -> impl Stream<Item = Result<Bytes, StorageError>> + Send + use<> {
        let archive = self.clone();
        let end = range.end.min(self.size());
        try_stream! {
            let mut at = range.start;
            while at < end {
                let reader = archive.clone();
                let (segments, next) = run_blocking(move || reader.read_segments(at..end)).await?;
                let blob_ranges = segments.iter().filter_map(ArchiveSegment::blob_range).collect();
                let mut pieces = std::pin::pin!(archive.storage.read_ranges(blob_ranges));
                for segment in segments {
                    match segment {
                        ArchiveSegment::Bytes(bytes) => yield bytes,
                        ArchiveSegment::Blob { mut len, .. } => {
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

fn invalid_archive_error(reason: &str) -> StorageError {
    StorageError::Io(io::Error::new(io::ErrorKind::InvalidData, reason.to_owned()))
}
