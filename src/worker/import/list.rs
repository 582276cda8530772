//! Lists the source of an import: every file becomes an entry, and batches of entries become tasks, while the listing goes on.

use futures_util::{StreamExt, TryStreamExt};
use offprint_core::Code;
use offprint_core::name::FileName;
use offprint_storage::remote::{RemoteError, RemoteObject};

use crate::app::AppState;
use crate::db::enums::{ImportState, Layout};
use crate::db::import::{self, ImportRow, MAX_ENTRIES};
use crate::db::import_entry::{self, InsertEntriesError, NewEntry, ObjectKey};
use crate::db::task::TaskClaim;
use crate::db::{self, DbError};
use crate::jobs::import::{ImportSource, SourceUrl, build_path_filter, find_entry_target, find_url_name};
use crate::reason::Reason;
use crate::worker::import::source::{Source, SourceError};
use crate::worker::import::{MAX_LOST, is_last_try};
use crate::worker::performed::{AttemptResult, Effect, Performed};

/// Entries that are inserted together.
const PAGE_ENTRIES: usize = 1000;

/// Why a listing ended early.
enum ListError {
    Db(DbError),
    Source(SourceError),
    /// The import was stopped or deleted.
    Ended,
    TooMany,
}

impl From<DbError> for ListError {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

impl From<RemoteError> for ListError {
    fn from(error: RemoteError) -> Self {
        Self::Source(error.into())
    }
}

/// Lists the source. What is wrong with it becomes the import's failure; the files that were found are imported all the same.
pub(in crate::worker) async fn perform_import(state: &AppState, claim: &TaskClaim) -> Result<Performed, DbError> {
    let end = |failure: Option<Reason>| Performed::new(AttemptResult::Done, Effect::EndListing(failure));
    if claim.lost >= MAX_LOST {
        let detail = format!("{} workers disappeared while they listed the source.", claim.lost);
        return Ok(end(Some(Reason::new(Code::Lost, detail))));
    }
    Ok(match list_source(state, claim).await {
        Ok(()) => end(None),
        Err(ListError::Ended) => AttemptResult::Done.into(),
        Err(ListError::Db(error)) => return Err(error),
        Err(ListError::TooMany) => end(Some(Reason::new(
            Code::TooManyItems,
            format!(
                "The source has more than {MAX_ENTRIES} files, the most that one import may have. The others were not looked \
                 at. Import smaller parts: narrow `prefix`, `include` or `exclude`."
            ),
        ))),
        Err(ListError::Source(SourceError::Failed { reason, cause, is_temporary })) => {
            let performed = match is_temporary && !is_last_try(claim) {
                true => AttemptResult::Retry(reason.detail).into(),
                false => end(Some(reason)),
            };
            Performed { cause: Some(cause), ..performed }
        }
        // Only files have ETags.
        Err(ListError::Source(SourceError::NotModified)) => end(None),
    })
}

async fn list_source(state: &AppState, claim: &TaskClaim) -> Result<(), ListError> {
    let (company, Some(import_id)) = (claim.company_id, claim.import_id) else { return Err(ListError::Ended) };
    let begun = db::with_query_timeout(import::begin_import(&state.system, company, import_id)).await?;
    if !begun {
        return Err(ListError::Ended);
    }
    state.job_changes.notify();
    let request = db::with_query_timeout(import::fetch_import_source(&state.system, company, import_id)).await?;
    let request: ImportSource = serde_json::from_value(request).map_err(|error| {
        let cause = format!("The source of the import cannot be read: {error}");
        ListError::Source(SourceError::new(Code::Internal, cause, false))
    })?;
    let import = db::with_query_timeout(import::fetch_import(&state.system, company, import_id)).await?;
    let source = Source::open(state, company, &request).await?;
    let source = source.map_err(|reason| {
        ListError::Source(SourceError::Failed { cause: reason.detail.clone(), reason, is_temporary: false })
    })?;
    let base = request.base();
    if let Some(urls) = &request.urls {
        let entries: Vec<NewEntry> = urls.iter().map(|url| build_url_entry(&import, url)).collect();
        return insert_all(state, &import, &entries).await;
    }
    let name = request.connection.as_deref().unwrap_or_default();
    let entry = |object: RemoteObject| build_object_entry(&import, (name, base), object);
    if let Some(paths) = &request.paths {
        let object = |path: &String| {
            let path = path.trim_matches('/');
            let path = if base.is_empty() { path.to_owned() } else { format!("{base}/{path}") };
            RemoteObject { path, size: 0, etag: None, modified_at: chrono::DateTime::UNIX_EPOCH }
        };
        let entries: Vec<NewEntry> = paths.iter().map(|path| NewEntry { size: None, ..entry(object(path)) }).collect();
        return insert_all(state, &import, &entries).await;
    }
    let Source::Store(store) = source else { return Ok(()) };
    let takes = build_path_filter(&request)
        .map_err(|error| ListError::Source(SourceError::new(Code::InvalidValue, error, false)))?;
    let listed =
        store.list(base).try_filter(|object| std::future::ready(takes(find_relative_path(base, &object.path))));
    let mut pages = listed.map_ok(entry).try_chunks(PAGE_ENTRIES);
    while let Some(page) = pages.next().await {
        insert_page(state, &import, &page.map_err(|error| error.1)?).await?;
    }
    Ok(())
}

/// The path of an object below the prefix of an import.
fn find_relative_path<'a>(base: &str, path: &'a str) -> &'a str {
    path.strip_prefix(base).unwrap_or(path).trim_start_matches('/')
}

