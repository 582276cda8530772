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
             select company_id, job_id, fmt, event_seq from export_job
              where company_id = $1 and job_id = $2 and state = 'active' and deleted_at is null for update
         ), ready as (
             select item.position, item.claim + 1 as claim, item.asset_name, item.sha256, item.warnings
               from job
               join export_item item on item.company_id = job.company_id and item.job_id = job.job_id
              where item.state = 'waiting' and item.run_at <= now()
                and not exists (
                    select from export_file file
                     where file.company_id = $1 and file.job_id = $2 and file.position = item.position and file.state <> 'ready'
                       and file.recipe_id is not null
                       and not exists (select from rendition known
                                        where known.company_id = $1 and known.source_sha256 = item.sha256
                                          and known.recipe_id = file.recipe_id and known.engine_version = $4))
              order by item.position limit 1000
                for update of item skip locked
         ), made as (
             select ready.position, file.rendition, file.recipe_id, blob.sha256, blob.size, blob.crc32, known.width, known.height,
                    known.mime, coalesce(known.warnings, '[]') as warnings
               from ready
               join export_file file on file.company_id = $1 and file.job_id = $2 and file.position = ready.position
                    and file.state <> 'ready'
               left join rendition known on known.company_id = $1 and known.source_sha256 = ready.sha256
                    and known.recipe_id = file.recipe_id and known.engine_version = $4
               join blob on blob.sha256 = case when file.recipe_id is null then ready.sha256 else known.sha256 end
         ), noted as (
             -- What all renditions of a picture warn of is told once, in the order in which it came up.
             select position, jsonb_agg(note order by place) as warnings
               from (select position, note, min(place) as place
                       from (select position, note, array[-1, number] as place
                               from ready, jsonb_array_elements(ready.warnings) with ordinality as old (note, number)
                              union all
                             select position, note, array[rendition, number]
                               from made, jsonb_array_elements(made.warnings) with ordinality as new (note, number)) told
                      group by position, note) once
              group by position
         ), items as (
             update export_item item
                set state = 'succeeded', claim = ready.claim, started_at = now(), finished_at = now(), worker_id = $3,
                    warnings = coalesce(noted.warnings, '[]')
               from ready left join noted on noted.position = ready.position
              where item.company_id = $1 and item.job_id = $2 and item.position = ready.position
         ), files as (
             update export_file file
                set state = 'ready', sha256 = made.sha256, size = made.size, crc32 = made.crc32,
                    width = coalesce(made.width, file.width), height = coalesce(made.height, file.height),
                    mime = coalesce(made.mime, file.mime), warnings = made.warnings, reused = made.recipe_id is not null
               from made
              where file.company_id = $1 and file.job_id = $2 and file.position = made.position and file.rendition = made.rendition
         ), events as (
             insert into export_event (company_id, job_id, seq, code, position, parameters)
             select $1, $2, job.event_seq + row_number() over (order by ready.position),
                    case when job.fmt = 'orig' then 'fileExported' when files.converts then 'fileConverted'
                         else 'fileExportedAsOriginal' end,
                    ready.position,
                    jsonb_build_object('asset', ready.asset_name, 'path', files.path, 'files', files.files,
                                       'warnings', coalesce(jsonb_array_length(noted.warnings), 0))
               from job, ready
               left join noted on noted.position = ready.position
              cross join lateral (
                    select (array_agg(path order by rendition))[1] as path, count(*) as files,
                           coalesce(bool_or(recipe_id is not null), false) as converts
                      from export_file file
                     where file.company_id = $1 and file.job_id = $2 and file.position = ready.position) files
         ), attempts as (
             insert into export_attempt (company_id, job_id, position, claim, worker_id, started_at, ending)
             select $1, $2, position, claim, $3, now(), 'succeeded' from ready
         ), counted as (
             update export_job
                set succeeded = succeeded + ends.items, warned = export_job.warned + ends.warned,
                    event_seq = event_seq + ends.items, files = export_job.files + sum.files, bytes = export_job.bytes + sum.bytes
               from (select count(*)::int as items, count(noted.position)::int as warned
                       from ready left join noted on noted.position = ready.position) ends,
                    (select count(*)::int as files, coalesce(sum(size), 0)::bigint as bytes from made) sum
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
