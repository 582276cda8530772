//! The tab with what of a job leaves the service: files to stores of others, webhooks, and the mail.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path, Query};
use actix_web::{HttpRequest, HttpResponse, get, post};
use askama::Template;

use crate::app::AppState;
use crate::db::destination::DestinationState;
use crate::db::job::JobRow;
use crate::db::webhook::DeliveryState;
use crate::http::address::write_address;
use crate::http::extract::caller::Caller;
use crate::http::extract::form::{EmptyForm, PageForm};
use crate::http::extract::page::PageQuery;
use crate::http::pages::console::frame::ConsoleFrame;
use crate::http::pages::console::jobs::files_tab::CursorQuery;
use crate::http::pages::console::jobs::head::{JobHead, JobTab, build_head};
use crate::http::pages::console::jobs::remark::Remark;
use crate::http::pages::console::message::redirect_after;
use crate::http::pages::console::pager::Pager;
use crate::http::pages::console::section::Section;
use crate::http::pages::frame::{Icon, PageTime};
use crate::http::problem::Problem;
use crate::http::resources::export_jobs::deliveries::{Delivery, load_delivery_page, send_again};
use crate::http::resources::export_jobs::destinations::{DestinationReport, load_destinations};
use crate::http::resources::export_jobs::find_visible_job;

/// Webhooks on one page.
const WEBHOOKS_PER_PAGE: u32 = 50;

#[derive(Template)]
#[template(path = "console/jobs/deliveries.html")]
struct DeliveriesPage {
    frame: ConsoleFrame,
    head: JobHead,
    destinations: Vec<DestinationLine>,
    webhooks: Vec<WebhookLine>,
    mail: Option<MailLine>,
    can_send: bool,
    pager: Pager,
}

