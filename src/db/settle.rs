//! Settle: the end of an attempt, and the only way out of the item state `running`.
//!
//! `decide_transition` decides in Rust where the item goes (done, failed, or waiting for another attempt), and
//! `write_transition` writes item, files, job counters, log and attempt history in one statement. So a job's counters
//! always match its items, whenever a process dies. [`super::bulk_settle`] does the same for many items that need no
//! rendering.

use std::time::Duration;

use offprint_core::{Code, Digest};
use sqlx::types::Json;

use crate::db::attempt::AttemptEnding;
use crate::db::enums::ItemState;
use crate::db::item::to_pg_interval;
use crate::db::{DbError, PgPool};
use crate::id::{CompanyId, JobId, WorkerId};
use crate::reason::Reason;

/// A file that an attempt produced.
#[derive(Clone, Debug)]
pub struct SettledFile {
    /// Index of the rendition among the item's files.
    pub rendition: i16,
    pub sha256: Digest,
    /// None for an original: its dimensions and media type were written when the job was created.
    pub image: Option<SettledImage>,
    pub warnings: Vec<Reason>,
    /// Whether it was taken from the render cache.
    pub reused: bool,
}

/// Facts about a rendered image.
#[derive(Clone, Debug)]
pub struct SettledImage {
    /// In pixels.
    pub width: i32,
    /// In pixels.
    pub height: i32,
    pub mime: String,
    /// The render plan as text for people; none when it was taken from the render cache.
    pub plan: Option<String>,
}

/// How an attempt ended, as the worker reports it.
#[derive(Clone, Debug)]
pub enum AttemptOutcome {
    /// Every file is ready.
    Succeeded,
    /// The image or the modifier is the cause, so another attempt would fail too: the item fails at once.
    Failed(Reason),
    /// Something else is the cause, such as storage or database: try again later, up to `MAX_TRIES` times.
    TryAgain(Reason),
    /// The render process died: try again, up to `MAX_CRASHES` times.
    Crashed(Reason),
    /// Somebody stopped the job.
    Stopped,
    /// The worker shuts down. Does not count as a failed attempt.
    GivenBack,
    /// The lease expired: try again, up to `MAX_LOST_LEASES` times.
    Lost,
}

/// When one of the counters of [`AttemptCounters`] reaches its limit, the item fails for good. Crashes get few
/// attempts, because an image that kills a render process will usually do so again (poison). Lost leases get many,
/// because the usual cause is a restarted machine and not the item.
const MAX_TRIES: i32 = 5;
const MAX_CRASHES: i32 = 3;
const MAX_LOST_LEASES: i32 = 10;

/// The attempt that is settled, with the counters of the attempts before.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub company: CompanyId,
    pub job: JobId,
    pub position: i32,
    /// The fencing token.
    pub claim: i32,
    /// Part of the fence too: claims are not flushed to disk, so after a crash of the database the same number may be
    /// given out again, to another worker.
    pub worker: Option<WorkerId>,
    pub counters: AttemptCounters,
}

/// What the earlier attempts at an item left behind. Only settle changes it; a retry of the job resets it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct AttemptCounters {
    /// Attempts that ended as [`AttemptOutcome::TryAgain`].
    pub tries: i32,
    /// Render processes that died.
    pub crashes: i32,
    /// Leases that expired.
    pub lost: i32,
    pub warnings: Json<Vec<Reason>>,
}

/// The item's next state and counters.
struct Transition {
    state: ItemState,
    /// How long it waits before the next attempt.
    pause: Duration,
    tries: i32,
    crashes: i32,
    lost: i32,
    failure: Option<Reason>,
    warnings: Vec<Reason>,
    /// How the attempt ended, for the attempt history.
    ending: AttemptEnding,
    /// What went wrong in this attempt, also when the item will be tried again.
    reason: Option<Reason>,
}

/// Settles an attempt. Returns `false` when the item no longer belongs to the caller: nothing was written, and the
/// caller must drop its work.
///
/// Files that were produced are kept however the attempt ended, so that the next attempt renders only what is missing.
/// Rendered files enter the render cache under `engine_version`, so that equal renders are reused.
pub async fn settle_item(
    pool: &PgPool,
    attempt: &Attempt,
    files: &[SettledFile],
    ending: AttemptOutcome,
    engine_version: i32,
) -> Result<bool, DbError> {
    let transition = decide_transition(&attempt.counters, files, ending);
    let Some(is_stopped) = write_transition(pool, attempt, files, &transition, engine_version).await? else {
        return Ok(false);
    };
    let ending = if is_stopped { AttemptEnding::Stopped } else { transition.ending };
    let code = transition.reason.as_ref().map_or_else(String::new, |reason| reason.code.to_kebab_case());
    metrics::counter!("offprint_items_settled_total", "ending" => ending.name(), "code" => code).increment(1);
    Ok(true)
}

