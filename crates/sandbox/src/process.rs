//! One render process, seen from the service: starts it, talks to it, watches it, and explains how it ended.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use offprint_core::Code;
use offprint_imaging::{RenderError, RenderOutput};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::time::{MissedTickBehavior, interval, timeout};
use uuid::Uuid;

use crate::confinement::Confinement;
use crate::descriptors::send_line;
use crate::output_files::{CloseWatch, OutputFiles};
use crate::process_usage::ProcessUsage;
use crate::protocol::{DISCARD_LINE, MAX_REPLY_BYTES, RENDER_LINE, RenderReply, RenderRequest};
use crate::{ProcessLimits, RenderPoolConfig, RenderPoolError};

/// A process is replaced after so many requests, in case something leaks slowly.
const MAX_IMAGES_PER_PROCESS: u32 = 1000;

/// A process that keeps more memory than this between requests is replaced, in bytes.
const MAX_RESIDENT_BYTES: u64 = 192 << 20;

/// Most threads of a process. A render has a few.
const MAX_THREADS: u64 = 64;

/// Memory that a process's allocator keeps for the next image, in bytes. 32 MiB is the maximum that glibc accepts for
/// `MALLOC_MMAP_THRESHOLD_`.
const MALLOC_THRESHOLD_BYTES: &str = "33554432";

/// How long a process may take to start, and to exit after it has closed its end.
const PROCESS_TIMEOUT: Duration = Duration::from_secs(10);

/// How often the processor time and the threads of a process are measured while it works.
const USAGE_INTERVAL: Duration = Duration::from_millis(100);

/// How much of the error output is kept, in bytes.
const MAX_ERROR_BYTES: usize = 4096;

/// The open files of a request that are only read: the source, and the other assets in the order of their pins.
pub(super) type OpenFiles = Vec<Arc<File>>;

/// A process that is ready for a request. It is killed on drop.
#[derive(Debug)]
pub(super) struct PooledProcess {
    child: Child,
    channel: BufReader<UnixStream>,
    errors: ErrorOutput,
    line: Vec<u8>,
    images_started: u32,
    process_limits: ProcessLimits,
    /// Processor time of its process when the request began, and what the request may add to it.
    cpu_budget: (Duration, Duration),
    pub(crate) confinement: Confinement,
    /// The company whose images it has rendered. It never gets those of another.
    company: Option<Uuid>,
    /// Reports when it has closed the files of a request.
    pub(crate) output_watch: CloseWatch,
}

impl PooledProcess {
    /// Starts a process and waits until it has confined itself.
    pub(crate) async fn start(config: &RenderPoolConfig) -> Result<Self, RenderError> {
        let start_error = |reason: &str| {
            RenderError::new(Code::Unavailable, format!("A render process could not be started: {reason}."))
        };
        let spawned = spawn_process(config).map_err(|error| start_error(&error.to_string()))?;
        let mut process = Self {
            child: spawned.child,
            channel: BufReader::new(spawned.channel),
            errors: spawned.errors,
            line: Vec::new(),
            images_started: 0,
            process_limits: config.process_limits,
            cpu_budget: Default::default(),
            confinement: Confinement::default(),
            company: None,
            output_watch: CloseWatch::open(),
        };
        match timeout(PROCESS_TIMEOUT, process.read_reply()).await {
            Ok(Ok(RenderReply::Ready(confinement))) => process.confinement = confinement,
            Ok(_) => return Err(start_error(&format!("it exited: {}", process.errors.read_text().trim()))),
            Err(_) => {
                let seconds = PROCESS_TIMEOUT.as_secs();
                return Err(start_error(&format!("it did not reply within {seconds} s")));
            }
        }
        Ok(process)
    }

    /// Whether it may render images of this company: it has rendered none of another.
    pub(crate) fn can_serve(&self, company: Uuid) -> bool {
        self.company.is_none_or(|own| own == company)
    }

    /// Whether it has rendered images of a company.
    pub(crate) fn is_assigned(&self) -> bool {
        self.company.is_some()
    }

    /// Makes it the process of a company for good.
    pub(crate) fn assign_company(&mut self, company: Uuid) {
        debug_assert!(self.can_serve(company));
        self.company = Some(company);
    }

    /// Sends a request with its files. Returns how many bytes of memory its images will need. The service's own
    /// descriptors of the outputs are closed.
    pub(crate) async fn plan(
        &mut self,
        request: &RenderRequest,
        sources: &OpenFiles,
        outputs: &mut OutputFiles,
    ) -> Result<u64, RenderPoolError> {
        self.images_started += 1;
        let budget = self.process_limits.cpu_time * u32::try_from(request.recipes.len().max(1)).unwrap_or(u32::MAX);
        self.cpu_budget = (self.measure_usage().map(|usage| usage.cpu_time).unwrap_or_default(), budget);
        let mut line =
            serde_json::to_vec(request).map_err(|error| RenderPoolError::Rejected(protocol_error(&error)))?;
        line.push(b'\n');
        let reply = {
            let descriptors: Vec<_> = sources.iter().map(AsFd::as_fd).chain(outputs.descriptors()).collect();
            self.request_reply(&line, &descriptors).await
        };
        outputs.close();
        match reply? {
            RenderReply::Planned(bytes) => Ok(bytes),
            RenderReply::Failed(failure) => Err(to_pool_error(failure)),
            reply => {
                let detail = format!("{reply:?} in reply to a render request");
                Err(RenderPoolError::ProcessDied(protocol_error(&detail)))
            }
        }
    }

