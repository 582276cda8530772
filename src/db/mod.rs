//! Postgres: the only room that speaks SQL; a row type beside its queries.
//!
//! Locks are taken in the order company, job, item. Time that decides anything is the database's.

pub mod api_key;
pub mod archive;
pub mod asset;
pub mod attempt;
pub mod audit;
pub mod blob;
pub mod capability;
pub use offprint_embedded_postgres as cluster;
pub mod company;
pub mod creation;
pub mod entry;
pub mod event;
pub mod idempotency;
pub mod image_preset;
pub mod item;
pub mod job;
pub mod key_ring;
pub mod limits;
pub mod link;
pub mod notice;
mod optional_digest;
pub mod orders;
pub mod ready;
pub mod retention;
pub mod schedule;
pub mod seal;
pub mod settle;
pub mod signal;
pub mod tables;
pub mod upload;
pub mod usage;
pub mod vocabulary;
pub mod wall;
pub mod watch;
pub mod webhook;
pub mod webhook_secret;
pub mod worker;

use std::io;
use std::time::Duration;

use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

pub use sqlx::PgPool;
pub use tables::migrate;
use tokio::time::timeout;

/// A connection inside a transaction, as the queries take it.
pub type Connection = sqlx::PgConnection;

/// Why the database did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such row, or not one of this company.
    #[error("there is no such {0}")]
    Missing(&'static str),
    /// A unique name is in use.
    #[error("{0} is in use")]
    Taken(&'static str),
    /// A job is in a state that does not allow the order.
    #[error("the job is {is}")]
    Refused {
        /// The state it is in, as it is shown.
        is: String,
        /// The orders that this state allows.
        allowed: Vec<&'static str>,
    },
    /// The server does not answer, or ended the conversation.
    #[error("the database cannot be reached: {0}")]
    Down(#[source] sqlx::Error),
    /// A statement that should have worked did not.
    #[error("a query failed: {0}")]
    Bug(#[source] sqlx::Error),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match error {
            // A conversation that is cut can look like one in another language: an answer of zeros when it was just begun.
            sqlx::Error::Io(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_) => Self::Down(error),
            sqlx::Error::Database(ref said) if is_passing(said.code().as_deref()) => Self::Down(error),
            _ => Self::Bug(error),
        }
    }
}

/// Whether a later try may work: the server goes down or comes up, is full, or ended a deadlock.
fn is_passing(sqlstate: Option<&str>) -> bool {
    sqlstate.is_some_and(|code| {
        code.starts_with("57P") || code.starts_with("53") || code.starts_with("08") || code.starts_with("40")
    })
}

/// How long an answer may take. After that the line is taken for dead, whatever the network says of it: a pooler or a
/// firewall that vanished may keep a connection open for ever.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a connection that is given back may take to show that it lives.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);

/// Waits for an answer, but not for ever.
///
/// # Errors
/// [`Error::Down`] when there is none. What was asked may still be done, as after any broken line.
pub async fn patiently<T>(answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    timeout(PATIENCE, answer).await.unwrap_or_else(|_| Err(Error::Down(silent())))
}

fn silent() -> sqlx::Error {
    io::Error::new(io::ErrorKind::TimedOut, "it does not answer").into()
}

/// A pool of at most `connections` connections for requests: each sees the company that [`wall::acting_for`] names, and
/// nothing where none is named. One that nobody waits for any more is closed when it stays silent, so that its place is
/// free.
pub fn pool(options: PgConnectOptions, connections: u32) -> PgPool {
    wall::of_companies(places(connections), options)
}

/// A pool for the service's own work, which is for all companies: queue, sweep, keys, migrations. A connection is not
/// tried before each use: a query on a dead one fails as [`Error::Down`] and the next one gets a new connection.
pub fn system(options: PgConnectOptions, connections: u32) -> PgPool {
    wall::of_the_service(places(connections), options)
}

fn places(connections: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(10))
        .test_before_acquire(false)
        .after_release(|connection, _| {
            Box::pin(async move {
                timeout(SIGN_OF_LIFE, connection.ping()).await.unwrap_or_else(|_| Err(silent())).map(|()| true)
            })
        })
}

/// Whether the database answers.
pub async fn ping(pool: &PgPool) -> Result<(), Error> {
    sqlx::query("select 1").execute(pool).await?;
    Ok(())
}
