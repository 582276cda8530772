//! Entries: items with their files, as lists and manifests tell them.

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use crate::code::Note;
use crate::db::asset::AssetType;
use crate::db::vocabulary::{FileState, ItemState};
use crate::db::{Error, PgPool};
use crate::digest::Digest;
use crate::id::{AssetId, CompanyId, JobId};

/// An item with its file, as lists and manifests tell it.
#[derive(Clone, Debug, sqlx::FromRow)]
#[allow(missing_docs, reason = "columns; migrations/0001_foundation.sql says what they mean")]
pub struct Entry {
    pub position: i32,
    pub asset_id: AssetId,
    pub asset_name: String,
    pub asset_type: AssetType,
    pub folder: String,
    pub file_name: Option<String>,
    pub source_sha256: Option<Digest>,
    pub entry_time: DateTime<Utc>,
    pub state: ItemState,
    pub reused: bool,
    pub attempts: i32,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    pub failure: Option<Json<Note>>,
    pub warnings: Json<Vec<Note>>,
    pub file_state: Option<FileState>,
    pub path: Option<String>,
    pub sha256: Option<Digest>,
    pub size: Option<i64>,
    pub crc32: Option<i64>,
    pub mime: Option<String>,
    pub width: Option<i32>,
    pub height: Option<i32>,
}

/// At most `limit` items with their files from the given position on, in request order, in this state or in any.
pub async fn list(
    pool: &PgPool,
    company: CompanyId,
    job: JobId,
    state: Option<ItemState>,
    from: i32,
    limit: i64,
) -> Result<Vec<Entry>, Error> {
    let found = sqlx::query_as(
        "select item.position, item.asset_id, item.asset_name, item.asset_type, item.folder, item.file_name,
                item.sha256 as source_sha256, item.entry_time, item.state, item.reused,
                item.claim as attempts, item.started_at, item.finished_at, item.failure, item.warnings,
                file.state as file_state, file.path, file.sha256, file.size, file.crc32, file.mime, file.width, file.height
           from export_item item
           left join export_file file on file.company_id = item.company_id and file.job_id = item.job_id and file.position = item.position
          where item.company_id = $1 and item.job_id = $2 and item.position >= $3 and ($5::text is null or item.state = $5)
          order by item.position, file.rendition limit $4",
    )
    .bind(company)
    .bind(job)
    .bind(from)
    .bind(limit)
    .bind(state)
    .fetch_all(pool)
    .await?;
    Ok(found)
}
