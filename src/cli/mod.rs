//! The subcommands. Each file is one of them: its arguments and what it does.
//!
//! Exit codes: 0, done; 2, a problem, told as one JSON object on stderr; 64, wrong use.

pub mod admin;
mod check;
mod client;
mod demo;
mod export;
mod import_presets;
mod migrate;
mod openapi;
mod push;
mod render;
mod render_worker;
pub mod samples;
mod serve;
mod test_postgres;
mod wish;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use serde::Serialize;

use crate::code::Code;

/// Exports many stored pictures at once: upload assets, order them as originals or converted, fetch files or one zip.
#[derive(Parser)]
#[command(name = "offprint", version, max_term_width = 110)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the service: the HTTP API, the workers, and a private Postgres unless DATABASE_URL is given.
    Serve(serve::Arguments),
    /// Brings the database to this version's tables.
    Migrate(migrate::Arguments),
    /// Prints the OpenAPI document.
    Openapi,
    /// Renders one picture, without database or service.
    Render(render::Arguments),
    /// Says what a modifier means, command by command, without rendering.
    Check(check::Arguments),
    /// Uploads folders of files to a running service; what is already there is skipped.
    Push(push::Arguments),
    /// Orders an export of a folder from a running service and downloads its zip.
    Export(export::Arguments),
    /// Looks after an installation.
    Admin(admin::Arguments),
    /// Renders what the service tells it, for the service alone.
    #[command(hide = true)]
    RenderWorker(render_worker::Arguments),
    /// Runs a service and shows the main job with checks, for script/demo.
    #[command(hide = true)]
    Demo(demo::Arguments),
    /// Runs a command with a Postgres that is thrown away afterwards, for script/test.
    #[command(hide = true)]
    TestPostgres(test_postgres::Arguments),
}

/// Why a subcommand could not do its work. Printed as one JSON object on stderr.
#[derive(Debug, Serialize)]
pub struct Refusal {
    /// From the one list of codes.
    pub code: Code,
    /// A sentence: what, where and the remedy.
    pub detail: String,
    /// Each mistake on its own, where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<serde_json::Value>,
}

impl Refusal {
    /// A refusal without a list of single mistakes.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new() }
    }
}

/// Prints one line of JSON.
fn print_json(value: &impl Serialize) -> Result<(), Refusal> {
    let line = serde_json::to_string(value).map_err(|error| Refusal::new(Code::Internal, error.to_string()))?;
    println!("{line}");
    Ok(())
}

/// Reads the arguments, runs the subcommand, says how it ended.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // --help and --version come here too: they are printed on stdout and are no mistake.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(64) } else { ExitCode::SUCCESS };
        }
    };
    let done = match arguments.command {
        Command::Serve(arguments) => serve::run(arguments),
        Command::Migrate(arguments) => migrate::run(arguments),
        Command::Openapi => openapi::run(),
        Command::Render(arguments) => render::run(arguments),
        Command::Check(arguments) => check::run(arguments),
        Command::RenderWorker(arguments) => render_worker::run(arguments),
        Command::Push(arguments) => push::run(arguments),
        Command::Export(arguments) => export::run(arguments),
        Command::Admin(arguments) => admin::run(arguments),
        Command::Demo(arguments) => demo::run(arguments),
        Command::TestPostgres(arguments) => test_postgres::run(arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(refusal) => {
            eprintln!("{}", serde_json::to_string(&refusal).unwrap_or_else(|_| refusal.detail.clone()));
            ExitCode::from(2)
        }
    }
}
