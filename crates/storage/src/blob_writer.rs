//! Staging blobs: bytes are hashed while they are written, and removed again unless they are published.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use tempfile::{NamedTempFile, TempPath};

use super::multipart::UploadedParts;
use super::{Digest, Storage, StorageError, run_blocking};

/// How much is buffered before a thread hashes and writes it, in bytes.
const WRITE_CHUNK_BYTES: usize = 1 << 20;

/// A temporary file that is being written. It is removed on drop.
#[derive(Debug)]
pub struct BlobWriter {
    buffer: Vec<u8>,
    target: WriteTarget,
}

/// Where a blob is written.
#[derive(Debug)]
enum WriteTarget {
    /// A file that the first write makes in this folder.
    Folder(PathBuf),
    File(HashedFile),
    /// While a piece is being written, and for good when that failed or was cancelled.
    None,
}

/// Bytes that have no name yet. They are removed on drop.
#[derive(Debug)]
pub struct StagedBlob {
    pub digest: Digest,
    /// As zip archives need it.
    pub crc32: u32,
    /// In bytes.
    pub size: u64,
    /// The parts that [`Storage::prepare`] uploaded.
    pub(super) parts: Option<UploadedParts>,
    /// The file, until [`Storage::prepare`] has synced it.
    unsynced: Option<Arc<File>>,
    path: TempPath,
}

/// A temporary file and the running checksums of what was written to it.
#[derive(Debug)]
struct HashedFile {
    file: File,
    path: TempPath,
    sha256: Sha256,
    crc32: crc32fast::Hasher,
    size: u64,
}

impl Storage {
    /// Starts a blob whose bytes come piece by piece. Finish it with [`BlobWriter::finish`].
    pub fn create_blob(&self) -> BlobWriter {
        BlobWriter { buffer: Vec::new(), target: WriteTarget::Folder(self.temp_dir()) }
    }

    /// Stages bytes that are in memory.
    pub async fn stage_bytes(&self, bytes: Vec<u8>) -> Result<StagedBlob, StorageError> {
        let folder = self.temp_dir();
        run_blocking(move || {
            let mut hashed = HashedFile::create(&folder)?;
            hashed.write(&bytes)?;
            Ok(hashed.into_staged())
        })
        .await
    }

    /// Stages a file that was written to a path of [`create_temp_path`](Storage::create_temp_path).
    pub async fn stage_file(&self, path: TempPath) -> Result<StagedBlob, StorageError> {
        run_blocking(move || {
            let mut hashed = HashedFile::new(File::open(&path)?, path);
            let mut piece = vec![0; WRITE_CHUNK_BYTES];
            loop {
                match hashed.file.read(&mut piece)? {
                    0 => return Ok(hashed.into_staged()),
                    read => hashed.hash(&piece[..read]),
                }
            }
        })
        .await
    }
}

impl BlobWriter {
    /// Appends the bytes of a staged blob.
    pub async fn append(&mut self, staged: &StagedBlob) -> Result<(), StorageError> {
        let path = staged.path().to_owned();
        let mut file = run_blocking(move || Ok(File::open(path)?)).await?;
        loop {
            let piece;
            (file, piece) = run_blocking(move || {
                let mut piece = Vec::with_capacity(WRITE_CHUNK_BYTES);
                (&mut file).take(WRITE_CHUNK_BYTES as u64).read_to_end(&mut piece)?;
                Ok((file, piece))
            })
            .await?;
            if piece.is_empty() {
                return Ok(());
            }
            self.write(&piece).await?;
        }
    }

    /// Appends bytes. After an error the blob cannot be finished: drop the writer.
    pub async fn write(&mut self, mut bytes: &[u8]) -> Result<(), StorageError> {
        while !bytes.is_empty() {
            let (head, rest) = bytes.split_at(bytes.len().min(WRITE_CHUNK_BYTES - self.buffer.len()));
            self.buffer.extend_from_slice(head);
            bytes = rest;
            if self.buffer.len() == WRITE_CHUNK_BYTES {
                self.flush().await?;
            }
        }
        Ok(())
    }

    /// Bytes written so far.
    pub fn size(&self) -> u64 {
        let written = if let WriteTarget::File(hashed) = &self.target { hashed.size } else { 0 };
        written + self.buffer.len() as u64
    }

    /// Writes what is buffered.
    pub async fn finish(self) -> Result<StagedBlob, StorageError> {
        let Self { buffer, target } = self;
        // A small file takes one trip to a thread that may block.
        run_blocking(move || {
            let mut hashed = target.open()?;
            hashed.write(&buffer)?;
            Ok(hashed.into_staged())
        })
        .await
    }

    async fn flush(&mut self) -> Result<(), StorageError> {
        let target = std::mem::replace(&mut self.target, WriteTarget::None);
        let mut chunk = std::mem::take(&mut self.buffer);
        let (hashed, chunk) = run_blocking(move || {
            let mut hashed = target.open()?;
            hashed.write(&chunk)?;
            chunk.clear();
            Ok((hashed, chunk))
        })
        .await?;
        (self.target, self.buffer) = (WriteTarget::File(hashed), chunk);
        Ok(())
    }
}

impl WriteTarget {
    fn open(self) -> io::Result<HashedFile> {
        match self {
            Self::Folder(folder) => HashedFile::create(&folder),
            Self::File(hashed) => Ok(hashed),
            Self::None => Err(io::Error::other("an earlier write to this file failed")),
        }
    }
}

impl StagedBlob {
    /// Where the bytes are until they are published.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Flushes the bytes to the disk, once.
    pub(super) async fn sync(&mut self) -> Result<(), StorageError> {
        if let Some(file) = self.unsynced.clone() {
            run_blocking(move || Ok(file.sync_all()?)).await?;
            self.unsynced = None;
        }
        Ok(())
    }

    pub(super) fn into_path(self) -> TempPath {
        self.path
    }
}

impl HashedFile {
    fn create(folder: &Path) -> io::Result<Self> {
        let (file, path) = NamedTempFile::new_in(folder)?.into_parts();
        Ok(Self::new(file, path))
    }

    fn new(file: File, path: TempPath) -> Self {
        Self { file, path, sha256: Sha256::new(), crc32: crc32fast::Hasher::new(), size: 0 }
    }

    fn hash(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.crc32.update(bytes);
        self.size += bytes.len() as u64;
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash(bytes);
        self.file.write_all(bytes)
    }

    fn into_staged(self) -> StagedBlob {
        let Self { file, path, sha256, crc32, size } = self;
        let (digest, crc32) = (Digest(sha256.finalize().into()), crc32.finalize());
        StagedBlob { digest, crc32, size, parts: None, unsynced: Some(Arc::new(file)), path }
    }
}
