//! `?wait=`: a response that comes when something has changed, or when the time is over.

use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use crate::app::AppState;
use crate::http::extract::caller::Caller;
use crate::http::middleware::auth::recheck_key;
use crate::http::problem::Problem;

/// How often a waiting request checks that its API key is still valid, and looks again where nobody may tell it of a change.
const RECHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Reads something until it is what the client waits for, the time is over, or the service shuts down; then returns it.
///
/// `watch` is called before each `read`, and what it returns ends when it may be worth to read again: a change that comes while it is
/// read is not missed. `read` says beside what it found whether that is worth an answer.
///
/// # Errors
/// Those of `read`, and 401 when the caller's key ends meanwhile.
pub(in crate::http) async fn wait_until<T, C: Future>(
    state: &AppState,
    caller: &Caller,
    wait: Duration,
    watch: impl Fn() -> C,
    read: impl AsyncFn() -> Result<(T, bool), Problem>,
) -> Result<T, Problem> {
    if wait.is_zero() {
        return Ok(read().await?.0);
    }
    let end = Instant::now() + wait;
    loop {
        let mut changed = pin!(watch());
        let (found, is_awaited) = read().await?;
        if is_awaited || Instant::now() >= end || state.closing.is_cancelled() {
            return Ok(found);
        }
        while tokio::select! {
            _ = &mut changed => false,
            () = sleep_until(end) => false,
            () = state.closing.cancelled() => false,
            () = sleep(RECHECK_INTERVAL) => true,
        } {
            recheck_key(state, caller).await?;
        }
        recheck_key(state, caller).await?;
    }
}

/// Ends when anything may have changed of a job or an import, and no sooner than `pause` after it did: what is read then
/// contains all changes until then. At the latest after a second, because other processes change them, too.
pub(in crate::http) fn watch_changes(state: &AppState, pause: Duration) -> impl Future<Output = ()> + use<> {
    let notified = state.job_changes.listen();
    async move {
        tokio::select! {
            () = async { notified.await; sleep(pause).await } => {}
            () = sleep(RECHECK_INTERVAL) => {}
        }
    }
}
