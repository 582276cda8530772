//! Brings the files of a batch: reads, stages and inspects several of them at once. Nothing of it is kept before the task settles.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use offprint_core::Code;
use offprint_core::name::FileName;
use offprint_storage::StagedBlob;
use tokio::sync::Semaphore;
use tokio::time::sleep;
use tracing::warn;

use crate::app::AppState;
use crate::app::original_intake::{inspect_original, stage_original};
use crate::app::storage_quota::{IntakeError, StorageQuota, StoredTotals};
use crate::db::asset::{self, Original};
use crate::db::enums::{ImportEntryState, ImportState, OnExisting};
use crate::db::import::{self, ImportRow};
use crate::db::import_entry::{self, EndedEntry, WaitingEntryRow, explain_unchanged, find_namesakes};
use crate::db::task::TaskClaim;
use crate::db::{self, DbError, retention, row_level_security};
use crate::id::{AssetId, CompanyId, ImportId};
use crate::jobs::import::ImportSource;
use crate::reason::Reason;
use crate::worker::import::source::{Source, SourceError};
use crate::worker::import::{MAX_LOST, is_last_try};
use crate::worker::performed::{AttemptResult, Effect, Performed};

/// Files of one batch that are read at the same time.
const CONCURRENT_FILES: usize = 8;

/// Batches of a process that read at the same time. More have a slot: while some settle, which waits for the disk and the
/// database, others keep the source busy.
const MAX_READING_BATCHES: usize = 4;
static READING_BATCHES: Semaphore = Semaphore::const_new(MAX_READING_BATCHES);

/// How often a batch looks whether its import was stopped.
const STOP_CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// What a batch writes when it settles.
pub(in crate::worker) struct BatchEnd {
    pub(super) import: ImportId,
    pub(super) batch: i32,
    /// Entries that need no asset.
    pub(super) ended: Vec<EndedEntry>,
    pub(super) brought: Vec<BroughtFile>,
}

/// A file that is staged.
pub(super) struct BroughtFile {
    pub(super) path: String,
    pub(super) folder: String,
    pub(super) file_name: FileName,
    pub(super) etag: Option<String>,
    /// The asset that it was last imported as.
    pub(super) known_asset: Option<AssetId>,
    /// Taken when it is stored.
    pub(super) staged: Option<StagedBlob>,
    pub(super) original: Original,
    /// Counts the staged bytes until they are registered.
    pub(super) quota: StorageQuota,
}

impl fmt::Debug for BatchEnd {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ended, brought) = (self.ended.len(), self.brought.len());
        write!(out, "batch {} of import {}: {brought} files, {ended} without", self.batch, self.import)
    }
}

/// Brings what waits of a batch. Files that failed for a passing reason wait for the next try.
pub(in crate::worker) async fn perform_import_batch(state: &AppState, claim: &TaskClaim) -> Result<Performed, DbError> {
    let (company, import_id, batch) = (claim.company_id, claim.import_id, claim.key.parse::<i32>());
    let (Some(import_id), Ok(batch)) = (import_id, batch) else {
        return Ok(AttemptResult::Failed("the task belongs to no batch".into()).into());
    };
    let import = db::with_query_timeout(import::fetch_import(&state.system, company, import_id)).await?;
    if import.state == ImportState::Finished {
        return Ok(AttemptResult::Done.into());
    }
    let entries = import_entry::list_waiting_entries(&state.system, company, import_id, batch);
    let mut entries = db::with_query_timeout(entries).await?;
    // One of them may be what ends workers, or workers end too often for all of them: the fewer there are, the sooner they are
    // kept. In the end it is one.
    let count = entries.len();
    entries.truncate(choose_share(count, claim.lost));
    let has_rest = entries.len() < count;
    let next = || if has_rest { AttemptResult::GoesOn } else { AttemptResult::Done };
    let mut end = BatchEnd { import: import_id, batch, ended: Vec::new(), brought: Vec::new() };
    if claim.lost >= MAX_LOST {
        let detail = format!("{} workers disappeared while they imported this file.", claim.lost);
        end.ended = entries.iter().map(|entry| fail_entry(entry, Reason::new(Code::Lost, detail.clone()))).collect();
        return Ok(Performed::new(next(), Effect::EndImportBatch(Box::new(end))));
    }
    let request = db::with_query_timeout(import::fetch_import_source(&state.system, company, import_id)).await?;
    let request: ImportSource = serde_json::from_value(request).unwrap_or_default();
    let source = match Source::open(state, company, &request).await? {
        Ok(source) => source,
        Err(reason) => {
            end.ended = entries.iter().map(|entry| fail_entry(entry, reason.clone())).collect();
            return Ok(Performed::new(next(), Effect::EndImportBatch(Box::new(end))));
        }
    };
    let bringing = bring_entries(state, claim, &import, (&source, entries), &mut end);
    let failed = tokio::select! {
        failed = row_level_security::run_as_company(company, bringing) => failed?,
        () = wait_for_stop(state, company, import_id) => return Ok(AttemptResult::Done.into()),
    };
    let result = failed.map_or_else(next, AttemptResult::Retry);
    Ok(Performed::new(result, Effect::EndImportBatch(Box::new(end))))
}

