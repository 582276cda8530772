//! The error type of this crate.

use std::io;

use super::Digest;

/// Why bytes could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The disk, the quota or the object store is full.
    #[error("the storage is full; free space in the data folder or the object store")]
    Full(#[source] io::Error),
    /// No blob has this digest.
    #[error("blob {0} is missing from the storage")]
    Missing(Digest),
    /// The blob is shorter than it was when it was stored.
    #[error("blob {0} is shorter than when it was stored")]
    Truncated(Digest),
    /// The blob's bytes differ from those that were stored.
    #[error("blob {0} is damaged: its bytes are not those that were stored")]
    Damaged(Digest),
    /// The object store did not answer, or refused the request.
    #[error("the object store request failed: {0}")]
    Unreachable(#[source] object_store::Error),
    /// The address or its settings in the environment cannot be used.
    #[error("{0}")]
    InvalidAddress(String),
    /// The operating system refused.
    #[error("the storage cannot be used: {0}")]
    Io(#[source] io::Error),
}

impl StorageError {
    /// Whether the blob itself is lost: missing or damaged, so that a retry cannot help.
    pub fn is_loss(&self) -> bool {
        matches!(self, Self::Missing(_) | Self::Truncated(_) | Self::Damaged(_))
    }

    /// Maps the error of a request for one blob.
    pub(super) fn from_object_store(error: object_store::Error, digest: &Digest) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::Missing(*digest),
            // The library exposes the HTTP status only in its message. 416: the range begins behind the end of the
            // object.
            error if has_message(&error, "status code: 416") => Self::Truncated(*digest),
            error => error.into(),
        }
    }
}

impl From<object_store::Error> for StorageError {
    fn from(error: object_store::Error) -> Self {
        // 507: insufficient storage.
        if has_message(&error, "status code: 507") {
            Self::Full(io::Error::other(error))
        } else {
            Self::Unreachable(error)
        }
    }
}

fn has_message(error: &object_store::Error, words: &str) -> bool {
    error.to_string().contains(words)
}

impl From<io::Error> for StorageError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full(error),
            _ => Self::Io(error),
        }
    }
}

/// Maps an error of reading a blob's file.
pub(super) fn map_file_error(error: io::Error, digest: &Digest) -> StorageError {
    match error.kind() {
        io::ErrorKind::NotFound => StorageError::Missing(*digest),
        io::ErrorKind::UnexpectedEof => StorageError::Truncated(*digest),
        _ => error.into(),
    }
}
