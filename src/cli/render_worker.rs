//! `offprint render-worker`: the sandboxed process in which the service renders. Started by the service only.

use std::path::PathBuf;
use std::time::Duration;

use offprint_core::Code;
use offprint_sandbox::{FaultInjection, LifetimeLimits};

use super::CliError;

/// Arguments of `offprint render-worker`.
#[derive(clap::Args)]
pub struct RenderWorkerArgs {
    /// Maximum bytes of address space.
    #[arg(long)]
    memory: u64,

    /// Maximum bytes of a file.
    #[arg(long)]
    file: u64,

    /// Maximum seconds of processor time.
    #[arg(long)]
    cpu: u64,

    /// The data folder of the service, shown in the list of processes only.
    #[arg(long)]
    service: Option<PathBuf>,

    /// A fault to simulate, for tests.
    #[arg(long)]
    fault: Option<FaultInjection>,
}

/// Renders until the service closes the socket that is stdin.
pub fn run_render_worker(arguments: RenderWorkerArgs) -> Result<(), CliError> {
    let RenderWorkerArgs { memory, file, cpu, service: _, fault } = arguments;
    let limits = LifetimeLimits { memory_bytes: memory, file_bytes: file, cpu_time: Duration::from_secs(cpu) };
    offprint_sandbox::run_render_worker(&limits, fault)
        .map_err(|error| CliError::new(Code::Unavailable, format!("The connection to the service broke: {error}.")))
}
