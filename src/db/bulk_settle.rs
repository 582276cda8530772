//! Settles many items at once that need no rendering, because all their files are originals or in the render cache.
//!
//! An export of 10,000 originals has nothing to compute; settled one by one it would take 10,000 claims and commits.
//! The statement here claims and settles up to a thousand items in one transaction, with the same effects as
//! [`super::settle`]: files, item, log, attempt history and job counters. Items never become visible as running.

use crate::db::settle_tail::{one_by_one_sql, settle_tail_sql};
use crate::db::{DbError, PgPool};
use crate::id::{CompanyId, JobId, WorkerId};

/// The most items that one statement settles.
pub const MAX_READY_ITEMS: u64 = 1000;

/// Settles up to [`MAX_READY_ITEMS`] waiting items of a job that need no rendering. Returns how many.
///
/// The picker of the statement; what follows is the tail that all settles share ([`super::settle_tail`]):
///
/// ```text
///   job ──> ready ──> produced ──> item_warnings ──> warnings_by_item ──> ended ──> (the shared tail)
///  (lock)  (skip locked)
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
    let sql = concat!(
        "with job as (
             -- Lock the job row first, as every settle does: counts and event numbers stay exact. No row, and so no
             -- effect, when the job is paused, being stopped or deleted.
             select fmt from export_job
              where company_id = $2 and job_id = $3 and state = 'active' and deleted_at is null for update
         ), ready as materialized (
             -- The first waiting items whose missing files are all originals or cached. They are found in order
             -- of position, and reading stops at the limit: `offset 0` keeps the planner from turning the conditions
             -- into joins over the whole job. Items that a worker is claiming right now are skipped.
             select item.company_id, item.job_id, item.position, item.sha256, item.warnings
               from export_item item
              where item.company_id = $2 and item.waits_in = $3 and item.run_at <= now()
                and exists (select from job offset 0)
                -- A damaged original fails its item; the slot that claims the item does that.
                and not exists (select from blob where blob.sha256 = item.sha256 and blob.damaged_at is not null offset 0)
                and not exists (
                    select from export_file file
                     where file.company_id = $2 and file.job_id = $3 and file.position = item.position and file.state <> 'ready'
                       and file.recipe_id is not null
                       and not exists (select from rendition cached
                                        where cached.company_id = $2 and cached.source_sha256 = item.sha256
                                          and cached.recipe_id = file.recipe_id and cached.engine_version = $1 offset 0)
                    offset 0)
              order by item.position limit $5
                for update of item skip locked
         ), produced as materialized (
             -- Their files: the cached rendition's bytes, or the original's where there is no recipe. Each part is one look
             -- for each row of the part before (`lateral` with `offset 0`).
             select file.company_id, file.job_id, file.position, file.rendition,
                    case when file.recipe_id is null then ready.sha256 else cached.sha256 end as sha256, blob.size, blob.crc32,
                    cached.width, cached.height, cached.mime, coalesce(cached.warnings, '[]') as warnings,
                    file.recipe_id is not null as reused, null::text as plan
               from ready
              cross join lateral (
                    select * from export_file
                     where company_id = ready.company_id and job_id = ready.job_id and position = ready.position
                       and state <> 'ready' offset 0) file
               left join lateral (
                    select * from rendition
                     where company_id = ready.company_id and source_sha256 = ready.sha256 and recipe_id = file.recipe_id
                       and engine_version = $1 offset 0) cached on true
               left join lateral (
                    select * from blob
                     where blob.sha256 = case when file.recipe_id is null then ready.sha256 else cached.sha256 end offset 0) blob on true
         ), item_warnings as (
             -- The own warnings of each item that has any: those it already had, then those of its files. A warning that
             -- several renditions have is listed once, where it came up first.
             select position, jsonb_agg(warning order by place) as warnings
               from (select position, warning, min(place) as place
                       from (select position, warning, array[-1, number] as place
                               from ready, jsonb_array_elements(ready.warnings) with ordinality as old (warning, number)
                              union all
                             select position, warning, array[rendition, number]
                               from produced, jsonb_array_elements(produced.warnings) with ordinality as new (warning, number)) all_warnings
                      group by position, warning) distinct_warnings
              group by position
         ), warnings_by_item as (
             -- The same as one JSON object from position to warnings: looked up by value, not joined.
             select coalesce(jsonb_object_agg(position, warnings), '{}') as by_position from item_warnings
         ), ended as (
             -- They go from waiting to succeeded; the claim number grows as if a worker had claimed them, so that each
             -- attempt of an item has a number of its own.
             update export_item item
                set state = 'succeeded', claim = item.claim + 1, started_at = now(), finished_at = now(), worker_id = $4,
                    warnings = coalesce((select by_position from warnings_by_item) -> item.position::text, '[]')
               from (select * from ready where ",
        one_by_one_sql!(),
        ") ready
              where item.company_id = ready.company_id and item.job_id = ready.job_id and item.position = ready.position
             returning item.company_id, item.job_id, item.position, item.claim, item.worker_id, item.asset_name,
                       item.started_at, item.warnings, item.modifier_warnings, item.failure, (select fmt from job) as fmt,
                       'succeeded' as to_state, 'succeeded' as reported_state, 'succeeded' as ending, null::jsonb as reason
         ),",
        settle_tail_sql!(),
        " select count(*) from ended"
    );
    let settled: i64 = sqlx::query_scalar(sql)
        .bind(engine_version)
        .bind(company)
        .bind(job)
        .bind(worker)
        .bind(MAX_READY_ITEMS as i64)
        .fetch_one(pool)
        .await?;
    metrics::counter!("offprint_items_settled_total", "ending" => "succeeded", "code" => "").increment(settled as u64);
    Ok(settled as u64)
}
