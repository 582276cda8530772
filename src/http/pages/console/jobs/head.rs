//! What stands above the tabs of a job: state, progress, numbers, and what can be done now.

use offprint_core::Code;
use serde_json::json;

use crate::app::AppState;
use crate::db::company;
use crate::db::enums::{JobState, Outcome, ShownState};
use crate::db::job::JobRow;
use crate::http::address::write_address;
use crate::http::pages::console::frame::ConsoleFrame;
use crate::http::pages::console::jobs::remark::Remark;
use crate::http::pages::frame::{Icon, PageTime};
use crate::http::pages::job_status::{PageStatus, describe_outcome, describe_state};
use crate::http::problem::Problem;
use crate::http::resources::export_jobs::files;
use crate::i18n::{Language, MessageArg};
use crate::id::JobId;
use crate::jobs::JobAction;

/// The head of a job's page.
pub(super) struct JobHead {
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) status: PageStatus,
    /// `scheduled`, `queued` …, for the script.
    pub(super) state: &'static str,
    pub(super) percent: i32,
    pub(super) progress: String,
    pub(super) numbers: Vec<JobNumber>,
    pub(super) owner: Option<String>,
    /// Times with the names of their messages.
    pub(super) times: Vec<(&'static str, PageTime)>,
    pub(super) remarks: Vec<Remark>,
    pub(super) actions: Vec<ActionButton>,
    /// Address of the form that starts the failed items again.
    pub(super) retry: Option<String>,
    /// Address of the form that deletes the job.
    pub(super) delete: Option<String>,
    pub(super) download: Option<JobDownload>,
    pub(super) tabs: Vec<TabLink>,
    /// Address of the live events, while there are any to come.
    pub(super) events: Option<String>,
    /// Words and icons of all states, and sentences with places for numbers, for the script.
    pub(super) words: String,
}

/// A number that changes while the job runs.
pub(super) struct JobNumber {
    /// What the script knows it by.
    pub(super) name: &'static str,
    pub(super) label: String,
    pub(super) value: String,
}

pub(super) struct ActionButton {
    pub(super) name: &'static str,
    pub(super) label: String,
    pub(super) address: String,
}

pub(super) struct JobDownload {
    pub(super) address: String,
    pub(super) label: String,
}

pub(super) struct TabLink {
    pub(super) address: String,
    pub(super) text: String,
    pub(super) is_current: bool,
}

/// The tabs of a job.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum JobTab {
    Items,
    Files,
    Log,
    Request,
    Deliveries,
}

impl JobTab {
    const ALL: [Self; 5] = [Self::Items, Self::Files, Self::Log, Self::Request, Self::Deliveries];

    fn message(self) -> &'static str {
        match self {
            Self::Items => "console-tab-items",
            Self::Files => "console-tab-files",
            Self::Log => "console-tab-log",
            Self::Request => "console-tab-request",
            Self::Deliveries => "console-tab-deliveries",
        }
    }

    pub(super) fn path(self, job: JobId) -> String {
        let part = match self {
            Self::Items => "",
            Self::Files => "/files",
            Self::Log => "/log",
            Self::Request => "/request",
            Self::Deliveries => "/deliveries",
        };
        format!("/console/jobs/{job}{part}")
    }
}

/// The head of a job that the caller may see.
pub(super) async fn build_head(
    state: &AppState,
    frame: &ConsoleFrame,
    job: &JobRow,
    tab: JobTab,
) -> Result<JobHead, Problem> {
    let language = frame.language;
    let company = frame.caller.company;
    let owner = match job.user_id {
        Some(user) => company::find_user_name(&state.db, company, user).await?,
        None => None,
    };
    let own = format!("/console/jobs/{}", job.job_id);
    let can_manage = frame.can("POST", &format!("{own}/stop")) && frame.caller.check_can_manage(job).is_ok();
    let reasons = [job.warnings.0.as_slice(), &job.modifier_warnings.0, &job.notices.0].concat();
    let tab_link = |other: JobTab| TabLink {
        address: write_address(&other.path(job.job_id)),
        text: frame.text(other.message()),
        is_current: other == tab,
    };
    Ok(JobHead {
        name: job.job_name.clone(),
        description: job.description.clone().filter(|text| !text.trim().is_empty()),
        status: PageStatus::for_job(language, job),
        state: job.shown_state().name(),
        percent: job.percent(),
        progress: format_progress(language, job.count_ended(), job.total, job.percent()),
        numbers: list_numbers(language, job),
        owner,
        times: list_times(frame, job),
        remarks: Remark::list(language, &reasons),
        actions: if can_manage { list_actions(frame, job, &own) } else { Vec::new() },
        retry: (can_manage && can_retry(job)).then(|| write_address(&format!("{own}/retry"))),
        delete: can_manage.then(|| write_address(&format!("{own}/delete"))),
        download: find_download(state, frame, job).await?,
        tabs: JobTab::ALL.into_iter().map(tab_link).collect(),
        events: (job.state != JobState::Finished)
            .then(|| write_address(&format!("/export-jobs/{}/events?lastEventId={}", job.job_id, job.event_seq))),
        words: write_words(language),
    })
}

