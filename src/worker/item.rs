//! Processes one item: claim it, produce its files while the lease is renewed, settle it.
//!
//! ```text
//!   claim_items ──> process_claim ─┬─ all originals or cached ─> settle, then many more at once
//!                                  └─ render_under_lease ─> keep the files, settle
//!                                       ├─ render_files: fetch originals, render, stage
//!                                       ├─ heartbeat: renew the lease; stop when the job is stopped
//!                                       └─ shutdown: give the item back after a grace time
//! ```
//!
//! What ends an attempt is an [`AttemptOutcome`]; whether the item is tried again is decided in [`crate::db::settle`], and
//! files and ends of several items are kept and written together (`settler.rs`, `keep.rs`).

use std::collections::BTreeSet;

use futures_util::future::join_all;
use offprint_core::{Code, Digest};
use offprint_imaging::{RenderOutput, SourceFiles};
use offprint_modifiers::Recipe;
use offprint_sandbox::RenderTarget;
use offprint_storage::{LocalBlob, StagedBlob, StorageError};
use tempfile::TempPath;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tracing::{Instrument, info_span, warn};

use crate::app::{AppState, JobSignalReceiver};
use crate::db;
use crate::db::bulk_settle::{MAX_READY_ITEMS, settle_ready_items};
use crate::db::item::{self, Claim, ClaimOptions, LeaseRenewal, PendingFile};
use crate::db::settle::{self, AttemptEnd, AttemptOutcome, SettledFile};
use crate::reason::Reason;
use crate::worker::keep::RenderedEnd;
use crate::worker::outcome::{
    fail_as_corrupt, log_outcome, merge_outcomes, pool_failure_to_outcome, render_error_to_outcome,
    storage_error_to_reason,
};
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
    let claims = db::with_query_timeout(item::claim_items(&state.queue, &options, slots)).await?;
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
    let mut rendered = Vec::new();
    let outcome = if needs_no_render {
        let outcome = check_original(state, &claim).await?;
        if !matches!(outcome, AttemptOutcome::Succeeded) {
            files.clear();
        }
        outcome
    } else {
        render_under_lease(state, &claim, &missing_files, &mut rendered, job_signals).await
    };
    let is_waiting_again = matches!(outcome, AttemptOutcome::GivenBack | AttemptOutcome::Crashed(_));
    let end = AttemptEnd { attempt: claim.attempt(state.worker), files, outcome };
    log_outcome(&claim.asset_name, &end);
    let end = RenderedEnd { asset_name: claim.asset_name.clone(), end, rendered };
    let settling = async {
        let _permit = settler.acquire_permit().await;
        let mut slot = slot;
        if !needs_no_render {
            // Where few ends wait to be written, the next item can be claimed.
            slot = None;
        } else if let Err(error) = settle_more_ready_items(state, settler, &claim).await {
            warn!(error = %error, "Could not settle items together that need no rendering: {error}");
        }
        // After the others, which may be all that is left of the job: then this end waits for nothing. Where they are settled
        // together a claim would find only rows that are locked, so the slot is kept.
        let settled = settler.settle(state, end, running).await;
        drop(slot);
        settled
    };
    if !renew_lease_during(state, &claim, settling).await? {
        warn!(
            "The lease of item {} of job {} expired while this worker processed it; its result is dropped",
            claim.position, claim.job_id
        );
    }
    state.job_changes.notify();
    if is_waiting_again {
        // Any process may claim it.
        state.work_available.notify();
    }
    Ok(())
}

