//! Futures that are cut off: what the death of a process, or the end of a request, does to them.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

/// Runs a future for this many steps at most, and drops it. Whether it has ended.
pub async fn run_steps<T>(work: impl Future<Output = T>, steps: usize) -> bool {
    let (mut work, mut done) = (pin!(work), 0);
    poll_fn(|context| {
        if work.as_mut().poll(context).is_ready() {
            return Poll::Ready(true);
        }
        done += 1;
        if done > steps { Poll::Ready(false) } else { Poll::Pending }
    })
    .await
}
