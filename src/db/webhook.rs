//! Webhooks: messages to the receivers that jobs name, leased like items, with every try of each.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use utoipa::ToSchema;

use crate::db::item::interval;
use crate::db::{Connection, Error, PgPool};
use crate::id::{CompanyId, JobId, WebhookId};

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum DeliveryState {
    /// It is to be sent, for the first time or again.
    Waiting,
    /// A worker sends it.
    Sending,
    /// The receiver has it.
    Delivered,
    /// It was given up.
    Failed,
}

/// A message that is to be written.
#[derive(Clone, Debug)]
pub struct NewWebhook<'a> {
    /// Where to.
    pub url: &'a str,
    /// What happened.
    pub kind: &'static str,
    /// What every try sends.
    pub body: String,
}

/// Writes down the message of a run that ends with this transaction.
pub async fn write(
    connection: &mut Connection,
    company: CompanyId,
    job: JobId,
    run: i32,
    new: &NewWebhook<'_>,
) -> Result<(), Error> {
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

/// A message that a worker sends.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Due {
    /// Whose it is.
    pub company_id: CompanyId,
    /// The message.
    pub webhook_id: WebhookId,
    /// The job it tells of.
    pub job_id: JobId,
    /// Where to.
    pub url: String,
    /// What is sent.
    pub body: String,
    /// The number of this try, and the fence.
    pub claim: i32,
    /// Failed tries since it was written or replayed.
    pub tries: i32,
}

/// Takes a message that is due, for the length of a lease, and writes down that it is tried. Companies with the fewest
/// messages on their way come first, so that receivers that hang hold up nobody else's.
pub async fn claim(pool: &PgPool, lease: Duration) -> Result<Option<Due>, Error> {
    let due = sqlx::query_as(
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
         ), begun as (
             insert into webhook_attempt (company_id, webhook_id, attempt) select company_id, webhook_id, claim from taken
         )
         select * from taken",
    )
    .bind(interval(lease))
    .fetch_optional(pool)
    .await?;
    Ok(due)
}

/// How a try ended, for the message.
#[derive(Clone, Copy, Debug)]
pub enum Sent {
    /// The receiver has it.
    Yes,
    /// It did not work; again after this pause, unless its time is over by then.
    Later(Duration),
    /// The receiver wants no more of it.
    Never,
}

/// What is known of a try that ended.
#[derive(Clone, Debug)]
pub struct Ended<'a> {
    /// The receiver's answer.
    pub status: Option<u16>,
    /// What went wrong.
    pub error: Option<&'a str>,
    /// Until the answer or the error was there.
    pub latency: Duration,
}

/// Settles a message and completes its try. What it is now; none when it is not the caller's any more.
pub async fn settle(pool: &PgPool, due: &Due, sent: Sent, ended: &Ended<'_>) -> Result<Option<DeliveryState>, Error> {
    let (to, pause) = match sent {
        Sent::Yes => (DeliveryState::Delivered, Duration::ZERO),
        Sent::Later(pause) => (DeliveryState::Waiting, pause),
        Sent::Never => (DeliveryState::Failed, Duration::ZERO),
    };
    let settled = sqlx::query_scalar(
        "with verdict as (
             select case when $4 = 'waiting' and now() + $5 > give_up_at then 'failed' else $4 end as to_state
               from webhook where company_id = $1 and webhook_id = $2
         ), settled as (
             update webhook
                set state = to_state, lease_until = null, run_at = now() + $5, tries = tries + (to_state <> 'delivered')::int,
                    ended_at = case when to_state <> 'waiting' then now() end
               from verdict where company_id = $1 and webhook_id = $2 and claim = $3 and state = 'sending'
             returning state
         ), told as (
             update webhook_attempt set latency = $6, status = $7, error = $8
              where company_id = $1 and webhook_id = $2 and attempt = $3
         )
         select state from settled",
    )
    .bind(due.company_id)
    .bind(due.webhook_id)
    .bind(due.claim)
    .bind(to)
    .bind(interval(pause))
    .bind(i32::try_from(ended.latency.as_millis()).unwrap_or(i32::MAX))
    .bind(ended.status.and_then(|status| i16::try_from(status).ok()))
    .bind(ended.error)
    .fetch_optional(pool)
    .await?;
    Ok(settled)
}

/// A message with its tries, as lists show it.
#[derive(Clone, Debug, sqlx::FromRow)]
#[allow(missing_docs, reason = "columns; migrations/0017_webhooks.sql says what they mean")]
pub struct Delivery {
    pub webhook_id: WebhookId,
    pub run: i32,
    pub url: String,
    pub r#type: String,
    pub state: DeliveryState,
    pub created_at: DateTime<Utc>,
    /// When it is tried next; none when nothing more will be done.
    pub next_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    /// The last ones, first to last.
    pub attempts: Json<Vec<Attempt>>,
}

/// A try.
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs, reason = "columns; migrations/0017_webhooks.sql says what they mean")]
pub struct Attempt {
    pub attempt: i32,
    pub begun_at: DateTime<Utc>,
    pub latency: Option<i32>,
    pub status: Option<i16>,
    pub error: Option<String>,
    /// Whether it still goes on.
    pub going_on: bool,
}

/// At most `limit` messages of a job, by run, after the given one.
pub async fn list(
    pool: &PgPool,
    company: CompanyId,
    job: JobId,
    after: i32,
    limit: i64,
) -> Result<Vec<Delivery>, Error> {
    let found = sqlx::query_as(
        "select webhook_id, run, url, type, state, created_at, ended_at, case when state = 'waiting' then run_at end as next_at, attempts
           from webhook
          cross join lateral (
                select coalesce(jsonb_agg(to_jsonb(tried) order by attempt), '[]') as attempts
                  from (select attempt, begun_at, latency, status, error,
                               attempt = webhook.claim and webhook.state = 'sending' and webhook.lease_until >= now() as going_on
                          from webhook_attempt tried
                         where tried.company_id = webhook.company_id and tried.webhook_id = webhook.webhook_id
                         order by attempt desc limit 50) tried) tried
          where company_id = $1 and job_id = $2 and run > $3 order by run limit $4",
    )
    .bind(company)
    .bind(job)
    .bind(after)
    .bind(limit)
    .fetch_all(pool)
    .await?;
    Ok(found)
}

/// Has a message sent again, at once and for another day. `false` when it is on its way right now.
///
/// # Errors
/// [`Error::Missing`] when the job has no such message.
pub async fn replay(pool: &PgPool, company: CompanyId, job: JobId, webhook: WebhookId) -> Result<bool, Error> {
    let replayed: Option<bool> = sqlx::query_scalar(
        "with meant as (
             select company_id, webhook_id, state = 'sending' and lease_until >= now() as on_its_way
               from webhook where company_id = $1 and job_id = $2 and webhook_id = $3 for update
         ), again as (
             update webhook
                set state = 'waiting', tries = 0, run_at = now(), lease_until = null, give_up_at = now() + interval '24 hours',
                    ended_at = null
               from meant
              where webhook.company_id = meant.company_id and webhook.webhook_id = meant.webhook_id and not on_its_way
         )
         select not on_its_way from meant",
    )
    .bind(company)
    .bind(job)
    .bind(webhook)
    .fetch_optional(pool)
    .await?;
    replayed.ok_or(Error::Missing("delivery of this job"))
}
