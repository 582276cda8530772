//! Thumbnails of files, for pages. They belong to the bytes that they show, and go with them. They are renditions that are kept
//! for the company ([`kept_rendition`](crate::db::kept_rendition)): they count toward its quota, and make room when it is
//! reached.

use offprint_core::Digest;

use crate::db::{DbConnection, DbError, PgPool};
use crate::id::CompanyId;

/// A thumbnail that was made.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct ThumbnailRow {
    #[sqlx(try_from = "[u8; 32]")]
    pub sha256: Digest,
    /// In bytes.
    pub size: i64,
}

/// Finds the thumbnail that this version of the render engine made of these bytes for the company, and notes that it is used.
pub async fn find_thumbnail(
    pool: &PgPool,
    company: CompanyId,
    source: &Digest,
    engine_version: i32,
) -> Result<Option<ThumbnailRow>, DbError> {
    let row = sqlx::query_as(
        "with used as (
             update thumbnail set used_at = now()
              where company_id = $1 and source_sha256 = $2 and engine_version = $3 and used_at < now() - interval '1 hour'
         )
         select sha256, blob.size from thumbnail join blob using (sha256)
          where company_id = $1 and source_sha256 = $2 and engine_version = $3",
    )
    .bind(company)
    .bind(source.to_bytes())
    .bind(engine_version)
    .fetch_optional(pool)
    .await?;
    Ok(row)
}

/// Records a thumbnail whose bytes this transaction has stored, and counts it toward the company's quota. Of two that are made
/// at the same time the first stays. Without effect when the source was removed meanwhile. Returns how many bytes were not
/// kept for the company before.
pub async fn insert_thumbnail(
    connection: &mut DbConnection,
    company: CompanyId,
    source: &Digest,
    engine_version: i32,
    thumbnail: &Digest,
) -> Result<i64, DbError> {
    // No item has a claim on it: zeros. What is there already keeps its own.
    let added: Option<i64> = sqlx::query_scalar(
        "with source as (select from blob where sha256 = $2 for key share)
         insert into kept_rendition (company_id, sha256, size, job_id, position, claim)
         select $1, sha256, size, '00000000-0000-0000-0000-000000000000', 0, 0 from blob, source where sha256 = $3
             on conflict (company_id, sha256) do update set size = excluded.size
         returning case when xmax = 0 then size else 0 end    -- `xmax` is 0 in a row that was inserted",
    )
    .bind(company)
    .bind(source.to_bytes())
    .bind(thumbnail.to_bytes())
    .fetch_optional(&mut *connection)
    .await?;
    let Some(added) = added else { return Ok(0) };
    sqlx::query(
        "insert into thumbnail (company_id, source_sha256, engine_version, sha256) values ($1, $2, $3, $4)
         on conflict do nothing",
    )
    .bind(company)
    .bind(source.to_bytes())
    .bind(engine_version)
    .bind(thumbnail.to_bytes())
    .execute(connection)
    .await?;
    Ok(added)
}
