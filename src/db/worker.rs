//! Workers: the processes that take items. Each says now and then that it lives; nothing depends on it but what people
//! are shown, for an item's own lease decides whose it is.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::db::item::interval;
use crate::db::{Error, PgPool};
use crate::id::WorkerId;

/// A worker that lives.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Worker {
    /// Its handle, as the attempt history has it.
    pub worker_id: WorkerId,
    /// `all` when it answers HTTP too, else `worker`.
    pub role: String,
    /// The name of its machine.
    pub host: String,
    /// The version of its program.
    pub version: String,
    /// How many pictures it renders at once.
    pub slots: i32,
    /// When it was started.
    pub started_at: DateTime<Utc>,
    /// When it was heard of last.
    pub beat_at: DateTime<Utc>,
    /// Items that it has.
    pub running: i64,
}

/// What a worker says of itself.
#[derive(Clone, Debug)]
pub struct Own<'a> {
    /// Its handle.
    pub worker_id: WorkerId,
    /// Whether it answers HTTP too.
    pub role: &'a str,
    /// The name of its machine.
    pub host: &'a str,
    /// The version of its program.
    pub version: &'a str,
    /// How many pictures it renders at once.
    pub slots: usize,
}

/// Says that a worker lives, and can be believed to for so long.
pub async fn beat(pool: &PgPool, own: &Own<'_>, believed: Duration) -> Result<(), Error> {
    sqlx::query(
        "insert into worker (worker_id, role, host, version, slots, live_until) values ($1, $2, $3, $4, $5, now() + $6)
         on conflict (worker_id) do update set beat_at = now(), live_until = excluded.live_until",
    )
    .bind(own.worker_id)
    .bind(own.role)
    .bind(own.host)
    .bind(own.version)
    .bind(i32::try_from(own.slots).unwrap_or(i32::MAX))
    .bind(interval(believed))
    .execute(pool)
    .await?;
    Ok(())
}

/// Says that a worker has ended.
pub async fn leave(pool: &PgPool, worker: WorkerId) -> Result<(), Error> {
    sqlx::query("update worker set live_until = now() where worker_id = $1").bind(worker).execute(pool).await?;
    Ok(())
}

/// The workers that live, the oldest first.
pub async fn live(pool: &PgPool) -> Result<Vec<Worker>, Error> {
    let found = sqlx::query_as(
        "select worker.worker_id, role, host, version, slots, started_at, beat_at, coalesce(busy.running, 0) as running
           from worker
           left join (select worker_id, count(*) as running from export_item where state = 'running' group by worker_id) busy
             on busy.worker_id = worker.worker_id
          where live_until > now() order by worker.started_at, worker.worker_id",
    )
    .fetch_all(pool)
    .await?;
    Ok(found)
}

/// Forgets workers that have been gone for so long. Returns how many.
pub async fn forget(pool: &PgPool, age: Duration) -> Result<u64, Error> {
    let gone =
        sqlx::query("delete from worker where live_until < now() - $1").bind(interval(age)).execute(pool).await?;
    Ok(gone.rows_affected())
}
