//! Assets: what was uploaded, as clients see it; list, show, delete.

use actix_web::web::{Data, Path, Query};
use actix_web::{HttpRequest, HttpResponse, delete, get};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::api::caller::Caller;
use crate::api::page::{self, Page};
use crate::api::problem::Problem;
use crate::api::responses::{BadQuery, Missing};
use crate::db;
use crate::db::asset::{AssetFilter, AssetType, Place};
use crate::digest::Digest;
use crate::id::{AssetId, DigestSchema};
use crate::language::PixelType;
use crate::name::Folder;
use crate::render::{Header, Turn};
use crate::state::State;

/// A file that was uploaded, or a set.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Asset {
    /// Its handle: opaque and permanent.
    #[schema(example = "00000000-0000-7000-8000-000000000001")]
    asset_handle: AssetId,
    /// What it is, told from its bytes.
    #[serde(rename = "type")]
    kind: AssetType,
    /// What it is called: the file's name without its extension, until it is changed.
    #[schema(example = "fileToExport")]
    name: String,
    /// The original's name; null for sets.
    #[schema(example = "fileToExport.jpg")]
    file_name: Option<String>,
    /// The folder it is in, as `a/b`; empty for the top.
    #[schema(example = "")]
    folder: String,
    /// Bytes of the original; null for sets.
    size: Option<i64>,
    /// SHA-256 of the original; null for sets.
    #[schema(value_type = Option<DigestSchema>)]
    sha256: Option<Digest>,
    /// Media type of the original; null for sets.
    #[schema(example = "image/jpeg")]
    mime: Option<String>,
    /// What the picture's header says.
    #[serde(flatten)]
    picture: Picture,
    /// Modifier of its own that stands before a job's.
    #[schema(example = "")]
    url_modifier: String,
    /// Modifier of its own that stands after a job's.
    #[schema(example = "")]
    url_post_apply_modifier: String,
    /// A set's members; null for files.
    member_array: Option<Vec<AssetId>>,
    /// The time of its entry in archives: `lastModified` of the upload, else when the picture was taken, else when it
    /// was uploaded.
    last_modified: DateTime<Utc>,
    /// When it was registered.
    created_at: DateTime<Utc>,
    /// When anything of it was changed last.
    updated_at: DateTime<Utc>,
    /// Where to go from here.
    links: AssetLinks,
}

/// What the picture's header says. Null where there is no picture, or its header cannot be read.
#[derive(Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Picture {
    /// Width of the upright picture, in pixels.
    #[schema(example = 1600)]
    width: Option<u32>,
    /// Height of the upright picture, in pixels.
    #[schema(example = 1200)]
    height: Option<u32>,
    /// Whether it may have transparent pixels.
    has_alpha: Option<bool>,
    /// How the picture lies in its file, as EXIF counts: 1 is upright.
    #[schema(minimum = 1, maximum = 8, example = 1)]
    orientation: Option<u8>,
    /// Its components.
    #[schema(value_type = Option<String>, example = "rgb")]
    color: Option<PixelType>,
    /// Bits of a component.
    #[schema(example = 8)]
    bits: Option<u8>,
    /// Dots per inch.
    #[schema(example = 72.0)]
    resolution: Option<f64>,
    /// What its colour profile calls itself; null when it has none.
    profile: Option<String>,
}

/// Where to go from an asset.
#[derive(Serialize, ToSchema)]
pub struct AssetLinks {
    /// The asset.
    #[serde(rename = "self")]
    asset: String,
    /// Its original; absent for sets.
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
}

impl Picture {
    fn of(kept: Option<&Value>) -> Self {
        let Some(header) = kept.and_then(|kept| Header::deserialize(kept).ok()) else { return Self::default() };
        let (width, height) = header.upright();
        Self {
            width: Some(width),
            height: Some(height),
            has_alpha: Some(header.alpha),
            orientation: (1..=8).find(|number| Turn::from_exif((*number).into()) == header.orientation),
            color: Some(header.color),
            bits: Some(header.bits),
            resolution: header.dpi,
            profile: kept.and_then(|kept| kept["profileName"].as_str()).map(str::to_owned),
        }
    }
}

