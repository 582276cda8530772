//! Where the files of an import come from: a connection or URLs.

use std::pin::Pin;

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};
use offprint_core::Code;
use offprint_storage::StorageError;
use offprint_storage::remote::{RemoteError, RemoteStore};

use crate::app::AppState;
use crate::app::storage_quota::IntakeError;
use crate::db::{self, DbError, company};
use crate::id::CompanyId;
use crate::jobs::import::ImportSource;
use crate::notify::fetch::FetchError;
use crate::reason::Reason;

/// An open source.
#[derive(Clone)]
pub(super) enum Source {
    Store(RemoteStore),
    Urls,
}

/// A file that is being read.
pub(super) struct SourceFile {
    /// In bytes, as far as the source says.
    pub(super) size: Option<u64>,
    pub(super) etag: Option<String>,
    pub(super) modified_at: Option<chrono::DateTime<chrono::Utc>>,
    pub(super) bytes: Pin<Box<dyn Stream<Item = Result<Bytes, SourceError>> + Send>>,
}

/// Why a file did not become an original.
#[derive(Debug)]
pub(super) enum SourceError {
    /// It still has the ETag that is known.
    NotModified,
    Failed {
        reason: Reason,
        cause: String,
        is_temporary: bool,
    },
}

impl SourceError {
    pub(super) fn new(code: Code, sentence: impl Into<String>, is_temporary: bool) -> Self {
        let reason = Reason::new(code, sentence);
        Self::Failed { cause: reason.detail.clone(), reason, is_temporary }
    }
}

impl From<RemoteError> for SourceError {
    /// The sentences name no addresses: a caller does not know where a connection leads.
    fn from(error: RemoteError) -> Self {
        let (code, sentence) = match &error {
            RemoteError::NotModified => return Self::NotModified,
            RemoteError::Own(_) => (Code::Unavailable, "The storage did not answer."),
            RemoteError::NotFound => (Code::SourceNotFound, "The connection has no such file."),
            RemoteError::Denied(_) => (
                Code::SourceDenied,
                "The store refuses access. Ask the operator to check the connection's credentials.",
            ),
            RemoteError::InvalidPath(_) => (Code::InvalidValue, "This is no path that the connection can have."),
            RemoteError::NotSupported(_) | RemoteError::Exists => (
                Code::SourceUnreachable,
                "The store does not support this. A web server cannot be listed: send `paths`.",
            ),
            RemoteError::Unreachable(_) => (Code::SourceUnreachable, "The store did not answer as it should."),
        };
        let reason = Reason::new(code, sentence);
        Self::Failed { reason, is_temporary: error.is_temporary(), cause: error.to_string() }
    }
}

impl From<FetchError> for SourceError {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::NotModified => Self::NotModified,
            FetchError::Failed { reason, cause, is_temporary } => Self::Failed { reason, cause, is_temporary },
        }
    }
}

impl From<IntakeError> for SourceError {
    fn from(error: IntakeError) -> Self {
        let cause = error.to_string();
        let (reason, is_temporary) = match error {
            // Somebody makes room, or the limit is another one at the next import.
            IntakeError::Refused(reason) => {
                let is_temporary = reason.code == Code::StorageFull;
                (reason, is_temporary)
            }
            IntakeError::Storage(StorageError::Full(_)) => {
                (Reason::new(Code::StorageFull, "The storage is full."), true)
            }
            IntakeError::Db(_) | IntakeError::Storage(_) | IntakeError::Staged(_) => {
                (Reason::new(Code::Unavailable, "Storage or database did not answer."), true)
            }
        };
        Self::Failed { reason, cause, is_temporary }
    }
}

impl Source {
    /// Opens the source of an import: the connection as it is now.
    ///
    /// # Errors
    /// Why the company cannot read from it any more, as the inner result.
    pub(super) async fn open(
        state: &AppState,
        company: CompanyId,
        source: &ImportSource,
    ) -> Result<Result<Self, Reason>, DbError> {
        let Some(name) = &source.connection else { return Ok(Ok(Self::Urls)) };
        let company = db::with_query_timeout(async {
            company::fetch_company_name(&mut *state.system.acquire().await?, company).await
        })
        .await?;
        let connection = state.connections.find(&company, name).filter(|connection| connection.access.can_read());
        Ok(connection.map(|connection| Self::Store(connection.store.clone())).ok_or_else(|| {
            let detail =
                format!("The connection `{name}` cannot be read any more. `GET /connections` lists those that can.");
            Reason::new(Code::SourceNotFound, detail)
        }))
    }

    /// Begins to read a file, unless it still has this ETag.
    pub(super) async fn read(
        &self,
        state: &AppState,
        path: &str,
        unless_etag: Option<&str>,
    ) -> Result<SourceFile, SourceError> {
        match self {
            Self::Store(store) => {
                let content = store.get(path, unless_etag).await?;
                let object = content.object;
                let bytes = Box::pin(content.bytes.map_err(SourceError::from));
                let modified_at = Some(object.modified_at);
                Ok(SourceFile { size: Some(object.size), etag: object.etag, modified_at, bytes })
            }
            Self::Urls => {
                let file = state.webhook_sender.fetch(path, unless_etag).await?;
                let bytes = Box::pin(file.bytes.map_err(SourceError::from));
                Ok(SourceFile { size: file.size, etag: file.etag, modified_at: None, bytes })
            }
        }
    }
}
