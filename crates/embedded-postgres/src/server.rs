//! The server process: made, adopted, started, stopped.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::process::{Child, Command};

use super::home::Home;
use super::programs::Programs;
use super::{Error, PORT, Purpose, SUPERUSER};

/// How long a server may recover from a crash before we give up on it.
const PATIENCE: Duration = Duration::from_secs(300);
/// A log longer than this, in bytes, makes room for a new one.
const LONGEST_LOG: u64 = 10 << 20;
/// A process number that no process has.
const NOBODY: &str = "2147483647";

/// A cluster with all that is needed to run it.
#[derive(Debug)]
pub struct Server {
    pub home: Home,
    pub programs: Programs,
    pub purpose: Purpose,
}

/// What a server is doing, as its lock file `postmaster.pid` has it.
#[derive(Debug, PartialEq, Eq)]
pub enum State {
    /// No server runs; `stale` when one left its lock file behind.
    Absent { stale: bool },
    /// It starts, recovers or stops.
    Busy,
    /// It takes connections on the socket in this folder.
    Ready { socket: PathBuf },
}

impl Server {
    /// Makes the cluster, unless it is there. One that was interrupted before leaves no half of it.
    pub async fn make_if_missing(&self) -> Result<(), Error> {
        let (data, fresh) = (self.home.data(), self.home.folder.join("data.new"));
        if !data.exists() {
            tracing::info!("making the database in {}", self.home.folder.display());
            if fresh.exists() {
                fs::remove_dir_all(&fresh).map_err(Error::io(&fresh))?;
            }
            let mut initdb = self.programs.command("initdb", &self.home.user);
            initdb.arg("--pgdata").arg(&fresh).args(["--username", SUPERUSER, "--encoding=UTF8", "--locale=C"]);
            // The socket's folder decides who may come in.
            initdb.args(["--auth-local=trust", "--auth-host=reject", "--no-instructions"]);
            if self.purpose == Purpose::Tests {
                initdb.arg("--no-sync");
            }
            self.done("initdb", initdb).await?;
            let path = fresh.join("postgresql.conf");
            let given = fs::read_to_string(&path).map_err(Error::io(&path))?;
            fs::write(&path, given + "\ninclude 'offprint.conf'\n").map_err(Error::io(&path))?;
            fs::rename(&fresh, &data).map_err(Error::io(&data))?;
        }
        Ok(())
    }

    /// Sees to it that a server is ready, and says in which folder its socket is.
    pub async fn adopt_or_start(&self) -> Result<PathBuf, Error> {
        let deadline = Instant::now() + PATIENCE;
        let mut started: Option<Child> = None;
        loop {
            let ended = started.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(Some(_))));
            match look(&self.home.data())? {
                State::Ready { socket } => {
                    if started.is_none() {
                        tracing::info!("adopting the Postgres that runs in {}", self.home.folder.display());
                    }
                    return Ok(socket);
                }
                State::Absent { stale } if started.is_none() => started = Some(self.start(stale)?),
                State::Absent { .. } if ended => {
                    let said = end_of(&self.home.log());
                    return Err(Error::Failed { program: "postgres", folder: self.home.data(), said });
                }
                _ if Instant::now() > deadline => {
                    return Err(Error::Unready { folder: self.home.data(), log: self.home.log() });
                }
                _ => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// Starts the server in a process group of its own, so that Ctrl-C ends us first and it after us.
    ///
    /// Not by `pg_ctl start`: that hands paths to a shell, where a folder's name could mean anything.
    fn start(&self, stale: bool) -> Result<Child, Error> {
        let socket = self.home.socket()?;
        let (data, log) = (self.home.data(), self.home.log());
        if stale {
            forget(&data, &socket)?;
        }
        let path = data.join("offprint.conf");
        fs::write(&path, settings(self.purpose, &socket)).map_err(Error::io(&path))?;
        self.hand_over(&path)?;
        if fs::metadata(&log).is_ok_and(|about| about.len() > LONGEST_LOG) {
            fs::rename(&log, self.home.folder.join("log.1")).map_err(Error::io(&log))?;
        }
        let said = File::options().create(true).append(true).open(&log).map_err(Error::io(&log))?;
        self.hand_over(&log)?;
        tracing::info!("starting Postgres in {}", self.home.folder.display());
        let mut postgres = self.programs.command("postgres", &self.home.user);
        postgres.arg("-D").arg(&data).process_group(0);
        postgres.stdout(said.try_clone().map_err(Error::io(&log))?).stderr(said);
        postgres.spawn().map_err(Error::io(&data))
    }

    /// Ends the server and waits until it is gone.
    pub async fn stop(&self) -> Result<(), Error> {
        if let State::Absent { .. } = look(&self.home.data())? {
            return Ok(());
        }
        let mut stop = self.programs.command("pg_ctl", &self.home.user);
        stop.args(["stop", "--silent", "--wait", "--mode=fast", "--timeout=60", "--pgdata"]).arg(self.home.data());
        self.done("pg_ctl stop", stop).await
    }

    /// Gives a file that we wrote to the cluster's user, for nobody else to read.
    fn hand_over(&self, file: &Path) -> Result<(), Error> {
        fs::set_permissions(file, Permissions::from_mode(0o600)).map_err(Error::io(file))?;
        let user = &self.home.user;
        if user.differs {
            chown(file, Some(user.uid), Some(user.gid)).map_err(Error::io(file))?;
        }
        Ok(())
    }

    async fn done(&self, program: &'static str, mut command: Command) -> Result<(), Error> {
        let folder = self.home.data();
        let said = command.output().await.map_err(Error::io(&folder))?;
        if said.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&said.stderr).trim().to_owned();
        Err(Error::Failed { program, folder, said })
    }
}