    /// Renders what was planned. Returns a result for each of `count` images.
    pub(crate) async fn render(
        &mut self,
        count: usize,
    ) -> Result<Vec<Result<RenderOutput, RenderError>>, RenderPoolError> {
        match self.send_command(RENDER_LINE).await? {
            RenderReply::Rendered(results) if results.len() == count => {
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
        self.send_command(DISCARD_LINE).await.map(drop)
    }

    /// Ends the process, and waits until nothing is left of it.
    pub(crate) async fn end(mut self) -> io::Result<()> {
        self.child.kill().await
    }

    /// Whether it is alive and may take another request.
    pub(crate) fn is_reusable(&mut self) -> bool {
        self.errors.drain();
        let half_life = self.process_limits.lifetime_cpu() / 2;
        matches!(self.child.try_wait(), Ok(None))
            && self.images_started < MAX_IMAGES_PER_PROCESS
            && self
                .measure_usage()
                .is_some_and(|usage| usage.resident_bytes < MAX_RESIDENT_BYTES && usage.cpu_time < half_life)
    }

    async fn send_command(&mut self, command: &str) -> Result<RenderReply, RenderPoolError> {
        self.request_reply(format!("{command}\n").as_bytes(), &[]).await
    }

    async fn request_reply(&mut self, line: &[u8], files: &[BorrowedFd<'_>]) -> Result<RenderReply, RenderPoolError> {
        let wall_time = self.process_limits.wall_time;
        let failure = match timeout(wall_time, self.exchange_while_measured(line, files)).await {
            Ok(Ok(reply)) => return Ok(reply),
            Ok(Err(ExchangeError::Closed)) => self.explain_exit().await,
            Ok(Err(ExchangeError::Misbehaved(failure))) => failure,
            Err(_) => {
                let detail =
                    format!("Rendering took longer than the limit of {} s and was stopped.", wall_time.as_secs());
                RenderError::new(Code::RenderTimeout, detail)
            }
        };
        let _ = self.child.kill().await;
        Err(RenderPoolError::ProcessDied(failure))
    }

    /// Sends a line and reads the reply; meanwhile measures what the process uses.
    async fn exchange_while_measured(
        &mut self,
        line: &[u8],
        files: &[BorrowedFd<'_>],
    ) -> Result<RenderReply, ExchangeError> {
        let pid = self.child.id();
        let (limits, cpu_budget) = (self.process_limits, self.cpu_budget);
        send_line(self.channel.get_ref(), line, files).await.map_err(|_| ExchangeError::Closed)?;
        self.line.clear();
        let mut ticks = interval(USAGE_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        let mut limited = (&mut self.channel).take(MAX_REPLY_BYTES);
        let mut reply = std::pin::pin!(limited.read_until(b'\n', &mut self.line));
        loop {
            tokio::select! {
                read = &mut reply => {
                    read.map_err(|_| ExchangeError::Closed)?;
                    break;
                }
                _ = ticks.tick() => {
                    self.errors.drain();
                    let usage = pid.and_then(ProcessUsage::measure);
                    if let Some(failure) = usage.and_then(|usage| find_excess(&usage, cpu_budget, limits)) {
                        return Err(ExchangeError::Misbehaved(failure));
                    }
                }
            }
        }
        parse_reply(&self.line)
    }

    /// The next reply of a process that has just started.
    async fn read_reply(&mut self) -> Result<RenderReply, ExchangeError> {
        self.line.clear();
        let mut limited = (&mut self.channel).take(MAX_REPLY_BYTES);
        limited.read_until(b'\n', &mut self.line).await.map_err(|_| ExchangeError::Closed)?;
        parse_reply(&self.line)
    }

    fn measure_usage(&self) -> Option<ProcessUsage> {
        ProcessUsage::measure(self.child.id()?)
    }

    /// Waits for the process to exit and explains why it did.
    async fn explain_exit(&mut self) -> RenderError {
        let status = timeout(PROCESS_TIMEOUT, self.child.wait()).await.ok().and_then(Result::ok);
        let stderr = self.errors.read_text();
        tracing::warn!(?status, stderr = %stderr.trim(), "A render process ended unexpectedly");
        explain_exit_status(status, &stderr, self.process_limits)
    }
}

/// Why there is no reply.
#[derive(Debug)]
enum ExchangeError {
    /// The process has closed its end, mostly because it died.
    Closed,
    /// It exceeded a limit, or said something that makes no sense.
    Misbehaved(RenderError),
}

/// Which limit a process has exceeded. Memory is limited by the kernel.
fn find_excess(
    usage: &ProcessUsage,
    (start, budget): (Duration, Duration),
    limits: ProcessLimits,
) -> Option<RenderError> {
    if usage.cpu_time.saturating_sub(start) > budget {
        return Some(cpu_time_error(limits));
    }
    if usage.threads > MAX_THREADS {
        let detail = format!("Rendering started more than {MAX_THREADS} threads and was stopped.");
        return Some(RenderError::new(Code::RenderCrashed, detail));
    }
    None
}

/// Reads one line. A process that was taken over may send anything: the line must end within its limit, be of the
/// protocol, and have no NUL, which the database cannot store.
fn parse_reply(line: &[u8]) -> Result<RenderReply, ExchangeError> {
    if line.last() != Some(&b'\n') {
        if (line.len() as u64) < MAX_REPLY_BYTES {
            return Err(ExchangeError::Closed);
        }
        let detail = format!("The render process sent a reply of more than {MAX_REPLY_BYTES} bytes and was stopped.");
        return Err(ExchangeError::Misbehaved(RenderError::new(Code::RenderCrashed, detail)));
    }
    let has_nul = line.windows(6).any(|part| part == br"\u0000");
    let reply = if has_nul { None } else { serde_json::from_slice(line).ok() };
    reply.ok_or_else(|| {
        let detail = "The render process sent a reply that makes no sense and was stopped.";
        ExchangeError::Misbehaved(RenderError::new(Code::RenderCrashed, detail))
    })
}

/// The end of what a process writes to its error output. The pipe never blocks the process: what it cannot take is lost.
#[derive(Debug)]
struct ErrorOutput {
    pipe: File,
    tail: Vec<u8>,
}

impl ErrorOutput {
    /// Takes what has come.
    fn drain(&mut self) {
        let mut buffer = [0; MAX_ERROR_BYTES];
        // A pipe holds 64 KiB; a process that writes faster than this reads must not hold it.
        for _ in 0..32 {
            match self.pipe.read(&mut buffer) {
                Ok(count) if count > 0 => self.tail.extend_from_slice(&buffer[..count]),
                _ => break,
            }
            self.tail.drain(..self.tail.len().saturating_sub(MAX_ERROR_BYTES));
        }
    }

    fn read_text(&mut self) -> String {
        self.drain();
        String::from_utf8_lossy(&self.tail).into_owned()
    }
}

struct SpawnedProcess {
    child: Child,
    channel: UnixStream,
    errors: ErrorOutput,
}

/// Starts the program with its end of a channel as standard input, and without the service's environment, which holds
/// secrets.
fn spawn_process(config: &RenderPoolConfig) -> io::Result<SpawnedProcess> {
    let limits = config.process_limits;
    let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let (errors, error_output) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
    let mut command = Command::new(&config.program);
    command.arg0("offprint").arg("render-worker").env_clear().current_dir("/");
    command.args(["--memory", &limits.memory_bytes.to_string(), "--file", &limits.file_bytes.to_string()]);
    command.args(["--cpu", &limits.lifetime_cpu().as_secs().to_string()]).arg("--service").arg(&config.service_name);
    if let Some(fault) = &config.fault_injection {
        command.args(["--fault", fault]);
    }
    // Otherwise the memory of each image is returned to the kernel and requested again, with a page fault for every 4
    // KiB.
    command.env("MALLOC_TRIM_THRESHOLD_", MALLOC_THRESHOLD_BYTES).env("MALLOC_MMAP_THRESHOLD_", MALLOC_THRESHOLD_BYTES);
    command.stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).stderr(error_output);
    // Ctrl-C in a terminal goes to a whole process group. It must reach only the service, which lets its renders
    // finish.
    let child = command.process_group(0).kill_on_drop(true).spawn()?;
    let errors = ErrorOutput { pipe: errors.into(), tail: Vec::new() };
    Ok(SpawnedProcess { child, channel: UnixStream::from_std(ours)?, errors })
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

fn cpu_time_error(limits: ProcessLimits) -> RenderError {
    let detail = format!("Rendering took more processor time than the limit of {} s.", limits.cpu_time.as_secs());
    RenderError::new(Code::RenderTimeout, detail)
}

/// Why a process ended, from its exit status and its error output.
fn explain_exit_status(status: Option<ExitStatus>, stderr: &str, limits: ProcessLimits) -> RenderError {
    let signal = status.and_then(|status| status.signal());
    let is_signal = |expected: Signal| signal == Some(expected.as_raw());
    let memory_error = |detail: String| RenderError::new(Code::RenderMemory, detail);
    if is_signal(Signal::XCPU) {
        return cpu_time_error(limits);
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
