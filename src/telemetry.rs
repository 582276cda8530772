//! Logs and metrics.
//!
//! A log line is a sentence that can be understood alone, with fields for searching beside it. Metrics are recorded
//! with the macros of the crate `metrics` where things happen; only those whose meaning is not plain from the name are
//! described here. `docs/OPERATIONS.md` lists the ones to watch.

use std::io::IsTerminal;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

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
    let seconds = Matcher::Suffix("_seconds".to_owned());
    let handle =
        PrometheusBuilder::new().set_buckets_for_metric(seconds, &DURATION_BUCKETS_SECONDS)?.install_recorder()?;
    metrics::describe_histogram!(
        "offprint_http_seconds",
        "Time to answer HTTP requests, by method, operation and status."
    );
    metrics::describe_histogram!(
        "offprint_render_seconds",
        "Time to render the files of an item, from fetching the original to the rendered files."
    );
    metrics::describe_counter!(
        "offprint_items_settled_total",
        "Attempts at items, by how they ended (ending) and why (code)."
    );
    metrics::describe_counter!(
        "offprint_audit_entries_left_out_total",
        "Refused and failed requests that are in the log only, because their caller had too many within a minute."
    );
    metrics::describe_counter!("offprint_jobs_finished_total", "Finished jobs, by outcome.");
    metrics::describe_counter!("offprint_stored_bytes_total", "Bytes written to the storage.");
    metrics::describe_gauge!("offprint_blobs", "Number of blobs at the last count.");
    metrics::describe_gauge!("offprint_blob_bytes", "Total size of all blobs in bytes at the last count.");
    metrics::describe_gauge!(
        "offprint_sandbox_layer",
        "Whether a part of the confinement of render processes is in force (layer): 1 or 0."
    );
    metrics::describe_gauge!("offprint_listening", "Whether signals of other processes arrive: 1 or 0.");
    metrics::describe_gauge!("offprint_connections", "Open HTTP connections, by listener (http, metrics).");
    metrics::describe_counter!(
        "offprint_connections_closed_total",
        "HTTP connections that the service ended or refused, by listener and reason."
    );
    metrics::describe_counter!(
        "offprint_leases_lost_total",
        "Leases that expired because a worker died or was cut off from the database."
    );
    Ok(handle)
}
