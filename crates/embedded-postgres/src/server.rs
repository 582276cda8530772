//! The server process: creates the cluster, starts or adopts the server, stops it.
//!
//! The state of the server is read from its lock file `postmaster.pid`, never remembered, so that a service that was
//! killed and started again sees what is really there.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::process::{Child, Command};

use rustix::fs::OFlags;

use super::credentials::Credentials;
use super::instance_dir::InstanceDir;
use super::programs::ServerPrograms;
use super::{PORT, PostgresError, Purpose, SUPERUSER};

/// How long a server may take to start, including recovery from a crash.
const STARTUP_TIMEOUT: Duration = Duration::from_secs(300);
/// A longer log, in bytes, is rotated at the next start.
const MAX_LOG_BYTES: u64 = 10 << 20;
/// A process id that no process has.
const UNUSED_PID: &str = "2147483647";

/// A cluster with everything that is needed to run it.
#[derive(Debug)]
pub(crate) struct PostgresServer {
    pub(crate) instance_dir: InstanceDir,
    pub(crate) programs: ServerPrograms,
    pub(crate) purpose: Purpose,
}

/// State of a server according to its lock file `postmaster.pid`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ServerState {
    /// No server runs. `stale`: a dead server left its lock file behind.
    Absent { stale: bool },
    /// It is starting, recovering or stopping.
    Busy,
    /// It accepts connections on the socket in this folder.
    Ready { socket: PathBuf },
}

impl PostgresServer {
    /// Creates the cluster where it is missing. It is created and protected under another name and renamed at the end,
    /// so that an interrupted attempt never leaves half a cluster, or one that is open. Returns whether it was missing.
    pub(crate) async fn init_if_missing(&self, credentials: &Credentials) -> Result<bool, PostgresError> {
        let (data, fresh) = (self.instance_dir.data(), self.instance_dir.folder.join("data.new"));
        if data.exists() {
            return Ok(false);
        }
        tracing::info!("Creating the database cluster in {}", self.instance_dir.folder.display());
        if fresh.exists() {
            fs::remove_dir_all(&fresh).map_err(PostgresError::io_at(&fresh))?;
        }
        let mut initdb = self.programs.command("initdb", &self.instance_dir.user);
        initdb.arg("--pgdata").arg(&fresh).args(["--username", SUPERUSER, "--encoding=UTF8", "--locale=C"]);
        // Nobody may connect before there are passwords.
        initdb.args(["--auth-local=reject", "--auth-host=reject", "--no-instructions"]);
        if self.purpose == Purpose::Tests {
            initdb.arg("--no-sync");
        }
        self.run_program("initdb", initdb).await?;
        self.protect_cluster(&fresh, credentials).await?;
        let path = fresh.join("postgresql.conf");
        let default_config = fs::read_to_string(&path).map_err(PostgresError::io_at(&path))?;
        self.write_server_file(&path, &(default_config + "\ninclude 'offprint.conf'\n"))?;
        fs::rename(&fresh, &data).map_err(PostgresError::io_at(&data))?;
        Ok(true)
    }

    /// Protects a cluster that another version made, or whose passwords are new, see `access_control.rs`. A server that
    /// runs is stopped first.
    pub(crate) async fn protect_existing(&self, credentials: &Credentials) -> Result<(), PostgresError> {
        tracing::info!("Setting the passwords of the private Postgres in {}", self.instance_dir.folder.display());
        self.stop().await?;
        let data = self.instance_dir.data();
        let socket = self.instance_dir.ensure_socket_dir()?;
        if let ServerState::Absent { stale: true } = read_server_state(&data)? {
            clear_stale_locks(&data, &socket)?;
        }
        // Single-user mode reads the settings file, too.
        self.write_server_file(&data.join("offprint.conf"), &build_config(self.purpose, &socket))?;
        self.keep_foreign_hba_file()?;
        self.protect_cluster(&data, credentials).await
    }