struct DestinationLine {
    connection: String,
    prefix: String,
    icon: Icon,
    word: String,
    /// Numbers of files with the names of their messages.
    counts: Vec<(&'static str, String)>,
    size: String,
    manifest_failure: Option<Remark>,
    failures: Vec<(String, Remark)>,
}

struct WebhookLine {
    url: String,
    run: i32,
    icon: Icon,
    word: String,
    next: Option<PageTime>,
    attempts: Vec<AttemptLine>,
    /// Address of the form that sends it again.
    again: String,
}

struct AttemptLine {
    time: PageTime,
    /// HTTP status and milliseconds, or the error.
    text: String,
}

struct MailLine {
    icon: Icon,
    word: String,
    recipients: String,
    detail: Option<String>,
}

/// `GET /console/jobs/{jobHandle}/deliveries`.
#[get("/console/jobs/{jobHandle}/deliveries")]
pub(super) async fn show_job_deliveries(
    state: Data<AppState>,
    path: Path<String>,
    query: Query<CursorQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let frame = ConsoleFrame::open(&state, &request, Section::Jobs).await?;
    let job = find_visible_job(&state, &frame.caller, &path).await?;
    let company = frame.caller.company;
    let query = PageQuery { limit: Some(WEBHOOKS_PER_PAGE), cursor: query.into_inner().cursor };
    let webhooks = load_delivery_page(&state, company, job.job_id, &query).await?;
    let destinations = load_destinations(&state, company, &job).await?;
    let head = build_head(&state, &frame, &job, JobTab::Deliveries).await?;
    let frame = frame.with_title(&job.job_name);
    let page = DeliveriesPage {
        pager: Pager::new(&request, webhooks.next_cursor.as_deref()),
        destinations: destinations.into_iter().map(|report| DestinationLine::new(&frame, report)).collect(),
        webhooks: webhooks.items.into_iter().map(|delivery| WebhookLine::new(&frame, &job, delivery)).collect(),
        mail: MailLine::for_job(&frame, &job),
        can_send: head.delete.is_some(),
        head,
        frame,
    };
    page.frame.respond(StatusCode::OK, &page)
}

/// `POST /console/jobs/{jobHandle}/deliveries/{deliveryHandle}/replay`.
#[post("/console/jobs/{jobHandle}/deliveries/{deliveryHandle}/replay")]
pub(super) async fn send_webhook_again(
    state: Data<AppState>,
    caller: Caller,
    path: Path<(String, String)>,
    PageForm(EmptyForm {}): PageForm<EmptyForm>,
) -> Result<HttpResponse, Problem> {
    let (job, delivery) = path.into_inner();
    let sent = send_again(&state, &caller, &job, &delivery).await;
    redirect_after(sent, &format!("/console/jobs/{job}/deliveries"), "webhook")
}

impl DestinationLine {
    fn new(frame: &ConsoleFrame, report: DestinationReport) -> Self {
        let language = frame.language;
        let destination = report.destination;
        let (icon, word) = match destination.state {
            DestinationState::Delivering => (Icon::Running, "console-destination-delivering"),
            DestinationState::Done if destination.counts.failed > 0 => (Icon::Warning, "console-destination-failed"),
            DestinationState::Done => (Icon::Done, "console-destination-done"),
            DestinationState::Stopped => (Icon::Failed, "console-destination-stopped"),
        };
        let counts = destination.counts;
        let counts = [
            ("console-delivered", counts.delivered),
            ("console-undelivered", counts.failed),
            ("console-unchanged", counts.unchanged),
            ("console-left-out", counts.skipped),
            ("console-removed", counts.removed),
            ("console-waiting", counts.waiting),
        ];
        Self {
            connection: destination.connection,
            prefix: destination.prefix,
            icon,
            word: frame.text(word),
            counts: counts
                .into_iter()
                .filter(|(name, count)| *count > 0 || *name == "console-delivered")
                .map(|(name, count)| (name, language.format_number(count.into())))
                .collect(),
            size: language.format_size(destination.bytes),
            manifest_failure: destination.manifest_failure.map(|failure| Remark::new(language, &failure)),
            failures: report
                .failures
                .into_iter()
                .map(|file| (file.path, Remark::new(language, &file.reason)))
                .collect(),
        }
    }
}

impl WebhookLine {
    fn new(frame: &ConsoleFrame, job: &JobRow, delivery: Delivery) -> Self {
        let (icon, word) = match delivery.state {
            DeliveryState::Waiting => (Icon::Waiting, "console-webhook-waiting"),
            DeliveryState::Sending => (Icon::Running, "console-webhook-sending"),
            DeliveryState::Delivered => (Icon::Done, "console-webhook-delivered"),
            DeliveryState::Failed => (Icon::Failed, "console-webhook-failed"),
        };
        let attempts = delivery.attempts.into_iter().map(|attempt| AttemptLine {
            time: frame.time(attempt.at),
            text: match (attempt.status, attempt.latency_ms, attempt.error) {
                (_, _, Some(error)) => error,
                (Some(status), Some(latency), None) => format!("HTTP {status}, {latency} ms"),
                _ => frame.text("console-webhook-sending"),
            },
        });
        let path = format!("/console/jobs/{}/deliveries/{}/replay", job.job_id, delivery.delivery_handle);
        Self {
            url: delivery.url,
            run: delivery.run,
            icon,
            word: frame.text(word),
            next: delivery.next_attempt_at.map(|at| frame.time(at)),
            attempts: attempts.collect(),
            again: write_address(&path),
        }
    }
}

impl MailLine {
    fn for_job(frame: &ConsoleFrame, job: &JobRow) -> Option<Self> {
        let (icon, word) = match job.mail_state.as_deref()? {
            "sent" => (Icon::Done, "console-mail-sent"),
            "failed" => (Icon::Failed, "console-mail-failed"),
            _ => (Icon::Waiting, "console-mail-waiting"),
        };
        let recipients = job.mail_recipients.as_deref().map(|list| list.join(", ")).unwrap_or_default();
        Some(Self { icon, word: frame.text(word), recipients, detail: job.mail_detail.clone() })
    }
}
