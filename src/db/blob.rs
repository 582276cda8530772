//! Blobs: what is known of bytes in storage.

use crate::db::{Connection, Error, PgPool};
use crate::digest::Digest;

/// Size and checksum of a blob.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct Blob {
    /// What it is named by.
    pub sha256: Digest,
    /// Bytes.
    pub size: i64,
    /// CRC-32 as zip files use it.
    pub crc32: i64,
}

/// Writes a blob's row, or locks the one that is there, until the transaction ends. While it is held the file may be
/// renamed into place, and nobody unlinks it.
pub async fn hold(connection: &mut Connection, blob: &Blob) -> Result<(), Error> {
    sqlx::query(
        "insert into blob (sha256, size, crc32) values ($1, $2, $3)
         on conflict (sha256) do update set created_at = now()",
    )
    .bind(blob.sha256)
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
    let found = sqlx::query_as("select sha256, size, crc32 from blob where sha256 = $1");
    found.bind(sha256).fetch_optional(pool).await?.ok_or(Error::Missing("blob"))
}
