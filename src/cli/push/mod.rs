//! `offprint push`.

mod resumable;

use std::collections::HashSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use chrono::{DateTime, SecondsFormat, Utc};
use futures_util::{StreamExt, stream};
use indicatif::DecimalBytes;
use reqwest::{Body, Method, multipart};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::Refusal;
use super::client::{self, Connection, Progress, Service, Trouble};
use crate::code::Code;
use crate::name::{FileName, Folder};

/// Arguments of `offprint push`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Folders whose files are uploaded, with all folders in them; single files do too. Names that begin with a dot
    /// are left out.
    #[arg(required = true)]
    dirs: Vec<PathBuf>,

    /// Folder of the service under which the files go, like `summer/beach`. Without it: the top.
    #[arg(long, default_value = "")]
    folder: String,

    /// How many files are on their way at once.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    parallel: u8,

    /// Files of at least so many bytes go in pieces: after a break, or when this command is run again, they go on where they
    /// were.
    #[arg(long, env = "OFFPRINT_PUSH_RESUMABLE", default_value_t = 64 << 20)]
    resumable: u64,

    #[command(flatten)]
    service: Service,
}

/// Uploads what is not there yet; fails when a file could not be uploaded, after trying all others.
pub fn run(arguments: Arguments) -> Result<(), Refusal> {
    let files = found(&arguments.dirs, &arguments.folder)?;
    client::run(async {
        let connection = Connection::open(&arguments.service).await?;
        let how = How { parallel: arguments.parallel.into(), resumable: arguments.resumable };
        let report = push(&connection, files, &arguments.folder, how).await?;
        println!("{}", report.sentence());
        report.verdict()
    })
}

/// How files are sent.
#[derive(Clone, Copy)]
struct How {
    /// So many at once.
    parallel: usize,
    /// In pieces from so many bytes on.
    resumable: u64,
}

/// A file on this machine and where it goes.
#[derive(Debug)]
struct Found {
    path: PathBuf,
    folder: String,
    name: String,
    size: u64,
    modified: Option<DateTime<Utc>>,
}

/// What makes a file the same as one that is there: folder, file name (as the service would write them) and content.
#[derive(PartialEq, Eq, Hash)]
struct Known(String, String, String);

impl Known {
    fn new(folder: &str, name: &str, sha256: &str) -> Self {
        // What cannot be a name stays as it is: the service will say so.
        let folder = Folder::parse(folder).map_or(folder.to_owned(), |folder| folder.as_str().to_owned());
        let name = FileName::made_of(name).map_or(name.to_owned(), |name| name.as_str().to_owned());
        Self(folder, name, sha256.to_ascii_lowercase())
    }
}

/// An asset, as far as we need it. Sets have neither file name nor hash.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asset {
    file_name: Option<String>,
    folder: Option<String>,
    sha256: Option<String>,
}

/// What became of the files.
#[derive(Default)]
struct Report {
    uploaded: usize,
    skipped: usize,
    bytes: u64,
    failed: Vec<(PathBuf, Refusal)>,
}

impl Report {
    fn sentence(&self) -> String {
        let total = self.uploaded + self.skipped + self.failed.len();
        let Self { uploaded, skipped, bytes, failed } = self;
        format!(
            "{total} files: {uploaded} uploaded ({}), {skipped} were there already, {} failed.",
            DecimalBytes(*bytes),
            failed.len()
        )
    }

    fn verdict(self) -> Result<(), Refusal> {
        let Some((_, first)) = self.failed.first() else { return Ok(()) };
        let detail =
            format!("Files not uploaded: {}. Run the same command again: what is there is skipped.", self.failed.len());
        let mut refusal = Refusal::new(first.code, detail);
        refusal.errors = self
            .failed
            .iter()
            .map(|(path, why)| json!({"file": path.display().to_string(), "code": why.code, "detail": why.detail, "errors": why.errors}))
            .collect();
        Err(refusal)
    }
}

/// All files under these folders, in the order of their names.
fn found(dirs: &[PathBuf], folder: &str) -> Result<Vec<Found>, Refusal> {
    let mut files = Vec::new();
    for dir in dirs {
        let cannot = |why| Refusal::new(Code::InvalidParameter, format!("{} cannot be read: {why}.", dir.display()));
        walk(dir, folder.trim_matches('/'), &mut files).map_err(cannot)?;
    }
    Ok(files)
}

fn walk(path: &Path, folder: &str, files: &mut Vec<Found>) -> std::io::Result<()> {
    let about = std::fs::metadata(path)?;
    if about.is_file() {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let modified = about.modified().ok().map(DateTime::from);
        files.push(Found { path: path.into(), folder: folder.into(), name, size: about.len(), modified });
        return Ok(());
    }
    let mut entries = std::fs::read_dir(path)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let target = std::fs::metadata(entry.path());
        let (is_dir, is_file) = target.map_or((false, false), |about| (about.is_dir(), about.is_file()));
        if name.starts_with('.') {
            continue;
        }
        if is_file {
            walk(&entry.path(), folder, files)?;
        } else if is_dir && !entry.file_type()?.is_symlink() {
            // A link to a folder may lead back to where we came from, so only links to files are followed.
            walk(&entry.path(), format!("{folder}/{name}").trim_start_matches('/'), files)?;
        }
    }
    Ok(())
}

