//! Blobs as objects: S3 and what speaks like it, Google Cloud Storage, Azure.
//!
//! Every request has an end: connecting, the answer and its body are bounded, and so are the library's own retries.
//! Bytes are asked for in ranges that are read whole, so that no request waits for a slow client.

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

use super::parts::Sent;
use super::{Digest, Environment, Error, Found, Staged, blocking, name, parts};

/// An object store. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Objects {
    pub store: Arc<dyn ObjectStore>,
    pub parts: Parts,
    top: Path,
}

/// The same store, where it takes objects in parts.
#[derive(Clone)]
pub(super) struct Parts(pub Arc<dyn MultipartStore>);

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Parts")
    }
}

impl Objects {
    pub fn at(address: &str, environment: &Environment, patience: Duration) -> Result<Self, Error> {
        let wrong = |why: &dyn std::fmt::Display| {
            Error::Address(format!("{address} is no storage that can be used: {why}. Such as s3://bucket/prefix."))
        };
        // TLS needs a provider, once a process; if there is one already, that one does.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let url = Url::parse(address).map_err(|error| wrong(&error))?;
        let (scheme, top) = ObjectStoreScheme::parse(&url).map_err(|error| wrong(&error))?;
        let retry = RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(2),
                ..Default::default()
            },
            max_retries: 2,
            retry_timeout: patience,
        };
        let client = client(patience);
        let (store, parts): (Arc<dyn ObjectStore>, Arc<dyn MultipartStore>) = match scheme {
            ObjectStoreScheme::AmazonS3 => {
                let plain = said(environment, "AWS_ENDPOINT_URL").any(|(_, endpoint)| endpoint.starts_with("http://"));
                // One by one: not every store that speaks like S3 deletes in bulk.
                let builder = AmazonS3Builder::new().with_disable_bulk_delete(true);
                let builder = builder.with_retry(retry).with_client_options(within(client, plain));
                let builder = said(environment, "AWS_").fold(builder, |builder, (name, value)| match name.parse() {
                    Ok(key) => builder.with_config(key, value),
                    Err(_) => builder,
                });
                both(builder.with_url(address).build().map_err(|error| wrong(&error))?)
            }
            ObjectStoreScheme::GoogleCloudStorage => {
                let builder = GoogleCloudStorageBuilder::new().with_retry(retry).with_client_options(client);
                let builder = said(environment, "GOOGLE_").fold(builder, |builder, (name, value)| match name.parse() {
                    Ok(key) => builder.with_config(key, value),
                    Err(_) => builder,
                });
                both(builder.with_url(address).build().map_err(|error| wrong(&error))?)
            }
            ObjectStoreScheme::MicrosoftAzure => {
                let builder = MicrosoftAzureBuilder::new().with_retry(retry).with_client_options(client);
                let builder = said(environment, "AZURE_").fold(builder, |builder, (name, value)| match name.parse() {
                    Ok(key) => builder.with_config(key, value),
                    Err(_) => builder,
                });
                both(builder.with_url(address).build().map_err(|error| wrong(&error))?)
            }
            _ => return Err(wrong(&"it is neither s3:// nor gs:// nor az://")),
        };
        Ok(Self { store, parts: Parts(parts), top })
    }

    /// Where the bytes with this digest are, or would be.
    pub fn path(&self, digest: &Digest) -> Path {
        self.below(&name(digest))
    }

    pub fn below(&self, name: &str) -> Path {
        name.split('/').fold(self.top.clone(), |path, part| path.join(part))
    }

    pub async fn put(&self, staged: Staged) -> Result<(), Error> {
        let path = self.path(&staged.digest);
        if let Some(sent) = &staged.parts {
            return self.join_parts(&path, sent).await;
        }
        let file = staged.path().to_owned();
        let bytes = blocking(move || Ok(std::fs::read(file)?)).await?;
        self.store.put(&path, bytes.into()).await?;
        Ok(())
    }

    pub async fn send_parts(&self, digest: &Digest, file: &File, size: u64) -> Result<Sent, Error> {
        parts::send(self, &self.path(digest), file, size).await
    }

    pub async fn get(&self, digest: &Digest, range: Range<u64>) -> Result<Bytes, Error> {
        let wanted = range.end - range.start;
        let bytes =
            self.store.get_range(&self.path(digest), range).await.map_err(|error| Error::of_blob(error, digest))?;
        if bytes.len() as u64 == wanted { Ok(bytes) } else { Err(Error::Short(*digest)) }
    }

    pub async fn size(&self, digest: &Digest) -> Result<u64, Error> {
        let about = self.store.head(&self.path(digest)).await.map_err(|error| Error::of_blob(error, digest))?;
        Ok(about.size)
    }

    pub async fn remove(&self, digest: &Digest) -> Result<(), Error> {
        match self.store.delete(&self.path(digest)).await {
            Err(object_store::Error::NotFound { .. }) => Ok(()),
            done => Ok(done?),
        }
    }

    /// The blobs whose digest begins with this byte, in no order.
    pub async fn list(&self, first: u8) -> Result<Vec<Found>, Error> {
        let folder = self.below(&format!("blobs/{}", hex::encode([first])));
        let now = Utc::now();
        let found = self.store.list(Some(&folder)).try_filter_map(async |object| {
            // Anything else was put there by somebody else and is left alone.
            let digest = object.location.filename().and_then(|name| name.parse().ok());
            let age = (now - object.last_modified).to_std().unwrap_or_default();
            Ok(digest.map(|digest| Found { digest, size: object.size, age }))
        });
        Ok(found.try_collect().await?)
    }

    pub async fn ping(&self) -> Result<(), Error> {
        self.store.list(Some(&self.below("blobs"))).next().await.transpose()?;
        Ok(())
    }
}

/// What the environment says under names that begin so, names in small letters as the library reads them. What is
/// empty is not said.
fn said(environment: &Environment, prefix: &str) -> impl Iterator<Item = (String, String)> {
    let said = environment.iter().filter(move |(name, value)| name.starts_with(prefix) && !value.is_empty());
    said.map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
}

fn both<S: ObjectStore + MultipartStore>(store: S) -> (Arc<dyn ObjectStore>, Arc<dyn MultipartStore>) {
    let store = Arc::new(store);
    (store.clone(), store)
}

/// What every request may take. A part of 8 MiB goes up, or a range comes down, within it.
fn client(patience: Duration) -> ClientOptions {
    ClientOptions::new().with_timeout(patience).with_connect_timeout(patience.min(Duration::from_secs(5)))
}

/// Without TLS a machine that has no certificates can speak to its store too.
fn within(client: ClientOptions, plain: bool) -> ClientOptions {
    if plain { client.with_allow_http(true).with_no_system_certificates(true) } else { client }
}
