//! Items: [`claim_items`] takes them, [`renew_item_lease`] keeps one, and [`super::settle`] is the only way out of
//! `running`.
//!
//! ```text
//!   waiting ──claim──> running ──settle──> succeeded | failed | stopped
//!      ^                  │
//!      └── settle: tried again, given back, or lease expired
//! ```
//!
//! The column `claim` is the fencing token: it grows with each claim, and lease renewals and settles name it. A worker
//! whose lease expired (it was suspended, or cut off from the database) finds another number and drops its work.
//!
//! Locks are taken in the order company, job, item. `skip locked` belongs on the item: on the company row it would make
//! workers find nothing while there is work.

use std::time::Duration;

use offprint_core::Digest;
use serde::Deserialize;
use sqlx::types::Json;

use crate::db::attempt::{Attempt, AttemptCounters};
use crate::db::enums::JobState;
use crate::db::interval::to_pg_interval;
use crate::db::settle_tail::one_by_one_sql;
use crate::db::{DbError, PgPool};
use crate::id::{CompanyId, JobId, WorkerId};
use crate::reason::Reason;

/// An item that a worker has claimed, with everything needed to process it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Claim {
    pub company_id: CompanyId,
    pub job_id: JobId,
    pub position: i32,
    /// The fencing token.
    pub claim: i32,
    /// The original.
    #[sqlx(try_from = "[u8; 32]")]
    pub sha256: Digest,
    /// For log lines.
    pub asset_name: String,
    /// Whether no item of this run was claimed before: the run begins.
    pub first: bool,
    /// How many items of the job have not ended, this one included.
    pub open: i32,
    #[sqlx(flatten)]
    pub counters: AttemptCounters,
    /// The files that are not ready yet, in the order of the renditions.
    pub files: Json<Vec<PendingFile>>,
}

impl Claim {
    /// The attempt that this worker will settle.
    pub fn attempt(&self, worker: WorkerId) -> Attempt {
        Attempt {
            company: self.company_id,
            job: self.job_id,
            position: self.position,
            claim: self.claim,
            worker: Some(worker),
            counters: self.counters.clone(),
        }
    }
}

/// A file that an item must still produce.
#[derive(Clone, Debug, Deserialize)]
pub struct PendingFile {
    /// Index of the rendition among the item's files.
    pub rendition: i16,
    /// The rendition's name; none where the job has no named renditions.
    pub name: Option<String>,
    /// The recipe's canonical text; none when the original is exported.
    pub recipe: Option<String>,
    /// The result of the same recipe on the same original, if it is in the render cache.
    pub cached: Option<CachedRendition>,
}

/// A rendition from the render cache.
#[derive(Clone, Debug, Deserialize)]
pub struct CachedRendition {
    pub sha256: Digest,
    /// In pixels.
    pub width: i32,
    /// In pixels.
    pub height: i32,
    pub mime: String,
    /// The warnings of the render that produced it.
    pub warnings: Vec<Reason>,
}

/// The conditions of a claim.
#[derive(Clone, Copy, Debug)]
pub struct ClaimOptions {
    pub worker: WorkerId,
    /// How long the items belong to the worker without a heartbeat.
    pub lease: Duration,
    /// Only cached renditions of this engine version are used.
    pub engine_version: i32,
    /// How many items of one company may run at once, unless the company has a limit of its own; 0: no limit.
    pub max_running: u32,
}

/// How many items one statement claims at most.
pub const MAX_CLAIMS: usize = 64;

/// How often a claim looks again when it got nothing although items wait: other claims took what it had seen.
const CLAIM_ATTEMPTS: usize = 3;

/// Claims up to `slots` items, each of the company with the fewest running items (ties go to the one served longest ago);
/// within a company by priority, then the oldest job, then request order. Fewer, even when more wait: where one company
/// has fewer waiting items than its share, the next claim fills the rest.
pub async fn claim_items(pool: &PgPool, options: &ClaimOptions, slots: usize) -> Result<Vec<Claim>, DbError> {
    for _ in 0..CLAIM_ATTEMPTS {
        let claims = take_items(pool, options, slots.clamp(1, MAX_CLAIMS)).await?;
        if !claims.is_empty() || !is_item_waiting(pool, options).await? {
            return Ok(claims);
        }
    }
    Ok(Vec::new())
}

/// SQL condition for a company below its limit of running items (`$1` unless it has its own), that has a waiting item.
/// `busy.running` are its running items.
macro_rules! has_turn_sql {
    () => {
        "(coalesce(company.max_running, $1) = 0 or busy.running < coalesce(company.max_running, $1))
            and exists (
              select from export_job job
               where job.company_id = company.company_id and job.state = 'active' and job.deleted_at is null
                 -- The first waiting item, from the index. With `exists`, Postgres joined whole jobs, or read past
                 -- all items that are done.
                 and (select position from export_item item
                       where item.waits_in = job.job_id and item.run_at <= now() order by position limit 1) is not null)"
    };
}

