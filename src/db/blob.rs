//! Blobs: the rows that describe bytes in storage, named by their SHA-256. The bytes themselves are
//! `offprint_storage`'s.

use std::time::Duration;

use chrono::{DateTime, Utc};
use offprint_core::Digest;

use crate::db::interval::to_pg_interval;
use crate::db::{DbConnection, DbError, PgPool};

/// How long a blob is kept without a row that refers to it, because that row may be about to be written.
pub const BLOB_HOLD_TTL: Duration = Duration::from_secs(3600);

/// Size and checksum of a blob.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct BlobRow {
    #[sqlx(try_from = "[u8; 32]")]
    pub sha256: Digest,
    /// In bytes.
    pub size: i64,
    /// CRC-32, for the zip archive.
    pub crc32: i64,
    /// Whether its bytes are known to differ from what was stored. [`upsert_blobs`] ignores it.
    pub damaged: bool,
}

/// Inserts the rows of blobs, or updates and thereby locks existing ones, until the transaction ends. Under this lock their
/// files may be renamed into place: retention takes the same lock before it removes a file. The bytes are stored anew, so a
/// damaged blob counts as sound again. Blobs are held for [`BLOB_HOLD_TTL`], within which the row that refers to them must be
/// written. They are locked in the order of their digests, so that two transactions with the same blobs wait for each other
/// instead of blocking each other; no digest may come twice.
pub async fn upsert_blobs(connection: &mut DbConnection, blobs: &[BlobRow]) -> Result<(), DbError> {
    upsert_held_blobs(connection, blobs, BLOB_HOLD_TTL).await.map(drop)
}

/// The same for blobs to which the same transaction will refer, so that they need not be held. Returns those that were not
/// there before.
pub async fn upsert_registered_blobs(connection: &mut DbConnection, blobs: &[BlobRow]) -> Result<Vec<Digest>, DbError> {
    upsert_held_blobs(connection, blobs, Duration::ZERO).await
}

async fn upsert_held_blobs(
    connection: &mut DbConnection,
    blobs: &[BlobRow],
    hold: Duration,
) -> Result<Vec<Digest>, DbError> {
    // `xmax` is 0 in a row that was inserted, and our transaction in one that was updated.
    let rows: Vec<([u8; 32], bool)> = sqlx::query_as(
        "insert into blob (sha256, size, crc32, held_until)
         select sha256, size, crc32, now() + $4 from unnest($1::bytea[], $2::bigint[], $3::bigint[]) new (sha256, size, crc32)
          order by sha256
         on conflict (sha256) do update
            set created_at = now(), checked_at = now(), damaged_at = null,
                held_until = greatest(blob.held_until, excluded.held_until)
         returning sha256, xmax = 0",
    )
    .bind(blobs.iter().map(|blob| blob.sha256.to_bytes()).collect::<Vec<_>>())
    .bind(blobs.iter().map(|blob| blob.size).collect::<Vec<_>>())
    .bind(blobs.iter().map(|blob| blob.crc32).collect::<Vec<_>>())
    .bind(to_pg_interval(hold))
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().filter(|(_, is_new)| *is_new).map(|(sha256, _)| Digest::from(sha256)).collect())
}

/// Counts all blobs and their bytes. Reads the whole table.
pub async fn count_blobs(pool: &PgPool) -> Result<(i64, i64), DbError> {
    let total = sqlx::query_as("select count(*), coalesce(sum(size), 0)::bigint from blob").fetch_one(pool).await?;
    Ok(total)
}

/// Fetches a blob's row.
pub async fn fetch_blob(pool: &PgPool, sha256: &Digest) -> Result<BlobRow, DbError> {
    let query =
        sqlx::query_as("select sha256, size, crc32, damaged_at is not null as damaged from blob where sha256 = $1");
    query.bind(sha256.to_bytes()).fetch_optional(pool).await?.ok_or(DbError::NotFound("blob"))
}

/// Lists the blobs whose digest begins with this byte, in order of digest.
pub async fn list_blobs_by_prefix(pool: &PgPool, first: u8) -> Result<Vec<BlobRow>, DbError> {
    let query = sqlx::query_as(
        "select sha256, size, crc32, damaged_at is not null as damaged from blob
          where sha256 >= $1 and ($2::bytea is null or sha256 < $2) order by sha256",
    );
    let next = first.checked_add(1).map(|next| vec![next]);
    Ok(query.bind(vec![first]).bind(next).fetch_all(pool).await?)
}

/// A blob whose bytes are to be compared with its digest.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct BlobCheckRow {
    #[sqlx(flatten)]
    pub blob: BlobRow,
    /// When it was last compared.
    pub before: DateTime<Utc>,
}

/// Claims the blob that was checked longest ago, and at least `age` ago. It counts as checked from now on, so no other
/// process claims it.
pub async fn claim_blob_check(pool: &PgPool, age: Duration) -> Result<Option<BlobCheckRow>, DbError> {
    let due = sqlx::query_as(
        "with due as (
             select sha256, checked_at from blob where checked_at < now() - $1
              order by checked_at limit 1 for update skip locked
         )
         update blob set checked_at = now() from due where blob.sha256 = due.sha256
         returning blob.sha256, blob.size, blob.crc32, blob.damaged_at is not null as damaged, due.checked_at as before",
    );
    Ok(due.bind(to_pg_interval(age)).fetch_optional(pool).await?)
}

/// Undoes [`claim_blob_check`]: the blob was not checked.
pub async fn release_blob_check(pool: &PgPool, due: &BlobCheckRow) -> Result<(), DbError> {
    let sql = "update blob set checked_at = $2 where sha256 = $1";
    sqlx::query(sql).bind(due.blob.sha256.to_bytes()).bind(due.before).execute(pool).await?;
    Ok(())
}

/// Marks a blob as damaged or sound. A damaged rendition leaves the render cache, so that the next job renders it anew.
/// Returns whether the mark changed.
pub async fn set_blob_damaged(pool: &PgPool, sha256: &Digest, damaged: bool) -> Result<bool, DbError> {
    let marked = sqlx::query(
        "with uncached as (delete from rendition where sha256 = $1 and $2)
         update blob set damaged_at = case when $2 then now() end where sha256 = $1 and (damaged_at is not null) <> $2",
    );
    Ok(marked.bind(sha256.to_bytes()).bind(damaged).execute(pool).await?.rows_affected() == 1)
}

/// Counts the blobs that are known to be damaged.
pub async fn count_damaged_blobs(pool: &PgPool) -> Result<i64, DbError> {
    Ok(sqlx::query_scalar("select count(*) from blob where damaged_at is not null").fetch_one(pool).await?)
}
