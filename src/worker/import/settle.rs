//! Settles the tasks of imports: what was brought becomes assets, entries end, and the import is finished with its last entry, all
//! in the transaction of the settle and behind its fence.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::BoxFuture;
use offprint_core::name::FileName;
use offprint_core::{Code, Digest};
use tracing::warn;

use crate::app::storage_quota::{EffectiveLimits, IntakeError, check_company_limits};
use crate::app::{AppState, BlobTransaction, StoreBlobError};
use crate::db::asset::{self, AssetChange, NewAsset};
use crate::db::enums::{ImportEntryState, ImportState, OnExisting};
use crate::db::import::{self, ImportRow};
use crate::db::import_entry::{EndedEntry, end_entries, find_namesakes, list_still_waiting};
use crate::db::limits::{find_company_usage, lock_quota};
use crate::db::task::{self, TaskClaim, TaskEnd, TaskOutcome, TaskState};
use crate::db::{self, DbConnection, DbError};
use crate::id::AssetId;
use crate::jobs::import::{finish_import, report_finished_import};
use crate::reason::Reason;
use crate::worker::import::batch::{BatchEnd, BroughtFile};

/// Pause after a batch that could not be written.
const WRITE_PAUSE: Duration = Duration::from_secs(1);

/// Longest file name, in bytes.
const MAX_NAME_BYTES: usize = 255;

/// Why a skipped file is skipped.
pub(super) fn explain_taken_name(name: &str) -> Reason {
    let detail = format!(
        "The folder has an asset with the file name `{name}` already. Use `onExisting` to replace it or to import it under another name."
    );
    Reason::new(Code::NameTaken, detail)
}

/// Settles the task that lists the source.
pub(in crate::worker) async fn settle_listing(
    state: &AppState,
    claim: &TaskClaim,
    end: &TaskEnd,
    failure: Option<&Reason>,
) -> Result<Option<TaskState>, DbError> {
    let Some(import_id) = claim.import_id else { return task::settle_task(&state.system, claim, end).await };
    let mut transaction = state.system.begin().await?;
    let Some(row) = import::lock_import(&mut transaction, claim.company_id, import_id).await? else { return Ok(None) };
    let settled = task::settle_task(&mut *transaction, claim, end).await?;
    if settled.is_none() {
        return Ok(None);
    }
    let mut finished = None;
    if row.state != ImportState::Finished && Some(row.run) == claim.run {
        import::end_listing(&mut transaction, claim.company_id, import_id, failure).await?;
        finished = finish_import(&mut transaction, claim.company_id, import_id, &state.settings).await?;
    }
    transaction.commit().await?;
    report(state, finished.as_ref());
    Ok(settled)
}

fn report(state: &AppState, finished: Option<&ImportRow>) {
    if let Some(import) = finished {
        report_finished_import(import);
        // There may be a message to send.
        state.tasks_available.notify_local();
    }
    state.job_changes.notify();
}

/// Why a batch was not written.
enum BatchError {
    /// Another worker has the task, or the import was deleted.
    Lost,
    /// The import was stopped.
    Ended,
    Intake(IntakeError),
}

impl From<DbError> for BatchError {
    fn from(error: DbError) -> Self {
        Self::Intake(error.into())
    }
}

impl From<sqlx::Error> for BatchError {
    fn from(error: sqlx::Error) -> Self {
        DbError::from(error).into()
    }
}

impl From<StoreBlobError> for BatchError {
    fn from(error: StoreBlobError) -> Self {
        Self::Intake(error.into())
    }
}

/// What a batch wrote.
struct WrittenBatch {
    settled: TaskState,
    finished: Option<ImportRow>,
    /// Originals that assets had before.
    replaced: Vec<Digest>,
    /// Blobs that were stored for files that got no asset after all.
    unused: Vec<Digest>,
    ended: Vec<EndedEntry>,
}

