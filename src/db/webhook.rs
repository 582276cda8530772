//! Webhook messages: tasks that are written when a run ends, and are listed with every attempt to send them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::types::Json;
use utoipa::ToSchema;

use crate::db::interval::to_pg_interval;
use crate::db::task::{NewTask, TaskKind};
use crate::db::{DbError, PgPool};
use crate::id::{CompanyId, ImportId, JobId, WebhookId};

/// How long a message is tried, from when it was written or replayed.
pub const MESSAGE_TTL: Duration = Duration::from_secs(24 * 3600);

/// State of a webhook message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum DeliveryState {
    /// To be sent, for the first time or again.
    Waiting,
    /// A worker is sending it.
    Sending,
    /// The receiver accepted it.
    Delivered,
    /// Given up.
    Failed,
}

/// What a message is, in its task.
#[derive(Clone, Debug, Deserialize)]
pub struct WebhookPayload {
    pub url: String,
    /// The exact bytes that every attempt sends.
    pub body: String,
}

/// The message about a run. `event_type` is such as `export_job.finished`.
pub fn build_webhook_task(job: JobId, run: i32, url: &str, event_type: &str, body: &str) -> NewTask {
    NewTask {
        payload: json!({ "url": url, "type": event_type, "body": body }),
        give_up_after: Some(MESSAGE_TTL.as_secs_f64()),
        ..NewTask::of_run(TaskKind::Webhook, job, run)
    }
}

/// The message about a run of an import.
pub fn build_import_webhook_task(import: ImportId, run: i32, url: &str, body: &str) -> NewTask {
    NewTask {
        payload: json!({ "url": url, "type": "import.finished", "body": body }),
        give_up_after: Some(MESSAGE_TTL.as_secs_f64()),
        ..NewTask::of_import(TaskKind::Webhook, import, run)
    }
}

/// A message with its attempts, as lists show it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct DeliveryRow {
    pub webhook_id: WebhookId,
    pub run: i32,
    pub url: String,
    pub r#type: String,
    pub state: DeliveryState,
    pub created_at: DateTime<Utc>,
    /// When it will be sent next; none when it has ended or is being sent.
    pub next_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    /// The last fifty, oldest first.
    pub attempts: Json<Vec<DeliveryAttemptRow>>,
}

/// An attempt to send a message.
#[derive(Clone, Debug, Deserialize)]
pub struct DeliveryAttemptRow {
    pub attempt: i32,
    pub begun_at: DateTime<Utc>,
    /// Milliseconds.
    pub latency: Option<i32>,
    pub status: Option<i16>,
    pub error: Option<String>,
    /// Whether a worker is still sending.
    pub going_on: bool,
}

/// Lists at most `limit` messages of a job in order of their runs, after run `after`.
pub async fn list_deliveries(
    pool: &PgPool,
    company: CompanyId,
    job: JobId,
    after: i32,
    limit: i64,
) -> Result<Vec<DeliveryRow>, DbError> {
    let deliveries = sqlx::query_as(
        "select task_id as webhook_id, run, payload ->> 'url' as url, payload ->> 'type' as type, created_at, ended_at,
                case state when 'running' then 'sending' when 'done' then 'delivered' else state end as state,
                case when state = 'waiting' then run_at end as next_at, attempts
           from task webhook
          cross join lateral (
                select coalesce(jsonb_agg(to_jsonb(recent) order by attempt), '[]') as attempts
                  from (select attempt, begun_at, latency, status, error,
                               attempt = webhook.claim and webhook.state = 'running' and webhook.lease_until >= now() as going_on
                          from task_attempt
                         where task_attempt.company_id = webhook.company_id and task_attempt.task_id = webhook.task_id
                         order by attempt desc limit 50) recent) history
          where company_id = $1 and job_id = $2 and kind = 'webhook' and run > $3 order by run limit $4",
    )
    .bind(company)
    .bind(job)
    .bind(after)
    .bind(limit)
    .fetch_all(pool)
    .await?;
    Ok(deliveries)
}

/// Schedules a message to be sent again, at once and for another 24 hours. Returns `false` when a worker is sending it
/// right now.
///
/// # Errors
/// [`DbError::NotFound`] when the job has no such message.
pub async fn replay_webhook(
    pool: &PgPool,
    company: CompanyId,
    job: JobId,
    webhook: WebhookId,
) -> Result<bool, DbError> {
    let replayed: Option<bool> = sqlx::query_scalar(
        "with target as (
             select company_id, task_id, state = 'running' and lease_until >= now() as in_flight
               from task where company_id = $1 and job_id = $2 and task_id = $3 and kind = 'webhook' for update
         ), replayed as (
             update task
                set state = 'waiting', tries = 0, lost = 0, run_at = now(), lease_until = null, give_up_at = now() + $4,
                    ended_at = null
               from target
              where task.company_id = target.company_id and task.task_id = target.task_id and not in_flight
         )
         select not in_flight from target",
    )
    .bind(company)
    .bind(job)
    .bind(webhook)
    .bind(to_pg_interval(MESSAGE_TTL))
    .fetch_optional(pool)
    .await?;
    replayed.ok_or(DbError::NotFound("delivery of this job"))
}
