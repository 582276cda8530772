//! Claims tasks: one statement for all free slots of all kinds.

use std::time::Duration;

use serde::Serialize;
use sqlx::types::Json;

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

/// A kind of which tasks are wanted, as the statement reads it.
#[derive(Serialize)]
struct WantedRecord {
    kind: TaskKind,
    slots: usize,
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
/// * A task whose worker disappeared more than twice waits 10 s, 30 s, 90 s, … at most 15 minutes: it may be what ends its
///   workers.
/// * What is wanted is JSON, of which the planner knows nothing: of an array it counts the elements, finds the statement a
///   little cheaper than usual, and plans it anew each time, which takes longer than to run it. `slots between` makes it
///   expect one kind, and rows are looked up by their place (`ctid`): so the plan that it keeps since the table was empty
///   is good for a large one, too.
/// * Tasks of deleted jobs are passed over; they go with their job.
pub async fn claim_tasks(pool: &PgPool, options: &TaskClaimOptions<'_>) -> Result<Vec<TaskClaim>, DbError> {
    let wanted: Vec<WantedRecord> = options.slots.iter().map(|&(kind, slots)| WantedRecord { kind, slots }).collect();
    let claims = sqlx::query_as(
        "with recursive wanted as materialized (
             select * from jsonb_to_recordset($1) as wanted (kind text, slots int)
              where slots between 1 and 1000
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
              where state = 'running' and kind in (select kind from wanted) and lease_until >= now()
              group by kind, company_id
         ), due as (
             select lane.kind, lane.company_id, lane.priority, first.place, first.claim, first.run_at
               from lane join wanted using (kind)
              cross join lateral (
                    select task.ctid as place, claim, run_at from task
                     where state = 'waiting' and kind = lane.kind and company_id = lane.company_id
                       and priority = lane.priority and run_at <= now()
                       and not exists (select from export_job job
                                        where job.company_id = task.company_id and job.job_id = task.job_id
                                          and job.deleted_at is not null offset 0)
                     order by run_at limit 4 * wanted.slots) first
              union all
             select kind, company_id, priority, task.ctid, claim, lease_until
               from task
              where state = 'running' and kind in (select kind from wanted)
                and lease_until < now() - case when lost > 1 then interval '10 seconds' * 3 ^ least(lost - 2, 4) else '0' end
                and not exists (select from export_job job
                                 where job.company_id = task.company_id and job.job_id = task.job_id
                                   and job.deleted_at is not null offset 0)
         ), turn as (
             select kind, place, claim,
                    row_number() over (partition by kind order by coalesce(running, 0) + nth, nth, priority desc, run_at) as number
               from (select *, row_number() over (partition by kind, company_id order by priority desc, run_at) as nth
                       from due) due
               left join busy using (kind, company_id)
         ), locked as materialized (
             select picked.* from wanted
              cross join lateral (
                    select free.*
                      from (select * from turn where turn.kind = wanted.kind order by number) turn
                     cross join lateral (
                           select task.ctid as place from task
                            where task.ctid = turn.place and task.claim = turn.claim
                              and (state = 'waiting' and run_at <= now() or state = 'running' and lease_until < now())
                              for update skip locked) free
                     limit wanted.slots) picked
         ), taken as (
             update task
                set state = 'running', claim = claim + 1, lost = lost + (state = 'running')::int, lease_until = now() + $3
               from locked where task.ctid = locked.place
             returning task.*
         ), attempt as (
             insert into task_attempt (company_id, task_id, attempt, worker_id)
             select company_id, task_id, claim, $2 from taken
         )
         select company_id, task_id, kind, job_id, run, key, payload, claim, tries, lost from taken",
    )
    .bind(Json(wanted))
    .bind(options.worker)
    .bind(to_pg_interval(options.lease))
    .fetch_all(pool)
    .await?;
    Ok(claims)
}