    /// Waits until a server is ready, starting one if none runs. Returns the folder of its socket.
    pub(crate) async fn adopt_or_start(&self) -> Result<PathBuf, PostgresError> {
        let deadline = Instant::now() + STARTUP_TIMEOUT;
        let mut started: Option<Child> = None;
        loop {
            let ended = started.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(Some(_))));
            match read_server_state(&self.instance_dir.data())? {
                ServerState::Ready { socket } => {
                    if started.is_none() {
                        tracing::info!(
                            "Adopting the running Postgres server in {}",
                            self.instance_dir.folder.display()
                        );
                    }
                    return Ok(socket);
                }
                ServerState::Absent { stale } if started.is_none() => started = Some(self.start(stale)?),
                ServerState::Absent { .. } if ended => {
                    return Err(PostgresError::ProgramFailed {
                        program: "postgres",
                        folder: self.instance_dir.data(),
                        output: read_log_tail(&self.instance_dir.log()),
                    });
                }
                _ if Instant::now() > deadline => {
                    return Err(PostgresError::NotReady {
                        folder: self.instance_dir.data(),
                        log: self.instance_dir.log(),
                    });
                }
                _ => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// Starts the server in a process group of its own, so that Ctrl-C reaches only the service, which stops the server
    /// last.
    ///
    /// Does not use `pg_ctl start`, which passes paths to a shell, where special characters in them would be
    /// interpreted.
    fn start(&self, stale: bool) -> Result<Child, PostgresError> {
        let socket = self.instance_dir.ensure_socket_dir()?;
        let (data, log) = (self.instance_dir.data(), self.instance_dir.log());
        if stale {
            clear_stale_locks(&data, &socket)?;
        }
        self.write_server_file(&data.join("offprint.conf"), &build_config(self.purpose, &socket))?;
        let log_file = self.open_log().map_err(PostgresError::io_at(&log))?;
        tracing::info!("Starting Postgres in {}", self.instance_dir.folder.display());
        let mut postgres = self.programs.command("postgres", &self.instance_dir.user);
        postgres.arg("-D").arg(&data).process_group(0);
        postgres.stdout(log_file.try_clone().map_err(PostgresError::io_at(&log))?).stderr(log_file);
        postgres.spawn().map_err(PostgresError::io_at(&data))
    }

    /// Stops the server and waits until it is gone.
    pub(crate) async fn stop(&self) -> Result<(), PostgresError> {
        if let ServerState::Absent { .. } = read_server_state(&self.instance_dir.data())? {
            return Ok(());
        }
        let mut stop = self.programs.command("pg_ctl", &self.instance_dir.user);
        stop.args(["stop", "--silent", "--wait", "--mode=fast", "--timeout=60", "--pgdata"])
            .arg(self.instance_dir.data());
        self.run_program("pg_ctl stop", stop).await
    }

    /// Replaces a file of the server. Only its user may read it. The file appears complete or not at all, and what the
    /// server's user may have put in its place, such as a symbolic link, is replaced and not followed.
    pub(crate) fn write_server_file(&self, path: &Path, content: &str) -> Result<(), PostgresError> {
        let write = || {
            let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(path))?;
            file.write_all(content.as_bytes())?;
            self.give_to_server_user(file.as_file())?;
            if self.purpose == Purpose::Service {
                file.as_file().sync_all()?;
            }
            file.persist(path).map_err(|error| error.error)
        };
        write().map(drop).map_err(PostgresError::io_at(path))
    }

    /// The server's log, to append to. A long one is renamed first.
    fn open_log(&self) -> io::Result<File> {
        let log = self.instance_dir.log();
        if fs::symlink_metadata(&log).is_ok_and(|metadata| metadata.len() > MAX_LOG_BYTES) {
            fs::rename(&log, self.instance_dir.folder.join("log.1"))?;
        }
        let no_follow = OFlags::NOFOLLOW.bits() as i32;
        let file = File::options().create(true).append(true).mode(0o600).custom_flags(no_follow).open(&log)?;
        self.give_to_server_user(&file)?;
        Ok(file)
    }

    /// Gives an open file to the server's user; nobody else may read it.
    fn give_to_server_user(&self, file: &File) -> io::Result<()> {
        file.set_permissions(Permissions::from_mode(0o600))?;
        let user = &self.instance_dir.user;
        if user.differs {
            fchown(file, Some(user.uid), Some(user.gid))?;
        }
        Ok(())
    }

    async fn run_program(&self, program: &'static str, mut command: Command) -> Result<(), PostgresError> {
        let folder = self.instance_dir.data();
        let output = command.output().await.map_err(PostgresError::io_at(&folder))?;
        if output.status.success() {
            return Ok(());
        }
        let output = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(PostgresError::ProgramFailed { program, folder, output })
    }
}

