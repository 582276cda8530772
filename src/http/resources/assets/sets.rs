//! Creates sets: assets that list other assets and have no file of their own.

use std::collections::HashSet;

use actix_web::http::{StatusCode, header};
use actix_web::web::Data;
use actix_web::{HttpResponse, post};
use offprint_core::Code;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::app::AppState;
use crate::db;
use crate::db::asset::{self, AssetType, NewAssetSet};
use crate::db::metadata_map::MetadataMap;
use crate::http::address::write_address;
use crate::http::extract::body::JsonBody;
use crate::http::extract::caller::Caller;
use crate::http::extract::idempotency::IdempotencyKey;
use crate::http::limits;
use crate::http::limits::EffectiveLimits;
use crate::http::problem::Problem;
use crate::http::problem::{ValidationError, ValidationErrors};
use crate::http::resources::assets::asset::Asset;
use crate::http::resources::assets::change::check_safe_folder;
use crate::http::resources::assets::change::check_safe_name;
use crate::http::responses::BodyProblems;
use crate::http::responses::IdempotencyProblem;
use crate::id::AssetId;

/// Types of sets.
#[derive(Clone, Copy, Deserialize, ToSchema)]
pub enum SetType {
    /// Images that belong together.
    ImageSet,
    /// Rendered views.
    RenderSet,
    /// Views around an object.
    SpinSet,
    /// Images and videos.
    MediaSet,
    /// One video in several bit rates.
    MbrSet,
    /// Videos.
    VideoSet,
    /// Pages of a catalogue.
    Catalog,
    /// Offers.
    OfferSet,
}

impl From<SetType> for AssetType {
    fn from(kind: SetType) -> Self {
        match kind {
            SetType::ImageSet => Self::ImageSet,
            SetType::RenderSet => Self::RenderSet,
            SetType::SpinSet => Self::SpinSet,
            SetType::MediaSet => Self::MediaSet,
            SetType::MbrSet => Self::MbrSet,
            SetType::VideoSet => Self::VideoSet,
            SetType::Catalog => Self::Catalog,
            SetType::OfferSet => Self::OfferSet,
        }
    }
}

/// A set to create.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreateSet {
    /// Type of the set.
    #[serde(rename = "type")]
    kind: SetType,
    /// Name of the set. It must be safe as a part of a path.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// Folder of the set, as `a/b`. Default: the top level.
    #[schema(value_type = String, required = false, max_length = 1024)]
    folder: Option<String>,
    /// Texts of your own, such as an order number.
    metadata: Option<MetadataMap>,
    /// Handles of the members, in order.
    #[schema(min_items = 1, max_items = 1000)]
    member_array: Vec<AssetId>,
}

/// Create a set.
///
/// For compatibility with IPS, whose libraries have sets: a client that mirrors one can keep its sets here, and learns at
/// export which of its handles are sets. Sets are listed and changed like other assets, but cannot be exported: they have no
/// file of their own. New clients need no sets; use folders or `metadata` to group assets.
#[utoipa::path(
    tag = "assets",
    request_body(content = CreateSet, description = "The set to create. Put handles of your own assets into `memberArray`.", example = json!({
        "type": "ImageSet", "name": "shoe views", "folder": "", "memberArray": ["00000000-0000-7000-8000-000000000001"],
    })),
    responses(
        (status = 201, description = "The set was created.", body = Asset,
         headers(("Location" = String, description = "URL of the set."))),
        BodyProblems, IdempotencyProblem,
    )
)]
#[post("/asset-sets")]
pub async fn create_set(
    state: Data<AppState>,
    caller: Caller,
    key: IdempotencyKey,
    JsonBody(body, digest): JsonBody<CreateSet>,
) -> Result<HttpResponse, Problem> {
    let company_limits = EffectiveLimits::load(&state, caller.company).await?;
    let mut transaction = state.db.begin().await.map_err(db::DbError::from)?;
    if let Some(earlier) = key.reserve(&mut transaction, &caller, digest).await? {
        return Ok(earlier.into_response(StatusCode::CREATED));
    }
    let members = asset::find_assets(&mut transaction, caller.company, &body.member_array).await?;
    let known: HashSet<AssetId> = members.into_iter().map(|member| member.asset_id).collect();
    let new_set = body.into_new_set(&known)?;
    asset::insert_asset_set(&mut transaction, caller.company, &new_set).await?;
    limits::check_company_limits(&mut transaction, caller.company, &company_limits).await?;
    let set = Asset::from(asset::fetch_asset(&mut transaction, caller.company, new_set.asset_id).await?);
    let location = format!("/assets/{}", new_set.asset_id);
    key.store(&mut transaction, &caller, digest, (&location, &set)).await?;
    transaction.commit().await.map_err(db::DbError::from)?;
    Ok(HttpResponse::Created().insert_header((header::LOCATION, write_address(&location))).json(set))
}

impl CreateSet {
    fn into_new_set(self, known: &HashSet<AssetId>) -> Result<NewAssetSet, Problem> {
        let mut mistakes = ValidationErrors::default();
        let name = check_safe_name("/name", &self.name, &mut mistakes);
        let folder = check_safe_folder("/folder", self.folder.as_deref().unwrap_or_default(), &mut mistakes);
        mistakes.extend(self.metadata.iter().flat_map(|metadata| metadata.check("/metadata")));
        for (index, member) in self.member_array.iter().enumerate().filter(|(_, member)| !known.contains(member)) {
            let detail = format!("Unknown asset {member}. `GET /assets` lists the assets.");
            mistakes.push(ValidationError::new(format!("/memberArray/{index}"), Code::AssetNotFound, detail));
        }
        match (name, folder) {
            (Some(name), Some(folder)) if mistakes.is_empty() => Ok(NewAssetSet {
                asset_id: AssetId::new(),
                kind: self.kind.into(),
                name,
                folder,
                metadata: self.metadata.unwrap_or_default(),
                members: self.member_array,
            }),
            _ => Err(Problem::from_errors(mistakes)),
        }
    }
}
