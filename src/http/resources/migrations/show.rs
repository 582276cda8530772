//! Lists, shows and deletes migrations.

use actix_web::web::{Data, Path, Query};
use actix_web::{HttpRequest, HttpResponse, delete, get};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use crate::app::AppState;
use crate::db::{self, address_migration};
use crate::http::address::write_stored_links;
use crate::http::extract::caller::Caller;
use crate::http::extract::page::{self, Page};
use crate::http::extract::preconditions;
use crate::http::problem::Problem;
use crate::http::resources::migrations::report::{MigrationSummary, Scene7Migration};
use crate::http::responses::{NotFoundProblem, PreconditionProblem, QueryProblems};
use crate::id::MigrationId;

/// Which migrations to list.
#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MigrationListQuery {
    /// Migrations per page, 1 to 1000. Default: 100.
    #[serde(skip_serializing_if = "page::not_a_filter")]
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
    /// `nextCursor` of the previous page.
    #[serde(skip_serializing_if = "page::not_a_filter")]
    #[param(min_length = 1)]
    cursor: Option<String>,
}

/// List migrations.
///
/// Newest first. Dry runs are not kept.
#[utoipa::path(
    tag = "migrations",
    params(MigrationListQuery),
    responses((status = 200, description = "One page of migrations.", body = Page<MigrationSummary>), QueryProblems),
)]
#[get("/migrations")]
pub async fn list_migrations(
    state: Data<AppState>,
    caller: Caller,
    Query(query): Query<MigrationListQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let limit = page::parse_limit(query.limit)?;
    let filters = ("migrations", &query);
    let after = page::parse_cursor(query.cursor.as_deref(), &filters, page::parse_single_key)?;
    let rows = address_migration::list_migrations(&state.db, caller.company, after, limit + 1).await?;
    let migrations = rows.into_iter().map(MigrationSummary::from).collect();
    Ok(Page::new(migrations, limit, &filters, |one: &MigrationSummary| vec![one.migration_handle.to_string()])
        .into_response(&request))
}

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
