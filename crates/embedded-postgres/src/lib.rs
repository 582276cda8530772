//! The private Postgres server that Offprint runs when no `DATABASE_URL` is given.
//!
//! One process, `offprint serve`, holds a lock file in the data folder; it alone creates, starts, adopts and stops the
//! server. Other subcommands only connect to the server that runs. The server is reached through a Unix socket in a
//! folder that only its user can enter, and asks everybody for a password, which only the service can read. It survives
//! a killed service: the next `serve` adopts it.
//!
//! This crate knows nothing of the service's tables: it makes an empty database and a role without superuser rights,
//! and hands out connect options. It does not install Postgres; the server programs must be on the machine.
//!
//! Where to begin reading: [`EmbeddedPostgres::start`] in this file. `instance_dir.rs` decides where the files lie and
//! which user owns them, `programs.rs` finds the programs, `server.rs` runs them, `credentials.rs` keeps the passwords,
//! `access_control.rs` makes the server ask for them, `service_database.rs` makes the service's database.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use std::path::Path;
//!
//! use offprint_embedded_postgres::EmbeddedPostgres;
//! use sqlx::postgres::PgPool;
//!
//! let postgres = EmbeddedPostgres::start(Path::new("data")).await?;
//! let pool = PgPool::connect_with(postgres.connect_options()).await?;
//! let version: String = sqlx::query_scalar("show server_version").fetch_one(&pool).await?;
//! println!("PostgreSQL {version}");
//! pool.close().await;
//! postgres.stop().await?;
//! # Ok(())
//! # }
//! ```

#![deny(unreachable_pub)]

mod access_control;
mod credentials;
mod instance_dir;
mod programs;
mod server;
mod service_database;

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgSslMode};

pub use programs::ClientPrograms;

use credentials::Credentials;
use instance_dir::InstanceDir;
use programs::ServerPrograms;
use server::PostgresServer;

/// Name of the service's role and of its database. The role is not a superuser.
const SERVICE_NAME: &str = "offprint";
/// The superuser. Used only to create and to check the service's role and database.
const SUPERUSER: &str = "postgres";
/// The socket folder is private, so the default port cannot collide with another server.
const PORT: u16 = 5432;

/// Why the embedded Postgres cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// No usable server programs were found.
    #[error(
        "PostgreSQL {oldest} or later was not found ({searched}); install the package postgresql, set PG_BIN to the \
         folder of its programs, or set DATABASE_URL to a running server",
        oldest = programs::MIN_MAJOR_VERSION
    )]
    NoPrograms {
        /// The folders that were tried, each with the reason why it cannot be used.
        searched: String,
    },
    /// No client programs were found that work with the server.
    #[error(
        "pg_dump and pg_restore for PostgreSQL {server_major} were not found ({searched}); install the package \
         postgresql-client-{server_major}, or set PG_BIN to the folder of its programs"
    )]
    NoClientPrograms {
        /// Major version of the server.
        server_major: u32,
        /// As in `NoPrograms`.
        searched: String,
    },
    /// The password of a running server is not there.
    #[error(
        "the private Postgres asks for a password, and {path} is missing; start `offprint serve` anew with the same \
         OFFPRINT_DATA_DIR, which makes a new one"
    )]
    NoPassword { path: PathBuf },
    /// The cluster belongs to a major version that was not found.
    #[error(
        "the database in {folder} needs PostgreSQL {made_by}, which was not found ({searched}); install \
         postgresql-{made_by}, set PG_BIN to the folder of its programs, or upgrade the database with pg_upgrade"
    )]
    VersionMismatch {
        folder: PathBuf,
        /// Major version that created the cluster.
        made_by: u32,
        /// As in `NoPrograms`.
        searched: String,
    },
    /// Another `serve` uses the data folder.
    #[error(
        "another `offprint serve`{holder} is using the data folder {data_dir}; stop it, or set OFFPRINT_DATA_DIR to \
         another folder"
    )]
    Locked {
        data_dir: PathBuf,
        /// ` (process N)`, or empty when the holder of the lock is unknown.
        holder: String,
    },
    /// No server runs for this data folder.
    #[error(
        "no database server is running for the data folder {data_dir}; start `offprint serve` with the same OFFPRINT_DATA_DIR, or \
         set DATABASE_URL"
    )]
    NotRunning { data_dir: PathBuf },
    /// A folder has the wrong owner or the wrong permissions.
    #[error("{folder} {what}; {remedy}")]
    UnsafeFolder {
        folder: PathBuf,
        /// A clause that follows the folder: `belongs to …`.
        what: String,
        remedy: String,
    },
    #[error("{program} failed for the database in {folder}: {output}")]
    ProgramFailed {
        program: &'static str,
        folder: PathBuf,
        /// Its error output, or the last lines of the server's log.
        output: String,
    },
    /// The server did not become ready in time.
    #[error("the Postgres server in {folder} did not become ready; see its log {log}")]
    NotReady { folder: PathBuf, log: PathBuf },
    /// The operating system refused access to a file or folder.
    #[error("cannot use {path} for the database: {source}")]
    Io { path: PathBuf, source: io::Error },
    /// The server runs, but the service's role or database could not be created.
    #[error("the service's database could not be created in the embedded Postgres: {0}")]
    Sql(#[from] sqlx::Error),
}

