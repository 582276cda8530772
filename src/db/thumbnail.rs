//! Thumbnails of files, for pages. They belong to the bytes that they show, and go with them.

use offprint_core::Digest;

use crate::db::{DbError, PgPool};
use crate::id::CompanyId;

/// A thumbnail that was made.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct ThumbnailRow {
    #[sqlx(try_from = "[u8; 32]")]
    pub sha256: Digest,
    /// In bytes.
    pub size: i64,
}

/// Finds the thumbnail that this version of the render engine made of these bytes for the company.
pub async fn find_thumbnail(
    pool: &PgPool,
    company: CompanyId,
    source: &Digest,
    engine_version: i32,
) -> Result<Option<ThumbnailRow>, DbError> {
    let row = sqlx::query_as(
        "select sha256, blob.size from thumbnail join blob using (sha256)
          where company_id = $1 and source_sha256 = $2 and engine_version = $3",
    )
    .bind(company)
    .bind(source.to_bytes())
    .bind(engine_version)
    .fetch_optional(pool)
    .await?;
    Ok(row)
}

/// Records a thumbnail, whose bytes are stored. Of two that are made at the same time the first stays. Without effect when
/// the source was removed meanwhile.
pub async fn insert_thumbnail(
    pool: &PgPool,
    company: CompanyId,
    source: &Digest,
    engine_version: i32,
    thumbnail: &Digest,
) -> Result<(), DbError> {
    sqlx::query(
        "insert into thumbnail (company_id, source_sha256, engine_version, sha256)
         select $1, sha256, $3, $4 from blob where sha256 = $2 for key share
         on conflict do nothing",
    )
    .bind(company)
    .bind(source.to_bytes())
    .bind(engine_version)
    .bind(thumbnail.to_bytes())
    .execute(pool)
    .await?;
    Ok(())
}
