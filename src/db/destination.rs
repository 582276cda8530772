//! Destinations: the stores of others to which the files of a job are delivered.
//!
//! A job has one row for each entry of `deliverTo`, with its counters; [`super::delivery`] counts and closes them. A job is
//! sealed when its items have ended and none of its destinations is open.

use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use utoipa::ToSchema;

use crate::db::{DbConnection, DbError, PgPool};
use crate::id::{CompanyId, JobId};
use crate::reason::Reason;

/// What happens when the store has another file under the path of a delivered one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum OnExistingFile {
    /// It is replaced.
    #[default]
    Overwrite,
    /// It stays, and the file counts as skipped.
    Skip,
    /// It stays, and the file counts as failed.
    Fail,
}

/// How far a destination is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum DestinationState {
    /// Files are delivered, or awaited.
    Delivering,
    /// Every file was delivered, skipped, or given up.
    Done,
    /// The job was stopped before.
    Stopped,
}

/// A destination to insert. Its number is its index.
#[derive(Clone, Debug, Serialize)]
pub struct NewDestination {
    pub connection: String,
    /// As sent.
    pub prefix_template: String,
    /// Folder in the store, without outer slashes.
    pub prefix: String,
    pub on_existing: OnExistingFile,
    /// Whether the manifests are delivered, too.
    pub manifest: bool,
    pub cache_control: Option<String>,
    /// Whose delivered files are compared, with `onlyChanged`.
    pub target: Option<String>,
    /// Whether what is gone from the selection is removed from the store.
    pub removes: bool,
    /// Unchanged files of items that the job does not have.
    pub left_out: i32,
}

/// A destination with its counters.
#[derive(Clone, Debug, Deserialize)]
pub struct DestinationRow {
    pub connection: String,
    pub prefix: String,
    pub on_existing: OnExistingFile,
    pub manifest: bool,
    pub cache_control: Option<String>,
    /// Files of the job as it was created.
    pub planned_files: i32,
    pub state: DestinationState,
    pub delivered: i32,
    pub skipped: i32,
    pub failed: i32,
    /// Of the delivered files.
    pub bytes: i64,
    /// Why the manifests were not delivered.
    pub manifest_failure: Option<Reason>,
    /// Whether manifests of this job were delivered, in this run or an earlier one.
    pub has_manifest: bool,
    /// Unchanged files of items that the job does not have.
    pub left_out: i32,
    /// Unchanged files of the job.
    pub unchanged: i32,
    /// Files that were removed from the store.
    pub removed: i32,
}

impl DestinationRow {
    /// Files for which nothing is to be done any more.
    pub fn count_handled(&self) -> i32 {
        self.delivered + self.skipped + self.unchanged + self.failed
    }
}

/// Inserts the destinations of a job that was inserted in this transaction, with its files and their number.
pub async fn insert_destinations(
    connection: &mut DbConnection,
    company: CompanyId,
    job: JobId,
    destinations: &[NewDestination],
) -> Result<(), DbError> {
    if destinations.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into destination (company_id, job_id, destination, connection, prefix_template, prefix, on_existing, manifest,
             cache_control, target, removes, left_out, planned_files)
         select $1, $2, new.number - 1, new.entry ->> 'connection', new.entry ->> 'prefix_template', new.entry ->> 'prefix',
                new.entry ->> 'on_existing', (new.entry ->> 'manifest')::boolean, new.entry ->> 'cache_control', new.entry ->> 'target', (new.entry ->> 'removes')::boolean,
                (new.entry ->> 'left_out')::int, (select count(*) from export_file file where file.company_id = $1 and file.job_id = $2)
           from jsonb_array_elements($3) with ordinality as new (entry, number)",
    )
    .bind(company)
    .bind(job)
    .bind(Json(destinations))
    .execute(&mut *connection)
    .await?;
    // `run` wakes their tasks where the job has nothing to export, so that it ends all the same.
    sqlx::query("update export_job set has_destinations = true, run = run where company_id = $1 and job_id = $2")
        .bind(company)
        .bind(job)
        .execute(connection)
        .await?;
    Ok(())
}

