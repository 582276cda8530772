//! What the kinds of tasks report: how an attempt went, and what is to be written with the settle.

use std::time::Duration;

use crate::db::seal::Seal;
use crate::reason::Reason;
use crate::worker::import::BatchEnd;

/// How an attempt went.
#[derive(Clone, Debug)]
pub(super) enum AttemptResult {
    Done,
    /// The world is the cause, for this reason: another try may work.
    Retry(String),
    /// Every further try would fail as well, for this reason.
    Failed(String),
    /// The service shuts down.
    GivenBack,
    /// A part is done, the rest is to be done next.
    GoesOn,
}

/// What is written together with the settle of a task, if the task is still the worker's.
#[derive(Debug)]
pub(super) enum Effect {
    Nothing,
    /// The run has its archive: the job is finished.
    FinishJob(Box<Seal>),
    /// The archive could not be written: the job's log says so.
    LogSealFailure(Reason),
    /// The source of an import has been listed: completely, or not, for this reason.
    EndListing(Option<Reason>),
    /// Files of an import were brought.
    EndImportBatch(Box<BatchEnd>),
}

/// An attempt that has ended.
#[derive(Debug)]
pub(super) struct Performed {
    pub(super) result: AttemptResult,
    /// What the other side answered, such as an HTTP status.
    pub(super) status: Option<u16>,
    /// Time until the other side answered or failed.
    pub(super) latency: Option<Duration>,
    /// More than the task's owner is told, for the log.
    pub(super) cause: Option<String>,
    pub(super) effect: Effect,
}

impl Performed {
    pub(super) fn new(result: AttemptResult, effect: Effect) -> Self {
        Self { result, status: None, latency: None, cause: None, effect }
    }
}

impl From<AttemptResult> for Performed {
    fn from(result: AttemptResult) -> Self {
        Self::new(result, Effect::Nothing)
    }
}
