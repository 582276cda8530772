//! Uploads by a form, and the form that replaces an original.

use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse, post};
use futures_util::TryStreamExt;
use offprint_core::Code;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::app::AppState;
use crate::http::extract::idempotency::IdempotencyKey;
use crate::http::limits::read_announced_bytes;
use crate::http::pages::console::assets::{detail, list};
use crate::http::pages::console::file_form::{open_file_form, read_next_part};
use crate::http::pages::console::form_errors::FormErrors;
use crate::http::pages::console::frame::ConsoleFrame;
use crate::http::pages::console::message::{redirect_done, redirect_done_counted};
use crate::http::pages::console::section::Section;
use crate::http::problem::Problem;
use crate::http::resources::assets::content::replace_original;
use crate::http::resources::assets::multipart_upload::receive_assets;
use crate::i18n::Language;
use crate::id::AssetId;

/// `POST /console/assets`: uploads files.
#[post("/console/assets")]
pub(super) async fn upload_files(
    state: Data<AppState>,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, Problem> {
    let frame = ConsoleFrame::open(&state, &request, Section::Assets).await?;
    let parts = open_file_form(&state, &request, body).await?;
    // Equal files are assets of their own: nobody is asked for a key here.
    let key = IdempotencyKey::none();
    match receive_assets(state.clone(), frame.caller, key, request.headers(), parts).await {
        Ok(response) => {
            let assets = response.into_assets();
            let folder = assets.first().map(|asset| asset.folder.clone()).unwrap_or_default();
            let path = format!("/console/assets?folder={}", utf8_percent_encode(&folder, NON_ALPHANUMERIC));
            Ok(redirect_done_counted(&path, "uploaded", assets.len(), 0))
        }
        Err(problem) => {
            let errors = reject_upload(frame.language, problem)?;
            list::show_list(&state, frame, &request, errors).await
        }
    }
}

/// `POST /console/assets/{assetHandle}/content`: replaces the original by the file of the form.
#[post("/console/assets/{assetHandle}/content")]
pub(super) async fn replace_file(
    state: Data<AppState>,
    handle: Path<AssetId>,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, Problem> {
    let handle = handle.into_inner();
    let frame = ConsoleFrame::open(&state, &request, Section::Assets).await?;
    let mut parts = open_file_form(&state, &request, body).await?;
    let replaced = match read_next_part(&mut parts).await? {
        Some((headers, part)) if headers.name == "file" => {
            let announced = read_announced_bytes(request.headers());
            let bytes = part.map_err(|error| {
                let detail = format!("The file ended too early: {error}. Nothing was changed.");
                Problem::invalid_parameter("file", detail)
            });
            let headers = actix_web::http::header::HeaderMap::new();
            replace_original(state.clone(), &frame.caller, &headers, handle, (announced, bytes)).await.map(drop)
        }
        _ => Err(Problem::invalid_parameter("file", "The form has no file. Choose one, then send it again.")),
    };
    let path = format!("/console/assets/{handle}");
    match replaced {
        Ok(()) => Ok(redirect_done(&path, "asset-replaced")),
        Err(problem) => {
            let errors = reject_upload(frame.language, problem)?;
            detail::show_detail(&state, frame, handle, None, errors).await
        }
    }
}

/// The mistakes of files that were refused.
///
/// # Errors
/// The problem, where the files are not to blame for it.
fn reject_upload(language: &Language, problem: Problem) -> Result<FormErrors, Problem> {
    match problem.code() {
        Code::NotFound | Code::Internal | Code::Unavailable => Err(problem),
        _ => Ok(FormErrors::from_problem(language, problem, |pointer| {
            Some(if pointer.starts_with("/folder") { "upload-folder" } else { "file" }.to_owned())
        })),
    }
}