/// Reads the state of the server of a data directory.
pub(crate) fn read_server_state(data: &Path) -> Result<ServerState, PostgresError> {
    let path = data.join("postmaster.pid");
    let lock_file = match fs::read_to_string(&path) {
        Ok(content) => content,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(ServerState::Absent { stale: false }),
        Err(source) => return Err(PostgresError::Io { path, source }),
    };
    // Lines: process id, data directory, start time, port, socket's folder, address, shared memory, status.
    let lines: Vec<&str> = lock_file.lines().map(str::trim).collect();
    // Single-user mode writes its process id with a minus.
    let pid = lines.first().and_then(|pid| pid.trim_start_matches('-').parse().ok());
    if !pid.is_some_and(|pid| is_server_process(pid, data)) {
        return Ok(ServerState::Absent { stale: true });
    }
    Ok(match (lines.get(4), lines.get(7)) {
        (Some(socket), Some(&"ready")) => ServerState::Ready { socket: PathBuf::from(socket) },
        _ => ServerState::Busy,
    })
}

/// Whether a process is the server of this data directory, and not an unrelated one that was given the id of a dead
/// server.
fn is_server_process(pid: i32, data: &Path) -> bool {
    let Some(process) = rustix::process::Pid::from_raw(pid) else { return false };
    if Path::new("/proc/self/cmdline").exists() {
        let Ok(arguments) = fs::read(format!("/proc/{pid}/cmdline")) else { return false };
        return arguments.split(|byte| *byte == 0).any(|argument| argument == data.as_os_str().as_encoded_bytes());
    }
    // Without /proc we can only ask whether the process exists. Any error but "no such process" means that it does.
    !matches!(rustix::process::test_kill_process(process), Err(rustix::io::Errno::SRCH))
}

/// Makes the lock files of a dead server harmless. If any process of its user has the process id in them by now, which
/// is common in containers, Postgres believes that the old server still runs and refuses to start. With an id that
/// nobody has it goes on to its second check, whether the old shared memory is still in use; deleting the file would
/// skip that check.
fn clear_stale_locks(data: &Path, socket: &Path) -> Result<(), PostgresError> {
    let path = data.join("postmaster.pid");
    let lock_file = fs::read_to_string(&path).map_err(PostgresError::io_at(&path))?;
    let rest = lock_file.split_once('\n').map_or("", |(_, rest)| rest);
    fs::write(&path, format!("{UNUSED_PID}\n{rest}")).map_err(PostgresError::io_at(&path))?;
    for name in [format!(".s.PGSQL.{PORT}.lock"), format!(".s.PGSQL.{PORT}")] {
        match fs::remove_file(socket.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(PostgresError::io_at(socket)(error)),
            _ => {}
        }
    }
    Ok(())
}

/// The settings file, written before each start. Settings of `ALTER SYSTEM` override it.
fn build_config(purpose: Purpose, socket: &Path) -> String {
    let (fsync, connections) = match purpose {
        Purpose::Service => ("on", 100),
        Purpose::Tests => ("off", 200),
    };
    // The setting is a list of folders, so ours is quoted twice: for the list, and for the file.
    let socket = socket.to_string_lossy().replace('"', "\"\"").replace('\\', "\\\\").replace('\'', "''");
    format!(
        "# Written by offprint before each start; use ALTER SYSTEM for settings of your own.
listen_addresses = ''
unix_socket_directories = '\"{socket}\"'
unix_socket_permissions = 0700
port = {PORT}
max_connections = {connections}
# What is committed survives a power failure.
fsync = {fsync}
synchronous_commit = on
full_page_writes = {fsync}
# Small: rendering needs the memory.
shared_buffers = 128MB
work_mem = 4MB
maintenance_work_mem = 64MB
max_wal_size = 1GB
max_parallel_workers_per_gather = 0
jit = off
# A queue makes dead rows all day: vacuum often, a little each time.
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
fn read_log_tail(log: &Path) -> String {
    let mut tail = Vec::new();
    if let Ok(mut file) = File::open(log) {
        let _ = file.seek(SeekFrom::End(-1000)).or_else(|_| file.seek(SeekFrom::Start(0)));
        let _ = file.read_to_end(&mut tail);
    }
    let lines: Vec<String> = String::from_utf8_lossy(&tail).lines().rev().take(5).map(str::to_owned).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
}
