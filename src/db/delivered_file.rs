//! What stores of others have of a company: files that destinations with `onlyChanged` delivered, by what they were made
//! from. The next job compares its files with them, so that only differences are rendered and delivered.

use std::time::Duration;

use offprint_core::Digest;

use crate::db::interval::to_pg_interval;
use crate::db::optional_digest::OptionalDigest;
use crate::db::task::TaskClaim;
use crate::db::{DbConnection, DbError, PgPool};
use crate::id::{CompanyId, JobId};

/// A file that was delivered.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct DeliveredFileRow {
    /// Path in the archive.
    pub path: String,
    #[sqlx(try_from = "[u8; 32]")]
    pub source_sha256: Digest,
    /// None for an original.
    #[sqlx(try_from = "OptionalDigest")]
    pub recipe_id: Option<Digest>,
    pub engine_version: i32,
}

/// Lists what was delivered to a target.
pub async fn list_delivered_files(
    connection: &mut DbConnection,
    company: CompanyId,
    target: &str,
) -> Result<Vec<DeliveredFileRow>, DbError> {
    let files = sqlx::query_as(
        "select path, source_sha256, recipe_id, engine_version from delivered_file where company_id = $1 and target = $2",
    )
    .bind(company)
    .bind(target)
    .fetch_all(connection)
    .await?;
    Ok(files)
}

/// Notes that files are still selected, although a job leaves them out because they are unchanged.
pub async fn keep_delivered_files(
    connection: &mut DbConnection,
    company: CompanyId,
    job: JobId,
    target: &str,
    paths: &[&str],
) -> Result<(), DbError> {
    sqlx::query("update delivered_file set job_id = $3 where company_id = $1 and target = $2 and path = any($4)")
        .bind(company)
        .bind(target)
        .bind(job)
        .bind(paths)
        .execute(connection)
        .await?;
    Ok(())
}

/// A file to remove from a store.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct RemovableFile {
    pub path: String,
    pub store_path: String,
    #[sqlx(try_from = "[u8; 32]")]
    pub sha256: Digest,
    pub size: i64,
}

/// The files of a task's destination that are gone from the selection of its job. Those of an asset whose item did not succeed
/// stay: that is no reason to take away what was delivered before.
macro_rules! removable_files {
    () => {
        "from destination join delivered_file earlier on earlier.company_id = $1 and earlier.target = destination.target
          where destination.company_id = $1 and destination.job_id = $2 and destination.destination::text = $3
            and destination.removes and earlier.job_id <> $2
            and not exists (
                select from export_file file where file.company_id = $1 and file.job_id = $2 and file.path = earlier.path)
            and not exists (
                select from export_item item
                 where item.company_id = $1 and item.job_id = $2 and item.asset_id = earlier.asset_id and item.state <> 'succeeded')"
    };
}

/// Lists files to remove.
pub async fn list_removable_files(pool: &PgPool, claim: &TaskClaim, limit: i64) -> Result<Vec<RemovableFile>, DbError> {
    let sql = concat!(
        "select earlier.path, earlier.store_path, earlier.sha256, earlier.size ",
        removable_files!(),
        " order by earlier.path limit $4"
    );
    let files = sqlx::query_as(sql)
        .bind(claim.company_id)
        .bind(claim.job_id)
        .bind(&claim.key)
        .bind(limit)
        .fetch_all(pool)
        .await?;
    Ok(files)
}

/// Whether there are files to remove.
pub(super) async fn has_removable(
    connection: &mut DbConnection,
    claim: &TaskClaim,
    job: JobId,
) -> Result<bool, DbError> {
    let sql = concat!("select exists (select ", removable_files!(), ")");
    let found = sqlx::query_scalar(sql).bind(claim.company_id).bind(job).bind(&claim.key).fetch_one(connection).await?;
    Ok(found)
}

/// Forgets files that are not in the store any more, and counts them.
pub async fn record_removals(pool: &PgPool, claim: &TaskClaim, paths: &[&str]) -> Result<(), DbError> {
    sqlx::query(
        "with held as materialized (
             -- The fence.
             select company_id, job_id from task
              where company_id = $1 and task_id = $2 and claim = $3 and state = 'running' for update
         ), open as (
             select destination.* from held join destination using (company_id, job_id) where destination.destination::text = $4
         ), gone as (
             delete from delivered_file using open
              where delivered_file.company_id = open.company_id and delivered_file.target = open.target
                and delivered_file.path = any($5) and delivered_file.job_id <> open.job_id
             returning 1
         )
         update destination set removed = destination.removed + (select count(*) from gone)
           from open
          where destination.company_id = open.company_id and destination.job_id = open.job_id
            and destination.destination = open.destination",
    )
    .bind(claim.company_id)
    .bind(claim.task_id)
    .bind(claim.claim)
    .bind(&claim.key)
    .bind(paths)
    .execute(pool)
    .await?;
    Ok(())
}

/// Forgets up to a thousand files that no job has delivered, or found unchanged, for this long: nobody keeps their store like the
/// selection any more. Who does so again delivers everything once. Returns how many.
///
/// The handle of a job says when it was created; its row is gone long before.
pub async fn forget_old_files(pool: &PgPool, age: Duration) -> Result<u64, DbError> {
    let forgotten = sqlx::query(
        "delete from delivered_file
          where (company_id, target, path) in (
                select company_id, target, path from delivered_file
                 where job_id < (lpad(to_hex((extract(epoch from now() - $1) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
                   and not exists (select from export_job job
                                    where job.company_id = delivered_file.company_id and job.job_id = delivered_file.job_id)
                 limit 1000)",
    )
    .bind(to_pg_interval(age))
    .execute(pool)
    .await?;
    Ok(forgotten.rows_affected())
}
