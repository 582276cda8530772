//! `offprint export`: creates an export job, waits for it and downloads its zip. Begin reading at [`run_export`].

mod download;

use std::path::PathBuf;

use indicatif::DecimalBytes;
use offprint_core::Code;
use reqwest::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) use self::download::{Ticket, download_archive};
use super::CliError;
use super::client::{self, ApiClient, ProgressReporter, ServiceArgs};

/// How long the service may wait for a change of the job before it answers, in seconds.
const WAIT_SECONDS: &str = "20";

/// Arguments of `offprint export`.
#[derive(clap::Args)]
pub struct ExportArgs {
    /// The service's folder whose assets are exported.
    #[arg(long, required_unless_present = "list")]
    folder: Option<String>,

    /// Include its subfolders.
    #[arg(long, requires = "folder")]
    recursive: bool,

    /// A list of the assets instead: names one a line, or a table (`.csv`, `.tsv`) with the columns name, modifier, preset,
    /// outputName.
    #[arg(long, value_name = "FILE", conflicts_with = "folder")]
    list: Option<PathBuf>,

    /// Leave out names of the list that do not exist. Without this option the list is refused, and they are named.
    #[arg(long, requires = "list")]
    skip_missing: bool,

    /// `orig` exports the files as uploaded, `convert` renders them as --is-modifier and --macro say.
    #[arg(long, value_parser = ["orig", "convert"])]
    fmt: String,

    /// Image Serving commands, like `wid=800&fmt=png`.
    #[arg(long, value_name = "MODIFIER")]
    is_modifier: Option<String>,

    /// An image preset between dollar signs, like `$web$` (quote it for the shell). Its commands override --is-modifier.
    #[arg(long = "macro", value_name = "MACRO")]
    preset: Option<String>,

    /// Exports although parts of the modifier were not understood or may give another result. Without this option such a
    /// modifier is refused.
    #[arg(long)]
    lenient: bool,

    /// Whether the zip has the folders of the assets.
    #[arg(long, value_parser = ["flat", "folders"], default_value = "flat")]
    layout: String,

    /// How files are named, like `{name|before:_}.{name|after:_|map:A=MAIN}`. docs/NAMES.md describes it.
    #[arg(long, value_name = "TEMPLATE")]
    name_template: Option<String>,

    /// The zip to write. Until it is complete there are FILE.part and FILE.ticket; the same command continues with them.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    #[command(flatten)]
    service: ServiceArgs,
}

impl ExportArgs {
    /// The fields of the export request. With a list they stand in the query string.
    fn request_fields(&self) -> Value {
        let mut body = json!({"fmt": self.fmt, "layout": self.layout, "strict": !self.lenient});
        if let Some(folder) = &self.folder {
            body["assetFilter"] = json!({"folder": folder, "recursive": self.recursive});
        }
        if self.skip_missing {
            body["onMissing"] = json!("skip");
        }
        if let Some(modifier) = &self.is_modifier {
            body["is_modifier"] = json!(modifier);
        }
        if let Some(template) = &self.name_template {
            body["nameTemplate"] = json!(template);
        }
        if let Some(preset) = &self.preset {
            body["macro"] = json!(preset);
        }
        body
    }

    /// What is sent to `POST /export-jobs`.
    fn read_request(&self) -> Result<ExportCall, CliError> {
        let fields = self.request_fields();
        let Some(path) = &self.list else { return Ok(ExportCall { fields, list: None }) };
        let text = std::fs::read_to_string(path).map_err(|error| {
            CliError::new(Code::InvalidValue, format!("The list {} cannot be read: {error}.", path.display()))
        })?;
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        let is_table = ["csv", "tsv", "tab"].iter().any(|known| ending.eq_ignore_ascii_case(known));
        let media_type = if is_table { "text/csv" } else { "text/plain" };
        Ok(ExportCall { fields, list: Some(ListBody { text, media_type }) })
    }
}

