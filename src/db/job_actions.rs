//! Job actions: pause, resume, stop, run, retry and delete. Each is one transaction under the job row's lock, so that
//! two clients at once never break a count. Which action a state allows is decided in `jobs/actions.rs` and passed in.

use offprint_core::Code;
use serde_json::json;
use sqlx::types::Json;

use crate::db::enums::JobState;
use crate::db::{DbConnection, DbError, PgPool, event};
use crate::id::{CompanyId, JobId};
use crate::reason::Reason;

/// Locks the job and returns its state, if it is one of `from`.
async fn lock_job(
    connection: &mut DbConnection,
    company: CompanyId,
    job: JobId,
    from: &[JobState],
    allowed: fn(JobState) -> Vec<&'static str>,
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
    allowed: fn(JobState) -> Vec<&'static str>,
) -> Result<(), DbError> {
    lock_job(connection, company, job, from, allowed).await?;
    sqlx::query("update export_job set state = $3 where company_id = $1 and job_id = $2")
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
    (from, allowed): (&[JobState], fn(JobState) -> Vec<&'static str>),
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
    let outdated = if refresh { 0 } else { count_outdated_items(connection, company, job).await? };
    let refreshed = if refresh { refresh_failed_items(connection, company, job).await? } else { 0 };
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
    if retried == 0 {
        return Err(DbError::InvalidState {
            is: "finished and none of its items can be retried".into(),
            allowed: Vec::new(),
        });
    }
    sqlx::query(
        "update export_job
            set state = 'active', outcome = null, finished_at = null, expires_at = null, run = run + 1, run_total = $3,
                run_started_at = null, failed = failed - $3, warned = warned - $4, seal_run_at = now(), seal_tries = 0,
                notices = coalesce((select jsonb_agg(notice) from jsonb_array_elements(notices) as notice
                                     where notice ->> 'code' <> 'outdated-content'), '[]') || $5::jsonb
          where company_id = $1 and job_id = $2",
    )
    .bind(company)
    .bind(job)
    .bind(retried as i32)
    .bind(warned as i32)
    .bind(Json(describe_outdated_items(outdated)))
    .execute(&mut *connection)
    .await?;
    let counts = json!({ "items": retried, "refreshed": refreshed, "outdated": outdated });
    event::insert_event(connection, company, job, "retryRequested", counts).await
}

/// The notice about items that are retried with content that their assets do not have any more.
fn describe_outdated_items(outdated: i64) -> Vec<Reason> {
    if outdated == 0 {
        return Vec::new();
    }
    let detail = format!(
        "The last retry processed {outdated} items with the content that their assets had when the job was created; the \
         assets have new content. To use it, retry with `{{\"refresh\": true}}`."
    );
    vec![Reason::new(Code::OutdatedContent, detail)]
}

/// The failed items of a job that can be retried and whose assets have other content than when the job was created. The
/// conditions are those of the retry.
macro_rules! outdated_items {
    () => {
        "from asset
          where asset.company_id = item.company_id and asset.asset_id = item.asset_id and asset.deleted_at is null
            and asset.sha256 is distinct from item.sha256 and asset.sha256 is not null
            and item.company_id = $1 and item.job_id = $2 and item.state = 'failed' and item.sha256 is not null
            and exists (select from export_file file where file.company_id = $1 and file.job_id = $2 and file.position = item.position)"
    };
}

/// How many items a retry would process with content that their assets do not have any more.
async fn count_outdated_items(connection: &mut DbConnection, company: CompanyId, job: JobId) -> Result<i64, DbError> {
    let sql = concat!("select count(*) from export_item item where exists (select ", outdated_items!(), ")");
    Ok(sqlx::query_scalar(sql).bind(company).bind(job).fetch_one(connection).await?)
}

/// Gives failed items the content that their assets have now. Names, paths and recipes stay as they were fixed at the
/// creation of the job. Files that were made of the old content before another file of the item failed are made again.
async fn refresh_failed_items(connection: &mut DbConnection, company: CompanyId, job: JobId) -> Result<i64, DbError> {
    let sql = concat!(
        "with refreshed as (
             update export_item item
                set sha256 = asset.sha256, size = asset.size, asset_type = asset.type, entry_time = asset.entry_time,
                    metadata = asset.metadata ",
        outdated_items!(),
        "   returning item.position, asset.mime, asset.header
         ), ready as (
             select count(*) as files, coalesce(sum(file.size), 0) as bytes
               from export_file file join refreshed using (position)
              where file.company_id = $1 and file.job_id = $2 and file.state = 'ready'
         ), files as (
             update export_file file
                set state = 'waiting', sha256 = null, size = null, crc32 = null, reused = false, warnings = '[]',
                    mime = case when file.recipe_id is null then refreshed.mime end,
                    width = case when file.recipe_id is null then (refreshed.header ->> 'width')::int end,
                    height = case when file.recipe_id is null then (refreshed.header ->> 'height')::int end
               from refreshed
              where file.company_id = $1 and file.job_id = $2 and file.position = refreshed.position
         ), counted as (
             update export_job job set files = job.files - ready.files, bytes = job.bytes - ready.bytes
               from ready where job.company_id = $1 and job.job_id = $2
         )
         select count(*) from refreshed"
    );
    Ok(sqlx::query_scalar(sql).bind(company).bind(job).fetch_one(connection).await?)
}

/// Deletes a job: hides it at once and stops its waiting items. Its rows are removed when no item runs any more, see
/// [`remove_deleted_jobs`].
pub async fn delete_job(pool: &PgPool, company: CompanyId, job: JobId) -> Result<(), DbError> {
    let mut transaction = pool.begin().await?;
    let hidden = sqlx::query(
        "update export_job set deleted_at = now() where company_id = $1 and job_id = $2 and deleted_at is null",
    )
    .bind(company)
    .bind(job)
    .execute(&mut *transaction)
    .await?;
    if hidden.rows_affected() == 0 {
        return Err(DbError::NotFound("export job"));
    }
    stop_waiting_items(&mut transaction, company, job).await?;
    transaction.commit().await?;
    Ok(())
}

/// Removes the rows of deleted jobs without running items. Returns how many jobs.
pub async fn remove_deleted_jobs(pool: &PgPool) -> Result<u64, DbError> {
    let removed = sqlx::query(
        "delete from export_job job
          where deleted_at is not null
            and not exists (select from export_item item where item.company_id = job.company_id and item.job_id = job.job_id and item.state = 'running')",
    )
    .execute(pool)
    .await?;
    Ok(removed.rows_affected())
}

/// Starts scheduled jobs whose time has come. Returns how many.
pub async fn start_due_jobs(pool: &PgPool) -> Result<u64, DbError> {
    let started = sqlx::query("update export_job set state = 'active' where state = 'scheduled' and exec_time <= now() and deleted_at is null")
        .execute(pool)
        .await?;
    Ok(started.rows_affected())
}
