//! `offprint jobs`: lists, shows, watches and controls the export jobs of a running service, and downloads their zips.
//!
//! With `--json` the output is what the service sent, one JSON object on each line; without it, it is for people.

use std::path::PathBuf;
use std::process::ExitCode;

use indicatif::DecimalBytes;
use reqwest::Method;
use serde_json::{Value, json};

use super::client::{self, ApiClient, ServiceArgs};
use super::export::{self, Ticket};
use super::listing::{self, MetadataCondition};
use super::{CliError, print_json, print_text};

/// Arguments of `offprint jobs`.
#[derive(clap::Args)]
pub struct JobsArgs {
    #[command(subcommand)]
    command: JobsCommand,

    /// Prints JSON, one object on each line.
    #[arg(long, global = true)]
    json: bool,

    #[command(flatten)]
    service: ServiceArgs,
}

#[derive(clap::Subcommand)]
enum JobsCommand {
    /// Lists jobs, newest first.
    List(JobListArgs),
    /// Shows a job.
    Show(JobArg),
    /// Waits until a job is finished, with its progress. Exit code 1 when not every asset was exported.
    Watch(JobArg),
    /// Pauses a job: items that run are finished, no others start.
    Pause(JobArg),
    /// Resumes a paused job.
    Resume(JobArg),
    /// Stops a job. Finished files stay.
    Stop(JobArg),
    /// Processes the failed items of a job again.
    Retry(RetryArgs),
    /// Downloads the zip of a finished job. A broken download continues where it stopped.
    Download(DownloadArgs),
}

#[derive(clap::Args)]
struct JobArg {
    /// Handle of the job.
    job: String,
}

#[derive(clap::Args)]
struct JobListArgs {
    /// Only jobs in this state.
    #[arg(long, value_parser = ["scheduled", "queued", "running", "paused", "stopping", "finished"])]
    state: Option<String>,

    /// Only jobs with this outcome.
    #[arg(long, value_parser = ["succeeded", "succeededWithWarnings", "partiallyFailed", "failed", "stopped"])]
    outcome: Option<String>,

    /// Only jobs whose name begins with this.
    #[arg(long)]
    name: Option<String>,

    /// Only jobs whose metadata has this entry. Can be repeated.
    #[arg(long = "metadata", value_name = "KEY=VALUE")]
    metadata: Vec<MetadataCondition>,

    /// How many jobs at most; 0: all.
    #[arg(long, default_value_t = 20)]
    limit: usize,
}

#[derive(clap::Args)]
struct RetryArgs {
    /// Handle of the job.
    job: String,

    /// Uses the content that the assets have now, where it was replaced since the job was created.
    #[arg(long)]
    refresh: bool,

    /// Waits until the job is finished again. Exit code 1 when not every asset was exported.
    #[arg(long)]
    watch: bool,
}

#[derive(clap::Args)]
struct DownloadArgs {
    /// Handle of the job.
    job: String,

    /// The zip to write. Until it is complete there are FILE.part and FILE.ticket; the same command continues with them.
    /// Default: the job's handle with `.zip`.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs a subcommand. The exit code is 1 when the job that was watched did not succeed.
pub fn run_jobs(arguments: JobsArgs) -> Result<ExitCode, CliError> {
    let JobsArgs { command, json, service } = arguments;
    client::run_in_runtime(async {
        let connection = ApiClient::connect(&service).await?;
        match command {
            JobsCommand::List(filter) => list_jobs(&connection, &filter, json).await?,
            JobsCommand::Show(JobArg { job }) => print_job(&fetch_job(&connection, &job).await?, json)?,
            JobsCommand::Watch(JobArg { job }) => return watch_job(&connection, &job, json).await,
            JobsCommand::Pause(JobArg { job }) => {
                print_job(&act_on_job(&connection, &job, "pause", None).await?, json)?
            }
            JobsCommand::Resume(JobArg { job }) => {
                print_job(&act_on_job(&connection, &job, "resume", None).await?, json)?
            }
            JobsCommand::Stop(JobArg { job }) => print_job(&act_on_job(&connection, &job, "stop", None).await?, json)?,
            JobsCommand::Retry(RetryArgs { job, refresh, watch }) => {
                let body = json!({ "refresh": refresh });
                let retried = act_on_job(&connection, &job, "retry", Some(&body)).await?;
                if watch {
                    return watch_job(&connection, &job, json).await;
                }
                print_job(&retried, json)?;
            }
            JobsCommand::Download(DownloadArgs { job, out }) => download_job(&connection, &job, out, json).await?,
        }
        Ok(ExitCode::SUCCESS)
    })
}

async fn list_jobs(connection: &ApiClient, filter: &JobListArgs, json: bool) -> Result<(), CliError> {
    let conditions: Vec<String> = filter.metadata.iter().map(MetadataCondition::to_parameter).collect();
    let mut query: Vec<(&str, &str)> = conditions.iter().map(|condition| ("metadata", condition.as_str())).collect();
    let others = [("state", &filter.state), ("outcome", &filter.outcome), ("name", &filter.name)];
    query.extend(others.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))));
    let jobs = listing::fetch_list(connection, &["export-jobs"], &query, filter.limit).await?;
    let columns = ["JOB", "STATE", "DONE", "ASSETS", "CREATED", "NAME"];
    listing::print_list(&jobs, json, &columns, |job| {
        let counts = &job["counts"];
        let ended: u64 =
            ["succeeded", "failed", "skipped", "stopped"].iter().filter_map(|end| counts[end].as_u64()).sum();
        vec![
            listing::show_text(&job["jobHandle"]),
            describe_state(job),
            format!("{}%", job["progress"]["percent"]),
            format!("{ended}/{}", counts["total"]),
            listing::show_text(&job["createdAt"]),
            listing::show_text(&job["jobName"]),
        ]
    })
}