/// An export request as this command sends it.
struct ExportCall {
    fields: Value,
    list: Option<ListBody>,
}

/// A list of assets.
struct ListBody {
    text: String,
    media_type: &'static str,
}

impl ExportCall {
    /// What tells this request from others.
    fn describe(&self) -> Value {
        match &self.list {
            None => self.fields.clone(),
            Some(list) => json!({"fields": self.fields, "list": list.text}),
        }
    }

    /// Adds fields and list to a request.
    fn add_to(&self, request: RequestBuilder) -> RequestBuilder {
        let Some(list) = &self.list else { return request.json(&self.fields) };
        let to_text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let fields = self.fields.as_object().into_iter().flatten();
        let query: Vec<(&String, String)> = fields.map(|(name, value)| (name, to_text(value))).collect();
        request.query(&query).header(CONTENT_TYPE, list.media_type).body(list.text.clone())
    }
}

/// Creates the export job, waits until it has finished and downloads the zip. Fails when not every asset could be exported,
/// after downloading the rest.
pub fn run_export(arguments: ExportArgs) -> Result<(), CliError> {
    client::run_in_runtime(async {
        let connection = ApiClient::connect(&arguments.service).await?;
        let mut ticket = find_or_create_ticket(&connection, &arguments).await?;
        let job = watch_job(&connection, &ticket.job).await?;
        let size = match job.files {
            0 => None,
            _ => Some(download_archive(&connection, &mut ticket, &arguments.out).await?),
        };
        ticket.discard();
        println!("{}", format_summary(&job, size, &arguments));
        check_outcome(&connection, &job).await
    })
}

/// The part of a job that this command reads.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ClientJob {
    job_handle: String,
    state: String,
    outcome: Option<String>,
    counts: ClientCounts,
    files: u64,
}

#[derive(Debug, Deserialize)]
struct ClientCounts {
    total: u64,
    succeeded: u64,
    failed: u64,
    skipped: u64,
    stopped: u64,
    warnings: u64,
}

