//! The state machine of a job: which order is allowed in which state. Drawn in `docs/ARCHITECTURE.md`.

use crate::db::vocabulary::JobState;

/// What can be told to a job that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobOrder {
    /// Begin nothing new; what runs ends.
    Pause,
    /// Go on.
    Resume,
    /// End now; finished files stay.
    Stop,
    /// Begin a scheduled job now.
    Run,
    /// Do the failed items again.
    Retry,
}

impl JobOrder {
    /// All of them, in the order in which they are listed to people.
    pub const ALL: [Self; 5] = [Self::Pause, Self::Resume, Self::Stop, Self::Run, Self::Retry];

    /// The last word of the order's address.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Stop => "stop",
            Self::Run => "run",
            Self::Retry => "retry",
        }
    }

    /// The states in which it is allowed.
    pub fn from(self) -> &'static [JobState] {
        match self {
            Self::Pause => &[JobState::Active],
            Self::Resume => &[JobState::Paused],
            Self::Stop => &[JobState::Scheduled, JobState::Active, JobState::Paused],
            Self::Run => &[JobState::Scheduled],
            Self::Retry => &[JobState::Finished],
        }
    }

    /// The orders that a state allows, by name.
    pub fn allowed(state: JobState) -> Vec<&'static str> {
        Self::ALL.into_iter().filter(|order| order.from().contains(&state)).map(Self::name).collect()
    }
}