impl PostgresError {
    fn io_at(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

/// What a cluster is for. Decides its settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// Production data: what is committed must survive a power failure.
    Service,
    /// Many short-lived test databases: fast, nothing to lose.
    Tests,
}

/// A running embedded Postgres. Dropped without [`stop`](Self::stop) the server keeps running, and a later start adopts
/// it.
pub struct EmbeddedPostgres {
    server: PostgresServer,
    socket: PathBuf,
    /// Of the service's role.
    password: String,
    /// Held as long as this process is responsible for the server.
    _lock: File,
}

/// Never shows the password.
impl std::fmt::Debug for EmbeddedPostgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedPostgres").field("server", &self.server).field("socket", &self.socket).finish()
    }
}

impl EmbeddedPostgres {
    /// Starts the server of a data folder, or adopts the one that a killed service left running. Creates the cluster,
    /// the service's role and its database where they are missing. Only one process at a time can do so.
    pub async fn start(data_dir: &Path) -> Result<Self, PostgresError> {
        Self::start_with_purpose(data_dir, Purpose::Service).await
    }

    /// Starts a server for tests in an empty folder. Its durability is off, which makes it fast and does not change
    /// what transactions see. Its role may create databases.
    pub async fn start_throwaway(folder: &Path) -> Result<Self, PostgresError> {
        Self::start_with_purpose(folder, Purpose::Tests).await
    }

    async fn start_with_purpose(data_dir: &Path, purpose: Purpose) -> Result<Self, PostgresError> {
        let data_dir = data_dir.canonicalize().map_err(PostgresError::io_at(data_dir))?;
        let lock = lock_data_dir(&data_dir).await?;
        let instance_dir = InstanceDir::find_or_create(&data_dir)?;
        let programs =
            ServerPrograms::find(&instance_dir.user, instance_dir.major_version()?, &instance_dir.data()).await?;
        let server = PostgresServer { instance_dir, programs, purpose };
        let (credentials, is_new) = Credentials::ensure(&data_dir)?;
        let was_created = server.init_if_missing(&credentials).await?;
        if !was_created && (is_new || !server.has_own_hba_file()?) {
            server.protect_existing(&credentials).await?;
        }
        let mut socket = server.adopt_or_start().await?;
        if let Err(error) = service_database::ensure_service_database(&socket, &credentials).await {
            // The socket may have been swept from `/tmp` while the server ran: only a restart creates it again. Or the
            // cluster has other passwords, such as one that was copied without them.
            tracing::warn!(%error, "The running Postgres server cannot be used; restarting it with new settings");
            server.protect_existing(&credentials).await?;
            socket = server.adopt_or_start().await?;
            service_database::ensure_service_database(&socket, &credentials).await?;
        }
        Ok(Self { server, socket, password: credentials.service, _lock: lock })
    }