/// How many of the files of a batch are brought, when so many workers disappeared while they brought them.
fn choose_share(files: usize, lost: i32) -> usize {
    (files >> lost.clamp(0, MAX_LOST - 1)).max(1)
}

/// Waits until the import was stopped or deleted.
async fn wait_for_stop(state: &AppState, company: CompanyId, import: ImportId) {
    loop {
        sleep(STOP_CHECK_INTERVAL).await;
        match db::with_query_timeout(import::fetch_import(&state.system, company, import)).await {
            Ok(row) if row.state == ImportState::Finished => return,
            Err(DbError::NotFound(_)) => return,
            // What it is doing finds out as well.
            Ok(_) | Err(_) => {}
        }
    }
}

/// Brings entries. Returns why some of them have to be tried again.
async fn bring_entries(
    state: &AppState,
    claim: &TaskClaim,
    import: &ImportRow,
    (source, entries): (&Source, Vec<WaitingEntryRow>),
    end: &mut BatchEnd,
) -> Result<Option<String>, DbError> {
    // The semaphore is never closed.
    let _reading = READING_BATCHES.acquire().await.ok();
    let taken = match import.on_existing {
        OnExisting::Skip => list_taken_names(state, import.company_id, &entries).await?,
        OnExisting::Replace | OnExisting::Rename => HashSet::new(),
    };
    let taken = &taken;
    let totals = load_totals(state, import.company_id, &entries).await?;
    let bring = |entry: WaitingEntryRow| async move {
        let is_taken = taken.contains(&(entry.folder.clone(), entry.file_name.clone()));
        let brought = bring_entry(state, import, source, &entry, (is_taken, totals)).await;
        (entry, brought)
    };
    let mut files = stream::iter(entries).map(bring).buffer_unordered(CONCURRENT_FILES);
    let mut failed = None;
    while let Some((entry, brought)) = files.next().await {
        match brought {
            Ok(Brought::File(file)) => end.brought.push(*file),
            Ok(Brought::Skipped(reason)) => end.ended.push(EndedEntry {
                state: ImportEntryState::Skipped,
                asset_id: entry.known_asset,
                ..fail_entry(&entry, reason)
            }),
            Err(SourceError::NotModified) => end.ended.push(EndedEntry {
                state: ImportEntryState::Skipped,
                asset_id: entry.known_asset,
                size: entry.known_size,
                ..fail_entry(&entry, explain_unchanged())
            }),
            Err(SourceError::Failed { reason, cause, is_temporary }) => {
                warn!(import.handle = %import.import_id, "A file of import {} was not read: {cause}", import.import_id);
                match is_temporary && !is_last_try(claim) {
                    true => failed = Some(reason.detail),
                    false => end.ended.push(fail_entry(&entry, reason)),
                }
            }
        }
    }
    Ok(failed)
}

fn fail_entry(entry: &WaitingEntryRow, reason: Reason) -> EndedEntry {
    let (path, state) = (entry.path.clone(), ImportEntryState::Failed);
    EndedEntry { path, state, asset_id: None, size: None, etag: None, failure: Some(reason) }
}

