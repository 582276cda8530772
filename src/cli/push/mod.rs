//! `offprint push`: uploads folders of files and skips those that are already there. Begin reading at [`run_push`].

mod resumable_upload;

use std::collections::HashSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use chrono::{DateTime, SecondsFormat, Utc};
use futures_util::{StreamExt, stream};
use indicatif::DecimalBytes;
use offprint_core::Code;
use offprint_core::name::{FileName, Folder};
use reqwest::{Body, Method, multipart};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::CliError;
use super::client::{self, ApiClient, ClientError, ProgressReporter, ServiceArgs};

/// Arguments of `offprint push`.
#[derive(clap::Args)]
pub struct PushArgs {
    /// Folders to upload, with all of their subfolders, or single files. Names that begin with a dot are left out.
    #[arg(required = true)]
    dirs: Vec<PathBuf>,

    /// The service's folder for the files, such as `summer/beach`. Default: the top folder.
    #[arg(long, default_value = "")]
    folder: String,

    /// Number of parallel uploads.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    parallel: u8,

    /// Files of at least this many bytes are uploaded resumably: after an interruption they continue where they stopped,
    /// also when this command is run again.
    #[arg(long, env = "OFFPRINT_PUSH_RESUMABLE", default_value_t = 64 << 20)]
    resumable: u64,

    #[command(flatten)]
    service: ServiceArgs,
}

/// Uploads the files that are not there yet. Fails when a file could not be uploaded, after trying all others.
pub fn run_push(arguments: PushArgs) -> Result<(), CliError> {
    let files = find_files(&arguments.dirs, &arguments.folder)?;
    client::run_in_runtime(async {
        let connection = ApiClient::connect(&arguments.service).await?;
        let options = PushOptions { parallel: arguments.parallel.into(), resumable: arguments.resumable };
        let report = push_files(&connection, files, &arguments.folder, options).await?;
        println!("{}", report.summary());
        report.into_result()
    })
}

#[derive(Clone, Copy)]
struct PushOptions {
    /// Number of parallel uploads.
    parallel: usize,
    /// Files of at least this many bytes are uploaded resumably.
    resumable: u64,
}

/// A file on this machine and where it goes.
#[derive(Debug)]
struct LocalFile {
    path: PathBuf,
    folder: String,
    name: String,
    size: u64,
    modified: Option<DateTime<Utc>>,
}

/// What makes a file the same as an uploaded one: folder, file name (both as the service would write them) and SHA-256.
#[derive(PartialEq, Eq, Hash)]
struct AssetIdentity(String, String, String);

impl AssetIdentity {
    fn new(folder: &str, name: &str, sha256: &str) -> Self {
        // An invalid name stays as it is: the service will refuse it.
        let folder = Folder::parse(folder).map_or(folder.to_owned(), |folder| folder.as_str().to_owned());
        let name = FileName::sanitize(name).map_or(name.to_owned(), |name| name.as_str().to_owned());
        Self(folder, name, sha256.to_ascii_lowercase())
    }
}

/// The part of an asset that this command reads. Sets have neither file name nor hash.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientAsset {
    file_name: Option<String>,
    folder: Option<String>,
    sha256: Option<String>,
}

/// The result for all files.
#[derive(Default)]
struct PushReport {
    uploaded: usize,
    skipped: usize,
    bytes: u64,
    failed: Vec<(PathBuf, CliError)>,
}

impl PushReport {
    fn summary(&self) -> String {
        let total = self.uploaded + self.skipped + self.failed.len();
        let Self { uploaded, skipped, bytes, failed } = self;
        if *skipped == total && total > 0 {
            return match total {
                1 => "The file is already there. Nothing was uploaded.".to_owned(),
                _ => format!("All {total} files are already there. Nothing was uploaded."),
            };
        }
        format!(
            "{total} files: {uploaded} uploaded ({}), {skipped} were there already, {} failed.",
            DecimalBytes(*bytes),
            failed.len()
        )
    }

