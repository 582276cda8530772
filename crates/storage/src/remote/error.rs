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
            // What a listing is answered has no variant of its own.
            Cause::Generic { .. } => match find_status(&error) {
                Some(401 | 403) => Self::Denied(error),
                Some(404) => Self::NotFound,
                _ => Self::Unreachable(error),
            },
            _ => Self::Unreachable(error),
        }
    }
}

/// The HTTP status that an error comes from. The library keeps its type to itself, and shows it in the sentence.
fn find_status(error: &object_store::Error) -> Option<u16> {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    let sentence = causes.last()?.to_string();
    sentence.strip_prefix("Server returned non-2xx status code: ")?.get(..3)?.parse().ok()
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
