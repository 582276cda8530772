//! Settle: the end of a try, and the only way out of `running`. One statement moves the item, its files, the job's
//! counters, the log and the attempt history together.

use std::time::Duration;

use sqlx::types::Json;

use crate::code::Code;
use crate::reason::Note;
use crate::db::attempt::AttemptEnding;
use crate::db::item::interval;
use crate::db::vocabulary::ItemState;
use crate::db::{Error, PgPool};
use crate::digest::Digest;
use crate::id::{CompanyId, JobId, WorkerId};

/// A file that an item made.
#[derive(Clone, Debug)]
pub struct Made {
    /// Which of the item's files it is.
    pub rendition: i16,
    /// Its bytes.
    pub sha256: Digest,
    /// What is known of a rendered picture. An original has its own.
    pub picture: Option<Picture>,
    /// What there is to know.
    pub warnings: Vec<Note>,
    /// Whether it was known before.
    pub reused: bool,
}

/// What a rendered picture is.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Pixels across.
    pub width: i32,
    /// Pixels down.
    pub height: i32,
    /// Media type.
    pub mime: String,
    /// How it was made, if it was made now.
    pub plan: Option<String>,
}

/// How a try ended.
#[derive(Clone, Debug)]
pub enum Ending {
    /// Every file is made.
    Done,
    /// The picture or the modifier is at fault: never again.
    Failed(Note),
    /// The world is at fault: later, until the tries run out.
    TryAgain(Note),
    /// The render's process died: later, until the crashes run out.
    Crashed(Note),
    /// Somebody stopped the job.
    Stopped,
    /// The worker closes: costs nothing.
    GivenBack,
    /// The lease ran out.
    Lost,
}

/// The most that each number may reach before an item fails for good.
const MOST_TRIES: i32 = 5;
const MOST_CRASHES: i32 = 3;
const MOST_LOST: i32 = 10;

/// Which try is settled, and what went wrong with its item before.
#[derive(Clone, Debug)]
pub struct Try {
    /// Whose it is.
    pub company: CompanyId,
    /// The job.
    pub job: JobId,
    /// The item's place in it.
    pub position: i32,
    /// The fence.
    pub claim: i32,
    /// Whose claim it is. A claim that a crash of the database undid has its number again, for somebody else.
    pub worker: Option<WorkerId>,
    /// What went wrong in the tries before.
    pub before: Before,
}

/// What an item's tries before have left: only settle changes it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Before {
    /// Failures of the world.
    pub tries: i32,
    /// Renders that died.
    pub crashes: i32,
    /// Leases that ran out.
    pub lost: i32,
    /// What there is to know.
    pub warnings: Json<Vec<Note>>,
}

/// Where the item goes.
struct Verdict {
    state: ItemState,
    /// How long it waits before the next try.
    pause: Duration,
    tries: i32,
    crashes: i32,
    lost: i32,
    failure: Option<Note>,
    warnings: Vec<Note>,
    /// How the try ended, for the attempt history.
    ending: AttemptEnding,
    /// What went wrong in this try, whatever becomes of the item.
    said: Option<Note>,
}

/// Settles a try. `false` when the item is not the caller's any more: nothing was written, walk away.
/// Files that were made are handed out however the try ended, so that the next one makes only what is missing. Those
/// that were rendered are remembered under `engine_version`, so that equal renders are reused.
pub async fn settle(
    pool: &PgPool,
    which: &Try,
    made: &[Made],
    ending: Ending,
    engine_version: i32,
) -> Result<bool, Error> {
    let verdict = judge(&which.before, made, ending);
    let Some(over) = write(pool, which, made, &verdict, engine_version).await? else { return Ok(false) };
    let ending = if over { AttemptEnding::Stopped } else { verdict.ending };
    let code = verdict.said.as_ref().map_or_else(String::new, |note| note.code.as_str());
    metrics::counter!("offprint_items_settled_total", "ending" => ending.name(), "code" => code).increment(1);
    Ok(true)
}

