//! Downloading the zip. A broken download continues where it stopped, in this run of the command or in the next.

use std::io;
use std::path::{Path, PathBuf};

use futures_util::StreamExt;
use offprint_core::Code;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, HeaderName, IF_RANGE, RANGE};
use reqwest::{Method, Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::AsyncWriteExt;

use crate::cli::CliError;
use crate::cli::client::{self, ApiClient, ClientError, ProgressReporter};

/// What the next run must know to continue: the job, and the archive that the partial file belongs to. Stored beside the
/// zip.
#[derive(Serialize, Deserialize)]
pub(in crate::cli) struct Ticket {
    /// The job's handle.
    pub(in crate::cli) job: String,
    /// The export request. Another request means another job.
    order: Value,
    /// The archive's entity tag, once the first byte was received.
    etag: Option<String>,
    #[serde(skip)]
    path: PathBuf,
}

impl Ticket {
    /// The ticket beside this zip, if it is for the same export request. One that cannot be read is ignored.
    pub(in crate::cli) fn find(out: &Path, request: &Value) -> Option<Self> {
        let path = append_extension(out, ".ticket");
        let ticket: Self = serde_json::from_slice(&std::fs::read(&path).ok()?).ok()?;
        (ticket.order == *request).then_some(Self { path, ..ticket })
    }

    /// Writes the ticket of a new job. A partial file of another job is deleted.
    pub(in crate::cli) fn new(out: &Path, job: String, request: Value) -> Result<Self, CliError> {
        let ticket = Self { job, order: request, etag: None, path: append_extension(out, ".ticket") };
        let _ = std::fs::remove_file(append_extension(out, ".part"));
        ticket.write().map_err(|error| to_write_error(&ticket.path, &error))?;
        Ok(ticket)
    }

    fn write(&self) -> io::Result<()> {
        std::fs::write(&self.path, serde_json::to_vec(self)?)
    }

    /// Deletes the ticket when there is nothing to continue.
    pub(in crate::cli) fn discard(self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn append_extension(out: &Path, ending: &str) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn to_write_error(path: &Path, error: &io::Error) -> CliError {
    CliError::new(Code::InvalidParameter, format!("{} cannot be written: {error}.", path.display()))
}

/// Downloads the job's archive to `out` and returns its size in bytes. `out` appears only when it is complete.
pub(in crate::cli) async fn download_archive(
    connection: &ApiClient,
    ticket: &mut Ticket,
    out: &Path,
) -> Result<u64, CliError> {
    let part = append_extension(out, ".part");
    let progress = ProgressReporter::for_bytes("Downloading", 0);
    // Only tries that receive nothing count as failed: after each byte received there are all tries again.
    let size = loop {
        if let Some(size) = connection.retry(async || receive_part(connection, ticket, &part, &progress).await).await? {
            break size;
        }
    };
    std::fs::rename(&part, out).map_err(|error| to_write_error(out, &error))?;
    Ok(size)
}

/// One request for the missing bytes: the size when all are there, none when only some were received.
async fn receive_part(
    connection: &ApiClient,
    ticket: &mut Ticket,
    part: &Path,
    progress: &ProgressReporter,
) -> Result<Option<u64>, ClientError> {
    let received = std::fs::metadata(part).map_or(0, |metadata| metadata.len());
    let mut request = connection.request(Method::GET, &["export-jobs", &ticket.job, "archive"]);
    if let (Some(tag), 1..) = (&ticket.etag, received) {
        // If-Range: another archive is sent whole, never as the rest of this one.
        request = request.header(RANGE, format!("bytes={received}-")).header(IF_RANGE, tag);
    }
    let response = client::send_request(request).await?;
    let Some((start, total)) = parse_content_range(&response) else {
        return Err(to_archive_error("has no length"));
    };
    if response.status() == StatusCode::RANGE_NOT_SATISFIABLE && total == received {
        return Ok(Some(received));
    }
    if response.status() == StatusCode::RANGE_NOT_SATISFIABLE || (start > 0 && start != received) {
        ticket.etag = None;
        return Err(ClientError::Retryable(
            CliError::new(Code::RangeNotSatisfiable, "The archive changed during the download."),
            None,
        ));
    }
    ticket.etag = read_header(response.headers(), ETAG).map(str::to_owned);
    ticket.write().map_err(|error| ClientError::Permanent(to_write_error(&ticket.path, &error)))?;
    progress.set_total(total);
    let length = append_body(response, part, start, progress).await?;
    match length {
        _ if length == total => Ok(Some(total)),
        _ if length > total => Err(to_archive_error("is longer than announced")),
        _ if length > start => Ok(None),
        _ => {
            let detail = "The connection broke before the first byte of the archive.";
            Err(ClientError::Retryable(CliError::new(Code::Unavailable, detail), None))
        }
    }
}

/// Offset of the response's first byte, and the length of the whole archive.
fn parse_content_range(response: &Response) -> Option<(u64, u64)> {
    if response.status() == StatusCode::OK {
        return Some((0, read_header(response.headers(), CONTENT_LENGTH)?.parse().ok()?));
    }
    let (range, total) = read_header(response.headers(), CONTENT_RANGE)?.strip_prefix("bytes ")?.split_once('/')?;
    let start = range.split_once('-').map_or(Some(0), |(start, _)| start.parse().ok())?;
    Some((start, total.parse().ok()?))
}

fn read_header(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

fn to_archive_error(what: &str) -> ClientError {
    ClientError::Permanent(CliError::new(Code::Unavailable, format!("The archive that the service sent {what}.")))
}

/// Writes the body after the first `start` bytes of the partial file. Returns the length of that file, also when the
/// connection broke.
async fn append_body(
    response: Response,
    part: &Path,
    start: u64,
    progress: &ProgressReporter,
) -> Result<u64, ClientError> {
    let failed = |error: io::Error| ClientError::Permanent(to_write_error(part, &error));
    let mut file = tokio::fs::OpenOptions::new().create(true).append(true).open(part).await.map_err(failed)?;
    file.set_len(start).await.map_err(failed)?;
    let mut length = start;
    let mut stream = response.bytes_stream();
    while let Some(Ok(bytes)) = stream.next().await {
        file.write_all(&bytes).await.map_err(failed)?;
        length += bytes.len() as u64;
        progress.set(length);
    }
    file.sync_all().await.map_err(failed)?;
    Ok(length)
}
