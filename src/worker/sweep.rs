//! The sweep, a few times per lease: settles items whose lease has expired, and removes deleted jobs, expired uploads
//! and idempotency keys, and temporary files.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tracing::{info, warn};

use crate::app::AppState;
use crate::db::settle::{AttemptOutcome, settle_item};
use crate::db::{self, browser_session, idempotency, item, job_actions, limits, upload};
use crate::worker::CACHE_ENGINE_VERSION;

/// A temporary file that was not written to for this long was left behind by a process that died.
const TEMPORARY_FILE_TTL: Duration = Duration::from_secs(3600);

/// A multipart upload to the object store that began this long ago and has not ended was left behind.
const UNFINISHED_PARTS_TTL: Duration = Duration::from_secs(24 * 3600);

/// Takes items back from dead workers, and removes what is not needed any more.
pub async fn sweep_expired(state: &AppState) -> Result<(), db::DbError> {
    for expired in item::list_expired_leases(&state.system).await? {
        let attempt = expired.into_attempt();
        if settle_item(&state.system, &attempt, &[], AttemptOutcome::Lost, CACHE_ENGINE_VERSION).await? {
            warn!("The lease of item {} of job {} expired; the item is taken back", attempt.position, attempt.job);
            metrics::counter!("offprint_leases_lost_total").increment(1);
            state.work_available.notify();
        }
    }
    state.has_own_running_limits.store(limits::has_running_limits(&state.system).await?, Ordering::Relaxed);
    job_actions::remove_deleted_jobs(&state.system).await?;
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

/// Aborts multipart uploads to the object store that were never completed, which would otherwise cost space for ever.
pub async fn sweep_unfinished_parts(state: &AppState) {
    match state.storage.sweep_parts(UNFINISHED_PARTS_TTL).await {
        Ok(0) => {}
        Ok(aborted) => info!("Aborted {aborted} unfinished multipart uploads in the object store"),
        Err(error) => warn!(error = %error, "Could not look for unfinished multipart uploads: {error}"),
    }
}
