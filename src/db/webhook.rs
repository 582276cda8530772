//! Webhook messages: written when a run ends, claimed and leased like items, with a record of every attempt to send
//! them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use utoipa::ToSchema;

use crate::db::interval::to_pg_interval;
use crate::db::{DbConnection, DbError, PgPool};
use crate::id::{CompanyId, JobId, WebhookId};

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

/// A message to insert.
#[derive(Clone, Debug)]
pub struct NewWebhook<'a> {
    pub url: &'a str,
    /// The event type, such as `export_job.finished`.
    pub kind: &'static str,
    /// The exact bytes that every attempt sends.
    pub body: String,
}

/// Inserts the message of a run that ends with this transaction.
pub async fn insert_webhook(
    connection: &mut DbConnection,
    company: CompanyId,
    job: JobId,
    run: i32,
    new: &NewWebhook<'_>,
) -> Result<(), DbError> {
    sqlx::query(
        "insert into webhook (company_id, webhook_id, job_id, run, url, type, body) values ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(company)
    .bind(WebhookId::new())
    .bind(job)
    .bind(run)
    .bind(new.url)
    .bind(new.kind)
    .bind(&new.body)
    .execute(connection)
    .await?;
    Ok(())
}

/// A message that a worker has claimed.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct WebhookClaim {
    pub company_id: CompanyId,
    pub webhook_id: WebhookId,
    pub job_id: JobId,
    pub url: String,
    pub body: String,
    /// Number of this attempt, and the fencing token.
    pub claim: i32,
    /// Failed attempts since it was written or replayed.
    pub tries: i32,
}

/// Claims a message that is due, for the length of a lease, and records the attempt. Companies with the fewest messages
/// in flight come first, so that one company's slow receivers do not delay the messages of others.
pub async fn claim_webhook(pool: &PgPool, lease: Duration) -> Result<Option<WebhookClaim>, DbError> {
    let claim = sqlx::query_as(
        "with busy as (
             select company_id, count(*) as sends from webhook where state = 'sending' and lease_until >= now() group by company_id
         ), due as (
             select webhook.company_id, webhook_id
               from webhook join export_job job using (company_id, job_id) left join busy using (company_id)
              where job.deleted_at is null
                and ((webhook.state = 'waiting' and run_at <= now()) or (webhook.state = 'sending' and lease_until < now()))
              order by coalesce(sends, 0), run_at limit 1 for update of webhook skip locked
         ), taken as (
             update webhook set state = 'sending', claim = claim + 1, lease_until = now() + $1
               from due where webhook.company_id = due.company_id and webhook.webhook_id = due.webhook_id
             returning webhook.company_id, webhook.webhook_id, job_id, url, body, claim, tries
         ), attempt as (
             insert into webhook_attempt (company_id, webhook_id, attempt) select company_id, webhook_id, claim from taken
         )
         select * from taken",
    )
    .bind(to_pg_interval(lease))
    .fetch_optional(pool)
    .await?;
    Ok(claim)
}

/// What an attempt means for its message.
#[derive(Clone, Copy, Debug)]
pub enum WebhookOutcome {
    /// The receiver accepted it.
    Delivered,
    /// It failed; try again after this pause, unless the message's deadline is over by then.
    Retry(Duration),
    /// The receiver refused it for good.
    Failed,
}

/// The facts about an attempt that ended.
#[derive(Clone, Debug)]
pub struct WebhookResult<'a> {
    /// The HTTP status; none when there was no response.
    pub status: Option<u16>,
    /// None when the message was delivered.
    pub error: Option<&'a str>,
    /// Time until the response status or the error.
    pub latency: Duration,
}

/// Settles a message and completes the record of its attempt. Returns the message's new state; none when the caller no
/// longer holds it.
pub async fn settle_webhook(
    pool: &PgPool,
    claim: &WebhookClaim,
    outcome: WebhookOutcome,
    result: &WebhookResult<'_>,
) -> Result<Option<DeliveryState>, DbError> {
    let (to, pause) = match outcome {
        WebhookOutcome::Delivered => (DeliveryState::Delivered, Duration::ZERO),
        WebhookOutcome::Retry(pause) => (DeliveryState::Waiting, pause),
        WebhookOutcome::Failed => (DeliveryState::Failed, Duration::ZERO),
    };
    let settled = sqlx::query_scalar(
        "with transition as (
             select case when $4 = 'waiting' and now() + $5 > give_up_at then 'failed' else $4 end as to_state
               from webhook where company_id = $1 and webhook_id = $2
         ), settled as (
             update webhook
                set state = to_state, lease_until = null, run_at = now() + $5, tries = tries + (to_state <> 'delivered')::int,
                    ended_at = case when to_state <> 'waiting' then now() end
               from transition where company_id = $1 and webhook_id = $2 and claim = $3 and state = 'sending'
             returning state
         ), attempt as (
             -- Also when the message has been claimed by another worker since: this attempt has ended all the same.
             update webhook_attempt set latency = $6, status = $7, error = $8
              where company_id = $1 and webhook_id = $2 and attempt = $3
         )
         select state from settled",
    )
    .bind(claim.company_id)
    .bind(claim.webhook_id)
    .bind(claim.claim)
    .bind(to)
    .bind(to_pg_interval(pause))
    .bind(i32::try_from(result.latency.as_millis()).unwrap_or(i32::MAX))
    .bind(result.status.and_then(|status| i16::try_from(status).ok()))
    .bind(result.error)
    .fetch_optional(pool)
    .await?;
    Ok(settled)
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
        "select webhook_id, run, url, type, state, created_at, ended_at, case when state = 'waiting' then run_at end as next_at, attempts
           from webhook
          cross join lateral (
                select coalesce(jsonb_agg(to_jsonb(recent) order by attempt), '[]') as attempts
                  from (select attempt, begun_at, latency, status, error,
                               attempt = webhook.claim and webhook.state = 'sending' and webhook.lease_until >= now() as going_on
                          from webhook_attempt
                         where webhook_attempt.company_id = webhook.company_id and webhook_attempt.webhook_id = webhook.webhook_id
                         order by attempt desc limit 50) recent) history
          where company_id = $1 and job_id = $2 and run > $3 order by run limit $4",
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
             select company_id, webhook_id, state = 'sending' and lease_until >= now() as in_flight
               from webhook where company_id = $1 and job_id = $2 and webhook_id = $3 for update
         ), replayed as (
             update webhook
                set state = 'waiting', tries = 0, run_at = now(), lease_until = null, give_up_at = now() + interval '24 hours',
                    ended_at = null
               from target
              where webhook.company_id = target.company_id and webhook.webhook_id = target.webhook_id and not in_flight
         )
         select not in_flight from target",
    )
    .bind(company)
    .bind(job)
    .bind(webhook)
    .fetch_optional(pool)
    .await?;
    replayed.ok_or(DbError::NotFound("delivery of this job"))
}
