//! The private Postgres that the service keeps when no `DATABASE_URL` is given.
//!
//! `serve` holds a lock file in the data folder and alone starts, adopts and stops the server; other subcommands
//! connect to the one that runs. It is reached through a socket in a folder that only its user can enter, and
//! outlives a killed service: the next one adopts it.

mod home;
mod programs;
mod server;

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};

use home::Home;
use programs::Programs;
use server::Server;

/// The service's role and its database. The role is no superuser.
const NAME: &str = "offprint";
/// The role that makes the service's role, and nothing else.
const SUPERUSER: &str = "postgres";
/// A private socket folder needs no other number.
const PORT: u16 = 5432;

/// Why there is no private Postgres to connect to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No usable server programs were found.
    #[error(
        "no PostgreSQL {oldest} or later was found to keep the database with ({looked}); install the package \
         postgresql, or set PG_BIN to the folder of its programs, or set DATABASE_URL to a server that runs",
        oldest = programs::OLDEST
    )]
    NoPrograms {
        /// The folders that were tried and what was wrong with each.
        looked: String,
    },
    /// The cluster was made by another major version than any that was found.
    #[error(
        "the database in {folder} was made by PostgreSQL {made_by}, which was not found ({looked}); install \
         postgresql-{made_by}, or set PG_BIN to the folder of its programs, or move the database with pg_upgrade"
    )]
    OtherVersion {
        /// The cluster's folder.
        folder: PathBuf,
        /// The major version that it belongs to.
        made_by: u32,
        /// The folders that were tried and what was wrong with each.
        looked: String,
    },
    /// Another `serve` uses the data folder.
    #[error(
        "another `offprint serve`{holder} uses the data folder {data_dir}; stop it, or choose another folder with \
         OFFPRINT_DATA_DIR"
    )]
    Locked {
        /// The data folder.
        data_dir: PathBuf,
        /// The process that holds the lock, where it is known.
        holder: String,
    },
    /// No server runs for this data folder.
    #[error(
        "no Postgres runs for the data folder {data_dir}; start `offprint serve` with the same OFFPRINT_DATA_DIR, or \
         set DATABASE_URL"
    )]
    NotRunning {
        /// The data folder.
        data_dir: PathBuf,
    },
    /// A folder that must be ours belongs to somebody else, or others may enter it.
    #[error("{folder} {what}; {remedy}")]
    Foreign {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it.
        what: String,
        /// What to do.
        remedy: String,
    },
    /// One of Postgres' programs failed.
    #[error("{program} failed for the database in {folder}: {said}")]
    Failed {
        /// The program's name.
        program: &'static str,
        /// The cluster's folder.
        folder: PathBuf,
        /// The last lines that it said, or that stand in the server's log.
        said: String,
    },
    /// The server did not become ready in time.
    #[error("the Postgres that runs in {folder} does not become ready; see {log}")]
    Unready {
        /// The cluster's folder.
        folder: PathBuf,
        /// The server's log.
        log: PathBuf,
    },
    /// The operating system refused.
    #[error("{path} cannot be used for the database: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The server runs, but the service's role or database could not be made.
    #[error("the private Postgres refused to set up the service's database: {0}")]
    Sql(#[from] sqlx::Error),
}

impl Error {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

/// What a cluster is for, which decides its settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// People's data: nothing may be lost.
    Service,
    /// Databases that live as long as one test: many of them, and nothing to lose.
    Tests,
}

/// A private Postgres that runs. Dropped without [`stop`](Self::stop) it goes on running, to be adopted.
#[derive(Debug)]
pub struct Cluster {
    server: Server,
    socket: PathBuf,
    /// Held as long as this cluster is ours.
    _lock: File,
}

impl Cluster {
    /// Starts the cluster of a data folder, or adopts the server that a killed process of ours left running; makes
    /// the cluster, the service's role and its database where they are missing. Only one process can hold it.
    pub async fn start(data_dir: &Path) -> Result<Self, Error> {
        Self::run(data_dir, Purpose::Service).await
    }

    /// Starts a cluster for tests in an empty folder: quick, and gone with the folder. Its durability is off, what a
    /// transaction sees is not changed by that.
    pub async fn throwaway(folder: &Path) -> Result<Self, Error> {
        Self::run(folder, Purpose::Tests).await
    }

