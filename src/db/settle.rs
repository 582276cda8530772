//! Settle: the end of a try, and the only way out of `running`. One transaction moves the item, its files, the job's
//! counters, the log and the attempt history together.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::types::Json;

use crate::code::{Code, Note};
use crate::db::attempt::AttemptEnding;
use crate::db::item::interval;
use crate::db::vocabulary::{Fmt, ItemState, JobState};
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
    /// Pixels across and down, and media type, of a rendered picture. An original has its own.
    pub picture: Option<(i32, i32, String)>,
    /// What there is to know.
    pub warnings: Vec<Note>,
    /// Whether it was known before.
    pub reused: bool,
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

/// Which try is settled.
#[derive(Clone, Copy, Debug)]
pub struct Try {
    /// Whose it is.
    pub company: CompanyId,
    /// The job.
    pub job: JobId,
    /// The item's place in it.
    pub position: i32,
    /// The fence.
    pub claim: i32,
}

/// What settle finds under the locks.
#[derive(sqlx::FromRow)]
struct Held {
    job_state: JobState,
    deleted: bool,
    fmt: Fmt,
    asset_name: String,
    /// The first of its files.
    path: Option<String>,
    /// How many files it has.
    files: i64,
    /// Whether one of them is rendered.
    converts: bool,
    tries: i32,
    crashes: i32,
    lost: i32,
    worker_id: Option<WorkerId>,
    started_at: Option<DateTime<Utc>>,
    source_sha256: Option<Digest>,
    warnings: Json<Vec<Note>>,
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
    which: Try,
    made: &[Made],
    ending: Ending,
    engine_version: i32,
) -> Result<bool, Error> {
    let mut transaction = pool.begin().await?;
    // The job row first: it makes "was I the last?" exact.
    let held: Option<Held> = sqlx::query_as(
        "with job as (
             select company_id, job_id, state, deleted_at, fmt from export_job where company_id = $1 and job_id = $2 for update
         )
         select job.state as job_state, job.deleted_at is not null as deleted, job.fmt, item.asset_name, files.*, item.tries,
                item.crashes, item.lost, item.worker_id, item.started_at, item.sha256 as source_sha256, item.warnings
           from job
           join export_item item on item.company_id = job.company_id and item.job_id = job.job_id
          cross join lateral (
                select (array_agg(path order by rendition))[1] as path, count(*) as files,
                       coalesce(bool_or(recipe_id is not null), false) as converts
                  from export_file file
                 where file.company_id = item.company_id and file.job_id = item.job_id and file.position = item.position) files
          where item.position = $3 and item.claim = $4 and item.state = 'running'
            for update of item",
    )
    .bind(which.company)
    .bind(which.job)
    .bind(which.position)
    .bind(which.claim)
    .fetch_optional(&mut *transaction)
    .await?;
    let Some(held) = held else { return Ok(false) };
    let verdict = judge(&held, made, ending);
    write_item(&mut transaction, which, &verdict).await?;
    let written = write_files(&mut transaction, which, made, held.source_sha256, engine_version).await?;
    write_job(&mut transaction, which, &held, &verdict, written).await?;
    transaction.commit().await?;
    let code = verdict.said.as_ref().map_or_else(String::new, |note| note.code.as_str());
    metrics::counter!("offprint_items_settled_total", "ending" => verdict.ending.name(), "code" => code).increment(1);
    Ok(true)
}

