//! Registers new assets in one transaction, once for each key, and says what an upload answers.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header;
use offprint_core::Digest;
use offprint_storage::StagedBlob;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::BlobTransaction;
use crate::db::asset::{self, AssetChange, NewAsset, Original};
use crate::db::idempotency::IdempotencyRow;
use crate::db::row_level_security;
use crate::http::address::write_address;
use crate::http::extract::caller::Caller;
use crate::http::extract::idempotency::IdempotencyKey;
use crate::http::limits;
use crate::http::limits::EffectiveLimits;
use crate::http::problem::Problem;
use crate::http::resources::assets::asset::Asset;
use crate::id::CompanyId;

/// The result of an upload.
#[derive(Serialize, ToSchema)]
pub struct UploadResult {
    /// The new assets, in the order of their files.
    pub(in crate::http) assets: Vec<Asset>,
}

/// What an upload answers: once more, or with new assets.
pub(in crate::http) enum UploadResponse {
    Replayed(IdempotencyRow),
    Created { location: String, result: UploadResult },
}

impl UploadResponse {
    /// The new assets; none of an upload that was done before.
    pub(in crate::http) fn into_assets(self) -> Vec<Asset> {
        match self {
            Self::Replayed(_) => Vec::new(),
            Self::Created { result, .. } => result.assets,
        }
    }

    pub(super) fn into_response(self) -> HttpResponse {
        match self {
            Self::Replayed(earlier) => earlier.into_response(StatusCode::CREATED),
            Self::Created { location, result } => {
                let mut answer = HttpResponse::Created();
                if !location.is_empty() {
                    answer.insert_header((header::LOCATION, write_address(&location)));
                }
                answer.json(result)
            }
        }
    }
}

/// The digest of what an upload asks for. Not of the body's bytes: a repeated request has other boundaries between its parts.
pub(super) fn compute_request_digest(new: &[NewAsset]) -> Digest {
    let files: Vec<_> = new
        .iter()
        .map(|asset| {
            let Original { sha256, entry_time, .. } = &asset.original;
            let AssetChange { url_modifier, url_post_apply_modifier, settings, .. } = &asset.record;
            let record = (url_modifier, url_post_apply_modifier, settings);
            (&asset.file_name, &asset.folder, &asset.metadata, sha256.to_string(), entry_time, record)
        })
        .collect();
    Digest::compute(&serde_json::to_vec(&files).unwrap_or_default())
}

/// Registers the assets, unless the same request was done before.
pub(super) async fn register_once(
    transaction: &mut BlobTransaction<'_>,
    caller: &Caller,
    (key, digest): (&IdempotencyKey, Digest),
    (new, blobs): (&[NewAsset], Vec<StagedBlob>),
    limits: &EffectiveLimits,
) -> Result<UploadResponse, Problem> {
    if let Some(earlier) = key.reserve(transaction.connection(), caller, digest).await? {
        return Ok(UploadResponse::Replayed(earlier));
    }
    let assets = register_assets(transaction, caller.company, (new, blobs), limits).await?;
    let location = if let [only] = new { format!("/assets/{}", only.asset_id) } else { String::new() };
    let result = UploadResult { assets };
    key.store(transaction.connection(), caller, digest, (&location, &result)).await?;
    Ok(UploadResponse::Created { location, result })
}

async fn register_assets(
    transaction: &mut BlobTransaction<'_>,
    company: CompanyId,
    (new, blobs): (&[NewAsset], Vec<StagedBlob>),
    limits: &EffectiveLimits,
) -> Result<Vec<Asset>, Problem> {
    for staged in blobs {
        transaction.store(staged).await?;
    }
    let connection = transaction.connection();
    let mut assets = Vec::with_capacity(new.len());
    for asset in new {
        asset::insert_asset(connection, company, asset).await?;
        assets.push(Asset::from(asset::fetch_asset(connection, company, asset.asset_id).await?));
    }
    limits::check_company_limits(connection, company, limits).await?;
    Ok(assets)
}

/// Runs the end of an upload in a task of its own. When the client disconnects, actix drops a handler wherever it is: a
/// file might already have its name, and the row that says so might never be committed.
pub(in crate::http) async fn run_to_end<T: Send + 'static>(
    company: CompanyId,
    work: impl Future<Output = Result<T, Problem>> + Send + 'static,
) -> Result<T, Problem> {
    tokio::spawn(row_level_security::run_as_company(company, work)).await.map_err(Problem::internal)?
}
