//! Workers: the processes that process items, and their heartbeats. These rows are only shown to people. Whether a
//! worker still owns an item is decided by the item's own lease.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::db::interval::to_pg_interval;
use crate::db::{DbError, PgPool};
use crate::id::WorkerId;

/// A live worker.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct WorkerRow {
    pub worker_id: WorkerId,
    /// `all` when it serves HTTP too, otherwise `worker`.
    pub role: String,
    /// Host name of its machine.
    pub host: String,
    /// Version of Offprint.
    pub version: String,
    /// How many images it renders at once.
    pub slots: i32,
    pub started_at: DateTime<Utc>,
    /// Time of the last heartbeat.
    pub heartbeat_at: DateTime<Utc>,
    /// Items that it is processing.
    pub running: i64,
}

/// What a worker reports with its heartbeat. The fields are those of [`WorkerRow`].
#[derive(Clone, Debug)]
pub struct WorkerIdentity<'a> {
    pub worker_id: WorkerId,
    pub role: &'a str,
    pub host: &'a str,
    pub version: &'a str,
    pub slots: usize,
}

/// Records that a worker is alive. It counts as alive for `ttl` from now on.
pub async fn record_heartbeat(pool: &PgPool, identity: &WorkerIdentity<'_>, ttl: Duration) -> Result<(), DbError> {
    sqlx::query(
        "insert into worker (worker_id, role, host, version, slots, live_until) values ($1, $2, $3, $4, $5, now() + $6)
         on conflict (worker_id) do update set heartbeat_at = now(), live_until = excluded.live_until",
    )
    .bind(identity.worker_id)
    .bind(identity.role)
    .bind(identity.host)
    .bind(identity.version)
    .bind(i32::try_from(identity.slots).unwrap_or(i32::MAX))
    .bind(to_pg_interval(ttl))
    .execute(pool)
    .await?;
    Ok(())
}

/// Records that a worker has ended.
pub async fn mark_worker_gone(pool: &PgPool, worker: WorkerId) -> Result<(), DbError> {
    sqlx::query("update worker set live_until = now() where worker_id = $1").bind(worker).execute(pool).await?;
    Ok(())
}

/// Lists the live workers, oldest first.
pub async fn list_live_workers(pool: &PgPool) -> Result<Vec<WorkerRow>, DbError> {
    let workers = sqlx::query_as(
        "select worker.worker_id, role, host, version, slots, started_at, heartbeat_at, coalesce(busy.running, 0) as running
           from worker
           left join (select worker_id, count(*) as running from export_item where state = 'running' group by worker_id) busy
             on busy.worker_id = worker.worker_id
          where live_until > now() order by worker.started_at, worker.worker_id",
    )
    .fetch_all(pool)
    .await?;
    Ok(workers)
}

/// Deletes workers that have been gone for longer than `age`. Returns how many.
pub async fn delete_gone_workers(pool: &PgPool, age: Duration) -> Result<u64, DbError> {
    let deleted =
        sqlx::query("delete from worker where live_until < now() - $1").bind(to_pg_interval(age)).execute(pool).await?;
    Ok(deleted.rows_affected())
}
