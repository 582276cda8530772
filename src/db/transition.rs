//! Where an item goes when an attempt at it ends: done, failed, or waiting for another attempt. Pure; [`super::settle`]
//! writes it.

use std::time::Duration;

use offprint_core::{Code, Digest};

use crate::db::attempt::{AttemptCounters, AttemptEnding};
use crate::db::enums::ItemState;
use crate::db::interval::add_jitter;
use crate::reason::Reason;

/// A file that an attempt produced.
#[derive(Clone, Debug)]
pub struct SettledFile {
    /// Index of the rendition among the item's files.
    pub rendition: i16,
    pub sha256: Digest,
    /// None for an original: its dimensions and media type were written when the job was created.
    pub image: Option<SettledImage>,
    pub warnings: Vec<Reason>,
    /// Whether it was taken from the render cache.
    pub reused: bool,
}

/// Facts about a rendered image.
#[derive(Clone, Debug)]
pub struct SettledImage {
    /// In pixels.
    pub width: i32,
    /// In pixels.
    pub height: i32,
    pub mime: String,
    /// The render plan as text for people; none when it was taken from the render cache.
    pub plan: Option<String>,
}

/// How an attempt ended, as the worker reports it.
#[derive(Clone, Debug)]
pub enum AttemptOutcome {
    /// Every file is ready.
    Succeeded,
    /// The image or the modifier is the cause, so another attempt would fail too: the item fails at once.
    Failed(Reason),
    /// Something else is the cause, such as storage or database: try again later, up to `MAX_TRIES` times.
    TryAgain(Reason),
    /// The render process died: try again, up to `MAX_CRASHES` times.
    Crashed(Reason),
    /// Somebody stopped the job.
    Stopped,
    /// The worker shuts down. Does not count as a failed attempt.
    GivenBack,
    /// The lease expired: try again, up to `MAX_LOST_LEASES` times.
    Lost,
}

/// When one of the counters of [`AttemptCounters`] reaches its limit, the item fails for good. Crashes get few
/// attempts, because an image that kills a render process will usually do so again (poison). Lost leases get many,
/// because the usual cause is a restarted machine and not the item.
const MAX_TRIES: i32 = 5;
const MAX_CRASHES: i32 = 3;
const MAX_LOST_LEASES: i32 = 10;

/// The item's next state and counters.
pub(super) struct Transition {
    pub(super) state: ItemState,
    /// How long it waits before the next attempt.
    pub(super) pause: Duration,
    pub(super) tries: i32,
    pub(super) crashes: i32,
    pub(super) lost: i32,
    pub(super) failure: Option<Reason>,
    pub(super) warnings: Vec<Reason>,
    /// How the attempt ended, for the attempt history.
    pub(super) ending: AttemptEnding,
    /// What went wrong in this attempt, also when the item will be tried again.
    pub(super) reason: Option<Reason>,
}

/// Decides where an item goes. It does not know whether the job is being stopped: [`write_transition`] sees that under
/// the job's lock, and then stops an item that would wait for another attempt.
pub(super) fn decide_transition(
    counters: &AttemptCounters,
    files: &[SettledFile],
    outcome: &AttemptOutcome,
) -> Transition {
    let mut transition = Transition {
        state: ItemState::Waiting,
        pause: Duration::ZERO,
        tries: counters.tries,
        crashes: counters.crashes,
        lost: counters.lost,
        failure: None,
        warnings: counters.warnings.0.clone(),
        ending: AttemptEnding::GivenBack,
        reason: None,
    };
    // A warning that all renditions of an image have is listed once.
    for warning in files.iter().flat_map(|file| &file.warnings) {
        if !transition.warnings.contains(warning) {
            transition.warnings.push(warning.clone());
        }
    }
    match outcome.clone() {
        AttemptOutcome::Succeeded => {
            (transition.state, transition.ending) = (ItemState::Succeeded, AttemptEnding::Succeeded)
        }
        AttemptOutcome::Failed(reason) => {
            (transition.state, transition.ending) = (ItemState::Failed, AttemptEnding::Failed);
            (transition.failure, transition.reason) = (Some(reason.clone()), Some(reason));
        }
        AttemptOutcome::Stopped => (transition.state, transition.ending) = (ItemState::Stopped, AttemptEnding::Stopped),
        AttemptOutcome::GivenBack => {}
        // A full storage is not the item's fault and somebody will make room: this does not count as a failed try.
        AttemptOutcome::TryAgain(reason) if reason.code == Code::StorageFull => {
            (transition.pause, transition.ending) = (Duration::from_secs(30), AttemptEnding::TryAgain);
            transition.reason = Some(reason);
        }
        AttemptOutcome::TryAgain(reason) => {
            transition.tries += 1;
            (transition.ending, transition.reason) = (AttemptEnding::TryAgain, Some(reason.clone()));
            transition.retry_or_fail(transition.tries, MAX_TRIES, compute_backoff(transition.tries), reason);
        }
        AttemptOutcome::Crashed(reason) => {
            transition.crashes += 1;
            (transition.ending, transition.reason) = (AttemptEnding::Crashed, Some(reason.clone()));
            let detail =
                format!("Rendering crashed {MAX_CRASHES} times, the last time with {}: {}", reason.code, reason.detail);
            let failure = Reason::new(Code::Poison, detail);
            transition.retry_or_fail(transition.crashes, MAX_CRASHES, Duration::ZERO, failure);
        }
        AttemptOutcome::Lost => {
            transition.lost += 1;
            transition.ending = AttemptEnding::Lost;
            transition.reason = Some(Reason::new(Code::Lost, "The worker did not renew its lease in time."));
            // The first two go to another worker at once; after that the item itself may be the cause.
            let pause = if transition.lost < 3 { Duration::ZERO } else { compute_backoff(transition.lost - 2) };
            let detail = format!(
                "Workers disappeared {MAX_LOST_LEASES} times while they processed this item. Retry the job when the \
                 workers run stably."
            );
            transition.retry_or_fail(transition.lost, MAX_LOST_LEASES, pause, Reason::new(Code::Lost, detail));
        }
    }
    transition
}

impl Transition {
    /// Waits for another attempt, or fails for good when `count` has reached `max`.
    fn retry_or_fail(&mut self, count: i32, max: i32, pause: Duration, failure: Reason) {
        self.pause = pause;
        if count >= max {
            (self.state, self.failure) = (ItemState::Failed, Some(failure));
        }
    }
}

/// 5 s, 20 s, 80 s, … at most 10 minutes.
fn compute_backoff(count: i32) -> Duration {
    let base = 5.0 * 4f64.powi(count.clamp(1, 10) - 1);
    add_jitter(Duration::from_secs_f64(base.min(600.0)))
}
