//! Items that need no render: originals, and renditions that are known. They are settled together, in one statement.

use crate::db::{Error, PgPool};
use crate::id::{CompanyId, JobId, WorkerId};

/// Settles up to a thousand waiting items of a job that need no render: each of their files is an original, or a
/// rendition that is known. Returns how many.
pub async fn settle_ready(
    pool: &PgPool,
    company: CompanyId,
    job: JobId,
    worker: WorkerId,
    engine_version: i32,
) -> Result<u64, Error> {
    let mut transaction = pool.begin().await?;
    let (settled,): (i64,) = sqlx::query_as(
        "with job as (
             select fmt, event_seq from export_job
              where company_id = $1 and job_id = $2 and state = 'active' and deleted_at is null for update
         ), ready as (
             -- By position, and no further than needed: `offset 0` keeps the planner from joining whole jobs.
             select item.position, item.claim + 1 as claim, item.asset_name, item.warnings
               from export_item item
              where item.company_id = $1 and item.waits_in = $2 and item.run_at <= now()
                and exists (select from job offset 0)
                -- An original that is known to be damaged is looked at one by one.
                and not exists (select from blob where blob.sha256 = item.sha256 and blob.damaged_at is not null offset 0)
                and not exists (
                    select from export_file file
                     where file.company_id = $1 and file.job_id = $2 and file.position = item.position and file.state <> 'ready'
                       and file.recipe_id is not null
                       and not exists (select from rendition known
                                        where known.company_id = $1 and known.source_sha256 = item.sha256
                                          and known.recipe_id = file.recipe_id and known.engine_version = $4 offset 0)
                    offset 0)
              order by item.position limit 1000
                for update of item skip locked
         ), chosen as (
             select array_agg(position) as positions, min(position) as first, max(position) as last from ready
         ), files as (
             update export_file file
                set (state, sha256, size, crc32, width, height, mime, warnings, reused) = (
                    select 'ready', blob.sha256, blob.size, blob.crc32, coalesce(known.width, file.width),
                           coalesce(known.height, file.height), coalesce(known.mime, file.mime), coalesce(known.warnings, '[]'),
                           file.recipe_id is not null
                      from export_item item
                      left join lateral (
                            select * from rendition
                             where company_id = $1 and source_sha256 = item.sha256 and recipe_id = file.recipe_id
                               and engine_version = $4 offset 0) known on true
                      join blob on blob.sha256 = case when file.recipe_id is null then item.sha256 else known.sha256 end
                     where item.company_id = $1 and item.job_id = $2 and item.position = file.position)
              where file.company_id = $1 and file.job_id = $2
                and file.position between (select first from chosen) and (select last from chosen)
                and file.position = any((select positions from chosen)::int[]) and file.state <> 'ready'
             returning file.position, file.rendition, file.size, file.warnings
         ), noted as (
             -- What all renditions of a picture warn of is told once, in the order in which it came up.
             select position, jsonb_agg(note order by place) as warnings
               from (select position, note, min(place) as place
                       from (select position, note, array[-1, number] as place
                               from ready, jsonb_array_elements(ready.warnings) with ordinality as old (note, number)
                              union all
                             select position, note, array[rendition, number]
                               from files, jsonb_array_elements(files.warnings) with ordinality as new (note, number)) told
                      group by position, note) once
              group by position
         ), notes as (
             select coalesce(jsonb_object_agg(position, warnings), '{}') as of from noted
         ), items as (
             update export_item item
                set state = 'succeeded', claim = item.claim + 1, started_at = now(), finished_at = now(), worker_id = $3,
                    warnings = coalesce((select of from notes) -> item.position::text, '[]')
              where item.company_id = $1 and item.job_id = $2
                and item.position between (select first from chosen) and (select last from chosen)
                and item.position = any((select positions from chosen)::int[])
         ), events as (
             insert into export_event (company_id, job_id, seq, code, position, parameters)
             select $1, $2, job.event_seq + row_number() over (order by event.position, event.place), event.code, event.position,
                    event.parameters
               from job cross join (
                    select ready.position, 0 as place,
                           case when job.fmt = 'orig' then 'fileExported' when told.converts then 'fileConverted'
                                else 'fileExportedAsOriginal' end as code,
                           jsonb_build_object('asset', ready.asset_name, 'path', told.path, 'files', told.files, 'warnings',
                                              coalesce(jsonb_array_length((select of from notes) -> ready.position::text), 0)) as parameters
                      from job, ready
                     cross join lateral (
                           select (array_agg(path order by rendition))[1] as path, count(*) as files,
                                  coalesce(bool_or(recipe_id is not null), false) as converts
                             from export_file file
                            where file.company_id = $1 and file.job_id = $2 and file.position = ready.position) told
                     union all
                    select ready.position, 1, 'fileWarning',
                           jsonb_build_object('asset', ready.asset_name, 'notes', (select of from notes) -> ready.position::text)
                      from ready where (select of from notes) ? ready.position::text) event
         ), attempts as (
             insert into export_attempt (company_id, job_id, position, claim, worker_id, started_at, ending)
             select $1, $2, position, claim, $3, now(), 'succeeded' from ready
         ), counted as (
             update export_job
                set succeeded = succeeded + ends.items, warned = export_job.warned + ends.warned,
                    event_seq = event_seq + ends.items + ends.warned, files = export_job.files + sum.files, bytes = export_job.bytes + sum.bytes
               from (select (select count(*) from ready)::int as items, (select count(*) from noted)::int as warned) ends,
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
