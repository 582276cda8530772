//! Export jobs: ordered, watched, told what to do.

pub mod create;
pub mod dry_run;
pub mod files;
pub mod items;
pub mod job;
pub mod log;
pub mod orders;
pub mod show;

use actix_web::web::Path;

use crate::api::problem::Problem;
use crate::id::JobId;

/// The job in the path. What does not read as a handle is no job.
pub(super) fn handle(path: &str) -> Result<JobId, Problem> {
    path.parse().map_err(|_| Problem::missing("export job"))
}

/// The path of addresses below one job.
pub(super) type JobPath = Path<String>;
