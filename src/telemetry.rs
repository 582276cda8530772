//! Logs: a sentence that reads alone, and fields that can be searched.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts logging to stderr: as text, or as one JSON object a line when `json` is set.
/// What is logged is chosen by `RUST_LOG`, else information and worse.
pub fn start(json: bool) {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn,actix_server=warn"));
    let ansi = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(ansi);
    // A second start (tests do) changes nothing.
    let _ = if json { log.json().try_init() } else { log.try_init() };
}
