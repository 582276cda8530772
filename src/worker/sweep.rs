//! The sweep, a few times per lease: settles items whose lease has expired, and removes deleted jobs, expired uploads
//! and idempotency keys, and temporary files.

use std::time::Duration;

use tracing::{info, warn};

use crate::app::AppState;
use crate::db::settle::{AttemptEnd, AttemptOutcome, MAX_SETTLES, settle_items};
use crate::db::{self, browser_session, idempotency, item, job_actions, upload};
use crate::worker::waiting::CACHE_ENGINE_VERSION;

/// A temporary file that was not written to for this long was left behind by a process that died.
const TEMPORARY_FILE_TTL: Duration = Duration::from_secs(3600);

/// A multipart upload to the object store that began this long ago and has not ended was left behind.
const UNFINISHED_PARTS_TTL: Duration = Duration::from_secs(24 * 3600);

/// Takes items back from dead workers, and removes what is not needed any more.
pub async fn sweep_expired(state: &AppState) -> Result<(), db::DbError> {
    while take_back_items(state).await? {}
    while job_actions::remove_deleted_job(&state.system).await? {}
    idempotency::delete_expired_idempotency_keys(&state.system).await?;
    browser_session::delete_expired_sessions(&state.system).await?;
    let pieces = upload::delete_expired_uploads(&state.system).await?;
    state.remove_unused_blobs(&pieces).await;
    let storage = &state.storage;
    if let Err(error) = storage.sweep_temporary(TEMPORARY_FILE_TTL).await {
        warn!(error = %error, "Could not remove old temporary files: {error}");
    }
    if let Err(error) = storage.shrink_copies(state.settings.max_original_cache).await {
        warn!(error = %error, "Could not shrink the cache of originals: {error}");
    }
    Ok(())
}

/// Takes back the next items whose lease has expired. Returns whether there were any.
async fn take_back_items(state: &AppState) -> Result<bool, db::DbError> {
    let expired = item::list_expired_leases(&state.system).await?;
    let lost = |attempt| AttemptEnd { attempt, files: Vec::new(), outcome: AttemptOutcome::Lost };
    let ends: Vec<AttemptEnd> = expired.into_iter().map(|expired| lost(expired.into_attempt())).collect();
    let mut has_settled = false;
    for ends in ends.chunks(MAX_SETTLES) {
        let set: Vec<&AttemptEnd> = ends.iter().collect();
        let settled = settle_items(&state.system, &set, CACHE_ENGINE_VERSION).await?;
        for (AttemptEnd { attempt, .. }, _) in ends.iter().zip(settled.written).filter(|(_, is_settled)| *is_settled) {
            has_settled = true;
            warn!("The lease of item {} of job {} expired; the item is taken back", attempt.position, attempt.job);
            metrics::counter!("offprint_leases_lost_total").increment(1);
            state.work_available.notify();
        }
    }
    Ok(has_settled)
}

/// Aborts multipart uploads to the object store that were never completed, which would otherwise cost space for ever.
pub async fn sweep_unfinished_parts(state: &AppState) {
    match state.storage.sweep_parts(UNFINISHED_PARTS_TTL).await {
        Ok(0) => {}
        Ok(aborted) => info!("Aborted {aborted} unfinished multipart uploads in the object store"),
        Err(error) => warn!(error = %error, "Could not look for unfinished multipart uploads: {error}"),
    }
}
