//! `offprint test-postgres`: runs a command with a Postgres that is thrown away afterwards. For `script/test`.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

use super::{Refusal, client};
use crate::code::Code;
use crate::db::cluster::Cluster;

/// Arguments of `offprint test-postgres`.
#[derive(clap::Args)]
pub struct Arguments {
    /// The command and its arguments; it finds DATABASE_URL in its environment.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

/// Ends the process with the command's exit code.
pub fn run(arguments: Arguments) -> Result<(), Refusal> {
    let ended = client::run(with_postgres(&arguments.command))?;
    // As a shell has it, for a command that a signal ended.
    std::process::exit(ended.code().unwrap_or_else(|| 128 + ended.signal().unwrap_or_default()))
}

async fn with_postgres(command: &[OsString]) -> Result<ExitStatus, Refusal> {
    let folder = tempfile::Builder::new().prefix("offprint-test-").tempdir().map_err(refused)?;
    // As root the server is another user, who must get in.
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).map_err(refused)?;
    let cluster = Cluster::throwaway(folder.path()).await.map_err(refused)?;
    let ended = attend(command, &cluster.url()).await;
    cluster.stop().await.map_err(refused)?;
    ended.map_err(refused)
}

/// Waits for the command also when we are told to end: Ctrl-C reaches it too, and a request to us alone is passed on.
async fn attend(command: &[OsString], url: &str) -> std::io::Result<ExitStatus> {
    let (mut interrupted, mut ended) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut child = Command::new(&command[0]).args(&command[1..]).env("DATABASE_URL", url).spawn()?;
    loop {
        tokio::select! {
            status = child.wait() => return status,
            _ = interrupted.recv() => {}
            _ = ended.recv() => child.start_kill()?,
        }
    }
}

fn refused(error: impl std::fmt::Display) -> Refusal {
    Refusal::new(Code::Unavailable, format!("The command could not be run with a Postgres of its own: {error}."))
}
