//! The list of assets: folders, search, and what can be done with those that are ticked.

use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse, get, post};
use askama::Template;
use offprint_core::Code;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use crate::app::AppState;
use crate::db::{self, asset_list};
use crate::http::address::write_address;
use crate::http::extract::form::PageForm;
use crate::http::extract::page::Page;
use crate::http::pages::console::form_errors::FormErrors;
use crate::http::pages::console::form_fields::FormFields;
use crate::http::pages::console::frame::ConsoleFrame;
use crate::http::pages::console::message::redirect_done_counted;
use crate::http::pages::console::new_export::{join_path, parse_type};
use crate::http::pages::console::pager::Pager;
use crate::http::pages::console::section::Section;
use crate::http::pages::frame::PageTime;
use crate::http::problem::Problem;
use crate::http::resources::assets::asset::{Asset, AssetListQuery, list_asset_page};
use crate::http::resources::assets::change::{ChangeAsset, change_unchanged_asset};
use crate::id::AssetId;

/// Assets on one page.
const LISTED_ASSETS: u32 = 50;
/// Folders that one page lists.
const LISTED_FOLDERS: i64 = 200;

#[derive(Template)]
#[template(path = "console/assets.html")]
pub(super) struct AssetsPage {
    frame: ConsoleFrame,
    /// What was asked for.
    query: FormFields,
    errors: FormErrors,
    /// The way to this folder.
    crumbs: Vec<FolderLink>,
    folders: Vec<FolderLink>,
    /// Whether there are more folders.
    has_more_folders: bool,
    rows: Vec<AssetEntry>,
    pager: Pager,
    rights: ListRights,
}

/// What the caller may do with assets.
pub(super) struct ListRights {
    upload: bool,
    export: bool,
}

pub(super) struct FolderLink {
    name: String,
    address: String,
}

/// One asset of the list.
pub(super) struct AssetEntry {
    handle: String,
    name: String,
    folder: String,
    page: String,
    thumbnail: Option<String>,
    /// Type, size in pixels and bytes.
    details: String,
    changed: PageTime,
}

/// `GET /console/assets`.
#[get("/console/assets")]
pub(super) async fn show_assets(state: Data<AppState>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let frame = ConsoleFrame::open(&state, &request, Section::Assets).await?;
    show_list(&state, frame, &request, FormErrors::default()).await
}

/// The list that the address asks for.
pub(super) async fn show_list(
    state: &AppState,
    frame: ConsoleFrame,
    request: &HttpRequest,
    mut errors: FormErrors,
) -> Result<HttpResponse, Problem> {
    let query = Query::<FormFields>::from_query(request.query_string()).map(Query::into_inner).unwrap_or_default();
    let folder = query.get("folder").trim_matches('/').to_owned();
    // A search looks below the folder; without one the folder itself is shown.
    let is_search = query.text("name").is_some() || query.text("type").is_some() || query.text("tags").is_some();
    let filters = AssetListQuery {
        folder: Some(folder.clone()),
        recursive: is_search,
        name: query.text("name"),
        kind: query.text("type").and_then(|name| parse_type(&name)),
        tags: query.text("tags"),
        limit: Some(LISTED_ASSETS),
        cursor: query.text("cursor"),
        ..AssetListQuery::default()
    };
    let page = match list_asset_page(state, &frame.caller, filters, Default::default()).await {
        Ok(page) => page,
        Err(problem) if matches!(problem.code(), Code::InvalidParameter | Code::InvalidCursor) => {
            errors = FormErrors::from_problem(frame.language, problem, |pointer| {
                (pointer == "folder").then(|| "search-folder".to_owned())
            });
            Page { items: Vec::new(), next_cursor: None }
        }
        Err(problem) => return Err(problem),
    };
    let mut connection = state.db.acquire().await.map_err(db::DbError::from)?;
    let mut folders =
        asset_list::list_subfolders(&mut connection, frame.caller.company, &folder, LISTED_FOLDERS + 1).await?;
    drop(connection);
    let has_more_folders = folders.len() as i64 > LISTED_FOLDERS;
    folders.truncate(LISTED_FOLDERS as usize);
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = AssetsPage {
        crumbs: list_crumbs(&frame, &folder),
        folders: folders.into_iter().map(|name| link_folder(&join_path(&folder, &name), name)).collect(),
        has_more_folders,
        rows: page.items.into_iter().map(|asset| AssetEntry::new(&frame, asset)).collect(),
        pager: Pager::new(request, page.next_cursor.as_deref()),
        rights: ListRights {
            upload: frame.can("POST", "/console/assets"),
            export: frame.can("GET", Section::NewExport.path()),
        },
        frame,
        query,
        errors,
    };
    page.frame.respond(status, &page)
}

