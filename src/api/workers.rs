//! The workers of the service, for operators.

use actix_web::web::Data;
use actix_web::{HttpResponse, get};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::page::Page;
use crate::api::problem::Problem;
use crate::db::worker;
use crate::id::WorkerId;
use crate::state::State;

/// A process that works.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Worker {
    /// What attempts call it.
    worker_handle: WorkerId,
    /// `all` when it answers HTTP too, else `worker`.
    #[schema(example = "worker")]
    role: String,
    /// The name of its machine.
    #[schema(example = "offprint-worker-7d9f")]
    host: String,
    /// The version of its program.
    #[schema(example = "0.1.0")]
    version: String,
    /// How many pictures it renders at once.
    slots: i32,
    /// Items that it has now.
    running: i64,
    /// When it was started.
    started_at: DateTime<Utc>,
    /// When it said last that it lives.
    beat_at: DateTime<Utc>,
}

impl From<worker::Worker> for Worker {
    fn from(row: worker::Worker) -> Self {
        Self {
            worker_handle: row.worker_id,
            role: row.role,
            host: row.host,
            version: row.version,
            slots: row.slots,
            running: row.running,
            started_at: row.started_at,
            beat_at: row.beat_at,
        }
    }
}

/// List the workers.
///
/// The processes that work on items, on every machine, the oldest first. One that was not heard of for a lease is left
/// out. All of them stand on one page.
#[utoipa::path(tag = "service", operation_id = "listWorkers",
    responses((status = 200, description = "The workers that live.", body = Page<Worker>)))]
#[get("/workers")]
pub async fn list_workers(state: Data<State>) -> Result<HttpResponse, Problem> {
    let items = worker::live(&state.system).await?.into_iter().map(Worker::from).collect();
    Ok(HttpResponse::Ok().json(Page::<Worker> { items, next_cursor: None }))
}
