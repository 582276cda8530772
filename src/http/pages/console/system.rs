//! How the service does: for the operator at three in the morning. The numbers are those of the metrics.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use askama::Template;

use crate::app::AppState;
use crate::db::item::{self, FailureCount};
use crate::db::job::Backlog;
use crate::db::task_queue::TaskQueueRow;
use crate::http::address::write_address;
use crate::http::pages::console::frame::ConsoleFrame;
use crate::http::pages::console::section::Section;
use crate::http::pages::frame::{Icon, PageTime};
use crate::http::problem::Problem;
use crate::http::resources::system::{Health, can_see_details, load_info, measure_health, measure_queues};
use crate::http::resources::workers::{Worker, load_workers};
use crate::i18n::Language;

/// How far back failures are counted.
const FAILURE_AGE: Duration = Duration::from_secs(24 * 3600);

#[derive(Template)]
#[template(path = "console/system.html")]
struct SystemPage {
    frame: ConsoleFrame,
    icon: Icon,
    word: String,
    /// Numbers with the names of their messages.
    queue: Vec<(&'static str, String)>,
    tasks: Vec<TaskLine>,
    workers: Vec<WorkerLine>,
    failures: Vec<FailureLine>,
    storage: Vec<(&'static str, String)>,
    sandbox: Option<SandboxWords>,
    version: &'static str,
    engine: i32,
    /// Address of the numbers for Prometheus.
    metrics: String,
}

struct TaskLine {
    name: String,
    waiting: String,
    running: String,
    oldest: String,
}

struct WorkerLine {
    host: String,
    role: String,
    version: String,
    slots: String,
    running: String,
    started: PageTime,
    heartbeat: PageTime,
}

struct FailureLine {
    code: String,
    address: String,
    items: String,
}

struct SandboxWords {
    icon: Icon,
    word: String,
    /// The missing parts, as the API names them.
    missing: String,
}

/// `GET /console/system`.
#[get("/console/system")]
pub(super) async fn show_system(state: Data<AppState>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let frame = ConsoleFrame::open(&state, &request, Section::System).await?;
    let language = frame.language;
    let health = measure_health(&state, can_see_details(&state, &request)).await;
    let info = load_info(&state, &frame.caller).await?;
    let (backlog, tasks) = measure_queues(&state).await?;
    let failures = item::count_failures(&state.db, frame.caller.company, FAILURE_AGE).await?;
    let workers = load_workers(&state).await?;
    let (icon, word) = describe_health(&frame, &health, workers.is_empty());
    let page = SystemPage {
        icon,
        word,
        queue: list_queue(language, &backlog),
        tasks: tasks.iter().map(|row| TaskLine::new(&frame, row)).collect(),
        workers: workers.into_iter().map(|worker| WorkerLine::new(&frame, worker)).collect(),
        failures: failures.into_iter().map(|count| FailureLine::new(language, count)).collect(),
        storage: list_storage(&frame, &health),
        sandbox: SandboxWords::new(&frame, &health),
        version: info.version,
        engine: info.engine_version,
        metrics: write_address("/metrics"),
        frame,
    };
    page.frame.respond(StatusCode::OK, &page)
}

fn describe_health(frame: &ConsoleFrame, health: &Health, has_no_worker: bool) -> (Icon, String) {
    match health.status {
        "ok" if has_no_worker => (Icon::Failed, frame.text("console-health-no-worker")),
        "ok" => (Icon::Done, frame.text("console-health-ok")),
        "closing" => (Icon::Waiting, frame.text("console-health-closing")),
        "storage-full" => (Icon::Failed, frame.text("console-health-storage-full")),
        "storage" => (Icon::Failed, frame.text("console-health-storage")),
        _ => (Icon::Failed, frame.text("console-health-database")),
    }
}

fn list_queue(language: &Language, backlog: &Backlog) -> Vec<(&'static str, String)> {
    vec![
        ("console-queue-waiting", language.format_number(backlog.waiting)),
        ("console-queue-running", language.format_number(backlog.running)),
        ("console-queue-oldest-wait", format_seconds(language, backlog.oldest_wait)),
        ("console-queue-oldest-running", format_seconds(language, backlog.oldest_running)),
        ("console-queue-active", language.format_number(backlog.active)),
        ("console-queue-scheduled", language.format_number(backlog.scheduled)),
        ("console-queue-paused", language.format_number(backlog.paused)),
        ("console-queue-stopping", language.format_number(backlog.stopping)),
    ]
}

/// Seconds below two minutes, then whole minutes.
fn format_seconds(language: &Language, seconds: f64) -> String {
    let whole = seconds.round() as i64;
    match whole {
        ..120 => language.format("console-seconds", &[("count", whole.into())]),
        _ => language.format("console-minutes", &[("count", ((whole + 30) / 60).into())]),
    }
}

fn list_storage(frame: &ConsoleFrame, health: &Health) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if let Some(free) = health.free_bytes {
        facts.push(("console-storage-free", frame.language.format_size(i64::try_from(free).unwrap_or(i64::MAX))));
    }
    if let Some(damaged) = health.damaged_blobs {
        facts.push(("console-storage-damaged", frame.language.format_number(damaged)));
    }
    let separated = match health.row_level_security {
        Some(true) => "console-yes",
        Some(false) => "console-no",
        None => "console-unknown",
    };
    facts.push(("console-row-level-security", frame.text(separated)));
    facts
}

impl TaskLine {
    fn new(frame: &ConsoleFrame, row: &TaskQueueRow) -> Self {
        Self {
            name: frame.text(&format!("console-task-{}", row.kind.name())),
            waiting: frame.language.format_number(row.waiting),
            running: frame.language.format_number(row.running),
            oldest: format_seconds(frame.language, row.oldest_wait),
        }
    }
}

impl WorkerLine {
    fn new(frame: &ConsoleFrame, worker: Worker) -> Self {
        Self {
            host: worker.host,
            role: worker.role,
            version: worker.version,
            slots: frame.language.format_number(worker.slots.into()),
            running: frame.language.format_number(worker.running),
            started: frame.time(worker.started_at),
            heartbeat: frame.time(worker.heartbeat_at),
        }
    }
}

impl FailureLine {
    fn new(language: &Language, count: FailureCount) -> Self {
        Self {
            address: write_address(&format!("/problems/{}", count.code)),
            items: language.format_number(count.items),
            code: count.code,
        }
    }
}

impl SandboxWords {
    fn new(frame: &ConsoleFrame, health: &Health) -> Option<Self> {
        let (icon, name) = match health.sandbox? {
            "full" => (Icon::Done, "console-sandbox-full"),
            _ => (Icon::Warning, "console-sandbox-degraded"),
        };
        Some(Self { icon, word: frame.text(name), missing: health.sandbox_missing.join(", ") })
    }
}
