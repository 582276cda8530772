//! `offprint export`.

mod download;

use std::path::PathBuf;

use indicatif::DecimalBytes;
use reqwest::header::{ETAG, IF_NONE_MATCH};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use self::download::Ticket;
use super::Refusal;
use super::client::{self, Connection, Progress, Service};
use crate::code::Code;

/// How long the service may wait for news before it answers, in seconds.
const WAIT: &str = "20";

/// Arguments of `offprint export`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Folder of the service whose assets are exported.
    #[arg(long)]
    folder: String,

    /// Also the folders in it.
    #[arg(long)]
    recursive: bool,

    /// `orig`: as uploaded. `convert`: as --is-modifier and --macro say.
    #[arg(long, value_parser = ["orig", "convert"])]
    fmt: String,

    /// Image Serving commands, like `wid=800&fmt=png`.
    #[arg(long, value_name = "MODIFIER")]
    is_modifier: Option<String>,

    /// An image preset between dollar signs, like `$web$` (quote it for the shell). It wins over --is-modifier.
    #[arg(long = "macro", value_name = "MACRO")]
    preset: Option<String>,

    /// Whether the zip keeps the folders.
    #[arg(long, value_parser = ["flat", "folders"], default_value = "flat")]
    layout: String,

    /// The zip. While it is not complete, FILE.part and FILE.ticket lie beside it; the same command goes on with them.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    #[command(flatten)]
    service: Service,
}

impl Arguments {
    /// The body of `POST /export-jobs`.
    fn order(&self) -> Value {
        let mut order = json!({
            "assetFilter": {"folder": self.folder, "recursive": self.recursive},
            "fmt": self.fmt,
            "layout": self.layout,
        });
        if let Some(modifier) = &self.is_modifier {
            order["is_modifier"] = json!(modifier);
        }
        if let Some(preset) = &self.preset {
            order["macro"] = json!(preset);
        }
        order
    }
}

/// Orders the export, waits for its end and fetches the zip; fails when not every asset worked, after fetching the rest.
pub fn run(arguments: Arguments) -> Result<(), Refusal> {
    client::run(async {
        let connection = Connection::open(&arguments.service).await?;
        let mut ticket = ticket(&connection, &arguments).await?;
        let job = watch(&connection, &ticket.job).await?;
        let size = match job.files {
            0 => None,
            _ => Some(download::fetch(&connection, &mut ticket, &arguments.out).await?),
        };
        ticket.discard();
        println!("{}", sentence(&job, size, &arguments));
        verdict(&connection, &job).await
    })
}

/// A job, as far as we need it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Job {
    job_handle: String,
    state: String,
    outcome: Option<String>,
    counts: Counts,
    files: u64,
}

#[derive(Debug, Deserialize)]
struct Counts {
    total: u64,
    succeeded: u64,
    failed: u64,
    skipped: u64,
    stopped: u64,
    warnings: u64,
}

/// The ticket of the same order when a run before this one was cut off, else that of a new job.
async fn ticket(connection: &Connection, arguments: &Arguments) -> Result<Ticket, Refusal> {
    let order = arguments.order();
    if let Some(ticket) = Ticket::find(&arguments.out, &order) {
        match connection.get::<Job>(&["export-jobs", &ticket.job], &[]).await {
            Ok(job) => {
                eprintln!("Going on with job {}.", job.job_handle);
                return Ok(ticket);
            }
            Err(gone) if gone.code == Code::NotFound => {}
            Err(other) => return Err(other),
        }
    }
    // However often the order has to be sent, it makes one job.
    let key = uuid::Uuid::now_v7().to_string();
    let job: Job = connection
        .persist(async || {
            let request =
                connection.request(Method::POST, &["export-jobs"]).header("idempotency-key", &key).json(&order);
            client::json(client::answer(request).await?).await
        })
        .await?;
    eprintln!("Job {}: {} assets.", job.job_handle, job.counts.total);
    Ticket::new(&arguments.out, job.job_handle, order)
}

/// Waits until the job is finished.
async fn watch(connection: &Connection, handle: &str) -> Result<Job, Refusal> {
    let progress = Progress::items("Exporting", 0);
    let mut tag: Option<String> = None;
    loop {
        if let Some((now, job)) = news(connection, handle, tag.as_deref()).await? {
            let Counts { total, succeeded, failed, skipped, stopped, .. } = job.counts;
            progress.set_total(total);
            progress.set(succeeded + failed + skipped + stopped);
            if job.state == "finished" {
                return Ok(job);
            }
            tag = now;
        }
        connection.breathe().await;
    }
}

/// The job with its entity tag as soon as it differs from the known one; nothing when the wait was in vain.
async fn news(
    connection: &Connection,
    handle: &str,
    known: Option<&str>,
) -> Result<Option<(Option<String>, Job)>, Refusal> {
    connection
        .persist(async || {
            let mut request = connection.request(Method::GET, &["export-jobs", handle]);
            if let Some(tag) = known {
                // Without a tag there is nothing to wait for: the first answer shall come at once.
                request = request.query(&[("wait", WAIT)]).header(IF_NONE_MATCH, tag);
            }
            let answer = client::answer(request).await?;
            if answer.status() == StatusCode::NOT_MODIFIED {
                return Ok(None);
            }
            let tag = answer.headers().get(ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
            Ok(Some((tag, client::json(answer).await?)))
        })
        .await
}

fn sentence(job: &Job, size: Option<u64>, arguments: &Arguments) -> String {
    let Counts { total, succeeded, failed, skipped, stopped, warnings } = job.counts;
    let outcome = job.outcome.as_deref().unwrap_or("finished");
    let mut text = format!("{outcome}: {succeeded} of {total} assets");
    for (count, word) in [(failed, "failed"), (skipped, "skipped"), (stopped, "stopped"), (warnings, "with warnings")] {
        if count > 0 {
            text += &format!(", {count} {word}");
        }
    }
    match size {
        Some(size) => text + &format!("; {} files, {} in {}", job.files, DecimalBytes(size), arguments.out.display()),
        None => text + "; no file was made",
    }
}

/// Not an error only when every asset worked.
async fn verdict(connection: &Connection, job: &Job) -> Result<(), Refusal> {
    match job.outcome.as_deref() {
        Some("succeeded" | "succeededWithWarnings") => return Ok(()),
        Some("stopped") => {
            return Err(Refusal::new(Code::Stopped, format!("Job {} was stopped before it was done.", job.job_handle)));
        }
        _ => {}
    }
    let items: Vec<Value> = connection.list(&["export-jobs", &job.job_handle, "items"], &[("state", "failed")]).await?;
    let errors: Vec<Value> = items.into_iter().map(failure).collect();
    let first = errors.first().and_then(|error| serde_json::from_value(error["code"].clone()).ok());
    let detail = format!(
        "{} of {} assets failed in job {}; errors has the reasons.",
        job.counts.failed, job.counts.total, job.job_handle
    );
    Err(Refusal { code: first.unwrap_or(Code::Internal), detail, errors })
}

/// What a reader wants to know about an item that failed.
fn failure(item: Value) -> Value {
    let (folder, name) = (item["folder"].as_str().unwrap_or_default(), item["name"].as_str().unwrap_or("?"));
    let asset = format!("{folder}/{name}");
    let failure = &item["failure"];
    json!({
        "asset": asset.trim_start_matches('/'),
        "assetHandle": item["assetHandle"],
        "code": failure["code"],
        "detail": failure["detail"],
    })
}

#[cfg(test)]
mod tests;
