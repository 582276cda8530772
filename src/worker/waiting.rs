//! What the loops of this module share: how they wait for work and for the end of the service.

use std::time::Duration;

use offprint_imaging::ENGINE_VERSION;
use tokio::task::JoinError;
use tokio::time::sleep;

use crate::app::AppState;

/// The engine version under which renditions are cached.
pub(super) const CACHE_ENGINE_VERSION: i32 = ENGINE_VERSION;

/// How often loops look for work when they are not notified: a signal of another process may have been lost.
pub(super) const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// How long running items may take to end when the service shuts down. After that they are given back.
const SHUTDOWN_GRACE_TIMEOUT: Duration = Duration::from_secs(20);

/// Waits until the loop is notified, the poll interval is over or the service shuts down.
pub(super) async fn wait_for_work(state: &AppState, notified: impl Future<Output = ()>) {
    tokio::select! {
        () = notified => {}
        () = sleep(POLL_INTERVAL) => {}
        () = state.closing.cancelled() => {}
    }
}

/// Waits until the service has been shutting down for [`SHUTDOWN_GRACE_TIMEOUT`].
pub(super) async fn wait_for_grace_end(state: &AppState) {
    state.closing.cancelled().await;
    sleep(SHUTDOWN_GRACE_TIMEOUT).await;
}

/// A panic is a bug. What panicked is taken over when its lease expires.
pub(super) fn log_panic(ended: Result<(), JoinError>) {
    if let Err(panic) = ended {
        tracing::error!(error = %panic, "An item or task panicked: {panic}");
    }
}
