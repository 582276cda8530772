//! The state machine of a job: which job action is allowed in which state. Drawn in `docs/ARCHITECTURE.md`.

use crate::db::enums::JobState;

/// What can be done with an existing job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobAction {
    /// Start no more items; those in progress finish.
    Pause,
    /// Continue a paused job.
    Resume,
    /// End the job now; finished files stay.
    Stop,
    /// Start a scheduled job now.
    Run,
    /// Process the failed items again.
    Retry,
}

impl JobAction {
    /// All actions, in the order in which they are shown.
    pub const ALL: [Self; 5] = [Self::Pause, Self::Resume, Self::Stop, Self::Run, Self::Retry];

    /// The last segment of the action's path.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Stop => "stop",
            Self::Run => "run",
            Self::Retry => "retry",
        }
    }

    /// The state that the action leads to, and its event; none for a retry, which changes more than the state.
    pub fn find_change(self) -> Option<(JobState, &'static str)> {
        match self {
            Self::Pause => Some((JobState::Paused, "exportPaused")),
            Self::Resume => Some((JobState::Active, "exportResumed")),
            Self::Stop => Some((JobState::Stopping, "stopRequested")),
            Self::Run => Some((JobState::Active, "runRequested")),
            Self::Retry => None,
        }
    }

    /// The states in which the action is allowed.
    pub fn allowed_states(self) -> &'static [JobState] {
        match self {
            Self::Pause => &[JobState::Scheduled, JobState::Active],
            Self::Resume => &[JobState::Paused],
            Self::Stop => &[JobState::Scheduled, JobState::Active, JobState::Paused],
            Self::Run => &[JobState::Scheduled],
            Self::Retry => &[JobState::Finished],
        }
    }

    /// The names of the actions that a state allows.
    pub fn names_allowed_in(state: JobState) -> Vec<&'static str> {
        Self::ALL.into_iter().filter(|action| action.allowed_states().contains(&state)).map(Self::name).collect()
    }
}