/// Settles the task of a batch. What cannot be written is tried again.
pub(in crate::worker) async fn settle_import_batch(
    state: &AppState,
    claim: &TaskClaim,
    end: &TaskEnd,
    batch: &mut BatchEnd,
) -> Result<Option<TaskState>, DbError> {
    let mut transaction = BlobTransaction::begin(&state.system, &state.storage).await?;
    let written = write_batch(state, &mut transaction, claim, end, batch).await;
    let again = |reason: String| TaskEnd::new(TaskOutcome::Retry(WRITE_PAUSE), Some(reason));
    match transaction.end(written).await {
        Ok(written) => {
            batch.brought.clear();
            for original in written.replaced {
                state.release_original(claim.company_id, original).await;
            }
            state.remove_unused_blobs(&written.unused).await;
            count_entries(&written.ended);
            report(state, written.finished.as_ref());
            Ok(Some(written.settled))
        }
        Err(BatchError::Lost) => Ok(None),
        Err(BatchError::Ended) => task::settle_task(&state.system, claim, &TaskEnd::new(TaskOutcome::Done, None)).await,
        Err(BatchError::Intake(error)) => {
            warn!(error = %error, "A batch of an import was not written and is tried again: {error}");
            let reason = match error {
                IntakeError::Refused(reason) => reason.detail,
                _ => "Storage or database did not answer.".to_owned(),
            };
            task::settle_task(&state.system, claim, &again(reason)).await
        }
    }
}

fn count_entries(ended: &[EndedEntry]) {
    for entry in ended {
        let outcome = match entry.state {
            ImportEntryState::Imported => "imported",
            ImportEntryState::Skipped => "skipped",
            _ => "failed",
        };
        metrics::counter!("offprint_import_entries_total", "outcome" => outcome).increment(1);
    }
}

/// Stores the blobs, then writes the rows within a savepoint: when that fails, the blobs are still locked while their files are
/// removed.
async fn write_batch(
    state: &AppState,
    transaction: &mut BlobTransaction<'_>,
    claim: &TaskClaim,
    end: &TaskEnd,
    batch: &mut BatchEnd,
) -> Result<WrittenBatch, BatchError> {
    let blobs = batch.brought.iter_mut().filter_map(|file| file.staged.take()).collect();
    transaction.store_all(blobs).await?;
    let connection = transaction.connection();
    db::set_savepoint(&mut *connection).await?;
    // In a box: the compiler cannot see through all of it that it may move between threads.
    let writing: BoxFuture<'_, _> = Box::pin(try_write_rows(state, &mut *connection, claim, end, batch));
    let written = db::with_query_timeout(writing).await?;
    if written.is_err() {
        db::roll_back_to_savepoint(connection).await?;
    }
    written
}

/// The outer error is none of the rows' own: the query timeout adds it.
async fn try_write_rows(
    state: &AppState,
    connection: &mut DbConnection,
    claim: &TaskClaim,
    end: &TaskEnd,
    batch: &BatchEnd,
) -> Result<Result<WrittenBatch, BatchError>, DbError> {
    Ok(write_rows(state, connection, claim, end, batch).await)
}

async fn write_rows(
    state: &AppState,
    connection: &mut DbConnection,
    claim: &TaskClaim,
    end: &TaskEnd,
    batch: &BatchEnd,
) -> Result<WrittenBatch, BatchError> {
    let company = claim.company_id;
    let import = import::lock_import(connection, company, batch.import).await?.ok_or(BatchError::Lost)?;
    if import.state == ImportState::Finished {
        return Err(BatchError::Ended);
    }
    let settled = task::settle_task(&mut *connection, claim, end).await?.ok_or(BatchError::Lost)?;
    // An import that was stopped and retried has these entries in other batches.
    let waiting = list_still_waiting(connection, company, batch.import, batch.batch).await?;
    let mut writer = FileWriter::new(connection, &import, batch).await?;
    for file in &batch.brought {
        if waiting.contains(&file.path) {
            writer.write_file(file).await?;
        }
    }
    writer.insert_new().await?;
    let stored = batch.brought.iter().map(|file| file.original.sha256);
    let unused = stored.filter(|digest| !writer.used.contains(digest)).collect();
    writer.check_limits().await?;
    let FileWriter { connection, replaced, mut ended, .. } = writer;
    ended.extend(batch.ended.iter().filter(|entry| waiting.contains(&entry.path)).cloned());
    end_entries(connection, company, batch.import, &ended).await?;
    let finished = finish_import(connection, company, batch.import, &state.settings).await?;
    Ok(WrittenBatch { settled, finished, replaced, unused, ended })
}