async fn push(connection: &Connection, files: Vec<Found>, folder: &str, how: How) -> Result<Report, Refusal> {
    let known = Mutex::new(known(connection, folder.trim_matches('/')).await?);
    let progress = Progress::bytes("Uploading", files.iter().map(|file| file.size).sum());
    let (known, progress) = (&known, &progress);
    let mut results = stream::iter(files)
        .map(|file| async move {
            let result = one(connection, &file, known, how).await;
            progress.add(file.size);
            (file, result)
        })
        .buffer_unordered(how.parallel);
    let mut report = Report::default();
    while let Some((file, result)) = results.next().await {
        match result {
            Ok(Done::Uploaded) => {
                report.uploaded += 1;
                report.bytes += file.size;
            }
            Ok(Done::WasThere) => report.skipped += 1,
            Err(why) => report.failed.push((file.path, why)),
        }
    }
    report.failed.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(report)
}

/// What is below the folder already. One list, however many files there are.
async fn known(connection: &Connection, folder: &str) -> Result<HashSet<Known>, Refusal> {
    let query: &[_] = if folder.is_empty() { &[] } else { &[("folder", folder), ("recursive", "true")] };
    let assets: Vec<Asset> = connection.list(&["assets"], query).await?;
    Ok(assets.iter().filter_map(Asset::known).collect())
}

impl Asset {
    fn known(&self) -> Option<Known> {
        Some(Known::new(
            self.folder.as_deref().unwrap_or_default(),
            self.file_name.as_deref()?,
            self.sha256.as_deref()?,
        ))
    }
}

enum Done {
    Uploaded,
    WasThere,
}

async fn one(connection: &Connection, file: &Found, known: &Mutex<HashSet<Known>>, how: How) -> Result<Done, Refusal> {
    if file.path.to_str().is_none() {
        return Err(Refusal::new(Code::InvalidValue, "The name is not Unicode; rename the file."));
    }
    let path = file.path.clone();
    let sha256 = match tokio::task::spawn_blocking(move || hash(&path)).await {
        Ok(Ok(sha256)) => sha256,
        Ok(Err(why)) => return Err(unreadable(&why)),
        Err(why) => return Err(Refusal::new(Code::Internal, why.to_string())),
    };
    // Put in before it is true, so that two equal files on this machine are not both sent.
    let new = known.lock().map(|mut known| known.insert(Known::new(&file.folder, &file.name, &sha256)));
    if !new.unwrap_or(true) {
        return Ok(Done::WasThere);
    }
    // An empty file is refused the usual way.
    if file.size >= how.resumable.max(1) {
        resumable::send(connection, file, &sha256).await?;
        return Ok(Done::Uploaded);
    }
    let mut again = false;
    connection
        .persist(async || {
            // A try whose answer was lost may have arrived.
            if std::mem::replace(&mut again, true) && arrived(connection, file, &sha256).await? {
                return Ok(());
            }
            upload(connection, file, &sha256).await
        })
        .await?;
    Ok(Done::Uploaded)
}

fn hash(path: &Path) -> std::io::Result<String> {
    let mut file = std::fs::File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex::encode(hasher.finalize())),
            n => hasher.update(&buffer[..n]),
        }
    }
}

fn unreadable(why: &std::io::Error) -> Refusal {
    Refusal::new(Code::InvalidParameter, format!("The file cannot be read: {why}."))
}

async fn arrived(connection: &Connection, file: &Found, sha256: &str) -> Result<bool, Trouble> {
    let query = [("folder", file.folder.as_str()), ("sha256", sha256)];
    #[derive(Deserialize)]
    struct Page {
        items: Vec<Asset>,
    }
    let page: Page =
        client::json(client::answer(connection.request(Method::GET, &["assets"]).query(&query)).await?).await?;
    let wanted = Known::new(&file.folder, &file.name, sha256);
    Ok(page.items.iter().filter_map(Asset::known).any(|there| there == wanted))
}

/// Sends the file as a stream and compares what the service says it stored.
async fn upload(connection: &Connection, file: &Found, sha256: &str) -> Result<(), Trouble> {
    let open = tokio::fs::File::open(&file.path).await.map_err(|why| Trouble::Final(unreadable(&why)))?;
    let stream = tokio_util::io::ReaderStream::with_capacity(open, 1 << 16);
    let mut form = multipart::Form::new();
    if !file.folder.is_empty() {
        form = form.text("folder", file.folder.clone());
    }
    if let Some(modified) = file.modified {
        form = form.text("lastModified", modified.to_rfc3339_opts(SecondsFormat::Secs, true));
    }
    // Parts are read in order: what is to know about the file comes before it.
    form = form.part(
        "file",
        multipart::Part::stream_with_length(Body::wrap_stream(stream), file.size).file_name(file.name.clone()),
    );

    #[derive(Deserialize)]
    struct Uploaded {
        assets: Vec<Asset>,
    }
    let answer = client::answer(connection.request(Method::POST, &["assets"]).multipart(form)).await?;
    let uploaded: Uploaded = client::json(answer).await?;
    match uploaded.assets.first().and_then(|asset| asset.sha256.as_deref()) {
        Some(stored) if stored.eq_ignore_ascii_case(sha256) => Ok(()),
        _ => Err(Trouble::Final(Refusal::new(
            Code::CorruptOriginal,
            "The service stored other bytes than the file has now; was it changed on the way? Push again, and delete the wrong asset.",
        ))),
    }
}

#[cfg(test)]
mod tests;