/// Whether a claim would find an item.
async fn is_item_waiting(pool: &PgPool, options: &ClaimOptions) -> Result<bool, DbError> {
    let sql = concat!(
        "select exists (
             select from company
              cross join lateral (select count_running_items(company.company_id) as running) busy
              where ",
        has_turn_sql!(),
        ")"
    );
    Ok(sqlx::query_scalar(sql).bind(i64::from(options.max_running)).fetch_one(pool).await?)
}

/// Claims are committed without waiting for the disk (`synchronous_commit` off): it saves a flush per claim, and a claim
/// that a crash of the database undoes is simply made again. Its number may then be given out twice, so settle and
/// heartbeat compare the worker as well. A settle does wait for the disk, and the claim it settles reaches the disk
/// with it.
///
/// The parts, in order:
///
/// ```text
///   candidate ──> locked ──> counted ──> seat ──> share ──┬──> picked ──> taken ──> (result)
///                 (lock)     (fresh)                      └──> served
/// ```
///
/// * The rows of the companies are locked, so claims that choose the same ones come one after the other and spread over
///   the companies. They wait here rather than skip: the lock is held for about a millisecond. In the order of their ids,
///   so that two claims never wait for each other in a circle.
/// * What was running is counted again under the lock, by a function, because the statement itself still sees the tables as
///   they were before it waited. So the limit of running items holds exactly, whoever claims.
/// * `seat` fills the slots as single claims one after the other would: the company with the fewest items first, and among
///   equals the one that was given fewer seats here.
async fn take_items(pool: &PgPool, options: &ClaimOptions, slots: usize) -> Result<Vec<Claim>, DbError> {
    let sql = concat!(
        "with candidate as (
             select company_id
               from (select company.company_id, row_number() over (order by busy.running, company.served_at) as place
                       from company
                      cross join lateral (                 -- counted per company, so that the index scan drops dead entries
                          select count(*) as running from export_item item
                           where item.company_id = company.company_id and item.state = 'running') busy
                      where ",
        has_turn_sql!(),
        ") queue
              where place <= $5
         ), locked as (
             select company_id, served_at, nullif(coalesce(max_running, $1), 0) as max_running from company
              where company_id in (select company_id from candidate) order by company_id for no key update
         ), counted as materialized (
             select *, count_running_items(company_id) as running from locked
         ), seat as (
             select company_id, row_number() over (order by running + turn, turn, served_at) as place
               from counted cross join generate_series(0, 63) as turn
              where turn < $5 and (max_running is null or running + turn < max_running)
         ), share as (
             select company_id, count(*) as seats from seat where place <= $5 group by company_id
         ), served as (
             -- Note when they were served, to break the next tie. `clock_timestamp`, because `now()` is the time at which
             -- the transaction began, before it waited for the lock.
             update company set served_at = clock_timestamp() from share where company.company_id = share.company_id
         ), picked as materialized (
             -- The first waiting items of the first active jobs that have any. Items that another worker is claiming right
             -- now are skipped.
             select item.* from share
              cross join lateral (
                  select waiting.*, job.renditions, job.run_started_at is null as first,
                         job.total - job.succeeded - job.failed - job.skipped - job.stopped as open
                    from (select * from export_job          -- sorted first: reading stops at the first jobs with items
                           where company_id = share.company_id and state = 'active' and deleted_at is null
                           order by priority desc, job_id) job
                   cross join lateral (
                       select candidate.company_id, candidate.job_id, candidate.position from export_item candidate
                        where candidate.waits_in = job.job_id and candidate.run_at <= now()
                        order by candidate.position limit share.seats for update skip locked) waiting
                   order by job.priority desc, job.job_id limit share.seats) item
         ), taken as (
             -- Make them ours: running, with a new fencing token and a lease.
             update export_item item
                set state = 'running', claim = item.claim + 1, worker_id = $2, lease_until = now() + $3, started_at = now()
               from (select * from picked where ",
        one_by_one_sql!(),
        ") picked
              where item.company_id = picked.company_id and item.job_id = picked.job_id and item.position = picked.position
             returning item.*, picked.renditions, picked.first, picked.open
         )
         -- What the worker needs: the files that are not ready, each with its recipe and its cached rendition, if any.
         select taken.company_id, taken.job_id, taken.position, taken.claim, taken.sha256, taken.asset_name, taken.first, taken.open,
                taken.tries, taken.crashes, taken.lost, taken.warnings,
                (select coalesce(jsonb_agg(jsonb_build_object(
                            'rendition', file.rendition, 'name', taken.renditions -> file.rendition::int ->> 'name',
                            'recipe', recipe.text,
                            'cached', case when cached.sha256 is not null then jsonb_build_object(
                                'sha256', encode(cached.sha256, 'hex'), 'width', cached.width, 'height', cached.height,
                                'mime', cached.mime, 'warnings', cached.warnings) end) order by file.rendition), '[]')
                   from export_file file
                   left join recipe on recipe.company_id = file.company_id and recipe.recipe_id = file.recipe_id
                   left join rendition cached on cached.company_id = file.company_id and cached.source_sha256 = taken.sha256
                        and cached.recipe_id = file.recipe_id and cached.engine_version = $4
                  where file.company_id = taken.company_id and file.job_id = taken.job_id
                    and file.position = taken.position and file.state <> 'ready') as files
           from taken,
                set_config('synchronous_commit', 'off', true)
          order by taken.job_id, taken.position"
    );
    let claims = sqlx::query_as(sql)
        .bind(i64::from(options.max_running))
        .bind(options.worker)
        .bind(to_pg_interval(options.lease))
        .bind(options.engine_version)
        .bind(slots as i32)
        .fetch_all(pool)
        .await?;
    Ok(claims)
}

/// Records that the run of a job has begun. Not part of the claim, which holds the item's lock and so may not lock the
/// job any more.
pub async fn begin_run(pool: &PgPool, company: CompanyId, job: JobId) -> Result<(), DbError> {
    sqlx::query(
        "with started as (
             update export_job
                set started_at = coalesce(started_at, now()), run_started_at = now(), event_seq = event_seq + 1
              where company_id = $1 and job_id = $2 and run_started_at is null
             returning event_seq, run
         )
         insert into export_event (company_id, job_id, seq, code, parameters)
         select $1, $2, event_seq, 'exportBegun', jsonb_build_object('run', run) from started",
    )
    .bind(company)
    .bind(job)
    .execute(pool)
    .await?;
    Ok(())
}

