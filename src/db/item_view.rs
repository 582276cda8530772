//! Items together with their files, for lists, manifests and mails.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use offprint_core::Digest;
use serde::Deserialize;
use sqlx::types::Json;

use crate::db::asset::AssetType;
use crate::db::enums::{FileState, ItemState};
use crate::db::metadata_map::MetadataMap;
use crate::db::{DbError, PgPool};
use crate::id::{AssetId, CompanyId, JobId};
use crate::reason::Reason;

/// An item with its files.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ItemView {
    pub position: i32,
    pub asset_id: AssetId,
    pub asset_name: String,
    pub asset_type: AssetType,
    pub folder: String,
    pub file_name: Option<String>,
    pub entry_time: DateTime<Utc>,
    /// What the request has for this item alone.
    pub is_modifier: Option<String>,
    /// The same: names and values of variables.
    pub parameters: Option<Json<BTreeMap<String, String>>>,
    /// The asset's, as of the creation of the job.
    pub metadata: Json<MetadataMap>,
    pub state: ItemState,
    pub attempts: i32,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    pub failure: Option<Json<Reason>>,
    /// Its own, then those of the modifier.
    pub warnings: Json<Vec<Reason>>,
    /// In the order of the renditions; empty when nothing is exported.
    pub files: Json<Vec<ItemFileView>>,
}

/// A file of an item.
#[derive(Clone, Debug, Deserialize)]
pub struct ItemFileView {
    /// The rendition's name; none for originals, and where the job has no named renditions.
    pub rendition: Option<String>,
    pub path: String,
    pub state: FileState,
    pub sha256: Option<Digest>,
    pub size: Option<i64>,
    pub crc32: Option<i64>,
    pub mime: Option<String>,
    pub width: Option<i32>,
    pub height: Option<i32>,
    pub reused: bool,
    /// Its own, then those of the modifier.
    pub warnings: Vec<Reason>,
    /// The render plan, as text for people; none for originals, and once the rendition has left the render cache.
    pub plan: Option<String>,
}

/// Lists at most `limit` items with their files from position `from` on, in request order. `state` none: in any state.
pub async fn list_item_views(
    pool: &PgPool,
    company: CompanyId,
    job: JobId,
    state: Option<ItemState>,
    from: i32,
    limit: i64,
) -> Result<Vec<ItemView>, DbError> {
    let items = sqlx::query_as(
        "select item.position, item.asset_id, item.asset_name, item.asset_type, item.folder, item.file_name,
                item.entry_time, item.is_modifier, item.parameters, item.metadata, item.state, item.claim as attempts,
                item.started_at, item.finished_at, item.failure,
                item.warnings || pick_elements(job.modifier_warnings, item.modifier_warnings) as warnings, files.files
           from export_job job
           join export_item item on item.company_id = job.company_id and item.job_id = job.job_id
          cross join lateral (
                select coalesce(jsonb_agg(jsonb_build_object(
                           'rendition', case when file.recipe_id is not null then job.renditions -> file.rendition::int ->> 'name' end,
                           'path', file.path, 'state', file.state, 'sha256', encode(file.sha256, 'hex'), 'size', file.size,
                           'crc32', file.crc32, 'mime', file.mime, 'width', file.width, 'height', file.height,
                           'reused', file.reused, 'warnings', file.warnings || pick_elements(job.modifier_warnings, file.modifier_warnings),
                           'plan', rendition.plan) order by file.rendition), '[]') as files
                  from export_file file
                  left join lateral (
                        -- Several engine versions may have made the same bytes. `offset 0`: found by its key, not by its bytes,
                        -- which many renditions may have.
                        select plan from (select * from rendition
                                           where company_id = file.company_id and source_sha256 = item.sha256
                                             and recipe_id = file.recipe_id offset 0) cached
                         where cached.sha256 = file.sha256 order by engine_version desc limit 1) rendition on true
                 where file.company_id = item.company_id and file.job_id = item.job_id and file.position = item.position) files
          where job.company_id = $1 and job.job_id = $2 and item.position >= $3 and ($5::text is null or item.state = $5)
          order by item.position limit $4",
    )
    .bind(company)
    .bind(job)
    .bind(from)
    .bind(limit)
    .bind(state)
    .fetch_all(pool)
    .await?;
    Ok(items)
}