/// What the server of a data directory is doing.
pub fn look(data: &Path) -> Result<State, Error> {
    let path = data.join("postmaster.pid");
    let said = match fs::read_to_string(&path) {
        Ok(said) => said,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(State::Absent { stale: false }),
        Err(source) => return Err(Error::Io { path, source }),
    };
    // Process, data directory, start, port, socket's folder, address, shared memory, status.
    let lines: Vec<&str> = said.lines().map(str::trim).collect();
    let pid = lines.first().and_then(|pid| pid.parse().ok());
    if !pid.is_some_and(|pid| is_server(pid, data)) {
        return Ok(State::Absent { stale: true });
    }
    Ok(match (lines.get(4), lines.get(7)) {
        (Some(socket), Some(&"ready")) => State::Ready { socket: PathBuf::from(socket) },
        _ => State::Busy,
    })
}

/// Whether a process is the server of this data directory, and not one that got the number of a dead one.
fn is_server(pid: i32, data: &Path) -> bool {
    let Some(process) = rustix::process::Pid::from_raw(pid) else { return false };
    if Path::new("/proc/self/cmdline").exists() {
        let Ok(arguments) = fs::read(format!("/proc/{pid}/cmdline")) else { return false };
        return arguments.split(|byte| *byte == 0).any(|argument| argument == data.as_os_str().as_encoded_bytes());
    }
    // Without /proc we can only ask whether the process lives; a refusal to be asked says that it does.
    !matches!(rustix::process::test_kill_process(process), Err(rustix::io::Errno::SRCH))
}

/// Makes lock files that a dead server left harmless. Postgres trusts the number in them when any process of its user
/// has it by now; with a number that nobody has it goes on to look whether its shared memory is still in use.
fn forget(data: &Path, socket: &Path) -> Result<(), Error> {
    let path = data.join("postmaster.pid");
    let said = fs::read_to_string(&path).map_err(Error::io(&path))?;
    let rest = said.split_once('\n').map_or("", |(_, rest)| rest);
    fs::write(&path, format!("{NOBODY}\n{rest}")).map_err(Error::io(&path))?;
    for name in [format!(".s.PGSQL.{PORT}.lock"), format!(".s.PGSQL.{PORT}")] {
        match fs::remove_file(socket.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(Error::io(socket)(error)),
            _ => {}
        }
    }
    Ok(())
}

/// The settings file, written before each start. What people set with ALTER SYSTEM wins over it.
fn settings(purpose: Purpose, socket: &Path) -> String {
    let (fsync, connections) = match purpose {
        Purpose::Service => ("on", 100),
        Purpose::Tests => ("off", 200),
    };
    // A list of folders, so the one we have is quoted once for the list and once for the file.
    let socket = socket.to_string_lossy().replace('"', "\"\"").replace('\\', "\\\\").replace('\'', "''");
    format!(
        "# Written by offprint before each start; use ALTER SYSTEM for settings of your own.
listen_addresses = ''
unix_socket_directories = '\"{socket}\"'
unix_socket_permissions = 0700
port = {PORT}
max_connections = {connections}
# What is committed stays, also when the power fails.
fsync = {fsync}
synchronous_commit = on
full_page_writes = {fsync}
# Modest: pictures need the memory.
shared_buffers = 128MB
work_mem = 4MB
maintenance_work_mem = 64MB
max_wal_size = 1GB
max_parallel_workers_per_gather = 0
jit = off
# A queue makes dead rows all day: collect few of them often.
autovacuum_naptime = 10s
autovacuum_vacuum_threshold = 200
autovacuum_vacuum_scale_factor = 0.02
autovacuum_analyze_scale_factor = 0.02
autovacuum_vacuum_cost_limit = 1000
idle_in_transaction_session_timeout = 5min
timezone = 'GMT'
log_timezone = 'GMT'
log_line_prefix = '%m [%p] '
"
    )
}

/// The last lines of a log, on one line.
fn end_of(log: &Path) -> String {
    let mut end = Vec::new();
    if let Ok(mut file) = File::open(log) {
        let _ = file.seek(SeekFrom::End(-1000)).or_else(|_| file.seek(SeekFrom::Start(0)));
        let _ = file.read_to_end(&mut end);
    }
    let lines: Vec<String> = String::from_utf8_lossy(&end).lines().rev().take(5).map(str::to_owned).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
}
