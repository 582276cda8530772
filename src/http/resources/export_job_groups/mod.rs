//! Groups of export jobs: one request that has more items than a job may have. Begin reading at [`create`].

pub mod create;
pub mod group;
pub mod show;

use crate::app::AppState;
use crate::db::job_group::{self, JobGroupRow};
use crate::http::extract::caller::Caller;
use crate::http::problem::Problem;

/// The group in the path, if the caller may see it. Otherwise 404, as if it did not exist.
async fn find_visible_group(state: &AppState, caller: &Caller, path: &str) -> Result<JobGroupRow, Problem> {
    let not_found = || Problem::not_found("group of export jobs");
    let id = path.parse().map_err(|_| not_found())?;
    let group = job_group::fetch_group(&state.db, caller.company, id).await?;
    if caller.can_read_all() || caller.is_user(group.user_id) { Ok(group) } else { Err(not_found()) }
}
