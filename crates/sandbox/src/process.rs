//! One render process, from outside.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::protocol::{ERRORS, GO, Job, NO, Said};
use super::scratch::Desk;
use super::{Ended, Fence, Setup};
use offprint_core::Code;
use crate::confine::Confinement;
use offprint_imaging::Rendered;
use offprint_imaging::Failure;

/// After so many pictures a process makes room for a new one.
const PICTURES: u32 = 1000;

/// A process that keeps more memory than this between pictures makes room for a new one, in bytes.
const KEPT: u64 = 192 << 20;

/// Bytes of memory that a process's allocator keeps for the next picture; the most that glibc takes for the second of its
/// thresholds.
const KEEP: &str = "33554432";

/// How long a process may take to start, and how long to be gone once it has closed its pipe.
const MOMENT: Duration = Duration::from_secs(10);

/// A process that is ready for a picture. Dropped, it is killed at once.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    line: String,
    pictures: u32,
    fence: Fence,
    pub confinement: Confinement,
    pub desk: Desk,
}

impl Process {
    /// Starts one and waits until it has confined itself.
    pub async fn start(setup: &Setup, desk: Desk) -> Result<Self, Failure> {
        let broken =
            |why: &str| Failure::new(Code::Unavailable, format!("A render process could not be started: {why}."));
        let mut child = spawn(setup, &desk).map_err(|error| broken(&error.to_string()))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(broken("it has no pipes"));
        };
        let output = BufReader::new(output);
        let (line, confinement) = (String::new(), Confinement::default());
        let mut process = Self { child, input, output, line, pictures: 0, fence: setup.fence, confinement, desk };
        match timeout(MOMENT, process.hear()).await {
            Ok(Ok(Some(Said::Ready(confinement)))) => process.confinement = confinement,
            Ok(_) => return Err(broken(&format!("it ended: {}", process.last_words().trim()))),
            Err(_) => return Err(broken("it did not answer")),
        }
        Ok(process)
    }

    /// Gives the source that lies on the desk to the process; says how many bytes its pictures will need.
    pub async fn plan(&mut self, job: &Job) -> Result<u64, Ended> {
        self.pictures += 1;
        let mut line = serde_json::to_vec(job).map_err(|error| Ended::Refused(internal(&error)))?;
        line.push(b'\n');
        match self.ask(&line).await? {
            Said::Planned(bytes) => Ok(bytes),
            Said::Failed(failure) => Err(ended(failure)),
            said => Err(Ended::Died(internal(&format!("{said:?} is no answer to an order")))),
        }
    }

    /// Lets the process render what it has planned: an answer for each picture.
    pub async fn render(&mut self) -> Result<Vec<Result<Rendered, Failure>>, Ended> {
        match self.ask(GO.as_bytes()).await? {
            Said::Rendered(rendered) => {
                let death =
                    rendered.iter().filter_map(|picture| picture.as_ref().err()).find(|failure| is_death(failure));
                match death {
                    Some(failure) => Err(Ended::Died(failure.clone())),
                    None => Ok(rendered),
                }
            }
            Said::Failed(failure) => Err(ended(failure)),
            said => Err(Ended::Died(internal(&format!("{said:?} is no answer to the word")))),
        }
    }

    /// Takes back what the process has planned.
    pub async fn give_up(&mut self) -> Result<(), Ended> {
        self.ask(NO.as_bytes()).await.map(drop)
    }

    /// Whether it lives and may have another picture.
    pub fn is_fresh(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
            && self.pictures < PICTURES
            && self.resident().is_some_and(|it| it < KEPT)
    }

    async fn ask(&mut self, line: &[u8]) -> Result<Said, Ended> {
        let wall = self.fence.wall;
        let asked = timeout(wall, async {
            self.input.write_all(line).await?;
            self.hear().await
        });
        match asked.await {
            Ok(Ok(Some(said))) => Ok(said),
            Ok(_) => Err(Ended::Died(self.post_mortem().await)),
            Err(_) => {
                let _ = self.child.kill().await;
                let detail = format!("Rendering took longer than the limit of {} s and was ended.", wall.as_secs());
                Err(Ended::Died(Failure::new(Code::RenderTimeout, detail)))
            }
        }
    }

    /// The next line; none when the process has ended.
    async fn hear(&mut self) -> io::Result<Option<Said>> {
        self.line.clear();
        if self.output.read_line(&mut self.line).await? == 0 {
            return Ok(None);
        }
        Ok(Some(serde_json::from_str(&self.line)?))
    }

    /// Why the process ended.
    async fn post_mortem(&mut self) -> Failure {
        let status = timeout(MOMENT, self.child.wait()).await.ok().and_then(Result::ok);
        let words = self.last_words();
        tracing::warn!(status = ?status, said = %words.trim(), "A render process has ended");
        cause(status, &words, self.fence)
    }

    fn last_words(&self) -> String {
        const MOST: usize = 4096;
        let words = fs::read(self.desk.path().join(ERRORS)).unwrap_or_default();
        String::from_utf8_lossy(&words[words.len().saturating_sub(MOST)..]).into_owned()
    }

    /// Bytes of memory that it holds now.
    fn resident(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()?)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? << 10)
    }
}

