//! The binary as people run it: `offprint serve` as a process of its own, and subcommands that run to their end.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use reqwest::Client;
use reqwest::multipart::{Form, Part};
use serde_json::Value;
use sqlx::ConnectOptions;
use tempfile::TempDir;

use crate::support::test_database::TestDatabase;

/// A running `offprint serve`.
pub struct ServiceProcess {
    pub child: Child,
    pub url: String,
    pub client: Client,
}

impl ServiceProcess {
    /// Starts the service on a database and a folder and waits until it listens. The last line of its log when it ends
    /// instead.
    pub fn start(database: &str, folder: &TempDir, settings: &[(&str, &str)]) -> Result<Self, String> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_offprint"));
        command.env("DATABASE_URL", database).env("OFFPRINT_DATA_DIR", folder.path());
        command.env("OFFPRINT_BIND", "127.0.0.1:0").envs(settings.iter().copied());
        Self::spawn(command)
    }

    /// The same with a private Postgres in this data folder.
    pub fn start_with_private_postgres(data_dir: &Path) -> Result<Self, String> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_offprint"));
        command.env_remove("DATABASE_URL").env("OFFPRINT_DATA_DIR", data_dir).env("OFFPRINT_BIND", "127.0.0.1:0");
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Result<Self, String> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        command.arg("serve").env("OFFPRINT_LEASE", "1s").stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut last_line = String::new();
        let address = log.find_map(|line| {
            last_line.clone_from(&line);
            line.split_once(" answers at ").map(|(_, url)| url.trim().to_owned())
        });
        // The pipe must be drained, or the service would block on a full one.
        std::thread::spawn(move || log.for_each(drop));
        match address {
            Some(url) => Ok(Self { child, url, client: Client::new() }),
            None => {
                child.wait().unwrap();
                Err(last_line)
            }
        }
    }

    pub async fn get(&self, path: &str) -> Value {
        self.client.get(format!("{}{path}", self.url)).send().await.unwrap().json().await.unwrap()
    }

    pub async fn upload_asset(&self, name: String, bytes: Vec<u8>) {
        let form = Form::new().part("file", Part::bytes(bytes).file_name(name));
        let answer = self.client.post(format!("{}/assets", self.url)).multipart(form).send().await.unwrap();
        assert_eq!(answer.status(), 201);
    }

    pub async fn create_job(&self, export_request: Value) -> String {
        let answer = self.client.post(format!("{}/export-jobs", self.url)).json(&export_request).send().await.unwrap();
        assert_eq!(answer.status(), 202);
        answer.json::<Value>().await.unwrap()["jobHandle"].as_str().unwrap().to_owned()
    }

    /// Waits up to a minute for a change of the job since this `ETag`; the job, `null` when unchanged, and its `ETag`.
    pub async fn poll_job(&self, job: &str, known: &str) -> (Value, String) {
        let request = self.client.get(format!("{}/export-jobs/{job}?wait=60", self.url)).header("if-none-match", known);
        let answer = request.send().await.unwrap();
        let etag = answer.headers()["etag"].to_str().unwrap().to_owned();
        (answer.json().await.unwrap_or(Value::Null), etag)
    }

    /// Waits until this many more items have ended, or the job has.
    pub async fn wait_for_progress(&self, job: &str, items: i64) -> Value {
        let (mut now, mut etag) = self.poll_job(job, "\"nothing\"").await;
        let goal = count_ended(&now) + items;
        while now["state"] != "finished" && count_ended(&now) < goal {
            let (next, tag) = self.poll_job(job, &etag).await;
            (now, etag) = (if next.is_null() { now } else { next }, tag);
        }
        now
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends SIGTERM and waits; the exit code.
    pub fn stop(mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap().code()
    }
}

/// A failed test leaves no process behind.
impl Drop for ServiceProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn count_ended(job: &Value) -> i64 {
    job["counts"]["succeeded"].as_i64().unwrap() + job["counts"]["failed"].as_i64().unwrap()
}

/// The address of a database.
pub fn build_database_url(database: &impl TestDatabase) -> String {
    database.get_connect_options().to_url_lossy().to_string()
}

/// How a subcommand ended, and what it printed.
#[derive(Debug)]
pub struct CommandOutput {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs a subcommand on this database and data folder to its end.
pub fn run_offprint(database: &impl TestDatabase, folder: &TempDir, arguments: &[&str]) -> CommandOutput {
    let variables = [("DATABASE_URL", build_database_url(database)), ("OFFPRINT_DATA_DIR", format_path(folder.path()))];
    run_offprint_with(&variables, arguments)
}

pub fn format_path(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// Runs a subcommand with these variables, and none of the database's that the tests themselves use.
pub fn run_offprint_with(variables: &[(&str, String)], arguments: &[&str]) -> CommandOutput {
    let mut command = Command::new(env!("CARGO_BIN_EXE_offprint"));
    command.args(arguments).env_remove("DATABASE_URL").env_remove("PGAPPNAME");
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    CommandOutput { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}
