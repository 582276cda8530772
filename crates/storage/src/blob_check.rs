//! Scrubbing: a blob is read completely and compared with its name, at a rate that leaves the disk to others.

use std::time::Duration;

use futures_util::StreamExt;
use sha2::{Digest as _, Sha256};
use tokio::time::{Instant, sleep_until};

use super::{BlobRange, Digest, Storage, StorageError};

impl Storage {
    /// Reads a blob and compares its size, CRC-32 and SHA-256 with what is expected. Reads at most `max_rate` bytes a
    /// second, when it is given.
    ///
    /// # Errors
    /// One with [`StorageError::is_loss`] when the blob is missing or damaged.
    pub async fn check_blob(
        &self,
        digest: &Digest,
        size: u64,
        crc32: u32,
        max_rate: Option<u64>,
    ) -> Result<(), StorageError> {
        match self.size(digest).await? {
            stored if stored < size => return Err(StorageError::Truncated(*digest)),
            stored if stored > size => return Err(StorageError::Damaged(*digest)),
            _ => {}
        }
        let mut sha256 = Sha256::new();
        let (started_at, mut bytes_read) = (Instant::now(), 0);
        let mut pieces = std::pin::pin!(self.read_ranges(vec![BlobRange {
            digest: *digest,
            offset: 0,
            len: size,
            crc32: Some(crc32)
        }]));
        while let Some(piece) = pieces.next().await {
            let piece = piece?;
            sha256.update(&piece);
            bytes_read += piece.len() as u64;
            if let Some(rate) = max_rate {
                sleep_until(started_at + Duration::from_secs_f64(bytes_read as f64 / rate.max(1) as f64)).await;
            }
        }
        if sha256.finalize()[..] == digest.0 { Ok(()) } else { Err(StorageError::Damaged(*digest)) }
    }
}