impl AssetsPage {
    fn mark_selected(&self, name: &str, value: &str) -> &'static str {
        if self.query.get(name) == value { " selected" } else { "" }
    }

    fn folder(&self) -> &str {
        self.query.get("folder").trim_matches('/')
    }
}

impl AssetEntry {
    fn new(frame: &ConsoleFrame, asset: Asset) -> Self {
        let handle = asset.asset_handle.to_string();
        let page = write_address(&format!("/console/assets/{handle}"));
        let pixels = asset.image.width.zip(asset.image.height).map(|(width, height)| format!("{width} × {height}"));
        let bytes = asset.size.map(|size| frame.language.format_size(size));
        let details: Vec<String> = [Some(asset.kind.name()), pixels, bytes].into_iter().flatten().collect();
        Self {
            thumbnail: asset.image.width.map(|_| format!("{page}/thumbnail")),
            name: asset.file_name.unwrap_or(asset.name),
            folder: asset.folder,
            details: details.join(" · "),
            changed: frame.time(asset.updated_at),
            handle,
            page,
        }
    }
}

fn link_folder(path: &str, name: String) -> FolderLink {
    let address = write_address(&format!("/console/assets?folder={}", utf8_percent_encode(path, NON_ALPHANUMERIC)));
    FolderLink { name, address }
}

/// The folders above this one, and itself.
fn list_crumbs(frame: &ConsoleFrame, folder: &str) -> Vec<FolderLink> {
    let top = FolderLink { name: frame.text("create-top-folder"), address: write_address("/console/assets") };
    let ends = folder.match_indices('/').map(|(end, _)| end).chain((!folder.is_empty()).then_some(folder.len()));
    let link = |end: usize| {
        let path = &folder[..end];
        link_folder(path, path.rsplit('/').next().unwrap_or_default().to_owned())
    };
    [top].into_iter().chain(ends.map(link)).collect()
}

/// `POST /console/assets/move`: moves the assets that are ticked into a folder.
#[post("/console/assets/move")]
pub(super) async fn move_assets(
    state: Data<AppState>,
    PageForm(fields): PageForm<FormFields>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let frame = ConsoleFrame::open(&state, &request, Section::Assets).await?;
    let folder = fields.get("to").trim();
    let (mut moved, mut failed) = (0, 0);
    for handle in fields.list("asset") {
        let change: ChangeAsset = serde_json::from_value(json!({ "folder": folder })).map_err(Problem::internal)?;
        let Ok(handle) = handle.parse::<AssetId>() else {
            failed += 1;
            continue;
        };
        match change_unchanged_asset(&state, &frame.caller, &HeaderMap::new(), handle, change).await {
            Ok(_) => moved += 1,
            Err(problem) if problem.code() == Code::NotFound => failed += 1,
            // The folder is no folder: the same for all.
            Err(problem) => {
                let errors = FormErrors::from_problem(frame.language, problem, |_| Some("move-folder".to_owned()));
                return show_list(&state, frame, &request, errors).await;
            }
        }
    }
    let path = format!("/console/assets?folder={}", utf8_percent_encode(folder, NON_ALPHANUMERIC));
    Ok(redirect_done_counted(&path, "assets-moved", moved, failed))
}
