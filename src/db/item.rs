//! Items: claim takes one, beat keeps it, settle is the only way out of `running`.
//!
//! Locks are taken in the order company, job, item. `skip locked` belongs on the item: on the company row it would
//! send workers home while there is work. `claim` only grows and fences beat and settle: a worker that lost its lease
//! finds another number and walks away.

use std::time::Duration;

use serde::Deserialize;
use sqlx::postgres::types::PgInterval;
use sqlx::types::Json;

use crate::reason::Note;
use crate::db::settle::{Before, Try};
use crate::db::vocabulary::JobState;
use crate::db::{Connection, Error, PgPool};
use crate::digest::Digest;
use crate::id::{CompanyId, JobId, WorkerId};

/// An item that a worker has: everything needed to work on it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Claim {
    /// Whose it is.
    pub company_id: CompanyId,
    /// The job.
    pub job_id: JobId,
    /// The item's place in it.
    pub position: i32,
    /// The fence.
    pub claim: i32,
    /// The original.
    #[sqlx(try_from = "[u8; 32]")]
    pub sha256: Digest,
    /// What the asset is called, for messages.
    pub asset_name: String,
    /// Whether this is the first item of the run to be taken.
    pub first: bool,
    /// What went wrong with it before.
    #[sqlx(flatten)]
    pub before: Before,
    /// The files that are not there yet, in the order of the renditions.
    pub files: Json<Vec<Wanted>>,
}

impl Claim {
    /// The try that a worker settles.
    pub fn attempt(&self, worker: WorkerId) -> Try {
        Try {
            company: self.company_id,
            job: self.job_id,
            position: self.position,
            claim: self.claim,
            worker: Some(worker),
            before: self.before.clone(),
        }
    }
}

/// A file that an item shall hand out.
#[derive(Clone, Debug, Deserialize)]
pub struct Wanted {
    /// Its place among the item's files.
    pub rendition: i16,
    /// The rendition's name; none where the job has no renditions.
    pub name: Option<String>,
    /// The recipe's canonical text; none when the original is handed out.
    pub recipe: Option<String>,
    /// What this recipe gave for this original before.
    pub known: Option<Known>,
}

/// A rendition that was made before.
#[derive(Clone, Debug, Deserialize)]
pub struct Known {
    /// Its bytes.
    pub sha256: Digest,
    /// Pixels across.
    pub width: i32,
    /// Pixels down.
    pub height: i32,
    /// Its media type.
    pub mime: String,
    /// What there was to know when it was made.
    pub warnings: Vec<Note>,
}

/// A duration as Postgres adds it to a time.
pub(crate) fn interval(duration: Duration) -> PgInterval {
    PgInterval { months: 0, days: 0, microseconds: i64::try_from(duration.as_micros()).unwrap_or(i64::MAX) }
}

/// On what terms an item is taken.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Who takes it.
    pub worker: WorkerId,
    /// For how long it is theirs without a beat.
    pub lease: Duration,
    /// Renditions of this engine are known.
    pub engine_version: i32,
    /// Most items of one company that run at once, unless it has a limit of its own; 0 means no limit.
    pub max_running: u32,
    /// Whether any company has a limit, so that claims must count each other.
    pub counted: bool,
}

/// Takes the item whose turn it is: the company with the fewest items in flight, then the one not served for longest;
/// within it priority, then the oldest job, then request order.
pub async fn claim(pool: &PgPool, terms: &Terms) -> Result<Option<Claim>, Error> {
    if !terms.counted {
        return take(&mut *pool.acquire().await?, terms).await;
    }
    // A statement sees what was there when it began. Only one after the other do claims count each other.
    let mut transaction = pool.begin().await?;
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('offprint claim', 0))")
        .execute(&mut *transaction)
        .await?;
    let claim = take(&mut transaction, terms).await?;
    transaction.commit().await?;
    Ok(claim)
}