/// Decides where an item goes. What would be tried again is stopped instead when the job was, see [`write`].
fn judge(before: &Before, made: &[Made], ending: Ending) -> Verdict {
    let mut verdict = Verdict {
        state: ItemState::Waiting,
        pause: Duration::ZERO,
        tries: before.tries,
        crashes: before.crashes,
        lost: before.lost,
        failure: None,
        warnings: before.warnings.0.clone(),
        ending: AttemptEnding::GivenBack,
        said: None,
    };
    // What all renditions of a picture warn of is told once.
    for warning in made.iter().flat_map(|made| &made.warnings) {
        if !verdict.warnings.contains(warning) {
            verdict.warnings.push(warning.clone());
        }
    }
    match ending {
        Ending::Done => (verdict.state, verdict.ending) = (ItemState::Succeeded, AttemptEnding::Succeeded),
        Ending::Failed(why) => {
            (verdict.state, verdict.ending) = (ItemState::Failed, AttemptEnding::Failed);
            (verdict.failure, verdict.said) = (Some(why.clone()), Some(why));
        }
        Ending::Stopped => (verdict.state, verdict.ending) = (ItemState::Stopped, AttemptEnding::Stopped),
        Ending::GivenBack => {}
        // A full disk is nobody's fault and will be mended: the item waits as long as it takes.
        Ending::TryAgain(why) if why.code == Code::StorageFull => {
            (verdict.pause, verdict.ending) = (Duration::from_secs(30), AttemptEnding::TryAgain);
            verdict.said = Some(why);
        }
        Ending::TryAgain(why) => {
            verdict.tries += 1;
            (verdict.ending, verdict.said) = (AttemptEnding::TryAgain, Some(why.clone()));
            verdict.again(verdict.tries, MOST_TRIES, back_off(verdict.tries), why);
        }
        Ending::Crashed(why) => {
            verdict.crashes += 1;
            (verdict.ending, verdict.said) = (AttemptEnding::Crashed, Some(why.clone()));
            let said = format!("Rendering died {MOST_CRASHES} times, last as {}: {}", why.code, why.detail);
            verdict.again(verdict.crashes, MOST_CRASHES, Duration::ZERO, Note::new(Code::Poison, said));
        }
        Ending::Lost => {
            verdict.lost += 1;
            verdict.ending = AttemptEnding::Lost;
            verdict.said = Some(Note::new(Code::Lost, "The worker was silent for longer than its lease."));
            let pause = if verdict.lost < 3 { Duration::ZERO } else { back_off(verdict.lost - 2) };
            let said =
                format!("{MOST_LOST} workers vanished while they had this item. Retry the job when they are stable.");
            verdict.again(verdict.lost, MOST_LOST, pause, Note::new(Code::Lost, said));
        }
    }
    verdict
}

impl Verdict {
    /// Waits for another try, or fails for good when the number is reached.
    fn again(&mut self, number: i32, most: i32, pause: Duration, why: Note) {
        self.pause = pause;
        if number >= most {
            (self.state, self.failure) = (ItemState::Failed, Some(why));
        }
    }
}

/// Five seconds, four times longer each time, ten minutes at most.
fn back_off(number: i32) -> Duration {
    let base = 5.0 * 4f64.powi(number.clamp(1, 10) - 1);
    spread(Duration::from_secs_f64(base.min(600.0)))
}

/// A pause a fifth longer or shorter, so that what failed together does not come back together.
pub(crate) fn spread(pause: Duration) -> Duration {
    pause.mul_f64(0.8 + 0.4 * f64::from(uuid::Uuid::new_v4().as_bytes()[0]) / 255.0)
}

