//! `offprint imports`: creates, shows, watches and controls the imports of a running service.
//!
//! With `--json` the output is what the service sent, one JSON object on each line; without it, it is for people.

use std::process::ExitCode;

use indicatif::DecimalBytes;
use reqwest::Method;
use serde_json::{Value, json};

use super::client::{self, ApiClient, ProgressReporter, ServiceArgs};
use super::listing;
use super::{CliError, print_json};

/// Seconds that one request waits for the end.
const WAIT_SECONDS: &str = "20";

/// Arguments of `offprint imports`.
#[derive(clap::Args)]
pub struct ImportsArgs {
    #[command(subcommand)]
    command: ImportsCommand,

    /// Prints JSON, one object on each line.
    #[arg(long, global = true)]
    json: bool,

    #[command(flatten)]
    service: ServiceArgs,
}

#[derive(clap::Subcommand)]
enum ImportsCommand {
    /// Imports the files of a connection, or of URLs. Files that are unchanged since the last time are skipped.
    Create(Box<CreateArgs>),
    /// Lists imports, newest first.
    List(ListArgs),
    /// Shows an import.
    Show(ImportArg),
    /// Lists the files of an import and what became of each.
    Entries(EntriesArgs),
    /// Waits until an import is finished. Exit code 1 when not every file was imported or skipped.
    Watch(ImportArg),
    /// Stops an import. What was imported stays.
    Stop(ImportArg),
    /// Tries the failed and stopped files of an import again.
    Retry(RetryArgs),
}

#[derive(clap::Args)]
struct ImportArg {
    /// Handle of the import.
    import: String,
}

#[derive(clap::Args)]
struct CreateArgs {
    /// Name of a connection.
    #[arg(long, required_unless_present = "sources", conflicts_with = "sources")]
    connection: Option<String>,

    /// Only what is below this folder of the connection.
    #[arg(long, requires = "connection")]
    prefix: Option<String>,

    /// Only paths that match this pattern, such as `**/*.jpg`. Can be repeated.
    #[arg(long, requires = "connection")]
    include: Vec<String>,

    /// No paths that match this pattern. Can be repeated.
    #[arg(long, requires = "connection")]
    exclude: Vec<String>,

    /// Exactly this path below the prefix. Can be repeated.
    #[arg(long = "path", requires = "connection")]
    paths: Vec<String>,

    /// URLs of files, instead of a connection.
    #[arg(value_name = "FILE_URL")]
    sources: Vec<String>,

    /// Folder of the new assets.
    #[arg(long, default_value = "")]
    folder: String,

    /// Whether folders of the connection are kept.
    #[arg(long, default_value = "folders", value_parser = ["folders", "flat"])]
    layout: String,

    /// What to do where the folder has an asset with the file name already.
    #[arg(long, default_value = "skip", value_parser = ["skip", "replace", "rename"])]
    on_existing: String,

    /// A name for people.
    #[arg(long)]
    name: Option<String>,

    /// Waits until the import is finished. Exit code 1 when not every file was imported or skipped.
    #[arg(long)]
    watch: bool,
}

#[derive(clap::Args)]
struct ListArgs {
    /// How many imports at most; 0: all.
    #[arg(long, default_value_t = 20)]
    limit: usize,
}

#[derive(clap::Args)]
struct EntriesArgs {
    /// Handle of the import.
    import: String,

    /// Only files in this state.
    #[arg(long, value_parser = ["waiting", "imported", "skipped", "failed", "stopped"])]
    state: Option<String>,

    /// How many files at most; 0: all.
    #[arg(long, default_value_t = 0)]
    limit: usize,
}

#[derive(clap::Args)]
struct RetryArgs {
    /// Handle of the import.
    import: String,

    /// Waits until the import is finished again.
    #[arg(long)]
    watch: bool,
}

impl CreateArgs {
    fn to_request(&self) -> Value {
        let present = |list: &Vec<String>| (!list.is_empty()).then(|| list.clone());
        let urls: Vec<Value> = self.sources.iter().map(|url| json!({ "url": url })).collect();
        let source = json!({
            "connection": self.connection, "prefix": self.prefix, "include": present(&self.include),
            "exclude": present(&self.exclude), "paths": present(&self.paths),
            "urls": if urls.is_empty() { Value::Null } else { Value::Array(urls) },
        });
        json!({
            "source": source, "folder": self.folder, "layout": self.layout, "onExisting": self.on_existing, "name": self.name,
        })
    }
}

