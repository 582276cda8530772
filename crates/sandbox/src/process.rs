//! One render process, seen from the service: starts it, talks to it, and explains how it ended.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use offprint_core::Code;
use offprint_imaging::{RenderError, RenderOutput};
use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::protocol::{DISCARD_LINE, RENDER_LINE, RenderReply, RenderRequest, STDERR_PATH};
use super::scratch::ScratchDir;
use super::{ProcessLimits, RenderPoolConfig, RenderPoolError};
use crate::confinement::Confinement;

/// A process is replaced after so many requests, in case something leaks slowly.
const MAX_IMAGES_PER_PROCESS: u32 = 1000;

/// A process that keeps more memory than this between requests is replaced, in bytes.
const MAX_RESIDENT_BYTES: u64 = 192 << 20;

/// Memory that a process's allocator keeps for the next image, in bytes. 32 MiB is the maximum that glibc accepts for
/// `MALLOC_MMAP_THRESHOLD_`.
const MALLOC_THRESHOLD_BYTES: &str = "33554432";

/// How long a process may take to start, and to exit after it has closed its pipe.
const PROCESS_TIMEOUT: Duration = Duration::from_secs(10);

/// A process that is ready for a request. It is killed on drop.
#[derive(Debug)]
pub(super) struct PooledProcess {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    line: String,
    images_started: u32,
    process_limits: ProcessLimits,
    pub(crate) confinement: Confinement,
    pub(crate) scratch_dir: ScratchDir,
}

impl PooledProcess {
    /// Starts a process and waits until it has confined itself.
    pub(crate) async fn start(config: &RenderPoolConfig, scratch_dir: ScratchDir) -> Result<Self, RenderError> {
        let start_error = |reason: &str| {
            RenderError::new(Code::Unavailable, format!("A render process could not be started: {reason}."))
        };
        let mut child = spawn_process(config, &scratch_dir).map_err(|error| start_error(&error.to_string()))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(start_error("its pipes are missing"));
        };
        let output = BufReader::new(output);
        let (line, confinement) = (String::new(), Confinement::default());
        let mut process = Self {
            child,
            input,
            output,
            line,
            images_started: 0,
            process_limits: config.process_limits,
            confinement,
            scratch_dir,
        };
        match timeout(PROCESS_TIMEOUT, process.read_reply()).await {
            Ok(Ok(Some(RenderReply::Ready(confinement)))) => process.confinement = confinement,
            Ok(_) => return Err(start_error(&format!("it exited: {}", process.read_error_output().trim()))),
            Err(_) => {
                let seconds = PROCESS_TIMEOUT.as_secs();
                return Err(start_error(&format!("it did not reply within {seconds} s")));
            }
        }
        Ok(process)
    }

    /// Sends a request for the files in the scratch folder. Returns how many bytes of memory its images will need.
    pub(crate) async fn plan(&mut self, request: &RenderRequest) -> Result<u64, RenderPoolError> {
        self.images_started += 1;
        let mut line =
            serde_json::to_vec(request).map_err(|error| RenderPoolError::Rejected(protocol_error(&error)))?;
        line.push(b'\n');
        match self.request_reply(&line).await? {
            RenderReply::Planned(bytes) => Ok(bytes),
            RenderReply::Failed(failure) => Err(to_pool_error(failure)),
            reply => {
                let detail = format!("{reply:?} in reply to a render request");
                Err(RenderPoolError::ProcessDied(protocol_error(&detail)))
            }
        }
    }

    /// Renders what was planned. Returns a result for each image.
    pub(crate) async fn render(&mut self) -> Result<Vec<Result<RenderOutput, RenderError>>, RenderPoolError> {
        match self.request_reply(RENDER_LINE.as_bytes()).await? {
            RenderReply::Rendered(results) => {
                let process_failure = results
                    .iter()
                    .filter_map(|result| result.as_ref().err())
                    .find(|failure| is_process_failure(failure));
                match process_failure {
                    Some(failure) => Err(RenderPoolError::ProcessDied(failure.clone())),
                    None => Ok(results),
                }
            }
            RenderReply::Failed(failure) => Err(to_pool_error(failure)),
            reply => {
                let detail = format!("{reply:?} in reply to the command to render");
                Err(RenderPoolError::ProcessDied(protocol_error(&detail)))
            }
        }
    }

    /// Makes the process forget its plan.
    pub(crate) async fn discard_plan(&mut self) -> Result<(), RenderPoolError> {
        self.request_reply(DISCARD_LINE.as_bytes()).await.map(drop)
    }

    /// Whether it is alive and may take another request.
    pub(crate) fn is_reusable(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
            && self.images_started < MAX_IMAGES_PER_PROCESS
            && self.resident_bytes().is_some_and(|bytes| bytes < MAX_RESIDENT_BYTES)
    }

    async fn request_reply(&mut self, line: &[u8]) -> Result<RenderReply, RenderPoolError> {
        let wall_time = self.process_limits.wall_time;
        let exchange = timeout(wall_time, async {
            self.input.write_all(line).await?;
            self.read_reply().await
        });
        match exchange.await {
            Ok(Ok(Some(reply))) => Ok(reply),
            Ok(_) => Err(RenderPoolError::ProcessDied(self.explain_exit().await)),
            Err(_) => {
                let _ = self.child.kill().await;
                let detail =
                    format!("Rendering took longer than the limit of {} s and was stopped.", wall_time.as_secs());
                Err(RenderPoolError::ProcessDied(RenderError::new(Code::RenderTimeout, detail)))
            }
        }
    }

    /// The next reply; `None` when the process has closed its pipe.
    async fn read_reply(&mut self) -> io::Result<Option<RenderReply>> {
        self.line.clear();
        if self.output.read_line(&mut self.line).await? == 0 {
            return Ok(None);
        }
        Ok(Some(serde_json::from_str(&self.line)?))
    }

    /// Waits for the process to exit and explains why it did.
    async fn explain_exit(&mut self) -> RenderError {
        let status = timeout(PROCESS_TIMEOUT, self.child.wait()).await.ok().and_then(Result::ok);
        let stderr = self.read_error_output();
        tracing::warn!(?status, stderr = %stderr.trim(), "A render process ended unexpectedly");
        explain_exit_status(status, &stderr, self.process_limits)
    }

    fn read_error_output(&self) -> String {
        const MAX_ERROR_BYTES: usize = 4096;
        let stderr = fs::read(self.scratch_dir.path().join(STDERR_PATH)).unwrap_or_default();
        String::from_utf8_lossy(&stderr[stderr.len().saturating_sub(MAX_ERROR_BYTES)..]).into_owned()
    }

    /// Resident memory, in bytes.
    fn resident_bytes(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()?)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? << 10)
    }
}

