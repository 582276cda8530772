//! The scrub: slowly reads every blob again and compares it with its digest, so that damage is found before somebody
//! needs the bytes.

use std::time::Duration;

use tokio::time::sleep;
use tracing::{error, info, warn};

use crate::app::AppState;
use crate::db::{self, blob};

/// How often each blob is checked.
const SCRUB_INTERVAL: Duration = Duration::from_secs(30 * 24 * 3600);

/// The pause when no blob is due, or after an error.
const IDLE_INTERVAL: Duration = Duration::from_secs(60);

/// Scrubs until the service shuts down. `OFFPRINT_SCRUB_RATE` 0 turns it off.
pub async fn run_scrub(state: AppState) {
    let work = async {
        loop {
            match scrub_next_blob(&state).await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => warn!(error = %error, "The scrub was interrupted and is tried again: {error}"),
            }
            sleep(IDLE_INTERVAL).await;
        }
    };
    if state.settings.scrub_rate > 0 {
        tokio::select! {
            () = work => {}
            () = state.closing.cancelled() => {}
        }
    }
}

/// Why a blob could not be checked.
#[derive(Debug, thiserror::Error)]
pub enum ScrubError {
    #[error(transparent)]
    Db(#[from] db::DbError),
    #[error(transparent)]
    Storage(#[from] offprint_storage::StorageError),
}

/// Checks the blob that was checked longest ago, if it is due. Returns whether there was one.
pub async fn scrub_next_blob(state: &AppState) -> Result<bool, ScrubError> {
    let Some(due) = blob::claim_blob_check(&state.system, SCRUB_INTERVAL).await? else { return Ok(false) };
    let blob = due.blob;
    let rate = Some(state.settings.scrub_rate);
    match state.storage.check_blob(&blob.sha256, blob.size as u64, blob.crc32 as u32, rate).await {
        Ok(()) => {
            if blob::set_blob_damaged(&state.system, &blob.sha256, false).await? {
                info!("Blob {} is sound again", blob.sha256);
            }
        }
        Err(loss) if loss.is_loss() => {
            // It may have been removed while it was read: then there is no row to mark.
            if blob::set_blob_damaged(&state.system, &blob.sha256, true).await? {
                metrics::counter!("offprint_damaged_blobs_found_total").increment(1);
                error!(error = %loss, "Blob {} is damaged: {loss}. Upload the file again to repair it", blob.sha256);
            }
        }
        Err(error) => {
            blob::release_blob_check(&state.system, &due).await?;
            return Err(error.into());
        }
    }
    Ok(true)
}
