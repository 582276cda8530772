//! Bytes on their way in: hashed while they are written, and gone again unless they are published.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use sha2::{Digest as _, Sha256};
use tempfile::{NamedTempFile, TempPath};

use super::parts::Sent;
use super::{Digest, Error, Storage, blocking};

/// How much is gathered before a thread is asked to hash and write it.
const PIECE: usize = 1 << 20;

/// A temporary file that grows; dropped, it is removed.
#[derive(Debug)]
pub struct Incoming {
    gathered: Vec<u8>,
    /// Away while a piece is being written; gone for good when that failed or was given up.
    tally: Option<Tally>,
    path: TempPath,
}

/// Bytes that are safe on the disk but have no name yet; dropped, they are removed.
#[derive(Debug)]
pub struct Staged {
    /// SHA-256 of the bytes.
    pub digest: Digest,
    /// CRC-32 of the bytes, as zip wants it.
    pub crc32: u32,
    /// Length in bytes.
    pub size: u64,
    /// What of them was sent ahead.
    pub(super) parts: Option<Sent>,
    path: TempPath,
}

/// What is known of the bytes so far, beside the file they went to.
#[derive(Debug)]
struct Tally {
    file: File,
    sha256: Sha256,
    crc32: crc32fast::Hasher,
    size: u64,
}

impl Storage {
    /// Starts a blob whose bytes come piece by piece.
    pub async fn receive(&self) -> Result<Incoming, Error> {
        let folder = self.temporary();
        blocking(move || {
            let (file, path) = NamedTempFile::new_in(folder)?.into_parts();
            Ok(Incoming { gathered: Vec::new(), tally: Some(Tally::new(file)), path })
        })
        .await
    }

    /// Stages bytes that are in memory.
    pub async fn stage_bytes(&self, bytes: Vec<u8>) -> Result<Staged, Error> {
        let folder = self.temporary();
        blocking(move || {
            let (file, path) = NamedTempFile::new_in(folder)?.into_parts();
            let mut tally = Tally::new(file);
            tally.write(&bytes)?;
            tally.staged(path)
        })
        .await
    }

    /// Stages a file that was written to a [`scratch`](Storage::scratch) path.
    pub async fn stage(&self, scratch: TempPath) -> Result<Staged, Error> {
        blocking(move || {
            let mut tally = Tally::new(File::open(&scratch)?);
            let mut piece = vec![0; PIECE];
            loop {
                match tally.file.read(&mut piece)? {
                    0 => return tally.staged(scratch),
                    read => tally.count(&piece[..read]),
                }
            }
        })
        .await
    }
}

impl Incoming {
    /// Adds the bytes of a staged file.
    pub async fn append(&mut self, staged: &Staged) -> Result<(), Error> {
        let path = staged.path().to_owned();
        let mut file = blocking(move || Ok(File::open(path)?)).await?;
        loop {
            let piece;
            (file, piece) = blocking(move || {
                let mut piece = Vec::with_capacity(PIECE);
                (&mut file).take(PIECE as u64).read_to_end(&mut piece)?;
                Ok((file, piece))
            })
            .await?;
            if piece.is_empty() {
                return Ok(());
            }
            self.write(&piece).await?;
        }
    }

    /// Adds bytes. After an error the whole is lost: drop it.
    pub async fn write(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        while !bytes.is_empty() {
            let (fits, rest) = bytes.split_at(bytes.len().min(PIECE - self.gathered.len()));
            self.gathered.extend_from_slice(fits);
            bytes = rest;
            if self.gathered.len() == PIECE {
                self.put_down().await?;
            }
        }
        Ok(())
    }

    /// Length so far, in bytes.
    pub fn size(&self) -> u64 {
        self.tally.as_ref().map_or(0, |tally| tally.size) + self.gathered.len() as u64
    }

    /// Waits until all bytes are on the disk, and says what they are.
    pub async fn finish(mut self) -> Result<Staged, Error> {
        self.put_down().await?;
        let Self { tally, path, .. } = self;
        let tally = tally.ok_or_else(given_up)?;
        blocking(move || tally.staged(path)).await
    }

    async fn put_down(&mut self) -> Result<(), Error> {
        let mut tally = self.tally.take().ok_or_else(given_up)?;
        let mut gathered = std::mem::take(&mut self.gathered);
        let (tally, gathered) = blocking(move || {
            tally.write(&gathered)?;
            gathered.clear();
            Ok((tally, gathered))
        })
        .await?;
        (self.tally, self.gathered) = (Some(tally), gathered);
        Ok(())
    }
}

impl Staged {
    /// Where the bytes are until they are published.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn into_path(self) -> TempPath {
        self.path
    }
}

impl Tally {
    fn new(file: File) -> Self {
        Self { file, sha256: Sha256::new(), crc32: crc32fast::Hasher::new(), size: 0 }
    }

    fn count(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.crc32.update(bytes);
        self.size += bytes.len() as u64;
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.count(bytes);
        self.file.write_all(bytes)
    }

    fn staged(self, path: TempPath) -> Result<Staged, Error> {
        self.file.sync_all()?;
        let digest = Digest(self.sha256.finalize().into());
        Ok(Staged { digest, crc32: self.crc32.finalize(), size: self.size, parts: None, path })
    }
}

fn given_up() -> Error {
    Error::Io(io::Error::other("an earlier piece of this file could not be written"))
}