/// Such as "12 of 40 items, 30 %".
fn format_progress(language: &Language, done: i32, total: i32, percent: i32) -> String {
    let [done, total] = [done, total].map(|number| language.format_number(number.into()));
    let percent = percent.to_string();
    let arguments: [(&str, MessageArg<'_>); 3] =
        [("done", (&done).into()), ("total", (&total).into()), ("percent", (&percent).into())];
    language.format("console-progress", &arguments)
}

fn list_numbers(language: &Language, job: &JobRow) -> Vec<JobNumber> {
    let count = |name, number: i32| JobNumber {
        name,
        label: language.format(&format!("console-count-{name}"), &[]),
        value: language.format_number(number.into()),
    };
    let mut numbers = vec![
        count("total", job.total),
        count("succeeded", job.succeeded),
        count("failed", job.failed),
        count("warnings", job.warned),
        count("files", job.files),
        JobNumber {
            name: "bytes",
            label: language.format("console-count-bytes", &[]),
            value: language.format_size(job.bytes),
        },
    ];
    if job.state != JobState::Finished {
        let value = job.eta_seconds().map(|seconds| format_minutes(language, seconds));
        let label = language.format("console-count-eta", &[]);
        numbers.push(JobNumber { name: "eta", label, value: value.unwrap_or_else(|| "–".to_owned()) });
    }
    numbers
}

fn format_minutes(language: &Language, seconds: i64) -> String {
    language.format("console-minutes", &[("count", ((seconds + 59) / 60).max(1).into())])
}

fn list_times(frame: &ConsoleFrame, job: &JobRow) -> Vec<(&'static str, PageTime)> {
    let times = [
        ("console-time-created", Some(job.created_at)),
        ("console-time-planned", job.exec_time.filter(|_| job.started_at.is_none())),
        ("console-time-started", job.started_at),
        ("console-time-finished", job.finished_at),
        ("console-time-expires", job.expires_at),
    ];
    times.into_iter().filter_map(|(name, at)| Some((name, frame.time(at?)))).collect()
}

/// What the state allows, without a retry, which has a form of its own.
fn list_actions(frame: &ConsoleFrame, job: &JobRow, own: &str) -> Vec<ActionButton> {
    let allowed = JobAction::ALL.into_iter().filter(|action| action.allowed_states().contains(&job.state));
    let button = |action: JobAction| ActionButton {
        name: action.name(),
        label: frame.text(&format!("console-do-{}", action.name())),
        address: write_address(&format!("{own}/{}", action.name())),
    };
    allowed.filter(|action| *action != JobAction::Retry).map(button).collect()
}

/// Whether a retry has anything to do.
fn can_retry(job: &JobRow) -> bool {
    let has_undelivered = job
        .list_destinations()
        .iter()
        .any(|destination| destination.failed > 0 || destination.manifest_failure.is_some());
    job.state == JobState::Finished && !job.expired && (job.failed > 0 || has_undelivered)
}

async fn find_download(state: &AppState, frame: &ConsoleFrame, job: &JobRow) -> Result<Option<JobDownload>, Problem> {
    if job.state != JobState::Finished || job.files == 0 || job.expired {
        return Ok(None);
    }
    let archive = match files::find_downloadable_archive(state, frame.caller.company, job).await {
        Ok(archive) => archive,
        // The files can be downloaded one by one.
        Err(problem) if matches!(problem.code(), Code::ArchiveTooLarge | Code::ResultsExpired | Code::NotFinished) => {
            return Ok(None);
        }
        Err(problem) => return Err(problem),
    };
    let size = frame.language.format_size(archive.size);
    let arguments: [(&str, MessageArg<'_>); 2] = [("files", i64::from(job.files).into()), ("size", (&size).into())];
    Ok(Some(JobDownload {
        address: write_address(&format!("/export-jobs/{}/archive", job.job_id)),
        label: frame.language.format("page-download-zip", &arguments),
    }))
}

/// What the script of the page says, as JSON.
fn write_words(language: &Language) -> String {
    let describe = |(icon, word): (Icon, String)| json!({"word": word, "icon": icon.class(), "path": icon.path()});
    let states = ShownState::ALL.map(|state| (state.name(), describe(describe_state(language, state))));
    let outcomes = Outcome::ALL.map(|outcome| (outcome.name(), describe(describe_outcome(language, outcome))));
    let words: serde_json::Map<String, serde_json::Value> =
        states.into_iter().chain(outcomes).map(|(name, words)| (name.to_owned(), words)).collect();
    let places: [(&str, MessageArg<'_>); 3] =
        [("done", "{done}".into()), ("total", "{total}".into()), ("percent", "{percent}".into())];
    json!({"states": words, "progress": language.format("console-progress", &places)}).to_string()
}
