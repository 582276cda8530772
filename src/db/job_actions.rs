//! Job actions: pause, resume, stop, run, retry and delete. Each is one transaction under the job row's lock, so that
//! two clients at once never break a count. Which action a state allows is decided in `jobs/actions.rs` and passed in.

use offprint_core::Code;
use serde_json::json;
use sqlx::types::Json;

use crate::db::enums::JobState;
use crate::db::job_group_end::{GroupNotice, end_group};
use crate::db::{DbConnection, DbError, PgPool, destination, event, task_queue};
use crate::id::{CompanyId, JobGroupId, JobId};
use crate::reason::Reason;

/// Names the actions that a job in a state allows.
type AllowedActions = fn(JobState) -> Vec<&'static str>;

/// Locks the job and returns its state, if it is one of `from`.
async fn lock_job(
    connection: &mut DbConnection,
    company: CompanyId,
    job: JobId,
    from: &[JobState],
    allowed: AllowedActions,
) -> Result<JobState, DbError> {
    let state: Option<(JobState, String)> = sqlx::query_as(
        "select state, case when state = 'active' and started_at is null then 'queued' when state = 'active' then 'running' else state end
           from export_job where company_id = $1 and job_id = $2 and deleted_at is null for update",
    )
    .bind(company)
    .bind(job)
    .fetch_optional(connection)
    .await?;
    match state {
        None => Err(DbError::NotFound("export job")),
        Some((state, _)) if from.contains(&state) => Ok(state),
        Some((state, shown)) => Err(DbError::InvalidState { is: shown, allowed: allowed(state) }),
    }
}

/// Moves a job from one of the states `from` to the state `to`. `code` is the event for its log. `allowed` lists the
/// job actions of a state, for the error.
pub async fn change_job_state(
    connection: &mut DbConnection,
    company: CompanyId,
    job: JobId,
    (from, to): (&[JobState], JobState),
    code: &str,
    allowed: AllowedActions,
) -> Result<(), DbError> {
    lock_job(connection, company, job, from, allowed).await?;
    // A scheduled job that was paused, and whose time has not come, waits for it again when it is resumed.
    sqlx::query(
        "update export_job set state = case
             when $3 = 'active' and state = 'paused' and exec_time > now() and not exists (
                 select from export_event event
                  where event.company_id = $1 and event.job_id = $2 and event.code = 'runRequested')
             then 'scheduled' else $3 end
          where company_id = $1 and job_id = $2",
    )
    .bind(company)
    .bind(job)
    .bind(to)
    .execute(&mut *connection)
    .await?;
    if to == JobState::Stopping {
        stop_waiting_items(connection, company, job).await?;
    }
    event::insert_event(connection, company, job, code, json!({})).await
}

/// Stops the items that no worker has claimed. Workers learn of the stop with their next heartbeat and end the others.
async fn stop_waiting_items(connection: &mut DbConnection, company: CompanyId, job: JobId) -> Result<(), DbError> {
    sqlx::query(
        "with ended as (
             update export_item set state = 'stopped', finished_at = now()
              where company_id = $1 and job_id = $2 and state = 'waiting' returning position
         )
         update export_job set stopped = stopped + (select count(*) from ended)::int where company_id = $1 and job_id = $2",
    )
    .bind(company)
    .bind(job)
    .execute(connection)
    .await?;
    Ok(())
}

