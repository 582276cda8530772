//! Settles many items at once that need no rendering, because all their files are originals or in the render cache.
//!
//! An export of 10,000 originals has nothing to compute; settled one by one it would take 10,000 claims and commits.
//! The statement here claims and settles up to a thousand items in one transaction, with the same effects as
//! [`super::settle`]: files, item, log, attempt history and job counters. Items never become visible as running.

use crate::db::{DbError, PgPool};
use crate::id::{CompanyId, JobId, WorkerId};

/// Settles up to a thousand waiting items of a job that need no rendering. Returns how many.
///
/// The parts of the statement, in order (`ready` is the list that all others work on):
///
/// ```text
///   job ──> ready ──> chosen ──> files ──> item_warnings ──> warnings_by_item ──┬──> items
///  (lock)  (skip locked)           │                                            └──> events
///                                  └──> counters            ready ──> attempts
/// ```
///
/// No fence is needed: the items are waiting, and they are locked from `ready` until the commit.
pub async fn settle_ready_items(
    pool: &PgPool,
    company: CompanyId,
    job: JobId,
    worker: WorkerId,
    engine_version: i32,
) -> Result<u64, DbError> {
    let mut transaction = pool.begin().await?;
    let (settled,): (i64,) = sqlx::query_as(
        "with job as (
             -- Lock the job row first, as every settle does: counts and event numbers stay exact. No row, and so no
             -- effect, when the job is paused, being stopped or deleted.
             select fmt, event_seq from export_job
              where company_id = $1 and job_id = $2 and state = 'active' and deleted_at is null for update
         ), ready as (
             -- Up to a thousand waiting items whose missing files are all originals or cached. They are found in order
             -- of position, and reading stops at the limit: `offset 0` keeps the planner from turning the conditions
             -- into joins over the whole job. Items that a worker is claiming right now are skipped.
             select item.position, item.claim + 1 as claim, item.asset_name, item.warnings, item.modifier_warnings
               from export_item item
              where item.company_id = $1 and item.waits_in = $2 and item.run_at <= now()
                and exists (select from job offset 0)
                -- A damaged original fails its item; the slot that claims the item does that.
                and not exists (select from blob where blob.sha256 = item.sha256 and blob.damaged_at is not null offset 0)
                and not exists (
                    select from export_file file
                     where file.company_id = $1 and file.job_id = $2 and file.position = item.position and file.state <> 'ready'
                       and file.recipe_id is not null
                       and not exists (select from rendition cached
                                        where cached.company_id = $1 and cached.source_sha256 = item.sha256
                                          and cached.recipe_id = file.recipe_id and cached.engine_version = $4 offset 0)
                    offset 0)
              order by item.position limit 1000
                for update of item skip locked
         ), chosen as (
             -- Their positions as an array and a range. Joined with `ready`, the updates below were planned as scans of
             -- the whole job; compared with values, they use the primary key.
             select array_agg(position) as positions, min(position) as first, max(position) as last from ready
         ), files as (
             -- Mark their files ready: the cached rendition's bytes, or the original's where there is no recipe. An
             -- original keeps dimensions and media type, which were written with the job (coalesce).
             update export_file file
                set (state, sha256, size, crc32, width, height, mime, warnings, reused) = (
                    select 'ready', blob.sha256, blob.size, blob.crc32, coalesce(cached.width, file.width),
                           coalesce(cached.height, file.height), coalesce(cached.mime, file.mime), coalesce(cached.warnings, '[]'),
                           file.recipe_id is not null
                      from export_item item
                      left join lateral (
                            select * from rendition
                             where company_id = $1 and source_sha256 = item.sha256 and recipe_id = file.recipe_id
                               and engine_version = $4 offset 0) cached on true
                      join blob on blob.sha256 = case when file.recipe_id is null then item.sha256 else cached.sha256 end
                     where item.company_id = $1 and item.job_id = $2 and item.position = file.position)
              where file.company_id = $1 and file.job_id = $2
                and file.position between (select first from chosen) and (select last from chosen)
                and file.position = any((select positions from chosen)::int[]) and file.state <> 'ready'
             returning file.position, file.rendition, file.size, file.warnings
         ), item_warnings as (
             -- The own warnings of each item that has any: those it already had, then those of its files. A warning that
             -- several renditions have is listed once, where it came up first.
             select position, jsonb_agg(warning order by place) as warnings
               from (select position, warning, min(place) as place
                       from (select position, warning, array[-1, number] as place
                               from ready, jsonb_array_elements(ready.warnings) with ordinality as old (warning, number)
                              union all
                             select position, warning, array[rendition, number]
                               from files, jsonb_array_elements(files.warnings) with ordinality as new (warning, number)) all_warnings
                      group by position, warning) distinct_warnings
              group by position
         ), warnings_by_item as (
             -- The same as one JSON object from position to warnings: looked up by value, not joined (see `chosen`).
             select coalesce(jsonb_object_agg(position, warnings), '{}') as by_position from item_warnings
         ), items as (
             -- Settle the items. They go from waiting to succeeded; the claim number grows as if a worker had claimed
             -- them, so that each attempt of an item has a number of its own.
             update export_item item
                set state = 'succeeded', claim = item.claim + 1, started_at = now(), finished_at = now(), worker_id = $3,
                    warnings = coalesce((select by_position from warnings_by_item) -> item.position::text, '[]')
              where item.company_id = $1 and item.job_id = $2
                and item.position between (select first from chosen) and (select last from chosen)
                and item.position = any((select positions from chosen)::int[])
         ), events as (
             -- The log, in order of position: how each item ended, then its warnings. Numbers follow the job's last
             -- event; `counters` moves the job's number on by the same count.
             insert into export_event (company_id, job_id, seq, code, position, parameters)
             select $1, $2, job.event_seq + row_number() over (order by event.position, event.place), event.code, event.position,
                    event.parameters
               from job cross join (
                    select ready.position, 0 as place,
                           case when job.fmt = 'orig' then 'fileExported' when summary.converts then 'fileConverted'
                                else 'fileExportedAsOriginal' end as code,
                           jsonb_build_object('asset', ready.asset_name, 'path', summary.path, 'files', summary.files, 'warnings',
                                              coalesce(jsonb_array_length((select by_position from warnings_by_item) -> ready.position::text), 0)
                                                  + jsonb_array_length(ready.modifier_warnings)) as parameters
                      from job, ready
                     cross join lateral (
                           select (array_agg(path order by rendition))[1] as path, count(*) as files,
                                  coalesce(bool_or(recipe_id is not null), false) as converts
                             from export_file file
                            where file.company_id = $1 and file.job_id = $2 and file.position = ready.position) summary
                     union all
                    select ready.position, 1, 'fileWarning',
                           jsonb_build_object('asset', ready.asset_name, 'notes', (select by_position from warnings_by_item) -> ready.position::text)
                      from ready where (select by_position from warnings_by_item) ? ready.position::text) event
         ), attempts as (
             -- The attempt history.
             insert into export_attempt (company_id, job_id, position, claim, worker_id, started_at, ending)
             select $1, $2, position, claim, $3, now(), 'succeeded' from ready
         ), counters as (
             -- Count the ends on the job row, and move its event number on: one per item and one per item with warnings
             -- of its own. Warnings of the modifier count as well, but the log told them when the job was created.
             update export_job
                set succeeded = succeeded + ends.items, warned = export_job.warned + ends.warned,
                    event_seq = event_seq + ends.items + ends.warned_by_own, files = export_job.files + sum.files, bytes = export_job.bytes + sum.bytes
               from (select count(*)::int as items,
                            (count(*) filter (where has_own_warnings))::int as warned_by_own,
                            (count(*) filter (where has_own_warnings or modifier_warnings <> '[]'))::int as warned
                       from (select modifier_warnings, (select by_position from warnings_by_item) ? position::text as has_own_warnings
                               from ready) counted) ends,
                    (select count(*)::int as files, coalesce(sum(size), 0)::bigint as bytes from files) sum
              where company_id = $1 and job_id = $2 and ends.items > 0
         )
         select count(*) from ready",
    )
    .bind(company)
    .bind(job)
    .bind(worker)
    .bind(engine_version)
    .fetch_one(&mut *transaction)
    .await?;
    transaction.commit().await?;
    metrics::counter!("offprint_items_settled_total", "ending" => "succeeded", "code" => "").increment(settled as u64);
    Ok(settled as u64)
}
