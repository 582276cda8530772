//! Claims tasks: one statement for all free slots of all kinds.

use std::time::Duration;

use crate::db::interval::to_pg_interval;
use crate::db::task::{TaskClaim, TaskKind};
use crate::db::{DbError, PgPool};
use crate::id::WorkerId;

/// The conditions of a claim.
#[derive(Clone, Debug)]
pub struct TaskClaimOptions<'a> {
    pub worker: WorkerId,
    /// How long the tasks belong to the worker unless it renews their leases.
    pub lease: Duration,
    /// How many tasks of each kind. Kinds that are not named are left to others.
    pub slots: &'a [(TaskKind, usize)],
}

/// Claims tasks that are due or whose lease has expired, and records the attempts. Of each kind as many as there are
/// slots, each of the company with the fewest tasks of this kind in flight; within a company by priority, then what has
/// been due longest. So one company's slow receivers, or its hundred thousand tasks, do not delay the tasks of others.
///
/// ```text
///   wanted ──> lane ──> due ──> turn ──> locked ──> taken ──> (result)
///                       busy ────┘       (skip)     attempt
/// ```
///
/// * `lane` hops through the index from one company (and priority) with waiting tasks to the next, and `due` reads only
///   the first few of each: what a claim costs does not grow with the number of waiting tasks.
/// * `turn` fills the slots as single claims one after the other would. It has some more rows than there are slots, because
///   another claim may have just locked the first ones; `locked` passes over those and stops when the slots are full.
///   `for update` stands in a subquery that is run for each row, in this order. What was seen before the lock is compared
///   again: another claim may have taken the task, and even ended it, since this statement began.
/// * A task whose worker disappeared more than twice waits a minute longer each time: it may be what ends its workers.
/// * Tasks of deleted jobs are passed over; they go with their job.
pub async fn claim_tasks(pool: &PgPool, options: &TaskClaimOptions<'_>) -> Result<Vec<TaskClaim>, DbError> {
    let (kinds, slots): (Vec<TaskKind>, Vec<i32>) =
        options.slots.iter().map(|(kind, slots)| (*kind, *slots as i32)).unzip();
    let kinds: Vec<&str> = kinds.into_iter().map(TaskKind::name).collect();
    let claims = sqlx::query_as(
        "with recursive wanted as materialized (
             select * from unnest($1::text[], $2::int[]) as wanted (kind, slots) where slots > 0
         ), lane (kind, company_id, priority) as (
             select wanted.kind, first.company_id, first.priority
               from wanted cross join lateral (
                    select company_id, priority from task
                     where state = 'waiting' and kind = wanted.kind order by company_id, priority limit 1) first
              union all
             select lane.kind, next.company_id, next.priority
               from lane cross join lateral (
                    select company_id, priority from task
                     where state = 'waiting' and kind = lane.kind and (company_id, priority) > (lane.company_id, lane.priority)
                     order by company_id, priority limit 1) next
         ), busy as (
             select kind, company_id, count(*) as running from task
              where state = 'running' and kind = any($1) and lease_until >= now() group by kind, company_id
         ), due as (
             select lane.kind, lane.company_id, lane.priority, first.task_id, first.claim, first.run_at
               from lane join wanted using (kind)
              cross join lateral (
                    select task_id, claim, run_at from task
                     where state = 'waiting' and kind = lane.kind and company_id = lane.company_id
                       and priority = lane.priority and run_at <= now()
                       and not exists (select from export_job job
                                        where job.company_id = task.company_id and job.job_id = task.job_id
                                          and job.deleted_at is not null offset 0)
                     order by run_at limit 4 * wanted.slots) first
              union all
             select kind, company_id, priority, task_id, claim, lease_until
               from task
              where state = 'running' and kind in (select kind from wanted)
                and lease_until < now() - make_interval(mins => greatest(lost - 1, 0))
                and not exists (select from export_job job
                                 where job.company_id = task.company_id and job.job_id = task.job_id
                                   and job.deleted_at is not null offset 0)
         ), turn as (
             select kind, company_id, task_id, claim,
                    row_number() over (partition by kind order by coalesce(running, 0) + nth, nth, priority desc, run_at) as place
               from (select *, row_number() over (partition by kind, company_id order by priority desc, run_at) as nth
                       from due) due
               left join busy using (kind, company_id)
         ), locked as materialized (
             select picked.* from wanted
              cross join lateral (
                    select free.*
                      from (select * from turn where turn.kind = wanted.kind order by place) turn
                     cross join lateral (
                           select company_id, task_id, (state = 'running')::int as lost from task
                            where task.company_id = turn.company_id and task.task_id = turn.task_id
                              and task.claim = turn.claim
                              and (state = 'waiting' and run_at <= now() or state = 'running' and lease_until < now())
                              for update skip locked) free
                     limit wanted.slots) picked
         ), taken as (
             update task
                set state = 'running', claim = task.claim + 1, lost = task.lost + locked.lost, lease_until = now() + $4
               from locked where task.company_id = locked.company_id and task.task_id = locked.task_id
             returning task.*
         ), attempt as (
             insert into task_attempt (company_id, task_id, attempt, worker_id)
             select company_id, task_id, claim, $3 from taken
         )
         select company_id, task_id, kind, job_id, import_id, run, key, payload, claim, tries, lost from taken",
    )
    .bind(kinds)
    .bind(slots)
    .bind(options.worker)
    .bind(to_pg_interval(options.lease))
    .fetch_all(pool)
    .await?;
    Ok(claims)
}
