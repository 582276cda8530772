//! Writes a part of a resumable upload: its bytes become blobs (*pieces*), and a complete upload becomes an asset.
//!
//! ```text
//! PATCH body -> BlobWriter -> piece, every 16 MiB   (row + blob: survives a crash)
//!                          \-> last bytes + pieces -> one blob -> asset
//! ```
//!
//! The claim on the upload is a lease with a fencing number: it is renewed while bytes arrive, and every write checks that
//! it is still held, so a writer that lost its claim cannot corrupt the upload of its successor.

use std::pin::pin;

use bytes::Bytes;
use futures_util::StreamExt;
use offprint_core::name::FileName;
use offprint_core::{Code, Digest};
use offprint_storage::{BlobRange, BlobWriter, StagedBlob};
use tokio::sync::mpsc::Receiver;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::app::original_intake::inspect_original;
use crate::app::{AppState, BlobTransaction};
use crate::db::asset::{self, NewAsset};
use crate::db::upload::{self, UploadClaim, UploadRow};
use crate::http::limits;
use crate::http::limits::EffectiveLimits;
use crate::http::problem::Problem;
use crate::http::resources::uploads::checksum::Checksum;
use crate::http::resources::uploads::metadata;
use crate::id::AssetId;

/// Bytes after which a piece is stored while more arrive: at most this much is lost when the process crashes.
const MAX_PIECE_BYTES: u64 = 16 << 20;

/// The holder of a claim on an upload, who writes to it.
pub(super) struct PieceReceiver {
    pub(super) state: AppState,
    /// The upload as it was when it was claimed.
    pub(super) upload: UploadRow,
    pub(super) limits: EffectiveLimits,
    pub(super) claim: UploadClaim,
    pub(super) checksum: Option<Checksum>,
}

impl PieceReceiver {
    /// Receives bytes until the body ends. Renews the lease meanwhile, and stops when the claim is lost.
    pub(super) async fn run(self, bytes: Receiver<Bytes>) -> Result<(), Problem> {
        let (state, claim) = (self.state.clone(), self.claim);
        let result = tokio::select! {
            result = self.receive(bytes) => result,
            lost = renew_lease(&state, claim) => Err(lost),
        };
        if let Err(error) = claim.release(&state.db).await {
            warn!(error = %error, "Cannot unlock upload {}; it stays locked until its lease ends: {error}", claim.upload);
        }
        result
    }

    async fn receive(mut self, mut bytes: Receiver<Bytes>) -> Result<(), Problem> {
        let length = self.upload.length.unsigned_abs();
        let mut offset = self.upload.received.unsigned_abs();
        let mut incoming = self.state.storage.create_blob();
        while let Some(piece) = bytes.recv().await {
            if offset + incoming.size() + piece.len() as u64 > length {
                return Err(reject_long_piece(&self.upload));
            }
            if let Some(checksum) = &mut self.checksum {
                checksum.update(&piece);
            }
            incoming.write(&piece).await?;
            if incoming.size() >= MAX_PIECE_BYTES && offset + incoming.size() < length {
                offset = self.store_piece(offset, incoming.finish().await?).await?;
                limits::check_free_space(&self.state, 0).await?;
                incoming = self.state.storage.create_blob();
            }
        }
        let last = incoming.finish().await?;
        let checksum_matches = self.checksum.take().map(Checksum::matches);
        if checksum_matches == Some(false) {
            let detail =
                "The bytes do not match `Upload-Checksum`. Nothing of this request was stored. Send the bytes again.";
            return Err(Problem::new(Code::ChecksumMismatch, detail));
        }
        if offset + last.size == length {
            return self.create_asset(offset, last).await;
        }
        if last.size > 0 {
            offset = self.store_piece(offset, last).await?;
        }
        match checksum_matches {
            Some(true) if !self.claim.accept_received(&self.state.db, offset as i64).await? => {
                Err(reject_lost_upload())
            }
            _ => Ok(()),
        }
    }

    /// Stores a piece and returns the offset of the next one. With a checksum, pieces count only after the whole body was
    /// verified.
    async fn store_piece(&self, offset: u64, mut staged: StagedBlob) -> Result<u64, Problem> {
        self.state.storage.prepare(&mut staged).await?;
        let (state, size) = (&self.state, staged.size);
        let mut transaction = BlobTransaction::begin(&state.db, &state.storage).await?;
        let added = self.add_piece(&mut transaction, offset, staged).await;
        transaction.end(added).await?;
        Ok(offset + size)
    }

    async fn add_piece(
        &self,
        transaction: &mut BlobTransaction<'_>,
        offset: u64,
        staged: StagedBlob,
    ) -> Result<(), Problem> {
        let (size, counts) = (staged.size as i64, self.checksum.is_none());
        let piece = (offset as i64, size, transaction.store(staged).await?);
        match self.claim.add_piece(transaction.connection(), piece, counts, self.state.settings.upload_ttl).await? {
            true => Ok(()),
            false => Err(reject_lost_upload()),
        }
    }

