//! Archives and files of jobs, as they are fetched.

use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use sqlx::AssertSqlSafe;

use crate::db::vocabulary::FileState;
use crate::db::{Error, PgPool};
use crate::db::optional_digest::OptionalDigest;
use crate::digest::Digest;
use crate::id::{AssetId, CompanyId, JobId};

/// The sealed zip of a job's current run.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Archive {
    /// Size in bytes.
    pub size: i64,
    /// Entries, manifests among them.
    pub entries: i32,
    /// Strong entity tag, with quotes.
    pub etag: String,
    /// The fixed-width index; none when the files are no longer kept.
    #[sqlx(try_from = "OptionalDigest")]
    pub index_sha256: Option<Digest>,
    /// `manifest.json`.
    #[sqlx(try_from = "[u8; 32]")]
    pub manifest_json_sha256: Digest,
    /// `manifest.csv`.
    #[sqlx(try_from = "[u8; 32]")]
    pub manifest_csv_sha256: Digest,
    /// When it was sealed.
    pub sealed_at: DateTime<Utc>,
}

/// The archive of a job's current run; none before it is sealed.
pub async fn find(pool: &PgPool, company: CompanyId, job: JobId) -> Result<Option<Archive>, Error> {
    let found = sqlx::query_as(
        "select archive.* from archive
           join export_job job on job.company_id = archive.company_id and job.job_id = archive.job_id and job.run = archive.run
          where archive.company_id = $1 and archive.job_id = $2 and job.state = 'finished'",
    )
    .bind(company)
    .bind(job)
    .fetch_optional(pool)
    .await?;
    Ok(found)
}

/// A file of a job.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct File {
    /// The item it comes from.
    pub position: i32,
    /// Its place among the item's files.
    pub rendition: i16,
    /// The rendition's name; none where the job has no renditions, and for originals.
    pub rendition_name: Option<String>,
    /// The asset it was made from.
    pub asset_id: AssetId,
    /// Its place in the archive.
    pub path: String,
    /// Whether its bytes are there.
    pub state: FileState,
    /// Its bytes.
    #[sqlx(try_from = "OptionalDigest")]
    pub sha256: Option<Digest>,
    /// Bytes.
    pub size: Option<i64>,
    /// Media type.
    pub mime: Option<String>,
    /// Pixels across.
    pub width: Option<i32>,
    /// Pixels down.
    pub height: Option<i32>,
    /// Whether the same picture had been rendered the same way before.
    pub reused: bool,
    /// Time of the zip entry.
    pub entry_time: DateTime<Utc>,
}

/// What a file is shown with.
const FILE: &str =
    "select file.position, file.rendition, item.asset_id, file.path, file.state, file.sha256, file.size, file.mime,
       file.width, file.height, file.reused, item.entry_time,
       case when file.recipe_id is not null then job.renditions -> file.rendition::int ->> 'name' end as rendition_name
  from export_file file
  join export_item item using (company_id, job_id, position)
  join export_job job using (company_id, job_id)
 where company_id = $1 and job_id = $2";

/// At most `limit` files after the given position and rendition, in request order, in this state or in any.
pub async fn files(
    pool: &PgPool,
    company: CompanyId,
    job: JobId,
    state: Option<FileState>,
    (position, rendition): (i32, i16),
    limit: i64,
) -> Result<Vec<File>, Error> {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        format!(
            "{FILE} and ($3::text is null or file.state = $3) and (position, rendition) > ($4, $5)
              order by position, rendition limit $6"
        )
    });
    let found = sqlx::query_as(AssertSqlSafe(SQL.as_str()))
        .bind(company)
        .bind(job)
        .bind(state)
        .bind(position)
        .bind(rendition)
        .bind(limit)
        .fetch_all(pool)
        .await?;
    Ok(found)
}

/// The file at a path, spelled as it is shown. `key` is the path as it is compared, which the index has.
pub async fn file(pool: &PgPool, company: CompanyId, job: JobId, path: &str, key: &str) -> Result<File, Error> {
    static SQL: LazyLock<String> = LazyLock::new(|| format!("{FILE} and file.path = $3 and file.path_key = $4"));
    let found = sqlx::query_as(AssertSqlSafe(SQL.as_str()))
        .bind(company)
        .bind(job)
        .bind(path)
        .bind(key)
        .fetch_optional(pool)
        .await?;
    found.ok_or(Error::Missing("file in this job"))
}
