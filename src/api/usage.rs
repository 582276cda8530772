//! What the caller's company uses.

use actix_web::web::Data;
use actix_web::{HttpResponse, get};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::caller::Caller;
use crate::api::problem::Problem;
use crate::db::usage;
use crate::state::State;

/// What a company uses.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// Assets that were not deleted; the bytes of their originals, each counted as often as it was uploaded.
    assets: Amount,
    /// Files that jobs hand out, archives not counted; they cost no room of their own where they are originals or equal.
    files: Amount,
    /// Renditions that are known and are not rendered again.
    renditions: Amount,
    /// Bytes in storage that the company needs, each counted once: originals, also of deleted assets that jobs pin, files,
    /// renditions, manifests and archive indexes.
    stored_bytes: i64,
    /// Jobs.
    jobs: Jobs,
}

/// How many, and how large.
#[derive(Serialize, ToSchema)]
pub struct Amount {
    /// How many.
    count: i64,
    /// How many bytes together.
    bytes: i64,
}

/// Jobs, by whether they are over.
#[derive(Serialize, ToSchema)]
pub struct Jobs {
    /// All that are kept.
    total: i64,
    /// Those that are not finished.
    unfinished: i64,
}

/// Show what is used.
///
/// Assets, files, known renditions, bytes stored and jobs of the caller's company. It is counted for each request, so
/// ask now and then.
#[utoipa::path(tag = "service", operation_id = "showUsage",
    responses((status = 200, description = "What the company uses.", body = Usage)))]
#[get("/usage")]
pub async fn show_usage(state: Data<State>, caller: Caller) -> Result<HttpResponse, Problem> {
    let used = usage::count(&state.db, caller.company).await?;
    Ok(HttpResponse::Ok().json(Usage {
        assets: Amount { count: used.assets, bytes: used.asset_bytes },
        files: Amount { count: used.files, bytes: used.file_bytes },
        renditions: Amount { count: used.renditions, bytes: used.rendition_bytes },
        stored_bytes: used.stored_bytes,
        jobs: Jobs { total: used.jobs, unfinished: used.unfinished_jobs },
    }))
}