/// Runs a subcommand. The exit code is 1 when the import that was watched did not succeed.
pub fn run_imports(arguments: ImportsArgs) -> Result<ExitCode, CliError> {
    let ImportsArgs { command, json, service } = arguments;
    client::run_in_runtime(async {
        let connection = ApiClient::connect(&service).await?;
        match command {
            ImportsCommand::Create(arguments) => {
                let created = post(&connection, &["imports"], Some(&arguments.to_request())).await?;
                return finish(&connection, &created, arguments.watch, json).await;
            }
            ImportsCommand::List(ListArgs { limit }) => list_imports(&connection, limit, json).await?,
            ImportsCommand::Show(ImportArg { import }) => {
                print_import(&fetch_import(&connection, &import).await?, json)?
            }
            ImportsCommand::Entries(filter) => list_entries(&connection, &filter, json).await?,
            ImportsCommand::Watch(ImportArg { import }) => return watch_import(&connection, &import, json).await,
            ImportsCommand::Stop(ImportArg { import }) => {
                print_import(&post(&connection, &["imports", import.as_str(), "stop"], None).await?, json)?;
            }
            ImportsCommand::Retry(RetryArgs { import, watch }) => {
                let retried = post(&connection, &["imports", import.as_str(), "retry"], Some(&Value::Null)).await?;
                return finish(&connection, &retried, watch, json).await;
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// Sends a request that changes something. With a body it is done once, however often it has to be sent; null: no body, but a key.
async fn post(connection: &ApiClient, path: &[&str], body: Option<&Value>) -> Result<Value, CliError> {
    let key = uuid::Uuid::now_v7().to_string();
    connection
        .retry(async || {
            let request = connection.request(Method::POST, path);
            let request = match body {
                Some(Value::Null) => request.header("idempotency-key", &key).body(Vec::new()),
                Some(body) => request.header("idempotency-key", &key).json(body),
                None => request.body(Vec::new()),
            };
            client::read_json(client::send_request(request).await?).await
        })
        .await
}

async fn finish(connection: &ApiClient, import: &Value, watch: bool, json: bool) -> Result<ExitCode, CliError> {
    match import["importHandle"].as_str().filter(|_| watch) {
        Some(handle) => watch_import(connection, handle, json).await,
        None => print_import(import, json).map(|()| ExitCode::SUCCESS),
    }
}

async fn fetch_import(connection: &ApiClient, import: &str) -> Result<Value, CliError> {
    connection.get(&["imports", import], &[]).await
}

/// Waits until an import is finished and prints it. Exit code 1 unless it succeeded.
async fn watch_import(connection: &ApiClient, import: &str, json: bool) -> Result<ExitCode, CliError> {
    let progress = ProgressReporter::for_items("Importing", 0);
    let finished = loop {
        let seen: Value = connection.get(&["imports", import], &[("wait", WAIT_SECONDS)]).await?;
        let count = |name: &str| seen["counts"][name].as_u64().unwrap_or_default();
        progress.set_total(count("found"));
        progress.set(count("found") - count("waiting").min(count("found")));
        if seen["state"] == "finished" {
            break seen;
        }
        connection.pause().await;
    };
    drop(progress);
    print_import(&finished, json)?;
    Ok(if finished["outcome"] == "succeeded" { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// The outcome of a finished import, else its state.
fn describe_state(import: &Value) -> String {
    listing::show_text(if import["outcome"].is_null() { &import["state"] } else { &import["outcome"] })
}

fn print_import(import: &Value, json: bool) -> Result<(), CliError> {
    if json {
        return print_json(import);
    }
    let counts = &import["counts"];
    let shown = ["waiting", "imported", "skipped", "failed", "stopped"].iter();
    let shown = shown.filter(|name| counts[**name].as_u64().unwrap_or_default() > 0);
    let shown: Vec<String> = shown.map(|name| format!("{} {name}", counts[*name])).collect();
    listing::print_fields(&[
        ("Import", listing::show_text(&import["importHandle"])),
        ("Name", listing::show_text(&import["name"])),
        ("State", describe_state(import)),
        ("Failure", listing::show_text(&import["failure"]["detail"])),
        ("Files", format!("{}: {}", counts["found"], shown.join(", "))),
        ("Bytes", DecimalBytes(counts["bytes"].as_u64().unwrap_or_default()).to_string()),
        ("Folder", listing::show_text(&import["folder"])),
        ("Run", import["run"].to_string()),
        ("Created", listing::show_text(&import["createdAt"])),
        ("Finished", listing::show_text(&import["finishedAt"])),
    ])
}

async fn list_imports(connection: &ApiClient, limit: usize, json: bool) -> Result<(), CliError> {
    let imports = listing::fetch_list(connection, &["imports"], &[], limit).await?;
    let columns = ["IMPORT", "STATE", "FILES", "IMPORTED", "CREATED", "NAME"];
    listing::print_list(&imports, json, &columns, |import| {
        vec![
            listing::show_text(&import["importHandle"]),
            describe_state(import),
            import["counts"]["found"].to_string(),
            import["counts"]["imported"].to_string(),
            listing::show_text(&import["createdAt"]),
            listing::show_text(&import["name"]),
        ]
    })
}

async fn list_entries(connection: &ApiClient, filter: &EntriesArgs, json: bool) -> Result<(), CliError> {
    let state = filter.state.as_deref().map(|state| ("state", state));
    let query: Vec<(&str, &str)> = state.into_iter().collect();
    let entries =
        listing::fetch_list(connection, &["imports", filter.import.as_str(), "entries"], &query, filter.limit).await?;
    listing::print_list(&entries, json, &["STATE", "SIZE", "PATH", "REASON"], |entry| {
        vec![
            listing::show_text(&entry["state"]),
            listing::show_text(&entry["size"]),
            listing::show_text(&entry["path"]),
            listing::show_text(&entry["reason"]["detail"]),
        ]
    })
}