/// The destinations of a job, in the order of the request.
pub async fn list_destinations(pool: &PgPool, company: CompanyId, job: JobId) -> Result<Vec<DestinationRow>, DbError> {
    let rows: Vec<Json<DestinationRow>> = sqlx::query_scalar(
        "select to_jsonb(listed) from destination listed where company_id = $1 and job_id = $2 order by destination",
    )
    .bind(company)
    .bind(job)
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// Opens the destinations of a finished job again, for its next run: what could not be delivered is delivered again, and so
/// are files that the run makes anew. Returns how many files failed before. The caller holds the job's lock, and begins the
/// run afterwards.
pub async fn reopen_destinations(
    connection: &mut DbConnection,
    company: CompanyId,
    job: JobId,
) -> Result<i64, DbError> {
    let failed: i64 = sqlx::query_scalar(
        "with again as (
             delete from delivery
              where company_id = $1 and job_id = $2
                and (state = 'failed' or state in ('skipped', 'unchanged') and exists (
                    select from export_file file
                     where file.company_id = $1 and file.job_id = $2 and file.position = delivery.position
                       and file.rendition = delivery.rendition and file.state <> 'ready'))
             returning state
         ), replaced as (
             -- The store has what these files were before.
             update delivery set state = 'outdated' from export_file file
              where delivery.company_id = $1 and delivery.job_id = $2 and delivery.state = 'delivered'
                and file.company_id = $1 and file.job_id = $2 and file.position = delivery.position
                and file.rendition = delivery.rendition and file.state <> 'ready'
         )
         select count(*) from again where state = 'failed'",
    )
    .bind(company)
    .bind(job)
    .fetch_one(&mut *connection)
    .await?;
    sqlx::query(
        "with counted as (
             select delivery.destination, count(*) filter (where delivery.state = 'delivered') as delivered,
                    count(*) filter (where delivery.state = 'skipped') as skipped,
                    count(*) filter (where delivery.state = 'unchanged') as unchanged,
                    coalesce(sum(file.size) filter (where delivery.state = 'delivered'), 0) as bytes
               from delivery join export_file file using (company_id, job_id, position, rendition)
              where delivery.company_id = $1 and delivery.job_id = $2 group by delivery.destination
         ), reopened as (
             update destination
                set state = 'delivering', failed = 0, manifest_failure = null,
                    delivered = coalesce((select delivered from counted where counted.destination = destination.destination), 0),
                    skipped = coalesce((select skipped from counted where counted.destination = destination.destination), 0),
                    unchanged = coalesce((select unchanged from counted where counted.destination = destination.destination), 0),
                    bytes = coalesce((select bytes from counted where counted.destination = destination.destination), 0)
              where company_id = $1 and job_id = $2
             returning 1
         )
         update export_job
            set open_destinations = (select count(*) from reopened),
                warnings = coalesce((select jsonb_agg(warning) from jsonb_array_elements(warnings) as warning
                                      where warning ->> 'code' <> 'delivery-failed'), '[]')
          where company_id = $1 and job_id = $2",
    )
    .bind(company)
    .bind(job)
    .execute(connection)
    .await?;
    Ok(failed)
}

/// Whether a retry would have something to deliver: files that failed or were not delivered, or a manifest.
pub async fn has_undelivered(connection: &mut DbConnection, company: CompanyId, job: JobId) -> Result<bool, DbError> {
    let found = sqlx::query_scalar(
        "select exists (
             select from destination join export_job job using (company_id, job_id)
              where company_id = $1 and job_id = $2
                and (destination.failed > 0 or destination.manifest_failure is not null
                     or destination.delivered + destination.skipped + destination.unchanged < job.files))",
    )
    .bind(company)
    .bind(job)
    .fetch_one(connection)
    .await?;
    Ok(found)
}

/// Records whether the manifests of a run were delivered.
pub async fn record_manifests(
    connection: &mut DbConnection,
    company: CompanyId,
    job: JobId,
    manifests: &[(i16, Option<Reason>)],
) -> Result<(), DbError> {
    for (destination, failure) in manifests {
        sqlx::query(
            "update destination set manifest_failure = $4, has_manifest = has_manifest or $4::jsonb is null
              where company_id = $1 and job_id = $2 and destination = $3",
        )
        .bind(company)
        .bind(job)
        .bind(destination)
        .bind(failure.as_ref().map(Json))
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}
