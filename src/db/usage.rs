//! The usage report of a company. It is counted on request, at a cost that grows with what the company has.

use crate::db::{DbError, PgPool};
use crate::id::CompanyId;

/// What a company uses. The fields of `Usage` in `http/resources/usage.rs` explain them.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct UsageReportRow {
    pub assets: i64,
    pub asset_bytes: i64,
    pub files: i64,
    pub file_bytes: i64,
    pub renditions: i64,
    pub rendition_bytes: i64,
    pub stored_bytes: i64,
    pub deleted_originals: i64,
    pub deleted_original_bytes: i64,
    pub replaced_originals: i64,
    pub replaced_original_bytes: i64,
    pub unfinished_uploads: i64,
    pub unfinished_upload_bytes: i64,
    pub kept_renditions: i64,
    pub kept_rendition_bytes: i64,
    pub jobs: i64,
    pub unfinished_jobs: i64,
}

/// Measures what a company uses. Bytes that several of its rows refer to count once in `stored_bytes`.
pub async fn measure_usage(pool: &PgPool, company: CompanyId) -> Result<UsageReportRow, DbError> {
    let usage = sqlx::query_as(
        "with used as (
             select sha256 from asset where company_id = $1
              union select sha256 from export_item where company_id = $1
              union select sha256 from export_file where company_id = $1
              union select sha256 from kept_rendition where company_id = $1
              union select source_sha256 from rendition where company_id = $1
              union select sha256 from recipe_source where company_id = $1
              union select index_sha256 from archive where company_id = $1
              union select manifest_json_sha256 from archive where company_id = $1
              union select manifest_csv_sha256 from archive where company_id = $1
              union select sha256 from upload_piece where company_id = $1
         )
         select assets.*, files.*, renditions.*, stored.*, deleted.*, replaced.*, uploads.*, kept.*, jobs.*
           from (select coalesce(sum(assets), 0)::bigint as assets, coalesce(sum(asset_bytes), 0)::bigint as asset_bytes
                   from company_usage where company_id = $1) assets,
                (select coalesce(sum(files), 0)::bigint as files, coalesce(sum(bytes), 0)::bigint as file_bytes
                   from export_job where company_id = $1 and deleted_at is null and released_at is null) files,
                (select count(*) as renditions, coalesce(sum(blob.size), 0)::bigint as rendition_bytes
                   from (select sha256 from rendition where company_id = $1
                          union all select sha256 from thumbnail where company_id = $1) cached
                   join blob using (sha256)) renditions,
                (select coalesce(sum(blob.size), 0)::bigint as stored_bytes from used join blob using (sha256)) stored,
                (select count(*) as deleted_originals, coalesce(sum(size), 0)::bigint as deleted_original_bytes
                   from asset where company_id = $1 and deleted_at is not null and sha256 is not null) deleted,
                (select count(*) as replaced_originals, coalesce(sum(size), 0)::bigint as replaced_original_bytes
                   from replaced_original where company_id = $1) replaced,
                (select count(*) as unfinished_uploads, coalesce(sum(length), 0)::bigint as unfinished_upload_bytes
                   from upload where company_id = $1 and asset_id is null) uploads,
                (select count(*) as kept_renditions, coalesce(sum(size), 0)::bigint as kept_rendition_bytes
                   from kept_rendition where company_id = $1) kept,
                (select count(*) as jobs, count(*) filter (where state <> 'finished') as unfinished_jobs
                   from export_job where company_id = $1 and deleted_at is null) jobs",
    )
    .bind(company)
    .fetch_one(pool)
    .await?;
    Ok(usage)
}
