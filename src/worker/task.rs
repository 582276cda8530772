//! Runs one task: does what its kind does while the lease is renewed, and settles it.
//!
//! ```text
//!   claim_tasks ──> perform_under_lease ──────────────> settle ──> (log, metrics, notifications)
//!                     ├─ perform_task: what the kind does
//!                     ├─ heartbeat: renew the lease
//!                     └─ shutdown: give the task back after a grace time
//! ```
//!
//! What a kind does may be cut off at any point, when the process dies or the lease is lost, and is then done again by
//! another worker. So it writes nothing of its own that could not be written twice: what must happen exactly once is an
//! [`Effect`](super::performed::Effect), which is written in the transaction of the settle and behind its fence.

use futures_util::FutureExt;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{Instrument, info, info_span, warn};

use crate::app::AppState;
use crate::db::task::{self, TaskClaim, TaskEnd, TaskKind, TaskOutcome, TaskState};
use crate::db::task_claim::{self, TaskClaimOptions};
use crate::db::{self, mail_task};
use crate::worker::performed::{AttemptResult, Effect, Performed};
use crate::worker::task_rules::find_rules;
use crate::worker::waiting::wait_for_grace_end;
use crate::worker::{delivery, import, mail, seal, sign_in_mail, webhook};

/// Claims tasks of these kinds, so many of each.
pub(super) async fn claim_tasks(state: &AppState, slots: &[(TaskKind, usize)]) -> Result<Vec<TaskClaim>, db::DbError> {
    let options = TaskClaimOptions { worker: state.worker, lease: state.settings.lease, slots };
    db::with_query_timeout(task_claim::claim_tasks(&state.queue, &options)).await
}

/// Claims a task of each kind, and runs those. Returns whether there were any.
pub(super) async fn run_next_tasks(state: &AppState) -> Result<bool, db::DbError> {
    let claims = claim_tasks(state, &TaskKind::ALL.map(|kind| (kind, 1))).await?;
    let has_claimed = !claims.is_empty();
    for claim in claims {
        run_task(state, claim).await?;
    }
    Ok(has_claimed)
}

/// Runs a task that this process has claimed.
pub async fn run_task(state: &AppState, claim: TaskClaim) -> Result<(), db::DbError> {
    let span = info_span!("task", task.kind = claim.kind.name(), task.id = %claim.task_id);
    let run = async {
        let Some(mut performed) = perform_under_lease(state, &claim).await else {
            warn!(
                "The lease of a {} expired while this worker was at it; another one does it again",
                claim.kind.name()
            );
            count_try(claim.kind, "lost");
            return Ok(());
        };
        let settled = settle_performed(state, &claim, &mut performed).await?;
        report_end(&claim, &performed, settled);
        notify_end(state, &claim, &performed, settled);
        Ok(())
    };
    run.instrument(span).await
}

/// Performs a task while its lease is renewed. None when another worker has the task.
async fn perform_under_lease(state: &AppState, claim: &TaskClaim) -> Option<Performed> {
    let work = perform_task(state, claim);
    tokio::pin!(work);
    let grace_end = wait_for_grace_end(state);
    tokio::pin!(grace_end);
    let mut heartbeats = interval(state.settings.lease / 4);
    heartbeats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    heartbeats.tick().await;
    loop {
        tokio::select! {
            performed = &mut work => return Some(performed.unwrap_or_else(|error| {
                let detail = "Storage or database did not answer.".to_owned();
                Performed { cause: Some(error.to_string()), ..AttemptResult::Retry(detail).into() }
            })),
            _ = heartbeats.tick() => {
                let renewing = task::renew_task_lease(&state.system, claim, state.settings.lease);
                match db::with_query_timeout(renewing).await {
                    Ok(true) => {}
                    Ok(false) => return None,
                    Err(error) => warn!(error = %error, "Could not renew the lease of a task: {error}"),
                }
            }
            () = &mut grace_end => return Some(AttemptResult::GivenBack.into()),
        }
    }
}

/// Does what the task's kind does.
async fn perform_task(state: &AppState, claim: &TaskClaim) -> Result<Performed, db::DbError> {
    if find_rules(claim.kind).is_lost(claim.lost) {
        let detail = format!("{} workers disappeared while they did this.", claim.lost);
        return Ok(AttemptResult::Failed(detail).into());
    }
    match claim.kind {
        TaskKind::Seal => seal::perform_seal(state, claim).await,
        TaskKind::SignInMail => sign_in_mail::perform_sign_in_mail(state, claim).await,
        TaskKind::Mail => mail::perform_mail(state, claim).await,
        TaskKind::Webhook => webhook::perform_webhook(state, claim).await,
        TaskKind::Delivery => delivery::perform_delivery(state, claim).await,
        TaskKind::Import => import::perform_import(state, claim).boxed().await,
        TaskKind::ImportBatch => import::perform_import_batch(state, claim).boxed().await,
    }
}