/// Starts a new run of a finished job with its failed items: same job, same paths, same archive address. Files of
/// theirs that are ready stay as they are. With `refresh` items get the content that their assets have now; without it
/// those whose assets have other content now are told in the job's notices and log.
pub async fn retry_failed_items(
    connection: &mut DbConnection,
    company: CompanyId,
    job: JobId,
    refresh: bool,
    (from, allowed): (&[JobState], AllowedActions),
) -> Result<(), DbError> {
    lock_job(connection, company, job, from, allowed).await?;
    let expired: bool =
        sqlx::query_scalar("select expires_at <= now() from export_job where company_id = $1 and job_id = $2")
            .bind(company)
            .bind(job)
            .fetch_one(&mut *connection)
            .await?;
    if expired {
        // The archive of the new run would hold the retried files only.
        return Err(DbError::InvalidState { is: "finished and its files have expired".into(), allowed: Vec::new() });
    }
    let (refreshed, outdated, orphaned) = if refresh {
        let refreshed = refresh_failed_items(connection, company, job).await?;
        (refreshed, 0, count_orphaned_items(connection, company, job).await?)
    } else {
        (0, count_outdated_items(connection, company, job).await?, 0)
    };
    let (retried, warned): (i64, i64) = sqlx::query_as(
        "with retried as (
             -- Failed items that can be retried: they have an original and files to produce. Their counters start again.
             update export_item
                set state = 'waiting', tries = 0, crashes = 0, lost = 0, failure = null, finished_at = null, run_at = now()
              where company_id = $1 and job_id = $2 and state = 'failed' and sha256 is not null
                and exists (select from export_file file where file.company_id = $1 and file.job_id = $2 and file.position = export_item.position)
             returning position, warnings <> '[]' or modifier_warnings <> '[]' as is_warned
         ), reset_files as (
             -- Sealing marked their missing files absent; now they may become ready.
             update export_file file set state = 'waiting' from retried
              where file.company_id = $1 and file.job_id = $2 and file.position = retried.position and file.state = 'absent'
         )
         select count(*), count(*) filter (where is_warned) from retried",
    )
    .bind(company)
    .bind(job)
    .fetch_one(&mut *connection)
    .await?;
    if retried == 0 && !destination::has_undelivered(connection, company, job).await? {
        return Err(DbError::InvalidState {
            is: "finished and none of its items can be retried".into(),
            allowed: Vec::new(),
        });
    }
    let undelivered = destination::reopen_destinations(connection, company, job).await?;
    sqlx::query(
        "update export_job
            set state = 'active', outcome = null, finished_at = null, expires_at = null, archive_size = null, run = run + 1,
                run_total = $3, run_started_at = null, failed = failed - $3, warned = warned - $4,
                notices = coalesce((select jsonb_agg(notice) from jsonb_array_elements(notices) as notice
                                     where notice ->> 'code' <> 'outdated-content'), '[]') || $5::jsonb
          where company_id = $1 and job_id = $2",
    )
    .bind(company)
    .bind(job)
    .bind(retried as i32)
    .bind(warned as i32)
    .bind(Json(describe_outdated_items(outdated, orphaned)))
    .execute(&mut *connection)
    .await?;
    let counts = json!({ "items": retried, "refreshed": refreshed, "outdated": outdated, "files": undelivered });
    event::insert_event(connection, company, job, "retryRequested", counts).await
}

/// The notices about items that are retried with content that their assets do not have any more: they have other content,
/// or were deleted.
fn describe_outdated_items(outdated: i64, orphaned: i64) -> Vec<Reason> {
    let details = [
        (outdated, "have new content. To use it, retry with `{\"refresh\": true}`."),
        (orphaned, "were deleted, so there is no newer content."),
    ];
    let notices = details.into_iter().filter(|(items, _)| *items > 0).map(|(items, why)| {
        let detail = format!(
            "Items that the last retry processed with the content that their assets had when the job was created: {items}. \
             The assets {why}"
        );
        Reason::new(Code::OutdatedContent, detail)
    });
    notices.collect()
}

/// The failed items of a job that can be retried and whose assets have other content than when the job was created. The
/// conditions are those of the retry.
macro_rules! outdated_items {
    () => {
        "from export_item item join asset using (company_id, asset_id)
          where item.company_id = $1 and item.job_id = $2 and item.state = 'failed' and item.sha256 is not null
            and asset.deleted_at is null and asset.sha256 is not null and asset.sha256 <> item.sha256
            and exists (select from export_file file where file.company_id = $1 and file.job_id = $2 and file.position = item.position)"
    };
}