    /// Options to connect as the service: through the socket, as a role without superuser rights.
    pub fn connect_options(&self) -> PgConnectOptions {
        build_connect_options(SERVICE_NAME, SERVICE_NAME, &self.socket, &self.password)
    }

    /// The URL of the service's database, for tests. It contains the password. Its role is subject to row-level
    /// security like that of the service.
    pub fn url(&self) -> String {
        let socket = self.socket.to_string_lossy();
        let socket = percent_encoding::utf8_percent_encode(&socket, percent_encoding::NON_ALPHANUMERIC);
        format!("postgres://{SERVICE_NAME}:{}@localhost:{PORT}/{SERVICE_NAME}?host={socket}", self.password)
    }

    /// Stops the server: closes its connections and writes a checkpoint.
    pub async fn stop(self) -> Result<(), PostgresError> {
        self.server.stop().await
    }
}

/// Options to connect to the running server of a data folder, for subcommands other than `serve`.
///
/// # Errors
/// [`PostgresError::NotRunning`] when no server accepts connections, [`PostgresError::NoPassword`] when its password is
/// not there.
pub fn find_running_server(data_dir: &Path) -> Result<PgConnectOptions, PostgresError> {
    let not_running = || PostgresError::NotRunning { data_dir: data_dir.to_owned() };
    let data_dir = data_dir.canonicalize().map_err(|_| not_running())?;
    let instance_dir = InstanceDir::find(&data_dir)?.ok_or_else(not_running)?;
    match server::read_server_state(&instance_dir.data())? {
        server::ServerState::Ready { socket } => {
            let password = credentials::read_service_password(&data_dir)?;
            Ok(build_connect_options(SERVICE_NAME, SERVICE_NAME, &socket, &password))
        }
        _ => Err(not_running()),
    }
}

/// Whether a data folder has a database, running or not.
pub fn has_database(data_dir: &Path) -> Result<bool, PostgresError> {
    let Ok(data_dir) = data_dir.canonicalize() else { return Ok(false) };
    match InstanceDir::find(&data_dir)? {
        Some(instance_dir) => Ok(instance_dir.major_version()?.is_some()),
        None => Ok(false),
    }
}

/// Takes the lock that makes this process responsible for the server. Waits up to a second for it: a process that just
/// ended may not be gone completely, and a process that is being started holds its parent's locks until it executes.
async fn lock_data_dir(data_dir: &Path) -> Result<File, PostgresError> {
    let path = data_dir.join("serve.lock");
    let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
    let mut file = open.map_err(PostgresError::io_at(&path))?;
    let mut tries = 10;
    let lock_result = loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if tries > 0 => tries -= 1,
            result => break result,
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    match lock_result {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut content = String::new();
            let _ = file.read_to_string(&mut content);
            let holder = content.trim().parse::<u32>().map(|pid| format!(" (process {pid})")).unwrap_or_default();
            return Err(PostgresError::Locked { data_dir: data_dir.to_owned(), holder });
        }
        Err(TryLockError::Error(source)) => return Err(PostgresError::Io { path, source }),
    }
    // The number is only for error messages: what counts is the lock.
    file.set_len(0).map_err(PostgresError::io_at(&path))?;
    writeln!(file, "{}", std::process::id()).map_err(PostgresError::io_at(&path))?;
    Ok(file)
}

fn build_connect_options(role: &str, database: &str, socket: &Path, password: &str) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .socket(socket)
        .port(PORT)
        .ssl_mode(PgSslMode::Disable)
        .username(role)
        .password(password)
        .database(database)
        .application_name(SERVICE_NAME)
}
