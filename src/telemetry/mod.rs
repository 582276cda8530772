//! Logs and metrics.
//!
//! A log line is a sentence that can be understood alone, with fields for searching beside it. Metrics are recorded
//! with the macros of the crate `metrics` where things happen. Every counter is in the table in `counters.rs`, so that it
//! begins at zero; `process.rs` reads what the system knows of the process. `docs/OPERATIONS.md` lists the ones to watch.

mod counters;
mod process;

use std::io::IsTerminal;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

pub use process::format_process_metrics;

/// Starts logging to stderr: as text, or with `json` as one JSON object per line. `RUST_LOG` chooses what is logged;
/// the default is level info, and warnings only of sqlx and the HTTP server.
pub fn init_logging(json: bool) {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn,actix_server=warn"));
    let ansi = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(ansi);
    // Tests call this several times; only the first call has an effect.
    let _ = if json { log.json().try_init() } else { log.try_init() };
}

/// Histogram buckets of response and render times.
const DURATION_BUCKETS_SECONDS: [f64; 12] = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// Installs the metrics recorder. The caller must call `run_upkeep` on the handle regularly: until then every measured
/// value of a histogram is kept in memory.
pub fn install_metrics() -> Result<PrometheusHandle, BuildError> {
    process::note_start();
    let seconds = Matcher::Suffix("_seconds".to_owned());
    let handle =
        PrometheusBuilder::new().set_buckets_for_metric(seconds, &DURATION_BUCKETS_SECONDS)?.install_recorder()?;
    counters::register_counters();
    metrics::describe_histogram!(
        "offprint_http_seconds",
        "Time to answer HTTP requests that do not wait, by method, operation and status."
    );
    metrics::describe_histogram!(
        "offprint_http_wait_seconds",
        "Time to answer HTTP requests that ask to wait for a change, by method, operation and status."
    );
    metrics::describe_gauge!("offprint_streams", "Open live streams.");
    metrics::gauge!("offprint_streams").set(0.0);
    metrics::describe_histogram!(
        "offprint_render_seconds",
        "Time to render the files of an item, from fetching the original to the rendered files."
    );
    metrics::describe_gauge!("offprint_blobs", "Number of blobs at the last count.");
    metrics::describe_gauge!("offprint_blob_bytes", "Total size of all blobs in bytes at the last count.");
    metrics::describe_gauge!(
        "offprint_sandbox_layer",
        "Whether a part of the confinement of render processes is in force (layer): 1 or 0."
    );
    metrics::describe_gauge!("offprint_listening", "Whether signals of other processes arrive: 1 or 0.");
    metrics::describe_gauge!("offprint_connections", "Open HTTP connections, by listener (http, metrics).");
    Ok(handle)
}
