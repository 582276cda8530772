//! Connections of a pool: how they are opened and tested, and what becomes of one that returns.
//!
//! ```text
//! idle --named after the company, if its last user had another one--> in use --dropped--> idle
//!         tested if it was idle for a second                             |
//!                              cut off, or a transaction is open: a task reads and rolls back what is left --> idle
//!
//! Whatever fails on the way, and whatever is old: closed, and another one is taken.
//! ```

use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

use deadpool::managed::{Manager, Metrics, Object, RecycleError, RecycleResult};
use futures_util::FutureExt;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};

use crate::db::row_level_security::{ALL_COMPANIES_NAME, build_application_name};

/// How long a connection that returns may take to end what was cut off. If it takes longer, it is closed.
const CLEANUP_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection that was idle for longer is tested before it is used: Postgres may have been restarted.
const TRUSTED_IDLE_TIME: Duration = Duration::from_secs(1);

/// Older connections are replaced: the memory of a Postgres process and its caches of plans grow with time.
const MAX_AGE: Duration = Duration::from_secs(30 * 60);

/// How long to wait before a server that does not accept connections is asked again; doubled each time.
const FIRST_RETRY_PAUSE: Duration = Duration::from_millis(10);
const MAX_RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Whose rows the connections of a pool see.
#[derive(Clone, Copy, Debug)]
pub(super) enum RowScope {
    /// Those of the company that the task acts for when it acquires the connection.
    ActingCompany,
    AllCompanies,
}

impl RowScope {
    /// The application name for a connection of this task.
    pub(super) fn build_name(self) -> String {
        match self {
            Self::ActingCompany => build_application_name(),
            Self::AllCompanies => ALL_COMPANIES_NAME.to_owned(),
        }
    }
}

/// Opens the connections of a pool.
#[derive(Debug)]
pub(super) struct Connector {
    pub(super) options: PgConnectOptions,
    pub(super) scope: RowScope,
    /// Statements that each connection begins with.
    pub(super) settings: &'static str,
}

/// An open connection, and what its pool has to know of it.
#[derive(Debug)]
pub(super) struct OpenConnection {
    connection: PgConnection,
    /// Its application name.
    name: String,
    idle_since: Instant,
    /// Whether a transaction is open, or may be: the answer to `begin` or `commit` has not been read.
    in_transaction: bool,
}

impl OpenConnection {
    /// Reads the answers that somebody has not waited for, and rolls back. May be cut off itself, and tried again.
    async fn end_what_is_left(&mut self) -> Result<(), sqlx::Error> {
        self.connection.flush().await?;
        if self.in_transaction {
            self.connection.execute("rollback").await?;
            self.in_transaction = false;
        }
        self.idle_since = Instant::now();
        Ok(())
    }
}

impl Manager for Connector {
    type Type = OpenConnection;
    type Error = sqlx::Error;

    async fn create(&self) -> Result<OpenConnection, sqlx::Error> {
        let name = self.scope.build_name();
        let mut connection = connect_patiently(&self.options.clone().application_name(&name)).await?;
        if !self.settings.is_empty() {
            connection.execute(self.settings).await?;
        }
        Ok(OpenConnection { connection, name, idle_since: Instant::now(), in_transaction: false })
    }

    async fn recycle(&self, open: &mut OpenConnection, metrics: &Metrics) -> RecycleResult<sqlx::Error> {
        if metrics.age() > MAX_AGE {
            return Err(RecycleError::message("the connection is old"));
        }
        let name = self.scope.build_name();
        let prepared = async {
            if open.name != name {
                // The name has letters, digits, slashes and hyphens.
                let sql = format!("set application_name = '{name}'");
                open.connection.execute(AssertSqlSafe(sql)).await?;
                open.name = name;
            } else if open.idle_since.elapsed() > TRUSTED_IDLE_TIME {
                open.connection.ping().await?;
            }
            Ok(())
        };
        match timeout(CLEANUP_TIMEOUT, prepared).await {
            Ok(prepared) => prepared.map_err(RecycleError::Backend),
            Err(_) => Err(RecycleError::message("the connection does not answer")),
        }
    }
}

/// Connects, and waits for a server that is starting, is full or does not listen yet, as long as the caller waits.
async fn connect_patiently(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    let mut pause = FIRST_RETRY_PAUSE;
    loop {
        match PgConnection::connect_with(options).await {
            Err(sqlx::Error::Io(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {}
            Err(sqlx::Error::Database(error)) if error.is_transient_in_connect_phase() => {}
            result => return result,
        }
        sleep(pause).await;
        pause = (pause * 2).min(MAX_RETRY_PAUSE);
    }
}

/// A connection that is in use. When it is dropped it returns to its pool: at once, without a round trip, unless its user was
/// cut off while he waited for an answer.
#[derive(Debug)]
pub struct PooledConnection(Option<Object<Connector>>);

impl PooledConnection {
    pub(super) fn new(object: Object<Connector>) -> Self {
        Self(Some(object))
    }

    fn open(&self) -> &OpenConnection {
        match &self.0 {
            Some(open) => open,
            None => unreachable!("only `drop` takes it"),
        }
    }

    fn open_mut(&mut self) -> &mut OpenConnection {
        match &mut self.0 {
            Some(open) => open,
            None => unreachable!("only `drop` takes it"),
        }
    }

    pub(super) async fn begin_transaction(&mut self) -> Result<(), sqlx::Error> {
        let open = self.open_mut();
        open.in_transaction = true;
        open.connection.execute("begin").await.map(drop)
    }

    /// Ends a transaction: `commit` or `rollback`.
    pub(super) async fn end_transaction(&mut self, statement: &'static str) -> Result<(), sqlx::Error> {
        let open = self.open_mut();
        open.connection.execute(statement).await?;
        open.in_transaction = false;
        Ok(())
    }
}

impl Deref for PooledConnection {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.open().connection
    }
}

impl DerefMut for PooledConnection {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.open_mut().connection
    }
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        let Some(mut object) = self.0.take() else { return };
        // Nothing is left after a query that has ended, and so there is nothing to wait for.
        match object.end_what_is_left().now_or_never() {
            Some(Ok(())) => {}
            Some(Err(_)) => close_connection(object),
            None => match Handle::try_current() {
                Ok(runtime) => drop(runtime.spawn(clean_up(object))),
                Err(_) => close_connection(object),
            },
        }
    }
}

/// Returns a connection to its pool when nothing is left of what was cut off. Until then it counts as in use, because the server
/// works for it.
async fn clean_up(mut object: Object<Connector>) {
    match timeout(CLEANUP_TIMEOUT, object.end_what_is_left()).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) | Err(_) => close_connection(object),
    }
}

/// Closes a connection; its pool may open another one.
fn close_connection(object: Object<Connector>) {
    drop(Object::take(object));
}
