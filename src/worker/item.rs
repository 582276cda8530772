//! Processes one item: claim it, produce its files while the lease is renewed, settle it.
//!
//! ```text
//!   claim_items ──> process_claim ─┬─ all originals or cached ─> settle, then many more at once
//!                                  └─ render_under_lease ─> settle
//!                                       ├─ render_files: fetch originals, render, store
//!                                       ├─ heartbeat: renew the lease; stop when the job is stopped
//!                                       └─ shutdown: give the item back after a grace time
//! ```
//!
//! What ends an attempt is an [`AttemptOutcome`]; whether the item is tried again is decided in [`crate::db::settle`], and
//! the ends of several items are written together (`settler.rs`).

use std::collections::BTreeSet;

use futures_util::future::join_all;
use offprint_core::{Code, Digest};
use offprint_imaging::{RenderError, RenderOutput, SourceFiles};
use offprint_modifiers::Recipe;
use offprint_sandbox::{RenderPoolError, RenderTarget};
use offprint_storage::{LocalBlob, StagedBlob};
use tempfile::TempPath;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{Instrument, info_span, warn};

use crate::app::{AppState, JobSignalReceiver, KeepRenditionsError, StoreBlobError};
use crate::db;
use crate::db::bulk_settle::settle_ready_items;
use crate::db::item::{self, Claim, ClaimOptions, LeaseRenewal, PendingFile};
use crate::db::settle::{self, AttemptEnd, AttemptOutcome, SettledFile};
use crate::jobs::rendition::merge_failures;
use crate::reason::Reason;
use crate::worker::settler::{RunningItem, Settler};
use crate::worker::waiting::{CACHE_ENGINE_VERSION, wait_for_grace_end};

/// An item that this process has claimed.
pub(super) struct ClaimedItem {
    claim: Claim,
    /// Receives job actions since before the claim, so that one right after it is not missed.
    job_signals: JobSignalReceiver,
    running: RunningItem,
}

/// Claims items for up to this many slots.
pub(super) async fn claim_items(
    state: &AppState,
    settler: &Settler,
    slots: usize,
) -> Result<Vec<ClaimedItem>, db::DbError> {
    let job_signals: Vec<_> = (0..slots).map(|_| state.job_signals.listen()).collect();
    let (lease, max_running) = (state.settings.lease, state.settings.max_running);
    let options = ClaimOptions { worker: state.worker, lease, engine_version: CACHE_ENGINE_VERSION, max_running };
    let claims = db::with_query_timeout(item::claim_items(&state.system, &options, slots)).await?;
    let begin =
        |(claim, job_signals): (Claim, _)| ClaimedItem { running: settler.begin_item(&claim), claim, job_signals };
    Ok(claims.into_iter().zip(job_signals).map(begin).collect())
}

/// Claims the next item and processes it. Returns whether there was one. For tests, which wait for nothing.
pub(super) async fn process_next_item(state: &AppState) -> Result<bool, db::DbError> {
    let settler = Settler::default();
    let Some(item) = claim_items(state, &settler, 1).await?.pop() else { return Ok(false) };
    process_item(state, &settler, item, None).await?;
    Ok(true)
}

/// Processes a claimed item. Its slot is free for another one when all is done but settling.
pub(super) async fn process_item(
    state: &AppState,
    settler: &Settler,
    item: ClaimedItem,
    slot: Option<OwnedSemaphorePermit>,
) -> Result<(), db::DbError> {
    let span = info_span!("item", job.handle = %item.claim.job_id, item.position = item.claim.position);
    process_claim(state, settler, item, slot).instrument(span).await
}

