//! Logs: a sentence that reads alone, and fields that can be searched. Numbers: counted as things happen.

use std::io::IsTerminal;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
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

/// Seconds that answers and renders are sorted by.
const BUCKETS: [f64; 12] = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// Starts counting. Whoever holds the handle must call `run_upkeep` now and then: until then every measured second is
/// kept by itself.
pub fn metrics() -> Result<PrometheusHandle, BuildError> {
    let seconds = Matcher::Suffix("_seconds".to_owned());
    let handle = PrometheusBuilder::new().set_buckets_for_metric(seconds, &BUCKETS)?.install_recorder()?;
    metrics::describe_histogram!("offprint_http_seconds", "Time that answers took.");
    metrics::describe_histogram!("offprint_render_seconds", "Time that renders took, from the original to the file.");
    metrics::describe_counter!("offprint_items_settled_total", "Tries of items, by how they ended and why.");
    metrics::describe_counter!("offprint_jobs_finished_total", "Jobs that finished, by outcome.");
    metrics::describe_counter!("offprint_stored_bytes_total", "Bytes that were put into the storage.");
    metrics::describe_gauge!("offprint_blobs", "Blobs, when they were counted last.");
    metrics::describe_gauge!("offprint_blob_bytes", "Their bytes together.");
    metrics::describe_gauge!("offprint_listening", "Whether signals of other processes are heard: 1 or 0.");
    metrics::describe_counter!("offprint_leases_lost_total", "Leases that ran out: a worker died or was cut off.");
    Ok(handle)
}
