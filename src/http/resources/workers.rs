//! Lists the workers of the service, for operators.

use actix_web::web::Data;
use actix_web::{HttpResponse, get};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::AppState;
use crate::db::worker;
use crate::http::extract::page::Page;
use crate::http::problem::Problem;
use crate::id::WorkerId;

/// A process that works on items.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Worker {
    /// Handle of the worker, as in the attempts of items.
    pub(in crate::http) worker_handle: WorkerId,
    /// `all` when the process also serves the API, else `worker`.
    #[schema(example = "worker")]
    pub(in crate::http) role: String,
    /// Host name.
    #[schema(example = "offprint-worker-7d9f")]
    pub(in crate::http) host: String,
    /// Version of the program.
    #[schema(example = "0.1.0")]
    pub(in crate::http) version: String,
    /// Number of images that it renders at the same time.
    pub(in crate::http) slots: i32,
    /// Items in progress.
    pub(in crate::http) running: i64,
    /// When the process was started.
    pub(in crate::http) started_at: DateTime<Utc>,
    /// Time of the last heartbeat.
    pub(in crate::http) heartbeat_at: DateTime<Utc>,
}

impl From<worker::WorkerRow> for Worker {
    fn from(row: worker::WorkerRow) -> Self {
        Self {
            worker_handle: row.worker_id,
            role: row.role,
            host: row.host,
            version: row.version,
            slots: row.slots,
            running: row.running,
            started_at: row.started_at,
            heartbeat_at: row.heartbeat_at,
        }
    }
}

/// List workers.
///
/// All live processes that work on items, on all machines, oldest first, on one page. A process without a heartbeat for the
/// time of a lease is left out.
#[utoipa::path(tag = "service", operation_id = "listWorkers",
    responses((status = 200, description = "The live workers.", body = Page<Worker>)))]
#[get("/workers")]
pub async fn list_workers(state: Data<AppState>) -> Result<HttpResponse, Problem> {
    let items = load_workers(&state).await?;
    Ok(HttpResponse::Ok().json(Page::<Worker> { items, next_cursor: None }))
}

/// The live workers, oldest first.
///
/// # Errors
/// When the database does not answer.
pub(in crate::http) async fn load_workers(state: &AppState) -> Result<Vec<Worker>, Problem> {
    Ok(worker::list_live_workers(&state.system).await?.into_iter().map(Worker::from).collect())
}
