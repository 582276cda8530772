//! Where the files of a job are delivered, how far that is, and what could not be delivered.

use actix_web::web::Data;
use actix_web::{HttpResponse, get};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::AppState;
use crate::db::delivery::{self, FailedDelivery, FailedDeliveryFilter};
use crate::db::destination::{DestinationRow, DestinationState, OnExistingFile};
use crate::db::job::JobRow;
use crate::http::extract::caller::Caller;
use crate::http::extract::page::Page;
use crate::http::problem::Problem;
use crate::http::resources::export_jobs::JobPath;
use crate::http::resources::export_jobs::find_visible_job;
use crate::http::responses::NotFoundProblem;
use crate::id::{CompanyId, JobId};
use crate::reason::Reason;

/// How many files that could not be delivered are listed for each destination.
const MAX_SHOWN_FAILURES: usize = 100;

/// A store to which the files of a job are delivered.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Destination {
    /// Name of the connection.
    #[schema(example = "shop-photos")]
    pub connection: String,
    /// Folder in the store. The path of a file there is this and its path in the archive.
    #[schema(example = "nightly/spring catalogue")]
    pub prefix: String,
    /// What happens when the store has another file under the path of a delivered one.
    pub on_existing: OnExistingFile,
    /// Whether the manifests are delivered, after all files.
    pub manifest: bool,
    /// `Cache-Control` under which the store serves the files.
    pub cache_control: Option<String>,
    /// `delivering` until every file of the job was delivered, skipped or given up; then `done`, or `stopped` when the job was
    /// stopped before.
    pub state: DestinationState,
    /// Number of files by what came of them.
    pub counts: DeliveryCounts,
    /// Bytes of the delivered files.
    pub bytes: i64,
    /// Why the manifests were not delivered; null when they were, or are not asked for.
    pub manifest_failure: Option<Reason>,
}

/// Number of files of a job by what came of their delivery.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct DeliveryCounts {
    /// Files that the store has.
    pub delivered: i32,
    /// Files that were left out, because the store has other ones of their names.
    pub skipped: i32,
    /// Files that are unchanged since an earlier delivery, with those of assets that were left out of the job.
    pub unchanged: i32,
    /// Files that could not be delivered.
    pub failed: i32,
    /// Files that are planned and not delivered yet; none when the destination is `done`.
    pub waiting: i32,
    /// Files that were removed from the store, because their assets are gone from the selection.
    pub removed: i32,
}

impl From<&DestinationRow> for Destination {
    fn from(row: &DestinationRow) -> Self {
        let waiting = match row.state {
            DestinationState::Done => 0,
            DestinationState::Delivering | DestinationState::Stopped => {
                (row.planned_files - row.count_handled()).max(0)
            }
        };
        Self {
            connection: row.connection.clone(),
            prefix: row.prefix.clone(),
            on_existing: row.on_existing,
            manifest: row.manifest,
            cache_control: row.cache_control.clone(),
            state: row.state,
            counts: DeliveryCounts {
                delivered: row.delivered,
                skipped: row.skipped,
                unchanged: row.unchanged + row.left_out,
                failed: row.failed,
                waiting,
                removed: row.removed,
            },
            bytes: row.bytes,
            manifest_failure: row.manifest_failure.clone(),
        }
    }
}

/// A destination with the files that could not be delivered to it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DestinationReport {
    #[serde(flatten)]
    pub(in crate::http) destination: Destination,
    /// The first hundred files that could not be delivered; the manifest has all.
    pub(in crate::http) failures: Vec<UndeliveredFile>,
}

/// A file that could not be delivered.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct UndeliveredFile {
    /// Position of its item.
    pub(in crate::http) position: i32,
    /// Path in the archive.
    #[schema(example = "shoe-800.webp")]
    pub(in crate::http) path: String,
    /// Why it could not be delivered.
    pub(in crate::http) reason: Reason,
}

impl From<FailedDelivery> for UndeliveredFile {
    fn from(failed: FailedDelivery) -> Self {
        Self { position: failed.position, path: failed.path, reason: failed.failure.0 }
    }
}

/// List the destinations of a job.
///
/// One for each entry of `deliverTo`, in its order, on one page, with the files that could not be delivered. `POST …/retry`
/// delivers those again when the job is finished.
#[utoipa::path(
    tag = "export jobs",
    operation_id = "listDestinations",
    params(("jobHandle" = JobId, Path, description = "Handle of the job.")),
    responses((status = 200, description = "The destinations.", body = Page<DestinationReport>), NotFoundProblem),
)]
#[get("/export-jobs/{jobHandle}/destinations")]
pub async fn list_destinations(state: Data<AppState>, caller: Caller, path: JobPath) -> Result<HttpResponse, Problem> {
    let job = find_visible_job(&state, &caller, &path).await?;
    let items = load_destinations(&state, caller.company, &job).await?;
    Ok(HttpResponse::Ok().json(Page::<DestinationReport> { items, next_cursor: None }))
}

/// The destinations of a job of this company, which the caller may see.
///
/// # Errors
/// When the database does not answer.
pub(in crate::http) async fn load_destinations(
    state: &AppState,
    company: CompanyId,
    job: &JobRow,
) -> Result<Vec<DestinationReport>, Problem> {
    let mut items = Vec::new();
    for (number, row) in (0..).zip(job.list_destinations()) {
        let mut failures = Vec::new();
        if row.failed > 0 {
            let limit = MAX_SHOWN_FAILURES as i64;
            let filter = FailedDeliveryFilter { destination: Some(number), positions: (0, i32::MAX), limit };
            failures = delivery::list_failed_deliveries(&state.db, company, job.job_id, filter).await?;
        }
        let failures = failures.into_iter().map(UndeliveredFile::from).collect();
        items.push(DestinationReport { destination: Destination::from(row), failures });
    }
    Ok(items)
}
