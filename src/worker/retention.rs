//! What is no longer kept: files of expired jobs, old jobs, renditions beyond the cache's size, and every blob that
//! nobody refers to any more.

use std::time::Duration;

use tracing::{info, warn};

use crate::db::{self, audit, blob, retention, worker};
use crate::state::State;

/// How long a job and its manifest are kept after its end.
const JOBS: Duration = Duration::from_secs(90 * 24 * 3600);

/// How long lines of the audit log are kept.
const AUDIT: Duration = Duration::from_secs(90 * 24 * 3600);

/// A blob that was put within this time may be about to be referred to.
const YOUNG: Duration = Duration::from_secs(3600);

/// Lets go of what is no longer kept, and removes the bytes of what nobody refers to.
pub async fn retain(state: &State) -> Result<(), db::Error> {
    loop {
        let released = retention::release_expired(&state.system).await?;
        if released == 0 {
            break;
        }
        info!("The files of {released} expired jobs are no longer kept");
    }
    retention::delete_old_jobs(&state.system, JOBS).await?;
    retention::remove_deleted_assets(&state.system).await?;
    worker::forget(&state.system, JOBS).await?;
    audit::forget(&state.system, AUDIT).await?;
    retention::shrink_cache(&state.system, state.settings.max_cache).await?;
    while remove_some(state).await? {}
    Ok(())
}

/// Removes some of the blobs that nobody refers to. Whether it is worth coming again at once.
async fn remove_some(state: &State) -> Result<bool, db::Error> {
    let mut removed = false;
    for digest in retention::unused_blobs(&state.system, YOUNG).await? {
        let mut transaction = state.system.begin().await?;
        // The file goes while the row is locked: whoever puts the same bytes waits, and then puts them anew.
        if retention::condemn(&mut transaction, digest, YOUNG).await? {
            match state.storage.remove(&digest).await {
                Ok(()) => transaction.commit().await?,
                // Nor will the others be: what is away now is asked again next time.
                Err(error) => {
                    warn!(error = %error, "Blob {digest} could not be removed: {error}");
                    return Ok(false);
                }
            }
            removed = true;
        }
    }
    Ok(removed)
}

/// Counts what is stored, for `/metrics`.
pub async fn count(state: &State) -> Result<(), db::Error> {
    let (blobs, bytes) = blob::total(&state.system).await?;
    metrics::gauge!("offprint_blobs").set(blobs as f64);
    metrics::gauge!("offprint_blob_bytes").set(bytes as f64);
    Ok(())
}

/// Removes files that have no row, in one 256th of the storage: they were put by a process that died before it could
/// write the row down.
pub async fn remove_strays(state: &State, part: u8) -> Result<(), db::Error> {
    let found = match state.storage.list(part).await {
        Ok(found) => found,
        Err(error) => {
            warn!(error = %error, "The storage could not be listed: {error}");
            return Ok(());
        }
    };
    for stray in found.into_iter().filter(|blob| blob.age > YOUNG) {
        let mut transaction = state.system.begin().await?;
        if retention::hold_unknown(&mut transaction, stray.digest).await? {
            match state.storage.remove(&stray.digest).await {
                Ok(()) => info!("File {} had no row and was removed", stray.digest),
                Err(error) => {
                    warn!(error = %error, "File {} could not be removed: {error}", stray.digest);
                    return Ok(());
                }
            }
        }
        transaction.rollback().await?;
    }
    Ok(())
}
