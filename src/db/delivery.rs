//! Deliveries: files of a job on their way to one of its [destinations](super::destination).
//!
//! ```text
//!   (files become ready: a trigger wakes the task)
//!     ──> find_destination ──> list_undelivered ──> (the worker writes them) ──> record_deliveries ──> settle_delivery
//!                                   ^────────────────────────────────────────────────┘                    │
//!                                                                        files came meanwhile: woken again ┤
//!                                                                        items have ended: closed ─────────┘
//! ```
//!
//! What is left is not stored: it is the files that are ready and have no row in `delivery`. So a file that becomes ready is
//! to be delivered from the same moment on, whoever made it so. [`record_deliveries`] writes rows and counters behind the
//! fence of the task; [`settle_delivery`](super::delivery_settle::settle_delivery) looks under the job's lock, which every settle of items takes, whether any are left.

use offprint_core::Digest;
use serde::Serialize;
use sqlx::types::Json;

use crate::db::destination::OnExistingFile;
use crate::db::task::TaskClaim;
use crate::db::{DbError, PgPool};
use crate::id::{CompanyId, JobId};
use crate::reason::Reason;

/// Where a task delivers to.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct OpenDestination {
    /// Whose connection it is.
    pub company_name: String,
    pub destination: i16,
    pub connection: String,
    pub prefix: String,
    pub on_existing: OnExistingFile,
    pub cache_control: Option<String>,
    /// Whose delivered files are compared, with `onlyChanged`.
    pub target: Option<String>,
    /// Whether what is gone from the selection is removed, which is done last.
    pub removes_now: bool,
}

/// Finds the destination of a task. None when nothing is to be delivered: it is closed, or the job is stopped or deleted.
pub async fn find_destination(pool: &PgPool, claim: &TaskClaim) -> Result<Option<OpenDestination>, DbError> {
    let destination = sqlx::query_as(
        "select company.name as company_name, destination.*,
                removes and job.succeeded + job.failed + job.skipped + job.stopped = job.total as removes_now
           from destination join export_job job using (company_id, job_id) join company using (company_id)
          where company_id = $1 and job_id = $2 and destination.destination::text = $3 and destination.state = 'delivering'
            and job.state in ('active', 'paused') and job.deleted_at is null",
    )
    .bind(claim.company_id)
    .bind(claim.job_id)
    .bind(&claim.key)
    .fetch_optional(pool)
    .await?;
    Ok(destination)
}

/// Position and rendition: the order in which files are delivered.
pub type FilePlace = (i32, i16);

/// A file to deliver.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct UndeliveredFile {
    pub position: i32,
    pub rendition: i16,
    /// Path in the archive.
    pub path: String,
    #[sqlx(try_from = "[u8; 32]")]
    pub sha256: Digest,
    pub size: i64,
    pub crc32: i64,
    pub mime: Option<String>,
    /// The store has what this file was before a retry.
    pub is_outdated: bool,
    /// The store has it already, made from the same original in the same way.
    pub is_unchanged: bool,
}

/// Lists files that are ready and not delivered to a destination, behind a place.
pub async fn list_undelivered(
    pool: &PgPool,
    claim: &TaskClaim,
    destination: &OpenDestination,
    engine_version: i32,
    (position, rendition): FilePlace,
    limit: i64,
) -> Result<Vec<UndeliveredFile>, DbError> {
    let files = sqlx::query_as(
        "select file.position, file.rendition, file.path, file.sha256, file.size, file.crc32, file.mime,
                known.state is not null as is_outdated,
                $7::text is not null and exists (
                    select from delivered_file earlier
                      join export_item item on item.company_id = $1 and item.job_id = $2 and item.position = file.position
                       and item.sha256 = earlier.source_sha256
                     where earlier.company_id = $1 and earlier.target = $7 and earlier.path = file.path
                       and earlier.recipe_id is not distinct from file.recipe_id
                       and (file.recipe_id is null or earlier.engine_version = $8)) as is_unchanged
           from export_file file
           left join lateral (
                select state from delivery
                 where delivery.company_id = $1 and delivery.job_id = $2 and delivery.position = file.position
                   and delivery.rendition = file.rendition and delivery.destination = $3 offset 0) known on true
          where file.company_id = $1 and file.job_id = $2 and (file.position, file.rendition) > ($4, $5)
            and file.state = 'ready' and coalesce(known.state, 'outdated') = 'outdated'
          order by file.position, file.rendition limit $6",
    )
    .bind(claim.company_id)
    .bind(claim.job_id)
    .bind(destination.destination)
    .bind(position)
    .bind(rendition)
    .bind(limit)
    .bind(&destination.target)
    .bind(engine_version)
    .fetch_all(pool)
    .await?;
    Ok(files)
}

/// How a file ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryEnd {
    Delivered,
    /// The store has another file of this name, and the request says to leave it.
    Skipped,
    /// The store has it already.
    Unchanged,
    Failed,
}

/// The end of one file. Names are those of the statement.
#[derive(Clone, Debug, Serialize)]
pub struct DeliveryRecord {
    pub position: i32,
    pub rendition: i16,
    /// What was delivered.
    pub sha256: Digest,
    pub state: DeliveryEnd,
    pub failure: Option<Reason>,
}

/// Whether a task goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryGoesOn {
    Yes,
    /// The job was stopped or deleted.
    Stop,
    /// Another worker has the task; nothing was written.
    Lost,
}

