//! Schedules: export requests with a cron expression. Each run creates a job.

pub mod actions;
pub mod change;
pub mod create;
pub mod schedule;
pub mod show;

use actix_web::HttpRequest;
use actix_web::web::Path;
use offprint_core::Code;

use crate::db;
use crate::db::DbConnection;
use crate::db::capability::Capability;
use crate::http::extract::caller::Caller;
use crate::http::extract::preconditions::{self, Validators};
use crate::http::problem::Problem;
use crate::http::resources::export_schedules::schedule::ExportSchedule;
use crate::id::ScheduleId;

/// The path parameter of operations on one schedule.
type SchedulePath = Path<String>;

/// Parses the schedule handle in the path; 404 when it is not a handle.
fn parse_schedule_handle(path: &str) -> Result<ScheduleId, Problem> {
    path.parse().map_err(|_| Problem::not_found("export schedule"))
}

/// Returns the schedule if the caller may see it. Otherwise 404, as if it did not exist.
fn check_schedule_visible(
    caller: &Caller,
    schedule: db::schedule::ScheduleRow,
) -> Result<db::schedule::ScheduleRow, Problem> {
    if caller.can_read_all() || caller.is_user(schedule.user_id) {
        Ok(schedule)
    } else {
        Err(Problem::not_found("export schedule"))
    }
}

/// The schedule in the path, locked, if the caller may control it and it is the version that the request is about
/// (`If-Match`).
async fn lock_managed_schedule(
    connection: &mut DbConnection,
    caller: &Caller,
    (request, path): (&HttpRequest, &str),
) -> Result<db::schedule::ScheduleRow, Problem> {
    let schedule = check_schedule_visible(
        caller,
        db::schedule::lock_schedule(connection, caller.company, parse_schedule_handle(path)?).await?,
    )?;
    if caller.has_capability(Capability::ExportsManageAll) || caller.is_user(schedule.user_id) {
        let shown = ExportSchedule::from_row(schedule.clone())?;
        let validators = Validators::from_json(&shown, Some(schedule.updated_at))?;
        preconditions::check_write(request.headers(), Some(&validators))?;
        return Ok(schedule);
    }
    let detail = "The schedule belongs to another user. Controlling it needs the capability `exports:manage-all`.";
    Err(Problem::new(Code::OperationForbidden, detail))
}
