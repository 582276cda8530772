//! Delivers the manifests of a job, after all of its files and before it is finished: whoever finds them knows that the
//! delivery is complete, and the outcome in them is the job's.
//!
//! Part of the seal, which is repeated when it was cut off: the same bytes are written again, or found.

use futures_util::StreamExt;
use offprint_core::{Code, Digest};
use offprint_storage::remote::{Condition, RemoteError, RemoteFile};

use crate::app::{AppState, StoreBlobError};
use crate::db;
use crate::db::destination::{DestinationRow, OnExistingFile};
use crate::db::seal::{EndedJob, NewArchive};
use crate::reason::Reason;
use crate::worker::delivery::{describe_error, find_store, join_path};

/// Tries of a seal after which a manifest is given up: about five minutes. The files were delivered, so the store is
/// there.
const MAX_TRIES: i32 = 30;

/// What came of the manifests.
pub(super) enum ManifestDelivery {
    /// For each destination that wants them why they were not delivered; none where they were.
    Ended(Vec<(i16, Option<Reason>)>),
    /// The store did not answer.
    TryAgain(String),
}

/// The warning of a job of which files could not be delivered to a destination.
pub(super) fn build_delivery_warning(destination: &DestinationRow) -> Option<Reason> {
    let detail = format!(
        "Files that could not be delivered to `{}`: {}. See the destinations of the job, and retry it.",
        destination.connection, destination.failed
    );
    (destination.failed > 0).then(|| Reason::new(Code::DeliveryFailed, detail))
}

/// Delivers the manifests of a sealed archive to each destination that wants them, unless it was stopped.
pub(super) async fn deliver_manifests(
    state: &AppState,
    job: &EndedJob,
    destinations: &[DestinationRow],
    archive: &NewArchive,
    tries: i32,
) -> Result<ManifestDelivery, StoreBlobError> {
    let mut ends = Vec::new();
    let is_wanted = |row: &DestinationRow| row.manifest && row.state == db::destination::DestinationState::Done;
    for (number, destination) in (0..).zip(destinations).filter(|(_, destination)| is_wanted(destination)) {
        let files = [
            ("manifest.json", "application/json", archive.manifest_json),
            ("manifest.csv", "text/csv; charset=utf-8", archive.manifest_csv),
        ];
        let mut failure = None;
        for (name, media_type, digest) in files {
            match deliver_manifest(state, job, destination, (name, media_type, digest)).await? {
                Ok(()) => {}
                Err((reason, true)) if tries + 1 < MAX_TRIES => return Ok(ManifestDelivery::TryAgain(reason)),
                Err((reason, _)) => {
                    failure.get_or_insert_with(|| {
                        let detail =
                            format!("The manifest was not delivered to `{}`: {reason}", destination.connection);
                        Reason::new(Code::DeliveryFailed, detail)
                    });
                }
            }
        }
        ends.push((number, failure));
    }
    Ok(ManifestDelivery::Ended(ends))
}

/// Delivers one manifest. The inner error says why not, and whether another try may work.
async fn deliver_manifest(
    state: &AppState,
    job: &EndedJob,
    destination: &DestinationRow,
    (name, media_type, digest): (&str, &str, Digest),
) -> Result<Result<(), (String, bool)>, StoreBlobError> {
    let mut connection = state.system.acquire().await.map_err(db::DbError::from)?;
    let company = db::with_query_timeout(db::company::fetch_company_name(&mut connection, job.company_id)).await?;
    drop(connection);
    let store = match find_store(state, &company, &destination.connection) {
        Ok(store) => store,
        Err(reason) => return Ok(Err((reason, true))),
    };
    let size = state.storage.size(&digest).await?;
    let path = join_path(&destination.prefix, name);
    let file = RemoteFile {
        path: &path,
        size,
        digest,
        media_type,
        // Unlike the files it changes with each run.
        cache_control: Some("no-cache"),
    };
    // That of an earlier run of the job is replaced.
    let condition = match destination.on_existing {
        OnExistingFile::Skip | OnExistingFile::Fail if !destination.has_manifest => Condition::IfAbsent,
        _ => Condition::IfChanged,
    };
    match store.put(&file, state.storage.read_range(&digest, 0, size).boxed(), condition).await {
        Ok(_) => Ok(Ok(())),
        Err(RemoteError::Exists) if destination.on_existing == OnExistingFile::Skip => Ok(Ok(())),
        Err(error) => {
            tracing::warn!(error = %error, job.handle = %job.job_id, "Could not deliver {path}: {error}");
            Ok(Err((describe_error(&error), error.is_temporary())))
        }
    }
}
