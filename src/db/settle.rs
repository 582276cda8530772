//! Settle: the end of attempts, and the only way out of the item state `running`.
//!
//! [`super::transition`] decides in Rust where an item goes (done, failed, or waiting for another attempt), and
//! `write_transitions` writes items, files, job counters, log and attempt history of a whole set in one statement. So a
//! job's counters always match its items, whenever a process dies. One item is a set of one.

use offprint_core::Digest;
use serde::Serialize;
use sqlx::types::Json;

use crate::db::attempt::{Attempt, AttemptEnding};
use crate::db::enums::ItemState;
use crate::db::settle_tail::{one_by_one_sql, settle_tail_sql};
use crate::db::transition::{Transition, decide_transition};
use crate::db::{DbError, PgPool};
use crate::id::{CompanyId, JobId, WorkerId};
use crate::reason::Reason;

pub use crate::db::transition::{AttemptOutcome, SettledFile, SettledImage};

/// An attempt that has ended.
#[derive(Clone, Debug)]
pub struct AttemptEnd {
    pub attempt: Attempt,
    /// Files that were produced are kept however the attempt ended, so that the next attempt renders only what is missing.
    pub files: Vec<SettledFile>,
    pub outcome: AttemptOutcome,
}

/// How many ends one statement settles at most.
pub const MAX_SETTLES: usize = 64;

/// What became of a set of attempts.
#[derive(Clone, Debug)]
pub struct SettledSet {
    /// For each attempt whether it was written. `false`: the item no longer belongs to the caller, nothing of it was
    /// written, and the caller must drop its work.
    pub written: Vec<bool>,
    /// Whether it had the last item of a job, which is to be sealed now.
    pub has_ended_job: bool,
}

/// Settles a set of attempts: all or none.
///
/// Rendered files enter the render cache under `engine_version`, so that equal renders are reused.
///
/// # Errors
/// Those of the database. What one end is to blame for fails the whole set; settle them one by one then.
pub async fn settle_items(pool: &PgPool, ends: &[&AttemptEnd], engine_version: i32) -> Result<SettledSet, DbError> {
    let transitions: Vec<Transition> =
        ends.iter().map(|end| decide_transition(&end.attempt.counters, &end.files, &end.outcome)).collect();
    let settled = write_transitions(pool, ends, &transitions, engine_version).await?;
    let written = ends.iter().zip(transitions).map(|(end, transition)| {
        let Some(row) = settled.iter().find(|row| row.is_of(&end.attempt)) else { return false };
        let ending = if row.is_stopped { AttemptEnding::Stopped } else { transition.ending };
        let code = transition.reason.as_ref().map_or_else(String::new, |reason| reason.code.to_kebab_case());
        metrics::counter!("offprint_items_settled_total", "ending" => ending.name(), "code" => code).increment(1);
        true
    });
    Ok(SettledSet { written: written.collect(), has_ended_job: settled.iter().any(|row| row.has_ended_job) })
}

/// An end as the statement reads it. Names are its columns.
#[derive(Serialize)]
struct EndRecord<'a> {
    company_id: CompanyId,
    job_id: JobId,
    position: i32,
    claim: i32,
    worker_id: Option<WorkerId>,
    state: ItemState,
    /// Seconds before the next attempt.
    pause: f64,
    tries: i32,
    crashes: i32,
    lost: i32,
    failure: Option<&'a Reason>,
    warnings: &'a [Reason],
    ending: AttemptEnding,
    reason: Option<&'a Reason>,
}

impl<'a> EndRecord<'a> {
    fn new(attempt: &Attempt, transition: &'a Transition) -> Self {
        Self {
            company_id: attempt.company,
            job_id: attempt.job,
            position: attempt.position,
            claim: attempt.claim,
            worker_id: attempt.worker,
            state: transition.state,
            pause: transition.pause.as_secs_f64(),
            tries: transition.tries,
            crashes: transition.crashes,
            lost: transition.lost,
            failure: transition.failure.as_ref(),
            warnings: &transition.warnings,
            ending: transition.ending,
            reason: transition.reason.as_ref(),
        }
    }
}

/// A produced file as the statement reads it.
#[derive(Serialize)]
struct FileRecord<'a> {
    company_id: CompanyId,
    job_id: JobId,
    position: i32,
    claim: i32,
    rendition: i16,
    sha256: Digest,
    width: Option<i32>,
    height: Option<i32>,
    mime: Option<&'a str>,
    warnings: &'a [Reason],
    reused: bool,
    plan: Option<&'a str>,
}

impl<'a> FileRecord<'a> {
    fn new(attempt: &Attempt, file: &'a SettledFile) -> Self {
        let image = file.image.as_ref();
        Self {
            company_id: attempt.company,
            job_id: attempt.job,
            position: attempt.position,
            claim: attempt.claim,
            rendition: file.rendition,
            sha256: file.sha256,
            width: image.map(|image| image.width),
            height: image.map(|image| image.height),
            mime: image.map(|image| image.mime.as_str()),
            warnings: &file.warnings,
            reused: file.reused,
            plan: image.and_then(|image| image.plan.as_deref()),
        }
    }
}

/// An attempt that was written.
#[derive(sqlx::FromRow)]
struct SettledRow {
    job_id: JobId,
    position: i32,
    claim: i32,
    /// Whether the item was stopped instead of being tried again.
    is_stopped: bool,
    /// Whether all items of its job have ended.
    has_ended_job: bool,
}

impl SettledRow {
    fn is_of(&self, attempt: &Attempt) -> bool {
        (self.job_id, self.position, self.claim) == (attempt.job, attempt.position, attempt.claim)
    }
}

