//! Pools of connections, for requests and for the service's own work, and how long their queries may take.

use std::io;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
use tokio::time::timeout;

use crate::db::error::DbError;
use crate::db::row_level_security::{ALL_COMPANIES_NAME, NO_COMPANY_NAME, build_application_name};
use crate::db::{DbConnection, PgPool};

/// How long a query may take. After that the connection counts as dead, even if the network reports no error: behind a
/// pooler or firewall that disappeared, a connection can stay open for ever.
const QUERY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection that returns to the pool may take to end what was cut off. If it takes longer, it is closed.
const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// Waits for a query, but at most `QUERY_TIMEOUT`.
///
/// # Errors
/// [`DbError::Unreachable`] when there is no answer in time. The statement may still have been executed, as with any
/// broken connection, so callers must be able to repeat it.
pub async fn with_query_timeout<T>(query: impl Future<Output = Result<T, DbError>>) -> Result<T, DbError> {
    timeout(QUERY_TIMEOUT, query).await.unwrap_or_else(|_| Err(DbError::Unreachable(build_timeout_error())))
}

fn build_timeout_error() -> sqlx::Error {
    io::Error::new(io::ErrorKind::TimedOut, "no answer in time").into()
}

/// Opens a pool of at most `connections` connections for requests. A connection sees the rows of the company that
/// [`run_as_company`](super::row_level_security::run_as_company) names for the task that acquires it, and no rows outside
/// of it. When a request is cancelled, its connection may still wait for an answer; if that does not come, the connection
/// is closed and its place in the pool is free again.
pub fn open_request_pool(options: PgConnectOptions, connections: u32) -> PgPool {
    build_pool_options(connections)
        .after_connect(|connection, _| {
            Box::pin(async move { set_application_name(connection, &build_application_name()).await.map(drop) })
        })
        .before_acquire(|connection, _| {
            Box::pin(async move { Ok(!set_application_name(connection, &build_application_name()).await?) })
        })
        .after_release(|connection, _| Box::pin(async move { end_cut_off_query(connection).await.map(|()| true) }))
        .connect_lazy_with(options.application_name(NO_COMPANY_NAME))
}

/// Opens a pool for the service's own work, which concerns all companies: queue, sweep, API keys, migrations.
/// Connections are not tested before each use, which would double the round trips: a query on a dead connection fails
/// as [`DbError::Unreachable`], and the next one gets a new connection.
pub fn open_system_pool(options: PgConnectOptions, connections: u32) -> PgPool {
    build_system_pool_options(connections).connect_lazy_with(options.application_name(ALL_COMPANIES_NAME))
}

/// Opens a pool for the statements of the queues of items and tasks, each of which a connection plans once. Left to itself
/// Postgres plans such a statement anew each time, as long as it expects the better plan to save more than planning takes; it
/// does not, and planning a dozen parts under row-level security takes longer than running them. Sequential scans are off
/// because a plan may be made while the tables are nearly empty, and is kept while they grow, until [`super::statistics`]
/// notices.
///
/// Behind a pooler that assigns connections by transaction these settings may be missing, or reach another statement of
/// this service: that costs time and changes no result.
pub fn open_queue_pool(options: PgConnectOptions, connections: u32) -> PgPool {
    let settings = "set plan_cache_mode = force_generic_plan; set enable_seqscan = off; set jit = off";
    build_system_pool_options(connections)
        .after_connect(move |connection, _| Box::pin(async move { connection.execute(settings).await.map(drop) }))
        .connect_lazy_with(options.application_name(ALL_COMPANIES_NAME))
}

fn build_system_pool_options(connections: u32) -> PgPoolOptions {
    build_pool_options(connections)
        .after_release(|connection, _| Box::pin(async move { Ok(!execute_outside_transaction(connection, "").await?) }))
}

fn build_pool_options(connections: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(10))
        .test_before_acquire(false)
}

/// Sends and reads what a query that was cut off has left; nothing, and so no round trip, after any other. Then sqlx pings
/// the connection, which has no time-out.
async fn end_cut_off_query(connection: &mut DbConnection) -> Result<(), sqlx::Error> {
    timeout(PING_TIMEOUT, connection.flush()).await.unwrap_or_else(|_| Err(build_timeout_error()))
}

/// Executes a statement that begins no transaction. Returns whether one was open: somebody was cut off while he waited for
/// the answer to `begin`, and sqlx does not know of the transaction. Such a connection must be closed: what is written
/// through it is never committed, and holds its locks.
async fn execute_outside_transaction(connection: &mut DbConnection, sql: &str) -> Result<bool, sqlx::Error> {
    // The only function that tells what the server says of the transaction: it fails where none is open.
    let executed = connection.begin_with(AssertSqlSafe(sql.to_owned()));
    match timeout(PING_TIMEOUT, executed).await {
        Ok(Ok(_)) => Ok(true),
        Ok(Err(sqlx::Error::BeginFailed)) => Ok(false),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(build_timeout_error()),
    }
}

/// Names a connection, which costs the round trip that also says whether it can be used: returns whether a transaction was
/// open.
async fn set_application_name(connection: &mut DbConnection, name: &str) -> Result<bool, sqlx::Error> {
    // The name has letters, digits, slashes and hyphens.
    execute_outside_transaction(connection, &format!("select set_config('application_name', '{name}', false)")).await
}