/// How many items a retry would process with content that their assets do not have any more.
async fn count_outdated_items(connection: &mut DbConnection, company: CompanyId, job: JobId) -> Result<i64, DbError> {
    let sql = concat!("select count(*) ", outdated_items!());
    Ok(sqlx::query_scalar(sql).bind(company).bind(job).fetch_one(connection).await?)
}

/// How many items a retry processes with old content because their assets were deleted.
async fn count_orphaned_items(connection: &mut DbConnection, company: CompanyId, job: JobId) -> Result<i64, DbError> {
    let sql = "select count(*) from export_item item
                where company_id = $1 and job_id = $2 and state = 'failed' and sha256 is not null
                  and exists (select from export_file file where file.company_id = $1 and file.job_id = $2 and file.position = item.position)
                  and exists (select from asset where asset.company_id = $1 and asset.asset_id = item.asset_id and asset.deleted_at is not null)";
    Ok(sqlx::query_scalar(sql).bind(company).bind(job).fetch_one(connection).await?)
}

/// Keeps the content of assets from being replaced until the transaction ends: what is replaced is removed at once, and the
/// items are about to refer to it.
async fn lock_assets_of_failed_items(
    connection: &mut DbConnection,
    company: CompanyId,
    job: JobId,
) -> Result<(), DbError> {
    sqlx::query(
        "select from asset
          where company_id = $1 and deleted_at is null and asset_id in (
                select asset_id from export_item where company_id = $1 and job_id = $2 and state = 'failed')
          order by asset_id for share",
    )
    .bind(company)
    .bind(job)
    .execute(connection)
    .await?;
    Ok(())
}

/// Gives failed items the content that their assets have now. Names, paths and recipes stay as they were fixed at the
/// creation of the job. Files that were made of the old content before another file of the item failed are made again.
async fn refresh_failed_items(connection: &mut DbConnection, company: CompanyId, job: JobId) -> Result<i64, DbError> {
    lock_assets_of_failed_items(connection, company, job).await?;
    let sql = concat!(
        "with outdated as (
             -- Warnings about files are about the old content. Those from the creation of the job stay.
             select item.position, item.warnings, item.modifier_warnings,
                    (select coalesce(jsonb_agg(warning), '[]') from jsonb_array_elements(item.warnings) as warning
                      where not exists (
                            select from export_file file
                             where file.company_id = $1 and file.job_id = $2 and file.position = item.position
                               and file.warnings @> jsonb_build_array(warning))) as kept,
                    asset.sha256, asset.size, asset.type, asset.entry_time, asset.mime, asset.header ",
        outdated_items!(),
        "
         ), refreshed as (
             update export_item item
                set sha256 = outdated.sha256, size = outdated.size, asset_type = outdated.type,
                    entry_time = outdated.entry_time, warnings = outdated.kept
               from outdated
              where item.company_id = $1 and item.job_id = $2 and item.position = outdated.position
         ), ready as (
             select count(*) as files, coalesce(sum(file.size), 0) as bytes
               from export_file file join outdated using (position)
              where file.company_id = $1 and file.job_id = $2 and file.state = 'ready'
         ), files as (
             update export_file file
                set state = 'waiting', sha256 = null, size = null, crc32 = null, reused = false, warnings = '[]',
                    mime = case when file.recipe_id is null then outdated.mime end,
                    width = case when file.recipe_id is null then (outdated.header ->> 'width')::int end,
                    height = case when file.recipe_id is null then (outdated.header ->> 'height')::int end
               from outdated
              where file.company_id = $1 and file.job_id = $2 and file.position = outdated.position
         ), counted as (
             update export_job job
                set files = job.files - ready.files, bytes = job.bytes - ready.bytes,
                    warned = job.warned - (select count(*) from outdated
                                            where warnings <> '[]' and kept = '[]' and modifier_warnings = '[]')
               from ready where job.company_id = $1 and job.job_id = $2
         )
         select count(*) from outdated"
    );
    Ok(sqlx::query_scalar(sql).bind(company).bind(job).fetch_one(connection).await?)
}

