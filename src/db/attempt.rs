//! Attempts: every try of an item that ended, as settle wrote it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use utoipa::ToSchema;

use crate::reason::Note;
use crate::db::{Error, PgPool};
use crate::id::{CompanyId, JobId, WorkerId};

/// How a try ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[sqlx(type_name = "text", rename_all = "kebab-case")]
pub enum AttemptEnding {
    /// Every file was made.
    Succeeded,
    /// It failed for good.
    Failed,
    /// The world was at fault: another try follows.
    TryAgain,
    /// The render's process died: another try follows.
    Crashed,
    /// The worker was silent for longer than its lease: another try follows.
    Lost,
    /// The worker closed and gave it back.
    GivenBack,
    /// The job was stopped.
    Stopped,
}

impl AttemptEnding {
    /// The word for it.
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

/// One try of an item.
#[derive(Clone, Debug, sqlx::FromRow)]
#[allow(missing_docs, reason = "columns; migrations/0001_foundation.sql says what they mean")]
pub struct Attempt {
    pub position: i32,
    pub worker_id: Option<WorkerId>,
    /// The worker's machine, as long as the worker is remembered.
    pub host: Option<String>,
    pub started_at: Option<DateTime<Utc>>,
    pub ended_at: DateTime<Utc>,
    pub ending: AttemptEnding,
    pub failure: Option<Json<Note>>,
}

/// The tries of the items at these positions, both counted in, in the order of items and then of tries.
pub async fn list(
    pool: &PgPool,
    company: CompanyId,
    job: JobId,
    (first, last): (i32, i32),
) -> Result<Vec<Attempt>, Error> {
    let found = sqlx::query_as(
        "select position, worker_id, worker.host, attempt.started_at, ended_at, ending, failure
           from export_attempt attempt left join worker using (worker_id)
          where company_id = $1 and job_id = $2 and position between $3 and $4
          order by position, claim",
    )
    .bind(company)
    .bind(job)
    .bind(first)
    .bind(last)
    .fetch_all(pool)
    .await?;
    Ok(found)
}
