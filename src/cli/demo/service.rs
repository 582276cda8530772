//! The demo's own service, on the next free port.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use clap::Parser;
use offprint_core::Code;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::process::{Child, Command};

use super::to_demo_error;
use crate::cli::CliError;
use crate::cli::client::{self, ApiClient, ServiceArgs};

/// Ports that are tried, in this order.
const PORT_RANGE: std::ops::Range<u16> = 8080..8180;
/// How often the service is asked whether it is ready, and the pause between: two minutes in all, because the first time it
/// creates its database.
const MAX_READY_TRIES: u32 = 1200;
const READY_POLL_INTERVAL: Duration = Duration::from_millis(100);

/// `offprint serve` as a separate process, so that the demo uses it as any client would.
pub struct DemoService {
    pub url: String,
    child: Child,
    data: PathBuf,
    log: PathBuf,
}

impl DemoService {
    /// Starts it and waits until it is ready.
    pub async fn start(work: &Path) -> Result<Self, CliError> {
        let port = PORT_RANGE.into_iter().find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
        let port =
            port.ok_or_else(|| to_demo_error("start the service", format!("all ports of {PORT_RANGE:?} are in use")))?;
        let (url, data, log) = (format!("http://127.0.0.1:{port}"), work.join("data"), work.join("service.log"));
        let output = File::create(&log).map_err(|error| to_demo_error("write the service's log", error))?;
        let errors = output.try_clone().map_err(|error| to_demo_error("write the service's log", error))?;
        println!("Starting the service at {url} (data: {}, log: {})", data.display(), log.display());
        let mut serve = build_command(&data, &url)?;
        serve.arg("serve").env("OFFPRINT_BIND", format!("127.0.0.1:{port}"));
        serve.stdin(Stdio::null()).stdout(output).stderr(errors);
        let child = serve.spawn().map_err(|error| to_demo_error("start the service", error))?;
        let mut running = Self { url, child, data, log };
        for _ in 0..MAX_READY_TRIES {
            if let Ok(connection) = running.connect().await
                && let Ok(response) = connection.request(reqwest::Method::GET, &["health", "ready"]).send().await
                && response.status().is_success()
            {
                return Ok(running);
            }
            if matches!(running.child.try_wait(), Ok(Some(_))) {
                return Err(running.wait_for_exit().await);
            }
            tokio::time::sleep(READY_POLL_INTERVAL).await;
        }
        let log = running.log.clone();
        running.stop().await;
        Err(to_demo_error("start the service", format!("it did not become ready; see {}", log.display())))
    }

    pub async fn connect(&self) -> Result<ApiClient, CliError> {
        /// The options of the client commands, with the API key of the environment.
        #[derive(Parser)]
        struct DemoConnectArgs {
            #[command(flatten)]
            service: ServiceArgs,
        }
        let options = DemoConnectArgs::try_parse_from(["demo", "--url", &self.url]);
        ApiClient::connect(&options.map_err(|error| to_demo_error("connect", error))?.service).await
    }

    /// Runs another subcommand against the service, as people would. Returns whether it succeeded.
    pub async fn run_subcommand(&self, arguments: &[&str]) -> Result<bool, CliError> {
        println!("\n$ offprint {}", arguments.join(" "));
        let mut command = build_command(&self.data, &self.url)?;
        let status = command.args(arguments).stdin(Stdio::null()).status().await;
        Ok(status.map_err(|error| to_demo_error("run a subcommand", error))?.success())
    }

    /// Waits until the service ends by itself, which it should not, and returns the reason.
    pub async fn wait_for_exit(&mut self) -> CliError {
        let status = self.child.wait().await;
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let mut last_lines: Vec<&str> = log.lines().rev().take(5).collect();
        last_lines.reverse();
        let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        CliError::new(
            Code::Unavailable,
            format!("The service ended ({status}). The end of its log: {}", last_lines.join("\n")),
        )
    }

    /// Stops the service as a service manager would, and waits for its end.
    pub async fn stop(mut self) {
        let pid = self.child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        if let Some(pid) = pid
            && kill_process(pid, Signal::TERM).is_ok()
        {
            let _ = self.child.wait().await;
        }
    }
}

/// This program with the settings of the demo's service.
fn build_command(data: &Path, url: &str) -> Result<Command, CliError> {
    let program = std::env::current_exe().map_err(|error| to_demo_error("find its own program", error))?;
    let mut command = Command::new(program);
    command.env("OFFPRINT_DATA_DIR", data).env("OFFPRINT_URL", url);
    Ok(command)
}

/// Sends a request and reads the JSON of the response.
pub async fn request_json(request: reqwest::RequestBuilder) -> Result<Value, CliError> {
    let response = client::send_request(request).await.map_err(client::ClientError::into_error)?;
    client::read_json(response).await.map_err(client::ClientError::into_error)
}
