//! What those who watch jobs ask: which of many jobs have changed, and what is new in their logs. The cost of a look does
//! not grow with the number of those who watch.

use crate::db::event::Event;
use crate::db::{Error, PgPool};
use crate::id::{CompanyId, JobId};

/// A job, and a text that differs whenever what is shown of the job does.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Mark {
    /// Whose it is.
    pub company_id: CompanyId,
    /// The job.
    pub job_id: JobId,
    /// The text.
    pub mark: String,
}

/// The marks of those of these jobs that are there.
pub async fn marks(pool: &PgPool, jobs: &[(CompanyId, JobId)]) -> Result<Vec<Mark>, Error> {
    let (companies, jobs): (Vec<CompanyId>, Vec<JobId>) = jobs.iter().copied().unzip();
    // What the entity tag of a job is made of: the log's number counts every end and every order, the rest changes without.
    let found = sqlx::query_as(
        "select job.company_id, job.job_id,
                concat_ws(' ', job.event_seq, job.run, job.state, job.started_at is null, coalesce(job.expires_at <= now(), false),
                    (select count(*) from export_item item
                      where item.company_id = job.company_id and item.job_id = job.job_id and item.state = 'running'),
                    (select string_agg(state, ',' order by notice_id) from notice
                      where notice.company_id = job.company_id and notice.job_id = job.job_id and notice.run = job.run)) as mark
           from unnest($1::uuid[], $2::uuid[]) as watched (company_id, job_id)
           join export_job job using (company_id, job_id)
          where job.deleted_at is null",
    )
    .bind(companies)
    .bind(jobs)
    .fetch_all(pool)
    .await?;
    Ok(found)
}

/// An event and whose log it stands in.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Logged {
    /// Whose the job is.
    pub company_id: CompanyId,
    /// The job.
    pub job_id: JobId,
    /// The event.
    #[sqlx(flatten)]
    pub event: Event,
}

/// Of each of these jobs at most `most` events after the given number, first to last.
pub async fn events(pool: &PgPool, jobs: &[(CompanyId, JobId, i64)], most: i64) -> Result<Vec<Logged>, Error> {
    let found = sqlx::query_as(
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
    .bind(most)
    .fetch_all(pool)
    .await?;
    Ok(found)
}