/// Deletes a job: hides it at once and stops its waiting items. Its rows are removed when no item runs any more, see
/// [`remove_deleted_job`]. `group` is that of the job, with what is told when this was the last of its open jobs.
pub async fn delete_job(
    pool: &PgPool,
    company: CompanyId,
    job: JobId,
    group: Option<&(JobGroupId, GroupNotice)>,
) -> Result<(), DbError> {
    let mut transaction = pool.begin().await?;
    if let Some((group, _)) = group {
        // What is told may be written to the log of another job of the group.
        sqlx::query("select from export_job where company_id = $1 and group_id = $2 order by job_id for no key update")
            .bind(company)
            .bind(group)
            .execute(&mut *transaction)
            .await?;
    }
    let state: Option<JobState> = sqlx::query_scalar(
        "update export_job set deleted_at = now() where company_id = $1 and job_id = $2 and deleted_at is null returning state",
    )
    .bind(company)
    .bind(job)
    .fetch_optional(&mut *transaction)
    .await?;
    let state = state.ok_or(DbError::NotFound("export job"))?;
    stop_waiting_items(&mut transaction, company, job).await?;
    if let Some((group, notice)) = group.filter(|_| state != JobState::Finished) {
        end_group(&mut transaction, (company, *group), None, notice).await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// How many items and events of a deleted job one statement removes. Their files and attempts go with them.
const REMOVAL_BATCH: i32 = 2000;

/// Removes rows of one deleted job without running items and deliveries: some of its items and events, and when it has none left the job
/// itself. Each statement is a transaction of its own, so that a large job goes step by step. Returns whether there was
/// such a job.
pub async fn remove_deleted_job(pool: &PgPool) -> Result<bool, DbError> {
    let gone: Option<(CompanyId, JobId)> = sqlx::query_as(
        "select company_id, job_id from export_job job
          where deleted_at is not null
            and not exists (select from export_item item where item.company_id = job.company_id and item.job_id = job.job_id and item.state = 'running')
            and not exists (select from task where task.company_id = job.company_id and task.job_id = job.job_id
                               and task.kind = 'delivery' and task.state = 'running' and task.lease_until > now())
          order by job_id limit 1",
    )
    .fetch_optional(pool)
    .await?;
    let Some((company, job)) = gone else { return Ok(false) };
    // By ranges of their keys: nobody adds to a deleted job.
    for sql in [
        "delete from export_item
          where company_id = $1 and job_id = $2
            and position < $3 + (select min(position) from export_item where company_id = $1 and job_id = $2)",
        "delete from export_event
          where company_id = $1 and job_id = $2
            and seq < $3 + (select min(seq) from export_event where company_id = $1 and job_id = $2)",
    ] {
        while sqlx::query(sql).bind(company).bind(job).bind(REMOVAL_BATCH).execute(pool).await?.rows_affected() > 0 {}
    }
    while task_queue::remove_tasks_of_job(pool, company, job).await? > 0 {}
    sqlx::query("delete from export_job where company_id = $1 and job_id = $2 and deleted_at is not null")
        .bind(company)
        .bind(job)
        .execute(pool)
        .await?;
    Ok(true)
}

/// Starts scheduled jobs whose time has come. Returns how many.
pub async fn start_due_jobs(pool: &PgPool) -> Result<u64, DbError> {
    let started = sqlx::query("update export_job set state = 'active' where state = 'scheduled' and exec_time <= now() and deleted_at is null")
        .execute(pool)
        .await?;
    Ok(started.rows_affected())
}