/// What a worker learns when it renews its lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseRenewal {
    /// The item still belongs to the worker: go on.
    Renewed,
    /// The job is being stopped or was deleted: end the item.
    Stop,
    /// The lease expired; another worker has the item or will get it: drop the work.
    Lost,
}

/// Renews the lease (the heartbeat), and learns whether the job was stopped meanwhile.
pub async fn renew_item_lease(
    pool: &PgPool,
    claim: &Claim,
    worker: WorkerId,
    lease: Duration,
) -> Result<LeaseRenewal, DbError> {
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
    .bind(to_pg_interval(lease))
    .bind(worker)
    .fetch_optional(pool)
    .await?;
    Ok(match job {
        None => LeaseRenewal::Lost,
        Some((JobState::Stopping, _) | (_, true)) => LeaseRenewal::Stop,
        Some(_) => LeaseRenewal::Renewed,
    })
}

/// An item whose lease expired: the only sign that its worker died.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ExpiredLease {
    pub company_id: CompanyId,
    pub job_id: JobId,
    pub position: i32,
    /// The fencing token.
    pub claim: i32,
    pub worker_id: Option<WorkerId>,
    #[sqlx(flatten)]
    pub counters: AttemptCounters,
}

impl ExpiredLease {
    /// The attempt to settle as lost.
    pub fn into_attempt(self) -> Attempt {
        Attempt {
            company: self.company_id,
            job: self.job_id,
            position: self.position,
            claim: self.claim,
            worker: self.worker_id,
            counters: self.counters,
        }
    }
}

/// Lists up to a hundred items whose lease has expired. Nothing is changed here; the caller settles them as lost.
pub async fn list_expired_leases(pool: &PgPool) -> Result<Vec<ExpiredLease>, DbError> {
    let expired = sqlx::query_as(
        "select company_id, job_id, position, claim, worker_id, tries, crashes, lost, warnings
           from export_item where state = 'running' and lease_until < now() limit 100",
    )
    .fetch_all(pool)
    .await?;
    Ok(expired)
}

/// How many items of a company failed for a reason.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct FailureCount {
    pub code: String,
    pub items: i64,
}

/// Counts the failures of the jobs of a company that ended within `age`, or have not ended, by code; most frequent first.
pub async fn count_failures(pool: &PgPool, company: CompanyId, age: Duration) -> Result<Vec<FailureCount>, DbError> {
    let counts = sqlx::query_as(
        "select item.failure ->> 'code' as code, count(*) as items
           from export_job job
           join export_item item on item.company_id = job.company_id and item.job_id = job.job_id and item.state = 'failed'
          where job.company_id = $1 and job.deleted_at is null and job.failed > 0
            and coalesce(job.finished_at, 'infinity') > now() - $2
          group by code order by items desc, code limit 50",
    )
    .bind(company)
    .bind(to_pg_interval(age))
    .fetch_all(pool)
    .await?;
    Ok(counts)
}

/// Finds the original of an item, where it is an image.
pub async fn find_source_image(
    pool: &PgPool,
    company: CompanyId,
    job: JobId,
    position: i32,
) -> Result<Option<Digest>, DbError> {
    let source: Option<[u8; 32]> = sqlx::query_scalar(
        "select sha256 from export_item
          where company_id = $1 and job_id = $2 and position = $3 and asset_type = 'Image' and sha256 is not null",
    )
    .bind(company)
    .bind(job)
    .bind(position)
    .fetch_optional(pool)
    .await?;
    Ok(source.map(Digest))
}
