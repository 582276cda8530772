//! Sends webhook messages. A message that cannot be delivered does not change its job.

use chrono::{SecondsFormat, Utc};
use serde_json::json;

use crate::app::AppState;
use crate::db::enums::{Outcome, ShownState};
use crate::db::seal::EndedJob;
use crate::db::task::{NewTask, TaskClaim};
use crate::db::webhook::{WebhookPayload, build_webhook_task};
use crate::db::{self, webhook_secret};
use crate::notify::webhook::{WebhookMessage, WebhookReply};
use crate::worker::performed::{AttemptResult, Performed};

/// Builds the message about a job that ends, if its request names a receiver.
/// Its links begin with `public_url`, where the service knows it.
pub(super) fn build_webhook(job: &EndedJob, outcome: Outcome, public_url: Option<&str>) -> Option<NewTask> {
    let url = job.callback_url.as_deref()?;
    let event_type = match outcome {
        Outcome::Succeeded | Outcome::SucceededWithWarnings | Outcome::PartiallyFailed => "export_job.finished",
        Outcome::Failed => "export_job.failed",
        Outcome::Stopped => "export_job.stopped",
    };
    let base = public_url.unwrap_or_default().trim_end_matches('/');
    let job_path = format!("{base}/export-jobs/{}", job.job_id);
    let link = |name: &str| format!("{job_path}/{name}");
    // The same names as in the job's JSON; a test compares the two.
    let body = json!({
        "type": event_type,
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
    Some(build_webhook_task(job.job_id, job.run, url, event_type, &body.to_string()))
}

/// Sends a message.
pub(super) async fn perform_webhook(state: &AppState, claim: &TaskClaim) -> Result<Performed, db::DbError> {
    let payload: WebhookPayload = match claim.parse_payload() {
        Ok(payload) => payload,
        Err(error) => return Ok(AttemptResult::Failed(error.to_string()).into()),
    };
    let secrets =
        db::with_query_timeout(webhook_secret::ensure_webhook_secrets(&state.system, claim.company_id)).await?;
    let secrets: Vec<Vec<u8>> = secrets.into_iter().map(|secret| secret.secret).collect();
    let message =
        WebhookMessage { id: claim.task_id.to_string(), url: &payload.url, body: &payload.body, secrets: &secrets };
    let reply = state.webhook_sender.send(&message).await;
    Ok(Performed {
        status: reply.status,
        latency: Some(reply.latency),
        cause: reply.cause.clone(),
        ..classify_reply(reply).into()
    })
}

/// 410 Gone is the receiver's way to say that it wants no more messages (Standard Webhooks).
fn classify_reply(reply: WebhookReply) -> AttemptResult {
    match reply {
        WebhookReply { error: None, .. } => AttemptResult::Done,
        WebhookReply { status: Some(410), error: Some(error), .. } => AttemptResult::Failed(error),
        WebhookReply { error: Some(error), .. } => AttemptResult::Retry(error),
    }
}
