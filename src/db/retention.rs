//! Retention: removes what has expired, and finds blobs that nothing refers to. Each statement looks at a bounded number of
//! rows; who calls it comes again at once while there is work.
//!
//! A file may be removed only while its blob's row is locked, and a blob is stored under the same lock
//! (`app::store_blob`), so bytes are never removed while somebody stores them again. `UNUSED_BLOB_SQL` is the one list
//! of tables that refer to blobs: a new table with such a column must be added there.

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Duration;

use offprint_core::Digest;
use sqlx::AssertSqlSafe;

use crate::db::backup;
use crate::db::interval::to_pg_interval;
use crate::db::kept_rendition;
use crate::db::recipe;
use crate::db::{DbConnection, DbError, PgPool};
use crate::id::CompanyId;

/// Releases the files of up to a hundred expired jobs: their bytes may be removed. The job, its items and its manifests
/// stay. Returns how many jobs.
pub async fn release_expired_jobs(pool: &PgPool) -> Result<u64, DbError> {
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

/// Deletes up to a thousand jobs that finished longer than `age` ago. Returns how many.
pub async fn delete_old_jobs(pool: &PgPool, age: Duration) -> Result<u64, DbError> {
    let deleted = sqlx::query(
        "with old as (
             select company_id, job_id from export_job
              where state = 'finished' and deleted_at is null and released_at is not null and finished_at <= now() - $1
              limit 1000 for update skip locked
         )
         update export_job job set deleted_at = now()
           from old where job.company_id = old.company_id and job.job_id = old.job_id",
    )
    .bind(to_pg_interval(age))
    .execute(pool)
    .await?;
    Ok(deleted.rows_affected())
}

/// An original, and the company whose it is or was.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct CompanyOriginalRow {
    pub company_id: CompanyId,
    #[sqlx(try_from = "[u8; 32]")]
    pub sha256: Digest,
}

/// Removes up to a thousand rows of deleted assets that no job uses. Returns how many, and their originals.
pub async fn remove_deleted_assets(pool: &PgPool) -> Result<(u64, Vec<CompanyOriginalRow>), DbError> {
    let removed: Vec<(CompanyId, Option<[u8; 32]>)> = sqlx::query_as(
        "with unused as (
             select company_id, asset_id from asset
              where deleted_at is not null and not exists (
                    select from export_item item
                     where item.company_id = asset.company_id and item.asset_id = asset.asset_id offset 0)
              limit 1000
         )
         delete from asset using unused
          where asset.company_id = unused.company_id and asset.asset_id = unused.asset_id
         returning asset.company_id, asset.sha256",
    )
    .fetch_all(pool)
    .await?;
    let count = removed.len() as u64;
    let originals: BTreeSet<(CompanyId, Digest)> =
        removed.into_iter().filter_map(|(company, sha256)| Some((company, Digest::from(sha256?)))).collect();
    Ok((count, originals.into_iter().map(|(company_id, sha256)| CompanyOriginalRow { company_id, sha256 }).collect()))
}

/// Conditions for an original of a company that its jobs need, whatever became of the asset: as items, or because a
/// recipe of one of their files reads it.
macro_rules! pinned_sql {
    ($company:literal, $sha256:literal) => {
        concat!(
            "(exists (select from export_item item where item.sha256 = ", $sha256, " and item.company_id = ", $company, ")
             or exists (select from recipe_source source
                         where source.sha256 = ", $sha256, " and source.company_id = ", $company, "
                           and exists (select from export_file file
                                        where file.recipe_id = source.recipe_id and file.company_id = source.company_id)))"
        )
    };
}

/// Whether jobs of the company need this original.
pub async fn is_original_pinned(
    connection: &mut DbConnection,
    company: CompanyId,
    sha256: Digest,
) -> Result<bool, DbError> {
    let sql = concat!("select ", pinned_sql!("$1", "$2"));
    Ok(sqlx::query_scalar(sql).bind(company).bind(sha256.to_bytes()).fetch_one(connection).await?)
}

