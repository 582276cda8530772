//! Sends the webhooks that are due. What becomes of one changes nothing about its job.

use std::time::Duration;

use chrono::{SecondsFormat, Utc};
use serde_json::json;
use tracing::{info, warn};

use super::message_pause;
use crate::db::seal::Sealing;
use crate::db::settle::spread;
use crate::db::vocabulary::{Outcome, ShownState};
use crate::db::webhook::{self, DeliveryState, Due, Ended, NewWebhook, Sent};
use crate::db::{self, webhook_secret};
use crate::notify::webhook::{Answer, Message, PATIENCE};
use crate::state::State;

/// How long a message is a worker's: what sending may take, and time to write down what became of it.
const LEASE: Duration = PATIENCE.saturating_mul(3);

/// The message about a job that ends, if its order names a receiver.
pub(super) fn of(job: &Sealing, outcome: Outcome) -> Option<NewWebhook<'_>> {
    let url = job.callback_url.as_deref()?;
    let kind = match outcome {
        Outcome::Succeeded | Outcome::SucceededWithWarnings | Outcome::PartiallyFailed => "export_job.finished",
        Outcome::Failed => "export_job.failed",
        Outcome::Stopped => "export_job.stopped",
    };
    let own = format!("/export-jobs/{}", job.job_id);
    let below = |name: &str| format!("{own}/{name}");
    // The words are those of the job as it is shown; a test compares the two.
    let body = json!({
        "type": kind,
        "timestamp": Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true),
        "data": {
            "jobHandle": job.job_id, "jobName": job.job_name, "run": job.run,
            "state": ShownState::Finished, "outcome": outcome,
            "counts": {
                "total": job.total, "waiting": 0, "running": 0, "succeeded": job.succeeded, "failed": job.failed,
                "skipped": job.skipped, "stopped": job.stopped, "warnings": job.warned,
            },
            "files": job.files, "bytes": job.bytes,
            "links": {
                "self": own, "items": below("items"), "events": below("events"), "files": below("files"),
                "download": below("download"), "archive": below("archive"), "manifest": below("manifest"),
            },
        },
    });
    Some(NewWebhook { url, kind, body: body.to_string() })
}

/// Takes a message that is due.
pub(super) async fn claim(state: &State) -> Result<Option<Due>, db::Error> {
    db::patiently(webhook::claim(&state.system, LEASE)).await
}

/// Sends one message that is due. Whether there was one.
pub async fn next(state: &State) -> Result<bool, db::Error> {
    let Some(due) = claim(state).await? else { return Ok(false) };
    deliver(state, &due).await?;
    Ok(true)
}

/// Sends a message that was taken, once, and writes down what became of it.
pub(super) async fn deliver(state: &State, due: &Due) -> Result<(), db::Error> {
    let secrets = db::patiently(webhook_secret::valid(&state.system, due.company_id)).await?;
    let secrets: Vec<Vec<u8>> = secrets.into_iter().map(|secret| secret.secret).collect();
    let message = Message { id: due.webhook_id.to_string(), url: &due.url, body: &due.body, secrets: &secrets };
    let answer = state.courier.send(&message).await;
    let ended = Ended { status: answer.status, error: answer.error.as_deref(), latency: answer.latency };
    let settled = db::patiently(webhook::settle(&state.system, due, verdict(&answer, due.tries), &ended)).await?;
    tell(due, settled, answer.error.as_deref().unwrap_or_default());
    Ok(())
}

fn verdict(answer: &Answer, tries: i32) -> Sent {
    match answer {
        Answer { error: None, .. } => Sent::Yes,
        Answer { status: Some(410), .. } => Sent::Never,
        _ => Sent::Later(pause(tries)),
    }
}

fn tell(due: &Due, settled: Option<DeliveryState>, why: &str) {
    let (id, attempt) = (due.job_id, due.claim);
    let outcome = match settled {
        Some(DeliveryState::Delivered) => {
            info!(job.handle = %id, "The webhook about job {id} was delivered, at try {attempt}");
            "delivered"
        }
        Some(DeliveryState::Waiting) => {
            warn!(job.handle = %id, "The webhook about job {id} was not delivered yet, at try {attempt}: {why}");
            "tried-again"
        }
        Some(DeliveryState::Failed) => {
            warn!(job.handle = %id, "The webhook about job {id} was given up at try {attempt}: {why}");
            "given-up"
        }
        Some(DeliveryState::Sending) | None => return,
    };
    metrics::counter!("offprint_webhook_tries_total", "outcome" => outcome).increment(1);
}

fn pause(tries: i32) -> Duration {
    spread(message_pause(tries))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_fill_a_day_with_a_dozen_tries() {
        let sum: f64 = (0..14).map(|tries| pause(tries).as_secs_f64()).sum();
        assert!((0..3).all(|tries| pause(tries + 1) > pause(tries)));
        assert!((60_000.0..110_000.0).contains(&sum), "{sum}");
        assert!(pause(1000) <= Duration::from_secs(13_000));
    }
}
