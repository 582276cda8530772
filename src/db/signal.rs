//! Signals between the processes of one service, over NOTIFY and LISTEN. They carry no facts: whoever hears one looks
//! at the tables.
//!
//! They are sent after the commit that they speak of, in a transaction of their own: Postgres commits those that notify
//! one after the other, and settling shall not wait in that line.

use sqlx::postgres::PgListener;

use crate::db::{Error, PgPool};
use crate::id::{JobId, KeyId, WorkerId};

/// The channel. Each database has its own.
pub(super) const CHANNEL: &str = "offprint";

/// What a process tells the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// There may be work.
    Work,
    /// A job has changed.
    News,
    /// Somebody gave this job an order, or deleted it.
    Order(JobId),
    /// This key was revoked. Sent with the statement that did it: it is rare, and must not be forgotten.
    Key(KeyId),
    /// Nothing: the sender wants to hear itself.
    Test(WorkerId),
}

impl Signal {
    /// Sends it to every process that listens, this one too.
    pub async fn send(self, pool: &PgPool) -> Result<(), Error> {
        sqlx::query("select pg_notify($1, $2)").bind(CHANNEL).bind(self.to_string()).execute(pool).await?;
        Ok(())
    }

    /// Reads what was sent; none for what a newer version may say.
    fn read(said: &str) -> Option<Self> {
        match said.split_once(' ') {
            None if said == "work" => Some(Self::Work),
            None if said == "news" => Some(Self::News),
            Some(("order", job)) => job.parse().ok().map(Self::Order),
            Some(("key", key)) => key.parse().ok().map(Self::Key),
            Some(("test", worker)) => worker.parse().ok().map(Self::Test),
            _ => None,
        }
    }
}

impl std::fmt::Display for Signal {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Work => out.write_str("work"),
            Self::News => out.write_str("news"),
            Self::Order(job) => write!(out, "order {job}"),
            Self::Key(key) => write!(out, "key {key}"),
            Self::Test(worker) => write!(out, "test {worker}"),
        }
    }
}

/// A connection that listens.
pub struct Listener(PgListener);

impl Listener {
    /// Listens from this moment on, on a connection of the pool that is kept.
    pub async fn open(pool: &PgPool) -> Result<Self, Error> {
        let mut listener = PgListener::connect_with(pool).await?;
        // A lost connection is told, not mended behind our back: what was said meanwhile is lost.
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await?;
        Ok(Self(listener))
    }

    /// Waits for the next signal.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn hear(&mut self) -> Result<Signal, Error> {
        loop {
            let Some(said) = self.0.try_recv().await? else {
                return Err(Error::Down(sqlx::Error::PoolClosed));
            };
            if let Some(signal) = Signal::read(said.payload()) {
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
        let (order, key) = (Signal::Order(JobId::new()), Signal::Key(KeyId::new()));
        for signal in [Signal::Work, Signal::News, order, key, Signal::Test(WorkerId::new())] {
            assert_eq!(Signal::read(&signal.to_string()), Some(signal));
        }
        for other in ["", "holiday", "order", "order 7", "work now"] {
            assert_eq!(Signal::read(other), None, "{other}");
        }
    }
}
