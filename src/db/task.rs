//! Tasks: background work that is not an item. One table and one set of queries for all kinds.
//!
//! ```text
//!   insert_tasks ──> waiting ──claim──> running ──settle──> done | failed
//!                       ^                  │
//!                       └── settle: tried again or given back;  the lease expired: claimed by another worker
//! ```
//!
//! Whatever makes the work necessary inserts the task in its own transaction. [`super::task_claim`] hands tasks out,
//! [`renew_task_lease`] keeps one, and [`settle_task`] is the only way out of `running`. The column `claim` is the fencing
//! token, as it is for items: it grows with each claim, and what names an older one changes nothing. What a kind writes
//! beside (a job that is finished, a line of a log) it writes in the transaction of the settle, and only when that wrote.
//!
//! A task that belongs to a job or an import is written under the lock of its row or without it, never the other way round:
//! job or import first, then task.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::PgExecutor;
use sqlx::types::Json;

use crate::db::interval::to_pg_interval;
use crate::db::{DbConnection, DbError, PgPool};
use crate::id::{CompanyId, ImportId, JobId, TaskId};

/// What a task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, sqlx::Type, Serialize)]
#[serde(rename_all = "kebab-case")]
#[sqlx(type_name = "text", rename_all = "kebab-case")]
pub enum TaskKind {
    /// Writes manifests and archive index of a run whose items have all ended, and finishes the job.
    Seal,
    /// Sends the mail by which a user signs in.
    SignInMail,
    /// Sends a mail about a run that has ended.
    Mail,
    /// Sends a webhook message about a run that has ended.
    Webhook,
    /// Delivers files of a job to one of its destinations.
    Delivery,
    /// Lists the source of an import.
    Import,
    /// Brings some files of an import.
    ImportBatch,
}

impl TaskKind {
    pub const ALL: [Self; 7] =
        [Self::Seal, Self::SignInMail, Self::Mail, Self::Webhook, Self::Delivery, Self::Import, Self::ImportBatch];

    /// The name in the table and in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Seal => "seal",
            Self::SignInMail => "sign-in-mail",
            Self::Mail => "mail",
            Self::Webhook => "webhook",
            Self::Delivery => "delivery",
            Self::Import => "import",
            Self::ImportBatch => "import-batch",
        }
    }
}

/// State of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum TaskState {
    /// To be done, for the first time or again.
    Waiting,
    /// A worker has claimed it.
    Running,
    Done,
    /// Given up.
    Failed,
}

/// A task to insert. Names are those of the columns.
#[derive(Clone, Debug, Serialize)]
pub struct NewTask {
    pub task_id: TaskId,
    pub kind: TaskKind,
    pub job_id: Option<JobId>,
    /// The import that it belongs to, and goes with.
    pub import_id: Option<ImportId>,
    pub run: Option<i32>,
    /// Tells the tasks of one kind and run apart.
    pub key: String,
    /// Number of the end of the job's group that it tells of; none: it is about the job.
    pub group_end: Option<i32>,
    /// What the kind needs to know.
    pub payload: Value,
    /// Seconds until it is given up; none: never.
    pub give_up_after: Option<f64>,
    /// Why it is never tried: it is inserted as failed.
    pub refusal: Option<String>,
}

impl NewTask {
    /// A task of a run of a job, to be done at once and never given up.
    pub fn of_run(kind: TaskKind, job: JobId, run: i32) -> Self {
        Self {
            task_id: TaskId::new(),
            kind,
            job_id: Some(job),
            import_id: None,
            run: Some(run),
            key: String::new(),
            group_end: None,
            payload: Value::Object(serde_json::Map::new()),
            give_up_after: None,
            refusal: None,
        }
    }

    /// A task of a run of an import, to be done at once and never given up.
    pub fn of_import(kind: TaskKind, import: ImportId, run: i32) -> Self {
        Self { job_id: None, import_id: Some(import), ..Self::of_run(kind, JobId(import.0), run) }
    }
}

/// Inserts tasks with the transaction that makes them necessary. Those that exist already stay as they are.
pub async fn insert_tasks(connection: &mut DbConnection, company: CompanyId, tasks: &[NewTask]) -> Result<(), DbError> {
    sqlx::query(
        "insert into task (company_id, task_id, kind, job_id, import_id, run, key, group_end, payload, give_up_at, state, detail, ended_at)
         select $1, task_id, kind, job_id, import_id, run, key, group_end, payload, now() + make_interval(secs => give_up_after),
                case when refusal is null then 'waiting' else 'failed' end, refusal, case when refusal is not null then now() end
           from jsonb_to_recordset($2) as new (
                task_id uuid, kind text, job_id uuid, import_id uuid, run int, key text, group_end int, payload jsonb,
                give_up_after float8, refusal text)
         on conflict on constraint one_task_a_key do nothing",
    )
    .bind(company)
    .bind(Json(tasks))
    .execute(connection)
    .await?;
    Ok(())
}

