//! How attempts at items end: what failures of renders, of the storage and of originals mean for the item.

use offprint_core::Code;
use offprint_imaging::RenderError;
use offprint_sandbox::RenderPoolError;
use offprint_storage::StorageError;
use tracing::warn;

use crate::db::settle::{AttemptEnd, AttemptOutcome};
use crate::jobs::rendition::merge_failures;
use crate::reason::Reason;

/// The outcome of an item whose original was damaged in the storage.
pub(super) fn fail_as_corrupt() -> AttemptOutcome {
    let detail = "The stored original is damaged. Upload the file again, then retry the job.";
    AttemptOutcome::Failed(Reason::new(Code::CorruptOriginal, detail))
}

/// The outcome of an item when the whole render failed.
pub(super) fn pool_failure_to_outcome(failure: RenderPoolError) -> AttemptOutcome {
    match failure {
        RenderPoolError::Rejected(failure) => render_error_to_outcome(failure),
        RenderPoolError::ProcessDied(failure) => {
            metrics::counter!("offprint_renders_died_total", "code" => failure.code.to_kebab_case()).increment(1);
            AttemptOutcome::Crashed(Reason::new(failure.code, failure.detail))
        }
    }
}

/// Decides how an item ends when these files failed, given by the names of their renditions. If any failure may go
/// away, the item is tried again: failures that the image causes are found again then. Otherwise the item fails.
pub(super) fn merge_outcomes(failures: Vec<(Option<&str>, AttemptOutcome)>) -> AttemptOutcome {
    let (mut final_failures, mut passing_failures) = (Vec::new(), Vec::new());
    for (name, outcome) in &failures {
        match outcome {
            AttemptOutcome::Failed(reason) => final_failures.push((*name, reason)),
            AttemptOutcome::TryAgain(reason) => passing_failures.push((*name, reason)),
            _ => {}
        }
    }
    let try_again = merge_failures(passing_failures.into_iter()).map(AttemptOutcome::TryAgain);
    let fail = || merge_failures(final_failures.into_iter()).map(AttemptOutcome::Failed);
    try_again.or_else(fail).unwrap_or(AttemptOutcome::Succeeded)
}

/// Failures caused by the image or the modifier are final; others are tried again.
pub(super) fn render_error_to_outcome(failure: RenderError) -> AttemptOutcome {
    let reason = Reason::new(failure.code, failure.detail);
    match failure.code {
        Code::OriginalMissing | Code::StorageFull | Code::Unavailable | Code::Internal => {
            AttemptOutcome::TryAgain(reason)
        }
        _ => AttemptOutcome::Failed(reason),
    }
}

pub(super) fn storage_error_to_reason(error: &StorageError) -> Reason {
    match error {
        StorageError::Full(_) => {
            Reason::new(Code::StorageFull, "The storage is full; the item is tried again until there is space.")
        }
        error => Reason::new(Code::Unavailable, format!("Storage error: {error}.")),
    }
}

/// Logs a failed attempt.
pub(super) fn log_outcome(asset_name: &str, end: &AttemptEnd) {
    if let AttemptOutcome::Failed(reason) | AttemptOutcome::TryAgain(reason) | AttemptOutcome::Crashed(reason) =
        &end.outcome
    {
        warn!(code = %reason.code, "{asset_name} of job {} failed: {}", end.attempt.job, reason.detail);
    }
}
