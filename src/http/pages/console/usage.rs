//! What the company uses, and its limits.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use askama::Template;

use crate::app::AppState;
use crate::http::pages::console::frame::ConsoleFrame;
use crate::http::pages::console::section::Section;
use crate::http::problem::Problem;
use crate::http::resources::system::{Limits, load_info};
use crate::http::resources::usage::{Amount, Usage, measure_usage};
use crate::i18n::Language;

#[derive(Template)]
#[template(path = "console/usage.html")]
struct UsagePage {
    frame: ConsoleFrame,
    /// What has a limit of the company.
    quotas: Vec<QuotaLine>,
    /// What the storage is used for: message, number, size.
    kinds: Vec<(&'static str, String, String)>,
    /// Other limits with the names of their messages.
    limits: Vec<(&'static str, String)>,
}

struct QuotaLine {
    label: &'static str,
    used: String,
    /// None where there is no limit.
    limit: Option<String>,
    /// Whole percent of the limit.
    percent: Option<i64>,
}

/// `GET /console/usage`.
#[get("/console/usage")]
pub(super) async fn show_usage_page(state: Data<AppState>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let frame = ConsoleFrame::open(&state, &request, Section::Usage).await?;
    let usage = measure_usage(&state, &frame.caller).await?;
    let limits = load_info(&state, &frame.caller).await?.limits;
    let language = frame.language;
    let page = UsagePage {
        quotas: list_quotas(language, &usage, &limits),
        kinds: list_kinds(language, &usage),
        limits: list_limits(language, &limits),
        frame,
    };
    page.frame.respond(StatusCode::OK, &page)
}

fn list_quotas(language: &Language, usage: &Usage, limits: &Limits) -> Vec<QuotaLine> {
    let line = |label, used: i64, limit: i64, write: &dyn Fn(i64) -> String| QuotaLine {
        label,
        used: write(used),
        limit: (limit > 0).then(|| write(limit)),
        percent: (limit > 0).then(|| (i128::from(used) * 100 / i128::from(limit)).clamp(0, 100) as i64),
    };
    let to_signed = |limit: u64| i64::try_from(limit).unwrap_or(i64::MAX);
    let (number, size) = (|count| language.format_number(count), |bytes| language.format_size(bytes));
    vec![
        line("console-usage-storage", usage.quota.bytes, to_signed(limits.stored_bytes), &size),
        line("console-usage-assets", usage.assets.count, to_signed(limits.assets), &number),
        line("console-usage-jobs", usage.jobs.unfinished, limits.unfinished_jobs.into(), &number),
    ]
}

fn list_kinds(language: &Language, usage: &Usage) -> Vec<(&'static str, String, String)> {
    let kinds: [(&str, &Amount); 5] = [
        ("console-usage-originals", &usage.quota.originals),
        ("console-usage-deleted", &usage.quota.deleted_originals),
        ("console-usage-replaced", &usage.quota.replaced_originals),
        ("console-usage-uploads", &usage.quota.unfinished_uploads),
        ("console-usage-renditions", &usage.quota.renditions),
    ];
    kinds
        .into_iter()
        .map(|(name, amount)| (name, language.format_number(amount.count), language.format_size(amount.bytes)))
        .collect()
}

fn list_limits(language: &Language, limits: &Limits) -> Vec<(&'static str, String)> {
    let signed = |limit: u64| i64::try_from(limit).unwrap_or(i64::MAX);
    let number = |limit: u64| match limit {
        0 => language.format("console-no-limit", &[]),
        limit => language.format_number(signed(limit)),
    };
    let size = |limit: u64| match limit {
        0 => language.format("console-no-limit", &[]),
        limit => language.format_size(signed(limit)),
    };
    vec![
        ("console-limit-items", number(limits.items as u64)),
        ("console-limit-running", number(limits.running_items.into())),
        ("console-limit-schedules", number(limits.schedules.into())),
        ("console-limit-presets", number(limits.image_presets as u64)),
        ("console-limit-mails", number(limits.mails_per_day.into())),
        ("console-limit-requests", number(limits.requests_per_minute.into())),
        ("console-limit-streams", number(limits.streams.into())),
        ("console-limit-upload", size(limits.upload_bytes)),
        ("console-limit-archive", size(limits.archive_bytes)),
        ("console-limit-source", number(limits.source_pixels)),
        ("console-limit-output", number(limits.output_pixels)),
    ]
}
