//! Moves items through the house in the background.
//!
//! Each slot claims one item at a time, keeps its lease alive while it works, and settles it. One task beside them
//! does what needs doing now and then: it starts what is due, gives back what a dead worker held, seals what has ended
//! and removes what was deleted. Others send mails and webhooks, and make jobs of schedules. All of it can die at any
//! moment: what is true stands in the database.

mod item;
mod mail;
mod manifest;
mod presence;
mod retention;
mod scrub;
mod seal;
mod sweep;
mod timetable;
mod webhook;

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

use crate::db;
pub use retention::{remove_strays, retain};
pub use scrub::next as scrub;
pub use sweep::sweep;
pub use timetable::next as next_run;

use crate::render::ENGINE_VERSION;
use crate::state::State;

/// How often the database is looked at when no bell rings: other processes may have made work.
const POLL: Duration = Duration::from_secs(1);

/// How often is looked for what is no longer kept.
const RETAIN: Duration = Duration::from_secs(600);

/// How long running items may take to end when the service closes.
const GRACE: Duration = Duration::from_secs(20);

/// How many webhooks a process sends at once.
const WEBHOOKS: usize = 8;

/// Works until the service closes and running items have ended or were given back.
pub async fn run(state: State) {
    tokio::select! {
        () = presence::run(&state) => {}
        () = work(state.clone()) => {}
    }
    presence::leave(&state).await;
    info!("The workers have ended");
}

async fn work(state: State) {
    let mut tasks = JoinSet::new();
    // Twice as many items as renders: while one writes its file and settles, another renders in its place.
    for _ in 0..2 * state.slots() {
        tasks.spawn(again_after_panics(state.clone(), slot));
    }
    tasks.spawn(again_after_panics(state.clone(), chores));
    tasks.spawn(again_after_panics(state.clone(), timetable::run));
    tasks.spawn(again_after_panics(state.clone(), scrub::run));
    tasks.spawn(again_after_panics(state.clone(), mails));
    tasks.spawn(again_after_panics(state, webhooks));
    while tasks.join_next().await.is_some() {}
}

/// Keeps one kind of work going. A panic is a mistake of ours: the others go on, and an item's lease will run out.
async fn again_after_panics<W: Future<Output = ()> + Send + 'static>(state: State, work: fn(State) -> W) {
    while let Err(panic) = tokio::spawn(work(state.clone())).await {
        tracing::error!(error = %panic, "A worker task ended with a panic: {panic}");
        if state.closing.is_cancelled() {
            return;
        }
        // What made it panic may still be there.
        sleep(POLL).await;
    }
}

/// Comes when a bell rings, when it is time to look all the same, or when the service closes.
async fn rest(state: &State, rung: impl Future<Output = ()>) {
    tokio::select! {
        () = rung => {}
        () = sleep(POLL) => {}
        () = state.closing.cancelled() => {}
    }
}

/// The pause after so many failed tries of a message: ten seconds, three times longer each time, three hours at most.
fn message_pause(tries: i32) -> Duration {
    Duration::from_secs((10 * 3u64.pow(tries.clamp(0, 10) as u32)).min(3 * 3600))
}

/// One slot: takes items, one after the other.
async fn slot(state: State) {
    while !state.closing.is_cancelled() {
        let rung = state.work.listen();
        match item::next(&state).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => warn!(error = %error, "No item could be taken: {error}"),
        }
        rest(&state, rung).await;
    }
}

/// Sends mails, apart from the chores: a mail server may let us wait, and jobs shall be sealed meanwhile.
async fn mails(state: State) {
    while !state.closing.is_cancelled() {
        let rung = state.news.listen();
        let sent = tokio::select! {
            sent = mail::next(&state) => sent,
            () = grace_is_over(&state) => return,
        };
        match sent {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => warn!(error = %error, "No mail could be taken: {error}"),
        }
        rest(&state, rung).await;
    }
}

/// Sends webhooks, several at once: a receiver may let us wait, and others shall be told meanwhile.
async fn webhooks(state: State) {
    let mut sending = JoinSet::new();
    while !state.closing.is_cancelled() {
        let rung = state.news.listen();
        while sending.len() >= WEBHOOKS {
            sending.join_next().await;
        }
        match webhook::claim(&state).await {
            Ok(Some(due)) => {
                let state = state.clone();
                sending.spawn(async move {
                    if let Err(error) = webhook::deliver(&state, &due).await {
                        warn!(error = %error, "What became of a webhook could not be written down: {error}");
                    }
                });
                continue;
            }
            Ok(None) => {}
            Err(error) => warn!(error = %error, "No webhook could be taken: {error}"),
        }
        rest(&state, rung).await;
        while sending.try_join_next().is_some() {}
    }
    while sending.join_next().await.is_some() {}
}

/// Everything that is neither an item nor a message, in turn.
async fn chores(state: State) {
    if let Err(error) = retention::count(&state).await {
        warn!(error = %error, "What is stored could not be counted: {error}");
    }
    let mut swept = Instant::now();
    let mut retained = Instant::now();
    let mut part = 0;
    while !state.closing.is_cancelled() {
        let rung = state.work.listen();
        match chore(&state).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => warn!(error = %error, "A chore could not be done: {error}"),
        }
        if swept.elapsed() > state.settings.lease / 4 {
            swept = Instant::now();
            if let Err(error) = db::patiently(sweep(&state)).await {
                warn!(error = %error, "The sweep could not be done: {error}");
            }
        }
        if retained.elapsed() > RETAIN {
            retained = Instant::now();
            // What hangs shall not keep jobs from being sealed.
            if timeout(RETAIN, tidy(&state, &mut part)).await.is_err() {
                warn!("Looking for what is no longer kept took too long and was given up");
            }
        }
        rest(&state, rung).await;
    }
}

/// Removes what is no longer kept, and looks for stray files in a sixteenth of the storage.
async fn tidy(state: &State, part: &mut u8) {
    if let Err(error) = retain(state).await {
        warn!(error = %error, "Not everything that is no longer kept was removed: {error}");
    }
    if let Err(error) = retention::count(state).await {
        warn!(error = %error, "What is stored could not be counted: {error}");
    }
    sweep::sweep_parts(state).await;
    for _ in 0..16 {
        if let Err(error) = remove_strays(state, *part).await {
            warn!(error = %error, "Stray files could not be looked for: {error}");
        }
        *part = part.wrapping_add(1);
    }
}

/// Does one thing that is neither an item nor a mail: whether there was one.
async fn chore(state: &State) -> Result<bool, db::Error> {
    if db::patiently(db::orders::start_due(&state.system)).await? > 0 {
        state.work.ring();
        state.news.ring();
        return Ok(true);
    }
    seal::next(state).await
}

/// Does everything that can be done now, sweep included, and returns how many items were worked on. Tests call it in
/// place of waiting.
pub async fn drain(state: &State) -> Result<usize, db::Error> {
    let mut items = 0;
    sweep(state).await?;
    loop {
        if item::next(state).await? {
            items += 1;
        } else if !(timetable::next(state).await?
            || chore(state).await?
            || mail::next(state).await?
            || webhook::next(state).await?)
        {
            return Ok(items);
        }
    }
}

/// Comes when the service has been closing for as long as work may take to end.
async fn grace_is_over(state: &State) {
    state.closing.cancelled().await;
    sleep(GRACE).await;
}

/// The engine that renditions are remembered under.
const ENGINE: i32 = ENGINE_VERSION;