/// Lists replaced originals that no job needs any more, at most a hundred.
pub async fn list_unpinned_originals(pool: &PgPool) -> Result<Vec<CompanyOriginalRow>, DbError> {
    let sql = concat!(
        "select company_id, sha256 from replaced_original replaced where not ",
        pinned_sql!("replaced.company_id", "replaced.sha256"),
        " limit 100"
    );
    Ok(sqlx::query_as(sql).fetch_all(pool).await?)
}

/// Counts an original that no asset of the company has any more as replaced, if jobs need it. Returns whether they do.
pub async fn note_replaced_original(
    connection: &mut DbConnection,
    company: CompanyId,
    sha256: Digest,
) -> Result<bool, DbError> {
    let is_pinned = is_original_pinned(connection, company, sha256).await?;
    if is_pinned {
        let sql = "insert into replaced_original (company_id, sha256, size)
                   select $1, sha256, size from blob
                    where sha256 = $2 and not exists (select from asset where company_id = $1 and asset.sha256 = $2)
                   on conflict do nothing";
        sqlx::query(sql).bind(company).bind(sha256.to_bytes()).execute(connection).await?;
    }
    Ok(is_pinned)
}

/// Settles an original that an asset of the company had and has no more: it counts as replaced as long as a job needs it.
/// When the company has no use for it at all, the renditions that were cached of it go, also those whose recipe reads it,
/// because they would keep it. Returns those that nothing refers to any more: their bytes may be removed after the commit.
///
/// The blob is locked first: a job that is just being created either has its items, or does not find the blob.
pub async fn release_original(
    connection: &mut DbConnection,
    company: CompanyId,
    sha256: Digest,
) -> Result<Vec<Digest>, DbError> {
    sqlx::query("select from blob where sha256 = $1 for update")
        .bind(sha256.to_bytes())
        .execute(&mut *connection)
        .await?;
    if note_replaced_original(connection, company, sha256).await? {
        return Ok(Vec::new());
    }
    sqlx::query("delete from replaced_original where company_id = $1 and sha256 = $2")
        .bind(company)
        .bind(sha256.to_bytes())
        .execute(&mut *connection)
        .await?;
    let readers: Vec<[u8; 32]> = sqlx::query_scalar(
        "select recipe_id from recipe_source
          where sha256 = $2 and company_id = $1 and not exists (select from asset where company_id = $1 and asset.sha256 = $2)",
    )
    .bind(company)
    .bind(sha256.to_bytes())
    .fetch_all(&mut *connection)
    .await?;
    let uncached: Vec<[u8; 32]> = sqlx::query_scalar(
        "delete from rendition where company_id = $1 and (source_sha256 = $2 or recipe_id = any($3))
            and not exists (select from asset where company_id = $1 and asset.sha256 = $2) returning sha256",
    )
    .bind(company)
    .bind(sha256.to_bytes())
    .bind(&readers)
    .fetch_all(&mut *connection)
    .await?;
    let readers: Vec<Digest> = readers.into_iter().map(Digest::from).collect();
    recipe::remove_unused_recipes(connection, company, &readers).await?;
    let uncached: Vec<Digest> = uncached.into_iter().map(Digest::from).collect();
    kept_rendition::release_renditions(connection, company, &uncached).await
}

/// Shrinks the render cache with its thumbnails to at most `bytes` bytes; the least recently used go first. Files of jobs keep
/// their bytes.
pub async fn shrink_rendition_cache(pool: &PgPool, bytes: u64) -> Result<(), DbError> {
    sqlx::query(
        "with cached as (
             select company_id, source_sha256, recipe_id, engine_version, sha256, used_at from rendition
              union all
             select company_id, source_sha256, null, engine_version, sha256, used_at from thumbnail
         ), old as (
             select * from (
                 select cached.*, sum(blob.size) over (order by used_at desc, sha256, recipe_id, source_sha256) as running_total
                   from cached join blob using (sha256)) ranked
              where running_total > $1
         ), thumbnails as (
             delete from thumbnail using old
              where old.recipe_id is null and thumbnail.company_id = old.company_id
                and thumbnail.source_sha256 = old.source_sha256 and thumbnail.engine_version = old.engine_version
         )
         delete from rendition using old
          where rendition.company_id = old.company_id and rendition.source_sha256 = old.source_sha256
            and rendition.recipe_id = old.recipe_id and rendition.engine_version = old.engine_version",
    )
    .bind(i64::try_from(bytes).unwrap_or(i64::MAX))
    .execute(pool)
    .await?;
    Ok(())
}

