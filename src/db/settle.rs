//! Settle: the end of a try, and the only way out of `running`. One transaction moves the item, its file, the job's
//! counters, the log and the attempt history together.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::types::Json;

use crate::code::{Code, Note};
use crate::db::item::interval;
use crate::db::vocabulary::{Fmt, ItemState, JobState};
use crate::db::{Error, PgPool};
use crate::digest::Digest;
use crate::id::{CompanyId, JobId, WorkerId};

/// The file that an item made.
#[derive(Clone, Debug)]
pub struct Made {
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
    /// The bytes are in storage.
    Done(Made),
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
    path: Option<String>,
    tries: i32,
    crashes: i32,
    lost: i32,
    worker_id: Option<WorkerId>,
    started_at: Option<DateTime<Utc>>,
    recipe_id: Option<Digest>,
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
    made: Option<Made>,
    /// The word for the attempt history.
    ending: &'static str,
}

/// Settles a try. `false` when the item is not the caller's any more: nothing was written, walk away.
/// A rendered file is remembered under `engine_version`, so that equal renders are reused.
pub async fn settle(pool: &PgPool, which: Try, ending: Ending, engine_version: i32) -> Result<bool, Error> {
    let mut transaction = pool.begin().await?;
    // The job row first: it makes "was I the last?" exact.
    let held: Option<Held> = sqlx::query_as(
        "with job as (
             select company_id, job_id, state, deleted_at, fmt from export_job where company_id = $1 and job_id = $2 for update
         )
         select job.state as job_state, job.deleted_at is not null as deleted, job.fmt, item.asset_name, file.path, item.tries,
                item.crashes, item.lost, item.worker_id, item.started_at, item.recipe_id, item.sha256 as source_sha256, item.warnings
           from job
           join export_item item on item.company_id = job.company_id and item.job_id = job.job_id
           left join export_file file on file.company_id = item.company_id and file.job_id = item.job_id
                and file.position = item.position
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
    let verdict = judge(&held, ending);
    write(&mut transaction, which, &held, &verdict, engine_version).await?;
    transaction.commit().await?;
    metrics::counter!("offprint_items_settled_total", "ending" => verdict.ending).increment(1);
    Ok(true)
}