    async fn run(data_dir: &Path, purpose: Purpose) -> Result<Self, Error> {
        let data_dir = data_dir.canonicalize().map_err(Error::io(data_dir))?;
        let lock = lock(&data_dir).await?;
        let home = Home::find_or_make(&data_dir)?;
        let programs = Programs::find(&home.user, home.made_by()?, &home.data()).await?;
        let server = Server { home, programs, purpose };
        server.make_if_missing().await?;
        let mut socket = server.adopt_or_start().await?;
        if let Err(error) = establish(&socket, purpose).await {
            // Its socket may have been swept from a temporary folder while nobody looked.
            tracing::warn!(%error, "the running Postgres cannot be reached and is started anew");
            server.stop().await?;
            socket = server.adopt_or_start().await?;
            establish(&socket, purpose).await?;
        }
        Ok(Self { server, socket, _lock: lock })
    }

    /// How the service connects: over the socket, as a role without superuser rights.
    pub fn connect_options(&self) -> PgConnectOptions {
        connect_as(NAME, NAME, &self.socket)
    }

    /// The URL of the service's database, for tests: in a cluster for them its role may make databases, and is bound by
    /// the walls between companies as anybody's.
    pub fn url(&self) -> String {
        let socket = self.socket.to_string_lossy();
        let socket = percent_encoding::utf8_percent_encode(&socket, percent_encoding::NON_ALPHANUMERIC);
        format!("postgres://{NAME}@localhost:{PORT}/{NAME}?host={socket}")
    }

    /// Ends the server: connections are closed, everything is written down.
    pub async fn stop(self) -> Result<(), Error> {
        self.server.stop().await
    }
}

/// How a subcommand other than `serve` connects to the server of a data folder, when one runs.
pub fn running(data_dir: &Path) -> Result<PgConnectOptions, Error> {
    let not_running = || Error::NotRunning { data_dir: data_dir.to_owned() };
    let canonical = data_dir.canonicalize().map_err(|_| not_running())?;
    let home = Home::find(&canonical)?.ok_or_else(not_running)?;
    match server::look(&home.data())? {
        server::State::Ready { socket } => Ok(connect_as(NAME, NAME, &socket)),
        _ => Err(not_running()),
    }
}

/// Takes the lock that makes this process the only one to look after the cluster. Waits a second for it: one who just
/// ended may not be quite gone, and a process that is being started has its parent's locks for a moment.
async fn lock(data_dir: &Path) -> Result<File, Error> {
    let path = data_dir.join("serve.lock");
    let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
    let mut file = open.map_err(Error::io(&path))?;
    let mut tries = 10;
    let taken = loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if tries > 0 => tries -= 1,
            taken => break taken,
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    match taken {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut said = String::new();
            let _ = file.read_to_string(&mut said);
            let holder = said.trim().parse::<u32>().map(|pid| format!(" (process {pid})")).unwrap_or_default();
            return Err(Error::Locked { data_dir: data_dir.to_owned(), holder });
        }
        Err(TryLockError::Error(source)) => return Err(Error::Io { path, source }),
    }
    // Only for people who wonder who holds it: the lock is what counts.
    file.set_len(0).map_err(Error::io(&path))?;
    writeln!(file, "{}", std::process::id()).map_err(Error::io(&path))?;
    Ok(file)
}

fn connect_as(role: &str, database: &str, socket: &Path) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .socket(socket)
        .port(PORT)
        .ssl_mode(PgSslMode::Disable)
        .username(role)
        .database(database)
        .application_name(NAME)
}

/// Makes the service's role and database where they are missing. The only use of the superuser.
async fn establish(socket: &Path, purpose: Purpose) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect_with(&connect_as(SUPERUSER, "postgres", socket)).await?;
    let role: Option<i32> = sqlx::query_scalar("select 1 from pg_roles where rolname = $1")
        .bind(NAME)
        .fetch_optional(&mut connection)
        .await?;
    if role.is_none() {
        let create = match purpose {
            Purpose::Service => "create role offprint login nosuperuser nocreatedb nocreaterole nobypassrls",
            Purpose::Tests => "create role offprint login nosuperuser createdb nocreaterole nobypassrls",
        };
        sqlx::query(create).execute(&mut connection).await?;
    }
    let database: Option<i32> = sqlx::query_scalar("select 1 from pg_database where datname = $1")
        .bind(NAME)
        .fetch_optional(&mut connection)
        .await?;
    if database.is_none() {
        sqlx::query("create database offprint owner offprint").execute(&mut connection).await?;
    }
    connection.close().await
}
