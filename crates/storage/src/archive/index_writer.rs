//! Writes the index of an archive, one file after the other.

use super::super::{BlobWriter, Digest, StagedBlob, Storage, StorageError};
use super::index::{IndexRecord, encode_footer};
use super::zip::{self, ArchiveTotals};
use super::{ArchiveEntry, invalid_archive_error};

/// Writes an index. Files must come in the order of the archive; memory does not grow with their number.
#[derive(Debug)]
pub struct ArchiveIndexWriter {
    records: BlobWriter,
    /// Written apart until the end, because records must lie side by side.
    names: BlobWriter,
    totals: ArchiveTotals,
}

/// A finished index.
#[derive(Debug)]
pub struct StagedArchive {
    /// The index; publish it, and open it with [`Archive::open`](super::Archive::open).
    pub index: StagedBlob,
    pub entries: u64,
    /// Length of the archive, not of the index, in bytes.
    pub size: u64,
}

impl StagedArchive {
    /// See [`format_etag`].
    pub fn etag(&self) -> String {
        format_etag(&self.index.digest)
    }
}

/// The strong HTTP entity tag, with quotation marks, of the archive with this index. Equal exactly when the archive's
/// bytes are, because an index determines every byte.
pub fn format_etag(index: &Digest) -> String {
    format!("\"{index}\"")
}

impl ArchiveIndexWriter {
    pub fn new(storage: &Storage) -> Self {
        Self { records: storage.create_blob(), names: storage.create_blob(), totals: ArchiveTotals::default() }
    }

    /// Adds the next file.
    ///
    /// # Errors
    /// When its path is empty or longer than 65,535 bytes.
    pub async fn add(&mut self, entry: &ArchiveEntry) -> Result<(), StorageError> {
        let name = entry.path.as_bytes();
        if name.is_empty() || name.len() > usize::from(u16::MAX) {
            return Err(invalid_archive_error("a path in an archive must have 1 to 65,535 bytes"));
        }
        let (totals, name_len) = (&mut self.totals, name.len() as u64);
        let record = IndexRecord {
            local_offset: totals.central_start,
            central_offset: totals.central_size,
            size: entry.size,
            name_offset: self.names.size(),
            name_len: name.len() as u32,
            crc32: entry.crc32,
            time: entry.time,
            digest: entry.digest,
        };
        totals.entries += 1;
        totals.central_start += zip::measure_local_header(name_len, entry.size, entry.time) + entry.size;
        totals.central_size += zip::measure_central_header(name_len, &record);
        self.records.write(&record.to_bytes()).await?;
        self.names.write(name).await
    }

    /// Joins records, names and totals to one staged blob.
    pub async fn finish(self) -> Result<StagedArchive, StorageError> {
        let Self { mut records, names, totals } = self;
        let names = names.finish().await?;
        records.append(&names).await?;
        records.write(&encode_footer(&totals)).await?;
        Ok(StagedArchive { index: records.finish().await?, entries: totals.entries, size: totals.size() })
    }
}
