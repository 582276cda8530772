//! Writing the index of an archive, one file after the other.

use super::super::{Digest, Error, Incoming, Staged, Storage};
use super::index::{Record, footer};
use super::zip::{self, Total};
use super::{Entry, invalid};

/// An index that grows. Files come in the order in which the archive will have them; memory does not grow with them.
#[derive(Debug)]
pub struct Layout {
    records: Incoming,
    /// Kept apart until all are known, because the records must lie side by side.
    names: Incoming,
    total: Total,
}

/// A finished index and what it says.
#[derive(Debug)]
pub struct Laid {
    /// The index; publish it, and open it with [`Archive::open`](super::Archive::open).
    pub index: Staged,
    /// How many files the archive has.
    pub entries: u64,
    /// The archive's length in bytes.
    pub size: u64,
}

impl Laid {
    /// A strong entity tag for HTTP, with its quotation marks: equal exactly when the archive's bytes are.
    pub fn etag(&self) -> String {
        etag(&self.index.digest)
    }
}

/// The entity tag of the archive whose index is this blob.
pub fn etag(index: &Digest) -> String {
    format!("\"{index}\"")
}

impl Layout {
    /// An index without files.
    pub async fn new(storage: &Storage) -> Result<Self, Error> {
        let (records, names) = (storage.receive().await?, storage.receive().await?);
        Ok(Self { records, names, total: Total::default() })
    }

    /// Adds the next file.
    pub async fn add(&mut self, entry: &Entry) -> Result<(), Error> {
        let name = entry.path.as_bytes();
        if name.is_empty() || name.len() > usize::from(u16::MAX) {
            return Err(invalid("a path in an archive has 1 to 65,535 bytes"));
        }
        let (total, name_len) = (&mut self.total, name.len() as u64);
        let record = Record {
            local_offset: total.central_start,
            central_offset: total.central_size,
            size: entry.size,
            name_offset: self.names.size(),
            name_len: name.len() as u32,
            crc32: entry.crc32,
            dos_time: zip::dos_time(entry.time),
            digest: entry.digest,
        };
        total.entries += 1;
        total.central_start += zip::local_size(name_len, entry.size) + entry.size;
        total.central_size += zip::central_size(name_len, entry.size, record.local_offset);
        self.records.write(&record.to_bytes()).await?;
        self.names.write(name).await
    }

    /// Ends the index.
    pub async fn finish(self) -> Result<Laid, Error> {
        let Self { mut records, names, total } = self;
        let names = names.finish().await?;
        records.append(&names).await?;
        records.write(&footer(&total)).await?;
        Ok(Laid { index: records.finish().await?, entries: total.entries, size: total.size() })
    }
}
