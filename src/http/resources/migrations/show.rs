//! Shows and deletes migrations.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, delete, get};

use crate::app::AppState;
use crate::db::{self, address_migration};
use crate::http::address::write_stored_links;
use crate::http::extract::caller::Caller;
use crate::http::extract::preconditions;
use crate::http::problem::Problem;
use crate::http::resources::migrations::report::Scene7Migration;
use crate::http::responses::{NotFoundProblem, PreconditionProblem};
use crate::id::MigrationId;

/// Show a migration from Scene7.
///
/// The report as it was when the migration was created. How its jobs go on is at `/export-jobs`.
#[utoipa::path(
    tag = "migrations",
    operation_id = "showScene7Migration",
    params(("jobHandle" = MigrationId, Path, description = "Handle of the migration: its `migrationHandle`.")),
    responses((status = 200, description = "The migration.", body = Scene7Migration),
        (status = 304, description = "The client has the current version."), NotFoundProblem, PreconditionProblem)
)]
#[get("/migrations/scene7/{jobHandle}")]
pub async fn show_migration(
    state: Data<AppState>,
    caller: Caller,
    request: HttpRequest,
    migration: Path<MigrationId>,
) -> Result<HttpResponse, Problem> {
    let mut connection = state.db.acquire().await.map_err(db::DbError::from)?;
    let row = address_migration::fetch_migration(&mut connection, caller.company, *migration).await?;
    let mut report = row.report.0;
    write_stored_links(&mut report);
    preconditions::show_json(&request, &report, Some(row.created_at))
}

/// Delete a migration from Scene7.
///
/// Deletes the report and the redirect map. The jobs stay.
#[utoipa::path(
    tag = "migrations",
    operation_id = "deleteScene7Migration",
    params(("jobHandle" = MigrationId, Path, description = "Handle of the migration: its `migrationHandle`.")),
    responses((status = 204, description = "The migration was deleted."), NotFoundProblem)
)]
#[delete("/migrations/scene7/{jobHandle}")]
pub async fn delete_migration(
    state: Data<AppState>,
    caller: Caller,
    migration: Path<MigrationId>,
) -> Result<HttpResponse, Problem> {
    let mut connection = state.db.acquire().await.map_err(db::DbError::from)?;
    address_migration::delete_migration(&mut connection, caller.company, *migration).await?;
    Ok(HttpResponse::NoContent().finish())
}
