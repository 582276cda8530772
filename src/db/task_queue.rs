//! The queue of tasks as a whole: how long it is, and what is removed from it.

use std::time::Duration;

use crate::db::interval::to_pg_interval;
use crate::db::task::TaskKind;
use crate::db::{DbError, PgPool};
use crate::id::{CompanyId, JobId};

/// The tasks of a kind that have not ended.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct TaskQueueRow {
    pub kind: TaskKind,
    /// Including those whose worker has died.
    pub waiting: i64,
    pub running: i64,
    /// Seconds for which the task that has been due longest has been due; 0 when none is due.
    pub oldest_wait: f64,
}

/// Measures the queue: one row for each kind, also where there is nothing to do.
pub async fn measure_task_queue(pool: &PgPool) -> Result<Vec<TaskQueueRow>, DbError> {
    let queue = sqlx::query_as(
        "select known.kind, coalesce(waiting, 0) as waiting, coalesce(running, 0) as running, coalesce(oldest_wait, 0) as oldest_wait
           from unnest($1::text[]) with ordinality as known (kind, place)
           left join (
                select kind, count(*) filter (where not is_running) as waiting, count(*) filter (where is_running) as running,
                       greatest(extract(epoch from now() - min(due_at) filter (where not is_running)), 0)::float8 as oldest_wait
                  from (select kind, run_at as due_at, false as is_running from task where state = 'waiting'
                         union all
                        select kind, lease_until, lease_until >= now() from task where state = 'running') open
                 group by kind) counted using (kind)
          order by place",
    )
    .bind(TaskKind::ALL.map(TaskKind::name).to_vec())
    .fetch_all(pool)
    .await?;
    Ok(queue)
}

/// How many tasks one statement removes. Their attempts go with them.
const REMOVAL_BATCH: i64 = 1000;

/// Removes up to a thousand tasks of a kind that ended longer than `age` ago. Returns how many; come again while there are
/// any.
pub async fn remove_ended_tasks(pool: &PgPool, kind: TaskKind, age: Duration) -> Result<u64, DbError> {
    let removed = sqlx::query(
        "with old as (
             select company_id, task_id from task
              where kind = $1 and ended_at <= now() - $2 order by ended_at limit $3 for update skip locked
         )
         delete from task using old where task.company_id = old.company_id and task.task_id = old.task_id",
    )
    .bind(kind)
    .bind(to_pg_interval(age))
    .bind(REMOVAL_BATCH)
    .execute(pool)
    .await?;
    Ok(removed.rows_affected())
}

/// Removes up to a thousand tasks of a deleted job, whatever their state. Returns how many.
pub async fn remove_tasks_of_job(pool: &PgPool, company: CompanyId, job: JobId) -> Result<u64, DbError> {
    let removed = sqlx::query(
        "delete from task
          where company_id = $1 and task_id in (select task_id from task where company_id = $1 and job_id = $2 limit $3)",
    )
    .bind(company)
    .bind(job)
    .bind(REMOVAL_BATCH)
    .execute(pool)
    .await?;
    Ok(removed.rows_affected())
}