/// Writes the end of a try: item, files, renditions, counters, log and attempt history, in one statement. None when the
/// item is not the caller's any more, else whether it was stopped in place of being tried again.
///
/// The job row comes first: that keeps the order of locks, and makes "was I the last?" exact. The item hangs on it, and
/// all the rest on the item.
async fn write(
    pool: &PgPool,
    which: &Try,
    made: &[Made],
    verdict: &Verdict,
    engine_version: i32,
) -> Result<Option<bool>, Error> {
    let pictures = || made.iter().map(|made| made.picture.as_ref());
    let over = sqlx::query_scalar(
        "with job as (
             select fmt, case when $6 = 'waiting' and (state = 'stopping' or deleted_at is not null) then 'stopped' else $6 end as to_state
               from export_job where company_id = $1 and job_id = $2 for update
         ), item as (
             update export_item item
                set state = to_state, lease_until = null, run_at = now() + $7, tries = $8, crashes = $9, lost = $10,
                    failure = $11, warnings = $12, finished_at = case when to_state <> 'waiting' then now() end
               from job
              where item.company_id = $1 and item.job_id = $2 and item.position = $3 and item.claim = $4
                and item.worker_id is not distinct from $5 and item.lease_until is not null -- runs; said so, the primary key finds it
             returning item.asset_name, item.sha256, item.started_at, to_state, fmt
         ), made as (
             select * from unnest($13::smallint[], $14::bytea[], $15::int[], $16::int[], $17::text[], $18::jsonb[], $19::bool[], $23::text[])
                 as made (rendition, sha256, width, height, mime, warnings, reused, plan)
         ), files as (
             update export_file file
                set state = 'ready', sha256 = blob.sha256, size = blob.size, crc32 = blob.crc32,
                    width = coalesce(made.width, file.width), height = coalesce(made.height, file.height),
                    mime = coalesce(made.mime, file.mime), warnings = made.warnings, reused = made.reused
               from item, made join blob on blob.sha256 = made.sha256
              where file.company_id = $1 and file.job_id = $2 and file.position = $3 and file.rendition = made.rendition
                and file.state <> 'ready'
             returning file.rendition, file.recipe_id, file.size
         ), remembered as (
             insert into rendition (company_id, source_sha256, recipe_id, engine_version, sha256, width, height, mime, warnings, plan)
             select distinct on (files.recipe_id) $1, item.sha256, files.recipe_id, $20, made.sha256, made.width, made.height, made.mime, made.warnings, made.plan
               from item, files join made on made.rendition = files.rendition
              where files.recipe_id is not null and item.sha256 is not null and made.width is not null and not made.reused
             on conflict (company_id, source_sha256, recipe_id, engine_version) do update set used_at = now()
         ), counted as (
             update export_job job
                set succeeded = succeeded + (to_state = 'succeeded')::int, failed = failed + (to_state = 'failed')::int,
                    stopped = stopped + (to_state = 'stopped')::int,
                    warned = warned + ($12 <> '[]' and to_state in ('succeeded', 'failed'))::int,
                    files = job.files + sum.files, bytes = job.bytes + sum.bytes,
                    event_seq = event_seq + (to_state <> 'waiting')::int + ($12 <> '[]' and to_state in ('succeeded', 'failed'))::int
               from item, (select count(*)::int as files, coalesce(sum(size), 0)::bigint as bytes from files) sum
              where job.company_id = $1 and job.job_id = $2
             returning event_seq, ($12 <> '[]' and to_state in ('succeeded', 'failed')) as warns
         ), logged as (
             insert into export_event (company_id, job_id, seq, code, position, parameters)
             select $1, $2, event_seq - warns::int,
                    case to_state when 'failed' then 'fileFailed' when 'stopped' then 'fileStopped'
                         else case when fmt = 'orig' then 'fileExported' when converts then 'fileConverted'
                                   else 'fileExportedAsOriginal' end end,
                    $3,
                    case to_state when 'failed' then jsonb_build_object('asset', asset_name, 'failure', $11)
                         when 'stopped' then jsonb_build_object('asset', asset_name)
                         else jsonb_build_object('asset', asset_name, 'path', path, 'files', told.files,
                                                 'warnings', jsonb_array_length($12)) end
               from counted, item
              cross join lateral (
                    select (array_agg(path order by rendition))[1] as path, count(*) as files,
                           coalesce(bool_or(recipe_id is not null), false) as converts
                      from export_file file
                     where file.company_id = $1 and file.job_id = $2 and file.position = $3) told
              where to_state <> 'waiting'
              union all
             select $1, $2, event_seq, 'fileWarning', $3, jsonb_build_object('asset', asset_name, 'notes', $12)
               from counted, item where warns
         ), attempt as (
             insert into export_attempt (company_id, job_id, position, claim, worker_id, started_at, ending, failure)
             select $1, $2, $3, $4, $5, started_at, case when to_state <> $6 then 'stopped' else $21 end, $22 from item
         )
         select to_state <> $6 from item",
    )
    .bind(which.company)
    .bind(which.job)
    .bind(which.position)
    .bind(which.claim)
    .bind(which.worker)
    .bind(verdict.state)
    .bind(interval(verdict.pause))
    .bind(verdict.tries)
    .bind(verdict.crashes)
    .bind(verdict.lost)
    .bind(verdict.failure.as_ref().map(Json))
    .bind(Json(&verdict.warnings))
    .bind(made.iter().map(|made| made.rendition).collect::<Vec<_>>())
    .bind(made.iter().map(|made| made.sha256.to_bytes()).collect::<Vec<_>>())
    .bind(pictures().map(|picture| Some(picture?.width)).collect::<Vec<_>>())
    .bind(pictures().map(|picture| Some(picture?.height)).collect::<Vec<_>>())
    .bind(pictures().map(|picture| Some(picture?.mime.as_str())).collect::<Vec<_>>())
    .bind(made.iter().map(|made| Json(&made.warnings)).collect::<Vec<_>>())
    .bind(made.iter().map(|made| made.reused).collect::<Vec<_>>())
    .bind(engine_version)
    .bind(verdict.ending)
    .bind(verdict.said.as_ref().map(Json))
    .bind(pictures().map(|picture| picture?.plan.as_deref()).collect::<Vec<_>>())
    .fetch_optional(pool)
    .await?;
    Ok(over)
}
