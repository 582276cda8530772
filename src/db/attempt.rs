//! Attempts at items: the one that a worker holds, and how each of the earlier ones ended, as settle recorded it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use utoipa::ToSchema;

use crate::db::{DbError, PgPool};
use crate::id::{CompanyId, JobId, WorkerId};
use crate::reason::Reason;

/// The attempt that is settled, with the counters of the attempts before.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub company: CompanyId,
    pub job: JobId,
    pub position: i32,
    /// The fencing token.
    pub claim: i32,
    /// Part of the fence too: claims are not flushed to disk, so after a crash of the database the same number may be
    /// given out again, to another worker.
    pub worker: Option<WorkerId>,
    pub counters: AttemptCounters,
}

/// What the earlier attempts at an item left behind. Only settle changes it; a retry of the job resets it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct AttemptCounters {
    /// Attempts that ended as [`AttemptEnding::TryAgain`].
    pub tries: i32,
    /// Render processes that died.
    pub crashes: i32,
    /// Leases that expired.
    pub lost: i32,
    pub warnings: Json<Vec<Reason>>,
}

/// How an attempt at an item ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[sqlx(type_name = "text", rename_all = "kebab-case")]
pub enum AttemptEnding {
    /// Every file is ready.
    Succeeded,
    /// The item failed for good.
    Failed,
    /// A problem outside of the item, such as storage or database: another attempt follows.
    TryAgain,
    /// The render process died: another attempt follows.
    Crashed,
    /// The worker did not renew its lease in time: another attempt follows.
    Lost,
    /// The worker shut down and gave the item back.
    GivenBack,
    /// The job was stopped.
    Stopped,
}

impl AttemptEnding {
    /// The name as it is serialized, and the metrics label `ending`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TryAgain => "try-again",
            Self::Crashed => "crashed",
            Self::Lost => "lost",
            Self::GivenBack => "given-back",
            Self::Stopped => "stopped",
        }
    }
}

/// One attempt at an item.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct AttemptRow {
    pub position: i32,
    pub worker_id: Option<WorkerId>,
    /// The worker's machine; none once the worker's row was removed.
    pub host: Option<String>,
    pub started_at: Option<DateTime<Utc>>,
    pub ended_at: DateTime<Utc>,
    pub ending: AttemptEnding,
    pub failure: Option<Json<Reason>>,
}

/// Lists the attempts at these items, in order of items, then of attempts.
pub async fn list_attempts(
    pool: &PgPool,
    company: CompanyId,
    job: JobId,
    positions: &[i32],
) -> Result<Vec<AttemptRow>, DbError> {
    let attempts = sqlx::query_as(
        "select position, worker_id, worker.host, attempt.started_at, ended_at, ending, failure
           from export_attempt attempt left join worker using (worker_id)
          where company_id = $1 and job_id = $2 and position = any($3)
          order by position, claim",
    )
    .bind(company)
    .bind(job)
    .bind(positions)
    .fetch_all(pool)
    .await?;
    Ok(attempts)
}