/// Records the ends of files, with the counters of their destination, and says whether the task goes on. What was recorded
/// before is not counted again.
pub async fn record_deliveries(
    pool: &PgPool,
    claim: &TaskClaim,
    destination: i16,
    engine_version: i32,
    records: &[DeliveryRecord],
) -> Result<DeliveryGoesOn, DbError> {
    let goes_on: Option<bool> = sqlx::query_scalar(
        "with held as materialized (
             -- The fence: no row, and so no effect at all, unless this worker still holds this claim.
             select company_id, job_id from task
              where company_id = $1 and task_id = $2 and claim = $3 and state = 'running' for update
         ), progress as (
             -- Workers that disappeared before count no more: what they were at goes on.
             update task set lost = 0
               from held
              where task.company_id = $1 and task.task_id = $2 and task.lost > 0 and jsonb_array_length($5) > 0
         ), recorded as (
             insert into delivery (company_id, job_id, position, rendition, destination, state, failure)
             select held.company_id, held.job_id, new.position, new.rendition, $4, new.state, new.failure
               from held
              cross join jsonb_to_recordset($5) as new (position int, rendition smallint, sha256 text, state text, failure jsonb)
               join lateral (
                    select sha256 from export_file file
                     where file.company_id = held.company_id and file.job_id = held.job_id and file.position = new.position
                       and file.rendition = new.rendition offset 0) file on file.sha256 = decode(new.sha256, 'hex')
             on conflict (company_id, job_id, position, rendition, destination) do update
                set state = excluded.state, failure = excluded.failure where delivery.state = 'outdated'
             returning position, rendition, state
         ), counted as (
             select count(*) filter (where recorded.state = 'delivered') as delivered,
                    count(*) filter (where recorded.state = 'skipped') as skipped,
                    count(*) filter (where recorded.state = 'unchanged') as unchanged,
                    count(*) filter (where recorded.state = 'failed') as failed,
                    coalesce(sum(file.size) filter (where recorded.state = 'delivered'), 0) as bytes
               from held cross join recorded
              cross join lateral (
                    select size from export_file
                     where export_file.company_id = held.company_id and export_file.job_id = held.job_id
                       and export_file.position = recorded.position and export_file.rendition = recorded.rendition offset 0) file
         ), remembered as (
             -- For the next job with `onlyChanged`.
             insert into delivered_file (company_id, target, path, store_path, asset_id, source_sha256, recipe_id,
                    engine_version, sha256, size, job_id)
             select file.company_id, destination.target, file.path,
                    case when destination.prefix = '' then file.path else destination.prefix || '/' || file.path end,
                    item.asset_id, item.sha256, file.recipe_id, $6, file.sha256, file.size, file.job_id
               from held join destination on destination.company_id = held.company_id and destination.job_id = held.job_id
                                         and destination.destination = $4 and destination.target is not null
              cross join recorded
               join export_file file on file.company_id = held.company_id and file.job_id = held.job_id
                and file.position = recorded.position and file.rendition = recorded.rendition
               join export_item item on item.company_id = held.company_id and item.job_id = held.job_id
                and item.position = recorded.position
              where recorded.state = 'delivered'
              order by file.path
             on conflict (company_id, target, path) do update
                set store_path = excluded.store_path, asset_id = excluded.asset_id, source_sha256 = excluded.source_sha256,
                    recipe_id = excluded.recipe_id, engine_version = excluded.engine_version, sha256 = excluded.sha256,
                    size = excluded.size, job_id = excluded.job_id
         ), counters as (
             update destination
                set delivered = destination.delivered + counted.delivered, skipped = destination.skipped + counted.skipped,
                    unchanged = destination.unchanged + counted.unchanged,
                    failed = destination.failed + counted.failed, bytes = destination.bytes + counted.bytes
               from held, counted
              where destination.company_id = held.company_id and destination.job_id = held.job_id
                and destination.destination = $4 and jsonb_array_length($5) > 0
         )
         select job.state in ('active', 'paused') and job.deleted_at is null from held join export_job job using (company_id, job_id)",
    )
    .bind(claim.company_id)
    .bind(claim.task_id)
    .bind(claim.claim)
    .bind(destination)
    .bind(Json(records))
    .bind(engine_version)
    .fetch_optional(pool)
    .await?;
    Ok(match goes_on {
        Some(true) => DeliveryGoesOn::Yes,
        Some(false) => DeliveryGoesOn::Stop,
        None => DeliveryGoesOn::Lost,
    })
}

/// A file that could not be delivered.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct FailedDelivery {
    pub position: i32,
    pub rendition: i16,
    pub connection: String,
    pub path: String,
    pub failure: Json<Reason>,
}

/// Which failed deliveries to list.
#[derive(Clone, Copy, Debug)]
pub struct FailedDeliveryFilter {
    /// None: to all destinations.
    pub destination: Option<i16>,
    /// Positions of items: the first, and the first that is left out.
    pub positions: (i32, i32),
    pub limit: i64,
}

/// Lists files of a job that could not be delivered, in the order of their items.
pub async fn list_failed_deliveries(
    pool: &PgPool,
    company: CompanyId,
    job: JobId,
    filter: FailedDeliveryFilter,
) -> Result<Vec<FailedDelivery>, DbError> {
    let failed = sqlx::query_as(
        "select delivery.position, delivery.rendition, destination.connection, file.path, delivery.failure
           from delivery join destination using (company_id, job_id, destination)
           join export_file file using (company_id, job_id, position, rendition)
          where company_id = $1 and job_id = $2 and delivery.state = 'failed' and ($3::smallint is null or destination = $3)
            and position >= $4 and position < $5
          order by position, rendition, destination limit $6",
    )
    .bind(company)
    .bind(job)
    .bind(filter.destination)
    .bind(filter.positions.0)
    .bind(filter.positions.1)
    .bind(filter.limit)
    .fetch_all(pool)
    .await?;
    Ok(failed)
}
