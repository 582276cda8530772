//! Opens object stores by their address: S3 and compatible stores, Google Cloud Storage, Azure, a folder, a web server.
//!
//! Every request has a deadline: connecting, the response and its body are bounded, and so are the library's own
//! retries.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::http::HttpBuilder;
use object_store::local::LocalFileSystem;
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, ObjectStoreScheme, RetryConfig};
use url::Url;

use super::instance_credentials::{HasCredentials, InstanceCredentials};
use super::{EnvironmentVariables, StorageError};

/// An open store, through each interface that it has.
pub(crate) struct OpenedStore {
    pub(crate) store: Arc<dyn ObjectStore>,
    /// None for folders and web servers, which have no uploads in parts.
    pub(crate) parts: Option<Arc<dyn MultipartStore>>,
    /// Signs addresses; none for folders and web servers.
    pub(crate) signer: Option<Arc<dyn Signer>>,
    /// What the address names inside of the store.
    pub(crate) prefix: Path,
}

/// What a store is opened with.
pub(crate) struct StoreOptions<'a> {
    /// `s3://bucket/prefix`, `gs://…`, `az://…`, `file:///folder`, `https://host/path`.
    pub(crate) address: &'a str,
    /// Where credentials and endpoint are read.
    pub(crate) environment: &'a EnvironmentVariables,
    pub(crate) instance_credentials: InstanceCredentials,
    /// Says, when there are no credentials, how they are given.
    pub(crate) credentials_remedy: &'a str,
    /// Bounds a whole request, so a part of 8 MiB must be uploaded, or a range downloaded, within it.
    pub(crate) timeout: Duration,
}

/// Opens the store at an address. Sends no request yet.
///
/// # Errors
/// [`StorageError::InvalidAddress`].
pub(crate) fn open_object_store(options: &StoreOptions<'_>) -> Result<OpenedStore, StorageError> {
    // TLS needs one crypto provider per process; an error means that one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let url = Url::parse(options.address).map_err(|error| options.reject(&error))?;
    let (scheme, prefix) = ObjectStoreScheme::parse(&url).map_err(|error| options.reject(&error))?;
    match scheme {
        ObjectStoreScheme::AmazonS3 => options.open_s3(prefix),
        ObjectStoreScheme::GoogleCloudStorage => options.open_google(prefix),
        ObjectStoreScheme::MicrosoftAzure => options.open_azure(prefix),
        ObjectStoreScheme::Local => options.open_folder(&url),
        ObjectStoreScheme::Http => options.open_web(&url),
        _ => Err(options.reject(&"the scheme must be s3://, gs://, az://, file:// or https://")),
    }
}

