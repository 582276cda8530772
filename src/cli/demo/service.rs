//! A service of the demo's own, on the next free port.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use clap::Parser;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::process::{Child, Command};

use super::failed;
use crate::cli::Refusal;
use crate::cli::client::{self, Connection, Service};
use crate::code::Code;

/// Ports that are tried, in this order.
const PORTS: std::ops::Range<u16> = 8080..8180;
/// How often the service is asked whether it is ready, and how long the pause is: two minutes, because the first time
/// it makes its database.
const TRIES: u32 = 1200;
const PAUSE: Duration = Duration::from_millis(100);

/// `offprint serve` as a process of its own, so that the demo meets it as anybody would.
pub struct Running {
    pub url: String,
    child: Child,
    data: PathBuf,
    log: PathBuf,
}

impl Running {
    /// Starts it and waits until it is ready.
    pub async fn start(work: &Path) -> Result<Self, Refusal> {
        let port = PORTS.into_iter().find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
        let port = port.ok_or_else(|| failed("start the service", format!("the ports {PORTS:?} are all taken")))?;
        let (url, data, log) = (format!("http://127.0.0.1:{port}"), work.join("data"), work.join("service.log"));
        let said = File::create(&log).map_err(|error| failed("write the service's log", error))?;
        let errors = said.try_clone().map_err(|error| failed("write the service's log", error))?;
        println!("Starting the service at {url} (data: {}, log: {})", data.display(), log.display());
        let mut serve = offprint(&data, &url)?;
        serve.arg("serve").env("OFFPRINT_BIND", format!("127.0.0.1:{port}"));
        serve.stdin(Stdio::null()).stdout(said).stderr(errors);
        let child = serve.spawn().map_err(|error| failed("start the service", error))?;
        let mut running = Self { url, child, data, log };
        for _ in 0..TRIES {
            if let Ok(connection) = running.connect().await
                && let Ok(answer) = connection.request(reqwest::Method::GET, &["health", "ready"]).send().await
                && answer.status().is_success()
            {
                return Ok(running);
            }
            if matches!(running.child.try_wait(), Ok(Some(_))) {
                return Err(running.ended().await);
            }
            tokio::time::sleep(PAUSE).await;
        }
        let log = running.log.clone();
        running.stop().await;
        Err(failed("start the service", format!("it does not become ready; see {}", log.display())))
    }

    /// A connection to it.
    pub async fn connect(&self) -> Result<Connection, Refusal> {
        /// The client's own options, with the environment's key.
        #[derive(Parser)]
        struct Options {
            #[command(flatten)]
            service: Service,
        }
        let options = Options::try_parse_from(["demo", "--url", &self.url]);
        Connection::open(&options.map_err(|error| failed("connect", error))?.service).await
    }

    /// Runs another subcommand against it, as people would; says whether it worked.
    pub async fn offprint(&self, arguments: &[&str]) -> Result<bool, Refusal> {
        println!("\n$ offprint {}", arguments.join(" "));
        let mut command = offprint(&self.data, &self.url)?;
        let status = command.args(arguments).stdin(Stdio::null()).status().await;
        Ok(status.map_err(|error| failed("run a subcommand", error))?.success())
    }

    /// Waits until it ends by itself, which it should not, and says why it did.
    pub async fn ended(&mut self) -> Refusal {
        let status = self.child.wait().await;
        let said = std::fs::read_to_string(&self.log).unwrap_or_default();
        let last: Vec<&str> = said.lines().rev().take(5).collect();
        let last = last.into_iter().rev().collect::<Vec<_>>().join("\n");
        let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        Refusal::new(Code::Unavailable, format!("The service ended ({status}). The end of its log: {last}"))
    }

    /// Ends it as a service manager would, and waits until it has tidied up.
    pub async fn stop(mut self) {
        let pid = self.child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        if let Some(pid) = pid
            && kill_process(pid, Signal::TERM).is_ok()
        {
            let _ = self.child.wait().await;
        }
    }
}

/// This program again, told about the demo's service.
fn offprint(data: &Path, url: &str) -> Result<Command, Refusal> {
    let myself = std::env::current_exe().map_err(|error| failed("find its own program", error))?;
    let mut command = Command::new(myself);
    command.env("OFFPRINT_DATA_DIR", data).env("OFFPRINT_URL", url);
    Ok(command)
}

/// Sends a request and reads the JSON that comes back.
pub async fn ask(request: reqwest::RequestBuilder) -> Result<Value, Refusal> {
    let answer = client::answer(request).await.map_err(client::Trouble::refusal)?;
    client::json(answer).await.map_err(client::Trouble::refusal)
}
