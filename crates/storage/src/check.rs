//! Blobs compared with their names: read whole, at a pace that leaves the disk to others.

use std::time::Duration;

use futures_util::StreamExt;
use sha2::{Digest as _, Sha256};
use tokio::time::{Instant, sleep_until};

use super::{Digest, Error, Storage, Stretch};

impl Storage {
    /// Reads a blob that shall have this size and CRC-32, and compares its SHA-256 with its name. Takes its time: at
    /// most `pace` bytes a second, where there is a pace.
    ///
    /// # Errors
    /// One that [`is_loss`](Error::is_loss) when the blob is not there or not what was stored.
    pub async fn check(&self, digest: &Digest, size: u64, crc32: u32, pace: Option<u64>) -> Result<(), Error> {
        match self.size(digest).await? {
            stored if stored < size => return Err(Error::Short(*digest)),
            stored if stored > size => return Err(Error::Damaged(*digest)),
            _ => {}
        }
        let mut sha256 = Sha256::new();
        let (begun, mut read) = (Instant::now(), 0);
        let mut pieces =
            std::pin::pin!(self.read(vec![Stretch { digest: *digest, offset: 0, len: size, crc32: Some(crc32) }]));
        while let Some(piece) = pieces.next().await {
            let piece = piece?;
            sha256.update(&piece);
            read += piece.len() as u64;
            if let Some(pace) = pace {
                sleep_until(begun + Duration::from_secs_f64(read as f64 / pace.max(1) as f64)).await;
            }
        }
        if sha256.finalize()[..] == digest.0 { Ok(()) } else { Err(Error::Damaged(*digest)) }
    }
}
