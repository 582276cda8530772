//! Stops, retries and deletes imports.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpResponse, delete, post};
use offprint_core::{Code, Digest};

use crate::app::AppState;
use crate::db::enums::ImportState;
use crate::db::import::{self, ImportRow};
use crate::db::import_entry::{BATCH_ENTRIES, insert_batch_tasks};
use crate::db::task::{self, NewTask, TaskKind};
use crate::db::{self, DbConnection};
use crate::http::extract::caller::Caller;
use crate::http::extract::idempotency::IdempotencyKey;
use crate::http::limits::{check_repeats, count_repeat};
use crate::http::problem::Problem;
use crate::http::resources::imports::create::check_unfinished;
use crate::http::resources::imports::import::Import;
use crate::http::resources::imports::{ImportPath, parse_import_handle};
use crate::http::responses::{
    BusyProblem, ConflictProblem, KeyReuseProblem, NotFoundProblem, QueryProblems, QueueFullProblem,
};
use crate::id::{CompanyId, ImportId};
use crate::jobs::import::{finish_import, report_finished_import};

async fn lock_import(
    connection: &mut DbConnection,
    company: CompanyId,
    import: ImportId,
) -> Result<ImportRow, Problem> {
    import::lock_import(connection, company, import).await?.ok_or_else(|| Problem::not_found("import"))
}

/// Stop an import.
///
/// Files that are not done yet are stopped at once, and the import is finished. What was imported stays.
#[utoipa::path(tag = "imports", params(("jobHandle" = ImportId, Path, description = "Handle of the import: its `importHandle`.")),
    responses((status = 200, description = "The import was stopped.", body = Import), NotFoundProblem, ConflictProblem))]
#[post("/imports/{jobHandle}/stop")]
pub async fn stop_import(state: Data<AppState>, caller: Caller, path: ImportPath) -> Result<HttpResponse, Problem> {
    let import = parse_import_handle(&path)?;
    let mut transaction = state.db.begin().await.map_err(db::DbError::from)?;
    let row = lock_import(&mut transaction, caller.company, import).await?;
    if row.state == ImportState::Finished {
        let detail = "The import is finished. Allowed now: retry, delete.";
        return Err(Problem::new(Code::WrongState, detail));
    }
    import::stop_import(&mut transaction, caller.company, import).await?;
    let finished = finish_import(&mut transaction, caller.company, import, &state.settings).await?;
    let row = import::fetch_import(&mut *transaction, caller.company, import).await?;
    transaction.commit().await.map_err(db::DbError::from)?;
    if let Some(finished) = finished {
        report_finished_import(&finished);
    }
    state.work_available.notify();
    state.job_changes.notify();
    Ok(HttpResponse::Ok().json(Import::from(row)))
}

/// Retry an import.
///
/// Starts a new run of a finished import: files that failed or were stopped are tried again, and a source that was not listed
/// completely is listed again. What was imported or skipped stays. The new run sends its own webhook, so an import can be retried ten
/// times a minute, and all imports and jobs of a company thirty times.
#[utoipa::path(tag = "imports", params(("jobHandle" = ImportId, Path, description = "Handle of the import: its `importHandle`.")),
    responses((status = 200, description = "The import has a new run.", body = Import), NotFoundProblem, ConflictProblem,
        QueryProblems, KeyReuseProblem, QueueFullProblem, BusyProblem))]
#[post("/imports/{jobHandle}/retry")]
pub async fn retry_import(
    state: Data<AppState>,
    caller: Caller,
    path: ImportPath,
    key: IdempotencyKey,
) -> Result<HttpResponse, Problem> {
    let import = parse_import_handle(&path)?;
    let digest = Digest::compute(b"");
    let mut transaction = state.db.begin().await.map_err(db::DbError::from)?;
    if let Some(earlier) = key.reserve(&mut transaction, &caller, digest).await? {
        return Ok(earlier.into_response(StatusCode::OK));
    }
    let row = lock_import(&mut transaction, caller.company, import).await?;
    check_repeats(&state, &caller, import.0)?;
    if row.state != ImportState::Finished {
        let detail = "The import is not finished. Allowed now: stop, delete.";
        return Err(Problem::new(Code::WrongState, detail));
    }
    if row.failed + row.stopped == 0 && row.failure.is_none() && row.outcome != Some(db::enums::Outcome::Stopped) {
        let detail = "The import has no files that failed or were stopped. Create another one to look for new and changed files.";
        return Err(Problem::new(Code::WrongState, detail));
    }
    reopen_import(&mut transaction, caller.company, import).await?;
    check_unfinished(&mut transaction, caller.company).await?;
    let shown = Import::from(import::fetch_import(&mut *transaction, caller.company, import).await?);
    key.store(&mut transaction, &caller, digest, ("", &shown)).await?;
    transaction.commit().await.map_err(db::DbError::from)?;
    let _ = count_repeat(&state, &caller, import.0);
    state.work_available.notify();
    state.job_changes.notify();
    Ok(HttpResponse::Ok().json(shown))
}

/// Begins a new run, with its tasks.
async fn reopen_import(connection: &mut DbConnection, company: CompanyId, import: ImportId) -> Result<(), Problem> {
    let (run, batches, has_to_list) = import::reopen_import(connection, company, import, BATCH_ENTRIES as i32).await?;
    insert_batch_tasks(connection, company, (import, run), batches).await?;
    if has_to_list {
        let listing = NewTask::of_import(TaskKind::Import, import, run);
        task::insert_tasks(connection, company, &[listing]).await?;
    }
    Ok(import::begin_import(&mut *connection, company, import).await.map(drop)?)
}

/// Delete an import.
///
/// Allowed in any state: an import that is not finished ends. Its assets stay, and what it brought is remembered: it is not brought
/// again while it is unchanged.
#[utoipa::path(tag = "imports", params(("jobHandle" = ImportId, Path, description = "Handle of the import: its `importHandle`.")),
    responses((status = 204, description = "The import was deleted."), NotFoundProblem))]
#[delete("/imports/{jobHandle}")]
pub async fn delete_import(state: Data<AppState>, caller: Caller, path: ImportPath) -> Result<HttpResponse, Problem> {
    import::delete_import(&state.db, caller.company, parse_import_handle(&path)?).await?;
    state.job_changes.notify();
    Ok(HttpResponse::NoContent().finish())
}