/// Writes the ends of attempts: items, files, render cache, counters, log and attempt history, in one statement. Returns
/// those whose item still belonged to the caller.
///
/// One statement, because a crash between two of them would leave a counter that does not match its items. The parts depend on each other like this:
///
/// ```text
///   reported ──> job ──> ended ──> produced ──> (the shared tail) ──> cached
///   new_file    (lock)  (fence)
/// ```
///
/// * The job rows are locked first, in the order of their ids. That keeps the order of locks (company, job, item), and it
///   makes the counts exact: all settles of a job come one after the other, so that no count is lost. `for update` stands
///   in a subquery that is run for each job: it is neither planned as a join, nor are the rows locked in another order.
/// * `ended` is the fence. Its `where` names claim and worker; if another worker has claimed the item since, it returns no
///   row. All later parts select from it, so that a late worker writes nothing at all.
async fn write_transitions(
    pool: &PgPool,
    ends: &[&AttemptEnd],
    transitions: &[Transition],
    engine_version: i32,
) -> Result<Vec<SettledRow>, DbError> {
    let reported: Vec<EndRecord<'_>> =
        ends.iter().zip(transitions).map(|(end, transition)| EndRecord::new(&end.attempt, transition)).collect();
    let new_files: Vec<FileRecord<'_>> =
        ends.iter().flat_map(|end| end.files.iter().map(|file| FileRecord::new(&end.attempt, file))).collect();
    let sql = concat!(
        "with reported as materialized (
             select * from jsonb_to_recordset($2) as reported (
                 company_id uuid, job_id uuid, position int, claim int, worker_id uuid, state text, pause float8, tries int,
                 crashes int, lost int, failure jsonb, warnings jsonb, ending text, reason jsonb)
         ), new_file as materialized (
             select *, decode(digest, 'hex') as sha256
               from (select company_id, job_id, position, claim, rendition, sha256 as digest, width, height, mime, warnings,
                            reused, plan
                       from jsonb_to_recordset($3) as new_file (
                           company_id uuid, job_id uuid, position int, claim int, rendition smallint, sha256 text, width int,
                           height int, mime text, warnings jsonb, reused bool, plan text)) new_file
         ), job as materialized (
             -- An item that would wait for another attempt is stopped instead when its job is being stopped or was deleted:
             -- the job action saw this item running and could not end it itself.
             select job.*
               from (select distinct company_id, job_id from reported order by job_id) ids
              cross join lateral (
                    select company_id, job_id, fmt, state = 'stopping' or deleted_at is not null as is_stopping
                      from export_job
                     where export_job.company_id = ids.company_id and export_job.job_id = ids.job_id for update) job
         ), ended as (
             -- The fence: no row, and so no effect at all, unless this worker still holds this claim. The worker is
             -- compared too, because a claim number that a database crash undid may have been given out again.
             update export_item item
                set state = reported.to_state, lease_until = null, run_at = now() + make_interval(secs => reported.pause),
                    tries = reported.tries, crashes = reported.crashes, lost = reported.lost, failure = reported.failure,
                    warnings = reported.warnings, finished_at = case when reported.to_state <> 'waiting' then now() end
               from (select reported.*, fmt, case when state = 'waiting' and is_stopping then 'stopped' else state end as to_state
                       from job join reported using (company_id, job_id) where ",
        one_by_one_sql!(),
        ") reported
              where item.company_id = reported.company_id and item.job_id = reported.job_id
                and item.position = reported.position and item.claim = reported.claim
                and item.worker_id is not distinct from reported.worker_id
                and item.lease_until is not null           -- means running, but lets Postgres choose the primary key
             returning item.company_id, item.job_id, item.position, item.claim, item.worker_id, item.asset_name, item.sha256,
                       item.started_at, item.warnings, item.modifier_warnings, item.failure, reported.fmt, reported.to_state,
                       reported.state as reported_state, reported.ending, reported.reason
         ), produced as materialized (
             -- The files that these attempts produced, as rows.
             select new_file.*, blob.size, blob.crc32
               from ended join new_file using (company_id, job_id, position, claim)
               left join lateral (select size, crc32 from blob where blob.sha256 = new_file.sha256 offset 0) blob on true
         ),",
        settle_tail_sql!(),
        ", cached as (
             -- Put what was rendered now into the render cache. Two files may have been rendered by the same recipe from the
             -- same original, and one statement may not insert a key twice, hence `distinct on`. Sorted, so that two
             -- settles with the same keys wait for each other instead of blocking each other.
             insert into rendition (company_id, source_sha256, recipe_id, engine_version, sha256, width, height, mime, warnings, plan)
             select distinct on (ended.company_id, ended.sha256, files.recipe_id) ended.company_id, ended.sha256, files.recipe_id,
                    $1, files.sha256, files.width, files.height, files.mime, files.warnings, files.plan
               from files join ended on ended.company_id = files.company_id and ended.job_id = files.job_id
                                    and ended.position = files.position
              where files.recipe_id is not null and ended.sha256 is not null and files.width is not null and not files.reused
              order by ended.company_id, ended.sha256, files.recipe_id
             on conflict (company_id, source_sha256, recipe_id, engine_version) do update set used_at = now()
         )
         select job_id, position, claim, to_state <> reported_state as is_stopped, counters.has_ended as has_ended_job
           from ended join counters using (company_id, job_id)"
    );
    let query = sqlx::query_as(sql).bind(engine_version).bind(Json(reported)).bind(Json(new_files));
    Ok(query.fetch_all(pool).await?)
}