/// Starts the program without the service's environment, which holds secrets.
fn spawn_process(config: &RenderPoolConfig, scratch_dir: &ScratchDir) -> io::Result<Child> {
    let limits = config.process_limits;
    let mut command = Command::new(&config.program);
    command.arg0("offprint").arg("render-worker").arg("--scratch").arg(scratch_dir.path()).env_clear();
    command.args(["--memory", &limits.memory_bytes.to_string(), "--file", &limits.file_bytes.to_string()]);
    if let Some(fault) = &config.fault_injection {
        command.args(["--fault", fault]);
    }
    for name in ["PATH", "LANG"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    // Otherwise the memory of each image is returned to the kernel and requested again, with a page fault for every 4
    // KiB.
    command.env("MALLOC_TRIM_THRESHOLD_", MALLOC_THRESHOLD_BYTES).env("MALLOC_MMAP_THRESHOLD_", MALLOC_THRESHOLD_BYTES);
    let errors = File::create(scratch_dir.path().join(STDERR_PATH))?;
    command.current_dir(scratch_dir.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
    // Ctrl-C in a terminal goes to a whole process group. It must reach only the service, which lets its renders
    // finish.
    command.process_group(0).kill_on_drop(true).spawn()
}

/// A caught panic counts as the death of the process too: its memory cannot be trusted any more.
fn is_process_failure(failure: &RenderError) -> bool {
    matches!(failure.code, Code::RenderCrashed | Code::RenderMemory)
}

fn to_pool_error(failure: RenderError) -> RenderPoolError {
    if is_process_failure(&failure) {
        RenderPoolError::ProcessDied(failure)
    } else {
        RenderPoolError::Rejected(failure)
    }
}

fn protocol_error(error: &dyn std::fmt::Display) -> RenderError {
    RenderError::new(Code::Internal, format!("Unexpected reply from a render process: {error}."))
}

/// Why a process ended, from its exit status and its error output.
fn explain_exit_status(status: Option<ExitStatus>, stderr: &str, limits: ProcessLimits) -> RenderError {
    let signal = status.and_then(|status| status.signal());
    let is_signal = |expected: Signal| signal == Some(expected.as_raw());
    let memory_error = |detail: String| RenderError::new(Code::RenderMemory, detail);
    if is_signal(Signal::XCPU) {
        let detail = format!("Rendering took more processor time than the limit of {} s.", limits.cpu_time.as_secs());
        return RenderError::new(Code::RenderTimeout, detail);
    }
    if let Some(bytes) = stderr.split("memory allocation of ").nth(1).and_then(|rest| rest.split(' ').next()) {
        return memory_error(format!(
            "Rendering ran out of memory when it needed {bytes} bytes more; the limit of a render is {} bytes.",
            limits.memory_bytes
        ));
    }
    if is_signal(Signal::KILL) {
        return memory_error("The system killed the render, probably because the machine ran out of memory.".into());
    }
    let how = match (signal, status.and_then(|status| status.code())) {
        (Some(signal), _) => format!("with signal {signal}"),
        (_, Some(code)) => format!("with exit code {code}"),
        _ => "without an exit status".into(),
    };
    RenderError::new(Code::RenderCrashed, format!("The render process ended unexpectedly {how}."))
}
