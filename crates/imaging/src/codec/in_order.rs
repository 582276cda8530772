//! Work on several cores whose results come in order, and of which only a few wait at a time.

use std::sync::mpsc::sync_channel;
use std::thread::{Builder, available_parallelism, scope};

use offprint_core::Code;
use crate::failure::Failure;

/// Most threads of one render. Another picture is usually rendered beside it.
const MOST: usize = 4;

/// Makes parts 0 to `count` on as many cores as there are, and hands them to `take` in their order, on this thread.
/// What is made does not depend on how many threads make it.
///
/// # Errors
/// The first one of `make` or `take`.
pub(super) fn in_order<T: Send>(
    count: usize,
    make: impl Fn(usize) -> Result<T, Failure> + Sync,
    mut take: impl FnMut(usize, T) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let workers = available_parallelism().map_or(1, |cores| cores.get()).min(MOST).min(count);
    if workers < 2 {
        return (0..count).try_for_each(|part| take(part, make(part)?));
    }
    scope(|scope| {
        let mut lanes = Vec::with_capacity(workers);
        for first in 0..workers {
            let (sender, receiver) = sync_channel(1);
            let make = &make;
            let work = move || {
                let parts = (first..count).step_by(workers);
                // Nobody listens any more when an earlier part failed.
                for part in parts {
                    if sender.send(make(part)).is_err() {
                        return;
                    }
                }
            };
            Builder::new().stack_size(256 << 10).spawn_scoped(scope, work).map_err(|error| {
                Failure::new(Code::RenderMemory, format!("A thread could not be started: {error}."))
            })?;
            lanes.push(receiver);
        }
        for part in 0..count {
            let Ok(made) = lanes[part % workers].recv() else {
                return Err(Failure::new(Code::RenderCrashed, "Rendering this picture crashed."));
            };
            take(part, made?)?;
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
        let done = in_order(
            100,
            |part| Ok(part * 2),
            |part, made| {
                came.push((part, made));
                Ok(())
            },
        );
        assert_eq!(done, Ok(()));
        assert_eq!(came, (0..100).map(|part| (part, part * 2)).collect::<Vec<_>>());
        let failed = |part| Err(Failure::new(Code::Corrupt, format!("{part}")));
        let mut came = 0;
        let done = in_order(
            100,
            |part| if part % 10 == 7 { failed(part) } else { Ok(part) },
            |_, _| {
                came += 1;
                Ok(())
            },
        );
        assert_eq!((done.map_err(|failure| failure.detail), came), (Err("7".into()), 7));
        assert_eq!(in_order(0, failed, |_, _: usize| Ok(())), Ok(()));
    }
}
