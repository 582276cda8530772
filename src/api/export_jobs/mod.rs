//! Export jobs: ordered, watched, told what to do.

pub(super) mod allowed;
pub mod create;
pub mod deliveries;
pub mod dry_run;
pub mod files;
pub mod items;
pub mod job;
pub mod links;
pub mod log;
pub mod orders;
pub mod show;
pub mod stream;

use actix_web::web::Path;

use crate::api::caller::Caller;
use crate::api::problem::Problem;
use crate::db;
use crate::db::job::Job;
use crate::id::JobId;
use crate::state::State;

/// The job in the path. What does not read as a handle is no job.
pub(super) fn handle(path: &str) -> Result<JobId, Problem> {
    path.parse().map_err(|_| Problem::missing("export job"))
}

/// The job in the path, if the caller sees it: one's own, or everybody's in the company. What one does not see answers
/// as what is not there.
pub(super) async fn seen(state: &State, caller: &Caller, path: &str) -> Result<Job, Problem> {
    let job = db::job::find(&state.db, caller.company, handle(path)?).await?;
    if caller.sees_all() || caller.owns(&job) { Ok(job) } else { Err(Problem::missing("export job")) }
}

/// The job in the path, if the caller may order it about.
pub(super) async fn managed(state: &State, caller: &Caller, path: &str) -> Result<JobId, Problem> {
    // Who manages all needs no look at whose it is, and the order itself finds out whether it is there.
    if caller.may(db::capability::Capability::ExportsManageAll) {
        return handle(path);
    }
    let job = seen(state, caller, path).await?;
    caller.manages(&job)?;
    Ok(job.job_id)
}

/// The path of addresses below one job.
pub(super) type JobPath = Path<String>;
