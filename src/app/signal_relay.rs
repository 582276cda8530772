//! The signal relay: carries notifications and job actions between the processes of one service, over NOTIFY and LISTEN
//! ([`crate::db::signal`]). It only makes reactions quick: without it every process still polls the database.
//!
//! A process sends a signal to itself every 15 seconds. If it does not come back, signals do not arrive: a pooler in
//! transaction mode accepts LISTEN, but never delivers anything. Then the API key cache uses its shorter time to live.

use std::convert::Infallible;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{debug, info, warn};

use super::{AppState, Notifier};
use crate::db;
use crate::db::signal::{Signal, SignalListener};

/// The pause after each sent notification, in which further ones are gathered: items settle many times a second.
const GATHER_INTERVAL: Duration = Duration::from_millis(50);

/// How often a process sends a signal to itself.
const ECHO_TEST_INTERVAL: Duration = Duration::from_secs(15);

/// How long its own signal may take to arrive.
const ECHO_TIMEOUT: Duration = Duration::from_secs(5);

/// The pause before a new connection: after one was lost, and after one on which no signals arrived.
const RECONNECT_INTERVAL: Duration = Duration::from_secs(1);
const SILENCE_RETRY_INTERVAL: Duration = Duration::from_secs(60);

/// Sends the signals of this process and receives those of the others, until the future is dropped.
pub async fn run_signal_relay(state: AppState) {
    tokio::join!(
        relay_notifications(&state, &state.work_available, Signal::WorkAvailable),
        relay_notifications(&state, &state.job_changes, Signal::JobsChanged),
        relay_job_signals(&state),
        keep_listening(&state),
    );
}

async fn relay_notifications(state: &AppState, notifier: &Notifier, signal: Signal) {
    loop {
        notifier.wait_for_outgoing().await;
        send_signal(state, signal).await;
        sleep(GATHER_INTERVAL).await;
    }
}

async fn relay_job_signals(state: &AppState) {
    let mut outgoing = state.job_signals.subscribe_outgoing();
    loop {
        match outgoing.recv().await {
            Ok(job) => send_signal(state, Signal::ActionRequested(job)).await,
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

async fn send_signal(state: &AppState, signal: Signal) {
    if let Err(error) = db::with_query_timeout(signal.send(&state.system)).await {
        debug!(error = %error, "Could not send a signal: {error}");
    }
}

/// Why no signals are received.
enum ListenFailure {
    /// The connection could not be opened, or was lost.
    Disconnected(db::DbError),
    /// The connection works, but our own signal does not come back.
    Silent,
}

/// Listens for ever, and logs when signals stop and start to arrive.
async fn keep_listening(state: &AppState) {
    let mut is_receiving = true;
    loop {
        let Err(failure) = receive_signals(state, &mut is_receiving).await;
        metrics::gauge!("offprint_listening").set(0.0);
        state.keys.set_listening(false);
        let pause = match &failure {
            ListenFailure::Disconnected(_) => RECONNECT_INTERVAL,
            ListenFailure::Silent => SILENCE_RETRY_INTERVAL,
        };
        if std::mem::take(&mut is_receiving) {
            match failure {
                ListenFailure::Disconnected(error) => {
                    warn!(error = %error, "Cannot receive signals of other processes; polling the database every second instead: {error}")
                }
                ListenFailure::Silent => warn!(
                    "Signals of other processes do not arrive; polling the database every second instead. The usual cause is \
                     a connection pooler in transaction mode: let DATABASE_URL bypass it."
                ),
            }
        }
        sleep(pause).await;
    }
}

async fn receive_signals(state: &AppState, is_receiving: &mut bool) -> Result<Infallible, ListenFailure> {
    let mut listener =
        db::with_query_timeout(SignalListener::open(&state.system)).await.map_err(ListenFailure::Disconnected)?;
    // Signals may have been missed before: look for work and changes once.
    state.work_available.notify_local();
    state.job_changes.notify_local();
    loop {
        let test_sent_at = Instant::now();
        let probe = Signal::Probe(state.worker);
        db::with_query_timeout(probe.send(&state.system)).await.map_err(ListenFailure::Disconnected)?;
        let mut has_echoed = false;
        loop {
            let deadline = test_sent_at + if has_echoed { ECHO_TEST_INTERVAL } else { ECHO_TIMEOUT };
            match timeout_at(deadline, listener.recv()).await {
                Ok(Ok(signal)) if signal == probe => {
                    has_echoed = true;
                    metrics::gauge!("offprint_listening").set(1.0);
                    state.keys.set_listening(true);
                    if !std::mem::replace(is_receiving, true) {
                        info!("Receiving signals of other processes again");
                    }
                }
                Ok(Ok(signal)) => dispatch_signal(state, signal),
                Ok(Err(error)) => return Err(ListenFailure::Disconnected(error)),
                Err(_) if has_echoed => break,
                Err(_) => return Err(ListenFailure::Silent),
            }
        }
    }
}

/// Passes a signal of another process on within this one.
fn dispatch_signal(state: &AppState, signal: Signal) {
    match signal {
        Signal::WorkAvailable => state.work_available.notify_local(),
        Signal::JobsChanged => state.job_changes.notify_local(),
        Signal::ActionRequested(job) => state.job_signals.send_local(job),
        Signal::KeyRevoked(key) => state.keys.invalidate(key),
        Signal::Probe(_) => {}
    }
}
