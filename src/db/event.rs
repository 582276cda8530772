//! A job's log: codes and parameters, numbered from the counter on the job row under its lock.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::types::Json;

use crate::db::{Connection, Error, PgPool};
use crate::id::{CompanyId, JobId};

/// Every event: its code, and the log type of IPS that says the same, where there is one. `BeginExportJob`,
/// `ExportJobRenderFileSuccess` and `ZipFileExportJobSuccess` were seen in logs of IPS; the others follow its pattern
/// (`string-constants/r-job-log-types`).
pub const KINDS: &[(&str, Option<&str>)] = &[
    ("exportOrdered", None),
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
    ("runOrdered", None),
    ("retryOrdered", None),
    ("archiveCreated", Some("ZipFileExportJobSuccess")),
    ("archiveFailed", Some("ZipFileExportJobError")),
    ("exportStopped", None),
    ("fatalError", Some("FatalError")),
    ("exportEnded", Some("EndExportJob")),
    ("emailSent", None),
    ("emailFailed", None),
];

/// The log type of IPS for an event.
pub fn ips_log_type(code: &str) -> Option<&'static str> {
    KINDS.iter().find(|(name, _)| *name == code).and_then(|(_, kind)| *kind)
}

/// One line of a job's log.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Event {
    /// Its number within the job, from 1, without gaps.
    pub seq: i64,
    /// When it was written.
    pub at: DateTime<Utc>,
    /// What happened.
    pub code: String,
    /// The item it is about.
    pub position: Option<i32>,
    /// What the sentence needs.
    pub parameters: Json<Value>,
}

/// Adds an event about the whole job. Takes the job row's lock.
pub async fn add(
    connection: &mut Connection,
    company: CompanyId,
    job: JobId,
    code: &str,
    parameters: Value,
) -> Result<(), Error> {
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

/// At most `limit` events after the given number, first to last, of these codes or of all.
pub async fn list(
    pool: &PgPool,
    company: CompanyId,
    job: JobId,
    codes: Option<&[String]>,
    after: i64,
    limit: i64,
) -> Result<Vec<Event>, Error> {
    let found = sqlx::query_as(
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
    Ok(found)
}
