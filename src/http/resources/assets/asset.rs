//! The representation of an asset, and the operations to list, show and delete assets.

use std::collections::BTreeMap;

use actix_web::http::header::HeaderMap;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, delete, get};
use chrono::{DateTime, Utc};
use offprint_core::Digest;
use offprint_core::name::{Folder, normalize_name};
use offprint_imaging::{ImageHeader, Turn};
use offprint_modifiers::{PixelType, ThumbType};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::app::AppState;
use crate::db::asset::{AssetCriteria, AssetCursor, AssetRow, AssetType};
use crate::db::metadata_map::MetadataMap;
use crate::db::{self, DbConnection};
use crate::http::address::{serialize_address, serialize_optional_address};
use crate::http::extract::caller::Caller;
use crate::http::extract::filter_query::{FilterQuery, MetadataFilterQuery};
use crate::http::extract::page;
use crate::http::extract::page::Page;
use crate::http::extract::preconditions::{self, Validators};
use crate::http::problem::Problem;
use crate::http::responses::NotFoundProblem;
use crate::http::responses::PreconditionProblem;
use crate::http::responses::QueryProblems;
use crate::id::{AssetId, CompanyId, DigestSchema};
use crate::jobs::selection::normalize_tag;
use crate::jobs::{explain_unconvertible, read_asset_settings};
use crate::reason::Reason;

/// An uploaded file, or a set.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Asset {
    /// Handle of the asset: opaque and permanent.
    #[schema(example = "00000000-0000-7000-8000-000000000001")]
    pub(in crate::http) asset_handle: AssetId,
    /// Type of the asset, detected from its bytes.
    #[serde(rename = "type")]
    pub(in crate::http) kind: AssetType,
    /// Name of the asset: at first the file name without its extension.
    #[schema(example = "fileToExport")]
    pub(in crate::http) name: String,
    /// File name of the original; null for sets.
    #[schema(example = "fileToExport.jpg")]
    pub(in crate::http) file_name: Option<String>,
    /// Folder of the asset, as `a/b`; empty for the top level.
    #[schema(example = "")]
    pub(in crate::http) folder: String,
    /// Size of the original in bytes; null for sets.
    pub(in crate::http) size: Option<i64>,
    /// SHA-256 of the original; null for sets.
    #[schema(value_type = Option<DigestSchema>)]
    pub(in crate::http) sha256: Option<Digest>,
    /// Media type of the original; null for sets.
    #[schema(example = "image/jpeg")]
    pub(in crate::http) mime: Option<String>,
    /// Properties from the header of the image.
    #[serde(flatten)]
    pub(in crate::http) image: ImageInfo,
    /// Why the original cannot be converted, in the words of an item that would fail; null when it can.
    pub(in crate::http) unconvertible: Option<Reason>,
    /// The asset's own modifier, applied before that of a job.
    #[schema(example = "")]
    pub(in crate::http) url_modifier: String,
    /// The asset's own modifier, applied after that of a job.
    #[schema(example = "")]
    pub(in crate::http) url_post_apply_modifier: String,
    /// Another asset that is the mask of this one.
    pub(in crate::http) mask_asset: Option<String>,
    /// The point that `rotate` turns about and `pos` places, as `x,y` in pixels; null: the centre.
    pub(in crate::http) anchor: Option<String>,
    /// How thumbnails of this asset are made; null: as the attribute `ThumbType` says.
    #[schema(value_type = Option<String>, example = "fit")]
    pub(in crate::http) thumb_type: Option<ThumbType>,
    /// Resolution of thumbnails of the type `texture`; null: that of the attribute `ThumbRes`.
    pub(in crate::http) thumb_res: Option<f64>,
    /// Text that is kept for you.
    pub(in crate::http) user_data: Option<String>,
    /// Modifiers by the names of crops. `$preset$:Large` and `src=asset:Large` ask for the crop `Large`.
    pub(in crate::http) crops: BTreeMap<String, String>,
    /// Members of a set; null for files.
    pub(in crate::http) member_array: Option<Vec<AssetId>>,
    /// Texts of the client's own.
    pub(in crate::http) metadata: MetadataMap,
    /// Modification time of the file in archives: `lastModified` of the upload, else the capture time of the image, else
    /// the time of the upload.
    pub(in crate::http) last_modified: DateTime<Utc>,
    /// When the asset was created.
    pub(in crate::http) created_at: DateTime<Utc>,
    /// When the asset was last changed.
    pub(in crate::http) updated_at: DateTime<Utc>,
    /// Related URLs.
    pub(in crate::http) links: AssetLinks,
}

