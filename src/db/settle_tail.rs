//! The part that all settles share: what follows from the end of items. Two statements begin with different pickers,
//! [`super::settle`] with attempts that workers report, [`super::bulk_settle`] with waiting items that need no rendering;
//! then both go on here, so that a job's counters, log and history mean the same whoever wrote them.

/// The condition that a row exists. It is always true. It makes the planner expect one row and so look each up by its key:
/// it keeps plans for long, and a plan that was made while a table was small would read all of it later.
macro_rules! one_by_one_sql {
    () => {
        "abs(position) between 0 and 2147483647"
    };
}

/// CTEs after those of the picker, which must be:
///
/// * `ended`: one row for each item that this statement has ended: the columns of its key, `claim`, `worker_id`,
///   `asset_name`, `started_at`, `warnings`, `modifier_warnings`, `failure`, the job's `fmt`, and how the attempt ended:
///   `to_state`, `reported_state` (another one when a stop came in between), `ending`, `reason`;
/// * `produced`: the files of these items that are ready now.
///
/// ```text
///   (picker) ──> ended ──┬──> tally ──> counters ──> events      counts of each job, whether all its items have ended, and
///                        │                                       numbers of its events
///                        ├──> attempts
///            produced ───┴──> files ──> file_tally ──> counters
/// ```
///
/// Postgres runs every writing part once, whether or not the outer query reads it, and all parts see the tables as they
/// were before the statement. Therefore parts pass on what they changed with `returning`.
macro_rules! settle_tail_sql {
    () => {
        concat!(
            "
         files as (
             -- Mark the files ready, also when the attempt failed: the next attempt renders only what is missing. For an
             -- original, dimensions and media type were written with the job, so they stay (coalesce). A file whose blob was
             -- removed meanwhile violates the foreign key, and nothing is written.
             update export_file file
                set state = 'ready', sha256 = produced.sha256, size = produced.size, crc32 = produced.crc32,
                    width = coalesce(produced.width, file.width), height = coalesce(produced.height, file.height),
                    mime = coalesce(produced.mime, file.mime), warnings = produced.warnings, reused = produced.reused
               from (select * from produced where ",
            one_by_one_sql!(),
            " and abs(rendition) between 0 and 32767) produced
              where file.company_id = produced.company_id and file.job_id = produced.job_id
                and file.position = produced.position and file.rendition = produced.rendition and file.state <> 'ready'
             returning file.company_id, file.job_id, file.position, file.recipe_id, file.size, file.warnings, file.reused,
                       produced.sha256, produced.width, produced.height, produced.mime, produced.plan
         ), tally as (
             -- An item has one event for its end and one for its own warnings. Those of the modifier count as well, but the
             -- log told them when the job was created.
             select company_id, job_id,
                    (count(*) filter (where to_state = 'succeeded'))::int as succeeded,
                    (count(*) filter (where to_state = 'failed'))::int as failed,
                    (count(*) filter (where to_state = 'stopped'))::int as stopped,
                    (count(*) filter (where to_state in ('succeeded', 'failed')
                                        and (warnings <> '[]' or modifier_warnings <> '[]')))::int as warned,
                    count(*) filter (where to_state <> 'waiting')
                        + count(*) filter (where to_state in ('succeeded', 'failed') and warnings <> '[]') as events
               from ended group by company_id, job_id
         ), file_tally as (
             select company_id, job_id, count(*)::int as files, coalesce(sum(size), 0)::bigint as bytes
               from files group by company_id, job_id
         ), counters as (
             -- Count the ends, and reserve the numbers of their events. The picker has locked the rows, so numbers have no
             -- gaps and no duplicates.
             update export_job job
                set succeeded = job.succeeded + tally.succeeded, failed = job.failed + tally.failed,
                    stopped = job.stopped + tally.stopped, warned = job.warned + tally.warned,
                    files = job.files + coalesce(file_tally.files, 0), bytes = job.bytes + coalesce(file_tally.bytes, 0),
                    event_seq = job.event_seq + tally.events
               from tally left join file_tally using (company_id, job_id)
              where job.company_id = tally.company_id and job.job_id = tally.job_id
             returning job.company_id, job.job_id, job.event_seq - tally.events as last_seq,
                       job.succeeded + job.failed + job.skipped + job.stopped = job.total as has_ended
         ), events as (
             -- The log, in order of position: how each item ended, then its warnings. Nothing is logged when it will be tried
             -- again.
             insert into export_event (company_id, job_id, seq, code, position, parameters)
             select counters.company_id, counters.job_id,
                    last_seq + row_number() over (partition by counters.job_id order by event.position, event.place),
                    event.code, event.position, event.parameters
               from counters join (
                    select company_id, job_id, position, 0 as place,
                           case to_state when 'failed' then 'fileFailed' when 'stopped' then 'fileStopped'
                                else case when fmt = 'orig' then 'fileExported' when summary.converts then 'fileConverted'
                                          else 'fileExportedAsOriginal' end end as code,
                           case to_state when 'failed' then jsonb_build_object('asset', asset_name, 'failure', failure)
                                when 'stopped' then jsonb_build_object('asset', asset_name)
                                else jsonb_build_object('asset', asset_name, 'path', summary.path, 'files', summary.files,
                                                        'warnings', jsonb_array_length(warnings) + jsonb_array_length(modifier_warnings)) end as parameters
                      from ended
                     cross join lateral (
                           select (array_agg(path order by rendition))[1] as path, count(*) as files,
                                  coalesce(bool_or(recipe_id is not null), false) as converts
                             from export_file file
                            where file.company_id = ended.company_id and file.job_id = ended.job_id and file.position = ended.position) summary
                     where to_state <> 'waiting'
                     union all
                    select company_id, job_id, position, 1, 'fileWarning', jsonb_build_object('asset', asset_name, 'notes', warnings)
                      from ended where to_state in ('succeeded', 'failed') and warnings <> '[]'
                    ) event using (company_id, job_id)
         ), attempts as (
             -- The attempt history. A second row for the same claim would violate the primary key: a last guard against
             -- settling twice.
             insert into export_attempt (company_id, job_id, position, claim, worker_id, started_at, ending, failure)
             select company_id, job_id, position, claim, worker_id, started_at,
                    case when to_state <> reported_state then 'stopped' else ending end, reason
               from ended
         )"
        )
    };
}

pub(super) use {one_by_one_sql, settle_tail_sql};
