//! The `offprint` binary: passes its arguments to `cli::run_cli` and exits with its status.
//!
//! `script/dead-code` compiles the library's modules inside this binary (`--cfg dead_code_check`): there the compiler sees
//! what nothing uses, which it cannot in a library.

#[cfg(not(dead_code_check))]
use offprint::cli;

#[cfg(dead_code_check)]
mod app;
#[cfg(dead_code_check)]
mod cli;
#[cfg(dead_code_check)]
mod compute_pool;
#[cfg(dead_code_check)]
mod db;
#[cfg(dead_code_check)]
mod fair_queue;
#[cfg(dead_code_check)]
mod http;
#[cfg(dead_code_check)]
mod i18n;
#[cfg(dead_code_check)]
mod id;
#[cfg(dead_code_check)]
mod jobs;
#[cfg(dead_code_check)]
mod notify;
#[cfg(dead_code_check)]
mod oidc;
#[cfg(dead_code_check)]
mod reason;
#[cfg(dead_code_check)]
mod settings;
#[cfg(dead_code_check)]
mod telemetry;
#[cfg(dead_code_check)]
mod worker;

fn main() -> std::process::ExitCode {
    cli::run_cli()
}
