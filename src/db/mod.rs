//! The database. This is the only module with SQL; each row type stands beside its queries.
//!
//! It knows nothing of HTTP, of files or of rendering: it takes and returns plain values, and [`DbError`] says why a
//! query did not work. Two rules hold everywhere:
//!
//! * Locks are taken in the order company, job, item, so that transactions never wait for each other in a circle.
//! * Time that decides anything is the database's (`now()`), because the clocks of processes differ.
//!
//! Begin with [`insert_job`] (an export request becomes rows), [`item`] (a worker claims an item), [`settle`] (an
//! attempt ends), [`task`] (work that is not an item) and [`seal`] (the job is finished). [`row_level_security`] says which rows a connection sees.

pub mod api_key;
pub mod api_key_cache;
pub mod archive;
pub mod asset;
pub mod attempt;
pub mod audit;
pub mod backup;
pub mod blob;
pub mod browser_session;
pub mod bulk_settle;
pub mod capability;
pub mod company;
pub mod delivered_file;
pub mod delivery;
pub mod destination;
pub mod diagnosis;
pub mod enums;
pub mod event;
pub mod idempotency;
pub mod image_preset;
pub mod insert_job;
pub(crate) mod interval;
pub mod item;
pub mod item_view;
pub mod job;
pub mod job_actions;
pub mod job_changes;
pub mod kept_rendition;
pub mod limits;
pub mod link;
pub mod mail_task;
pub mod metadata_map;
pub mod migrations;
mod optional_digest;
pub mod recipe;
pub mod retention;
pub mod row_level_security;
pub mod schedule;
pub mod seal;
pub mod settle;
mod settle_tail;
pub mod sign_in_link;
pub mod signal;
pub mod task;
pub mod task_claim;
pub mod task_queue;
pub mod thumbnail;
mod transition;
pub mod upload;
pub mod usage;
pub mod webhook;
pub mod webhook_secret;
pub mod worker;

use std::io;
use std::time::Duration;

use futures_util::{Stream, TryStreamExt};
use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

pub use migrations::run_migrations;
pub use sqlx::PgPool;
use tokio::time::timeout;

/// A connection inside a transaction, as the queries take it.
pub type DbConnection = sqlx::PgConnection;

/// Why a query did not work. Only `http/problem.rs` turns it into an HTTP status.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// The row does not exist or belongs to another company. Callers cannot tell which.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The job is in a state that does not allow the job action.
    #[error("the job is {is}")]
    InvalidState {
        /// The current state as shown to people, for a sentence: "the job is …".
        is: String,
        /// The job actions that this state allows.
        allowed: Vec<&'static str>,
    },
    /// Postgres does not answer, or the connection was lost. Trying again later may work.
    #[error("the database cannot be reached: {}", describe_connection_error(.0))]
    Unreachable(#[source] sqlx::Error),
    /// Any other failure: a bug, or tables that are not as expected.
    #[error("a query failed: {0}")]
    QueryFailed(#[source] sqlx::Error),
}

impl DbError {
    /// Whether a row was to refer to bytes that were removed a moment ago. Whoever tries again must not name them again.
    pub fn refers_to_removed_blob(&self) -> bool {
        matches!(self, Self::Unreachable(sqlx::Error::Database(answer)) if refers_to_removed_blob(answer.as_ref()))
    }
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            // A connection that is cut can look like a protocol error: zeros instead of a message right after the
            // start.
            sqlx::Error::Io(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_) => Self::Unreachable(error),
            sqlx::Error::Database(ref answer) if is_transient(answer.code().as_deref()) => Self::Unreachable(error),
            sqlx::Error::Database(ref answer) if refers_to_removed_blob(answer.as_ref()) => Self::Unreachable(error),
            _ => Self::QueryFailed(error),
        }
    }
}

/// sqlx reports a refused connection as a pool timeout, which sends readers to the wrong place.
fn describe_connection_error(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::PoolTimedOut => "no connection within 10 seconds. Check that Postgres is running, that \
                                      DATABASE_URL is right and that Postgres has connections left"
            .to_owned(),
        error => error.to_string(),
    }
}

/// Whether a later attempt may work: the server is starting or stopping (57P), out of resources (53), the connection
/// broke (08), or the transaction was rolled back because of a deadlock or conflict (40).
fn is_transient(sqlstate: Option<&str>) -> bool {
    sqlstate.is_some_and(|code| {
        code.starts_with("57P") || code.starts_with("53") || code.starts_with("08") || code.starts_with("40")
    })
}

/// Whether a row was to refer to an original that was replaced or deleted a moment ago, or to a rendition that was evicted,
/// and whose bytes are gone: whoever tries again reads the asset anew.
fn refers_to_removed_blob(answer: &dyn sqlx::error::DatabaseError) -> bool {
    answer.code().as_deref() == Some("23503")
        && answer.constraint().is_some_and(|constraint| constraint.ends_with("sha256_fkey"))
}

/// How long a query may take. After that the connection counts as dead, even if the network reports no error: behind a
/// pooler or firewall that disappeared, a connection can stay open for ever.
const QUERY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection that returns to the pool may take to answer a ping. If it takes longer, it is closed.
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
/// [`row_level_security::run_as_company`] names, and no rows outside of it. When a request is cancelled, its connection
/// may still wait for an answer; if that does not come, the connection is closed and its place in the pool is free
/// again.
pub fn open_request_pool(options: PgConnectOptions, connections: u32) -> PgPool {
    row_level_security::open_company_pool(build_pool_options(connections), options)
}

/// Opens a pool for the service's own work, which concerns all companies: queue, sweep, API keys, migrations.
/// Connections are not tested before each use, which would double the round trips: a query on a dead connection fails
/// as [`DbError::Unreachable`], and the next one gets a new connection.
pub fn open_system_pool(options: PgConnectOptions, connections: u32) -> PgPool {
    row_level_security::open_service_pool(build_pool_options(connections), options)
}

fn build_pool_options(connections: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(10))
        .test_before_acquire(false)
        .after_release(|connection, _| {
            Box::pin(async move {
                timeout(PING_TIMEOUT, connection.ping())
                    .await
                    .unwrap_or_else(|_| Err(build_timeout_error()))
                    .map(|()| true)
            })
        })
}

/// How many rows are decoded before other tasks of the same thread get a turn: a row with an image header takes some
/// microseconds.
const ROWS_PER_TURN: usize = 100;

/// Collects the rows of a query that may have thousands, without holding up everything else on this thread.
///
/// # Errors
/// Those of the query.
async fn collect_rows<T>(mut rows: impl Stream<Item = Result<T, sqlx::Error>> + Unpin) -> Result<Vec<T>, DbError> {
    let mut all = Vec::new();
    while let Some(row) = rows.try_next().await? {
        all.push(row);
        if all.len().is_multiple_of(ROWS_PER_TURN) {
            tokio::task::yield_now().await;
        }
    }
    Ok(all)
}

/// Checks that the database answers.
pub async fn ping_database(pool: &PgPool) -> Result<(), DbError> {
    sqlx::query("select 1").execute(pool).await?;
    Ok(())
}
