//! Keeps what a set of items has rendered: stores the files of all of them in one transaction, before their ends are
//! settled.
//!
//! An item keeps its files alone where it could be to blame for a failure of the set: when its company may not have room
//! for them, and when it is tried again. So what fails because of one item fails others at most once, and they are tried
//! again without it.

use std::collections::BTreeSet;

use offprint_core::Code;
use offprint_storage::StagedBlob;

use crate::app::{AppState, KeepRenditionsError, RenderedFiles, StoreBlobError};
use crate::db::settle::{AttemptEnd, AttemptOutcome, SettledFile};
use crate::db::{self, limits};
use crate::id::CompanyId;
use crate::reason::Reason;
use crate::worker::outcome::{log_outcome, merge_outcomes, storage_error_to_reason};

/// An attempt that has ended, and the files that it rendered, which are not stored yet.
pub(super) struct RenderedEnd {
    /// For log lines.
    pub(super) asset_name: String,
    pub(super) end: AttemptEnd,
    pub(super) rendered: Vec<(SettledFile, StagedBlob)>,
}

impl RenderedEnd {
    fn count_bytes(&self) -> i64 {
        self.rendered.iter().map(|(_, blob)| blob.size as i64).sum()
    }

    /// Ends like this when the files could not be kept: without them, and with this outcome unless the item fails or is tried
    /// again anyway.
    fn lose_files(&mut self, outcome: AttemptOutcome) {
        self.rendered.clear();
        self.end.outcome = merge_outcomes(vec![(None, self.end.outcome.clone()), (None, outcome)]);
    }

    /// The end if nobody stores its files.
    pub(super) fn without_files(&self) -> AttemptEnd {
        let mut end = self.end.clone();
        if !self.rendered.is_empty() {
            let reason =
                Reason::new(Code::Internal, "The rendered files could not be stored; the item is tried again.");
            end.outcome = merge_outcomes(vec![(None, end.outcome), (None, AttemptOutcome::TryAgain(reason))]);
        }
        end
    }
}

/// Keeps the rendered files of a set of ends. Those that cannot be kept are missing in the end, whose outcome says why.
pub(super) async fn keep_rendered_files<'a>(state: &AppState, ends: impl Iterator<Item = &'a mut RenderedEnd>) {
    let ends: Vec<&mut RenderedEnd> = ends.filter(|end| !end.rendered.is_empty()).collect();
    let full = list_full_companies(state, &ends).await;
    let (alone, together): (Vec<_>, Vec<_>) = ends.into_iter().partition(|end| {
        let attempt = &end.end.attempt;
        attempt.counters.tries > 0 || full.contains(&attempt.company)
    });
    if !together.is_empty() {
        keep_set(state, together).await;
    }
    for end in alone {
        keep_set(state, vec![end]).await;
    }
}

/// The companies that may not have room for the files of several ends. When that cannot be found out, all of them.
async fn list_full_companies(state: &AppState, ends: &[&mut RenderedEnd]) -> BTreeSet<CompanyId> {
    if ends.len() < 2 {
        return BTreeSet::new();
    }
    let wanted: Vec<(CompanyId, i64)> = ends.iter().map(|end| (end.end.attempt.company, end.count_bytes())).collect();
    match db::with_query_timeout(limits::list_full_companies(&state.system, &wanted, state.settings.max_stored)).await {
        Ok(full) => full.into_iter().collect(),
        Err(_) => wanted.into_iter().map(|(company, _)| company).collect(),
    }
}

async fn keep_set(state: &AppState, mut ends: Vec<&mut RenderedEnd>) {
    let is_alone = ends.len() == 1;
    let (mut items, mut settled_files) = (Vec::new(), Vec::new());
    for end in &mut ends {
        let (files, staged): (Vec<SettledFile>, Vec<StagedBlob>) = end.rendered.drain(..).unzip();
        settled_files.push(files);
        items.push(RenderedFiles { attempt: &end.end.attempt, staged });
    }
    match state.keep_rendered_files(items).await {
        Ok(()) => {
            for (end, files) in ends.into_iter().zip(settled_files) {
                end.end.files.extend(files);
            }
        }
        Err(error) => {
            let outcome = keep_error_to_outcome(error, is_alone);
            for end in ends {
                end.lose_files(outcome.clone());
                log_outcome(&end.asset_name, &end.end);
            }
        }
    }
}

fn keep_error_to_outcome(error: KeepRenditionsError, is_alone: bool) -> AttemptOutcome {
    match error {
        KeepRenditionsError::QuotaExceeded(missing) if is_alone => AttemptOutcome::Failed(Reason::new(
            Code::StorageQuota,
            format!(
                "The exported files would exceed the company's storage quota by {missing} bytes. Delete jobs and assets \
                 that are no longer needed, then retry the job."
            ),
        )),
        // Somebody else took the room since it was asked for. Alone the item finds out whether there is any for it.
        KeepRenditionsError::QuotaExceeded(_) => AttemptOutcome::TryAgain(Reason::new(
            Code::Unavailable,
            "The company reached its storage quota while files of several items were stored; they are tried again.",
        )),
        KeepRenditionsError::Store(StoreBlobError::Storage(error)) => {
            AttemptOutcome::TryAgain(storage_error_to_reason(&error))
        }
        KeepRenditionsError::Store(StoreBlobError::Db(error)) => {
            AttemptOutcome::TryAgain(Reason::new(Code::Unavailable, error.to_string()))
        }
    }
}