/// Settles the items of a job that need no rendering together: a job of originals has many. One item's task of this process
/// does it at a time; others would only wait for the lock of the job.
async fn settle_more_ready_items(state: &AppState, settler: &Settler, claim: &Claim) -> Result<(), db::DbError> {
    let Some(_turn) = settler.take_bulk_turn(claim.job_id) else { return Ok(()) };
    let settle_more =
        || settle_ready_items(&state.queue, claim.company_id, claim.job_id, state.worker, CACHE_ENGINE_VERSION);
    loop {
        let settled = db::with_query_timeout(settle_more()).await?;
        if settled > 0 {
            state.job_changes.notify();
            // They may have been the last ones of the job.
            state.tasks_available.notify_local();
        }
        if settled < MAX_READY_ITEMS {
            return Ok(());
        }
    }
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

/// Waits until the end of an item is settled and renews the lease meanwhile: the storage may be slow. Whether the item still
/// belongs to this worker is found out by the settle.
async fn renew_lease_during<T>(state: &AppState, claim: &Claim, settling: impl Future<Output = T>) -> T {
    // Beside each other: the end of one item may be written by the task of another, which no slow heartbeat may hold up.
    let renewing = async {
        let mut heartbeats = start_heartbeats(state);
        heartbeats.tick().await;
        loop {
            heartbeats.tick().await;
            if let Err(error) = renew_lease(state, claim).await {
                warn!(error = %error, "Could not renew the lease of an item: {error}");
            }
        }
    };
    tokio::select! {
        settled = settling => settled,
        never = renewing => never,
    }
}

fn start_heartbeats(state: &AppState) -> Interval {
    let mut heartbeats = interval(state.settings.lease / 4);
    heartbeats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    heartbeats
}

async fn renew_lease(state: &AppState, claim: &Claim) -> Result<LeaseRenewal, db::DbError> {
    db::with_query_timeout(item::renew_item_lease(&state.system, claim, state.worker, state.settings.lease)).await
}

/// Renders the missing files while it renews the lease and listens to job actions. Adds the files that were rendered to
/// `rendered_files`.
async fn render_under_lease(
    state: &AppState,
    claim: &Claim,
    missing: &[&PendingFile],
    rendered_files: &mut Vec<(SettledFile, StagedBlob)>,
    mut job_signals: JobSignalReceiver,
) -> AttemptOutcome {
    // Dropping this future kills the render process.
    let render = render_files(state, claim, missing, rendered_files);
    tokio::pin!(render);
    let grace_end = wait_for_grace_end(state);
    tokio::pin!(grace_end);
    let mut heartbeats = start_heartbeats(state);
    heartbeats.tick().await;
    loop {
        tokio::select! {
            outcome = &mut render => return outcome,
            _ = heartbeats.tick() => match renew_lease(state, claim).await {
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

/// Renders the missing files from one decoded image and stages them. Those that succeed are added to `rendered_files`,
/// also when others fail.
async fn render_files(
    state: &AppState,
    claim: &Claim,
    missing: &[&PendingFile],
    rendered_files: &mut Vec<(SettledFile, StagedBlob)>,
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
    let mut failures = Vec::new();
    for staged in join_all(staged).await {
        match staged {
            Ok(rendered) => rendered_files.push(rendered),
            Err(failure) => failures.push(failure),
        }
    }
    merge_outcomes(failures)
}

/// Fetches an original as a local file and verifies its checksum, so that damaged bytes never become an image. A
/// damaged original fails the item for good: another attempt would read the same bytes.
async fn fetch_original(state: &AppState, sha256: &Digest) -> Result<LocalBlob, AttemptOutcome> {
    let blob = db::blob::fetch_blob(&state.system, sha256).await;
    let blob = blob.map_err(|error| AttemptOutcome::TryAgain(Reason::new(Code::Unavailable, error.to_string())))?;
    let checked_file =
        state.storage.open_verified(sha256, blob.size as u64, blob.crc32 as u32).await.map_err(|error| match error {
            StorageError::Missing(_) => AttemptOutcome::TryAgain(Reason::new(
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

/// Writes a rendered file to the disk, ready to be kept. A large object is sent already: nothing is locked yet.
async fn stage_rendition(
    state: &AppState,
    rendition: i16,
    mime: &str,
    rendered: RenderOutput,
    output: TempPath,
) -> Result<(SettledFile, StagedBlob), AttemptOutcome> {
    let to_outcome = |error: StorageError| AttemptOutcome::TryAgain(storage_error_to_reason(&error));
    let mut staged = state.storage.stage_file(output).await.map_err(to_outcome)?;
    state.storage.prepare(&mut staged).await.map_err(to_outcome)?;
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