/// A task that a worker has claimed.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct TaskClaim {
    pub company_id: CompanyId,
    pub task_id: TaskId,
    pub kind: TaskKind,
    pub job_id: Option<JobId>,
    pub import_id: Option<ImportId>,
    pub run: Option<i32>,
    pub key: String,
    pub payload: Json<Value>,
    /// Number of this attempt, and the fencing token.
    pub claim: i32,
    /// Failed attempts so far.
    pub tries: i32,
    /// Attempts so far whose worker disappeared.
    pub lost: i32,
}

/// A payload that its kind does not understand: a bug, or a newer version's.
#[derive(Debug, thiserror::Error)]
#[error("the payload of the task cannot be read: {0}")]
pub struct PayloadError(#[from] serde_json::Error);

impl TaskClaim {
    /// What the kind needs to know.
    pub fn parse_payload<P: DeserializeOwned>(&self) -> Result<P, PayloadError> {
        Ok(P::deserialize(&self.payload.0)?)
    }
}

/// Renews the lease of a task. Returns `false` when the task is no longer the caller's.
pub async fn renew_task_lease(pool: &PgPool, claim: &TaskClaim, lease: Duration) -> Result<bool, DbError> {
    let renewed = sqlx::query(
        "update task set lease_until = now() + $4
          where company_id = $1 and task_id = $2 and claim = $3 and state = 'running'",
    )
    .bind(claim.company_id)
    .bind(claim.task_id)
    .bind(claim.claim)
    .bind(to_pg_interval(lease))
    .execute(pool)
    .await?;
    Ok(renewed.rows_affected() == 1)
}

/// What an attempt means for its task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskOutcome {
    Done,
    /// Try again after this pause, unless the task's deadline is over by then.
    Retry(Duration),
    /// Give up.
    Failed,
    /// The worker shuts down: another one may begin at once. Counts as no try.
    GivenBack,
    /// A part is done, and the rest goes on at once. Workers that disappeared before count no more: what was done is not
    /// what ended them.
    GoesOn,
}

/// The end of an attempt.
#[derive(Clone, Debug)]
pub struct TaskEnd {
    pub outcome: TaskOutcome,
    /// What the other side answered, such as an HTTP status.
    pub status: Option<u16>,
    /// Time until the other side answered or failed.
    pub latency: Option<Duration>,
    /// Why it was not done, for the owner of the task.
    pub error: Option<String>,
}

impl TaskEnd {
    pub fn new(outcome: TaskOutcome, error: Option<String>) -> Self {
        Self { outcome, status: None, latency: None, error }
    }
}

/// Settles a task and completes the record of its attempt. Returns the task's new state; none when the task is no longer
/// the caller's: then the task stays as it is.
pub async fn settle_task(
    executor: impl PgExecutor<'_>,
    claim: &TaskClaim,
    end: &TaskEnd,
) -> Result<Option<TaskState>, DbError> {
    let (to, ending, pause) = match end.outcome {
        TaskOutcome::Done => (TaskState::Done, "done", Duration::ZERO),
        TaskOutcome::Retry(pause) => (TaskState::Waiting, "tried-again", pause),
        TaskOutcome::Failed => (TaskState::Failed, "failed", Duration::ZERO),
        TaskOutcome::GivenBack | TaskOutcome::GoesOn => (TaskState::Waiting, "given-back", Duration::ZERO),
    };
    let settled = sqlx::query_scalar(
        "with transition as (
             select case when $5 = 'tried-again' and now() + $6 > give_up_at then 'failed' else $4 end as to_state
               from task where company_id = $1 and task_id = $2
         ), settled as (
             -- The fence.
             update task
                set state = to_state, lease_until = null, run_at = now() + $6,
                    tries = tries + ($5 in ('tried-again', 'failed'))::int,
                    detail = case when $5 = 'given-back' then detail else $9 end, lost = case when $10 then 0 else lost end,
                    ended_at = case when to_state <> 'waiting' then now() end
               from transition where company_id = $1 and task_id = $2 and claim = $3 and state = 'running'
             returning state
         ), attempt as (
             -- Once. Also when another worker has claimed the task since: what became of it is told, but it is lost.
             update task_attempt
                set ended_at = now(), latency = $7, status = $8, error = $9,
                    ending = case when not exists (select from settled) then 'lost'
                                  when (select state from settled) = 'failed' then 'failed' else $5 end
              where company_id = $1 and task_id = $2 and attempt = $3 and ended_at is null
         )
         select state from settled",
    )
    .bind(claim.company_id)
    .bind(claim.task_id)
    .bind(claim.claim)
    .bind(to)
    .bind(ending)
    .bind(to_pg_interval(pause))
    .bind(end.latency.map(|latency| i32::try_from(latency.as_millis()).unwrap_or(i32::MAX)))
    .bind(end.status.and_then(|status| i16::try_from(status).ok()))
    .bind(end.error.as_deref())
    .bind(end.outcome == TaskOutcome::GoesOn)
    .fetch_optional(executor)
    .await?;
    Ok(settled)
}