/// A claim need not be on the disk: one that a crash of the database undoes has never been. Its number may be given
/// again, so settle and beat also look at whose it is. What is settled is on the disk, and its claim with it.
async fn take(connection: &mut Connection, terms: &Terms) -> Result<Option<Claim>, Error> {
    let claim = sqlx::query_as(
        "with turn as (
             select company.company_id from company
              cross join lateral (                         -- by itself for each company: a scan that clears dead entries away
                  select count(*) as running from export_item item
                   where item.company_id = company.company_id and item.state = 'running') busy
              where (coalesce(company.max_running, $4) = 0 or busy.running < coalesce(company.max_running, $4))
                and exists (
                  select from export_job job
                   where job.company_id = company.company_id and job.state = 'active' and job.deleted_at is null
                     -- The first that waits, by the index: `exists` would be joined, or read past all that is done.
                     and (select position from export_item item
                           where item.waits_in = job.job_id and item.run_at <= now() order by position limit 1) is not null)
              order by busy.running, company.served_at
              limit 1 for no key update of company          -- wait here: it is a matter of a millisecond
         ), served as (
             update company set served_at = clock_timestamp() from turn
              where company.company_id = turn.company_id returning company.company_id
         ), picked as (
             select item.company_id, item.job_id, item.position, job.renditions, job.run_started_at is null as first
               from (select * from export_job               -- sorted by itself: only the first job with an item is looked at
                      where company_id = (select company_id from served) and state = 'active' and deleted_at is null
                      order by priority desc, job_id) job
              cross join lateral (
                  select candidate.company_id, candidate.job_id, candidate.position from export_item candidate
                   where candidate.waits_in = job.job_id and candidate.run_at <= now()
                   order by candidate.position limit 1 for update skip locked) item
              order by job.priority desc, job.job_id limit 1
         ), taken as (
             update export_item item
                set state = 'running', claim = item.claim + 1, worker_id = $1, lease_until = now() + $2, started_at = now()
               from picked
              where item.company_id = picked.company_id and item.job_id = picked.job_id and item.position = picked.position
             returning item.*, picked.renditions, picked.first
         )
         select taken.company_id, taken.job_id, taken.position, taken.claim, taken.sha256, taken.asset_name, taken.first,
                taken.tries, taken.crashes, taken.lost, taken.warnings,
                (select coalesce(jsonb_agg(jsonb_build_object(
                            'rendition', file.rendition, 'name', taken.renditions -> file.rendition::int ->> 'name',
                            'recipe', recipe.text,
                            'known', case when known.sha256 is not null then jsonb_build_object(
                                'sha256', encode(known.sha256, 'hex'), 'width', known.width, 'height', known.height,
                                'mime', known.mime, 'warnings', known.warnings) end) order by file.rendition), '[]')
                   from export_file file
                   left join recipe on recipe.company_id = file.company_id and recipe.recipe_id = file.recipe_id
                   left join rendition known on known.company_id = file.company_id and known.source_sha256 = taken.sha256
                        and known.recipe_id = file.recipe_id and known.engine_version = $3
                  where file.company_id = taken.company_id and file.job_id = taken.job_id
                    and file.position = taken.position and file.state <> 'ready') as files
           from taken,
                set_config('synchronous_commit', 'off', true)",
    )
    .bind(terms.worker)
    .bind(interval(terms.lease))
    .bind(terms.engine_version)
    .bind(i64::from(terms.max_running))
    .fetch_optional(connection)
    .await?;
    Ok(claim)
}

/// Notes that the run of a job has begun. A statement of its own, since the claim may not lock the job after the item.
pub async fn begin_run(pool: &PgPool, company: CompanyId, job: JobId) -> Result<(), Error> {
    sqlx::query(
        "with begun as (
             update export_job
                set started_at = coalesce(started_at, now()), run_started_at = now(), event_seq = event_seq + 1
              where company_id = $1 and job_id = $2 and run_started_at is null
             returning event_seq, run
         )
         insert into export_event (company_id, job_id, seq, code, parameters)
         select $1, $2, event_seq, 'exportBegun', jsonb_build_object('run', run) from begun",
    )
    .bind(company)
    .bind(job)
    .execute(pool)
    .await?;
    Ok(())
}

/// What a worker hears when it prolongs its lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    /// It is still the worker's: go on.
    GoOn,
    /// The job was stopped or deleted: end the item.
    Stop,
    /// The lease ran out and somebody else has the item, or will have: walk away.
    Lost,
}

/// Prolongs the lease, and brings the orders back.
pub async fn beat(pool: &PgPool, claim: &Claim, worker: WorkerId, lease: Duration) -> Result<Beat, Error> {
    let job: Option<(JobState, bool)> = sqlx::query_as(
        "update export_item item set lease_until = now() + $5
           from export_job job
          where item.company_id = $1 and item.job_id = $2 and item.position = $3 and item.claim = $4
            and item.worker_id = $6 and item.lease_until is not null
            and job.company_id = item.company_id and job.job_id = item.job_id
         returning job.state, job.deleted_at is not null",
    )
    .bind(claim.company_id)
    .bind(claim.job_id)
    .bind(claim.position)
    .bind(claim.claim)
    .bind(interval(lease))
    .bind(worker)
    .fetch_optional(pool)
    .await?;
    Ok(match job {
        None => Beat::Lost,
        Some((JobState::Stopping, _) | (_, true)) => Beat::Stop,
        Some(_) => Beat::GoOn,
    })
}

/// An item whose lease ran out: the only sign of a worker's death.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Expired {
    /// Whose it is.
    pub company_id: CompanyId,
    /// The job.
    pub job_id: JobId,
    /// The item's place in it.
    pub position: i32,
    /// The fence.
    pub claim: i32,
    /// Who had it.
    pub worker_id: Option<WorkerId>,
    /// What went wrong with it before.
    #[sqlx(flatten)]
    pub before: Before,
}

impl Expired {
    /// The try that is settled as lost.
    pub fn attempt(self) -> Try {
        Try {
            company: self.company_id,
            job: self.job_id,
            position: self.position,
            claim: self.claim,
            worker: self.worker_id,
            before: self.before,
        }
    }
}

/// Items whose lease ran out, at most a hundred. They are only read here: settle is the way out.
pub async fn expired(pool: &PgPool) -> Result<Vec<Expired>, Error> {
    let found = sqlx::query_as(
        "select company_id, job_id, position, claim, worker_id, tries, crashes, lost, warnings
           from export_item where state = 'running' and lease_until < now() limit 100",
    )
    .fetch_all(pool)
    .await?;
    Ok(found)
}
