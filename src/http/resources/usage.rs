//! Storage and job counts of the caller's company.

use actix_web::web::Data;
use actix_web::{HttpResponse, get};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::AppState;
use crate::db::usage::{self, UsageReportRow};
use crate::http::extract::caller::Caller;
use crate::http::problem::Problem;

/// Usage of a company.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// Assets that are not deleted. Bytes of their originals; equal files count each time.
    pub(in crate::http) assets: Amount,
    /// Files of jobs, without archives. Originals and equal files need no additional storage.
    pub(in crate::http) files: Amount,
    /// Renditions that are kept for reuse, and thumbnails.
    pub(in crate::http) renditions: Amount,
    /// Bytes that the company occupies in the storage, each counted once: originals (also of deleted assets that jobs still
    /// use), files, renditions, manifests and archive indexes.
    pub(in crate::http) stored_bytes: i64,
    /// What counts toward the storage quota, by kind.
    pub(in crate::http) quota: QuotaUsage,
    /// Jobs.
    pub(in crate::http) jobs: Jobs,
}

/// What a company's storage quota (`storedBytes` in `GET /info`) is used for. The kinds add up to `bytes`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuotaUsage {
    /// Bytes that count.
    pub(in crate::http) bytes: i64,
    /// Originals of assets; equal files count each time.
    pub(in crate::http) originals: Amount,
    /// Originals of deleted assets that jobs still use. They stop counting some minutes after the last of these jobs is
    /// deleted.
    pub(in crate::http) deleted_originals: Amount,
    /// Originals that were replaced, and that jobs still use.
    pub(in crate::http) replaced_originals: Amount,
    /// Resumable uploads that are not complete. Each counts with its announced length.
    pub(in crate::http) unfinished_uploads: Amount,
    /// Rendered files of jobs, until they expire, renditions that are kept for reuse, and thumbnails; equal files count once.
    /// When the quota is reached, those that no job needs are removed first.
    pub(in crate::http) renditions: Amount,
}

/// Number and size of objects.
#[derive(Serialize, ToSchema)]
pub struct Amount {
    /// Number of objects.
    pub(in crate::http) count: i64,
    /// Total size in bytes.
    pub(in crate::http) bytes: i64,
}

/// Number of jobs.
#[derive(Serialize, ToSchema)]
pub struct Jobs {
    /// All jobs.
    pub(in crate::http) total: i64,
    /// Jobs that are not finished.
    pub(in crate::http) unfinished: i64,
}

/// Show usage.
///
/// Assets, files, renditions, stored bytes and jobs of the caller's company. They are counted for each request, so do not
/// poll this often.
#[utoipa::path(tag = "service", operation_id = "showUsage",
    responses((status = 200, description = "Usage of the company.", body = Usage)))]
#[get("/usage")]
pub async fn show_usage(state: Data<AppState>, caller: Caller) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(measure_usage(&state, &caller).await?))
}

/// The usage of the caller's company, counted now.
///
/// # Errors
/// When the database does not answer.
pub(in crate::http) async fn measure_usage(state: &AppState, caller: &Caller) -> Result<Usage, Problem> {
    let usage = usage::measure_usage(&state.db, caller.company).await?;
    Ok(Usage {
        assets: Amount { count: usage.assets, bytes: usage.asset_bytes },
        files: Amount { count: usage.files, bytes: usage.file_bytes },
        renditions: Amount { count: usage.renditions, bytes: usage.rendition_bytes },
        stored_bytes: usage.stored_bytes,
        quota: describe_quota(&usage),
        jobs: Jobs { total: usage.jobs, unfinished: usage.unfinished_jobs },
    })
}

fn describe_quota(usage: &UsageReportRow) -> QuotaUsage {
    let originals = Amount { count: usage.assets, bytes: usage.asset_bytes };
    let deleted_originals = Amount { count: usage.deleted_originals, bytes: usage.deleted_original_bytes };
    let replaced_originals = Amount { count: usage.replaced_originals, bytes: usage.replaced_original_bytes };
    let unfinished_uploads = Amount { count: usage.unfinished_uploads, bytes: usage.unfinished_upload_bytes };
    let renditions = Amount { count: usage.kept_renditions, bytes: usage.kept_rendition_bytes };
    let kinds = [&originals, &deleted_originals, &replaced_originals, &unfinished_uploads, &renditions];
    let bytes = kinds.iter().map(|kind| kind.bytes).sum();
    QuotaUsage { bytes, originals, deleted_originals, replaced_originals, unfinished_uploads, renditions }
}