/// SQL condition for a blob that nothing refers to: every foreign key to `blob` is asked. What cached renditions and files
/// are rendered of, and what they are, is kept by rows of their own.
const UNUSED_BLOB_SQL: &str = "not exists (select from asset where asset.sha256 = blob.sha256)
    and not exists (select from replaced_original replaced where replaced.sha256 = blob.sha256)
    and not exists (select from export_item item where item.sha256 = blob.sha256)
    and not exists (select from export_file file where file.sha256 = blob.sha256)
    and not exists (select from recipe_source source where source.sha256 = blob.sha256)
    and not exists (select from kept_rendition kept where kept.sha256 = blob.sha256)
    and not exists (select from rendition where rendition.source_sha256 = blob.sha256)
    and not exists (select from archive where archive.index_sha256 = blob.sha256)
    and not exists (select from archive where archive.manifest_json_sha256 = blob.sha256)
    and not exists (select from archive where archive.manifest_csv_sha256 = blob.sha256)
    and not exists (select from upload_piece piece where piece.sha256 = blob.sha256)";

/// A blob as retention looks at it.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct BlobUseRow {
    #[sqlx(try_from = "[u8; 32]")]
    pub sha256: Digest,
    /// Whether nothing refers to it, and nobody holds it who may be about to refer to it.
    pub is_unused: bool,
}

/// Lists the next thousand blobs after this one, and whether they are used.
pub async fn list_blob_uses(pool: &PgPool, after: Option<Digest>) -> Result<Vec<BlobUseRow>, DbError> {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        format!(
            "select sha256, held_until <= now() and {UNUSED_BLOB_SQL} as is_unused
               from (select sha256, held_until from blob where $1::bytea is null or sha256 > $1 order by sha256 limit 1000) blob"
        )
    });
    let after = after.map(Digest::to_bytes);
    Ok(sqlx::query_as(AssertSqlSafe(SQL.as_str())).bind(after).fetch_all(pool).await?)
}

/// Whether nothing refers to a blob. A blob without a row counts as unused.
pub async fn is_blob_unused(pool: &PgPool, sha256: &Digest) -> Result<bool, DbError> {
    static SQL: LazyLock<String> =
        LazyLock::new(|| format!("select not exists (select from blob where sha256 = $1 and not ({UNUSED_BLOB_SQL}))"));
    Ok(sqlx::query_scalar(AssertSqlSafe(SQL.as_str())).bind(sha256.to_bytes()).fetch_one(pool).await?)
}

/// Locks a blob's row until the transaction ends, checks that nothing refers to it and nobody holds it, and deletes the
/// row. Returns `false` when it stays, also because a backup is being made.
pub async fn delete_unused_blob(connection: &mut DbConnection, sha256: Digest) -> Result<bool, DbError> {
    static SQL: LazyLock<String> =
        LazyLock::new(|| format!("delete from blob where sha256 = $1 and held_until <= now() and {UNUSED_BLOB_SQL}"));
    if !backup::begin_blob_removal(connection).await? {
        return Ok(false);
    }
    sqlx::query("select from blob where sha256 = $1 for update")
        .bind(sha256.to_bytes())
        .execute(&mut *connection)
        .await?;
    let deleted = sqlx::query(AssertSqlSafe(SQL.as_str())).bind(sha256.to_bytes()).execute(connection).await?;
    Ok(deleted.rows_affected() == 1)
}

/// Locks the digest of a stored file that has no row, so that nobody stores the same bytes meanwhile. Returns `false`
/// when it has a row. The caller must roll the transaction back, because the row that serves as the lock is not true.
pub async fn lock_unknown_blob(connection: &mut DbConnection, sha256: Digest) -> Result<bool, DbError> {
    let inserted = sqlx::query("insert into blob (sha256, size, crc32) values ($1, 0, 0) on conflict do nothing")
        .bind(sha256.to_bytes())
        .execute(connection)
        .await?;
    Ok(inserted.rows_affected() == 1)
}
