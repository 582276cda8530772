//! Claims tasks for all free slots of all kinds, and runs each beside the others. Kinds have slots of their own, so that
//! slow receivers of webhooks hold up no mail, and neither a seal.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::warn;

use crate::app::AppState;
use crate::db::task::{TaskClaim, TaskKind};
use crate::worker::task::{claim_tasks, run_task};
use crate::worker::task_rules::find_rules;
use crate::worker::waiting::{POLL_INTERVAL, log_panic};

/// The free slots of each kind.
struct TaskSlots([(TaskKind, Arc<Semaphore>); TaskKind::ALL.len()]);

impl TaskSlots {
    fn new() -> Self {
        Self(TaskKind::ALL.map(|kind| (kind, Arc::new(Semaphore::new(find_rules(kind).slots)))))
    }

    fn list_free(&self) -> Vec<(TaskKind, usize)> {
        let free = self.0.iter().map(|(kind, slots)| (*kind, slots.available_permits()));
        free.filter(|(_, free)| *free > 0).collect()
    }

    /// Takes a slot. Only the dispatcher takes slots, and only those that it has seen free.
    fn take(&self, kind: TaskKind) -> Option<OwnedSemaphorePermit> {
        self.0.iter().find(|(known, _)| *known == kind).and_then(|(_, slots)| slots.clone().try_acquire_owned().ok())
    }
}

/// Runs tasks until the service shuts down and those that run have ended or were given back.
pub(super) async fn run_task_dispatcher(state: AppState) {
    let slots = TaskSlots::new();
    let mut running = JoinSet::new();
    while !state.closing.is_cancelled() {
        while let Some(ended) = running.try_join_next() {
            log_panic(ended);
        }
        let notified = (state.work_available.listen(), state.tasks_available.listen());
        let free = slots.list_free();
        if !free.is_empty() {
            match claim_tasks(&state, &free).await {
                Ok(claims) if !claims.is_empty() => {
                    for claim in claims {
                        running.spawn(run_in_slot(state.clone(), slots.take(claim.kind), claim));
                    }
                    continue;
                }
                Ok(_) => {}
                Err(error) => warn!(error = %error, "Could not claim tasks: {error}"),
            }
        }
        tokio::select! {
            () = notified.0 => {}
            () = notified.1 => {}
            // A slot is free again, and a seal that has ended may have left mails and messages to send.
            Some(ended) = running.join_next() => log_panic(ended),
            () = sleep(POLL_INTERVAL) => {}
            () = state.closing.cancelled() => {}
        }
    }
    while let Some(ended) = running.join_next().await {
        log_panic(ended);
    }
}

async fn run_in_slot(state: AppState, slot: Option<OwnedSemaphorePermit>, claim: TaskClaim) {
    if let Err(error) = run_task(&state, claim).await {
        // Its lease expires, and then it is done again.
        warn!(error = %error, "Could not settle a task: {error}");
    }
    drop(slot);
}
