//! Removes what has expired: files of expired jobs, old jobs, renditions beyond the cache's size, old audit entries,
//! and the bytes of blobs that nothing refers to.

use std::collections::BTreeSet;
use std::time::Duration;

use tracing::{info, warn};

use crate::app::{AppState, StoreBlobError};
use crate::db::task::TaskKind;
use crate::db::{
    self, audit, blob, delivered_file, import, job_group, kept_rendition, recipe, retention, task_queue, worker,
};
use crate::worker::task_rules::find_rules;

/// How long a job and its manifests, or an import, are kept after they have finished.
const JOB_TTL: Duration = Duration::from_secs(90 * 24 * 3600);

/// How long it is remembered what a store has: a run each year still moves only what changed.
const DELIVERED_FILE_TTL: Duration = Duration::from_secs(400 * 24 * 3600);

/// How long entries of the audit log are kept.
const AUDIT_LOG_TTL: Duration = Duration::from_secs(90 * 24 * 3600);

/// Younger files without a row are kept, because their row may be about to be committed.
const MIN_STRAY_FILE_AGE: Duration = Duration::from_secs(3600);

/// Removes everything that has expired, then the bytes that nothing refers to.
pub async fn enforce_retention(state: &AppState) -> Result<(), db::DbError> {
    loop {
        let released = retention::release_expired_jobs(&state.system).await?;
        if released == 0 {
            break;
        }
        info!("Released the files of {released} expired jobs");
    }
    while retention::delete_old_jobs(&state.system, JOB_TTL).await? > 0 {}
    while delivered_file::forget_old_files(&state.system, DELIVERED_FILE_TTL).await? > 0 {}
    job_group::remove_empty_groups(&state.system).await?;
    while import::delete_old_imports(&state.system, JOB_TTL).await? > 0 {}
    remove_ended_tasks(state).await?;
    remove_recipes(state).await?;
    release_originals(state).await?;
    worker::delete_gone_workers(&state.system, JOB_TTL).await?;
    audit::delete_old_audit_entries(&state.system, AUDIT_LOG_TTL).await?;
    retention::shrink_rendition_cache(&state.system, state.settings.max_cache).await?;
    release_renditions(state).await?;
    remove_recipes(state).await?;
    remove_unused_blobs(state).await
}

/// Removes tasks that ended long ago, of those kinds that no job shows.
async fn remove_ended_tasks(state: &AppState) -> Result<(), db::DbError> {
    for kind in TaskKind::ALL {
        let Some(age) = find_rules(kind).retention else { continue };
        while task_queue::remove_ended_tasks(&state.system, kind, age).await? > 0 {}
    }
    Ok(())
}

/// Removes deleted assets and replaced originals that no job needs any more, and their bytes.
async fn release_originals(state: &AppState) -> Result<(), db::DbError> {
    loop {
        let (removed, originals) = retention::remove_deleted_assets(&state.system).await?;
        for original in originals {
            state.release_original(original.company_id, original.sha256).await;
        }
        if removed == 0 {
            break;
        }
    }
    let mut released = BTreeSet::new();
    loop {
        let unpinned = retention::list_unpinned_originals(&state.system).await?;
        let mut has_new = false;
        for original in unpinned {
            // One that could not be released is listed again, and left for the next time.
            if released.insert((original.company_id, original.sha256)) {
                has_new = true;
                state.release_original(original.company_id, original.sha256).await;
            }
        }
        if !has_new {
            return Ok(());
        }
    }
}

/// Removes the recipes that nothing uses any more.
async fn remove_recipes(state: &AppState) -> Result<(), db::DbError> {
    let mut after = None;
    loop {
        let recipes = recipe::list_recipe_uses(&state.system, after).await?;
        let Some(last) = recipes.last() else { return Ok(()) };
        after = Some((last.company_id, last.recipe_id));
        let unused: Vec<_> = recipes.into_iter().filter(|recipe| recipe.is_unused).collect();
        for of_company in unused.chunk_by(|one, next| one.company_id == next.company_id) {
            let Some(first) = of_company.first() else { continue };
            let ids: Vec<_> = of_company.iter().map(|recipe| recipe.recipe_id).collect();
            let mut transaction = state.system.begin().await?;
            recipe::remove_unused_recipes(&mut transaction, first.company_id, &ids).await?;
            transaction.commit().await?;
        }
    }
}

/// Ends keeping the renditions that nothing refers to any more, and removes their bytes.
async fn release_renditions(state: &AppState) -> Result<(), db::DbError> {
    let mut after = None;
    loop {
        let kept = kept_rendition::list_kept_renditions(&state.system, after).await?;
        let Some(last) = kept.last() else { return Ok(()) };
        after = Some((last.company_id, last.sha256));
        let unused: Vec<_> = kept.into_iter().filter(|kept| kept.is_unused).collect();
        for of_company in unused.chunk_by(|one, next| one.company_id == next.company_id) {
            let Some(first) = of_company.first() else { continue };
            let digests: Vec<_> = of_company.iter().map(|kept| kept.sha256).collect();
            let mut transaction = state.system.begin().await?;
            let released = kept_rendition::release_renditions(&mut transaction, first.company_id, &digests).await?;
            transaction.commit().await?;
            state.remove_unused_blobs(&released).await;
        }
    }
}

/// Removes the blobs that nothing refers to.
async fn remove_unused_blobs(state: &AppState) -> Result<(), db::DbError> {
    let mut after = None;
    loop {
        let blobs = retention::list_blob_uses(&state.system, after).await?;
        let Some(last) = blobs.last() else { return Ok(()) };
        after = Some(last.sha256);
        for blob in blobs.into_iter().filter(|blob| blob.is_unused) {
            match state.remove_unused_blob(blob.sha256).await {
                Ok(_) => {}
                Err(StoreBlobError::Db(error)) => return Err(error),
                // The storage does not work, so the other blobs are left for the next time as well.
                Err(error) => {
                    warn!(error = %error, "Could not remove blob {}: {error}", blob.sha256);
                    return Ok(());
                }
            }
        }
    }
}

/// Counts the stored blobs for `/metrics`.
pub async fn record_blob_metrics(state: &AppState) -> Result<(), db::DbError> {
    let (blobs, bytes) = blob::count_blobs(&state.system).await?;
    metrics::gauge!("offprint_blobs").set(blobs as f64);
    metrics::gauge!("offprint_blob_bytes").set(bytes as f64);
    Ok(())
}

/// Removes stored files that have no row, in one 256th of the storage. A process that died between storing a file and
/// its commit leaves such files.
pub async fn remove_stray_files(state: &AppState, part: u8) -> Result<(), db::DbError> {
    let stored = match state.storage.list(part).await {
        Ok(stored) => stored,
        Err(error) => {
            warn!(error = %error, "Could not list the storage: {error}");
            return Ok(());
        }
    };
    for stray in stored.into_iter().filter(|blob| blob.age > MIN_STRAY_FILE_AGE) {
        let mut transaction = state.system.begin().await?;
        if retention::lock_unknown_blob(&mut transaction, stray.digest).await? {
            match state.storage.remove(&stray.digest).await {
                Ok(()) => info!("Removed file {}, which had no row in the database", stray.digest),
                Err(error) => {
                    warn!(error = %error, "Could not remove file {}: {error}", stray.digest);
                    return Ok(());
                }
            }
        }
        transaction.rollback().await?;
    }
    Ok(())
}
