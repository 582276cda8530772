//! Schedules: orders that recur. Each run is a job.

pub mod change;
pub mod create;
pub mod orders;
pub mod schedule;
pub mod show;

use actix_web::web::Path;

use crate::api::caller::Caller;
use crate::api::problem::Problem;
use crate::code::Code;
use crate::db;
use crate::db::Connection;
use crate::db::capability::Capability;
use crate::id::ScheduleId;

/// The path of addresses below one schedule.
type SchedulePath = Path<String>;

/// The schedule in the path. What does not read as a handle is no schedule.
fn handle(path: &str) -> Result<ScheduleId, Problem> {
    path.parse().map_err(|_| Problem::missing("export schedule"))
}

/// A schedule, if the caller sees it: one's own, or everybody's in the company. What one does not see answers as what is
/// not there.
fn seen(caller: &Caller, found: db::schedule::Schedule) -> Result<db::schedule::Schedule, Problem> {
    if caller.sees_all() || caller.is(found.user_id) { Ok(found) } else { Err(Problem::missing("export schedule")) }
}

/// The schedule in the path, locked, if the caller may order it about.
async fn managed(connection: &mut Connection, caller: &Caller, path: &str) -> Result<db::schedule::Schedule, Problem> {
    let found = seen(caller, db::schedule::lock(connection, caller.company, handle(path)?).await?)?;
    if caller.may(Capability::ExportsManageAll) || caller.is(found.user_id) {
        return Ok(found);
    }
    let detail = "The schedule is somebody else's. The key needs `exports:manage-all` to give it orders.";
    Err(Problem::new(Code::OperationForbidden, detail))
}