async fn process_claim(
    state: &AppState,
    settler: &Settler,
    ClaimedItem { claim, job_signals, running }: ClaimedItem,
    slot: Option<OwnedSemaphorePermit>,
) -> Result<(), db::DbError> {
    if claim.first {
        db::with_query_timeout(item::begin_run(&state.system, claim.company_id, claim.job_id)).await?;
        state.job_changes.notify();
    }
    let (ready_files, missing_files): (Vec<_>, Vec<_>) = claim.files.iter().partition(|file| is_ready(file));
    let needs_no_render = missing_files.is_empty();
    let mut files: Vec<SettledFile> = ready_files.into_iter().map(|file| to_settled_file(&claim, file)).collect();
    let outcome = if needs_no_render {
        let outcome = check_original(state, &claim).await?;
        if !matches!(outcome, AttemptOutcome::Succeeded) {
            files.clear();
        }
        outcome
    } else {
        render_under_lease(state, &claim, &missing_files, &mut files, job_signals).await
    };
    log_outcome(&claim, &outcome);
    let is_waiting_again = matches!(outcome, AttemptOutcome::GivenBack | AttemptOutcome::Crashed(_));
    drop(slot);
    let end = AttemptEnd { attempt: claim.attempt(state.worker), files, outcome };
    if !settler.settle(state, end, running).await? {
        warn!(
            "The lease of item {} of job {} expired while this worker processed it; its result is dropped",
            claim.position, claim.job_id
        );
    }
    if needs_no_render {
        state.job_changes.notify();
        // A job of originals has many such items: settle them together.
        let settle_more =
            || settle_ready_items(&state.system, claim.company_id, claim.job_id, state.worker, CACHE_ENGINE_VERSION);
        while db::with_query_timeout(settle_more()).await? > 0 {
            state.job_changes.notify();
            // They may have been the last ones of the job.
            state.tasks_available.notify_local();
        }
    }
    state.job_changes.notify();
    if is_waiting_again {
        // Any process may claim it.
        state.work_available.notify();
    }
    Ok(())
}

/// Whether a file needs no rendering: it is the original, or in the render cache.
fn is_ready(file: &PendingFile) -> bool {
    file.recipe.is_none() || file.cached.is_some()
}

/// Decides how an item ends that needs no rendering: it succeeds, unless it exports an original that is damaged.
async fn check_original(state: &AppState, claim: &Claim) -> Result<AttemptOutcome, db::DbError> {
    let exports_original = claim.files.iter().any(|file| file.recipe.is_none());
    let is_damaged = exports_original && db::blob::fetch_blob(&state.system, &claim.sha256).await?.damaged;
    Ok(if is_damaged { fail_as_corrupt() } else { AttemptOutcome::Succeeded })
}

fn to_settled_file(claim: &Claim, file: &PendingFile) -> SettledFile {
    let rendition = file.rendition;
    match file.cached.clone() {
        Some(cached) => SettledFile {
            rendition,
            sha256: cached.sha256,
            image: Some(settle::SettledImage {
                width: cached.width,
                height: cached.height,
                mime: cached.mime,
                plan: None,
            }),
            warnings: cached.warnings,
            reused: true,
        },
        None => SettledFile { rendition, sha256: claim.sha256, image: None, warnings: Vec::new(), reused: false },
    }
}

/// Renders the missing files while it renews the lease and listens to job actions. Adds the files that were produced to
/// `settled_files`.
async fn render_under_lease(
    state: &AppState,
    claim: &Claim,
    missing: &[&PendingFile],
    settled_files: &mut Vec<SettledFile>,
    mut job_signals: JobSignalReceiver,
) -> AttemptOutcome {
    // Dropping this future kills the render process.
    let render = render_files(state, claim, missing, settled_files);
    tokio::pin!(render);
    let grace_end = wait_for_grace_end(state);
    tokio::pin!(grace_end);
    let mut heartbeats = interval(state.settings.lease / 4);
    heartbeats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    heartbeats.tick().await;
    loop {
        tokio::select! {
            outcome = &mut render => return outcome,
            _ = heartbeats.tick() => match db::with_query_timeout(item::renew_item_lease(&state.system, claim, state.worker, state.settings.lease)).await {
                Ok(LeaseRenewal::Renewed) => {}
                Ok(LeaseRenewal::Stop) => return AttemptOutcome::Stopped,
                // Settle will find that the item belongs to another worker, and write nothing.
                Ok(LeaseRenewal::Lost) => return AttemptOutcome::Lost,
                Err(error) => warn!(error = %error, "Could not renew the lease of an item: {error}"),
            },
            // The heartbeat will say what the job action means for this item.
            () = job_signals.wait_for(claim.job_id) => heartbeats.reset_immediately(),
            () = &mut grace_end => return AttemptOutcome::GivenBack,
        }
    }
}

