//! Retention: what is no longer kept, and the blobs that nobody refers to any more.

use std::sync::LazyLock;
use std::time::Duration;

use sqlx::AssertSqlSafe;

use crate::db::item::interval;
use crate::db::{Connection, Error, PgPool};
use crate::digest::Digest;

/// Lets go of the files of jobs that have expired, of at most a hundred jobs. The job, its items and its manifests
/// stay. Returns how many.
pub async fn release_expired(pool: &PgPool) -> Result<u64, Error> {
    let released = sqlx::query(
        "with expired as (
             select company_id, job_id from export_job
              where state = 'finished' and released_at is null and expires_at <= now() limit 100 for update skip locked
         ), files as (
             update export_file file set state = 'absent', sha256 = null
               from expired where file.company_id = expired.company_id and file.job_id = expired.job_id and file.state = 'ready'
         ), archives as (
             update archive set index_sha256 = null
               from expired where archive.company_id = expired.company_id and archive.job_id = expired.job_id
         )
         update export_job job set released_at = now()
           from expired where job.company_id = expired.company_id and job.job_id = expired.job_id",
    )
    .execute(pool)
    .await?;
    Ok(released.rows_affected())
}

/// Deletes jobs that ended so long ago. Returns how many.
pub async fn delete_old_jobs(pool: &PgPool, age: Duration) -> Result<u64, Error> {
    let deleted = sqlx::query(
        "update export_job set deleted_at = now()
          where state = 'finished' and deleted_at is null and released_at is not null and finished_at <= now() - $1",
    )
    .bind(interval(age))
    .execute(pool)
    .await?;
    Ok(deleted.rows_affected())
}

/// Removes the rows of deleted assets that no job pins. Returns how many.
pub async fn remove_deleted_assets(pool: &PgPool) -> Result<u64, Error> {
    let removed = sqlx::query(
        "delete from asset where deleted_at is not null and not exists (
             select from export_item item where item.company_id = asset.company_id and item.asset_id = asset.asset_id)",
    )
    .execute(pool)
    .await?;
    Ok(removed.rows_affected())
}

/// Forgets the renditions that were not used for longest, until those that are left have at most `bytes` bytes
/// together. Files of jobs keep theirs. Returns how many.
pub async fn shrink_cache(pool: &PgPool, bytes: u64) -> Result<u64, Error> {
    let forgotten = sqlx::query(
        "delete from rendition using (
             select company_id, source_sha256, recipe_id, engine_version,
                    sum(blob.size) over (order by used_at desc, rendition.sha256, recipe_id) as so_far
               from rendition join blob on blob.sha256 = rendition.sha256) old
          where so_far > $1 and rendition.company_id = old.company_id and rendition.source_sha256 = old.source_sha256
            and rendition.recipe_id = old.recipe_id and rendition.engine_version = old.engine_version",
    )
    .bind(i64::try_from(bytes).unwrap_or(i64::MAX))
    .execute(pool)
    .await?;
    Ok(forgotten.rows_affected())
}

/// True for a blob that nothing refers to. The tables that refer to blobs stand once, here.
const UNUSED: &str = "not exists (select from asset where asset.sha256 = blob.sha256)
    and not exists (select from export_item item where item.sha256 = blob.sha256)
    and not exists (select from export_file file where file.sha256 = blob.sha256)
    and not exists (select from recipe where strpos(recipe.text, '\"pinned\":\"' || encode(blob.sha256, 'hex')) > 0
                     and (exists (select from export_file file
                                   where file.company_id = recipe.company_id and file.recipe_id = recipe.recipe_id)
                       or exists (select from rendition
                                   where rendition.company_id = recipe.company_id and rendition.recipe_id = recipe.recipe_id)))
    and not exists (select from rendition where rendition.sha256 = blob.sha256)
    and not exists (select from rendition where rendition.source_sha256 = blob.sha256)
    and not exists (select from archive where archive.index_sha256 = blob.sha256)
    and not exists (select from archive where archive.manifest_json_sha256 = blob.sha256)
    and not exists (select from archive where archive.manifest_csv_sha256 = blob.sha256)
    and not exists (select from upload_piece piece where piece.sha256 = blob.sha256)";

/// Blobs that nobody refers to and that were not put within this time, at most a hundred.
pub async fn unused_blobs(pool: &PgPool, age: Duration) -> Result<Vec<Digest>, Error> {
    static SQL: LazyLock<String> =
        LazyLock::new(|| format!("select sha256 from blob where created_at < now() - $1 and {UNUSED} limit 100"));
    let unused = sqlx::query_scalar(AssertSqlSafe(SQL.as_str())).bind(interval(age)).fetch_all(pool).await?;
    Ok(unused.into_iter().map(|sha256: [u8; 32]| Digest::from(sha256)).collect())
}

/// Locks a blob's row until the transaction ends and looks again. `false` when it is used after all, or was just put.
pub async fn condemn(connection: &mut Connection, sha256: Digest, age: Duration) -> Result<bool, Error> {
    static SQL: LazyLock<String> =
        LazyLock::new(|| format!("delete from blob where sha256 = $1 and created_at < now() - $2 and {UNUSED}"));
    sqlx::query("select from blob where sha256 = $1 for update").bind(sha256.to_bytes()).execute(&mut *connection).await?;
    let gone = sqlx::query(AssertSqlSafe(SQL.as_str())).bind(sha256.to_bytes()).bind(interval(age)).execute(connection).await?;
    Ok(gone.rows_affected() == 1)
}

/// Holds the name of a blob that has no row, so that nobody puts it meanwhile. `false` when it has one. The
/// transaction must be rolled back.
pub async fn hold_unknown(connection: &mut Connection, sha256: Digest) -> Result<bool, Error> {
    let held = sqlx::query("insert into blob (sha256, size, crc32) values ($1, 0, 0) on conflict do nothing")
        .bind(sha256.to_bytes())
        .execute(connection)
        .await?;
    Ok(held.rows_affected() == 1)
}
