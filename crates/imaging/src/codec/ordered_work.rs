//! Work on several cores with results in order, of which only a few are held at a time.

use std::sync::mpsc::sync_channel;
use std::thread::{Builder, available_parallelism, scope};

use offprint_core::Code;

use crate::error::RenderError;

/// Most threads of one render. Other images are usually rendered at the same time.
const MAX_THREADS: usize = 4;

/// Makes the parts 0 to `count` on the available cores, and hands them to `take` in order, on this thread. The result
/// does not depend on the number of threads.
///
/// Thread `n` makes the parts `n`, `n + workers`, `n + 2 * workers` and so on, and has a channel for one finished part,
/// so at most two parts for each thread are in memory.
///
/// # Errors
/// The first error of `make` or `take`, in the order of the parts.
pub(super) fn run_in_order<T: Send>(
    count: usize,
    make: impl Fn(usize) -> Result<T, RenderError> + Sync,
    mut take: impl FnMut(usize, T) -> Result<(), RenderError>,
) -> Result<(), RenderError> {
    let workers = available_parallelism().map_or(1, |cores| cores.get()).min(MAX_THREADS).min(count);
    if workers < 2 {
        return (0..count).try_for_each(|part| take(part, make(part)?));
    }
    scope(|scope| {
        let mut receivers = Vec::with_capacity(workers);
        for first in 0..workers {
            let (sender, receiver) = sync_channel(1);
            let make = &make;
            let work = move || {
                let parts = (first..count).step_by(workers);
                // The receiver is gone when an earlier part has failed.
                for part in parts {
                    if sender.send(make(part)).is_err() {
                        return;
                    }
                }
            };
            Builder::new().stack_size(256 << 10).spawn_scoped(scope, work).map_err(|error| {
                RenderError::new(Code::RenderMemory, format!("A thread could not be started: {error}."))
            })?;
            receivers.push(receiver);
        }
        for part in 0..count {
            let Ok(result) = receivers[part % workers].recv() else {
                return Err(RenderError::new(Code::RenderCrashed, "Rendering this image crashed."));
            };
            take(part, result?)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_in_order_and_the_first_failure_ends_it() {
        let mut came = Vec::new();
        let done = run_in_order(
            100,
            |part| Ok(part * 2),
            |part, made| {
                came.push((part, made));
                Ok(())
            },
        );
        assert_eq!(done, Ok(()));
        assert_eq!(came, (0..100).map(|part| (part, part * 2)).collect::<Vec<_>>());
        let failed = |part| Err(RenderError::new(Code::Corrupt, format!("{part}")));
        let mut came = 0;
        let done = run_in_order(
            100,
            |part| if part % 10 == 7 { failed(part) } else { Ok(part) },
            |_, _| {
                came += 1;
                Ok(())
            },
        );
        assert_eq!((done.map_err(|failure| failure.detail), came), (Err("7".into()), 7));
        assert_eq!(run_in_order(0, failed, |_, _: usize| Ok(())), Ok(()));
    }
}