/// The outcome of a finished job, else its state.
fn describe_state(job: &Value) -> String {
    listing::show_text(if job["outcome"].is_null() { &job["state"] } else { &job["outcome"] })
}

async fn fetch_job(connection: &ApiClient, job: &str) -> Result<Value, CliError> {
    connection.get(&["export-jobs", job], &[]).await
}

fn print_job(job: &Value, json: bool) -> Result<(), CliError> {
    if json {
        return print_json(job);
    }
    let counts = &job["counts"];
    let of_counts = ["waiting", "running", "succeeded", "failed", "skipped", "stopped", "warnings"].iter();
    let counts: Vec<String> = of_counts
        .filter(|name| counts[**name].as_u64().unwrap_or_default() > 0)
        .map(|name| format!("{} {name}", counts[*name]))
        .collect();
    let bytes = DecimalBytes(job["bytes"].as_u64().unwrap_or_default());
    listing::print_fields(&[
        ("Job", listing::show_text(&job["jobHandle"])),
        ("Name", listing::show_text(&job["jobName"])),
        ("State", format!("{}, {}%", describe_state(job), job["progress"]["percent"])),
        ("Assets", format!("{}: {}", job["counts"]["total"], counts.join(", "))),
        ("Files", format!("{}, {bytes}", job["files"])),
        ("Run", job["run"].to_string()),
        ("Created", listing::show_text(&job["createdAt"])),
        ("Finished", listing::show_text(&job["finishedAt"])),
        ("Expires", listing::show_text(&job["expiresAt"])),
        ("Metadata", listing::show_metadata(&job["metadata"])),
        ("Warnings", listing::show_reasons(&job["warnings"])),
        ("Notices", listing::show_reasons(&job["notices"])),
    ])
}

/// Waits until a job is finished and prints it. Exit code 1 unless every asset was exported.
async fn watch_job(connection: &ApiClient, job: &str, json: bool) -> Result<ExitCode, CliError> {
    export::watch_job(connection, job).await?;
    let finished = fetch_job(connection, job).await?;
    print_job(&finished, json)?;
    let succeeded = matches!(finished["outcome"].as_str(), Some("succeeded" | "succeededWithWarnings"));
    Ok(if succeeded { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Sends a job action. Returns the job as it is then.
async fn act_on_job(connection: &ApiClient, job: &str, action: &str, body: Option<&Value>) -> Result<Value, CliError> {
    // However often the request has to be sent, it starts one run. Actions without a body do not take a key.
    let key = uuid::Uuid::now_v7().to_string();
    connection
        .retry(async || {
            let request = connection.request(Method::POST, &["export-jobs", job, action]);
            let request = match body {
                Some(body) => request.header("idempotency-key", &key).json(body),
                None => request.body(Vec::new()),
            };
            client::read_json(client::send_request(request).await?).await
        })
        .await
}

async fn download_job(connection: &ApiClient, job: &str, out: Option<PathBuf>, json: bool) -> Result<(), CliError> {
    // Its handle as the service writes it, which names the file.
    let found = fetch_job(connection, job).await?;
    let handle = found["jobHandle"].as_str().unwrap_or(job).to_owned();
    let out = out.unwrap_or_else(|| PathBuf::from(format!("{handle}.zip")));
    let request = json!({ "job": handle });
    let mut ticket = match Ticket::find(&out, &request) {
        Some(ticket) => ticket,
        None => Ticket::new(&out, handle, request)?,
    };
    let size = export::download_archive(connection, &mut ticket, &out).await?;
    ticket.discard();
    if json {
        return print_json(&json!({ "file": out, "size": size }));
    }
    print_text(&format!("{} in {}\n", DecimalBytes(size), out.display()))
}
