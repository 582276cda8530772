//! `offprint test-postgres`: runs a command with a temporary Postgres. For `script/test`.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use offprint_core::Code;
use offprint_embedded_postgres::EmbeddedPostgres;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

use super::{CliError, client};

/// Arguments of `offprint test-postgres`.
#[derive(clap::Args)]
pub struct TestPostgresArgs {
    /// The command and its arguments. DATABASE_URL is set in its environment.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

/// Runs the command and exits with its exit code.
pub fn run_test_postgres(arguments: TestPostgresArgs) -> Result<(), CliError> {
    let status = client::run_in_runtime(run_with_postgres(&arguments.command))?;
    // As shells do for a command that was ended by a signal.
    std::process::exit(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()))
}

async fn run_with_postgres(command: &[OsString]) -> Result<ExitStatus, CliError> {
    let folder = tempfile::Builder::new().prefix("offprint-test-").tempdir().map_err(to_postgres_error)?;
    // Started as root, the server runs as another user, who must be able to enter.
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).map_err(to_postgres_error)?;
    let postgres = EmbeddedPostgres::start_throwaway(folder.path()).await.map_err(to_postgres_error)?;
    let status = run_command(command, &postgres.url()).await;
    postgres.stop().await.map_err(to_postgres_error)?;
    status.map_err(to_postgres_error)
}

/// Waits for the command also after a signal: Ctrl-C reaches it too, and SIGTERM, which only we get, is passed on.
async fn run_command(command: &[OsString], url: &str) -> std::io::Result<ExitStatus> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut child = Command::new(&command[0]).args(&command[1..]).env("DATABASE_URL", url).spawn()?;
    loop {
        tokio::select! {
            status = child.wait() => return status,
            _ = interrupt.recv() => {}
            _ = terminate.recv() => child.start_kill()?,
        }
    }
}

fn to_postgres_error(error: impl std::fmt::Display) -> CliError {
    CliError::new(Code::Unavailable, format!("The command could not be run with a temporary Postgres: {error}."))
}
