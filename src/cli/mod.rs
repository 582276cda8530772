//! The command line. Each file is a subcommand: its arguments and what it does. Everything else may be used from here,
//! and nothing uses this module but `main`.
//!
//! Exit codes: 0: done. 1: `doctor` found something that does not work, or a job that was watched did not export every
//! asset. 2: a problem, printed as one JSON object on stderr. 3: done with remarks, which were printed: `admin
//! import-presets`, `parity`. 64: wrong usage.

pub mod admin;
mod assets;
mod check;
mod client;
mod data_dir;
mod database;
mod database_url;
mod demo;
mod doctor;
mod environment;
mod export;
mod import_presets;
mod jobs;
mod licenses;
mod listing;
mod migrate;
mod modifier_args;
mod openapi;
mod parity;
mod push;
mod render;
mod render_worker;
pub mod samples;
mod serve;
mod shell;
mod test_postgres;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use offprint_core::Code;
use serde::Serialize;

/// Exports many stored images in one job: upload assets, create an export job for originals or converted files, download
/// single files or one zip.
#[derive(Parser)]
#[command(name = "offprint", version, max_term_width = 110)]
struct CliArgs {
    #[command(subcommand)]
    command: CliCommand,
}

#[derive(Subcommand)]
enum CliCommand {
    /// Runs the service: the HTTP API, the workers, and a private Postgres unless DATABASE_URL is given.
    Serve(serve::ServeArgs),
    /// Migrates the database to the schema of this version.
    Migrate(migrate::MigrateArgs),
    /// Prints the OpenAPI document.
    Openapi,
    /// Prints the licences of Offprint and of the software that it contains.
    Licenses,
    /// Renders one image, without a database or service.
    Render(render::RenderArgs),
    /// Explains what a modifier does, command by command, without rendering.
    Check(check::CheckArgs),
    /// Uploads folders of files to a running service. Files that are already there are skipped.
    Push(push::PushArgs),
    /// Creates an export job for a folder or a list of assets of a running service, waits for it and downloads its zip.
    Export(export::ExportArgs),
    /// Lists, watches, controls and downloads the export jobs of a running service.
    Jobs(jobs::JobsArgs),
    /// Renders the same images at Scene7 and at a running service, and writes a page that shows where they differ.
    Parity(parity::ParityArgs),
    /// Lists and shows the assets of a running service.
    Assets(assets::AssetsArgs),
    /// Prints the completions of this command line for a shell.
    Completions(shell::CompletionsArgs),
    /// Prints the manual page of this command line, or writes those of all commands.
    Man(shell::ManArgs),
    /// Administers an installation: API keys, limits, image presets, storage, backups.
    Admin(admin::AdminArgs),
    /// Checks an installation with the settings of `serve`: database, storage, sandbox, mail, disk. Changes nothing. Exit
    /// code 1 when something does not work.
    Doctor(doctor::DoctorArgs),
    /// Renders images for the service, which starts it.
    #[command(hide = true)]
    RenderWorker(render_worker::RenderWorkerArgs),
    /// Runs a service, goes through an export and checks the results, for script/demo.
    #[command(hide = true)]
    Demo(demo::DemoArgs),
    /// Runs a command with a temporary Postgres, for script/test.
    #[command(hide = true)]
    TestPostgres(test_postgres::TestPostgresArgs),
}

impl CliCommand {
    /// Whether settings are read from environment variables, so that unknown ones must be refused.
    fn reads_environment(&self) -> bool {
        !matches!(
            self,
            Self::Openapi | Self::Completions(_) | Self::Man(_) | Self::RenderWorker(_) | Self::TestPostgres(_)
        )
    }

    /// Whether the files that it writes are the installation's, which only its user may read. The others write where
    /// their caller wants to find it, with the rights that the caller chose.
    fn writes_private_files(&self) -> bool {
        match self {
            Self::Serve(_) | Self::Doctor(_) | Self::RenderWorker(_) => true,
            Self::Admin(arguments) => arguments.writes_private_files(),
            _ => false,
        }
    }
}

/// Exit code of what is done, but lost something on the way that it tells.
const DONE_WITH_REMARKS: u8 = 3;

/// Why a subcommand failed. Printed as one JSON object on stderr.
#[derive(Debug, Serialize)]
pub struct CliError {
    pub code: Code,
    /// What is wrong, where, and the remedy.
    pub detail: String,
    /// The single errors, where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<serde_json::Value>,
}

impl CliError {
    /// An error without a list of single errors.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new() }
    }
}

/// Prints one line of JSON.
fn print_json(value: &impl Serialize) -> Result<(), CliError> {
    let line = serde_json::to_string(value).map_err(|error| CliError::new(Code::Internal, error.to_string()))?;
    print_text(&format!("{line}\n"))
}

/// Prints to stdout. A reader that has seen enough, such as `head`, is no error.
fn print_text(text: &str) -> Result<(), CliError> {
    let mut output = io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(CliError::new(Code::Internal, format!("The output cannot be written: {error}.")))
        }
        _ => Ok(()),
    }
}

/// Parses the arguments, runs the subcommand and reports an error.
pub fn run_cli() -> ExitCode {
    let arguments = match CliArgs::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // --help and --version end here too. They are printed on stdout and are not errors.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(64) } else { ExitCode::SUCCESS };
        }
    };
    let command = arguments.command;
    let environment =
        if command.reads_environment() { environment::check_environment(&CliArgs::command()) } else { Ok(()) };
    if command.writes_private_files() {
        data_dir::restrict_new_files();
    }
    match environment.and_then(|()| run_command(command)) {
        Ok(exit_code) => exit_code,
        Err(error) => {
            eprintln!("{}", serde_json::to_string(&error).unwrap_or_else(|_| error.detail.clone()));
            ExitCode::from(2)
        }
    }
}

fn run_command(command: CliCommand) -> Result<ExitCode, CliError> {
    match command {
        CliCommand::Doctor(arguments) => return doctor::run_doctor(arguments),
        CliCommand::Jobs(arguments) => return jobs::run_jobs(arguments),
        CliCommand::Admin(arguments) => return admin::run_admin(arguments),
        CliCommand::Parity(arguments) => return parity::run_parity(arguments),
        CliCommand::Assets(arguments) => assets::run_assets(arguments),
        CliCommand::Completions(arguments) => shell::run_completions(&arguments, CliArgs::command()),
        CliCommand::Man(arguments) => shell::run_man(&arguments, CliArgs::command()),
        CliCommand::Serve(arguments) => serve::run_serve(arguments),
        CliCommand::Migrate(arguments) => migrate::run_migrate(arguments),
        CliCommand::Openapi => openapi::run_openapi(),
        CliCommand::Licenses => licenses::run_licenses(),
        CliCommand::Render(arguments) => render::run_render(arguments),
        CliCommand::Check(arguments) => check::run_check(arguments),
        CliCommand::RenderWorker(arguments) => render_worker::run_render_worker(arguments),
        CliCommand::Push(arguments) => push::run_push(arguments),
        CliCommand::Export(arguments) => export::run_export(arguments),
        CliCommand::Demo(arguments) => demo::run_demo(arguments),
        CliCommand::TestPostgres(arguments) => test_postgres::run_test_postgres(arguments),
    }?;
    Ok(ExitCode::SUCCESS)
}
