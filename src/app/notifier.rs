//! Notifiers: wake the tasks that wait for work or for changes. They carry no facts; a task that is woken looks at the
//! database. Every waiter also has a timeout, so a lost notification costs time, never correctness.

use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::sync::broadcast::{Receiver, Sender, channel, error::RecvError};
use tokio::sync::futures::OwnedNotified;

use crate::id::JobId;

/// Wakes waiting tasks in this process and, through [`super::signal_relay`], in the others. It may notify for nothing,
/// and a notification may be lost on its way.
#[derive(Clone, Default)]
pub struct Notifier {
    local: Arc<Notify>,
    /// Holds at most one notification for the other processes, so that many at once are sent as one.
    remote: Arc<Notify>,
}

impl Notifier {
    /// Wakes everyone who listens now, in every process.
    pub fn notify(&self) {
        self.notify_local();
        self.remote.notify_one();
    }

    /// Wakes everyone who listens now in this process.
    pub fn notify_local(&self) {
        self.local.notify_waiters();
    }

    /// Listens from this moment on. Look at the database after calling this, then wait: no notification is missed.
    pub fn listen(&self) -> Pin<Box<OwnedNotified>> {
        let mut listening = Box::pin(self.local.clone().notified_owned());
        listening.as_mut().enable();
        listening
    }

    /// Waits for a notification to send to the other processes.
    pub(super) async fn wait_for_outgoing(&self) {
        self.remote.notified().await;
    }
}

/// Tells the workers on a job that it got a job action: renew the lease now, which says what to do, instead of with the
/// next heartbeat.
#[derive(Clone)]
pub struct JobSignals {
    local: Sender<JobId>,
    remote: Sender<JobId>,
}

impl Default for JobSignals {
    fn default() -> Self {
        // A receiver that falls behind by this many checks its job, as if one of them had been meant for it.
        Self { local: channel(64).0, remote: channel(64).0 }
    }
}

impl JobSignals {
    /// Tells the workers on the job, in every process.
    pub fn send(&self, job: JobId) {
        self.send_local(job);
        // While the process shuts down nobody relays; then the next heartbeat brings the job action.
        let _ = self.remote.send(job);
    }

    /// Tells the workers on the job in this process.
    pub fn send_local(&self, job: JobId) {
        let _ = self.local.send(job);
    }

    /// Listens from this moment on.
    pub fn listen(&self) -> JobSignalReceiver {
        JobSignalReceiver(self.local.subscribe())
    }

    /// The job actions to send to the other processes.
    pub(super) fn subscribe_outgoing(&self) -> Receiver<JobId> {
        self.remote.subscribe()
    }
}

/// Receives job actions.
pub struct JobSignalReceiver(Receiver<JobId>);

impl JobSignalReceiver {
    /// Waits until this job may have got a job action.
    pub async fn wait_for(&mut self, job: JobId) {
        loop {
            match self.0.recv().await {
                Ok(changed) if changed == job => return,
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => return,
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}