/// Renders the missing files from one decoded image and stores them. Those that succeed are added to `settled_files`,
/// also when others fail.
async fn render_files(
    state: &AppState,
    claim: &Claim,
    missing: &[&PendingFile],
    settled_files: &mut Vec<SettledFile>,
) -> AttemptOutcome {
    let started_at = std::time::Instant::now();
    let (mut targets, mut pins) = (Vec::new(), BTreeSet::new());
    for file in missing {
        let text = file.recipe.as_deref().unwrap_or_default();
        let Ok(recipe) = serde_json::from_str::<Recipe>(text) else {
            return AttemptOutcome::Failed(Reason::new(
                Code::Internal,
                "The item's recipe cannot be parsed; it was written by a newer version. Update this worker, then retry.",
            ));
        };
        pins.extend(recipe.pins().filter_map(|pin| pin.parse::<Digest>().ok()));
        match state.storage.create_temp_path().await {
            Ok(output) => targets.push((
                recipe.format().media_type(),
                RenderTarget { recipe: text.to_owned(), output: output.to_path_buf() },
                output,
            )),
            Err(error) => return AttemptOutcome::TryAgain(storage_error_to_reason(&error)),
        }
    }
    let source = match fetch_original(state, &claim.sha256).await {
        Ok(source) => source,
        Err(outcome) => return outcome,
    };
    let render_targets = targets.iter().map(|(_, target, _)| target.clone()).collect();
    let mut pinned_files = Vec::new();
    for pin in &pins {
        match fetch_original(state, pin).await {
            Ok(file) => pinned_files.push(file),
            Err(outcome) => return outcome,
        }
    }
    let objects =
        pins.iter().zip(&pinned_files).map(|(pin, file)| (pin.to_string(), file.to_path_buf().into())).collect();
    let files = SourceFiles { source: source.to_path_buf().into(), objects };
    let rendered = state.render_pools.items.render(claim.company_id.0, files, render_targets).await;
    metrics::histogram!("offprint_render_seconds").record(started_at.elapsed().as_secs_f64());
    let rendered = match rendered {
        Ok(rendered) => rendered,
        Err(failure) => return pool_failure_to_outcome(failure),
    };
    // Each waits for the disk, so they are written side by side.
    let staged = missing.iter().zip(targets).zip(rendered).map(|((file, (mime, _, output)), rendered)| async move {
        let staged = match rendered {
            Ok(rendered) => stage_rendition(state, file.rendition, mime, rendered, output).await,
            Err(failure) => Err(render_error_to_outcome(failure)),
        };
        staged.map_err(|outcome| (file.name.as_deref(), outcome))
    });
    let (mut produced, mut blobs, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    for staged in join_all(staged).await {
        match staged {
            Ok((file, blob)) => {
                produced.push(file);
                blobs.push(blob);
            }
            Err(failure) => failures.push(failure),
        }
    }
    if !blobs.is_empty() {
        match state.keep_rendered_files(&claim.attempt(state.worker), blobs).await {
            Ok(()) => settled_files.extend(produced),
            Err(error) => failures.push((None, keep_error_to_outcome(error))),
        }
    }
    merge_outcomes(failures)
}

fn keep_error_to_outcome(error: KeepRenditionsError) -> AttemptOutcome {
    match error {
        KeepRenditionsError::QuotaExceeded(missing) => AttemptOutcome::Failed(Reason::new(
            Code::StorageQuota,
            format!(
                "The exported files would exceed the company's storage quota by {missing} bytes. Delete jobs and assets \
                 that are no longer needed, then retry the job."
            ),
        )),
        KeepRenditionsError::Store(StoreBlobError::Storage(error)) => {
            AttemptOutcome::TryAgain(storage_error_to_reason(&error))
        }
        KeepRenditionsError::Store(StoreBlobError::Db(error)) => {
            AttemptOutcome::TryAgain(Reason::new(Code::Unavailable, error.to_string()))
        }
    }
}

/// Fetches an original as a local file and verifies its checksum, so that damaged bytes never become an image. A
/// damaged original fails the item for good: another attempt would read the same bytes.
async fn fetch_original(state: &AppState, sha256: &Digest) -> Result<LocalBlob, AttemptOutcome> {
    let blob = db::blob::fetch_blob(&state.system, sha256).await;
    let blob = blob.map_err(|error| AttemptOutcome::TryAgain(Reason::new(Code::Unavailable, error.to_string())))?;
    let checked_file =
        state.storage.open_verified(sha256, blob.size as u64, blob.crc32 as u32).await.map_err(|error| match error {
            offprint_storage::StorageError::Missing(_) => AttemptOutcome::TryAgain(Reason::new(
                Code::OriginalMissing,
                "The original is missing from the storage.",
            )),
            error if error.is_loss() => fail_as_corrupt(),
            error => AttemptOutcome::TryAgain(storage_error_to_reason(&error)),
        });
    if let Err(AttemptOutcome::Failed(_)) = &checked_file {
        state.report_damaged_blob(sha256).await;
    }
    checked_file
}

/// The outcome of an item whose original was damaged in the storage.
fn fail_as_corrupt() -> AttemptOutcome {
    let detail = "The stored original is damaged. Upload the file again, then retry the job.";
    AttemptOutcome::Failed(Reason::new(Code::CorruptOriginal, detail))
}

/// The outcome of an item when the whole render failed.
fn pool_failure_to_outcome(failure: RenderPoolError) -> AttemptOutcome {
    match failure {
        RenderPoolError::Rejected(failure) => render_error_to_outcome(failure),
        RenderPoolError::ProcessDied(failure) => {
            metrics::counter!("offprint_renders_died_total", "code" => failure.code.to_kebab_case()).increment(1);
            AttemptOutcome::Crashed(Reason::new(failure.code, failure.detail))
        }
    }
}

/// Writes a rendered file to the disk, ready to be kept.
async fn stage_rendition(
    state: &AppState,
    rendition: i16,
    mime: &str,
    rendered: RenderOutput,
    output: TempPath,
) -> Result<(SettledFile, StagedBlob), AttemptOutcome> {
    let staged = state.storage.stage_file(output).await;
    let staged = staged.map_err(|error| AttemptOutcome::TryAgain(storage_error_to_reason(&error)))?;
    let file = SettledFile {
        rendition,
        sha256: staged.digest,
        image: Some(settle::SettledImage {
            width: rendered.width as i32,
            height: rendered.height as i32,
            mime: mime.to_owned(),
            plan: Some(rendered.plan),
        }),
        warnings: rendered.warnings.into_iter().map(|warning| Reason::new(warning.code, warning.detail)).collect(),
        reused: false,
    };
    Ok((file, staged))
}

/// Decides how an item ends when these files failed, given by the names of their renditions. If any failure may go
/// away, the item is tried again: failures that the image causes are found again then. Otherwise the item fails.
fn merge_outcomes(failures: Vec<(Option<&str>, AttemptOutcome)>) -> AttemptOutcome {
    let (mut final_failures, mut passing_failures) = (Vec::new(), Vec::new());
    for (name, outcome) in &failures {
        match outcome {
            AttemptOutcome::Failed(reason) => final_failures.push((*name, reason)),
            AttemptOutcome::TryAgain(reason) => passing_failures.push((*name, reason)),
            _ => {}
        }
    }
    let try_again = merge_failures(passing_failures.into_iter()).map(AttemptOutcome::TryAgain);
    let fail = || merge_failures(final_failures.into_iter()).map(AttemptOutcome::Failed);
    try_again.or_else(fail).unwrap_or(AttemptOutcome::Succeeded)
}

/// Failures caused by the image or the modifier are final; others are tried again.
fn render_error_to_outcome(failure: RenderError) -> AttemptOutcome {
    let reason = Reason::new(failure.code, failure.detail);
    match failure.code {
        Code::OriginalMissing | Code::StorageFull | Code::Unavailable | Code::Internal => {
            AttemptOutcome::TryAgain(reason)
        }
        _ => AttemptOutcome::Failed(reason),
    }
}

fn storage_error_to_reason(error: &offprint_storage::StorageError) -> Reason {
    match error {
        offprint_storage::StorageError::Full(_) => {
            Reason::new(Code::StorageFull, "The storage is full; the item is tried again until there is space.")
        }
        error => Reason::new(Code::Unavailable, format!("Storage error: {error}.")),
    }
}

fn log_outcome(claim: &Claim, outcome: &AttemptOutcome) {
    if let AttemptOutcome::Failed(reason) | AttemptOutcome::TryAgain(reason) | AttemptOutcome::Crashed(reason) = outcome
    {
        warn!(code = %reason.code, "{} of job {} failed: {}", claim.asset_name, claim.job_id, reason.detail);
    }
}