impl StoreOptions<'_> {
    fn open_s3(&self, prefix: Path) -> Result<OpenedStore, StorageError> {
        let plain_http = self.select_variables("AWS_ENDPOINT_URL").any(|(_, endpoint)| endpoint.starts_with("http://"));
        // Not every S3-compatible store supports bulk deletion.
        let builder = AmazonS3Builder::new().with_disable_bulk_delete(true).with_retry(self.build_retry());
        let builder = builder.with_client_options(allow_plain_http(self.build_client_options(), plain_http));
        let builder = self.select_variables("AWS_").fold(builder, |builder, (name, value)| match name.parse() {
            Ok(key) => builder.with_config(key, value),
            Err(_) => builder,
        });
        self.check_credentials(&builder, "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")?;
        Ok(into_handles(builder.with_url(self.address).build().map_err(|error| self.reject(&error))?, prefix))
    }

    fn open_google(&self, prefix: Path) -> Result<OpenedStore, StorageError> {
        let builder = GoogleCloudStorageBuilder::new()
            .with_retry(self.build_retry())
            .with_client_options(self.build_client_options());
        let builder = self.select_variables("GOOGLE_").fold(builder, |builder, (name, value)| match name.parse() {
            Ok(key) => builder.with_config(key, value),
            Err(_) => builder,
        });
        self.check_credentials(&builder, "GOOGLE_SERVICE_ACCOUNT or GOOGLE_APPLICATION_CREDENTIALS")?;
        Ok(into_handles(builder.with_url(self.address).build().map_err(|error| self.reject(&error))?, prefix))
    }

    fn open_azure(&self, prefix: Path) -> Result<OpenedStore, StorageError> {
        let builder = MicrosoftAzureBuilder::new()
            .with_retry(self.build_retry())
            .with_client_options(self.build_client_options());
        let builder = self.select_variables("AZURE_").fold(builder, |builder, (name, value)| match name.parse() {
            Ok(key) => builder.with_config(key, value),
            Err(_) => builder,
        });
        self.check_credentials(&builder, "AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_KEY")?;
        Ok(into_handles(builder.with_url(self.address).build().map_err(|error| self.reject(&error))?, prefix))
    }

    /// The folder must exist: a mount that is missing must not be filled beside it.
    fn open_folder(&self, url: &Url) -> Result<OpenedStore, StorageError> {
        let folder = url.to_file_path().map_err(|()| self.reject(&"it names no folder of this machine"))?;
        let store = LocalFileSystem::new_with_prefix(&folder).map_err(|error| self.reject(&error))?.with_fsync(true);
        Ok(OpenedStore { store: Arc::new(store), parts: None, signer: None, prefix: Path::default() })
    }

    fn open_web(&self, url: &Url) -> Result<OpenedStore, StorageError> {
        let client = allow_plain_http(self.build_client_options(), url.scheme() == "http");
        let builder = HttpBuilder::new().with_url(url.as_str()).with_retry(self.build_retry());
        let store = builder.with_client_options(client).build().map_err(|error| self.reject(&error))?;
        Ok(OpenedStore { store: Arc::new(store), parts: None, signer: None, prefix: Path::default() })
    }

    fn reject(&self, reason: &dyn std::fmt::Display) -> StorageError {
        let address = self.address;
        StorageError::InvalidAddress(format!(
            "{address} is not a usable storage address: {reason}. Example: s3://bucket/prefix."
        ))
    }

    fn check_credentials(&self, builder: &dyn HasCredentials, variables: &str) -> Result<(), StorageError> {
        if self.instance_credentials == InstanceCredentials::Allowed || builder.has_credentials() {
            return Ok(());
        }
        let (address, remedy) = (self.address, self.credentials_remedy);
        Err(StorageError::InvalidAddress(format!(
            "There are no credentials for {address}. Set {variables}, or {remedy} to use the role of this machine, which is \
             asked for at the metadata address of its cloud."
        )))
    }

    fn build_retry(&self) -> RetryConfig {
        let backoff = BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(2),
            ..Default::default()
        };
        RetryConfig { backoff, max_retries: 2, retry_timeout: self.timeout }
    }

    fn build_client_options(&self) -> ClientOptions {
        let timeout = self.timeout;
        ClientOptions::new().with_timeout(timeout).with_connect_timeout(timeout.min(Duration::from_secs(5)))
    }

    /// The non-empty variables whose names begin with `prefix`, names in lower case as the library expects them.
    fn select_variables(&self, prefix: &str) -> impl Iterator<Item = (String, String)> {
        let variables =
            self.environment.iter().filter(move |(name, value)| name.starts_with(prefix) && !value.is_empty());
        variables.map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
    }
}

fn into_handles<S: ObjectStore + MultipartStore + Signer>(store: S, prefix: Path) -> OpenedStore {
    let store = Arc::new(store);
    OpenedStore { store: store.clone(), parts: Some(store.clone()), signer: Some(store), prefix }
}

/// Without TLS no system certificates are needed: loading them would fail on a machine that has none.
fn allow_plain_http(client: ClientOptions, plain_http: bool) -> ClientOptions {
    if plain_http { client.with_allow_http(true).with_no_system_certificates(true) } else { client }
}
