//! Who may connect to the cluster, and as what: `pg_hba.conf`, passwords and rights of the roles.
//!
//! A cluster is protected when its `pg_hba.conf` is ours, asks everybody for a password, and the roles know the
//! passwords of [`Credentials`]. A new cluster is protected before it gets its name; one of an earlier version, or one
//! whose password files were lost, when it is adopted. Both happen without a server, in Postgres' single-user mode: no
//! socket is open meanwhile, and no password is needed to set one.
//!
//! `pg_hba.conf` is written last. A process that is killed before leaves a cluster that the next one protects again
//! with the same passwords.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Stdio;

use tokio::io::AsyncWriteExt;

use super::credentials::Credentials;
use super::server::PostgresServer;
use super::{PostgresError, Purpose, SERVICE_NAME, SUPERUSER};

/// The whole `pg_hba.conf`. What no line allows is refused: TCP, and replication, which `all` does not include.
const HBA_FILE: &str = "# Written by offprint before each start.
# Everybody needs a password. Those of Offprint's roles are in postgres-credentials in its data folder.
local all all scram-sha-256
";

impl PostgresServer {
    /// Whether the `pg_hba.conf` of the cluster is ours.
    pub(crate) fn has_own_hba_file(&self) -> Result<bool, PostgresError> {
        let path = self.instance_dir.data().join("pg_hba.conf");
        match fs::read_to_string(&path) {
            Ok(content) => Ok(content == HBA_FILE),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(PostgresError::Io { path, source }),
        }
    }

    /// Keeps a copy of a `pg_hba.conf` that is not ours: rules that an operator wrote are not lost.
    pub(crate) fn keep_foreign_hba_file(&self) -> Result<(), PostgresError> {
        let path = self.instance_dir.data().join("pg_hba.conf");
        match fs::read_to_string(&path) {
            Ok(content) if content == HBA_FILE => Ok(()),
            Ok(content) => self.write_server_file(&self.instance_dir.data().join("pg_hba.conf.replaced"), &content),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(PostgresError::Io { path, source }),
        }
    }

    /// Sets passwords and rights of both roles and replaces `pg_hba.conf`. No server may be running in `data`. Can be
    /// repeated.
    pub(crate) async fn protect_cluster(&self, data: &Path, credentials: &Credentials) -> Result<(), PostgresError> {
        self.run_single_user(data, &build_role_sql(self.purpose, credentials)).await?;
        self.write_server_file(&data.join("pg_hba.conf"), HBA_FILE)
    }

    /// Runs statements in single-user mode, as the superuser. Each ends with a semicolon and an empty line. They arrive
    /// through a pipe and are not logged, because they contain passwords.
    async fn run_single_user(&self, data: &Path, sql: &str) -> Result<(), PostgresError> {
        let mut postgres = self.programs.command("postgres", &self.instance_dir.user);
        postgres.args(["--single", "-j", "-D"]).arg(data);
        // Settings of `ALTER SYSTEM` must not write passwords into a log.
        for setting in [
            "exit_on_error=on",
            "log_destination=stderr",
            "log_statement=none",
            "log_duration=off",
            "log_min_duration_statement=-1",
            "log_min_duration_sample=-1",
            "log_transaction_sample_rate=0",
            "log_min_error_statement=panic",
        ] {
            postgres.args(["-c", setting]);
        }
        if self.purpose == Purpose::Tests {
            postgres.args(["-c", "fsync=off"]);
        }
        postgres.arg("postgres").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = postgres.spawn().map_err(PostgresError::io_at(data))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A server that ends early says why on stderr, which is worth more than "broken pipe".
            let _ = stdin.write_all(sql.as_bytes()).await;
        }
        let output = child.wait_with_output().await.map_err(PostgresError::io_at(data))?;
        if output.status.success() {
            return Ok(());
        }
        let output = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(PostgresError::ProgramFailed { program: "postgres --single", folder: data.to_owned(), output })
    }
}

/// Statements for single-user mode. Passwords are hexadecimal, so they need no quoting.
fn build_role_sql(purpose: Purpose, credentials: &Credentials) -> String {
    let Credentials { service, superuser } = credentials;
    let createdb = if purpose == Purpose::Tests { "createdb" } else { "nocreatedb" };
    [
        "set password_encryption = 'scram-sha-256'".to_owned(),
        format!("alter role {SUPERUSER} password '{superuser}'"),
        format!(
            "do $$ begin if not exists (select from pg_roles where rolname = '{SERVICE_NAME}') then
                 create role {SERVICE_NAME}; end if; end $$"
        ),
        format!(
            "alter role {SERVICE_NAME} login nosuperuser {createdb} nocreaterole noreplication nobypassrls
                 password '{service}' valid until 'infinity'"
        ),
        // With these rights it could run programs and read files as the server's user.
        format!("revoke pg_execute_server_program, pg_read_server_files, pg_write_server_files from {SERVICE_NAME}"),
    ]
    .map(|statement| statement + ";\n\n")
    .concat()
}
