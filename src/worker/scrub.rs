//! The scrub: every blob is read again from time to time and compared with its name, slowly, so that damage is found
//! before somebody asks for the bytes.

use std::time::Duration;

use tokio::time::sleep;
use tracing::{error, info, warn};

use crate::db::{self, blob};
use crate::state::State;
use crate::storage;

/// How often each blob is looked at.
const PERIOD: Duration = Duration::from_secs(30 * 24 * 3600);

/// How long is waited when there is nothing to do, or when it cannot be done.
const REST: Duration = Duration::from_secs(60);

/// Scrubs until the service closes.
pub async fn run(state: State) {
    let work = async {
        loop {
            match next(&state).await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => warn!(error = %error, "The scrub could not go on: {error}"),
            }
            sleep(REST).await;
        }
    };
    if state.settings.scrub_pace > 0 {
        tokio::select! {
            () = work => {}
            () = state.closing.cancelled() => {}
        }
    }
}

/// Why the scrub could not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database did not answer.
    #[error(transparent)]
    Db(#[from] db::Error),
    /// The storage did not answer.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// Looks at the blob whose turn it is. Whether there was one.
pub async fn next(state: &State) -> Result<bool, Error> {
    let Some(due) = blob::take_due(&state.system, PERIOD).await? else { return Ok(false) };
    let blob = due.blob;
    let pace = Some(state.settings.scrub_pace);
    match state.storage.check(&blob.sha256, blob.size as u64, blob.crc32 as u32, pace).await {
        Ok(()) => {
            if blob::mark(&state.system, &blob.sha256, false).await? {
                info!("Blob {} is sound again", blob.sha256);
            }
        }
        Err(loss) if loss.is_loss() => {
            // It may have been removed while it was read: then there is no row to mark.
            if blob::mark(&state.system, &blob.sha256, true).await? {
                metrics::counter!("offprint_damaged_blobs_found_total").increment(1);
                error!(error = %loss, "Blob {} is damaged: {loss}. Upload the file again to heal it", blob.sha256);
            }
        }
        Err(away) => {
            blob::give_back_due(&state.system, &due).await?;
            return Err(away.into());
        }
    }
    Ok(true)
}