/// The ticket of the same export request when an earlier run was interrupted, otherwise that of a new job.
async fn find_or_create_ticket(connection: &ApiClient, arguments: &ExportArgs) -> Result<Ticket, CliError> {
    let call = arguments.read_request()?;
    let body = call.describe();
    if let Some(ticket) = Ticket::find(&arguments.out, &body) {
        match connection.get::<ClientJob>(&["export-jobs", &ticket.job], &[]).await {
            Ok(job) => {
                eprintln!("Continuing with job {}.", job.job_handle);
                return Ok(ticket);
            }
            Err(error) if error.code == Code::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    // However often the request has to be sent, it creates one job.
    let key = uuid::Uuid::now_v7().to_string();
    let job: ClientJob = connection
        .retry(async || {
            let request = connection.request(Method::POST, &["export-jobs"]).header("idempotency-key", &key);
            client::read_json(client::send_request(call.add_to(request)).await?).await
        })
        .await?;
    eprintln!("Job {}: {} assets.", job.job_handle, job.counts.total);
    Ticket::new(&arguments.out, job.job_handle, body)
}

/// Waits until the job is finished.
pub(super) async fn watch_job(connection: &ApiClient, handle: &str) -> Result<ClientJob, CliError> {
    let progress = ProgressReporter::for_items("Exporting", 0);
    let mut tag: Option<String> = None;
    loop {
        if let Some((new_tag, job)) = poll_job(connection, handle, tag.as_deref()).await? {
            let ClientCounts { total, succeeded, failed, skipped, stopped, .. } = job.counts;
            progress.set_total(total);
            progress.set(succeeded + failed + skipped + stopped);
            if job.state == "finished" {
                return Ok(job);
            }
            tag = new_tag;
        }
        connection.pause().await;
    }
}

/// The job with its entity tag as soon as that differs from the known one; none when nothing changed in time.
async fn poll_job(
    connection: &ApiClient,
    handle: &str,
    known: Option<&str>,
) -> Result<Option<(Option<String>, ClientJob)>, CliError> {
    connection
        .retry(async || {
            let mut request = connection.request(Method::GET, &["export-jobs", handle]);
            if let Some(tag) = known {
                // Without a tag there is no change to wait for: the first response comes at once.
                request = request.query(&[("wait", WAIT_SECONDS)]).header(IF_NONE_MATCH, tag);
            }
            let response = client::send_request(request).await?;
            if response.status() == StatusCode::NOT_MODIFIED {
                return Ok(None);
            }
            let tag = response.headers().get(ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
            Ok(Some((tag, client::read_json(response).await?)))
        })
        .await
}

fn format_summary(job: &ClientJob, size: Option<u64>, arguments: &ExportArgs) -> String {
    let ClientCounts { total, succeeded, failed, skipped, stopped, warnings } = job.counts;
    let outcome = job.outcome.as_deref().unwrap_or("finished");
    let mut text = format!("{outcome}: {succeeded} of {total} assets");
    for (count, word) in [(failed, "failed"), (skipped, "skipped"), (stopped, "stopped"), (warnings, "with warnings")] {
        if count > 0 {
            text += &format!(", {count} {word}");
        }
    }
    match size {
        Some(size) => text + &format!("; {} files, {} in {}", job.files, DecimalBytes(size), arguments.out.display()),
        None => text + "; there is no file to download",
    }
}

/// An error unless every asset was exported.
async fn check_outcome(connection: &ApiClient, job: &ClientJob) -> Result<(), CliError> {
    match job.outcome.as_deref() {
        Some("succeeded" | "succeededWithWarnings") => return Ok(()),
        Some("stopped") => {
            return Err(CliError::new(
                Code::Stopped,
                format!("Job {} was stopped before it had finished.", job.job_handle),
            ));
        }
        _ => {}
    }
    let items: Vec<Value> = connection.list(&["export-jobs", &job.job_handle, "items"], &[("state", "failed")]).await?;
    let errors = group_failures(&items);
    let first_code = errors.first().and_then(|error| serde_json::from_value(error["code"].clone()).ok());
    let detail = format!(
        "{} of {} assets failed in job {}. `errors` lists the reasons.",
        job.counts.failed, job.counts.total, job.job_handle
    );
    Err(CliError { code: first_code.unwrap_or(Code::Internal), detail, errors })
}

/// Each failure once, in the order of the items. Where several assets failed for the same reason it has their number as
/// `files`, and all of them in `assets`.
fn group_failures(items: &[Value]) -> Vec<Value> {
    let mut groups: Vec<(&Value, Vec<Value>)> = Vec::new();
    for item in items {
        let asset = describe_asset(item);
        match groups.iter_mut().find(|(failure, _)| *failure == &item["failure"]) {
            Some((_, assets)) => assets.push(asset),
            None => groups.push((&item["failure"], vec![asset])),
        }
    }
    groups.into_iter().map(|(failure, assets)| describe_failure(failure, assets)).collect()
}

fn describe_asset(item: &Value) -> Value {
    let (folder, name) = (item["folder"].as_str().unwrap_or_default(), item["name"].as_str().unwrap_or("?"));
    let asset = format!("{folder}/{name}");
    json!({"asset": asset.trim_start_matches('/'), "assetHandle": item["assetHandle"]})
}

fn describe_failure(failure: &Value, mut assets: Vec<Value>) -> Value {
    let (code, detail) = (&failure["code"], &failure["detail"]);
    if assets.len() > 1 {
        return json!({"code": code, "detail": detail, "files": assets.len(), "assets": assets});
    }
    let mut error = assets.pop().unwrap_or_default();
    error["code"] = code.clone();
    error["detail"] = detail.clone();
    error
}

#[cfg(test)]
mod tests;