async fn list_taken_names(
    state: &AppState,
    company: CompanyId,
    entries: &[WaitingEntryRow],
) -> Result<HashSet<(String, String)>, DbError> {
    let names: Vec<(String, FileName)> = entries
        .iter()
        .filter_map(|entry| Some((entry.folder.clone(), FileName::sanitize(&entry.file_name).ok()?)))
        .collect();
    let wanted: Vec<(&str, &str, &str)> =
        names.iter().map(|(folder, name)| (folder.as_str(), name.stem(), name.as_str())).collect();
    let found =
        db::with_query_timeout(async { find_namesakes(&mut *state.db.acquire().await?, company, &wanted).await })
            .await?;
    Ok(found.into_iter().map(|row| (row.folder, row.file_name)).collect())
}

/// What became of an entry before it settles.
enum Brought {
    File(Box<BroughtFile>),
    Skipped(Reason),
}

async fn bring_entry(
    state: &AppState,
    import: &ImportRow,
    source: &Source,
    entry: &WaitingEntryRow,
    (is_taken, totals): (bool, Option<StoredTotals>),
) -> Result<Brought, SourceError> {
    let file_name = FileName::sanitize(&entry.file_name).map_err(|_| {
        SourceError::new(Code::InvalidValue, "The name or the folders of the file cannot be used.", false)
    })?;
    // A known file is asked for all the same: it may be unchanged, which says more than that its name is taken.
    if is_taken && entry.known_etag.is_none() {
        return Ok(Brought::Skipped(super::settle::explain_taken_name(&entry.file_name)));
    }
    let mut quota = load_quota(state, import, entry, totals).await?;
    let content = source.read(state, &entry.path, entry.known_etag.as_deref()).await?;
    if is_taken {
        return Ok(Brought::Skipped(super::settle::explain_taken_name(&entry.file_name)));
    }
    quota.check_file_size(content.size.unwrap_or(0)).await?;
    let (announced, etag, modified_at) = (content.size, content.etag, content.modified_at);
    let staged = stage_original(state, &mut quota, content.bytes).await?;
    let staged = staged.ok_or_else(|| SourceError::new(Code::EmptyFile, "The file is empty.", false))?;
    if announced.is_some_and(|announced| announced != staged.size) {
        let detail = format!("The file ended after {} bytes, before it was complete.", staged.size);
        return Err(SourceError::new(Code::SourceUnreachable, detail, true));
    }
    let (staged, mut original) = inspect_original(state, staged, None).await?;
    original.entry_time = original.entry_time.or(modified_at);
    let (path, folder, known_asset) = (entry.path.clone(), entry.folder.clone(), entry.known_asset);
    let staged = Some(staged);
    Ok(Brought::File(Box::new(BroughtFile { path, folder, file_name, etag, known_asset, staged, original, quota })))
}

/// What the company stores, if all entries fit into its limits. Then none of them has to ask.
async fn load_totals(
    state: &AppState,
    company: CompanyId,
    entries: &[WaitingEntryRow],
) -> Result<Option<StoredTotals>, DbError> {
    let Some(bytes) = entries.iter().map(|entry| entry.size).sum::<Option<i64>>() else { return Ok(None) };
    let totals = db::with_query_timeout(StoredTotals::load(state, company)).await?;
    Ok(totals.allows(entries.len() as u64, bytes.unsigned_abs()).then_some(totals))
}

/// The quota for a new asset, or for new content of one.
async fn load_quota(
    state: &AppState,
    import: &ImportRow,
    entry: &WaitingEntryRow,
    totals: Option<StoredTotals>,
) -> Result<StorageQuota, IntakeError> {
    let company = import.company_id;
    let (OnExisting::Replace, Some(known)) = (import.on_existing, entry.known_asset) else {
        return match totals {
            Some(totals) => Ok(totals.build_quota(state, company)),
            None => StorageQuota::for_assets(state, company).await,
        };
    };
    let freed = db::with_query_timeout(async {
        let mut connection = state.db.acquire().await?;
        let row = asset::fetch_asset(&mut connection, company, known).await?;
        let Some(old) = row.sha256 else { return Ok(0) };
        let is_pinned = retention::is_original_pinned(&mut connection, company, old).await?;
        Ok(if is_pinned { 0 } else { row.size.unwrap_or(0).unsigned_abs() })
    });
    StorageQuota::load(state, company, freed.await?).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_that_ends_its_workers_shrinks_to_one_file() {
        let shares: Vec<usize> = (0..=MAX_LOST).map(|lost| choose_share(32, lost)).collect();
        assert_eq!(shares, [32, 16, 8, 4, 2, 1, 1]);
        assert_eq!(choose_share(3, 5), 1);
    }
}
