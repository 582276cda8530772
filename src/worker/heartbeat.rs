//! The heartbeat of this worker, for `GET /workers` and `/metrics`. Leases of items are renewed elsewhere (`item.rs`).

use tokio::time::sleep;
use tracing::warn;

use crate::app::AppState;
use crate::db;
use crate::db::worker::{self, WorkerIdentity};
use crate::settings::Role;

/// Records a heartbeat four times per lease, until the future is dropped.
pub async fn run_heartbeat(state: &AppState) {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let identity = WorkerIdentity {
        worker_id: state.worker,
        role: if state.settings.role == Role::Worker { "worker" } else { "all" },
        host: &host,
        version: env!("CARGO_PKG_VERSION"),
        slots: state.render_slots(),
    };
    loop {
        if let Err(error) =
            db::with_query_timeout(worker::record_heartbeat(&state.system, &identity, state.settings.lease)).await
        {
            warn!(error = %error, "Could not record the heartbeat of this worker: {error}");
        }
        sleep(state.settings.lease / 4).await;
    }
}

/// Records that this worker has ended.
pub async fn unregister_worker(state: &AppState) {
    if let Err(error) = db::with_query_timeout(worker::mark_worker_gone(&state.system, state.worker)).await {
        warn!(error = %error, "Could not record that this worker has ended: {error}");
    }
}
