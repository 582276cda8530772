//! Blobs as objects: S3 and compatible stores, Google Cloud Storage, Azure.
//!
//! Every request has a deadline: connecting, the response and its body are bounded, and so are the library's own
//! retries. Bytes are requested in ranges that are read completely, so that no request stays open for a slow client.

use std::ops::Range;
use std::path::Path as File;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;
use futures_util::{StreamExt, TryStreamExt};
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, ObjectStoreExt, ObjectStoreScheme, RetryConfig};
use url::Url;

use super::instance_credentials::{HasCredentials, InstanceCredentials};
use super::multipart::UploadedParts;
use super::{
    Digest, EnvironmentVariables, StagedBlob, StorageError, StoredBlob, format_blob_name, multipart, run_blocking,
};

#[derive(Clone, Debug)]
pub(super) struct ObjectBackend {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) multipart: MultipartBackend,
    prefix: Path,
}

/// The same store through its interface for multipart uploads.
#[derive(Clone)]
pub(super) struct MultipartBackend(pub Arc<dyn MultipartStore>);

impl std::fmt::Debug for MultipartBackend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MultipartBackend")
    }
}

impl ObjectBackend {
    pub(crate) fn connect(
        address: &str,
        environment: &EnvironmentVariables,
        instance_credentials: InstanceCredentials,
        timeout: Duration,
    ) -> Result<Self, StorageError> {
        let address_error = |reason: &dyn std::fmt::Display| {
            StorageError::InvalidAddress(format!(
                "{address} is not a usable storage address: {reason}. Example: s3://bucket/prefix."
            ))
        };
        let check_credentials = |builder: &dyn HasCredentials, variables: &str| {
            if instance_credentials == InstanceCredentials::Allowed || builder.has_credentials() {
                return Ok(());
            }
            Err(StorageError::InvalidAddress(format!(
                "There are no credentials for {address}. Set {variables}, or set OFFPRINT_STORAGE_INSTANCE_CREDENTIALS=true to \
                 use the role of this machine, which is asked for at the metadata address of its cloud."
            )))
        };
        // TLS needs one crypto provider per process; an error means that one is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let url = Url::parse(address).map_err(|error| address_error(&error))?;
        let (scheme, prefix) = ObjectStoreScheme::parse(&url).map_err(|error| address_error(&error))?;
        let retry = RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(2),
                ..Default::default()
            },
            max_retries: 2,
            retry_timeout: timeout,
        };
        let client = build_client_options(timeout);
        let (store, parts): (Arc<dyn ObjectStore>, Arc<dyn MultipartStore>) = match scheme {
            ObjectStoreScheme::AmazonS3 => {
                let plain_http = select_variables(environment, "AWS_ENDPOINT_URL")
                    .any(|(_, endpoint)| endpoint.starts_with("http://"));
                // Not every S3-compatible store supports bulk deletion.
                let builder = AmazonS3Builder::new().with_disable_bulk_delete(true);
                let builder = builder.with_retry(retry).with_client_options(allow_plain_http(client, plain_http));
                let builder =
                    select_variables(environment, "AWS_").fold(builder, |builder, (name, value)| match name.parse() {
                        Ok(key) => builder.with_config(key, value),
                        Err(_) => builder,
                    });
                check_credentials(&builder, "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")?;
                into_handles(builder.with_url(address).build().map_err(|error| address_error(&error))?)
            }
            ObjectStoreScheme::GoogleCloudStorage => {
                let builder = GoogleCloudStorageBuilder::new().with_retry(retry).with_client_options(client);
                let builder =
                    select_variables(environment, "GOOGLE_").fold(builder, |builder, (name, value)| {
                        match name.parse() {
                            Ok(key) => builder.with_config(key, value),
                            Err(_) => builder,
                        }
                    });
                check_credentials(&builder, "GOOGLE_SERVICE_ACCOUNT or GOOGLE_APPLICATION_CREDENTIALS")?;
                into_handles(builder.with_url(address).build().map_err(|error| address_error(&error))?)
            }
            ObjectStoreScheme::MicrosoftAzure => {
                let builder = MicrosoftAzureBuilder::new().with_retry(retry).with_client_options(client);
                let builder =
                    select_variables(environment, "AZURE_").fold(builder, |builder, (name, value)| {
                        match name.parse() {
                            Ok(key) => builder.with_config(key, value),
                            Err(_) => builder,
                        }
                    });
                check_credentials(&builder, "AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_KEY")?;
                into_handles(builder.with_url(address).build().map_err(|error| address_error(&error))?)
            }
            _ => return Err(address_error(&"the scheme must be s3://, gs://, az:// or file://")),
        };
        Ok(Self { store, multipart: MultipartBackend(parts), prefix })
    }

    /// The path of a blob, whether it exists or not.
    pub(crate) fn blob_path(&self, digest: &Digest) -> Path {
        self.child_path(&format_blob_name(digest))
    }

    pub(crate) fn child_path(&self, name: &str) -> Path {
        name.split('/').fold(self.prefix.clone(), |path, part| path.join(part))
    }

    pub(crate) async fn put(&self, staged: StagedBlob) -> Result<(), StorageError> {
        let path = self.blob_path(&staged.digest);
        if let Some(uploaded) = &staged.parts {
            return self.join_parts(&path, uploaded).await;
        }
        let file = staged.path().to_owned();
        let bytes = run_blocking(move || Ok(std::fs::read(file)?)).await?;
        self.store.put(&path, bytes.into()).await?;
        Ok(())
    }

    pub(crate) async fn send_parts(
        &self,
        digest: &Digest,
        file: &File,
        size: u64,
    ) -> Result<UploadedParts, StorageError> {
        multipart::upload_file(self, &self.blob_path(digest), file, size).await
    }

    pub(crate) async fn get(&self, digest: &Digest, range: Range<u64>) -> Result<Bytes, StorageError> {
        let length = range.end - range.start;
        let bytes = self
            .store
            .get_range(&self.blob_path(digest), range)
            .await
            .map_err(|error| StorageError::from_object_store(error, digest))?;
        if bytes.len() as u64 == length { Ok(bytes) } else { Err(StorageError::Truncated(*digest)) }
    }

    pub(crate) async fn size(&self, digest: &Digest) -> Result<u64, StorageError> {
        let metadata = self
            .store
            .head(&self.blob_path(digest))
            .await
            .map_err(|error| StorageError::from_object_store(error, digest))?;
        Ok(metadata.size)
    }

    pub(crate) async fn remove(&self, digest: &Digest) -> Result<(), StorageError> {
        match self.store.delete(&self.blob_path(digest)).await {
            Err(object_store::Error::NotFound { .. }) => Ok(()),
            result => Ok(result?),
        }
    }

    /// See [`Storage::list`](super::Storage::list).
    pub(crate) async fn list(&self, first: u8) -> Result<Vec<StoredBlob>, StorageError> {
        let folder = self.child_path(&format!("blobs/{}", hex::encode([first])));
        let now = Utc::now();
        let blobs = self.store.list(Some(&folder)).try_filter_map(async |object| {
            // Objects that are not blobs are not ours and are left alone.
            let digest = object.location.filename().and_then(|name| name.parse().ok());
            let age = (now - object.last_modified).to_std().unwrap_or_default();
            Ok(digest.map(|digest| StoredBlob { digest, size: object.size, age }))
        });
        Ok(blobs.try_collect().await?)
    }

    pub(crate) async fn ping(&self) -> Result<(), StorageError> {
        self.store.list(Some(&self.child_path("blobs"))).next().await.transpose()?;
        Ok(())
    }
}

/// The non-empty variables whose names begin with `prefix`, names in lower case as the library expects them.
fn select_variables(environment: &EnvironmentVariables, prefix: &str) -> impl Iterator<Item = (String, String)> {
    let variables = environment.iter().filter(move |(name, value)| name.starts_with(prefix) && !value.is_empty());
    variables.map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
}

fn into_handles<S: ObjectStore + MultipartStore>(store: S) -> (Arc<dyn ObjectStore>, Arc<dyn MultipartStore>) {
    let store = Arc::new(store);
    (store.clone(), store)
}

/// `timeout` bounds a whole request, so a part of 8 MiB must be uploaded, or a range downloaded, within it.
fn build_client_options(timeout: Duration) -> ClientOptions {
    ClientOptions::new().with_timeout(timeout).with_connect_timeout(timeout.min(Duration::from_secs(5)))
}

/// Without TLS no system certificates are needed: loading them would fail on a machine that has none.
fn allow_plain_http(client: ClientOptions, plain_http: bool) -> ClientOptions {
    if plain_http { client.with_allow_http(true).with_no_system_certificates(true) } else { client }
}
