//! Imports image presets and templates from files of an Image Serving catalog or of AEM.

use actix_web::web::{Data, Payload, Query};
use actix_web::{HttpRequest, HttpResponse, post};
use offprint_core::Code;
use serde::Deserialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::app::AppState;
use crate::db;
use crate::db::capability::Capability::AssetsWrite;
use crate::db::image_preset;
use crate::http::admission::admit_request;
use crate::http::extract::body::{parse_body, read_body_bytes};
use crate::http::extract::caller::Caller;
use crate::http::extract::content_headers::is_json;
use crate::http::problem::{Problem, ValidationError};
use crate::http::responses::{BodyProblems, BusyProblem, QueryProblems};
use crate::jobs::catalog_files::{CatalogContent, CatalogFile, read_catalog_files};
use crate::jobs::preset_import::{
    CatalogImport, TemplateContext, check_presets, check_records, list_present_presets, merge_presets, save_presets,
    save_records,
};

/// Bytes of all files together.
pub(in crate::http) const MAX_IMPORT_BYTES: usize = 4 << 20;
/// The most records of catalogs.
const MAX_RECORDS: usize = 10_000;

/// Files to import.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportImagePresets {
    /// The files, in their order: macro files, `.ini` attributes, catalogs, presets of AEM as JSON.
    #[schema(min_items = 1, max_items = 20)]
    files: Vec<ImportFile>,
    /// Whether to report only, and save nothing. Default: false.
    dry_run: Option<bool>,
}

/// A file to import.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportFile {
    /// Name of the file; one that ends with `.ini` has attributes.
    #[schema(max_length = 255, example = "presets.tab")]
    name: String,
    /// The text of the file.
    #[schema(max_length = 4_194_304)]
    content: String,
}

/// How to import.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ImportQuery {
    /// Whether to report only, and save nothing.
    #[serde(rename = "dryRun", default)]
    #[param(rename = "dryRun", required = false)]
    dry_run: bool,
}

/// Import image presets and templates.
///
/// Takes what a company has in Scene7: macro files (columns `Name` and `Definition`, separated by tabs), attributes (`.ini`),
/// records of a catalog (columns `Id`, `Modifier`, `PostModifier`), and the presets of AEM as JSON. Send one file as text, the
/// JSON of AEM as it is, or several files as `{"files": […]}`. Each file is recognised by its content.
///
/// Macros become image presets and replace those of the same name. Records become `urlModifier` and `urlPostApplyModifier` of
/// the asset that their `Id` names, which makes it a template where they have layers; that needs `assets:write`, too. Attributes are
/// not imported: they tell which presets looked different there. Each preset is imported or refused for itself, and the report
/// says what each loses here: commands without effect, and attributes that differ.
#[utoipa::path(
    tag = "image presets",
    params(ImportQuery),
    request_body(description = "The files.", content(
        (ImportImagePresets = "application/json", example = json!({
            "dryRun": true,
            "files": [{"name": "presets.tab", "content": "Name\tDefinition\npdp\twid=1200&fmt=jpeg&qlt=85\n"}]
        })),
        (String = "text/plain", example = "Name\tDefinition\npdp\twid=1200&fmt=jpeg&qlt=85\n"),
        (String = "text/tab-separated-values", example = "Name\tDefinition\npdp\twid=1200&fmt=jpeg&qlt=85\n"),
    )),
    responses(
        (status = 200, description = "What became of each preset and template.", body = CatalogImport),
        QueryProblems, BodyProblems, BusyProblem,
    ),
)]
#[post("/image-presets/import")]
pub async fn import_image_presets(
    state: Data<AppState>,
    caller: Caller,
    request: HttpRequest,
    query: Query<ImportQuery>,
    body: Payload,
) -> Result<HttpResponse, Problem> {
    let bytes = read_body_bytes(&request, body, MAX_IMPORT_BYTES).await?;
    let (files, dry_run) = read_files(bytes, is_json(request.headers()))?;
    let import = import_files(&state, &caller, files, dry_run || query.dry_run).await?;
    Ok(HttpResponse::Ok().json(import))
}

