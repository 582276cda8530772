//! Large files go in pieces (tus): what arrived before a line broke, or before this program was stopped, is not sent again.

use std::io::SeekFrom;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::SecondsFormat;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Body, Method, RequestBuilder};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::{Found, Known, unreadable};
use crate::cli::Refusal;
use crate::cli::client::{self, Connection, Trouble};
use crate::code::Code;

/// An upload, as far as we need it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Upload {
    upload_handle: String,
    file_name: String,
    folder: String,
    length: u64,
    offset: u64,
    sha256: Option<String>,
    asset_handle: Option<String>,
}

/// How a try ended that was not in vain.
enum Step {
    /// All is there.
    Done,
    /// More is there than before: patience begins anew.
    Further,
}

/// Sends the file, from where an earlier run of this program came to. The service compares the whole with its hash.
pub(super) async fn send(connection: &Connection, file: &Found, sha256: &str) -> Result<(), Refusal> {
    let uploads: Vec<Upload> = connection.list(&["uploads"], &[]).await?;
    let wanted = Known::new(&file.folder, &file.name, sha256);
    let ours = |upload: &Upload| {
        let named = upload.sha256.as_deref().map(|said| Known::new(&upload.folder, &upload.file_name, said));
        named.is_some_and(|named| named == wanted) && upload.length == file.size && upload.asset_handle.is_none()
    };
    let begun = uploads.into_iter().find(ours);
    let (mut handle, mut seen) = begun.map_or((None, 0), |upload| (Some(upload.upload_handle), upload.offset));
    loop {
        let step = connection.persist(async || advance(connection, file, sha256, &mut handle, &mut seen).await).await?;
        if let Step::Done = step {
            return Ok(());
        }
    }
}

/// One try: asks how far it is, and sends the rest.
async fn advance(
    connection: &Connection,
    file: &Found,
    sha256: &str,
    handle: &mut Option<String>,
    seen: &mut u64,
) -> Result<Step, Trouble> {
    let at = match handle {
        Some(at) => at.clone(),
        None => handle.insert(begin(connection, file, sha256).await?).clone(),
    };
    let asked = async { client::json(client::answer(connection.request(Method::GET, &["uploads", &at])).await?).await };
    let now: Upload = match asked.await {
        // Forgotten, because it lay still for too long.
        Err(Trouble::Final(refusal)) if refusal.code == Code::NotFound => {
            (*handle, *seen) = (None, 0);
            return Err(Trouble::Later(refusal, None));
        }
        asked => asked?,
    };
    if now.asset_handle.is_some() {
        return Ok(Step::Done);
    }
    if now.offset > *seen {
        *seen = now.offset;
        return Ok(Step::Further);
    }
    let mut bytes = tokio::fs::File::open(&file.path).await.map_err(|why| Trouble::Final(unreadable(&why)))?;
    bytes.seek(SeekFrom::Start(now.offset)).await.map_err(|why| Trouble::Final(unreadable(&why)))?;
    let rest = file.size - now.offset;
    let stream = tokio_util::io::ReaderStream::with_capacity(bytes.take(rest), 1 << 16);
    let request = spoken(connection.request(Method::PATCH, &["uploads", &at]))
        .header("upload-offset", now.offset)
        .header(CONTENT_TYPE, "application/offset+octet-stream")
        .header(CONTENT_LENGTH, rest);
    let answer = client::answer(request.body(Body::wrap_stream(stream))).await?;
    // The whole was sent and taken; anything else the next question tells.
    Ok(if answer.headers().contains_key("asset-handle") { Step::Done } else { Step::Further })
}

/// Begins the upload; gives its handle.
async fn begin(connection: &Connection, file: &Found, sha256: &str) -> Result<String, Trouble> {
    let mut about = vec![("filename", file.name.clone()), ("sha256", sha256.to_owned())];
    if !file.folder.is_empty() {
        about.push(("folder", file.folder.clone()));
    }
    if let Some(modified) = file.modified {
        about.push(("lastModified", modified.to_rfc3339_opts(SecondsFormat::Secs, true)));
    }
    let about: Vec<String> = about.iter().map(|(word, said)| format!("{word} {}", STANDARD.encode(said))).collect();
    let request = spoken(connection.request(Method::POST, &["uploads"]))
        .header("upload-length", file.size)
        .header("upload-metadata", about.join(","));
    let made: Upload = client::json(client::answer(request).await?).await?;
    Ok(made.upload_handle)
}

fn spoken(request: RequestBuilder) -> RequestBuilder {
    request.header("tus-resumable", "1.0.0")
}