/// Makes assets of files.
struct FileWriter<'a> {
    connection: &'a mut DbConnection,
    import: &'a ImportRow,
    /// Assets by folder and file name.
    taken: HashMap<(String, String), AssetId>,
    limits: Option<EffectiveLimits>,
    /// Assets and bytes that the company had before, and has now.
    before: (u64, u64),
    now: (u64, u64),
    /// New assets that are not inserted yet.
    new: Vec<NewAsset>,
    used: Vec<Digest>,
    replaced: Vec<Digest>,
    ended: Vec<EndedEntry>,
}

impl<'a> FileWriter<'a> {
    async fn new(
        connection: &'a mut DbConnection,
        import: &'a ImportRow,
        batch: &BatchEnd,
    ) -> Result<FileWriter<'a>, DbError> {
        // Imports of a company decide about names one after the other.
        lock_quota(connection, import.company_id, "import names").await?;
        let wanted: Vec<(&str, &str, &str)> = batch
            .brought
            .iter()
            .map(|file| (file.folder.as_str(), file.file_name.stem(), file.file_name.as_str()))
            .collect();
        let found = find_namesakes(connection, import.company_id, &wanted).await?;
        let taken = found.into_iter().map(|row| ((row.folder, row.file_name), row.asset_id)).collect();
        let usage = find_company_usage(connection, import.company_id).await?;
        let before = (usage.assets.unsigned_abs(), usage.stored_bytes.unsigned_abs());
        let limits = batch.brought.first().map(|file| file.quota.limits);
        let (new, used, replaced, ended) = Default::default();
        Ok(Self { connection, import, taken, limits, before, now: before, new, used, replaced, ended })
    }

    async fn write_file(&mut self, file: &BroughtFile) -> Result<(), BatchError> {
        let key = (file.folder.clone(), file.file_name.to_string());
        let namesake = self.taken.get(&key).copied();
        let target = match self.import.on_existing {
            OnExisting::Replace => self.find_known(file).await?.or(namesake),
            OnExisting::Skip | OnExisting::Rename => namesake,
        };
        match (target, self.import.on_existing) {
            (Some(asset), OnExisting::Skip) => {
                let reason = explain_taken_name(file.file_name.as_str());
                self.end(file, ImportEntryState::Skipped, Some(asset), Some(reason));
                Ok(())
            }
            (Some(asset), OnExisting::Replace) => self.replace(file, asset).await,
            (Some(_), OnExisting::Rename) => match self.find_free_name(file).await? {
                Some(name) => {
                    self.add(file, &name);
                    Ok(())
                }
                None => {
                    let reason = explain_taken_name(file.file_name.as_str());
                    self.end(file, ImportEntryState::Failed, None, Some(reason));
                    Ok(())
                }
            },
            (None, _) => {
                self.add(file, &file.file_name);
                Ok(())
            }
        }
    }

    fn end(&mut self, file: &BroughtFile, state: ImportEntryState, asset_id: Option<AssetId>, failure: Option<Reason>) {
        let (path, size, etag) = (file.path.clone(), Some(file.original.size), file.etag.clone());
        self.ended.push(EndedEntry { path, state, asset_id, size, etag, failure });
    }

    /// The asset that the file was last imported as, if it still exists.
    async fn find_known(&mut self, file: &BroughtFile) -> Result<Option<AssetId>, DbError> {
        let Some(known) = file.known_asset else { return Ok(None) };
        let found = asset::find_assets(self.connection, self.import.company_id, &[known]).await?;
        Ok(found.first().map(|row| row.asset_id))
    }

    async fn replace(&mut self, file: &BroughtFile, asset: AssetId) -> Result<(), BatchError> {
        // It may be one of them: two files of a batch can have one name.
        self.insert_new().await?;
        let old = asset::replace_original(self.connection, self.import.company_id, asset, &file.original).await?;
        if old != file.original.sha256 {
            self.replaced.push(old);
        }
        self.used.push(file.original.sha256);
        self.end(file, ImportEntryState::Imported, Some(asset), None);
        Ok(())
    }

    /// Adds a new asset, unless the company has no room for it.
    fn add(&mut self, file: &BroughtFile, file_name: &FileName) {
        if let Some(reason) = self.find_refusal(file) {
            return self.end(file, ImportEntryState::Failed, None, Some(reason));
        }
        let new = NewAsset {
            asset_id: AssetId::new(),
            name: file_name.stem().to_owned(),
            file_name: file_name.to_string(),
            folder: file.folder.clone(),
            metadata: self.import.metadata.0.clone(),
            original: file.original.clone(),
            record: AssetChange::default(),
        };
        self.now = (self.now.0 + 1, self.now.1 + file.original.size.unsigned_abs());
        self.taken.insert((new.folder.clone(), new.file_name.clone()), new.asset_id);
        self.used.push(file.original.sha256);
        self.end(file, ImportEntryState::Imported, Some(new.asset_id), None);
        self.new.push(new);
    }

    /// Inserts the assets that were added since the last time.
    async fn insert_new(&mut self) -> Result<(), DbError> {
        if !self.new.is_empty() {
            asset::insert_assets(self.connection, self.import.company_id, &std::mem::take(&mut self.new)).await?;
        }
        Ok(())
    }

    /// Why the company has no room for one more file. [`check_limits`](Self::check_limits) decides; this keeps one file that does
    /// not fit from holding up the others of its batch.
    fn find_refusal(&self, file: &BroughtFile) -> Option<Reason> {
        let limits = self.limits?;
        let (assets, bytes) = (self.now.0 + 1, self.now.1 + file.original.size.unsigned_abs());
        match limits.check_totals(assets, bytes) {
            Err(IntakeError::Refused(reason)) => Some(reason),
            _ => None,
        }
    }

    /// A name with a number that no asset of the folder has.
    async fn find_free_name(&mut self, file: &BroughtFile) -> Result<Option<FileName>, DbError> {
        let (stem, extension) = file.file_name.as_str().split_at(file.file_name.stem().len());
        let stem = &stem[..stem.floor_char_boundary(MAX_NAME_BYTES.saturating_sub(extension.len() + 8))];
        for first in (2..2000).step_by(50) {
            let names: Vec<FileName> = (first..first + 50)
                .filter_map(|number| FileName::sanitize(&format!("{stem} ({number}){extension}")).ok())
                .collect();
            let wanted: Vec<(&str, &str, &str)> =
                names.iter().map(|name| (file.folder.as_str(), name.stem(), name.as_str())).collect();
            let found = find_namesakes(self.connection, self.import.company_id, &wanted).await?;
            let is_taken = |name: &FileName| {
                found.iter().any(|row| row.file_name == name.as_str())
                    || self.taken.contains_key(&(file.folder.clone(), name.to_string()))
            };
            if let Some(free) = names.into_iter().find(|name| !is_taken(name)) {
                return Ok(Some(free));
            }
        }
        Ok(None)
    }

    /// The check that counts: uploads may have taken the room meanwhile.
    async fn check_limits(&mut self) -> Result<(), BatchError> {
        let usage = find_company_usage(self.connection, self.import.company_id).await?;
        let has_grown =
            usage.assets.unsigned_abs() > self.before.0 || usage.stored_bytes.unsigned_abs() > self.before.1;
        match &self.limits {
            Some(limits) if has_grown => {
                let checked = check_company_limits(self.connection, self.import.company_id, limits).await;
                checked.map_err(BatchError::Intake)
            }
            _ => Ok(()),
        }
    }
}
