//! Why bytes could not be stored or read.

use std::io;

use super::Digest;

/// Why bytes could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk, or the share of it that we may use, is full.
    #[error("the storage has no room left; free some space under the data folder")]
    Full(#[source] io::Error),
    /// No blob has this digest.
    #[error("the storage has no bytes under {0}")]
    Missing(Digest),
    /// The blob is shorter than it was when it was stored.
    #[error("the bytes stored under {0} are cut off")]
    Short(Digest),
    /// The blob's bytes are others than those that were stored.
    #[error("the bytes stored under {0} are not those that were stored")]
    Damaged(Digest),
    /// The object store does not answer, or refuses.
    #[error("the object store did not do it: {0}")]
    Away(#[source] object_store::Error),
    /// The address of the storage cannot be used.
    #[error("{0}")]
    Address(String),
    /// The operating system refused.
    #[error("the storage cannot be used: {0}")]
    Io(#[source] io::Error),
}

impl Error {
    /// Whether the blob itself is at fault: not there, or not what it was.
    pub fn is_loss(&self) -> bool {
        matches!(self, Self::Missing(_) | Self::Short(_) | Self::Damaged(_))
    }

    /// What an object store said about a blob.
    pub(super) fn of_blob(error: object_store::Error, digest: &Digest) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::Missing(*digest),
            // The library keeps the status to itself. 416: the range lies behind the end. 507: the store is full.
            other if says(&other, "status code: 416") => Self::Short(*digest),
            other => other.into(),
        }
    }
}

impl From<object_store::Error> for Error {
    fn from(error: object_store::Error) -> Self {
        if says(&error, "status code: 507") { Self::Full(io::Error::other(error)) } else { Self::Away(error) }
    }
}

fn says(error: &object_store::Error, words: &str) -> bool {
    error.to_string().contains(words)
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full(error),
            _ => Self::Io(error),
        }
    }
}

/// What the disk said about a blob's file.
pub(super) fn of_file(error: io::Error, digest: &Digest) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound => Error::Missing(*digest),
        io::ErrorKind::UnexpectedEof => Error::Short(*digest),
        _ => error.into(),
    }
}
