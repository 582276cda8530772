//! Orders: what can be told to a job that exists. Each is one transaction under the job row's lock, so two clients at
//! once never break a count.

use serde_json::json;

use crate::db::vocabulary::JobState;
use crate::db::{Connection, Error, PgPool, event};
use crate::id::{CompanyId, JobId};

/// Locks the job and gives its state, if it is one of those that the order is allowed in.
async fn lock(
    connection: &mut Connection,
    company: CompanyId,
    job: JobId,
    from: &[JobState],
    allowed: fn(JobState) -> Vec<&'static str>,
) -> Result<JobState, Error> {
    let state: Option<(JobState, String)> = sqlx::query_as(
        "select state, case when state = 'active' and started_at is null then 'queued' when state = 'active' then 'running' else state end
           from export_job where company_id = $1 and job_id = $2 and deleted_at is null for update",
    )
    .bind(company)
    .bind(job)
    .fetch_optional(connection)
    .await?;
    match state {
        None => Err(Error::Missing("export job")),
        Some((state, _)) if from.contains(&state) => Ok(state),
        Some((state, shown)) => Err(Error::Refused { is: shown, allowed: allowed(state) }),
    }
}

/// Moves a job from one of the states to another. `allowed` names the orders that a state allows, for the refusal.
pub async fn change(
    pool: &PgPool,
    company: CompanyId,
    job: JobId,
    (from, to): (&[JobState], JobState),
    code: &str,
    allowed: fn(JobState) -> Vec<&'static str>,
) -> Result<(), Error> {
    let mut transaction = pool.begin().await?;
    lock(&mut transaction, company, job, from, allowed).await?;
    sqlx::query("update export_job set state = $3 where company_id = $1 and job_id = $2")
        .bind(company)
        .bind(job)
        .bind(to)
        .execute(&mut *transaction)
        .await?;
    if to == JobState::Stopping {
        end_waiting(&mut transaction, company, job).await?;
    }
    event::add(&mut transaction, company, job, code, json!({})).await?;
    transaction.commit().await?;
    Ok(())
}

/// Ends what nobody has taken yet. What runs hears of the stop with its next beat.
async fn end_waiting(connection: &mut Connection, company: CompanyId, job: JobId) -> Result<(), Error> {
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

/// Takes the failed items of a finished job up again, as a new run: same job, names and archive address. Files of
/// theirs that are ready stay as they are.
pub async fn retry(
    pool: &PgPool,
    company: CompanyId,
    job: JobId,
    from: &[JobState],
    allowed: fn(JobState) -> Vec<&'static str>,
) -> Result<(), Error> {
    let mut transaction = pool.begin().await?;
    lock(&mut transaction, company, job, from, allowed).await?;
    let expired: bool =
        sqlx::query_scalar("select expires_at <= now() from export_job where company_id = $1 and job_id = $2")
            .bind(company)
            .bind(job)
            .fetch_one(&mut *transaction)
            .await?;
    if expired {
        // Its archive would hold the retried files only.
        return Err(Error::Refused { is: "finished and its files are no longer kept".into(), allowed: Vec::new() });
    }
    let (again, warned): (i64, i64) = sqlx::query_as(
        "with again as (
             update export_item
                set state = 'waiting', tries = 0, crashes = 0, lost = 0, failure = null, finished_at = null, run_at = now()
              where company_id = $1 and job_id = $2 and state = 'failed' and sha256 is not null
                and exists (select from export_file file where file.company_id = $1 and file.job_id = $2 and file.position = export_item.position)
             returning position, warnings
         ), promised as (
             update export_file file set state = 'waiting' from again
              where file.company_id = $1 and file.job_id = $2 and file.position = again.position and file.state = 'absent'
         )
         select count(*), count(*) filter (where warnings <> '[]') from again",
    )
    .bind(company)
    .bind(job)
    .fetch_one(&mut *transaction)
    .await?;
    if again == 0 {
        return Err(Error::Refused {
            is: "finished and none of its items can be tried again".into(),
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
    .bind(again as i32)
    .bind(warned as i32)
    .execute(&mut *transaction)
    .await?;
    event::add(&mut transaction, company, job, "retryOrdered", json!({ "items": again })).await?;
    transaction.commit().await?;
    Ok(())
}

/// Hides a job at once and ends what waits. Its rows are removed when nothing runs any more, see [`remove_deleted`].
pub async fn delete(pool: &PgPool, company: CompanyId, job: JobId) -> Result<(), Error> {
    let mut transaction = pool.begin().await?;
    let hidden = sqlx::query(
        "update export_job set deleted_at = now() where company_id = $1 and job_id = $2 and deleted_at is null",
    )
    .bind(company)
    .bind(job)
    .execute(&mut *transaction)
    .await?;
    if hidden.rows_affected() == 0 {
        return Err(Error::Missing("export job"));
    }
    end_waiting(&mut transaction, company, job).await?;
    transaction.commit().await?;
    Ok(())
}

/// Removes the rows of deleted jobs of which nothing runs. Returns how many.
pub async fn remove_deleted(pool: &PgPool) -> Result<u64, Error> {
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
pub async fn start_due(pool: &PgPool) -> Result<u64, Error> {
    let started = sqlx::query("update export_job set state = 'active' where state = 'scheduled' and exec_time <= now() and deleted_at is null")
        .execute(pool)
        .await?;
    Ok(started.rows_affected())
}