/// Decides where an item goes. It does not know whether the job is being stopped: [`write_transition`] sees that under
/// the job's lock, and then stops an item that would wait for another attempt.
fn decide_transition(counters: &AttemptCounters, files: &[SettledFile], outcome: AttemptOutcome) -> Transition {
    let mut transition = Transition {
        state: ItemState::Waiting,
        pause: Duration::ZERO,
        tries: counters.tries,
        crashes: counters.crashes,
        lost: counters.lost,
        failure: None,
        warnings: counters.warnings.0.clone(),
        ending: AttemptEnding::GivenBack,
        reason: None,
    };
    // A warning that all renditions of an image have is listed once.
    for warning in files.iter().flat_map(|file| &file.warnings) {
        if !transition.warnings.contains(warning) {
            transition.warnings.push(warning.clone());
        }
    }
    match outcome {
        AttemptOutcome::Succeeded => {
            (transition.state, transition.ending) = (ItemState::Succeeded, AttemptEnding::Succeeded)
        }
        AttemptOutcome::Failed(reason) => {
            (transition.state, transition.ending) = (ItemState::Failed, AttemptEnding::Failed);
            (transition.failure, transition.reason) = (Some(reason.clone()), Some(reason));
        }
        AttemptOutcome::Stopped => (transition.state, transition.ending) = (ItemState::Stopped, AttemptEnding::Stopped),
        AttemptOutcome::GivenBack => {}
        // A full storage is not the item's fault and somebody will make room: this does not count as a failed try.
        AttemptOutcome::TryAgain(reason) if reason.code == Code::StorageFull => {
            (transition.pause, transition.ending) = (Duration::from_secs(30), AttemptEnding::TryAgain);
            transition.reason = Some(reason);
        }
        AttemptOutcome::TryAgain(reason) => {
            transition.tries += 1;
            (transition.ending, transition.reason) = (AttemptEnding::TryAgain, Some(reason.clone()));
            transition.retry_or_fail(transition.tries, MAX_TRIES, compute_backoff(transition.tries), reason);
        }
        AttemptOutcome::Crashed(reason) => {
            transition.crashes += 1;
            (transition.ending, transition.reason) = (AttemptEnding::Crashed, Some(reason.clone()));
            let detail =
                format!("Rendering crashed {MAX_CRASHES} times, the last time with {}: {}", reason.code, reason.detail);
            let failure = Reason::new(Code::Poison, detail);
            transition.retry_or_fail(transition.crashes, MAX_CRASHES, Duration::ZERO, failure);
        }
        AttemptOutcome::Lost => {
            transition.lost += 1;
            transition.ending = AttemptEnding::Lost;
            transition.reason = Some(Reason::new(Code::Lost, "The worker did not renew its lease in time."));
            // The first two go to another worker at once; after that the item itself may be the cause.
            let pause = if transition.lost < 3 { Duration::ZERO } else { compute_backoff(transition.lost - 2) };
            let detail = format!(
                "Workers disappeared {MAX_LOST_LEASES} times while they processed this item. Retry the job when the \
                 workers run stably."
            );
            transition.retry_or_fail(transition.lost, MAX_LOST_LEASES, pause, Reason::new(Code::Lost, detail));
        }
    }
    transition
}

impl Transition {
    /// Waits for another attempt, or fails for good when `count` has reached `max`.
    fn retry_or_fail(&mut self, count: i32, max: i32, pause: Duration, failure: Reason) {
        self.pause = pause;
        if count >= max {
            (self.state, self.failure) = (ItemState::Failed, Some(failure));
        }
    }
}

/// 5 s, 20 s, 80 s, … at most 10 minutes.
fn compute_backoff(count: i32) -> Duration {
    let base = 5.0 * 4f64.powi(count.clamp(1, 10) - 1);
    add_jitter(Duration::from_secs_f64(base.min(600.0)))
}

