//! The post: carries rings and orders between the processes of one service. It only makes them quick; without it
//! everyone still looks at the database by themselves.

use std::convert::Infallible;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{debug, info, warn};

use super::{Bell, State};
use crate::db;
use crate::db::signal::{Listener, Signal};

/// How long rings of one kind are gathered after one was carried. Settled items are news many times a second.
const GATHER: Duration = Duration::from_millis(50);

/// How often a process sends a signal to itself. It hears it, or its line is dead.
const TEST: Duration = Duration::from_secs(15);

/// How long its own signal may take.
const ECHO: Duration = Duration::from_secs(5);

/// How long is waited before a line is opened again that was cut, or on which nothing is heard.
const AFTER_CUT: Duration = Duration::from_secs(1);
const AFTER_SILENCE: Duration = Duration::from_secs(60);

/// Carries what this process has to say, and hears what the others say, until it is dropped.
pub async fn run(state: State) {
    tokio::join!(
        carry(&state, &state.work, Signal::Work),
        carry(&state, &state.news, Signal::News),
        carry_orders(&state),
        listen(&state),
    );
}

async fn carry(state: &State, bell: &Bell, signal: Signal) {
    loop {
        bell.rung().await;
        send(state, signal).await;
        sleep(GATHER).await;
    }
}

async fn carry_orders(state: &State) {
    let mut orders = state.orders.outgoing();
    loop {
        match orders.recv().await {
            Ok(job) => send(state, Signal::Order(job)).await,
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

async fn send(state: &State, signal: Signal) {
    if let Err(error) = db::patiently(signal.send(&state.system)).await {
        debug!(error = %error, "A signal was lost: {error}");
    }
}

/// Why nothing is heard.
enum Deaf {
    /// The connection could not be made, or was lost.
    Cut(db::Error),
    /// It is there, and our own signal does not come back.
    Silent,
}

/// Listens for ever, and says when that begins and ceases to work.
async fn listen(state: &State) {
    let mut heard = true;
    loop {
        let Err(why) = hear(state, &mut heard).await;
        metrics::gauge!("offprint_listening").set(0.0);
        state.keys.told(false);
        let pause = match &why {
            Deaf::Cut(_) => AFTER_CUT,
            Deaf::Silent => AFTER_SILENCE,
        };
        if std::mem::take(&mut heard) {
            match why {
                Deaf::Cut(error) => {
                    warn!(error = %error, "Signals of other processes cannot be heard; each looks for work every second: {error}")
                }
                Deaf::Silent => warn!(
                    "Signals of other processes do not arrive; each looks for work every second. A pooler between us and \
                     Postgres that lends its connections by transaction does that: let DATABASE_URL go around it."
                ),
            }
        }
        sleep(pause).await;
    }
}

async fn hear(state: &State, heard: &mut bool) -> Result<Infallible, Deaf> {
    let mut listener = db::patiently(Listener::open(&state.system)).await.map_err(Deaf::Cut)?;
    // What was said while nobody listened.
    state.work.ring_here();
    state.news.ring_here();
    loop {
        let tested = Instant::now();
        let own = Signal::Test(state.worker);
        db::patiently(own.send(&state.system)).await.map_err(Deaf::Cut)?;
        let mut echoed = false;
        loop {
            let until = tested + if echoed { TEST } else { ECHO };
            match timeout_at(until, listener.hear()).await {
                Ok(Ok(signal)) if signal == own => {
                    echoed = true;
                    metrics::gauge!("offprint_listening").set(1.0);
                    state.keys.told(true);
                    if !std::mem::replace(heard, true) {
                        info!("Signals of other processes are heard again");
                    }
                }
                Ok(Ok(signal)) => pass_on(state, signal),
                Ok(Err(error)) => return Err(Deaf::Cut(error)),
                Err(_) if echoed => break,
                Err(_) => return Err(Deaf::Silent),
            }
        }
    }
}

/// Rings here what was rung elsewhere.
fn pass_on(state: &State, signal: Signal) {
    match signal {
        Signal::Work => state.work.ring_here(),
        Signal::News => state.news.ring_here(),
        Signal::Order(job) => state.orders.tell_here(job),
        Signal::Key(key) => state.keys.forget(key),
        Signal::Test(_) => {}
    }
}
