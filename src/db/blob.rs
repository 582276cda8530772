//! Blobs: what is known of bytes in storage.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::db::item::interval;
use crate::db::{Connection, Error, PgPool};
use crate::digest::Digest;

/// Size and checksum of a blob.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct Blob {
    /// What it is named by.
    #[sqlx(try_from = "[u8; 32]")]
    pub sha256: Digest,
    /// Bytes.
    pub size: i64,
    /// CRC-32 as zip files use it.
    pub crc32: i64,
    /// Whether its bytes are known not to be what was stored. Not written by [`hold`].
    pub damaged: bool,
}

/// Writes a blob's row, or locks the one that is there, until the transaction ends: what is put is sound again. While it is held the file may be
/// renamed into place, and nobody unlinks it.
pub async fn hold(connection: &mut Connection, blob: &Blob) -> Result<(), Error> {
    sqlx::query(
        "insert into blob (sha256, size, crc32) values ($1, $2, $3)
         on conflict (sha256) do update set created_at = now(), checked_at = now(), damaged_at = null",
    )
    .bind(blob.sha256.to_bytes())
    .bind(blob.size)
    .bind(blob.crc32)
    .execute(connection)
    .await?;
    Ok(())
}

/// How many blobs there are, and their bytes together. Reads them all.
pub async fn total(pool: &PgPool) -> Result<(i64, i64), Error> {
    let total = sqlx::query_as("select count(*), coalesce(sum(size), 0)::bigint from blob").fetch_one(pool).await?;
    Ok(total)
}

/// A blob that is known.
pub async fn fetch(pool: &PgPool, sha256: &Digest) -> Result<Blob, Error> {
    let found =
        sqlx::query_as("select sha256, size, crc32, damaged_at is not null as damaged from blob where sha256 = $1");
    found.bind(sha256.to_bytes()).fetch_optional(pool).await?.ok_or(Error::Missing("blob"))
}

/// The blobs whose digest begins with this byte, in the order of their digests.
pub async fn part(pool: &PgPool, first: u8) -> Result<Vec<Blob>, Error> {
    let found = sqlx::query_as(
        "select sha256, size, crc32, damaged_at is not null as damaged from blob
          where sha256 >= $1 and ($2::bytea is null or sha256 < $2) order by sha256",
    );
    let next = first.checked_add(1).map(|next| vec![next]);
    Ok(found.bind(vec![first]).bind(next).fetch_all(pool).await?)
}

/// A blob that is to be read again.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct Due {
    /// Which.
    #[sqlx(flatten)]
    pub blob: Blob,
    /// When it was last compared with its name.
    pub before: DateTime<Utc>,
}

/// Takes the blob that was not compared with its name for longest, and for this time at least. Others do not take it
/// meanwhile: it counts as compared now.
pub async fn take_due(pool: &PgPool, age: Duration) -> Result<Option<Due>, Error> {
    let due = sqlx::query_as(
        "with due as (
             select sha256, checked_at from blob where checked_at < now() - $1
              order by checked_at limit 1 for update skip locked
         )
         update blob set checked_at = now() from due where blob.sha256 = due.sha256
         returning blob.sha256, blob.size, blob.crc32, blob.damaged_at is not null as damaged, due.checked_at as before",
    );
    Ok(due.bind(interval(age)).fetch_optional(pool).await?)
}

/// Takes back that a blob was compared.
pub async fn give_back_due(pool: &PgPool, due: &Due) -> Result<(), Error> {
    let sql = "update blob set checked_at = $2 where sha256 = $1";
    sqlx::query(sql).bind(due.blob.sha256.to_bytes()).bind(due.before).execute(pool).await?;
    Ok(())
}

/// Writes down that a blob's bytes are not, or are again, what was stored. A rendition that is damaged is forgotten, so
/// that the next job renders it anew. Whether that was news.
pub async fn mark(pool: &PgPool, sha256: &Digest, damaged: bool) -> Result<bool, Error> {
    let marked = sqlx::query(
        "with forgotten as (delete from rendition where sha256 = $1 and $2)
         update blob set damaged_at = case when $2 then now() end where sha256 = $1 and (damaged_at is not null) <> $2",
    );
    Ok(marked.bind(sha256.to_bytes()).bind(damaged).execute(pool).await?.rows_affected() == 1)
}

/// How many blobs are known to be damaged.
pub async fn damaged(pool: &PgPool) -> Result<i64, Error> {
    Ok(sqlx::query_scalar("select count(*) from blob where damaged_at is not null").fetch_one(pool).await?)
}
