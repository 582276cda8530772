//! Resumable uploads of large files (tus): what arrived before a connection broke, or before this program was stopped, is not
//! sent again.

use std::io::SeekFrom;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::SecondsFormat;
use offprint_core::Code;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Body, Method, RequestBuilder};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::{AssetIdentity, LocalFile, to_read_error};
use crate::cli::CliError;
use crate::cli::client::{self, ApiClient, ClientError};

/// The part of an upload that this command reads.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientUpload {
    upload_handle: String,
    file_name: String,
    folder: String,
    length: u64,
    offset: u64,
    sha256: Option<String>,
    asset_handle: Option<String>,
}

/// The result of a try that made progress.
enum UploadStep {
    /// The upload is complete.
    Done,
    /// More bytes are there than before: all tries are available again.
    Advanced,
}

/// Sends the file, from where an earlier run of this program stopped. The service compares the whole file with its hash.
pub(super) async fn upload_resumable(connection: &ApiClient, file: &LocalFile, sha256: &str) -> Result<(), CliError> {
    let uploads: Vec<ClientUpload> = connection.list(&["uploads"], &[]).await?;
    let wanted = AssetIdentity::new(&file.folder, &file.name, sha256);
    let is_ours = |upload: &ClientUpload| {
        let sha256 = upload.sha256.as_deref();
        let identity = sha256.map(|sha256| AssetIdentity::new(&upload.folder, &upload.file_name, sha256));
        identity.is_some_and(|it| it == wanted) && upload.length == file.size && upload.asset_handle.is_none()
    };
    let unfinished = uploads.into_iter().find(is_ours);
    let (mut handle, mut known_offset) =
        unfinished.map_or((None, 0), |upload| (Some(upload.upload_handle), upload.offset));
    loop {
        let step = connection
            .retry(async || advance_upload(connection, file, sha256, &mut handle, &mut known_offset).await)
            .await?;
        if let UploadStep::Done = step {
            return Ok(());
        }
    }
}

/// One try: asks for the offset and sends the rest.
async fn advance_upload(
    connection: &ApiClient,
    file: &LocalFile,
    sha256: &str,
    handle: &mut Option<String>,
    known_offset: &mut u64,
) -> Result<UploadStep, ClientError> {
    let upload_handle = match handle {
        Some(handle) => handle.clone(),
        None => handle.insert(create_upload(connection, file, sha256).await?).clone(),
    };
    let poll = async {
        let request = connection.request(Method::GET, &["uploads", &upload_handle]);
        client::read_json(client::send_request(request).await?).await
    };
    let upload: ClientUpload = match poll.await {
        // Expired, because nothing was sent for too long: it starts anew.
        Err(ClientError::Permanent(error)) if error.code == Code::NotFound => {
            (*handle, *known_offset) = (None, 0);
            return Err(ClientError::Retryable(error, None));
        }
        result => result?,
    };
    if upload.asset_handle.is_some() {
        return Ok(UploadStep::Done);
    }
    if upload.offset > *known_offset {
        *known_offset = upload.offset;
        return Ok(UploadStep::Advanced);
    }
    let to_error = |error: std::io::Error| ClientError::Permanent(to_read_error(&error));
    let mut content = tokio::fs::File::open(&file.path).await.map_err(to_error)?;
    content.seek(SeekFrom::Start(upload.offset)).await.map_err(to_error)?;
    let rest = file.size - upload.offset;
    let stream = tokio_util::io::ReaderStream::with_capacity(content.take(rest), 1 << 16);
    let request = add_tus_header(connection.request(Method::PATCH, &["uploads", &upload_handle]))
        .header("upload-offset", upload.offset)
        .header(CONTENT_TYPE, "application/offset+octet-stream")
        .header(CONTENT_LENGTH, rest);
    let response = client::send_request(request.body(Body::wrap_stream(stream))).await?;
    // With a handle the whole file has become an asset. Otherwise the next poll tells how far the upload is.
    Ok(if response.headers().contains_key("asset-handle") { UploadStep::Done } else { UploadStep::Advanced })
}

/// Creates the upload and returns its handle.
async fn create_upload(connection: &ApiClient, file: &LocalFile, sha256: &str) -> Result<String, ClientError> {
    let mut metadata = vec![("filename", file.name.clone()), ("sha256", sha256.to_owned())];
    if !file.folder.is_empty() {
        metadata.push(("folder", file.folder.clone()));
    }
    if let Some(modified) = file.modified {
        metadata.push(("lastModified", modified.to_rfc3339_opts(SecondsFormat::Secs, true)));
    }
    let metadata: Vec<String> =
        metadata.iter().map(|(key, value)| format!("{key} {}", STANDARD.encode(value))).collect();
    let request = add_tus_header(connection.request(Method::POST, &["uploads"]))
        .header("upload-length", file.size)
        .header("upload-metadata", metadata.join(","));
    let created: ClientUpload = client::read_json(client::send_request(request).await?).await?;
    Ok(created.upload_handle)
}

fn add_tus_header(request: RequestBuilder) -> RequestBuilder {
    request.header("tus-resumable", "1.0.0")
}
