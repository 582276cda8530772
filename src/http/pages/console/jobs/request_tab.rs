//! The tab with what was asked for, and the way to ask for it again.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, get};
use askama::Template;
use serde::Serialize;

use crate::app::AppState;
use crate::db::job::JobRow;
use crate::http::address::write_address;
use crate::http::pages::console::frame::ConsoleFrame;
use crate::http::pages::console::jobs::head::{JobHead, JobTab, build_head};
use crate::http::pages::console::section::Section;
use crate::http::problem::Problem;
use crate::http::resources::export_jobs::find_visible_job;

#[derive(Template)]
#[template(path = "console/jobs/request.html")]
struct RequestPage {
    frame: ConsoleFrame,
    head: JobHead,
    /// Fields with their names in the API.
    facts: Vec<(&'static str, String)>,
    renditions: Vec<RenditionLine>,
    metadata: Vec<(String, String)>,
    /// Address of a new export like this one.
    like: Option<String>,
    /// Address of the job for programs.
    json: String,
}

struct RenditionLine {
    name: String,
    suffix: String,
    modifier: String,
}

/// `GET /console/jobs/{jobHandle}/request`.
#[get("/console/jobs/{jobHandle}/request")]
pub(super) async fn show_job_request(
    state: Data<AppState>,
    path: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let frame = ConsoleFrame::open(&state, &request, Section::Jobs).await?;
    let job = find_visible_job(&state, &frame.caller, &path).await?;
    let head = build_head(&state, &frame, &job, JobTab::Request).await?;
    let frame = frame.with_title(&job.job_name);
    let renditions = job.renditions.as_deref().cloned().unwrap_or_default();
    let page = RequestPage {
        facts: list_facts(&frame, &job),
        renditions: renditions
            .into_iter()
            .map(|rendition| RenditionLine {
                name: rendition.name,
                suffix: rendition.suffix,
                modifier: rendition.effective_modifier,
            })
            .collect(),
        metadata: job.metadata.0.0.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
        like: frame
            .can("GET", Section::NewExport.path())
            .then(|| write_address(&format!("{}?like={}", Section::NewExport.path(), job.job_id))),
        json: write_address(&format!("/export-jobs/{}", job.job_id)),
        head,
        frame,
    };
    page.frame.respond(StatusCode::OK, &page)
}

/// What the request says. The names are those of the API: whoever reads this page writes requests.
fn list_facts(frame: &ConsoleFrame, job: &JobRow) -> Vec<(&'static str, String)> {
    let mut facts = vec![("fmt", write_word(&job.fmt))];
    let texts = [
        ("is_modifier", job.is_modifier.clone()),
        ("macro", job.r#macro.clone()),
        ("effectiveModifier", job.effective_modifier.clone()),
        ("nameTemplate", job.name_template.clone()),
        ("callbackUrl", job.callback_url.clone()),
        ("clientId", job.client_id.clone()),
        ("locale", job.locale.clone()),
        ("timeZone", job.time_zone.clone()),
        ("scheduleHandle", job.schedule_id.map(|schedule| schedule.to_string())),
    ];
    facts.extend(texts.into_iter().filter_map(|(name, text)| Some((name, text?))));
    facts.extend([
        ("layout", write_word(&job.layout)),
        ("emailSetting", write_word(&job.email_setting)),
        ("notifyEmails", job.notify_emails.join(", ")),
        ("onMissing", write_word(&job.on_missing)),
        ("onUnsupported", write_word(&job.on_unsupported)),
        ("onUnconvertible", write_word(&job.on_unconvertible)),
        ("onCorrupt", write_word(&job.on_corrupt)),
        ("strict", job.strict.to_string()),
        ("priority", job.priority.to_string()),
        ("expiresIn", format!("{} s", frame.language.format_number(job.expires_in))),
    ]);
    facts.retain(|(_, text)| !text.is_empty());
    facts
}

/// A word of the API.
fn write_word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