/// Decides what an attempt means for its task.
fn decide_end(claim: &TaskClaim, performed: &Performed) -> TaskEnd {
    let rules = find_rules(claim.kind);
    let (outcome, error) = match &performed.result {
        AttemptResult::Done => (TaskOutcome::Done, None),
        AttemptResult::Retry(reason) if rules.is_last_try(claim.tries) => (TaskOutcome::Failed, Some(reason)),
        AttemptResult::Retry(reason) => (TaskOutcome::Retry(rules.choose_pause(claim.tries)), Some(reason)),
        AttemptResult::Failed(reason) => (TaskOutcome::Failed, Some(reason)),
        AttemptResult::GivenBack => (TaskOutcome::GivenBack, None),
        AttemptResult::GoesOn => (TaskOutcome::GoesOn, None),
    };
    TaskEnd { outcome, status: performed.status, latency: performed.latency, error: error.cloned() }
}

/// Settles a task with its effect. Returns the task's new state; none when another worker has the task.
async fn settle_performed(
    state: &AppState,
    claim: &TaskClaim,
    performed: &mut Performed,
) -> Result<Option<TaskState>, db::DbError> {
    let (pool, end) = (&state.system, decide_end(claim, performed));
    match (&mut performed.effect, claim.kind, claim.job_id) {
        (Effect::FinishJob(seal), ..) => db::with_query_timeout(db::seal::finish_job(pool, claim, seal)).await,
        (Effect::LogSealFailure(reason), ..) => {
            db::with_query_timeout(db::seal::postpone_seal(pool, claim, &end, reason)).await
        }
        (Effect::EndListing(failure), ..) => {
            db::with_query_timeout(import::settle_listing(state, claim, &end, failure.as_ref())).await
        }
        // Not as a whole within the time of a query: it stores files.
        (Effect::EndImportBatch(batch), ..) => import::settle_import_batch(state, claim, &end, batch).boxed().await,
        (Effect::Nothing, TaskKind::Mail, Some(job)) => {
            db::with_query_timeout(mail_task::settle_mail_task(pool, claim, job, &end)).await
        }
        (Effect::Nothing, TaskKind::Delivery, _) => {
            db::with_query_timeout(db::delivery_settle::settle_delivery(pool, claim, &end)).await
        }
        (Effect::Nothing, ..) => db::with_query_timeout(task::settle_task(pool, claim, &end)).await,
    }
}

/// Logs and counts how an attempt ended.
fn report_end(claim: &TaskClaim, performed: &Performed, settled: Option<TaskState>) {
    let kind = claim.kind.name();
    let subject =
        claim.job_id.map_or_else(|| format!("The {kind} {}", claim.key), |job| format!("The {kind} of job {job}"));
    let (number, job) = (claim.claim, claim.job_id.map(tracing::field::display));
    let reason = match &performed.result {
        AttemptResult::Retry(reason) | AttemptResult::Failed(reason) => performed.cause.as_ref().unwrap_or(reason),
        AttemptResult::Done | AttemptResult::GivenBack | AttemptResult::GoesOn => "",
    };
    let outcome = match settled {
        Some(TaskState::Done) => {
            info!(job.handle = job, "{subject} is done at attempt {number}");
            "done"
        }
        Some(TaskState::Failed) => {
            warn!(job.handle = job, "{subject} was given up at attempt {number}: {reason}");
            "given-up"
        }
        Some(_) if matches!(performed.result, AttemptResult::GivenBack | AttemptResult::GoesOn) => "given-back",
        Some(_) => {
            warn!(job.handle = job, "{subject} failed at attempt {number} and is tried again: {reason}");
            "tried-again"
        }
        None => {
            warn!(job.handle = job, "{subject} was done by another worker, or its job was deleted");
            "lost"
        }
    };
    count_try(claim.kind, outcome);
}

/// Counts an attempt, for mails and webhooks also under their older names.
fn count_try(kind: TaskKind, outcome: &'static str) {
    metrics::counter!("offprint_task_tries_total", "kind" => kind.name(), "outcome" => outcome).increment(1);
    match (kind, outcome) {
        (TaskKind::Mail, "done") => metrics::counter!("offprint_mail_tries_total", "outcome" => "sent").increment(1),
        (TaskKind::Mail, "tried-again" | "given-up") => {
            metrics::counter!("offprint_mail_tries_total", "outcome" => outcome).increment(1);
        }
        (TaskKind::Webhook, "done") => {
            metrics::counter!("offprint_webhook_tries_total", "outcome" => "delivered").increment(1);
        }
        (TaskKind::Webhook, "tried-again" | "given-up") => {
            metrics::counter!("offprint_webhook_tries_total", "outcome" => outcome).increment(1);
        }
        _ => {}
    }
}

/// Wakes those who wait for what the task has changed.
fn notify_end(state: &AppState, claim: &TaskClaim, performed: &Performed, settled: Option<TaskState>) {
    if let (Effect::FinishJob(seal), Some(TaskState::Done)) = (&performed.effect, settled) {
        seal::report_finished_job(state, seal);
    }
    // A destination that was closed may have left a seal to do.
    if claim.kind == TaskKind::Delivery {
        state.tasks_available.notify_local();
    }
    // Mails and destinations are shown with their job.
    if matches!(claim.kind, TaskKind::Seal | TaskKind::Mail | TaskKind::Delivery) {
        state.job_changes.notify();
    }
}
