//! `offprint render-worker`: what the service starts to render in. Not for people.

use std::path::PathBuf;

use super::Refusal;
use crate::code::Code;
use crate::render::Fault;
use crate::render::pool;

/// Arguments of `offprint render-worker`.
#[derive(clap::Args)]
pub struct Arguments {
    /// The folder that the process may use.
    #[arg(long)]
    scratch: PathBuf,

    /// Most bytes of address space.
    #[arg(long)]
    memory: u64,

    /// Most bytes of a file.
    #[arg(long)]
    file: u64,

    /// What goes wrong, for tests.
    #[arg(long)]
    fault: Option<Fault>,
}

/// Renders until stdin ends.
pub fn run(arguments: Arguments) -> Result<(), Refusal> {
    let Arguments { scratch, memory, file, fault } = arguments;
    pool::serve(&scratch, memory, file, fault)
        .map_err(|error| Refusal::new(Code::Unavailable, format!("The service does not answer any more: {error}.")))
}