/// Properties from the header of an image. All null when the asset is no image or its header cannot be read.
#[derive(Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageInfo {
    /// Width of the upright image, in pixels.
    #[schema(example = 1600)]
    pub(in crate::http) width: Option<u32>,
    /// Height of the upright image, in pixels.
    #[schema(example = 1200)]
    pub(in crate::http) height: Option<u32>,
    /// Whether the image has an alpha channel.
    pub(in crate::http) has_alpha: Option<bool>,
    /// EXIF orientation of the stored image; 1 is upright.
    #[schema(minimum = 1, maximum = 8, example = 1)]
    pub(in crate::http) orientation: Option<u8>,
    /// Colour components of a pixel.
    #[schema(value_type = Option<String>, example = "rgb")]
    pub(in crate::http) color: Option<PixelType>,
    /// Bits per component.
    #[schema(example = 8)]
    pub(in crate::http) bits: Option<u8>,
    /// Resolution in dots per inch: that which was set for the asset, else that of the file.
    #[schema(example = 72.0)]
    pub(in crate::http) resolution: Option<f64>,
    /// Name of the embedded colour profile; null when there is none.
    pub(in crate::http) profile: Option<String>,
}

/// URLs related to an asset.
#[derive(Serialize, ToSchema)]
pub struct AssetLinks {
    /// The asset itself.
    #[serde(rename = "self", serialize_with = "serialize_address")]
    asset: String,
    /// The original; absent for sets.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "serialize_optional_address")]
    content: Option<String>,
}

impl ImageInfo {
    fn from_header(stored: Option<&Value>) -> Self {
        let Some(header) = stored.and_then(|stored| ImageHeader::deserialize(stored).ok()) else {
            return Self::default();
        };
        let (width, height) = header.upright_size();
        Self {
            width: Some(width),
            height: Some(height),
            has_alpha: Some(header.alpha),
            orientation: (1..=8).find(|number| Turn::from_exif((*number).into()) == header.orientation),
            color: Some(header.color),
            bits: Some(header.bits),
            resolution: header.dpi,
            profile: stored.and_then(|stored| stored["profileName"].as_str()).map(str::to_owned),
        }
    }
}

impl From<db::asset::AssetRow> for Asset {
    fn from(row: db::asset::AssetRow) -> Self {
        let path = format!("/assets/{}", row.asset_id);
        let settings = read_asset_settings(&row);
        let mut image = ImageInfo::from_header(row.header.as_ref());
        image.resolution = settings.resolution.or(image.resolution);
        Self {
            asset_handle: row.asset_id,
            kind: row.kind,
            image,
            unconvertible: row.sha256.filter(|_| row.header.is_none()).map(|_| explain_unconvertible(&row)),
            links: AssetLinks { content: row.sha256.map(|_| format!("{path}/content")), asset: path },
            name: row.name,
            file_name: row.file_name,
            folder: row.folder,
            size: row.size,
            sha256: row.sha256,
            mime: row.mime,
            url_modifier: row.url_modifier,
            url_post_apply_modifier: row.url_post_apply_modifier,
            mask_asset: settings.mask_asset,
            anchor: settings.anchor,
            thumb_type: settings.thumb_type,
            thumb_res: settings.thumb_res,
            user_data: settings.user_data,
            crops: settings.crops,
            member_array: row.member_array.map(|members| members.0),
            metadata: row.metadata.0,
            last_modified: row.entry_time,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// Which assets to list.
#[derive(Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AssetListQuery {
    /// Only assets of this type.
    #[serde(rename = "type")]
    pub(in crate::http) kind: Option<AssetType>,
    /// Only assets whose name begins with this; case-sensitive.
    pub(in crate::http) name: Option<String>,
    /// Only assets in this folder; empty for the top level.
    pub(in crate::http) folder: Option<String>,
    /// Include all folders below `folder`.
    #[serde(default)]
    #[param(required = false)]
    pub(in crate::http) recursive: bool,
    /// Only assets whose original has this SHA-256. Use it to find out whether a file was uploaded before.
    #[param(value_type = Option<String>, pattern = "^[0-9a-fA-F]{64}$")]
    pub(in crate::http) sha256: Option<Digest>,
    /// Only assets that were uploaded, replaced or changed at this time or later.
    #[serde(rename = "updatedSince")]
    #[param(rename = "updatedSince")]
    pub(in crate::http) updated_since: Option<DateTime<Utc>>,
    /// Only assets that have all these tags, separated by commas: the entry `tags` of their `metadata`.
    pub(in crate::http) tags: Option<String>,
    /// Assets per page, 1 to 1000. Default: 100.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    pub(in crate::http) limit: Option<u32>,
    /// `nextCursor` of the previous page. It is valid only with the same filters.
    #[param(min_length = 1)]
    pub(in crate::http) cursor: Option<String>,
}

/// List assets.
///
/// Sorted by folder, name and handle. Deleted assets are not listed.
#[utoipa::path(
    tag = "assets",
    params(AssetListQuery, MetadataFilterQuery),
    responses((status = 200, description = "One page of assets.", body = Page<Asset>), QueryProblems)
)]
#[get("/assets")]
pub async fn list_assets(
    state: Data<AppState>,
    caller: Caller,
    request: HttpRequest,
    query: FilterQuery<AssetListQuery>,
) -> Result<HttpResponse, Problem> {
    let FilterQuery { filters, metadata } = query;
    Ok(list_asset_page(&state, &caller, filters, metadata).await?.into_response(&request))
}

