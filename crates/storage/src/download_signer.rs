//! Addresses under which clients read blobs from the object store itself.
//!
//! Blobs have no names and no media types. The address says both, as parameters that are signed with it, so that a download
//! looks the same wherever its bytes come from.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use object_store::path::Path;
use object_store::signer::{SignedUrlOptions, Signer};

use super::object_stores::{StoreOptions, open_object_store};
use super::{Digest, EnvironmentVariables, InstanceCredentials, StorageError, format_blob_name};

/// Signs addresses of blobs. Clones share it.
#[derive(Clone, Debug)]
pub struct DownloadSigner {
    signer: Arc<dyn Signer>,
    prefix: Path,
}

/// How a download looks to its client.
#[derive(Clone, Copy, Debug)]
pub struct DownloadHeaders<'a> {
    pub media_type: &'a str,
    /// `Content-Disposition`.
    pub disposition: &'a str,
}

impl DownloadSigner {
    /// Opens the store of [`Storage::connect`](crate::Storage::connect) to sign addresses. `public_endpoint` is the URL under
    /// which clients reach an S3 store, where it is not the one that the service uses. None where addresses cannot be signed
    /// with name and media type: in folders, and in Azure. Sends no request.
    ///
    /// # Errors
    /// [`StorageError::InvalidAddress`], with a sentence for the operator.
    pub fn connect(
        address: &str,
        environment: &EnvironmentVariables,
        instance_credentials: InstanceCredentials,
        timeout: Duration,
        public_endpoint: Option<&str>,
    ) -> Result<Option<Self>, StorageError> {
        let is_s3 = address.starts_with("s3://");
        if !is_s3 && !address.starts_with("gs://") {
            return Ok(None);
        }
        if public_endpoint.is_some() && !is_s3 {
            return Err(StorageError::InvalidAddress(format!(
                "Downloads of {address} cannot be redirected to another address: only S3 stores have one. Use `store`."
            )));
        }
        // The host is part of what is signed, so it has to be right from the beginning.
        let mut environment = environment.clone();
        if let Some(endpoint) = public_endpoint {
            environment.retain(|(name, _)| !name.starts_with("AWS_ENDPOINT"));
            environment.push(("AWS_ENDPOINT_URL".to_owned(), endpoint.to_owned()));
        }
        let options = StoreOptions {
            address,
            environment: &environment,
            instance_credentials,
            credentials_remedy: "set OFFPRINT_STORAGE_INSTANCE_CREDENTIALS=true",
            timeout,
        };
        let opened = open_object_store(&options)?;
        Ok(opened.signer.map(|signer| Self { signer, prefix: opened.prefix }))
    }

    /// An address under which everybody can read a blob until it expires.
    ///
    /// # Errors
    /// When the store's credentials cannot be had.
    pub async fn sign(
        &self,
        digest: &Digest,
        headers: DownloadHeaders<'_>,
        ttl: Duration,
    ) -> Result<String, StorageError> {
        let path = format_blob_name(digest).split('/').fold(self.prefix.clone(), |path, part| path.join(part));
        let options = SignedUrlOptions::default().with_query([
            ("response-content-disposition", headers.disposition),
            ("response-content-type", headers.media_type),
        ]);
        Ok(self.signer.signed_url_opts(Method::GET, &path, ttl, &options).await?.into())
    }
}