/// Imports these files, or reports what would become of them.
///
/// # Errors
/// 422 when a file is none of those that can be imported, or a limit would be exceeded; 403 without a capability that they need.
pub(in crate::http) async fn import_files(
    state: &AppState,
    caller: &Caller,
    files: Vec<CatalogFile>,
    dry_run: bool,
) -> Result<CatalogImport, Problem> {
    let _admission = admit_request(state, caller.company).await?;
    let content =
        state.compute.run(caller.company, move || read_catalog_files(files)).await.map_err(Problem::internal)?;
    let content = content.map_err(|detail| reject_files(Code::InvalidValue, detail))?;
    check_content(state, caller, &content)?;
    import_content(state, caller, content, dry_run).await
}

/// The files of a body, and whether it asks for a dry run.
fn read_files(bytes: Vec<u8>, is_json: bool) -> Result<(Vec<CatalogFile>, bool), Problem> {
    let is_list =
        || serde_json::from_slice::<Value>(&bytes).is_ok_and(|value| value.get("files").is_some_and(Value::is_array));
    if is_json && is_list() {
        let ImportImagePresets { files, dry_run } = parse_body(&bytes)?;
        let files = files.into_iter().map(|file| CatalogFile { name: file.name, bytes: file.content.into_bytes() });
        return Ok((files.collect(), dry_run.unwrap_or(false)));
    }
    Ok((vec![CatalogFile { name: "body".to_owned(), bytes }], false))
}

fn reject_files(code: Code, detail: String) -> Problem {
    Problem::from_errors(vec![ValidationError::new("/files", code, detail)])
}

fn check_content(state: &AppState, caller: &Caller, content: &CatalogContent) -> Result<(), Problem> {
    let max = state.settings.max_presets;
    if max > 0 && content.macros.len() > max {
        let detail = format!("The files have {} presets; the limit of a company is {max}.", content.macros.len());
        return Err(Problem::new(Code::TooManyPresets, detail));
    }
    if content.records.len() > MAX_RECORDS {
        let detail =
            format!("The files have {} records; the limit is {MAX_RECORDS}. Split them.", content.records.len());
        return Err(reject_files(Code::InvalidValue, detail));
    }
    if !content.records.is_empty() && !caller.has_capability(AssetsWrite) {
        let detail = "Records of a catalog change assets, and the API key lacks the capability `assets:write`.";
        let error = ValidationError::new("/files", Code::ValueForbidden, detail);
        return Err(Problem::new(Code::ValueForbidden, detail).with_errors(vec![error]));
    }
    Ok(())
}

async fn import_content(
    state: &AppState,
    caller: &Caller,
    content: CatalogContent,
    dry_run: bool,
) -> Result<CatalogImport, Problem> {
    let company = caller.company;
    let mut transaction = state.db.begin().await.map_err(db::DbError::from)?;
    image_preset::lock_image_presets(&mut transaction, company).await?;
    let present = list_present_presets(&mut transaction, company).await?;
    let attributes = state.attributes.clone();
    let check = move || {
        let presets = check_presets(&content, &present, &attributes);
        let merged = merge_presets(&content, &presets, present);
        let count = merged.len();
        let context = TemplateContext { attributes: &attributes, presets: merged };
        let templates = check_records(&content.records, &context);
        (content, presets, templates, count)
    };
    let (content, presets, mut templates, count) =
        state.compute.run(company, check).await.map_err(Problem::internal)?;
    let max = state.settings.max_presets;
    if max > 0 && count > max {
        let detail = format!("The company would have {count} image presets; the limit is {max}. Nothing was saved.");
        return Err(Problem::new(Code::TooManyPresets, detail));
    }
    let root_ids = &state.attributes.root_ids;
    save_records(&mut transaction, company, root_ids, &content.records, &mut templates, dry_run).await?;
    if !dry_run {
        save_presets(&mut transaction, company, &content, &presets).await?;
        transaction.commit().await.map_err(db::DbError::from)?;
    }
    Ok(CatalogImport::new(dry_run, presets, templates))
}
