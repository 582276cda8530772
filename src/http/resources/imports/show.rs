//! Lists and shows imports and their files.

use std::time::Duration;

use actix_web::http::header;
use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse, get};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use crate::app::AppState;
use crate::db::enums::{ImportEntryState, ImportState};
use crate::db::import::{self, ImportRow};
use crate::db::import_entry;
use crate::http::extract::caller::Caller;
use crate::http::extract::page::{self, Page};
use crate::http::extract::{preconditions, prefer};
use crate::http::long_poll::{wait_until, watch_changes};
use crate::http::problem::Problem;
use crate::http::resources::imports::import::{Import, ImportEntry};
use crate::http::resources::imports::{ImportPath, parse_import_handle};
use crate::http::responses::{NotFoundProblem, PreconditionProblem, QueryProblems};
use crate::id::ImportId;

/// Which imports to list.
#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ImportListQuery {
    /// Only imports in this state.
    state: Option<ImportState>,
    /// Imports per page, 1 to 1000. Default: 100.
    #[serde(skip_serializing_if = "page::not_a_filter")]
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
    /// `nextCursor` of the previous page.
    #[serde(skip_serializing_if = "page::not_a_filter")]
    #[param(min_length = 1)]
    cursor: Option<String>,
}

/// List imports.
///
/// Newest first. Imports are kept for 90 days after their end.
#[utoipa::path(
    tag = "imports",
    params(ImportListQuery),
    responses((status = 200, description = "One page of imports.", body = Page<Import>), QueryProblems),
)]
#[get("/imports")]
pub async fn list_imports(
    state: Data<AppState>,
    caller: Caller,
    Query(query): Query<ImportListQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let limit = page::parse_limit(query.limit)?;
    let filters = ("imports", &query);
    let after = page::parse_cursor(query.cursor.as_deref(), &filters, page::parse_single_key)?;
    let rows = import::list_imports(&state.db, caller.company, query.state, after, limit + 1).await?;
    let imports = rows.into_iter().map(Import::from).collect();
    Ok(Page::new(imports, limit, &filters, |import: &Import| vec![import.import_handle.to_string()])
        .into_response(&request))
}

/// How to show an import.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ImportWaitQuery {
    /// Seconds to wait for the end: the response comes when the import is finished, or when the time is over. A wait ends after
    /// 50 s in any case, before proxies give up.
    #[param(minimum = 0, maximum = 60)]
    wait: Option<u64>,
}

/// Show an import.
///
/// State, counts and links. What became of each file is at `…/entries`.
#[utoipa::path(
    tag = "imports",
    params(("jobHandle" = ImportId, Path, description = "Handle of the import: its `importHandle`."), ImportWaitQuery),
    responses(
        (status = 200, description = "The import.", body = Import, headers(
            ("Retry-After" = u32, description = "Seconds after which to look again; absent when the import is finished."),
        )),
        (status = 304, description = "The client has the current version."), QueryProblems, NotFoundProblem, PreconditionProblem,
    ),
)]
#[get("/imports/{jobHandle}")]
pub async fn show_import(
    state: Data<AppState>,
    caller: Caller,
    path: ImportPath,
    Query(waiting): Query<ImportWaitQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let wait = prefer::check_wait(waiting.wait)?;
    let row = wait_for_end(&state, &caller, parse_import_handle(&path)?, prefer::limit_wait(wait)).await?;
    let is_finished = row.state == ImportState::Finished;
    let mut answer = preconditions::show_json(&request, &Import::from(row), None)?;
    if !is_finished {
        answer.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    }
    Ok(answer)
}

/// The import when it is finished, or when the time is over.
async fn wait_for_end(
    state: &AppState,
    caller: &Caller,
    import: ImportId,
    wait: Duration,
) -> Result<ImportRow, Problem> {
    let read = async || {
        let row = import::fetch_import(&state.db, caller.company, import).await?;
        let is_finished = row.state == ImportState::Finished;
        Ok((row, is_finished))
    };
    wait_until(state, caller, wait, || watch_changes(state, Duration::ZERO), read).await
}

/// Which files of an import to list.
#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ImportEntryQuery {
    /// Only files in this state.
    state: Option<ImportEntryState>,
    /// Files per page, 1 to 1000. Default: 100.
    #[serde(skip_serializing_if = "page::not_a_filter")]
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
    /// `nextCursor` of the previous page.
    #[serde(skip_serializing_if = "page::not_a_filter")]
    #[param(min_length = 1)]
    cursor: Option<String>,
}

/// List files of an import.
///
/// Each file that was found with what became of it, sorted by path.
#[utoipa::path(
    tag = "imports",
    params(("jobHandle" = ImportId, Path, description = "Handle of the import: its `importHandle`."), ImportEntryQuery),
    responses((status = 200, description = "One page of files.", body = Page<ImportEntry>), QueryProblems, NotFoundProblem),
)]
#[get("/imports/{jobHandle}/entries")]
pub async fn list_import_entries(
    state: Data<AppState>,
    caller: Caller,
    path: ImportPath,
    Query(query): Query<ImportEntryQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let import = import::fetch_import(&state.db, caller.company, parse_import_handle(&path)?).await?.import_id;
    let limit = page::parse_limit(query.limit)?;
    let filters = (import, &query);
    let after: Option<String> = page::parse_cursor(query.cursor.as_deref(), &filters, page::parse_single_key)?;
    let rows =
        import_entry::list_entries(&state.db, caller.company, import, query.state, after.as_deref(), limit + 1).await?;
    let entries = rows.into_iter().map(ImportEntry::from).collect();
    Ok(Page::new(entries, limit, &filters, |entry: &ImportEntry| vec![entry.path.clone()]).into_response(&request))
}
