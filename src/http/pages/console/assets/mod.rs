//! Assets: folders, search, uploads, and a page for each asset to look at it, change it, replace and delete it.
//!
//! With scripts files are uploaded by tus in pieces; without them by one form. Begin reading at [`list`] and [`detail`].

mod change_form;
mod detail;
mod list;
mod upload;

use actix_web::web::{self, Data, Path};
use actix_web::{HttpRequest, HttpResponse, get};
use offprint_core::Code;

use crate::app::AppState;
use crate::db::{self, asset};
use crate::http::extract::caller::Caller;
use crate::http::problem::Problem;
use crate::http::resources::export_jobs::thumbnails::serve_thumbnail_of;
use crate::id::AssetId;

/// Registers the pages. The first match counts.
pub(super) fn register_asset_routes(config: &mut web::ServiceConfig) {
    config
        .service(list::show_assets)
        .service(upload::upload_files)
        .service(list::move_assets)
        .service(detail::show_asset_page)
        .service(detail::save_asset)
        .service(detail::delete_asset)
        .service(upload::replace_file)
        .service(show_asset_thumbnail);
}

/// `GET /console/assets/{assetHandle}/thumbnail`: a small image of the original, as it was uploaded.
#[get("/console/assets/{assetHandle}/thumbnail")]
async fn show_asset_thumbnail(
    state: Data<AppState>,
    caller: Caller,
    handle: Path<AssetId>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let mut connection = state.db.acquire().await.map_err(db::DbError::from)?;
    let asset = asset::fetch_asset(&mut connection, caller.company, *handle).await?;
    drop(connection);
    match asset.sha256.filter(|_| asset.header.is_some()) {
        Some(original) => serve_thumbnail_of(&state, caller.company, original, &request).await,
        None => Err(Problem::new(Code::NotFound, "There is no thumbnail: the asset is not an image that can be read.")),
    }
}
