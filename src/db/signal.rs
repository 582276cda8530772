//! Signals between the processes of one service, over NOTIFY and LISTEN. They carry no facts: a process that receives
//! one looks at the tables. So a lost signal costs time, never correctness.
//!
//! A signal is sent after the commit that it announces, in a transaction of its own: Postgres lets transactions with
//! NOTIFY commit only one after the other, and settles must not queue for that.

use sqlx::postgres::{PgListener, PgPoolOptions};

use crate::db::row_level_security::ALL_COMPANIES_NAME;
use crate::db::{DbError, PgPool};
use crate::id::{JobId, KeyId, WorkerId};

/// The channel of LISTEN and NOTIFY, which belongs to the database.
pub(super) const SIGNAL_CHANNEL: &str = "offprint";

/// What a process tells the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// There may be work.
    WorkAvailable,
    /// Some job has changed.
    JobsChanged,
    /// This job got a job action or was deleted.
    ActionRequested(JobId),
    /// This API key was revoked. Sent in the transaction of the revocation, because it is rare and must not be lost.
    KeyRevoked(KeyId),
    /// Sent by a process to itself, to test whether signals arrive.
    Probe(WorkerId),
}

impl Signal {
    /// Sends it to every listening process, including this one.
    pub async fn send(self, pool: &PgPool) -> Result<(), DbError> {
        sqlx::query("select pg_notify($1, $2)").bind(SIGNAL_CHANNEL).bind(self.to_string()).execute(pool).await?;
        Ok(())
    }

    /// Parses a payload; none for one that only a newer version knows.
    fn parse(payload: &str) -> Option<Self> {
        match payload.split_once(' ') {
            None if payload == "work" => Some(Self::WorkAvailable),
            None if payload == "news" => Some(Self::JobsChanged),
            Some(("order", job)) => job.parse().ok().map(Self::ActionRequested),
            Some(("key", key)) => key.parse().ok().map(Self::KeyRevoked),
            Some(("test", worker)) => worker.parse().ok().map(Self::Probe),
            _ => None,
        }
    }
}

impl std::fmt::Display for Signal {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::WorkAvailable => out.write_str("work"),
            Self::JobsChanged => out.write_str("news"),
            Self::ActionRequested(job) => write!(out, "order {job}"),
            Self::KeyRevoked(key) => write!(out, "key {key}"),
            Self::Probe(worker) => write!(out, "test {worker}"),
        }
    }
}

/// A connection that listens.
pub struct SignalListener(PgListener);

impl SignalListener {
    /// Listens from this moment on, on a connection of its own to the database of the pool.
    pub async fn open(pool: &PgPool) -> Result<Self, DbError> {
        let options = pool.connect_options().clone().application_name(ALL_COMPANIES_NAME);
        let listening = PgPoolOptions::new().max_connections(1).connect_lazy_with(options);
        let mut listener = PgListener::connect_with(&listening).await?;
        // A lost connection must be reported instead of silently replaced: the signals in between are lost.
        listener.eager_reconnect(false);
        listener.listen(SIGNAL_CHANNEL).await?;
        Ok(Self(listener))
    }

    /// Waits for the next signal.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn recv(&mut self) -> Result<Signal, DbError> {
        loop {
            let Some(notification) = self.0.try_recv().await? else {
                return Err(DbError::Unreachable(sqlx::Error::PoolClosed));
            };
            if let Some(signal) = Signal::parse(notification.payload()) {
                return Ok(signal);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_read_as_they_were_sent_and_others_are_passed_over() {
        let (action, key) = (Signal::ActionRequested(JobId::new()), Signal::KeyRevoked(KeyId::new()));
        for signal in [Signal::WorkAvailable, Signal::JobsChanged, action, key, Signal::Probe(WorkerId::new())] {
            assert_eq!(Signal::parse(&signal.to_string()), Some(signal));
        }
        for other in ["", "holiday", "order", "order 7", "work now"] {
            assert_eq!(Signal::parse(other), None, "{other}");
        }
    }
}