impl From<db::asset::Asset> for Asset {
    fn from(row: db::asset::Asset) -> Self {
        let address = format!("/assets/{}", row.asset_id);
        Self {
            asset_handle: row.asset_id,
            kind: row.kind,
            picture: Picture::of(row.header.as_ref()),
            links: AssetLinks { content: row.sha256.map(|_| format!("{address}/content")), asset: address },
            name: row.name,
            file_name: row.file_name,
            folder: row.folder,
            size: row.size,
            sha256: row.sha256,
            mime: row.mime,
            url_modifier: row.url_modifier,
            url_post_apply_modifier: row.url_post_apply_modifier,
            member_array: row.member_array.map(|members| members.0),
            last_modified: row.entry_time,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// Which assets to list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListAssets {
    /// This type only.
    #[serde(rename = "type")]
    kind: Option<AssetType>,
    /// Names that begin like this; case counts.
    #[param(example = "file")]
    name: Option<String>,
    /// This folder only; empty for the top.
    #[param(example = "")]
    folder: Option<String>,
    /// With all folders below `folder`.
    #[serde(default)]
    #[param(required = false, example = true)]
    recursive: bool,
    /// These bytes only: tells whether a file is there already.
    #[param(value_type = Option<String>, pattern = "^[0-9a-fA-F]{64}$")]
    sha256: Option<Digest>,
    /// Assets on a page, from 1 to 1000.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
    /// `nextCursor` of the page before. It belongs to the filters it was given for.
    #[param(min_length = 1)]
    cursor: Option<String>,
}

/// List assets.
///
/// In the order of folder, name and handle. Deleted assets are not listed.
#[utoipa::path(
    tag = "assets",
    params(ListAssets),
    responses((status = 200, description = "A page of assets.", body = Page<Asset>), BadQuery)
)]
#[get("/assets")]
pub async fn list_assets(
    state: Data<State>,
    caller: Caller,
    request: HttpRequest,
    query: Query<ListAssets>,
) -> Result<HttpResponse, Problem> {
    let query = query.into_inner();
    let limit = page::limit(query.limit)?;
    let folder = query.folder.as_deref().map(Folder::parse).transpose();
    let folder = folder.map_err(|detail| Problem::parameter("folder", detail))?;
    let filter = AssetFilter {
        folder: folder.map(|folder| folder.as_str().to_owned()),
        recursive: query.recursive,
        kind: query.kind,
        name: query.name,
        sha256: query.sha256,
    };
    let after = page::after(query.cursor.as_deref(), &filter, place)?;
    let mut connection = state.db.acquire().await.map_err(db::Error::from)?;
    let found = db::asset::list(&mut connection, caller.company, &filter, after, limit + 1).await?;
    let found = found.into_iter().map(Asset::from).collect();
    let key = |asset: &Asset| vec![asset.folder.clone(), asset.name.clone(), asset.asset_handle.to_string()];
    Ok(Page::new(found, limit, &filter, key).answer(&request))
}

fn place(key: &[String]) -> Option<Place> {
    let [folder, name, handle] = key else { return None };
    Some((folder.clone(), name.clone(), handle.parse().ok()?))
}

/// Show an asset.
///
/// What it is and where it lies; its bytes are at `/content`.
#[utoipa::path(
    tag = "assets",
    params(("assetHandle" = AssetId, Path, description = "The asset.", example = "00000000-0000-7000-8000-000000000001")),
    responses((status = 200, description = "The asset.", body = Asset), Missing)
)]
#[get("/assets/{assetHandle}")]
pub async fn show_asset(state: Data<State>, caller: Caller, handle: Path<AssetId>) -> Result<HttpResponse, Problem> {
    let mut connection = state.db.acquire().await.map_err(db::Error::from)?;
    let asset = db::asset::fetch(&mut connection, caller.company, *handle).await?;
    Ok(HttpResponse::Ok().json(Asset::from(asset)))
}

/// Delete an asset.
///
/// It is hidden at once. Jobs that were created before keep what they took, and finish.
#[utoipa::path(
    tag = "assets",
    params(("assetHandle" = AssetId, Path, description = "The asset.")),
    responses((status = 204, description = "It is gone."), Missing)
)]
#[delete("/assets/{assetHandle}")]
pub async fn delete_asset(state: Data<State>, caller: Caller, handle: Path<AssetId>) -> Result<HttpResponse, Problem> {
    let mut connection = state.db.acquire().await.map_err(db::Error::from)?;
    db::asset::hide(&mut connection, caller.company, *handle).await?;
    Ok(HttpResponse::NoContent().finish())
}
