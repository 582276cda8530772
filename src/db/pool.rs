//! Pools of connections, for requests and for the service's own work, and how long their queries may take.

use std::io;
use std::time::Duration;

use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
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
            Box::pin(async move { set_application_name(connection, &build_application_name()).await })
        })
        .before_acquire(|connection, _| {
            Box::pin(async move { set_application_name(connection, &build_application_name()).await.map(|()| true) })
        })
        .connect_lazy_with(options.application_name(NO_COMPANY_NAME))
}

/// Opens a pool for the service's own work, which concerns all companies: queue, sweep, API keys, migrations.
/// Connections are not tested before each use, which would double the round trips: a query on a dead connection fails
/// as [`DbError::Unreachable`], and the next one gets a new connection.
pub fn open_system_pool(options: PgConnectOptions, connections: u32) -> PgPool {
    build_pool_options(connections).connect_lazy_with(options.application_name(ALL_COMPANIES_NAME))
}

fn build_pool_options(connections: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(10))
        .test_before_acquire(false)
        .after_release(|connection, _| {
            // What a query that was cut off has left to be sent or read; nothing, and so no round trip, after any other.
            // Then sqlx pings the connection.
            Box::pin(async move {
                timeout(PING_TIMEOUT, connection.flush())
                    .await
                    .unwrap_or_else(|_| Err(build_timeout_error()))
                    .map(|()| true)
            })
        })
}

async fn set_application_name(connection: &mut DbConnection, name: &str) -> Result<(), sqlx::Error> {
    let renamed = sqlx::query("select set_config('application_name', $1, false)").bind(name).execute(connection);
    timeout(PING_TIMEOUT, renamed).await.unwrap_or_else(|_| Err(build_timeout_error())).map(drop)
}