    /// Creates the asset from the pieces and the last bytes. The last bytes are not stored as a piece before: if the asset
    /// were refused then, the upload would have all its bytes, and the client would take it for a success.
    async fn create_asset(self, offset: u64, last: StagedBlob) -> Result<(), Problem> {
        let Self { state, upload, .. } = &self;
        let staged = if offset == 0 { last } else { self.join_pieces(offset, last).await?.finish().await? };
        if upload.sha256.is_some_and(|announced| announced != staged.digest) {
            return Err(self.discard_mismatch().await);
        }
        let (staged, original) = inspect_original(state, staged, upload.last_modified).await?;
        // The name was made safe when the upload was created.
        let name = FileName::sanitize(&upload.file_name).map_err(Problem::internal)?.stem().to_owned();
        let asset_id = AssetId::new();
        let (file_name, folder) = (upload.file_name.clone(), upload.folder.clone());
        let record = metadata::restore_record(&upload.metadata);
        // It was checked when the upload was created.
        let metadata = metadata::parse_metadata(&upload.metadata)?.asset_metadata;
        let new_asset = NewAsset { asset_id, name, file_name, folder, metadata, original, record };
        let mut transaction = BlobTransaction::begin(&state.db, &state.storage).await?;
        let registered = self.register_asset(&mut transaction, staged, &new_asset).await;
        let pieces = transaction.end(registered).await?;
        state.remove_unused_blobs(&pieces).await;
        let (id, bytes) = (upload.upload_id, upload.length);
        info!(upload.handle = %id, asset.handle = %asset_id, "Upload {id} is complete: asset {asset_id}, {bytes} bytes");
        Ok(())
    }

    /// Stores the file, and makes an asset of the upload, whose pieces are returned.
    async fn register_asset(
        &self,
        transaction: &mut BlobTransaction<'_>,
        staged: StagedBlob,
        new_asset: &NewAsset,
    ) -> Result<Vec<Digest>, Problem> {
        let Self { state, claim, .. } = self;
        transaction.store(staged).await?;
        let connection = transaction.connection();
        // The upload first, whose row everybody locks before the company's usage.
        let pieces = claim.complete(connection, new_asset.asset_id, state.settings.upload_ttl).await?;
        let pieces = pieces.ok_or_else(reject_lost_upload)?;
        asset::insert_asset(connection, claim.company, new_asset).await?;
        limits::check_company_limits(connection, claim.company, &self.limits).await?;
        Ok(pieces)
    }

    /// Joins the stored pieces and the last bytes in one file.
    async fn join_pieces(&self, offset: u64, last: StagedBlob) -> Result<BlobWriter, Problem> {
        let pieces = self.claim.list_pieces(&self.state.db, offset as i64).await?;
        if pieces.iter().map(|piece| piece.size).sum::<i64>() != offset as i64 {
            return Err(reject_lost_upload());
        }
        let to_range = |piece: upload::UploadPieceRow| BlobRange {
            digest: piece.sha256,
            offset: 0,
            len: piece.size.unsigned_abs(),
            crc32: u32::try_from(piece.crc32).ok(),
        };
        let mut whole = self.state.storage.create_blob();
        let mut bytes = pin!(self.state.storage.read_ranges(pieces.into_iter().map(to_range).collect()));
        while let Some(piece) = bytes.next().await {
            whole.write(&piece?).await?;
        }
        whole.append(&last).await?;
        Ok(whole)
    }

    /// Deletes an upload whose whole file has the wrong digest: the wrong bytes cannot be found, so the client must start
    /// again.
    async fn discard_mismatch(&self) -> Problem {
        match self.claim.delete(&self.state.db).await {
            Ok(pieces) => self.state.remove_unused_blobs(&pieces).await,
            Err(error) => return error.into(),
        }
        let detail = "The file does not match `sha256` in `Upload-Metadata`: it was changed during the upload. The upload was \
            deleted; create a new one.";
        Problem::new(Code::ChecksumMismatch, detail)
    }
}

/// Renews the lease until the claim is lost.
async fn renew_lease(state: &AppState, claim: UploadClaim) -> Problem {
    loop {
        sleep(state.settings.lease / 4).await;
        match claim.renew_lease(&state.db, state.settings.lease).await {
            Ok(true) => {}
            Ok(false) => return reject_lost_upload(),
            Err(error) => warn!(error = %error, "Cannot renew the lease of upload {}: {error}", claim.upload),
        }
    }
}

fn reject_lost_upload() -> Problem {
    Problem::new(
        Code::UploadLocked,
        "The upload was deleted or taken over by another request. Ask for its offset with HEAD.",
    )
}

pub(super) fn reject_long_piece(upload: &UploadRow) -> Problem {
    let detail =
        format!("The body exceeds the announced length of the upload, {} bytes (`Upload-Length`).", upload.length);
    Problem::new(Code::BodyTooLarge, detail)
}
