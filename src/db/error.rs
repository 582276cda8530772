//! Why a query did not work.

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
