//! How a run ended, and who hears of it.

use crate::db::vocabulary::{EmailSetting, Outcome};

/// Ends of a job's items. Each item is in exactly one of the first four.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// Items whose files are there.
    pub succeeded: i32,
    /// Items that did not work.
    pub failed: i32,
    /// Items left out on request.
    pub skipped: i32,
    /// Items that a stop left undone.
    pub stopped: i32,
    /// Items with warnings, whatever else they are.
    pub warned: i32,
}

impl Outcome {
    /// The outcome of a job with these ends.
    pub fn of(ends: Ends) -> Self {
        match ends {
            Ends { stopped: 1.., .. } => Self::Stopped,
            Ends { failed: 1.., succeeded: 0, .. } => Self::Failed,
            Ends { failed: 1.., .. } => Self::PartiallyFailed,
            Ends { skipped: 1.., .. } | Ends { warned: 1.., .. } => Self::SucceededWithWarnings,
            _ => Self::Succeeded,
        }
    }
}

/// Whether a mail is sent at this end. One mail at most per run.
pub fn tells(setting: EmailSetting, outcome: Outcome) -> bool {
    use Outcome::{Failed, PartiallyFailed, Stopped, SucceededWithWarnings};
    match setting {
        EmailSetting::None => false,
        EmailSetting::Error => matches!(outcome, PartiallyFailed | Failed),
        EmailSetting::ErrorAndWarning => matches!(outcome, SucceededWithWarnings | PartiallyFailed | Failed),
        EmailSetting::JobCompletion => outcome != Stopped,
        EmailSetting::All => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outcome_follows_from_the_ends() {
        let of = |succeeded, failed, skipped, stopped, warned| {
            Outcome::of(Ends { succeeded, failed, skipped, stopped, warned })
        };
        assert_eq!(of(3, 0, 0, 0, 0), Outcome::Succeeded);
        assert_eq!(of(3, 0, 0, 0, 1), Outcome::SucceededWithWarnings);
        assert_eq!(of(3, 0, 1, 0, 0), Outcome::SucceededWithWarnings);
        assert_eq!(of(3, 1, 0, 0, 0), Outcome::PartiallyFailed);
        assert_eq!(of(0, 1, 1, 0, 0), Outcome::Failed);
        assert_eq!(of(3, 1, 0, 1, 0), Outcome::Stopped);
    }

    #[test]
    fn each_setting_hears_of_its_own_ends() {
        use EmailSetting::{All, Error, ErrorAndWarning, JobCompletion, None};
        let outcomes = [
            Outcome::Succeeded,
            Outcome::SucceededWithWarnings,
            Outcome::PartiallyFailed,
            Outcome::Failed,
            Outcome::Stopped,
        ];
        let heard = |setting| outcomes.map(|outcome| tells(setting, outcome));
        assert_eq!(heard(None), [false; 5]);
        assert_eq!(heard(Error), [false, false, true, true, false]);
        assert_eq!(heard(ErrorAndWarning), [false, true, true, true, false]);
        assert_eq!(heard(JobCompletion), [true, true, true, true, false]);
        assert_eq!(heard(All), [true; 5]);
    }
}