    fn into_result(self) -> Result<(), CliError> {
        let Some((_, first)) = self.failed.first() else { return Ok(()) };
        let detail = format!(
            "{} files were not uploaded. Run the same command again: uploaded files are skipped.",
            self.failed.len()
        );
        let mut report = CliError::new(first.code, detail);
        report.errors = self
            .failed
            .iter()
            .map(|(path, error)| json!({"file": path.display().to_string(), "code": error.code, "detail": error.detail, "errors": error.errors}))
            .collect();
        Err(report)
    }
}

/// All files under these folders, in the order of their names.
fn find_files(dirs: &[PathBuf], folder: &str) -> Result<Vec<LocalFile>, CliError> {
    let mut files = Vec::new();
    for dir in dirs {
        let to_error =
            |error| CliError::new(Code::InvalidParameter, format!("{} cannot be read: {error}.", dir.display()));
        walk_folder(dir, folder.trim_matches('/'), &mut files).map_err(to_error)?;
    }
    Ok(files)
}

fn walk_folder(path: &Path, folder: &str, files: &mut Vec<LocalFile>) -> std::io::Result<()> {
    let metadata = std::fs::metadata(path)?;
    if metadata.is_file() {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let modified = metadata.modified().ok().map(DateTime::from);
        files.push(LocalFile { path: path.into(), folder: folder.into(), name, size: metadata.len(), modified });
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
            walk_folder(&entry.path(), folder, files)?;
        } else if is_dir && !entry.file_type()?.is_symlink() {
            // A link to a folder may lead back to one of its parents, so only links to files are followed.
            walk_folder(&entry.path(), format!("{folder}/{name}").trim_start_matches('/'), files)?;
        }
    }
    Ok(())
}

async fn push_files(
    connection: &ApiClient,
    files: Vec<LocalFile>,
    folder: &str,
    options: PushOptions,
) -> Result<PushReport, CliError> {
    let known = Mutex::new(fetch_identities(connection, folder.trim_matches('/')).await?);
    let progress = ProgressReporter::for_bytes("Uploading", files.iter().map(|file| file.size).sum());
    let (known, progress) = (&known, &progress);
    let mut results = stream::iter(files)
        .map(|file| async move {
            let result = push_file(connection, &file, known, options).await;
            match result {
                // Nothing is uploaded, so its bytes must not be shown as uploaded.
                Ok(PushOutcome::AlreadyPresent) => progress.remove_from_total(file.size),
                _ => progress.add(file.size),
            }
            (file, result)
        })
        .buffer_unordered(options.parallel);
    let mut report = PushReport::default();
    while let Some((file, result)) = results.next().await {
        match result {
            Ok(PushOutcome::Uploaded) => {
                report.uploaded += 1;
                report.bytes += file.size;
            }
            Ok(PushOutcome::AlreadyPresent) => report.skipped += 1,
            Err(error) => report.failed.push((file.path, error)),
        }
    }
    report.failed.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(report)
}

/// The assets that are already in the folder and below it: one list, however many files are pushed.
async fn fetch_identities(connection: &ApiClient, folder: &str) -> Result<HashSet<AssetIdentity>, CliError> {
    let query: &[_] = if folder.is_empty() { &[] } else { &[("folder", folder), ("recursive", "true")] };
    let assets: Vec<ClientAsset> = connection.list(&["assets"], query).await?;
    Ok(assets.iter().filter_map(ClientAsset::identity).collect())
}

impl ClientAsset {
    fn identity(&self) -> Option<AssetIdentity> {
        Some(AssetIdentity::new(
            self.folder.as_deref().unwrap_or_default(),
            self.file_name.as_deref()?,
            self.sha256.as_deref()?,
        ))
    }
}

enum PushOutcome {
    Uploaded,
    AlreadyPresent,
}

