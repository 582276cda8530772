//! Job actions: pause, resume, stop, run, retry and delete. Each is one transaction under the job row's lock, so that
//! two clients at once never break a count. Which action a state allows is decided in `jobs/actions.rs` and passed in.

use serde_json::json;

use crate::db::enums::JobState;
use crate::db::{DbConnection, DbError, PgPool, event};
use crate::id::{CompanyId, JobId};

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
    pool: &PgPool,
    company: CompanyId,
    job: JobId,
    (from, to): (&[JobState], JobState),
    code: &str,
    allowed: fn(JobState) -> Vec<&'static str>,
) -> Result<(), DbError> {
    let mut transaction = pool.begin().await?;
    lock_job(&mut transaction, company, job, from, allowed).await?;
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
    .execute(&mut *transaction)
    .await?;
    if to == JobState::Stopping {
        stop_waiting_items(&mut transaction, company, job).await?;
    }
    event::insert_event(&mut transaction, company, job, code, json!({})).await?;
    transaction.commit().await?;
    Ok(())
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
/// theirs that are ready stay as they are.
pub async fn retry_failed_items(
    pool: &PgPool,
    company: CompanyId,
    job: JobId,
    from: &[JobState],
    allowed: fn(JobState) -> Vec<&'static str>,
) -> Result<(), DbError> {
    let mut transaction = pool.begin().await?;
    lock_job(&mut transaction, company, job, from, allowed).await?;
    let expired: bool =
        sqlx::query_scalar("select expires_at <= now() from export_job where company_id = $1 and job_id = $2")
            .bind(company)
            .bind(job)
            .fetch_one(&mut *transaction)
            .await?;
    if expired {
        // The archive of the new run would hold the retried files only.
        return Err(DbError::InvalidState { is: "finished and its files have expired".into(), allowed: Vec::new() });
    }
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
    .fetch_one(&mut *transaction)
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
                run_started_at = null, failed = failed - $3, warned = warned - $4, seal_run_at = now(), seal_tries = 0
          where company_id = $1 and job_id = $2",
    )
    .bind(company)
    .bind(job)
    .bind(retried as i32)
    .bind(warned as i32)
    .execute(&mut *transaction)
    .await?;
    event::insert_event(&mut transaction, company, job, "retryRequested", json!({ "items": retried })).await?;
    transaction.commit().await?;
    Ok(())
}

/// Deletes a job: hides it at once and stops its waiting items. Its rows are removed when no item runs any more, see
/// [`remove_deleted_job`].
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

/// How many items and events of a deleted job one statement removes. Their files and attempts go with them.
const REMOVAL_BATCH: i32 = 2000;

/// Removes rows of one deleted job without running items: some of its items and events, and when it has none left the job
/// itself. Each statement is a transaction of its own, so that a large job goes step by step. Returns whether there was
/// such a job.
pub async fn remove_deleted_job(pool: &PgPool) -> Result<bool, DbError> {
    let gone: Option<(CompanyId, JobId)> = sqlx::query_as(
        "select company_id, job_id from export_job job
          where deleted_at is not null
            and not exists (select from export_item item where item.company_id = job.company_id and item.job_id = job.job_id and item.state = 'running')
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
