//! How a file becomes an original: it is streamed into the storage while it is hashed, within the limits of its company, and its
//! header is read. For uploads, resumable uploads and imports.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::{Stream, StreamExt};
use offprint_storage::StagedBlob;

use crate::app::storage_quota::{FREE_SPACE_CHECK_BYTES, IntakeError, StorageQuota, check_free_space};
use crate::app::{AppState, file_type};
use crate::db::asset::Original;

/// Streams one file into the storage; none when it is empty.
///
/// # Errors
/// Those of `bytes`, and [`IntakeError`]: beyond the limit for one file or the company's quota, or when less than 64 MiB of the
/// disk are left.
pub async fn stage_original<E: From<IntakeError>>(
    state: &AppState,
    quota: &mut StorageQuota,
    bytes: impl Stream<Item = Result<Bytes, E>>,
) -> Result<Option<StagedBlob>, E> {
    let mut bytes = std::pin::pin!(bytes);
    check_free_space(state, 0).await?;
    let mut incoming = state.storage.create_blob();
    let mut checked_size = 0;
    while let Some(piece) = bytes.next().await {
        let piece = piece?;
        if incoming.size() >= checked_size + FREE_SPACE_CHECK_BYTES {
            checked_size = incoming.size();
            check_free_space(state, 0).await?;
        }
        quota.check_file_size(incoming.size() + piece.len() as u64).await?;
        quota.receive_bytes(piece.len() as u64).await?;
        incoming.write(&piece).await.map_err(IntakeError::from)?;
    }
    if incoming.size() == 0 {
        return Ok(None);
    }
    Ok(Some(incoming.finish().await.map_err(IntakeError::from)?))
}

/// Inspects a staged file, and prepares it for being stored.
pub async fn inspect_original(
    state: &AppState,
    mut staged: StagedBlob,
    last_modified: Option<DateTime<Utc>>,
) -> Result<(StagedBlob, Original), IntakeError> {
    let facts = file_type::inspect_file(staged.path().to_owned()).await?;
    state.storage.prepare(&mut staged).await?;
    let (sha256, size) = (staged.digest, staged.size as i64);
    let entry_time = last_modified.or(facts.captured_at);
    let mime = facts.mime.to_owned();
    let (header, unconvertible) = match facts.header {
        Ok(header) => (Some(header), None),
        Err(reason) => (None, Some(reason)),
    };
    Ok((staged, Original { kind: facts.kind, sha256, size, mime, header, unconvertible, entry_time }))
}
