//! Pools of connections, for requests and for the service's own work, and how long their queries may take.
//!
//! A pool of sqlx tests each connection when it returns, and cannot tell its connections apart, so each statement took three
//! round trips: one to name the company, one of its own, one for the test (`docs/decisions` number 84).

use std::io;
use std::time::Duration;

use deadpool::managed::{Pool, PoolConfig, PoolError, QueueMode};
use futures_util::TryStreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use sqlx::postgres::{PgConnectOptions, PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{Describe, Either, Execute, Executor, Postgres, SqlStr};
use tokio::time::timeout;

use crate::db::DbError;
use crate::db::connection::{Connector, PooledConnection, RowScope};
use crate::db::transaction::Transaction;

/// How long a query may take. After that the connection counts as dead, even if the network reports no error: behind a
/// pooler or firewall that disappeared, a connection can stay open for ever.
const QUERY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long to wait for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// Waits for a query, but at most `QUERY_TIMEOUT`.
///
/// # Errors
/// [`DbError::Unreachable`] when there is no answer in time. The statement may still have been executed, as with any
/// broken connection, so callers must be able to repeat it.
pub async fn with_query_timeout<T>(query: impl Future<Output = Result<T, DbError>>) -> Result<T, DbError> {
    timeout(QUERY_TIMEOUT, query).await.unwrap_or_else(|_| {
        let error = io::Error::new(io::ErrorKind::TimedOut, "no answer in time");
        Err(DbError::Unreachable(error.into()))
    })
}

/// Opens a pool of at most `connections` connections for requests. A connection sees the rows of the company that
/// [`run_as_company`](super::row_level_security::run_as_company) names for the task that acquires it, and no rows outside
/// of it. It remembers the company: only a change is told to the server.
pub fn open_request_pool(options: PgConnectOptions, connections: u32) -> PgPool {
    PgPool::new(Connector { options, scope: RowScope::ActingCompany, settings: "" }, connections)
}

/// Opens a pool for the service's own work, which concerns all companies: queue, sweep, API keys, migrations.
pub fn open_system_pool(options: PgConnectOptions, connections: u32) -> PgPool {
    PgPool::new(Connector { options, scope: RowScope::AllCompanies, settings: "" }, connections)
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
    PgPool::new(Connector { options, scope: RowScope::AllCompanies, settings }, connections)
}

/// A pool of connections, which are opened when they are needed. Its clones share them.
///
/// After a query that was cut off, a connection is used again when the server has ended it, and closed when that takes too
/// long. A query may fail as [`DbError::Unreachable`] on a connection that has just died; the next one gets another.
#[derive(Clone, Debug)]
pub struct PgPool(Pool<Connector>);

impl PgPool {
    fn new(connector: Connector, connections: u32) -> Self {
        let mut config = PoolConfig::new(connections as usize);
        // The last one used: it has the company, the plans and the memory that are likely to be needed.
        config.queue_mode = QueueMode::Lifo;
        // It fails when it is told time-outs without a runtime.
        match Pool::builder(connector).config(config).build() {
            Ok(pool) => Self(pool),
            Err(error) => unreachable!("a pool without time-outs: {error}"),
        }
    }

    /// Where the connections lead.
    pub fn connect_options(&self) -> &PgConnectOptions {
        &self.0.manager().options
    }

    /// How many connections it has at most.
    pub fn max_connections(&self) -> usize {
        self.0.status().max_size
    }

    /// Waits for a connection.
    ///
    /// # Errors
    /// [`sqlx::Error::PoolTimedOut`] after ten seconds, in which a server that is starting or full is asked again and again.
    pub async fn acquire(&self) -> Result<PooledConnection, sqlx::Error> {
        // In a box: a future that may have to connect is large, and every query of a request holds one.
        match Box::pin(timeout(ACQUIRE_TIMEOUT, self.0.get())).await {
            Ok(Ok(object)) => Ok(PooledConnection::new(object)),
            Ok(Err(PoolError::Backend(error))) => Err(error),
            Ok(Err(PoolError::Closed)) => Err(sqlx::Error::PoolClosed),
            // It has no time-outs and hooks.
            Ok(Err(PoolError::Timeout(_) | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_))) | Err(_) => {
                Err(sqlx::Error::PoolTimedOut)
            }
        }
    }

    /// Begins a transaction on a connection of its own.
    ///
    /// # Errors
    /// Those of [`acquire`](Self::acquire), and when the server does not begin one.
    pub async fn begin(&self) -> Result<Transaction, sqlx::Error> {
        Transaction::begin(self.acquire().await?).await
    }

    /// Closes what is idle, and the rest when it returns. No connection can be acquired any more.
    pub fn close(&self) {
        self.0.close();
    }
}

/// Executes a query on any connection.
impl<'p> Executor<'p> for &PgPool {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, sqlx::Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let pool = self.clone();
        Box::pin(async_stream::try_stream! {
            let mut connection = pool.acquire().await?;
            let mut results = connection.fetch_many(query);
            while let Some(result) = results.try_next().await? {
                yield result;
            }
        })
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, sqlx::Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let pool = self.clone();
        Box::pin(async move { pool.acquire().await?.fetch_optional(query).await })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, sqlx::Error>>
    where
        'p: 'e,
    {
        let pool = self.clone();
        Box::pin(async move { pool.acquire().await?.prepare_with(sql, parameters).await })
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, sqlx::Error>>
    where
        'p: 'e,
    {
        let pool = self.clone();
        Box::pin(async move { pool.acquire().await?.describe(sql).await })
    }
}
