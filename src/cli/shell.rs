//! `offprint completions` and `offprint man`: what shells and `man` need to know of the command line, made from it.

use std::path::{Path, PathBuf};

use clap::Command;
use clap_complete::Shell;
use offprint_core::Code;

use super::{CliError, print_text};

/// Arguments of `offprint completions`.
#[derive(clap::Args)]
pub struct CompletionsArgs {
    /// The shell, for example `offprint completions bash > /etc/bash_completion.d/offprint`.
    shell: Shell,
}

/// Arguments of `offprint man`.
#[derive(clap::Args)]
pub struct ManArgs {
    /// Writes a page for each command into this folder, such as /usr/local/share/man/man1. Without it, the page of `offprint`
    /// is printed.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

/// Prints the completions of a command for a shell.
pub fn run_completions(arguments: &CompletionsArgs, mut command: Command) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "offprint", &mut script);
    print_text(&String::from_utf8_lossy(&script))
}

/// Prints the page of a command, or writes those of all its subcommands.
pub fn run_man(arguments: &ManArgs, command: Command) -> Result<(), CliError> {
    match &arguments.out {
        None => print_text(&String::from_utf8_lossy(&render_page(command)?)),
        Some(folder) => write_pages(folder, command),
    }
}

fn render_page(command: Command) -> Result<Vec<u8>, CliError> {
    let mut page = Vec::new();
    let rendered = clap_mangen::Man::new(command).render(&mut page);
    rendered.map_err(|error| CliError::new(Code::Internal, format!("The page cannot be made: {error}.")))?;
    Ok(page)
}

/// Writes `offprint.1`, `offprint-serve.1`, `offprint-jobs-list.1` and so on.
fn write_pages(folder: &Path, command: Command) -> Result<(), CliError> {
    let written = std::fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(command, folder));
    written.map_err(|error| {
        CliError::new(Code::InvalidParameter, format!("{} cannot be written: {error}.", folder.display()))
    })
}
