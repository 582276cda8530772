//! Why a file of somebody else's store could not be read or written.

use std::io;

use crate::StorageError;

/// Why a request to another store failed.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// There is no such file, or no such bucket.
    #[error("the store has no such file")]
    NotFound,
    /// The file still has the ETag that the caller knows.
    #[error("the file has not changed")]
    NotModified,
    /// There is a file of this name already.
    #[error("the store has a file of this name already")]
    Exists,
    /// The store refuses these credentials, or this operation to them.
    #[error("the store refuses access; check the credentials of the connection and their rights")]
    Denied(#[source] object_store::Error),
    /// The path has empty parts, `.` or `..`, or characters that no store takes.
    #[error("`{0}` is no path of a file")]
    InvalidPath(String),
    /// The store cannot do this at all, such as writing to a web server.
    #[error("the store does not support this")]
    NotSupported(#[source] object_store::Error),
    /// The store did not answer, or not as it should.
    #[error("the store did not answer as it should: {0}")]
    Unreachable(#[source] object_store::Error),
    /// Our own storage or disk failed while bytes were copied.
    #[error(transparent)]
    Own(#[from] StorageError),
}

impl RemoteError {
    /// Whether the same request may succeed later.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Own(error) => !error.is_loss(),
            _ => false,
        }
    }
}

impl From<object_store::Error> for RemoteError {
    fn from(error: object_store::Error) -> Self {
        use object_store::Error as Cause;
        match error {
            Cause::NotFound { .. } => Self::NotFound,
            Cause::NotModified { .. } => Self::NotModified,
            // 412 is what stores answer to a conditional write.
            Cause::AlreadyExists { .. } | Cause::Precondition { .. } => Self::Exists,
            Cause::PermissionDenied { .. } | Cause::Unauthenticated { .. } => Self::Denied(error),
            Cause::NotSupported { .. } | Cause::NotImplemented { .. } => Self::NotSupported(error),
            Cause::InvalidPath { source } => Self::InvalidPath(source.to_string()),
            Cause::Generic { .. } if is_missing_folder(&error) => Self::NotFound,
            _ => Self::Unreachable(error),
        }
    }
}

/// A folder that does not exist is a plain error of the operating system in the library.
fn is_missing_folder(error: &object_store::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::NotFound) {
            return true;
        }
        cause = error.source();
    }
    false
}
