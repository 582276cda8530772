//! How far a job is, in words, an icon and a number.

use crate::db::enums::{FileState, Outcome, ShownState};
use crate::db::job::JobRow;
use crate::http::pages::frame::Icon;
use crate::i18n::{Language, MessageArg};

/// The state of the job or file.
pub(in crate::http) struct PageStatus {
    pub(in crate::http) icon: Icon,
    pub(in crate::http) word: String,
    /// A sentence about it.
    pub(in crate::http) text: String,
    /// While it runs: whole percent.
    pub(in crate::http) percent: Option<i32>,
}

impl PageStatus {
    pub(in crate::http) fn for_job(language: &Language, job: &JobRow) -> Self {
        let Some(outcome) = job.outcome.filter(|_| job.shown_state() == ShownState::Finished) else {
            return Self::for_unfinished(language, job);
        };
        let (icon, word) = describe_outcome(language, outcome);
        let arguments: [(&str, MessageArg<'_>); 3] = [
            ("total", i64::from(job.total).into()),
            ("failed", i64::from(job.failed).into()),
            ("warnings", i64::from(job.warned).into()),
        ];
        let text = language.format(&format!("page-outcome-{}-text", outcome.name()), &arguments);
        Self { icon, word, text, percent: None }
    }

    /// The state of a single file of a job.
    pub(in crate::http) fn for_file(language: &Language, job: &JobRow, state: FileState) -> Self {
        let ended = |icon, name: &str| Self {
            icon,
            word: language.format(name, &[]),
            text: language.format(&format!("{name}-text"), &[]),
            percent: None,
        };
        match state {
            FileState::Waiting => Self::for_unfinished(language, job),
            FileState::Ready => ended(Icon::Done, "page-file-ready"),
            FileState::Absent => ended(Icon::Failed, "page-file-absent"),
        }
    }

    fn for_unfinished(language: &Language, job: &JobRow) -> Self {
        let (icon, word) = describe_state(language, job.shown_state());
        Self { icon, word, text: format_progress(language, job), percent: Some(job.percent()) }
    }
}

/// Icon and word of a state. A finished job has those of its outcome.
pub(in crate::http) fn describe_state(language: &Language, state: ShownState) -> (Icon, String) {
    let icon = match state {
        ShownState::Running | ShownState::Stopping | ShownState::Finished => Icon::Running,
        ShownState::Scheduled | ShownState::Queued | ShownState::Paused => Icon::Waiting,
    };
    (icon, language.format(name_state(state), &[]))
}

/// Icon and word of an outcome.
pub(in crate::http) fn describe_outcome(language: &Language, outcome: Outcome) -> (Icon, String) {
    let icon = match outcome {
        Outcome::Succeeded => Icon::Done,
        Outcome::SucceededWithWarnings | Outcome::PartiallyFailed => Icon::Warning,
        Outcome::Failed | Outcome::Stopped => Icon::Failed,
    };
    (icon, language.format(&format!("page-outcome-{}", outcome.name()), &[]))
}

fn name_state(state: ShownState) -> &'static str {
    match state {
        ShownState::Scheduled => "page-state-scheduled",
        ShownState::Queued => "page-state-queued",
        ShownState::Running => "page-state-running",
        ShownState::Paused => "page-state-paused",
        ShownState::Stopping => "page-state-stopping",
        ShownState::Finished => "page-state-finishing",
    }
}

/// How far an unfinished job is, as a sentence.
fn format_progress(language: &Language, job: &JobRow) -> String {
    match (job.shown_state(), job.exec_time) {
        (ShownState::Scheduled, Some(at)) => {
            language.format("page-progress-scheduled", &[("time", (&language.format_time(at)).into())])
        }
        _ => {
            let counts = [("done", i64::from(job.count_ended()).into()), ("total", i64::from(job.total).into())];
            let done = language.format("page-progress", &counts);
            match job.eta_seconds() {
                Some(seconds) => format!("{done} {}", format_eta(language, seconds)),
                None => done,
            }
        }
    }
}

/// How long the rest takes, as a sentence.
pub(in crate::http) fn format_eta(language: &Language, seconds: i64) -> String {
    match seconds {
        ..90 => language.format("page-eta-soon", &[]),
        _ => language.format("page-eta", &[("minutes", ((seconds + 30) / 60).into())]),
    }
}
