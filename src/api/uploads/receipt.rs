//! Taking in a piece: its bytes become blobs, and at the end all of them an asset.

use std::pin::pin;

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::mpsc::Receiver;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::api::limits::{self, Allowed};
use crate::api::problem::Problem;
use crate::api::upload::keep;
use crate::api::uploads::checksum::Checksum;
use crate::code::Code;
use crate::db;
use crate::db::asset::{self, NewAsset};
use crate::db::upload::{self, Claim, Upload};
use crate::id::AssetId;
use crate::name::FileName;
use crate::state::State;
use crate::storage::{Incoming, Staged, Stretch};

/// Bytes after which a piece is put down while more comes: so many are lost at most when a process dies.
const PIECE: u64 = 16 << 20;

/// Somebody who has an upload and writes to it.
pub(super) struct Receipt {
    pub(super) state: State,
    /// As it was when it was taken.
    pub(super) upload: Upload,
    pub(super) allowed: Allowed,
    pub(super) claim: Claim,
    pub(super) checksum: Option<Checksum>,
}

impl Receipt {
    /// Takes in what comes, until it ends. Beats meanwhile, and stops when the upload is no longer ours.
    pub(super) async fn run(self, bytes: Receiver<Bytes>) -> Result<(), Problem> {
        let (state, claim) = (self.state.clone(), self.claim);
        let done = tokio::select! {
            done = self.take(bytes) => done,
            lost = hold(&state, claim) => Err(lost),
        };
        if let Err(error) = claim.release(&state.db).await {
            warn!(error = %error, "Upload {} could not be let go of and stays locked a while: {error}", claim.upload);
        }
        done
    }

    async fn take(mut self, mut bytes: Receiver<Bytes>) -> Result<(), Problem> {
        let length = self.upload.length.unsigned_abs();
        let mut at = self.upload.received.unsigned_abs();
        let mut incoming = self.state.storage.receive().await?;
        while let Some(piece) = bytes.recv().await {
            if at + incoming.size() + piece.len() as u64 > length {
                return Err(too_long(&self.upload));
            }
            if let Some(checksum) = &mut self.checksum {
                checksum.update(&piece);
            }
            incoming.write(&piece).await?;
            if incoming.size() >= PIECE && at + incoming.size() < length {
                at = self.put(at, incoming.finish().await?).await?;
                incoming = self.state.storage.receive().await?;
            }
        }
        let last = incoming.finish().await?;
        let checked = self.checksum.take().map(Checksum::fits);
        if checked == Some(false) {
            let detail = "The bytes do not have the checksum in `Upload-Checksum`. Nothing of the piece was kept; send it again.";
            return Err(Problem::new(Code::ChecksumMismatch, detail));
        }
        if at + last.size == length {
            return self.finish(at, last).await;
        }
        if last.size > 0 {
            at = self.put(at, last).await?;
        }
        match checked {
            Some(true) if !self.claim.accept(&self.state.db, at as i64).await? => Err(lost()),
            _ => Ok(()),
        }
    }

    /// Puts a piece down; gives where the next one begins. What has a checksum counts when all of it is there.
    async fn put(&self, at: u64, staged: Staged) -> Result<u64, Problem> {
        let (state, size) = (&self.state, staged.size);
        let sha256 = state.keep(staged).await?;
        let (piece, counts) = ((at as i64, size as i64, sha256), self.checksum.is_none());
        match self.claim.add(&state.db, piece, counts, state.settings.upload_kept).await? {
            true => Ok(at + size),
            false => Err(lost()),
        }
    }

    /// Makes an asset of the pieces and of the last one, which is not put down before: were the asset refused, the client
    /// would take an upload that has all its bytes for one that worked.
    async fn finish(self, at: u64, last: Staged) -> Result<(), Problem> {
        let Self { state, upload, claim, .. } = &self;
        let staged = if at == 0 { last } else { self.joined(at, last).await?.finish().await? };
        if upload.sha256.is_some_and(|said| said != staged.digest) {
            return Err(self.not_what_was_said().await);
        }
        let original = keep(state, staged, upload.last_modified).await?;
        // It was made safe when the upload began.
        let name = FileName::made_of(&upload.file_name).map_err(Problem::internal)?.stem().to_owned();
        let asset_id = AssetId::new();
        let (file_name, folder) = (upload.file_name.clone(), upload.folder.clone());
        let mut transaction = state.db.begin().await.map_err(db::Error::from)?;
        let new = NewAsset { asset_id, name, file_name, folder, original };
        asset::insert(&mut transaction, claim.company, &new).await?;
        limits::check(&mut transaction, claim.company, &self.allowed).await?;
        if !claim.complete(&mut transaction, asset_id, state.settings.upload_kept).await? {
            return Err(lost());
        }
        transaction.commit().await.map_err(db::Error::from)?;
        let (id, bytes) = (upload.upload_id, upload.length);
        info!(upload.handle = %id, asset.handle = %asset_id, "Upload {id} is asset {asset_id} now: {bytes} bytes");
        Ok(())
    }

    /// All bytes in one file.
    async fn joined(&self, at: u64, last: Staged) -> Result<Incoming, Problem> {
        let pieces = self.claim.pieces(&self.state.db, at as i64).await?;
        if pieces.iter().map(|piece| piece.size).sum::<i64>() != at as i64 {
            return Err(lost());
        }
        let stretch = |piece: upload::Piece| Stretch {
            digest: piece.sha256,
            offset: 0,
            len: piece.size.unsigned_abs(),
            crc32: u32::try_from(piece.crc32).ok(),
        };
        let mut whole = self.state.storage.receive().await?;
        let mut bytes = pin!(self.state.storage.read(pieces.into_iter().map(stretch).collect()));
        while let Some(piece) = bytes.next().await {
            whole.write(&piece?).await?;
        }
        whole.append(&last).await?;
        Ok(whole)
    }

    /// Nobody can mend bytes that came before: the upload goes, and the client begins again.
    async fn not_what_was_said(&self) -> Problem {
        if let Err(error) = self.claim.forget(&self.state.db).await {
            return error.into();
        }
        let detail = "The file does not have the `sha256` in `Upload-Metadata`: it was changed meanwhile, or on its way. The \
            upload is gone; begin again.";
        Problem::new(Code::ChecksumMismatch, detail)
    }
}

/// Prolongs the lease for as long as it is ours.
async fn hold(state: &State, claim: Claim) -> Problem {
    loop {
        sleep(state.settings.lease / 4).await;
        match claim.beat(&state.db, state.settings.lease).await {
            Ok(true) => {}
            Ok(false) => return lost(),
            Err(error) => warn!(error = %error, "The lease of upload {} could not be prolonged: {error}", claim.upload),
        }
    }
}

fn lost() -> Problem {
    Problem::new(Code::UploadLocked, "The upload was ended or taken over meanwhile. Ask with HEAD how far it is.")
}

pub(super) fn too_long(upload: &Upload) -> Problem {
    let detail = format!("The upload has {} bytes in all, and the piece goes beyond them.", upload.length);
    Problem::new(Code::BodyTooLarge, detail)
}
