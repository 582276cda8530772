//! `offprint render-worker`: the sandboxed process in which the service renders. Started by the service only.

use std::path::PathBuf;

use offprint_core::Code;
use offprint_sandbox::FaultInjection;

use super::CliError;

/// Arguments of `offprint render-worker`.
#[derive(clap::Args)]
pub struct RenderWorkerArgs {
    /// The only folder that the process may use.
    #[arg(long)]
    scratch: PathBuf,

    /// Maximum bytes of address space.
    #[arg(long)]
    memory: u64,

    /// Maximum bytes of a file.
    #[arg(long)]
    file: u64,

    /// A fault to simulate, for tests.
    #[arg(long)]
    fault: Option<FaultInjection>,
}

/// Renders until stdin ends.
pub fn run_render_worker(arguments: RenderWorkerArgs) -> Result<(), CliError> {
    let RenderWorkerArgs { scratch, memory, file, fault } = arguments;
    offprint_sandbox::run_render_worker(&scratch, memory, file, fault)
        .map_err(|error| CliError::new(Code::Unavailable, format!("The connection to the service broke: {error}.")))
}