/// One page of the assets that match.
///
/// # Errors
/// 400 for a folder, limit or cursor that cannot be used.
pub(in crate::http) async fn list_asset_page(
    state: &AppState,
    caller: &Caller,
    query: AssetListQuery,
    metadata: MetadataMap,
) -> Result<Page<Asset>, Problem> {
    let limit = page::parse_limit(query.limit)?;
    let folder = query.folder.as_deref().map(Folder::parse).transpose();
    let folder = folder.map_err(|detail| Problem::invalid_parameter("folder", detail))?;
    let filter = AssetCriteria {
        folders: folder.map(|folder| vec![folder.as_str().to_owned()]),
        recursive: query.recursive,
        kind: query.kind,
        name: query.name.as_deref().map(normalize_name),
        names: None,
        sha256: query.sha256,
        updated_since: query.updated_since,
        tags: query.tags.iter().flat_map(|tags| tags.split(',')).filter_map(normalize_tag).collect(),
        metadata,
    };
    let after = page::parse_cursor(query.cursor.as_deref(), &filter, parse_asset_cursor)?;
    let mut connection = state.db.acquire().await.map_err(db::DbError::from)?;
    let rows = db::asset_list::list_assets(&mut connection, caller.company, &filter, after, limit + 1).await?;
    let assets = rows.into_iter().map(Asset::from).collect();
    let key = |asset: &Asset| vec![asset.folder.clone(), asset.name.clone(), asset.asset_handle.to_string()];
    Ok(Page::new(assets, limit, &filter, key))
}

fn parse_asset_cursor(key: &[String]) -> Option<AssetCursor> {
    let [folder, name, handle] = key else { return None };
    Some((folder.clone(), name.clone(), handle.parse().ok()?))
}

/// Show an asset.
///
/// Type, names, folder, size and image properties. The bytes are at `…/content`.
#[utoipa::path(
    tag = "assets",
    params(("assetHandle" = AssetId, Path, description = "Handle of the asset.")),
    responses((status = 200, description = "The asset.", body = Asset),
        (status = 304, description = "The client has the current version."), NotFoundProblem, PreconditionProblem)
)]
#[get("/assets/{assetHandle}")]
pub async fn show_asset(
    state: Data<AppState>,
    caller: Caller,
    request: HttpRequest,
    handle: Path<AssetId>,
) -> Result<HttpResponse, Problem> {
    let mut connection = state.db.acquire().await.map_err(db::DbError::from)?;
    let asset = db::asset::fetch_asset(&mut connection, caller.company, *handle).await?;
    let modified = asset.updated_at;
    preconditions::show_json(&request, &Asset::from(asset), Some(modified))
}

/// Locks an asset if it is the version that the request is about.
///
/// # Errors
/// 404 without the asset, 412 when `If-Match` or another precondition does not hold.
pub(super) async fn lock_unchanged_asset(
    connection: &mut DbConnection,
    headers: &HeaderMap,
    company: CompanyId,
    handle: AssetId,
) -> Result<AssetRow, Problem> {
    let row = db::asset::lock_asset(connection, company, handle).await?;
    let validators = validate_row(&row)?;
    preconditions::check_write(headers, Some(&validators))?;
    Ok(row)
}

/// The validators of an asset.
pub(in crate::http) fn validate_row(row: &AssetRow) -> Result<Validators, Problem> {
    Validators::from_json(&Asset::from(row.clone()), Some(row.updated_at))
}

/// Delete an asset.
///
/// The asset disappears at once. Existing jobs keep the original and finish.
#[utoipa::path(
    tag = "assets",
    params(
        ("assetHandle" = AssetId, Path, description = "Handle of the asset."),
        ("If-Match" = Option<String>, Header, description = "Only if the asset still has this `ETag`; otherwise 412."),
    ),
    responses((status = 204, description = "The asset was deleted."), NotFoundProblem, PreconditionProblem)
)]
#[delete("/assets/{assetHandle}")]
pub async fn delete_asset(
    state: Data<AppState>,
    caller: Caller,
    request: HttpRequest,
    handle: Path<AssetId>,
) -> Result<HttpResponse, Problem> {
    delete_unchanged_asset(&state, &caller, request.headers(), *handle).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Deletes an asset if the preconditions in `headers` hold.
///
/// # Errors
/// 404 without the asset, 412 when it has changed.
pub(in crate::http) async fn delete_unchanged_asset(
    state: &AppState,
    caller: &Caller,
    headers: &HeaderMap,
    handle: AssetId,
) -> Result<(), Problem> {
    let mut transaction = state.db.begin().await.map_err(db::DbError::from)?;
    lock_unchanged_asset(&mut transaction, headers, caller.company, handle).await?;
    db::asset::hide_asset(&mut transaction, caller.company, handle).await?;
    transaction.commit().await.map_err(db::DbError::from)?;
    Ok(())
}
