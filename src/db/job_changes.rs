//! Queries for live updates: which of many jobs have changed, and which events are new. One query answers for all
//! watched jobs of a process, so its cost does not grow with the number of watching clients.

use crate::db::event::EventRow;
use crate::db::{DbError, PgPool};
use crate::id::{CompanyId, JobId};

/// A job with its version: a text that changes whenever anything that is shown of the job changes.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct JobVersionRow {
    pub company_id: CompanyId,
    pub job_id: JobId,
    pub version: String,
}

/// Lists the versions of those of these jobs that exist.
pub async fn list_job_versions(pool: &PgPool, jobs: &[(CompanyId, JobId)]) -> Result<Vec<JobVersionRow>, DbError> {
    let (companies, jobs): (Vec<CompanyId>, Vec<JobId>) = jobs.iter().copied().unzip();
    // The same values as in the entity tag of a job. The event number changes with every ended item and every job
    // action; the others change without an event.
    let versions = sqlx::query_as(
        "select job.company_id, job.job_id,
                concat_ws(' ', job.event_seq, job.run, job.state, job.started_at is null, coalesce(job.expires_at <= now(), false),
                    (select count(*) from export_item item
                      where item.company_id = job.company_id and item.job_id = job.job_id and item.state = 'running'),
                    (select sum(delivered + skipped + unchanged + failed) from destination
                      where job.has_destinations and destination.company_id = job.company_id and destination.job_id = job.job_id),
                    (select string_agg(state, ',' order by task_id) from task mail
                      where job.has_mails and mail.company_id = job.company_id and mail.job_id = job.job_id and mail.kind = 'mail'
                        and mail.run = job.run)) as version
           from unnest($1::uuid[], $2::uuid[]) as watched (company_id, job_id)
           join export_job job using (company_id, job_id)
          where job.deleted_at is null",
    )
    .bind(companies)
    .bind(jobs)
    .fetch_all(pool)
    .await?;
    Ok(versions)
}

/// An event with its job.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct JobEventRow {
    pub company_id: CompanyId,
    pub job_id: JobId,
    #[sqlx(flatten)]
    pub event: EventRow,
}

/// Lists for each of these jobs at most `limit` events after the given number, oldest first.
pub async fn list_new_events(
    pool: &PgPool,
    jobs: &[(CompanyId, JobId, i64)],
    limit: i64,
) -> Result<Vec<JobEventRow>, DbError> {
    let events = sqlx::query_as(
        "select watched.company_id, watched.job_id, event.*
           from unnest($1::uuid[], $2::uuid[], $3::bigint[]) as watched (company_id, job_id, after)
          cross join lateral (
                select seq, at, code, position, parameters from export_event
                 where company_id = watched.company_id and job_id = watched.job_id and seq > watched.after
                 order by seq limit $4) event
          order by watched.company_id, watched.job_id, event.seq",
    )
    .bind(jobs.iter().map(|(company, _, _)| *company).collect::<Vec<_>>())
    .bind(jobs.iter().map(|(_, job, _)| *job).collect::<Vec<_>>())
    .bind(jobs.iter().map(|(_, _, after)| *after).collect::<Vec<_>>())
    .bind(limit)
    .fetch_all(pool)
    .await?;
    Ok(events)
}