/// Starts the program with nothing of the service's environment, which has its secrets.
fn spawn(setup: &Setup, desk: &Desk) -> io::Result<Child> {
    let fence = setup.fence;
    let mut command = Command::new(&setup.program);
    command.arg0("offprint").arg("render-worker").arg("--scratch").arg(desk.path()).env_clear();
    command.args(["--memory", &fence.memory.to_string(), "--file", &fence.file.to_string()]);
    if let Some(fault) = &setup.fault {
        command.args(["--fault", fault]);
    }
    for name in ["PATH", "LANG"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    // Else each picture's memory is given back to the kernel and asked for anew, a page fault for every 4 KiB.
    command.env("MALLOC_TRIM_THRESHOLD_", KEEP).env("MALLOC_MMAP_THRESHOLD_", KEEP);
    let errors = File::create(desk.path().join(ERRORS))?;
    command.current_dir(desk.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
    // Ctrl-C in a terminal is meant for the service, which lets its renders end.
    command.process_group(0).kill_on_drop(true).spawn()
}

/// A caught panic is a death too: what the process has in memory is not to be trusted any more.
fn is_death(failure: &Failure) -> bool {
    matches!(failure.code, Code::RenderCrashed | Code::RenderMemory)
}

fn ended(failure: Failure) -> Ended {
    if is_death(&failure) { Ended::Died(failure) } else { Ended::Refused(failure) }
}

fn internal(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(Code::Internal, format!("A render process was not understood: {error}."))
}

/// What a process died of, from its end and its last words.
fn cause(status: Option<ExitStatus>, words: &str, fence: Fence) -> Failure {
    let signal = status.and_then(|status| status.signal());
    let is = |wanted: Signal| signal == Some(wanted.as_raw());
    let memory = |detail: String| Failure::new(Code::RenderMemory, detail);
    if is(Signal::XCPU) {
        let detail = format!("Rendering took more processor time than the limit of {} s.", fence.cpu.as_secs());
        return Failure::new(Code::RenderTimeout, detail);
    }
    if let Some(asked) = words.split("memory allocation of ").nth(1).and_then(|rest| rest.split(' ').next()) {
        let detail = format!("Rendering wanted {asked} bytes more; the limit of a render is {} bytes.", fence.memory);
        return memory(detail);
    }
    if is(Signal::KILL) {
        return memory("The system ended the render, as it does when the machine has no memory left.".into());
    }
    let how = match (signal, status.and_then(|status| status.code())) {
        (Some(signal), _) => format!("with signal {signal}"),
        (_, Some(code)) => format!("with exit code {code}"),
        _ => "without a word".into(),
    };
    Failure::new(Code::RenderCrashed, format!("Rendering this picture ended its process {how}."))
}