/// Makes a pause up to a fifth longer or shorter, so that items that failed together do not come back together.
pub(crate) fn add_jitter(pause: Duration) -> Duration {
    pause.mul_f64(0.8 + 0.4 * f64::from(uuid::Uuid::new_v4().as_bytes()[0]) / 255.0)
}

/// Writes the end of an attempt: item, files, render cache, counters, log and attempt history, in one statement.
/// Returns `None` when the item no longer belongs to the caller; otherwise whether the item was stopped instead of
/// being tried again.
///
/// One statement, because a crash between two of them would leave a counter that does not match its items, and because
/// it is sent once per item: one round trip and one commit. The parts depend on each other like this:
///
/// ```text
///   job ──> item ──┬──> files ──┬──> cached      render cache: new renditions
///  (lock)  (fence) │            └──> counters    job row: counts and number of the last event
///                  ├──> events   <──── counters  log: one or two numbered events
///                  └──> attempt                  attempt history
/// ```
///
/// * The job row is locked first. That keeps the order of locks (company, job, item), and it makes the counts
///   exact: all settles of a job come one after the other, so that no count is lost.
/// * The item is the fence. Its `where` names claim and worker; if another worker has claimed the item since, it returns
///   no row. All later parts select from it, so that a late worker writes nothing at all.
/// * Postgres runs every writing part once, whether or not the outer query reads it, and all parts see the tables as
///   they were before the statement. Therefore parts pass on what they changed with `returning`.
async fn write_transition(
    pool: &PgPool,
    attempt: &Attempt,
    files: &[SettledFile],
    transition: &Transition,
    engine_version: i32,
) -> Result<Option<bool>, DbError> {
    let images = || files.iter().map(|file| file.image.as_ref());
    let is_stopped = sqlx::query_scalar(
        "with job as (
             -- Lock the job row first. An item that would wait for another attempt is stopped instead when its job is
             -- being stopped or was deleted: the job action saw this item running and could not end it itself.
             select fmt, case when $6 = 'waiting' and (state = 'stopping' or deleted_at is not null) then 'stopped' else $6 end as to_state
               from export_job where company_id = $1 and job_id = $2 for update
         ), item as (
             -- The fence: no row, and so no effect at all, unless this worker still holds this claim. The worker is
             -- compared too, because a claim number that a database crash undid may have been given out again.
             update export_item item
                set state = to_state, lease_until = null, run_at = now() + $7, tries = $8, crashes = $9, lost = $10,
                    failure = $11, warnings = $12, finished_at = case when to_state <> 'waiting' then now() end
               from job
              where item.company_id = $1 and item.job_id = $2 and item.position = $3 and item.claim = $4
                and item.worker_id is not distinct from $5
                and item.lease_until is not null           -- means running, but lets Postgres choose the primary key
             returning item.asset_name, item.sha256, item.started_at, item.modifier_warnings, to_state, fmt
         ), new_files as (
             -- The files that this attempt produced, as rows.
             select * from unnest($13::smallint[], $14::bytea[], $15::int[], $16::int[], $17::text[], $18::jsonb[], $19::bool[], $23::text[])
                 as new_file (rendition, sha256, width, height, mime, warnings, reused, plan)
         ), files as (
             -- Mark them ready, also when the attempt failed: the next attempt renders only what is missing. For an
             -- original, dimensions and media type were written with the job, so they stay (coalesce). A file whose
             -- blob was removed meanwhile violates the foreign key (`left join`), and nothing is written.
             update export_file file
                set state = 'ready', sha256 = new_files.sha256, size = blob.size, crc32 = blob.crc32,
                    width = coalesce(new_files.width, file.width), height = coalesce(new_files.height, file.height),
                    mime = coalesce(new_files.mime, file.mime), warnings = new_files.warnings, reused = new_files.reused
               from item, new_files left join blob on blob.sha256 = new_files.sha256
              where file.company_id = $1 and file.job_id = $2 and file.position = $3 and file.rendition = new_files.rendition
                and file.state <> 'ready'
             returning file.rendition, file.recipe_id, file.size
         ), cached as (
             -- Put what was rendered now into the render cache. Two renditions of a job may share a recipe, and one
             -- statement may not insert a key twice, hence `distinct on`.
             insert into rendition (company_id, source_sha256, recipe_id, engine_version, sha256, width, height, mime, warnings, plan)
             select distinct on (files.recipe_id) $1, item.sha256, files.recipe_id, $20, new_files.sha256, new_files.width,
                    new_files.height, new_files.mime, new_files.warnings, new_files.plan
               from item, files join new_files on new_files.rendition = files.rendition
              where files.recipe_id is not null and item.sha256 is not null and new_files.width is not null and not new_files.reused
             on conflict (company_id, source_sha256, recipe_id, engine_version) do update set used_at = now()
         ), counters as (
             -- Count the end, if it is one, and reserve the numbers of its events: one for the end and one for its own
             -- warnings. Those of the modifier count as well, but the log told them when the job was created. The row is
             -- locked since `job`, so numbers have no gaps and no duplicates.
             update export_job job
                set succeeded = succeeded + (to_state = 'succeeded')::int, failed = failed + (to_state = 'failed')::int,
                    stopped = stopped + (to_state = 'stopped')::int,
                    warned = warned + (($12 <> '[]' or item.modifier_warnings <> '[]') and to_state in ('succeeded', 'failed'))::int,
                    files = job.files + sum.files, bytes = job.bytes + sum.bytes,
                    event_seq = event_seq + (to_state <> 'waiting')::int + ($12 <> '[]' and to_state in ('succeeded', 'failed'))::int
               from item, (select count(*)::int as files, coalesce(sum(size), 0)::bigint as bytes from files) sum
              where job.company_id = $1 and job.job_id = $2
             returning event_seq, ($12 <> '[]' and to_state in ('succeeded', 'failed')) as warns
         ), events as (
             -- The log: how the item ended, then its warnings. Nothing is logged when it will be tried again.
             insert into export_event (company_id, job_id, seq, code, position, parameters)
             select $1, $2, event_seq - warns::int,
                    case to_state when 'failed' then 'fileFailed' when 'stopped' then 'fileStopped'
                         else case when fmt = 'orig' then 'fileExported' when converts then 'fileConverted'
                                   else 'fileExportedAsOriginal' end end,
                    $3,
                    case to_state when 'failed' then jsonb_build_object('asset', asset_name, 'failure', $11)
                         when 'stopped' then jsonb_build_object('asset', asset_name)
                         else jsonb_build_object('asset', asset_name, 'path', path, 'files', summary.files,
                                                 'warnings', jsonb_array_length($12) + jsonb_array_length(modifier_warnings)) end
               from counters, item
              cross join lateral (
                    select (array_agg(path order by rendition))[1] as path, count(*) as files,
                           coalesce(bool_or(recipe_id is not null), false) as converts
                      from export_file file
                     where file.company_id = $1 and file.job_id = $2 and file.position = $3) summary
              where to_state <> 'waiting'
              union all
             select $1, $2, event_seq, 'fileWarning', $3, jsonb_build_object('asset', asset_name, 'notes', $12)
               from counters, item where warns
         ), attempt as (
             -- The attempt history. A second row for the same claim would violate the primary key: a last guard
             -- against settling twice.
             insert into export_attempt (company_id, job_id, position, claim, worker_id, started_at, ending, failure)
             select $1, $2, $3, $4, $5, started_at, case when to_state <> $6 then 'stopped' else $21 end, $22 from item
         )
         select to_state <> $6 from item",
    )
    .bind(attempt.company)
    .bind(attempt.job)
    .bind(attempt.position)
    .bind(attempt.claim)
    .bind(attempt.worker)
    .bind(transition.state)
    .bind(to_pg_interval(transition.pause))
    .bind(transition.tries)
    .bind(transition.crashes)
    .bind(transition.lost)
    .bind(transition.failure.as_ref().map(Json))
    .bind(Json(&transition.warnings))
    .bind(files.iter().map(|file| file.rendition).collect::<Vec<_>>())
    .bind(files.iter().map(|file| file.sha256.to_bytes()).collect::<Vec<_>>())
    .bind(images().map(|image| Some(image?.width)).collect::<Vec<_>>())
    .bind(images().map(|image| Some(image?.height)).collect::<Vec<_>>())
    .bind(images().map(|image| Some(image?.mime.as_str())).collect::<Vec<_>>())
    .bind(files.iter().map(|file| Json(&file.warnings)).collect::<Vec<_>>())
    .bind(files.iter().map(|file| file.reused).collect::<Vec<_>>())
    .bind(engine_version)
    .bind(transition.ending)
    .bind(transition.reason.as_ref().map(Json))
    .bind(images().map(|image| image?.plan.as_deref()).collect::<Vec<_>>())
    .fetch_optional(pool)
    .await?;
    Ok(is_stopped)
}
