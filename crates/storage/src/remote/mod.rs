//! Stores of others: buckets, folders and web servers that files are imported from and delivered to.
//!
//! Unlike [`Storage`](crate::Storage) these hold files under names that somebody else chose, and somebody else may change
//! them meanwhile. Begin reading with [`RemoteStore`]; `write.rs` has what delivers.

mod error;
mod write;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use http::Method;
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt};

pub use error::RemoteError;
pub use write::{Condition, RemoteFile};

use super::object_stores::{StoreOptions, open_object_store};
use super::{EnvironmentVariables, InstanceCredentials, StorageError};

/// What kind of store it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemoteKind {
    /// S3, Google Cloud Storage, Azure and compatible ones.
    Bucket,
    /// A folder of this machine.
    Folder,
    /// A web server, which can only be read, and not listed.
    Web,
}

/// An open store of somebody else. Clones share it.
#[derive(Clone, Debug)]
pub struct RemoteStore {
    store: Arc<dyn ObjectStore>,
    signer: Option<Arc<dyn Signer>>,
    prefix: Path,
    kind: RemoteKind,
}

/// A file in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteObject {
    /// Path below the store's address, with `/` between folders.
    pub path: String,
    /// In bytes.
    pub size: u64,
    /// What the store says changes with the content.
    pub etag: Option<String>,
    pub modified_at: DateTime<Utc>,
}

/// A file that is being read.
pub struct RemoteContent {
    pub object: RemoteObject,
    pub bytes: BoxStream<'static, Result<Bytes, RemoteError>>,
}

impl RemoteStore {
    /// Opens the store at an address: `s3://bucket/prefix`, `gs://…`, `az://…`, `file:///folder`, or `https://host/path` to
    /// read from. `variables` has credentials and endpoint, under the names of the environment variables of the
    /// store's own tools, such as `AWS_ACCESS_KEY_ID`. `timeout` bounds each request. Sends no request yet.
    ///
    /// # Errors
    /// [`StorageError::InvalidAddress`], with a sentence for the operator.
    pub fn connect(
        address: &str,
        variables: &EnvironmentVariables,
        instance_credentials: InstanceCredentials,
        timeout: Duration,
    ) -> Result<Self, StorageError> {
        let options = StoreOptions {
            address,
            environment: variables,
            instance_credentials,
            credentials_remedy: "set `instanceCredentials = true`",
            timeout,
        };
        let opened = open_object_store(&options)?;
        let kind = match address.split(':').next() {
            Some("file") => RemoteKind::Folder,
            _ if opened.parts.is_none() => RemoteKind::Web,
            _ => RemoteKind::Bucket,
        };
        Ok(Self { store: opened.store, signer: opened.signer, prefix: opened.prefix, kind })
    }

    pub fn kind(&self) -> RemoteKind {
        self.kind
    }

    /// The files below a folder, in no order. A store with many is asked for a thousand at a time, while the stream is read.
    pub fn list(&self, folder: &str) -> BoxStream<'static, Result<RemoteObject, RemoteError>> {
        let path = match self.resolve(folder) {
            Ok(path) => path,
            Err(error) => return futures_util::stream::iter([Err(error)]).boxed(),
        };
        let store = self.clone();
        let listed = self.store.list(Some(&path)).map_err(RemoteError::from);
        // Some stores list markers of folders, which are no files.
        listed
            .map_ok(move |meta| store.describe(&meta))
            .try_filter(|object| std::future::ready(!object.path.is_empty() && !object.path.ends_with('/')))
            .boxed()
    }

    /// A file's size and ETag.
    pub async fn head(&self, path: &str) -> Result<RemoteObject, RemoteError> {
        Ok(self.describe(&self.store.head(&self.resolve(path)?).await?))
    }

    /// Begins to read a file, unless it still has this ETag.
    ///
    /// # Errors
    /// [`RemoteError::NotModified`] when it has.
    pub async fn get(&self, path: &str, unless_etag: Option<&str>) -> Result<RemoteContent, RemoteError> {
        let options = GetOptions { if_none_match: unless_etag.map(str::to_owned), ..Default::default() };
        let answer = self.store.get_opts(&self.resolve(path)?, options).await?;
        let object = self.describe(&answer.meta);
        Ok(RemoteContent { object, bytes: answer.into_stream().map_err(RemoteError::from).boxed() })
    }

    /// An address under which everybody can read a file until it expires; none where the store cannot sign one.
    pub async fn sign_url(&self, path: &str, ttl: Duration) -> Result<Option<String>, RemoteError> {
        let Some(signer) = &self.signer else { return Ok(None) };
        Ok(Some(signer.signed_url(Method::GET, &self.resolve(path)?, ttl).await?.into()))
    }

    /// Asks for one file, to find out whether the store can be reached with these credentials.
    pub async fn ping(&self) -> Result<(), RemoteError> {
        match self.kind {
            RemoteKind::Web => Ok(()),
            RemoteKind::Bucket | RemoteKind::Folder => self.list("").next().await.transpose().map(|_| ()),
        }
    }

    /// The path of a file in the store. What a client sends names no other place: `..` and empty parts are refused.
    fn resolve(&self, path: &str) -> Result<Path, RemoteError> {
        let path = path.trim_matches('/');
        let parts = path.split('/').filter(|_| !path.is_empty());
        if parts.clone().any(|part| part.is_empty() || part == "." || part == "..") {
            return Err(RemoteError::InvalidPath(path.to_owned()));
        }
        let joined = parts.fold(self.prefix.to_string(), |whole, part| match whole.is_empty() {
            true => part.to_owned(),
            false => format!("{whole}/{part}"),
        });
        Path::parse(joined).map_err(|_| RemoteError::InvalidPath(path.to_owned()))
    }

    fn describe(&self, meta: &ObjectMeta) -> RemoteObject {
        let location = meta.location.as_ref();
        let path = location.strip_prefix(self.prefix.as_ref()).unwrap_or(location).trim_start_matches('/').to_owned();
        RemoteObject { path, size: meta.size, etag: meta.e_tag.clone(), modified_at: meta.last_modified }
    }
}