async fn push_file(
    connection: &ApiClient,
    file: &LocalFile,
    known: &Mutex<HashSet<AssetIdentity>>,
    options: PushOptions,
) -> Result<PushOutcome, CliError> {
    if file.path.to_str().is_none() {
        return Err(CliError::new(Code::InvalidValue, "The name is not valid Unicode. Rename the file."));
    }
    let path = file.path.clone();
    let sha256 = match tokio::task::spawn_blocking(move || hash_file(&path)).await {
        Ok(Ok(sha256)) => sha256,
        Ok(Err(error)) => return Err(to_read_error(&error)),
        Err(error) => return Err(CliError::new(Code::Internal, error.to_string())),
    };
    // Added before the upload, so that two equal files of this run are not both sent.
    let is_new = known.lock().map(|mut known| known.insert(AssetIdentity::new(&file.folder, &file.name, &sha256)));
    if !is_new.unwrap_or(true) {
        return Ok(PushOutcome::AlreadyPresent);
    }
    // An empty file is sent the simple way, to be refused by the service as usual.
    if file.size >= options.resumable.max(1) {
        resumable_upload::upload_resumable(connection, file, &sha256).await?;
        return Ok(PushOutcome::Uploaded);
    }
    let mut is_repeated = false;
    connection
        .retry(async || {
            // A request whose response was lost may have arrived.
            if std::mem::replace(&mut is_repeated, true) && has_arrived(connection, file, &sha256).await? {
                return Ok(());
            }
            upload_file(connection, file, &sha256).await
        })
        .await?;
    Ok(PushOutcome::Uploaded)
}

fn hash_file(path: &Path) -> std::io::Result<String> {
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

fn to_read_error(error: &std::io::Error) -> CliError {
    CliError::new(Code::InvalidParameter, format!("The file cannot be read: {error}."))
}

async fn has_arrived(connection: &ApiClient, file: &LocalFile, sha256: &str) -> Result<bool, ClientError> {
    let query = [("folder", file.folder.as_str()), ("sha256", sha256)];
    #[derive(Deserialize)]
    struct AssetPage {
        items: Vec<ClientAsset>,
    }
    let page: AssetPage =
        client::read_json(client::send_request(connection.request(Method::GET, &["assets"]).query(&query)).await?)
            .await?;
    let wanted = AssetIdentity::new(&file.folder, &file.name, sha256);
    Ok(page.items.iter().filter_map(ClientAsset::identity).any(|present| present == wanted))
}

/// Sends the file as a stream and compares the SHA-256 that the service reports.
async fn upload_file(connection: &ApiClient, file: &LocalFile, sha256: &str) -> Result<(), ClientError> {
    let content =
        tokio::fs::File::open(&file.path).await.map_err(|error| ClientError::Permanent(to_read_error(&error)))?;
    let stream = tokio_util::io::ReaderStream::with_capacity(content, 1 << 16);
    let mut form = multipart::Form::new();
    if !file.folder.is_empty() {
        form = form.text("folder", file.folder.clone());
    }
    if let Some(modified) = file.modified {
        form = form.text("lastModified", modified.to_rfc3339_opts(SecondsFormat::Secs, true));
    }
    // The service reads the parts in order: the fields about the file come before it.
    form = form.part(
        "file",
        multipart::Part::stream_with_length(Body::wrap_stream(stream), file.size).file_name(file.name.clone()),
    );

    #[derive(Deserialize)]
    struct ClientUploadedAssets {
        assets: Vec<ClientAsset>,
    }
    let response = client::send_request(connection.request(Method::POST, &["assets"]).multipart(form)).await?;
    let uploaded: ClientUploadedAssets = client::read_json(response).await?;
    match uploaded.assets.first().and_then(|asset| asset.sha256.as_deref()) {
        Some(stored) if stored.eq_ignore_ascii_case(sha256) => Ok(()),
        _ => Err(ClientError::Permanent(CliError::new(
            Code::CorruptOriginal,
            "The service stored other bytes than the file has now, perhaps because it was changed during the upload. Delete the \
             wrong asset and push again.",
        ))),
    }
}

#[cfg(test)]
mod tests;
