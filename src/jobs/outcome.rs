//! The outcome of a run, and whether a mail is sent about it.

use crate::db::enums::{EmailSetting, Outcome};

/// Numbers of a run's items by their end. Each item is in exactly one of the first four.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunCounts {
    pub succeeded: i32,
    pub failed: i32,
    pub skipped: i32,
    /// Items that were not processed because the job was stopped.
    pub stopped: i32,
    /// Items with at least one warning, whatever their end.
    pub warned: i32,
    /// Assets that the request names and that were left out, because they do not exist.
    pub missing: i32,
    /// Files and manifests that could not be delivered.
    pub undelivered: i32,
    /// Destinations to which not all files were delivered, because the job was stopped.
    pub stopped_destinations: i32,
}

impl Outcome {
    /// The outcome of a run with these counts.
    pub fn from_counts(counts: RunCounts) -> Self {
        match counts {
            RunCounts { stopped: 1.., .. } | RunCounts { stopped_destinations: 1.., .. } => Self::Stopped,
            RunCounts { failed: 1.., succeeded: 0, .. } => Self::Failed,
            RunCounts { failed: 1.., .. } => Self::PartiallyFailed,
            RunCounts { skipped: 1.., .. }
            | RunCounts { warned: 1.., .. }
            | RunCounts { missing: 1.., .. }
            | RunCounts { undelivered: 1.., .. } => Self::SucceededWithWarnings,
            _ => Self::Succeeded,
        }
    }
}

/// Whether a mail is sent about this outcome. At most one mail is sent per run.
pub fn is_mail_wanted(setting: EmailSetting, outcome: Outcome) -> bool {
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
            let counts = RunCounts { succeeded, failed, skipped, stopped, warned, ..RunCounts::default() };
            Outcome::from_counts(counts)
        };
        let missing = RunCounts { succeeded: 1, missing: 1, ..RunCounts::default() };
        assert_eq!(Outcome::from_counts(missing), Outcome::SucceededWithWarnings);
        let undelivered = RunCounts { succeeded: 1, undelivered: 1, ..RunCounts::default() };
        assert_eq!(Outcome::from_counts(undelivered), Outcome::SucceededWithWarnings);
        let stopped = RunCounts { stopped_destinations: 1, ..undelivered };
        assert_eq!(Outcome::from_counts(stopped), Outcome::Stopped);
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
        let mails = |setting| outcomes.map(|outcome| is_mail_wanted(setting, outcome));
        assert_eq!(mails(None), [false; 5]);
        assert_eq!(mails(Error), [false, false, true, true, false]);
        assert_eq!(mails(ErrorAndWarning), [false, true, true, true, false]);
        assert_eq!(mails(JobCompletion), [true, true, true, true, false]);
        assert_eq!(mails(All), [true; 5]);
    }
}
