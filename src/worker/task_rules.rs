//! What each kind of task may cost, and how often it is tried: one row for each kind.
//!
//! To add a kind: a variant of [`TaskKind`] with its name in the table's constraint, a row here, and what it does in
//! [`perform_task`](super::task::perform_task).

use std::time::Duration;

use crate::db::interval::add_jitter;
use crate::db::task::TaskKind;

/// The rules of a kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct TaskRules {
    /// How many a process runs at once.
    pub(super) slots: usize,
    /// The pause after the first failed try. Each further one is three times as long, up to `max_pause`.
    pub(super) first_pause: Duration,
    pub(super) max_pause: Duration,
    /// Failed tries until it is given up; none: as long as its deadline says.
    pub(super) max_tries: Option<i32>,
    /// Workers that disappear during an attempt until it is given up; none: never.
    pub(super) max_lost: Option<i32>,
    /// How long it is kept after its end; none: as long as its job, which shows it.
    pub(super) retention: Option<Duration>,
}

/// Workers are restarted more often than that a mail ends them.
const MAX_LOST: Option<i32> = Some(10);

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Finds the rules of a kind.
pub(super) const fn find_rules(kind: TaskKind) -> TaskRules {
    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }
    match kind {
        // Every job must end, so a seal is never given up. Storage or database come back at some time: soon is soon enough.
        TaskKind::Seal => TaskRules {
            slots: 4,
            first_pause: seconds(10),
            max_pause: seconds(10),
            max_tries: None,
            max_lost: None,
            retention: Some(DAY.saturating_mul(7)),
        },
        // Somebody waits for it. Its link works for 15 minutes, and the task is given up with it.
        TaskKind::SignInMail => TaskRules {
            slots: 2,
            first_pause: seconds(20),
            max_pause: seconds(20),
            max_tries: Some(5),
            max_lost: MAX_LOST,
            retention: Some(DAY),
        },
        // Spread over about a day.
        TaskKind::Mail => TaskRules {
            slots: 2,
            first_pause: seconds(10),
            max_pause: seconds(3 * 3600),
            max_tries: Some(12),
            max_lost: MAX_LOST,
            retention: None,
        },
        // Until its deadline. Several at once, because receivers may be slow.
        TaskKind::Webhook => TaskRules {
            slots: 8,
            first_pause: seconds(10),
            max_pause: seconds(3 * 3600),
            max_tries: None,
            max_lost: MAX_LOST,
            retention: None,
        },
        // The job waits for it, so it is given up after about three hours. Each sends many files at once.
        TaskKind::Delivery => TaskRules {
            slots: 4,
            first_pause: seconds(5),
            max_pause: seconds(30 * 60),
            max_tries: Some(12),
            max_lost: MAX_LOST,
            retention: None,
        },
        // Every import must end, so its tasks are never given up: what they cannot do in the end becomes a failure of the
        // import or of its files, see `import`.
        TaskKind::Import => TaskRules {
            slots: 2,
            first_pause: seconds(5),
            max_pause: seconds(300),
            max_tries: None,
            max_lost: None,
            retention: Some(DAY),
        },
        // Several at once, because each waits for a store of others and then for the disk; not all of them read.
        TaskKind::ImportBatch => TaskRules {
            slots: 6,
            first_pause: seconds(5),
            max_pause: seconds(300),
            max_tries: None,
            max_lost: None,
            retention: Some(DAY),
        },
    }
}

impl TaskRules {
    /// The pause before the next try of a task that has failed `tries` times before: about a fifth longer or shorter, so
    /// that what failed together does not come back together.
    pub(super) fn choose_pause(&self, tries: i32) -> Duration {
        let growth = 3u32.pow(tries.clamp(0, 10) as u32);
        add_jitter(self.first_pause.saturating_mul(growth).min(self.max_pause))
    }

    /// Whether a task that has failed `tries` times before is not tried after it failed once more.
    pub(super) fn is_last_try(&self, tries: i32) -> bool {
        self.max_tries.is_some_and(|max| tries + 1 >= max)
    }

    /// Whether too many workers disappeared while they did it.
    pub(super) fn is_lost(&self, lost: i32) -> bool {
        self.max_lost.is_some_and(|max| lost >= max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_fill_a_day_with_a_dozen_tries() {
        let rules = find_rules(TaskKind::Webhook);
        let sum: f64 = (0..14).map(|tries| rules.choose_pause(tries).as_secs_f64()).sum();
        assert!((0..3).all(|tries| rules.choose_pause(tries + 1) > rules.choose_pause(tries)));
        assert!((60_000.0..110_000.0).contains(&sum), "{sum}");
        assert!(rules.choose_pause(1000) <= Duration::from_secs(13_000));
    }

    #[test]
    fn only_what_nobody_has_to_have_is_given_up() {
        for kind in TaskKind::ALL {
            let must_end = matches!(kind, TaskKind::Seal | TaskKind::Import | TaskKind::ImportBatch);
            let (rules, is_given_up) = (find_rules(kind), !must_end);
            assert_eq!(rules.is_lost(1000), is_given_up, "{kind:?}");
            assert!(rules.slots > 0 && rules.first_pause > Duration::ZERO, "{kind:?}");
        }
        let mail = find_rules(TaskKind::Mail);
        assert!(!mail.is_last_try(10) && mail.is_last_try(11));
    }
}
