//! The background work of the service: items, sealing, mails, webhooks, schedules and maintenance.
//!
//! ```text
//!   run_workers ─┬─ run_dispatcher                 claims items for all free slots             item.rs, settler.rs
//!                ├─ run_task_dispatcher            seals, mails, webhooks, imports             task.rs, seal.rs, import/, …
//!                ├─ run_maintenance                due jobs, sweeps, retention                 sweep.rs, retention.rs
//!                ├─ scheduler::run_scheduler       creates the jobs of schedules               scheduler.rs
//!                ├─ scrub::run_scrub               compares stored bytes with their digests    scrub.rs
//!                └─ heartbeat::run_heartbeat       says that this worker is alive              heartbeat.rs
//! ```
//!
//! Any of it may die at any moment: the state is in the database, every unit of work is claimed with a lease, and what
//! a dead process had claimed is taken over when the lease expires. This module never uses `http`. Begin reading with
//! `item.rs`.

mod delivery;
mod group_mail;
mod heartbeat;
mod import;
mod import_mail;
mod item;
mod keep;
mod mail;
mod manifest;
mod manifest_delivery;
mod outcome;
mod performed;
mod retention;
mod scheduler;
mod scrub;
mod seal;
mod settler;
mod sign_in_mail;
mod sweep;
mod task;
mod task_dispatcher;
mod task_rules;
mod waiting;
mod webhook;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tracing::{debug, info, warn};

use crate::db;
pub use retention::{enforce_retention, remove_stray_files};
#[cfg_attr(dead_code_check, expect(unused_imports, reason = "for tests, which wait for nothing"))]
pub use scheduler::run_next_schedule;
#[cfg_attr(dead_code_check, expect(unused_imports, reason = "for tests, which wait for nothing"))]
pub use scrub::scrub_next_blob;
pub use sweep::sweep_expired;
#[cfg_attr(dead_code_check, expect(unused_imports, reason = "for tests, which wait for nothing"))]
pub use task::run_task;

use crate::app::AppState;
use crate::db::item::MAX_CLAIMS;
use crate::db::statistics::analyze_grown_tables;
use crate::worker::settler::Settler;
use crate::worker::waiting::{POLL_INTERVAL, log_panic, wait_for_work};

/// How often expired data is removed.
const RETENTION_INTERVAL: Duration = Duration::from_secs(600);

/// How long a free slot waits for others.
const CLAIM_WAIT: Duration = Duration::from_millis(10);

/// Works until the service shuts down and running items have ended or were given back.
pub async fn run_workers(state: AppState) {
    tokio::select! {
        () = heartbeat::run_heartbeat(&state) => {}
        () = run_tasks(state.clone()) => {}
    }
    heartbeat::unregister_worker(&state).await;
    info!("The worker tasks have ended");
}

async fn run_tasks(state: AppState) {
    let mut tasks = JoinSet::new();
    tasks.spawn(restart_after_panics(state.clone(), run_dispatcher));
    tasks.spawn(restart_after_panics(state.clone(), run_maintenance));
    tasks.spawn(restart_after_panics(state.clone(), scheduler::run_scheduler));
    tasks.spawn(restart_after_panics(state.clone(), scrub::run_scrub));
    tasks.spawn(restart_after_panics(state, task_dispatcher::run_task_dispatcher));
    while tasks.join_next().await.is_some() {}
}

/// Runs one kind of work and starts it again after a panic. A panic is a bug: the other tasks go on, and an item whose
/// task panicked is taken over when its lease expires.
async fn restart_after_panics<W: Future<Output = ()> + Send + 'static>(state: AppState, work: fn(AppState) -> W) {
    while let Err(panic) = tokio::spawn(work(state.clone())).await {
        tracing::error!(error = %panic, "A worker task panicked: {panic}");
        if state.closing.is_cancelled() {
            return;
        }
        // The cause may still be there: do not spin.
        sleep(POLL_INTERVAL).await;
    }
}

/// Claims items for all slots that are free, and processes each in a task of its own.
async fn run_dispatcher(state: AppState) {
    let settler = Settler::default();
    // Twice as many items as renders: while one stores its files, another can render.
    let total_slots = 2 * state.render_slots();
    let slots = Arc::new(Semaphore::new(total_slots));
    let mut items = JoinSet::new();
    while !state.closing.is_cancelled() {
        while let Some(ended) = items.try_join_next() {
            log_panic(ended);
        }
        let free = tokio::select! {
            free = take_free_slots(&slots, total_slots) => free,
            () = state.closing.cancelled() => break,
        };
        let notified = state.work_available.listen();
        match item::claim_items(&state, &settler, free.len()).await {
            Ok(claimed) if !claimed.is_empty() => {
                for (item, slot) in claimed.into_iter().zip(free) {
                    let (state, settler) = (state.clone(), settler.clone());
                    items.spawn(async move {
                        if let Err(error) = item::process_item(&state, &settler, item, Some(slot)).await {
                            warn!(error = %error, "Could not settle an item: {error}");
                        }
                    });
                }
                continue;
            }
            Ok(_) => {}
            Err(error) => warn!(error = %error, "Could not claim items: {error}"),
        }
        drop(free);
        wait_for_work(&state, notified).await;
    }
    while let Some(ended) = items.join_next().await {
        log_panic(ended);
    }
}