/// Decides where an item goes. What would be tried again is stopped instead when the job was.
fn judge(held: &Held, made: &[Made], ending: Ending) -> Verdict {
    let over = held.job_state == JobState::Stopping || held.deleted;
    let mut verdict = Verdict {
        state: ItemState::Waiting,
        pause: Duration::ZERO,
        tries: held.tries,
        crashes: held.crashes,
        lost: held.lost,
        failure: None,
        warnings: held.warnings.0.clone(),
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
    if over && verdict.state == ItemState::Waiting {
        (verdict.state, verdict.ending) = (ItemState::Stopped, AttemptEnding::Stopped);
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

    fn event(&self, held: &Held) -> Option<(&'static str, Value)> {
        let name = &held.asset_name;
        match self.state {
            ItemState::Succeeded => {
                let code = match (held.fmt, held.converts) {
                    (Fmt::Orig, _) => "fileExported",
                    (Fmt::Convert, true) => "fileConverted",
                    (Fmt::Convert, false) => "fileExportedAsOriginal",
                };
                let warnings = self.warnings.len();
                Some((code, json!({ "asset": name, "path": held.path, "files": held.files, "warnings": warnings })))
            }
            ItemState::Failed => Some(("fileFailed", json!({ "asset": name, "failure": self.failure }))),
            ItemState::Stopped => Some(("fileStopped", json!({ "asset": name }))),
            _ => None,
        }
    }
}

/// Five seconds, four times longer each time, ten minutes at most; a fifth up or down, so that items that failed
/// together do not come back together.
fn back_off(number: i32) -> Duration {
    let base = 5.0 * 4f64.powi(number.clamp(1, 10) - 1);
    let jitter = 0.8 + 0.4 * f64::from(uuid::Uuid::new_v4().as_bytes()[0]) / 255.0;
    Duration::from_secs_f64(base.min(600.0) * jitter)
}

/// Writes the item's end on the job: counters, log and attempt history.
async fn write_job(
    transaction: &mut sqlx::PgConnection,
    which: Try,
    held: &Held,
    verdict: &Verdict,
    (files, bytes): (i32, i64),
) -> Result<(), Error> {
    let event = verdict.event(held);
    sqlx::query(
        "with job as (
             update export_job
                set succeeded = succeeded + ($5 = 'succeeded')::int, failed = failed + ($5 = 'failed')::int,
                    stopped = stopped + ($5 = 'stopped')::int,
                    warned = warned + ($6 and $5 in ('succeeded', 'failed'))::int,
                    files = files + $7, bytes = bytes + $8, event_seq = event_seq + ($9::text is not null)::int
              where company_id = $1 and job_id = $2
             returning event_seq
         ), logged as (
             insert into export_event (company_id, job_id, seq, code, position, parameters)
             select $1, $2, event_seq, $9, $3, $10 from job where $9::text is not null
         )
         insert into export_attempt (company_id, job_id, position, claim, worker_id, started_at, ending, failure)
         select $1, $2, $3, $4, $11, $12, $13, $14 from job",
    )
    .bind(which.company)
    .bind(which.job)
    .bind(which.position)
    .bind(which.claim)
    .bind(verdict.state)
    .bind(!verdict.warnings.is_empty())
    .bind(files)
    .bind(bytes)
    .bind(event.as_ref().map(|(code, _)| *code))
    .bind(Json(event.map(|(_, parameters)| parameters).unwrap_or_default()))
    .bind(held.worker_id)
    .bind(held.started_at)
    .bind(verdict.ending)
    .bind(verdict.said.as_ref().map(Json))
    .execute(transaction)
    .await?;
    Ok(())
}

async fn write_item(transaction: &mut sqlx::PgConnection, which: Try, verdict: &Verdict) -> Result<(), Error> {
    let ended = !matches!(verdict.state, ItemState::Waiting | ItemState::Running);
    sqlx::query(
        "update export_item
            set state = $4, lease_until = null, run_at = now() + $5, tries = $6, crashes = $7, lost = $8, failure = $9,
                warnings = $10, finished_at = case when $11 then now() end
          where company_id = $1 and job_id = $2 and position = $3",
    )
    .bind(which.company)
    .bind(which.job)
    .bind(which.position)
    .bind(verdict.state)
    .bind(interval(verdict.pause))
    .bind(verdict.tries)
    .bind(verdict.crashes)
    .bind(verdict.lost)
    .bind(verdict.failure.as_ref().map(Json))
    .bind(Json(&verdict.warnings))
    .bind(ended)
    .execute(transaction)
    .await?;
    Ok(())
}

/// Writes the files that were made, and remembers what was rendered. How many, and their bytes together.
async fn write_files(
    transaction: &mut sqlx::PgConnection,
    which: Try,
    made: &[Made],
    source: Option<Digest>,
    engine_version: i32,
) -> Result<(i32, i64), Error> {
    let pictures = || made.iter().map(|made| made.picture.as_ref());
    let written = sqlx::query_as(
        "with made as (
             select * from unnest($4::smallint[], $5::bytea[], $6::int[], $7::int[], $8::text[], $9::jsonb[], $10::bool[])
                 as made (rendition, sha256, width, height, mime, warnings, reused)
         ), files as (
             update export_file file
                set state = 'ready', sha256 = blob.sha256, size = blob.size, crc32 = blob.crc32,
                    width = coalesce(made.width, file.width), height = coalesce(made.height, file.height),
                    mime = coalesce(made.mime, file.mime), warnings = made.warnings, reused = made.reused
               from made join blob on blob.sha256 = made.sha256
              where file.company_id = $1 and file.job_id = $2 and file.position = $3 and file.rendition = made.rendition
                and file.state <> 'ready'
             returning file.rendition, file.recipe_id, file.size
         ), remembered as (
             insert into rendition (company_id, source_sha256, recipe_id, engine_version, sha256, width, height, mime, warnings)
             select distinct on (files.recipe_id) $1, $11, files.recipe_id, $12, made.sha256, made.width, made.height, made.mime, made.warnings
               from files join made on made.rendition = files.rendition
              where files.recipe_id is not null and $11::bytea is not null and made.width is not null and not made.reused
             on conflict (company_id, source_sha256, recipe_id, engine_version) do update set used_at = now()
         )
         select count(*)::int, coalesce(sum(size), 0)::bigint from files",
    )
    .bind(which.company)
    .bind(which.job)
    .bind(which.position)
    .bind(made.iter().map(|made| made.rendition).collect::<Vec<_>>())
    .bind(made.iter().map(|made| made.sha256).collect::<Vec<_>>())
    .bind(pictures().map(|picture| Some(picture?.0)).collect::<Vec<_>>())
    .bind(pictures().map(|picture| Some(picture?.1)).collect::<Vec<_>>())
    .bind(pictures().map(|picture| Some(picture?.2.as_str())).collect::<Vec<_>>())
    .bind(made.iter().map(|made| Json(&made.warnings)).collect::<Vec<_>>())
    .bind(made.iter().map(|made| made.reused).collect::<Vec<_>>())
    .bind(source)
    .bind(engine_version)
    .fetch_one(transaction)
    .await?;
    Ok(written)
}
