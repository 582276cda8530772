//! Sends the webhook messages that are due. A message that cannot be delivered does not change its job.

use std::time::Duration;

use chrono::{SecondsFormat, Utc};
use serde_json::json;
use tracing::{info, warn};

use super::get_message_delay;
use crate::app::AppState;
use crate::db::enums::{Outcome, ShownState};
use crate::db::interval::add_jitter;
use crate::db::seal::SealClaim;
use crate::db::webhook::{self, DeliveryState, NewWebhook, WebhookClaim, WebhookOutcome, WebhookResult};
use crate::db::{self, webhook_secret};
use crate::notify::webhook::{WEBHOOK_TIMEOUT, WebhookMessage, WebhookReply};

/// The lease of a message: longer than sending may take, with time to record the result.
const WEBHOOK_LEASE_TTL: Duration = WEBHOOK_TIMEOUT.saturating_mul(3);

/// Builds the message about a job that ends, if its request names a receiver.
/// Its links begin with `public_url`, where the service knows it.
pub(super) fn build_webhook<'j>(
    job: &'j SealClaim,
    outcome: Outcome,
    public_url: Option<&str>,
) -> Option<NewWebhook<'j>> {
    let url = job.callback_url.as_deref()?;
    let kind = match outcome {
        Outcome::Succeeded | Outcome::SucceededWithWarnings | Outcome::PartiallyFailed => "export_job.finished",
        Outcome::Failed => "export_job.failed",
        Outcome::Stopped => "export_job.stopped",
    };
    let base = public_url.unwrap_or_default().trim_end_matches('/');
    let job_path = format!("{base}/export-jobs/{}", job.job_id);
    let link = |name: &str| format!("{job_path}/{name}");
    // The same names as in the job's JSON; a test compares the two.
    let body = json!({
        "type": kind,
        "timestamp": Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true),
        "data": {
            "jobHandle": job.job_id, "jobName": job.job_name, "metadata": job.metadata, "run": job.run,
            "state": ShownState::Finished, "outcome": outcome,
            "counts": {
                "total": job.total, "waiting": 0, "running": 0, "succeeded": job.succeeded, "failed": job.failed,
                "skipped": job.skipped, "stopped": job.stopped, "warnings": job.warned,
            },
            "files": job.files, "bytes": job.bytes,
            "links": {
                "self": job_path, "items": link("items"), "events": link("events"), "files": link("files"),
                "download": link("download"), "archive": link("archive"), "manifest": link("manifest"),
            },
        },
    });
    Some(NewWebhook { url, kind, body: body.to_string() })
}

/// Claims a message that is due.
pub(super) async fn claim_webhook(state: &AppState) -> Result<Option<WebhookClaim>, db::DbError> {
    db::with_query_timeout(webhook::claim_webhook(&state.system, WEBHOOK_LEASE_TTL)).await
}

/// Sends one message that is due. Returns whether there was one.
pub async fn send_next_webhook(state: &AppState) -> Result<bool, db::DbError> {
    let Some(claim) = claim_webhook(state).await? else { return Ok(false) };
    deliver_webhook(state, &claim).await?;
    Ok(true)
}

/// Makes one attempt to send a claimed message, and records the result.
pub(super) async fn deliver_webhook(state: &AppState, claim: &WebhookClaim) -> Result<(), db::DbError> {
    let secrets =
        db::with_query_timeout(webhook_secret::ensure_webhook_secrets(&state.system, claim.company_id)).await?;
    let secrets: Vec<Vec<u8>> = secrets.into_iter().map(|secret| secret.secret).collect();
    let message =
        WebhookMessage { id: claim.webhook_id.to_string(), url: &claim.url, body: &claim.body, secrets: &secrets };
    let reply = state.webhook_sender.send(&message).await;
    let result = WebhookResult { status: reply.status, error: reply.error.as_deref(), latency: reply.latency };
    let settled = db::with_query_timeout(webhook::settle_webhook(
        &state.system,
        claim,
        classify_reply(&reply, claim.tries),
        &result,
    ))
    .await?;
    log_delivery(claim, settled, reply.cause.as_ref().or(reply.error.as_ref()).map_or("", String::as_str));
    Ok(())
}

/// 410 Gone is the receiver's way to say that it wants no more messages (Standard Webhooks).
fn classify_reply(reply: &WebhookReply, tries: i32) -> WebhookOutcome {
    match reply {
        WebhookReply { error: None, .. } => WebhookOutcome::Delivered,
        WebhookReply { status: Some(410), .. } => WebhookOutcome::Failed,
        _ => WebhookOutcome::Retry(get_retry_delay(tries)),
    }
}

fn log_delivery(claim: &WebhookClaim, state: Option<DeliveryState>, reason: &str) {
    let (id, attempt) = (claim.job_id, claim.claim);
    let outcome = match state {
        Some(DeliveryState::Delivered) => {
            info!(job.handle = %id, "Delivered the webhook about job {id} at attempt {attempt}");
            "delivered"
        }
        Some(DeliveryState::Waiting) => {
            warn!(job.handle = %id, "Attempt {attempt} to deliver the webhook about job {id} failed; it is tried again: {reason}");
            "tried-again"
        }
        Some(DeliveryState::Failed) => {
            warn!(job.handle = %id, "Gave up the webhook about job {id} at attempt {attempt}: {reason}");
            "given-up"
        }
        Some(DeliveryState::Sending) | None => return,
    };
    metrics::counter!("offprint_webhook_tries_total", "outcome" => outcome).increment(1);
}

fn get_retry_delay(tries: i32) -> Duration {
    add_jitter(get_message_delay(tries))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_fill_a_day_with_a_dozen_tries() {
        let sum: f64 = (0..14).map(|tries| get_retry_delay(tries).as_secs_f64()).sum();
        assert!((0..3).all(|tries| get_retry_delay(tries + 1) > get_retry_delay(tries)));
        assert!((60_000.0..110_000.0).contains(&sum), "{sum}");
        assert!(get_retry_delay(1000) <= Duration::from_secs(13_000));
    }
}
