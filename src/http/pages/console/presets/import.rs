//! The import of presets from files, with its report.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, post};
use offprint_core::Code;

use super::list::show_list;
use crate::app::AppState;
use crate::http::pages::console::file_form::{open_file_form, read_next_part, read_part};
use crate::http::pages::console::form_errors::FormErrors;
use crate::http::pages::console::form_fields::FormFields;
use crate::http::pages::console::frame::ConsoleFrame;
use crate::http::pages::console::section::Section;
use crate::http::problem::Problem;
use crate::http::resources::image_preset_import::{MAX_IMPORT_BYTES, import_files};
use crate::jobs::catalog_files::CatalogFile;
use crate::jobs::preset_import::CatalogImport;

/// Files of one import.
const MAX_IMPORT_FILES: usize = 20;

/// `POST /console/preset-imports`: imports the files of the form, or reports what would become of them.
#[post("/console/preset-imports")]
pub(super) async fn import_presets(
    state: Data<AppState>,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, Problem> {
    let frame = ConsoleFrame::open(&state, &request, Section::Presets).await?;
    match import_form(&state, &frame, &request, body).await {
        Ok(report) => show_list(&state, frame, &request, Default::default(), Some(report)).await,
        Err(problem) => {
            if matches!(problem.code(), Code::ForeignOrigin | Code::Internal | Code::Unavailable) {
                return Err(problem);
            }
            let errors = FormErrors::from_problem(frame.language, problem, |_| Some("import".to_owned()));
            show_list(&state, frame, &request, (FormFields::default(), errors), None).await
        }
    }
}

async fn import_form(
    state: &AppState,
    frame: &ConsoleFrame,
    request: &HttpRequest,
    body: Payload,
) -> Result<CatalogImport, Problem> {
    let mut parts = open_file_form(state, request, body).await?;
    let (mut files, mut is_dry_run, mut left) = (Vec::new(), false, MAX_IMPORT_BYTES);
    while let Some((headers, mut part)) = read_next_part(&mut parts).await? {
        let bytes = read_part(&mut part, left).await?;
        left -= bytes.len();
        match headers.name.as_str() {
            "file" if headers.file_name.is_empty() && bytes.is_empty() => {}
            "file" if files.len() < MAX_IMPORT_FILES => files.push(CatalogFile { name: headers.file_name, bytes }),
            "action" => is_dry_run = bytes == b"report",
            _ => return Err(Problem::invalid_parameter("file", "The form has too many files or other fields.")),
        }
    }
    if files.is_empty() {
        return Err(Problem::invalid_parameter(
            "file",
            "The form has no file. Choose at least one, then send it again.",
        ));
    }
    import_files(state, &frame.caller, files, is_dry_run).await
}
