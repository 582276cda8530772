//! Archives and files of jobs, for downloads. Their bytes are blobs; see `offprint_storage::archive` for the index.

use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use offprint_core::Digest;
use sqlx::AssertSqlSafe;

use crate::db::enums::FileState;
use crate::db::optional_digest::OptionalDigest;
use crate::db::{DbError, PgPool};
use crate::id::{AssetId, CompanyId, JobId};

/// The sealed archive of a job's current run.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ArchiveRow {
    /// In bytes.
    pub size: i64,
    /// Strong entity tag, with quotes.
    pub etag: String,
    /// The archive index; none when the files have expired.
    #[sqlx(try_from = "OptionalDigest")]
    pub index_sha256: Option<Digest>,
    #[sqlx(try_from = "[u8; 32]")]
    pub manifest_json_sha256: Digest,
    #[sqlx(try_from = "[u8; 32]")]
    pub manifest_csv_sha256: Digest,
    pub sealed_at: DateTime<Utc>,
}

/// Finds the archive of a job's current run; none before it is sealed.
pub async fn find_archive(pool: &PgPool, company: CompanyId, job: JobId) -> Result<Option<ArchiveRow>, DbError> {
    let archive = sqlx::query_as(
        "select archive.* from archive
           join export_job job on job.company_id = archive.company_id and job.job_id = archive.job_id and job.run = archive.run
          where archive.company_id = $1 and archive.job_id = $2 and job.state = 'finished'",
    )
    .bind(company)
    .bind(job)
    .fetch_optional(pool)
    .await?;
    Ok(archive)
}

/// A file of a job.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct FileRow {
    /// Position of its item.
    pub position: i32,
    /// Index of the rendition among the item's files.
    pub rendition: i16,
    /// The rendition's name; none for originals, and where the job has no named renditions.
    pub rendition_name: Option<String>,
    pub asset_id: AssetId,
    /// Path in the archive.
    pub path: String,
    pub state: FileState,
    #[sqlx(try_from = "OptionalDigest")]
    pub sha256: Option<Digest>,
    /// In bytes.
    pub size: Option<i64>,
    pub mime: Option<String>,
    /// In pixels.
    pub width: Option<i32>,
    /// In pixels.
    pub height: Option<i32>,
    /// Whether it was taken from the render cache.
    pub reused: bool,
}

/// Selects [`FileRow`]s of `files`, which is `export_file` or a query of all its columns, in the job $2 of the company $1.
fn select_files(files: &str) -> String {
    format!(
        "select file.position, file.rendition, item.asset_id, file.path, file.state, file.sha256, file.size, file.mime,
       file.width, file.height, file.reused,
       case when file.recipe_id is not null then job.renditions -> file.rendition::int ->> 'name' end as rendition_name
  from {files} file
 cross join lateral (
       select asset_id from export_item
        where company_id = $1 and job_id = $2 and position = file.position offset 0) item
  join export_job job on job.company_id = $1 and job.job_id = $2"
    )
}

/// Lists at most `limit` files after the given position and rendition, in request order. `state` none: in any state.
pub async fn list_files(
    pool: &PgPool,
    company: CompanyId,
    job: JobId,
    state: Option<FileState>,
    (position, rendition): (i32, i16),
    limit: i64,
) -> Result<Vec<FileRow>, DbError> {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        // The page first: joined before, all items of the job would be read.
        format!(
            "with page as materialized (
                 select * from export_file
                  where company_id = $1 and job_id = $2 and ($3::text is null or state = $3)
                    and (position, rendition) > ($4, $5)
                  order by position, rendition limit $6
             ) {} order by file.position, file.rendition",
            select_files("page")
        )
    });
    let files = sqlx::query_as(AssertSqlSafe(SQL.as_str()))
        .bind(company)
        .bind(job)
        .bind(state)
        .bind(position)
        .bind(rendition)
        .bind(limit)
        .fetch_all(pool)
        .await?;
    Ok(files)
}

/// Fetches the file at exactly this path. `key` is the path folded for comparison, by which the index finds it.
pub async fn fetch_file(
    pool: &PgPool,
    company: CompanyId,
    job: JobId,
    path: &str,
    key: &str,
) -> Result<FileRow, DbError> {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        format!(
            "{} where file.company_id = $1 and file.job_id = $2 and file.path = $3 and file.path_key = $4",
            select_files("export_file")
        )
    });
    let row = sqlx::query_as(AssertSqlSafe(SQL.as_str()))
        .bind(company)
        .bind(job)
        .bind(path)
        .bind(key)
        .fetch_optional(pool)
        .await?;
    row.ok_or(DbError::NotFound("file in this job"))
}