/// Waits for free slots, and takes all that are free. When one is, it waits up to `CLAIM_WAIT` until half of all are: a claim
/// for several costs hardly more than for one, and meanwhile as many items as there are renders are in work.
async fn take_free_slots(slots: &Arc<Semaphore>, total: usize) -> Vec<OwnedSemaphorePermit> {
    // The semaphore is never closed.
    let mut free: Vec<_> = slots.clone().acquire_owned().await.into_iter().collect();
    let deadline = Instant::now() + CLAIM_WAIT;
    while free.len() < total.div_ceil(2).min(MAX_CLAIMS)
        && let Ok(Ok(slot)) = timeout_at(deadline, slots.clone().acquire_owned()).await
    {
        free.push(slot);
    }
    while free.len() < MAX_CLAIMS
        && let Ok(slot) = slots.clone().try_acquire_owned()
    {
        free.push(slot);
    }
    free
}

/// Does everything that is neither an item nor a task: due jobs, sweeps and retention, in turn.
async fn run_maintenance(state: AppState) {
    if let Err(error) = retention::record_blob_metrics(&state).await {
        warn!(error = %error, "Could not count the stored blobs: {error}");
    }
    let mut last_sweep = Instant::now();
    let mut last_retention = Instant::now();
    let mut part = 0;
    while !state.closing.is_cancelled() {
        let notified = state.work_available.listen();
        match start_due_jobs(&state).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => warn!(error = %error, "A maintenance task failed: {error}"),
        }
        match db::with_query_timeout(analyze_grown_tables(&state.system)).await {
            Ok(tables) if tables.is_empty() => {}
            Ok(tables) => debug!("Analyzed tables that have grown: {}", tables.join(", ")),
            Err(error) => warn!(error = %error, "Could not renew the statistics of tables that have grown: {error}"),
        }
        if last_sweep.elapsed() > state.settings.lease / 4 {
            last_sweep = Instant::now();
            if let Err(error) = db::with_query_timeout(sweep_expired(&state)).await {
                warn!(error = %error, "The sweep failed and is tried again: {error}");
            }
        }
        if last_retention.elapsed() > RETENTION_INTERVAL {
            last_retention = Instant::now();
            // A storage that hangs must not keep scheduled jobs from being started.
            if timeout(RETENTION_INTERVAL, clean_up_storage(&state, &mut part)).await.is_err() {
                warn!("Removing expired data took longer than 10 minutes and was interrupted; it is tried again");
            }
        }
        wait_for_work(&state, notified).await;
    }
}

/// Removes what has expired, and looks for stray files in one sixteenth of the storage, the next part each time.
async fn clean_up_storage(state: &AppState, part: &mut u8) {
    if let Err(error) = enforce_retention(state).await {
        warn!(error = %error, "Could not remove all expired data; it is tried again: {error}");
    }
    if let Err(error) = retention::record_blob_metrics(state).await {
        warn!(error = %error, "Could not count the stored blobs: {error}");
    }
    sweep::sweep_unfinished_parts(state).await;
    for _ in 0..16 {
        if let Err(error) = remove_stray_files(state, *part).await {
            warn!(error = %error, "Could not look for stray files in the storage: {error}");
        }
        *part = part.wrapping_add(1);
    }
}

/// Starts due jobs. Returns whether there were any.
async fn start_due_jobs(state: &AppState) -> Result<bool, db::DbError> {
    let has_started = db::with_query_timeout(db::job_actions::start_due_jobs(&state.system)).await? > 0;
    if has_started {
        state.work_available.notify();
        state.job_changes.notify();
    }
    Ok(has_started)
}

/// Does everything that can be done now, including a sweep, and returns how many items were processed. Tests call it
/// instead of waiting.
#[cfg_attr(dead_code_check, expect(dead_code, reason = "for tests, which wait for nothing"))]
pub async fn drain_work(state: &AppState) -> Result<usize, db::DbError> {
    let mut items = 0;
    sweep_expired(state).await?;
    loop {
        if item::process_next_item(state).await? {
            items += 1;
        } else if !(scheduler::run_next_schedule(state).await?
            || start_due_jobs(state).await?
            || task::run_next_tasks(state).await?)
        {
            return Ok(items);
        }
    }
}
