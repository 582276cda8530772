//! The end of an attempt to deliver files to a destination: whether the task is woken again, and when its destination is closed.
//! [`super::delivery`] has a drawing of it.

use offprint_core::Code;
use serde_json::json;
use sqlx::types::Json;

use crate::db::delivered_file::has_removable;
use crate::db::enums::JobState;
use crate::db::task::{self, TaskClaim, TaskEnd, TaskState};
use crate::db::{DbConnection, DbError, PgPool, event};
use crate::id::JobId;
use crate::reason::Reason;

/// Attempts of a task that are kept: a job of days has thousands.
const MAX_KEPT_ATTEMPTS: i32 = 50;

/// What decides whether a destination is closed.
#[derive(sqlx::FromRow)]
struct LockedJob {
    state: JobState,
    has_ended: bool,
    files: i32,
}

/// Settles a delivery: gives up what is left when the task is given up, wakes it again when files came meanwhile, and closes
/// the destination when no more will come. Returns the task's new state; none when it is another worker's: then nothing was
/// written.
pub async fn settle_delivery(pool: &PgPool, claim: &TaskClaim, end: &TaskEnd) -> Result<Option<TaskState>, DbError> {
    let mut transaction = pool.begin().await?;
    // The job first, as everywhere. It keeps files from becoming ready until the commit.
    let job: Option<LockedJob> = sqlx::query_as(
        "select state, succeeded + failed + skipped + stopped = total as has_ended, files
           from export_job where company_id = $1 and job_id = $2 and deleted_at is null for update",
    )
    .bind(claim.company_id)
    .bind(claim.job_id)
    .fetch_optional(&mut *transaction)
    .await?;
    let settled = task::settle_task(&mut *transaction, claim, end).await?;
    if let (Some(to), Some(job), Some(job_id)) = (settled, job, claim.job_id) {
        if to == TaskState::Failed {
            give_up_files(&mut transaction, claim, end.error.as_deref().unwrap_or_default()).await?;
        }
        decide_next(&mut transaction, claim, (job_id, &job), to).await?;
        remove_old_attempts(&mut transaction, claim).await?;
    }
    transaction.commit().await?;
    Ok(settled)
}

/// Wakes the task again, or closes its destination.
async fn decide_next(
    connection: &mut DbConnection,
    claim: &TaskClaim,
    (job_id, job): (JobId, &LockedJob),
    settled: TaskState,
) -> Result<(), DbError> {
    let handled: Option<i32> = sqlx::query_scalar(
        "select delivered + skipped + unchanged + failed from destination
          where company_id = $1 and job_id = $2 and destination::text = $3 and state = 'delivering'",
    )
    .bind(claim.company_id)
    .bind(job_id)
    .bind(&claim.key)
    .fetch_optional(&mut *connection)
    .await?;
    let Some(handled) = handled else { return Ok(()) };
    let (is_stopping, is_complete) = (job.state == JobState::Stopping, handled >= job.files);
    match settled {
        _ if is_stopping && job.has_ended => {
            let state = if is_complete { "done" } else { "stopped" };
            close_destination(connection, claim, job_id, state).await
        }
        // It was stopped while the task was at it, and its last item wakes it.
        _ if is_stopping => Ok(()),
        TaskState::Waiting => Ok(()),
        TaskState::Failed if job.has_ended => close_destination(connection, claim, job_id, "done").await,
        _ if !is_complete || job.has_ended && has_removable(connection, claim, job_id).await? => {
            sqlx::query(
                "update task set state = 'waiting', run_at = now(), ended_at = null where company_id = $1 and task_id = $2",
            )
            .bind(claim.company_id)
            .bind(claim.task_id)
            .execute(connection)
            .await?;
            Ok(())
        }
        _ if job.has_ended => close_destination(connection, claim, job_id, "done").await,
        _ => Ok(()),
    }
}

/// Counts all files that are left as failed.
async fn give_up_files(connection: &mut DbConnection, claim: &TaskClaim, reason: &str) -> Result<(), DbError> {
    sqlx::query(
        "with given_up as (
             insert into delivery (company_id, job_id, position, rendition, destination, state, failure)
             select company_id, job_id, position, rendition, $3::smallint, 'failed', $4 from export_file file
              where company_id = $1 and job_id = $2 and state = 'ready'
                and not exists (
                    select from delivery known
                     where known.company_id = $1 and known.job_id = $2 and known.position = file.position
                       and known.rendition = file.rendition and known.destination = $3::smallint and known.state <> 'outdated')
             on conflict (company_id, job_id, position, rendition, destination) do update
                set state = excluded.state, failure = excluded.failure
             returning 1
         )
         update destination set failed = failed + (select count(*) from given_up)
          where company_id = $1 and job_id = $2 and destination = $3::smallint",
    )
    .bind(claim.company_id)
    .bind(claim.job_id)
    .bind(claim.key.parse::<i16>().unwrap_or(-1))
    .bind(Json(Reason::new(Code::DeliveryFailed, reason)))
    .execute(connection)
    .await?;
    Ok(())
}

/// Closes the task's destination with its events. The last one that is closed lets the job be sealed.
async fn close_destination(
    connection: &mut DbConnection,
    claim: &TaskClaim,
    job: JobId,
    state: &str,
) -> Result<(), DbError> {
    let closed: Option<(i16, String, i32, i32, i32, i64)> = sqlx::query_as(
        "update destination set state = $4
          where company_id = $1 and job_id = $2 and destination::text = $3 and state = 'delivering'
         returning destination, connection, delivered, skipped, failed, bytes",
    )
    .bind(claim.company_id)
    .bind(job)
    .bind(&claim.key)
    .bind(state)
    .fetch_optional(&mut *connection)
    .await?;
    let Some((destination, name, delivered, skipped, failed, bytes)) = closed else { return Ok(()) };
    let counts = json!({ "connection": name, "delivered": delivered, "skipped": skipped, "size": bytes });
    event::insert_event(connection, claim.company_id, job, "filesDelivered", counts).await?;
    if failed > 0 {
        let reason: Option<Json<Reason>> = sqlx::query_scalar(
            "select failure from delivery
              where company_id = $1 and job_id = $2 and destination = $3 and state = 'failed' order by position limit 1",
        )
        .bind(claim.company_id)
        .bind(job)
        .bind(destination)
        .fetch_optional(&mut *connection)
        .await?;
        let parameters = json!({ "connection": name, "files": failed, "failure": reason });
        event::insert_event(connection, claim.company_id, job, "deliveryFailed", parameters).await?;
    }
    sqlx::query(
        "update export_job set open_destinations = open_destinations - 1 where company_id = $1 and job_id = $2",
    )
    .bind(claim.company_id)
    .bind(job)
    .execute(connection)
    .await?;
    Ok(())
}

async fn remove_old_attempts(connection: &mut DbConnection, claim: &TaskClaim) -> Result<(), DbError> {
    sqlx::query("delete from task_attempt where company_id = $1 and task_id = $2 and attempt <= $3")
        .bind(claim.company_id)
        .bind(claim.task_id)
        .bind(claim.claim - MAX_KEPT_ATTEMPTS)
        .execute(connection)
        .await?;
    Ok(())
}
