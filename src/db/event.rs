//! A job's log. Events are stored as code and parameters and become sentences when they are read (`i18n/event.rs`).
//! Their numbers come from a counter on the job's row, under its lock, so readers never see a gap that is filled later.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::types::Json;

use crate::db::{DbConnection, DbError, PgPool};
use crate::id::{CompanyId, JobId};

/// Every event code, with the corresponding log type of IPS where there is one. `BeginExportJob`,
/// `ExportJobRenderFileSuccess` and `ZipFileExportJobSuccess` were seen in logs of IPS; the others follow its pattern.
/// Documentation page: `string-constants/r-job-log-types`.
pub const EVENT_KINDS: &[(&str, Option<&str>)] = &[
    ("exportRequested", None),
    ("modifierWarning", Some("ExportJobRenderFileWarning")),
    ("missingSkipped", Some("ExportJobRenderFileWarning")),
    ("exportBegun", Some("BeginExportJob")),
    ("fileExported", Some("ExportJobRenderFileSuccess")),
    ("fileConverted", Some("ExportJobRenderFileSuccess")),
    ("fileExportedAsOriginal", Some("ExportJobRenderFileSuccess")),
    ("fileWarning", Some("ExportJobRenderFileWarning")),
    ("fileSkipped", Some("ExportJobRenderFileWarning")),
    ("fileFailed", Some("ExportJobRenderFileError")),
    ("fileStopped", None),
    ("exportPaused", None),
    ("exportResumed", None),
    ("stopRequested", None),
    ("runRequested", None),
    ("retryRequested", None),
    ("filesDelivered", None),
    ("deliveryFailed", Some("ExportJobRenderFileWarning")),
    ("archiveCreated", Some("ZipFileExportJobSuccess")),
    ("archiveFailed", Some("ZipFileExportJobError")),
    ("exportStopped", None),
    ("fatalError", Some("FatalError")),
    ("exportEnded", Some("EndExportJob")),
    ("emailSent", None),
    ("emailFailed", None),
];

/// Finds the log type of IPS for an event code.
pub fn find_ips_log_type(code: &str) -> Option<&'static str> {
    EVENT_KINDS.iter().find(|(name, _)| *name == code).and_then(|(_, kind)| *kind)
}

/// An event of a job's log.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct EventRow {
    /// Number within the job, from 1, without gaps.
    pub seq: i64,
    pub at: DateTime<Utc>,
    pub code: String,
    /// Position of the item; none: about the whole job.
    pub position: Option<i32>,
    /// The values for its sentence.
    pub parameters: Json<Value>,
}

/// Adds an event about the whole job. Takes the job row's lock.
pub async fn insert_event(
    connection: &mut DbConnection,
    company: CompanyId,
    job: JobId,
    code: &str,
    parameters: Value,
) -> Result<(), DbError> {
    sqlx::query(
        "with job as (
             update export_job set event_seq = event_seq + 1 where company_id = $1 and job_id = $2 returning event_seq
         )
         insert into export_event (company_id, job_id, seq, code, parameters) select $1, $2, event_seq, $3, $4 from job",
    )
    .bind(company)
    .bind(job)
    .bind(code)
    .bind(Json(parameters))
    .execute(connection)
    .await?;
    Ok(())
}

/// Lists at most `limit` events after number `after`, oldest first. `codes` none: all events.
pub async fn list_events(
    pool: &PgPool,
    company: CompanyId,
    job: JobId,
    codes: Option<&[String]>,
    after: i64,
    limit: i64,
) -> Result<Vec<EventRow>, DbError> {
    let events = sqlx::query_as(
        "select seq, at, code, position, parameters from export_event
          where company_id = $1 and job_id = $2 and seq > $3 and ($4::text[] is null or code = any($4))
          order by seq limit $5",
    )
    .bind(company)
    .bind(job)
    .bind(after)
    .bind(codes)
    .bind(limit)
    .fetch_all(pool)
    .await?;
    Ok(events)
}