fn build_object_entry(import: &ImportRow, (connection, base): (&str, &str), object: RemoteObject) -> NewEntry {
    let RemoteObject { path, size, etag, .. } = object;
    let target = find_entry_target(&import.folder, find_relative_path(base, &path), import.layout == Layout::Folders);
    let (folder, file_name, failure) = match target {
        Ok(target) => (target.folder, target.file_name, None),
        Err(detail) => (String::new(), String::new(), Some(Reason::new(Code::InvalidValue, detail))),
    };
    let object_key = ObjectKey::new(connection, &path, &folder);
    NewEntry { path, folder, file_name, size: i64::try_from(size).ok(), etag, object_key, failure }
}

fn build_url_entry(import: &ImportRow, SourceUrl { url, name }: &SourceUrl) -> NewEntry {
    let given = name.as_deref().and_then(|name| FileName::sanitize(name).ok()).map(|name| name.to_string());
    let file_name = given.or_else(|| find_url_name(url)).unwrap_or_default();
    let object_key = ObjectKey::new("", url, &import.folder);
    let folder = import.folder.clone();
    NewEntry { path: url.clone(), folder, file_name, size: None, etag: None, object_key, failure: None }
}

async fn insert_all(state: &AppState, import: &ImportRow, entries: &[NewEntry]) -> Result<(), ListError> {
    for page in entries.chunks(PAGE_ENTRIES) {
        insert_page(state, import, page).await?;
    }
    Ok(())
}

/// Inserts a page of entries, if the import goes on. The first batches begin at once.
async fn insert_page(state: &AppState, import: &ImportRow, page: &[NewEntry]) -> Result<(), ListError> {
    let inserting = async {
        let mut transaction = state.system.begin().await?;
        let locked = import::lock_import(&mut transaction, import.company_id, import.import_id).await?;
        let goes_on = |row: &ImportRow| row.run == import.run && row.state == ImportState::Running;
        let Some(row) = locked.filter(goes_on) else { return Ok(Err(ListError::Ended)) };
        match import_entry::insert_entries(&mut transaction, &row, page).await {
            Ok(_) => {}
            Err(InsertEntriesError::TooMany) => return Ok(Err(ListError::TooMany)),
            Err(InsertEntriesError::Db(error)) => return Err(error),
        }
        transaction.commit().await?;
        Ok(Ok(()))
    };
    db::with_query_timeout(inserting).await??;
    state.work_available.notify();
    state.job_changes.notify();
    Ok(())
}
