//! Fetching the zip, also in pieces: a broken download goes on where it stopped, in this run of the command or the next.

use std::io;
use std::path::{Path, PathBuf};

use futures_util::StreamExt;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, HeaderName, IF_RANGE, RANGE};
use reqwest::{Method, Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::AsyncWriteExt;

use crate::cli::Refusal;
use crate::cli::client::{self, Connection, Progress, Trouble};
use crate::code::Code;

/// What the next run must know to go on: which job it was, and which bytes the part is of. Lies beside the zip.
#[derive(Serialize, Deserialize)]
pub(super) struct Ticket {
    /// The job's handle.
    pub(super) job: String,
    /// What was ordered. Another order is another job.
    order: Value,
    /// The archive's entity tag, once a byte has come.
    etag: Option<String>,
    #[serde(skip)]
    path: PathBuf,
}

impl Ticket {
    /// The ticket beside this zip, when it is for this order. One that cannot be read is none.
    pub(super) fn find(out: &Path, order: &Value) -> Option<Self> {
        let path = beside(out, ".ticket");
        let ticket: Self = serde_json::from_slice(&std::fs::read(&path).ok()?).ok()?;
        (ticket.order == *order).then_some(Self { path, ..ticket })
    }

    /// A ticket for a new job, written down. Bytes of another job are thrown away.
    pub(super) fn new(out: &Path, job: String, order: Value) -> Result<Self, Refusal> {
        let ticket = Self { job, order, etag: None, path: beside(out, ".ticket") };
        let _ = std::fs::remove_file(beside(out, ".part"));
        ticket.write().map_err(|why| unwritable(&ticket.path, &why))?;
        Ok(ticket)
    }

    fn write(&self) -> io::Result<()> {
        std::fs::write(&self.path, serde_json::to_vec(self)?)
    }

    /// Takes the ticket away when there is nothing to go on with.
    pub(super) fn discard(self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn beside(out: &Path, ending: &str) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn unwritable(path: &Path, why: &io::Error) -> Refusal {
    Refusal::new(Code::InvalidParameter, format!("{} cannot be written: {why}.", path.display()))
}

/// Downloads the job's archive to `out` and answers its size in bytes. `out` appears when it is complete.
pub(super) async fn fetch(connection: &Connection, ticket: &mut Ticket, out: &Path) -> Result<u64, Refusal> {
    let part = beside(out, ".part");
    let progress = Progress::bytes("Downloading", 0);
    // Patience is for tries that bring nothing: when bytes came, it starts anew.
    let size = loop {
        if let Some(size) = connection.persist(async || receive(connection, ticket, &part, &progress).await).await? {
            break size;
        }
    };
    std::fs::rename(&part, out).map_err(|why| unwritable(out, &why))?;
    Ok(size)
}

/// One request for what is missing: the size when all is there, nothing when some of it came.
async fn receive(
    connection: &Connection,
    ticket: &mut Ticket,
    part: &Path,
    progress: &Progress,
) -> Result<Option<u64>, Trouble> {
    let have = std::fs::metadata(part).map_or(0, |about| about.len());
    let mut request = connection.request(Method::GET, &["export-jobs", &ticket.job, "archive"]);
    if let (Some(tag), 1..) = (&ticket.etag, have) {
        // If-Range: bytes of another archive come as a whole, never as the rest of this one.
        request = request.header(RANGE, format!("bytes={have}-")).header(IF_RANGE, tag);
    }
    let answer = client::answer(request).await?;
    let Some((start, total)) = place(&answer) else { return Err(odd("does not say how long it is")) };
    if answer.status() == StatusCode::RANGE_NOT_SATISFIABLE && total == have {
        return Ok(Some(have));
    }
    if answer.status() == StatusCode::RANGE_NOT_SATISFIABLE || (start > 0 && start != have) {
        ticket.etag = None;
        return Err(Trouble::Later(
            Refusal::new(Code::RangeNotSatisfiable, "The archive changed while it was fetched."),
            None,
        ));
    }
    ticket.etag = text(answer.headers(), ETAG).map(str::to_owned);
    ticket.write().map_err(|why| Trouble::Final(unwritable(&ticket.path, &why)))?;
    progress.set_total(total);
    let now = write(answer, part, start, progress).await?;
    match now {
        _ if now == total => Ok(Some(total)),
        _ if now > total => Err(odd("is longer than it says")),
        _ if now > start => Ok(None),
        _ => Err(Trouble::Later(Refusal::new(Code::Unavailable, "The download stops before it begins."), None)),
    }
}

/// Where the answer's bytes begin and how long the whole is.
fn place(answer: &Response) -> Option<(u64, u64)> {
    if answer.status() == StatusCode::OK {
        return Some((0, text(answer.headers(), CONTENT_LENGTH)?.parse().ok()?));
    }
    let (range, total) = text(answer.headers(), CONTENT_RANGE)?.strip_prefix("bytes ")?.split_once('/')?;
    let start = range.split_once('-').map_or(Some(0), |(start, _)| start.parse().ok())?;
    Some((start, total.parse().ok()?))
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

fn odd(what: &str) -> Trouble {
    Trouble::Final(Refusal::new(Code::Unavailable, format!("The archive that the service sends {what}.")))
}

/// Writes what comes behind the first `start` bytes of the part; answers how long the part is then, also when the
/// connection broke.
async fn write(answer: Response, part: &Path, start: u64, progress: &Progress) -> Result<u64, Trouble> {
    let disk = |why: io::Error| Trouble::Final(unwritable(part, &why));
    let mut file = tokio::fs::OpenOptions::new().create(true).append(true).open(part).await.map_err(disk)?;
    file.set_len(start).await.map_err(disk)?;
    let mut now = start;
    let mut stream = answer.bytes_stream();
    while let Some(Ok(bytes)) = stream.next().await {
        file.write_all(&bytes).await.map_err(disk)?;
        now += bytes.len() as u64;
        progress.set(now);
    }
    file.sync_all().await.map_err(disk)?;
    Ok(now)
}
