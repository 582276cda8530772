//! Presence: a worker says now and then that it lives, for those who look at `/workers` and `/metrics`.

use tokio::time::sleep;
use tracing::warn;

use crate::db;
use crate::db::worker::{self, Own};
use crate::settings::Role;
use crate::state::State;

/// Says it four times in a lease, until it is dropped.
pub async fn run(state: &State) {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let own = Own {
        worker_id: state.worker,
        role: if state.settings.role == Role::Worker { "worker" } else { "all" },
        host: &host,
        version: env!("CARGO_PKG_VERSION"),
        slots: state.slots(),
    };
    loop {
        if let Err(error) = db::patiently(worker::beat(&state.system, &own, state.settings.lease)).await {
            warn!(error = %error, "This worker could not say that it lives: {error}");
        }
        sleep(state.settings.lease / 4).await;
    }
}

/// Says that it has ended.
pub async fn leave(state: &State) {
    if let Err(error) = db::patiently(worker::leave(&state.system, state.worker)).await {
        warn!(error = %error, "This worker could not say that it has ended: {error}");
    }
}
