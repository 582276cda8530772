//! What goes by without anyone calling: leases that ran out, deleted jobs, temporary files.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tracing::{info, warn};

use crate::db::settle::{Ending, settle};
use crate::db::{self, idempotency, item, limits, orders, upload};
use crate::state::State;
use crate::worker::ENGINE;

/// A temporary file that nobody has written to for so long is nobody's.
const FORGOTTEN: Duration = Duration::from_secs(3600);

/// Parts of a large object whose upload began so long ago and has not ended are nobody's.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

/// Gives back what dead workers held, and removes what is not needed.
pub async fn sweep(state: &State) -> Result<(), db::Error> {
    for lost in item::expired(&state.system).await? {
        let which = lost.attempt();
        if settle(&state.system, &which, &[], Ending::Lost, ENGINE).await? {
            warn!("The lease of item {} of job {} ran out; it goes to another worker", which.position, which.job);
            metrics::counter!("offprint_leases_lost_total").increment(1);
            state.work.ring();
        }
    }
    state.own_running.store(limits::any_own_running(&state.system).await?, Ordering::Relaxed);
    orders::remove_deleted(&state.system).await?;
    idempotency::remove_expired(&state.system).await?;
    upload::remove_expired(&state.system).await?;
    let storage = &state.storage;
    if let Err(error) = storage.sweep_temporary(FORGOTTEN).await {
        warn!(error = %error, "Temporary files could not be swept: {error}");
    }
    if let Err(error) = storage.shrink_copies(state.settings.max_copies).await {
        warn!(error = %error, "Copies of originals could not be swept: {error}");
    }
    Ok(())
}

/// Takes back the parts of large objects that were never joined.
pub async fn sweep_parts(state: &State) {
    match state.storage.sweep_parts(ABANDONED).await {
        Ok(0) => {}
        Ok(reaped) => info!("The parts of {reaped} uploads that never ended were taken back"),
        Err(error) => warn!(error = %error, "Parts of uploads that never ended could not be looked for: {error}"),
    }
}
