//! Bells: how those who wait are woken. What is true stands in the database; a ring only says that it is time to look.

use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::sync::broadcast::{Receiver, Sender, channel, error::RecvError};
use tokio::sync::futures::OwnedNotified;

use crate::id::JobId;

/// Wakes those who wait, here and in the other processes. It may ring for nothing, and a ring may be lost on its way.
#[derive(Clone, Default)]
pub struct Bell {
    here: Arc<Notify>,
    /// Holds one ring until it is carried to the other processes: many rings at once are carried as one.
    away: Arc<Notify>,
}

impl Bell {
    /// Wakes everyone who listens now, in every process.
    pub fn ring(&self) {
        self.ring_here();
        self.away.notify_one();
    }

    /// Wakes everyone who listens now in this process.
    pub fn ring_here(&self) {
        self.here.notify_waiters();
    }

    /// Listens from this moment on: look at the database after calling this, then wait, and no ring is lost.
    pub fn listen(&self) -> Pin<Box<OwnedNotified>> {
        let mut listening = Box::pin(self.here.clone().notified_owned());
        listening.as_mut().enable();
        listening
    }

    /// Waits for a ring that is to be carried to the other processes.
    pub(super) async fn rung(&self) {
        self.away.notified().await;
    }
}

/// Tells those who work on a job that an order came in: look at the job now, not with the next beat.
#[derive(Clone)]
pub struct Orders {
    here: Sender<JobId>,
    away: Sender<JobId>,
}

impl Default for Orders {
    fn default() -> Self {
        // Whoever falls behind by so many orders looks at its job as if each had been meant.
        Self { here: channel(64).0, away: channel(64).0 }
    }
}

impl Orders {
    /// Tells everyone who works on the job, in every process.
    pub fn tell(&self, job: JobId) {
        self.tell_here(job);
        // Nobody carries in a process that is closing; the beat brings the order then.
        let _ = self.away.send(job);
    }

    /// Tells everyone who works on the job in this process.
    pub fn tell_here(&self, job: JobId) {
        let _ = self.here.send(job);
    }

    /// Listens from this moment on.
    pub fn listen(&self) -> Told {
        Told(self.here.subscribe())
    }

    /// Orders that are to be carried to the other processes.
    pub(super) fn outgoing(&self) -> Receiver<JobId> {
        self.away.subscribe()
    }
}

/// Somebody who listens to orders.
pub struct Told(Receiver<JobId>);

impl Told {
    /// Comes when an order for this job may have come in.
    pub async fn of(&mut self, job: JobId) {
        loop {
            match self.0.recv().await {
                Ok(told) if told == job => return,
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => return,
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}