/// Decides where an item goes. What would be tried again is stopped instead when the job was.
fn judge(held: &Held, ending: Ending) -> Verdict {
    let over = held.job_state == JobState::Stopping || held.deleted;
    let mut verdict = Verdict {
        state: ItemState::Waiting,
        pause: Duration::ZERO,
        tries: held.tries,
        crashes: held.crashes,
        lost: held.lost,
        failure: None,
        warnings: held.warnings.0.clone(),
        made: None,
        ending: "given-back",
    };
    match ending {
        Ending::Done(made) => {
            verdict.warnings.extend(made.warnings.iter().cloned());
            (verdict.state, verdict.ending, verdict.made) = (ItemState::Succeeded, "succeeded", Some(made));
        }
        Ending::Failed(why) => {
            (verdict.state, verdict.ending, verdict.failure) = (ItemState::Failed, "failed", Some(why))
        }
        Ending::Stopped => (verdict.state, verdict.ending) = (ItemState::Stopped, "stopped"),
        Ending::GivenBack => {}
        // A full disk is nobody's fault and will be mended: the item waits as long as it takes.
        Ending::TryAgain(why) if why.code == Code::StorageFull => {
            (verdict.pause, verdict.ending) = (Duration::from_secs(30), "try-again");
        }
        Ending::TryAgain(why) => {
            verdict.tries += 1;
            verdict.ending = "try-again";
            verdict.again(verdict.tries, MOST_TRIES, back_off(verdict.tries), why);
        }
        Ending::Crashed(why) => {
            verdict.crashes += 1;
            verdict.ending = "crashed";
            let said = format!("Rendering died {MOST_CRASHES} times, last as {}: {}", why.code, why.detail);
            verdict.again(verdict.crashes, MOST_CRASHES, Duration::ZERO, Note::new(Code::Poison, said));
        }
        Ending::Lost => {
            verdict.lost += 1;
            verdict.ending = "lost";
            let pause = if verdict.lost < 3 { Duration::ZERO } else { back_off(verdict.lost - 2) };
            let said =
                format!("{MOST_LOST} workers vanished while they had this item. Retry the job when they are stable.");
            verdict.again(verdict.lost, MOST_LOST, pause, Note::new(Code::Lost, said));
        }
    }
    if over && verdict.state == ItemState::Waiting {
        (verdict.state, verdict.ending) = (ItemState::Stopped, "stopped");
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
                let code = match (held.fmt, held.recipe_id) {
                    (Fmt::Orig, _) => "fileExported",
                    (Fmt::Convert, Some(_)) => "fileConverted",
                    (Fmt::Convert, None) => "fileExportedAsOriginal",
                };
                Some((code, json!({ "asset": name, "path": held.path, "warnings": self.warnings.len() })))
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

async fn write(
    transaction: &mut sqlx::PgConnection,
    which: Try,
    held: &Held,
    verdict: &Verdict,
    engine_version: i32,
) -> Result<(), Error> {
    write_item(transaction, which, verdict).await?;
    if let Some(made) = &verdict.made {
        write_file(transaction, which, made).await?;
        if let (false, Some(recipe), Some(source), Some(picture)) =
            (made.reused, held.recipe_id, held.source_sha256, &made.picture)
        {
            remember(transaction, which.company, (source, recipe, engine_version), made, picture).await?;
        }
    }
    let event = verdict.event(held);
    sqlx::query(
        "with job as (
             update export_job
                set succeeded = succeeded + ($5 = 'succeeded')::int, failed = failed + ($5 = 'failed')::int,
                    stopped = stopped + ($5 = 'stopped')::int,
                    warned = warned + ($6 and $5 in ('succeeded', 'failed'))::int,
                    files = files + ($5 = 'succeeded')::int,
                    bytes = bytes + coalesce((select size from blob where sha256 = $7), 0),
                    event_seq = event_seq + ($8::text is not null)::int
              where company_id = $1 and job_id = $2
             returning event_seq
         ), logged as (
             insert into export_event (company_id, job_id, seq, code, position, parameters)
             select $1, $2, event_seq, $8, $3, $9 from job where $8::text is not null
         )
         insert into export_attempt (company_id, job_id, position, claim, worker_id, started_at, ending, failure)
         select $1, $2, $3, $4, $10, $11, $12, $13 from job",
    )
    .bind(which.company)
    .bind(which.job)
    .bind(which.position)
    .bind(which.claim)
    .bind(verdict.state)
    .bind(!verdict.warnings.is_empty())
    .bind(verdict.made.as_ref().map(|made| made.sha256))
    .bind(event.as_ref().map(|(code, _)| *code))
    .bind(Json(event.map(|(_, parameters)| parameters).unwrap_or_default()))
    .bind(held.worker_id)
    .bind(held.started_at)
    .bind(verdict.ending)
    .bind(verdict.failure.as_ref().map(Json))
    .execute(transaction)
    .await?;
    Ok(())
}

async fn write_item(transaction: &mut sqlx::PgConnection, which: Try, verdict: &Verdict) -> Result<(), Error> {
    let ended = !matches!(verdict.state, ItemState::Waiting | ItemState::Running);
    sqlx::query(
        "update export_item
            set state = $4, lease_until = null, run_at = now() + $5, tries = $6, crashes = $7, lost = $8, failure = $9,
                warnings = $10, reused = $11, finished_at = case when $12 then now() end
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
    .bind(verdict.made.as_ref().is_some_and(|made| made.reused))
    .bind(ended)
    .execute(transaction)
    .await?;
    Ok(())
}

async fn write_file(transaction: &mut sqlx::PgConnection, which: Try, made: &Made) -> Result<(), Error> {
    let picture = made.picture.as_ref();
    sqlx::query(
        "update export_file file
            set state = 'ready', sha256 = blob.sha256, size = blob.size, crc32 = blob.crc32,
                width = coalesce($5, width), height = coalesce($6, height), mime = coalesce($7, mime), warnings = $8
           from blob
          where file.company_id = $1 and file.job_id = $2 and file.position = $3 and file.rendition = 0 and blob.sha256 = $4",
    )
    .bind(which.company)
    .bind(which.job)
    .bind(which.position)
    .bind(made.sha256)
    .bind(picture.map(|(width, _, _)| width))
    .bind(picture.map(|(_, height, _)| height))
    .bind(picture.map(|(_, _, mime)| mime))
    .bind(Json(&made.warnings))
    .execute(transaction)
    .await?;
    Ok(())
}

async fn remember(
    transaction: &mut sqlx::PgConnection,
    company: CompanyId,
    (source, recipe, engine_version): (Digest, Digest, i32),
    made: &Made,
    (width, height, mime): &(i32, i32, String),
) -> Result<(), Error> {
    sqlx::query(
        "insert into rendition (company_id, source_sha256, recipe_id, engine_version, sha256, width, height, mime, warnings)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict (company_id, source_sha256, recipe_id, engine_version) do update set used_at = now()",
    )
    .bind(company)
    .bind(source)
    .bind(recipe)
    .bind(engine_version)
    .bind(made.sha256)
    .bind(width)
    .bind(height)
    .bind(mime)
    .bind(Json(&made.warnings))
    .execute(transaction)
    .await?;
    Ok(())
}

/// Settles up to a thousand waiting items of a job that need no render: originals, and renditions that are known.
/// Returns how many.
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
             select item.position, item.claim + 1 as claim, item.asset_name, item.recipe_id, blob.sha256, blob.size, blob.crc32,
                    known.width, known.height, known.mime, coalesce(known.warnings, '[]') as noted,
                    item.warnings || coalesce(known.warnings, '[]') as warnings
               from job
               join export_item item on item.company_id = job.company_id and item.job_id = job.job_id
               left join rendition known on known.company_id = item.company_id and known.source_sha256 = item.sha256
                    and known.recipe_id = item.recipe_id and known.engine_version = $4
               join blob on blob.sha256 = case when item.recipe_id is null then item.sha256 else known.sha256 end
              where item.state = 'waiting' and item.run_at <= now()
              order by item.position limit 1000
                for update of item skip locked
         ), items as (
             update export_item item
                set state = 'succeeded', claim = ready.claim, started_at = now(), finished_at = now(), worker_id = $3,
                    reused = item.recipe_id is not null, warnings = ready.warnings
               from ready where item.company_id = $1 and item.job_id = $2 and item.position = ready.position
         ), files as (
             update export_file file
                set state = 'ready', sha256 = ready.sha256, size = ready.size, crc32 = ready.crc32,
                    width = coalesce(ready.width, file.width), height = coalesce(ready.height, file.height),
                    mime = coalesce(ready.mime, file.mime), warnings = ready.noted
               from ready where file.company_id = $1 and file.job_id = $2 and file.position = ready.position and file.rendition = 0
             returning file.position, file.path
         ), events as (
             insert into export_event (company_id, job_id, seq, code, position, parameters)
             select $1, $2, job.event_seq + row_number() over (order by ready.position),
                    case when job.fmt = 'orig' then 'fileExported' when ready.recipe_id is null then 'fileExportedAsOriginal'
                         else 'fileConverted' end,
                    ready.position,
                    jsonb_build_object('asset', ready.asset_name, 'path', files.path, 'warnings', jsonb_array_length(ready.warnings))
               from job, ready join files on files.position = ready.position
         ), attempts as (
             insert into export_attempt (company_id, job_id, position, claim, worker_id, started_at, ending)
             select $1, $2, position, claim, $3, now(), 'succeeded' from ready
         ), counted as (
             update export_job
                set succeeded = succeeded + sum.items, files = files + sum.items, bytes = export_job.bytes + sum.bytes,
                    warned = export_job.warned + sum.warned, event_seq = event_seq + sum.items
               from (select count(*)::int as items, coalesce(sum(size), 0)::bigint as bytes,
                            (count(*) filter (where warnings <> '[]'))::int as warned from ready) sum
              where company_id = $1 and job_id = $2 and sum.items > 0
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
    metrics::counter!("offprint_items_settled_total", "ending" => "succeeded").increment(settled as u64);
    Ok(settled as u64)
}
