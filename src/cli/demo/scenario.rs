//! The steps of the demo, in the order in which people would take them.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use reqwest::header::{CONTENT_RANGE, ETAG, IF_NONE_MATCH, IF_RANGE, RANGE};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

use super::checks::{CheckList, ListedFile, check_originals, check_zip, hash_file};
use super::images::DemoImages;
use super::service::{DemoService, request_json};
use super::to_demo_error;
use crate::cli::CliError;
use crate::cli::client::{self, ApiClient, ProgressReporter};

/// The image preset that the demo saves: at most 800 px wide and high.
const WEB_PRESET: &str = "wid=800&hei=800&fit=constrain&fmt=jpeg&qlt=85";

/// Runs all steps; returns name and handle of the jobs it created.
pub async fn run_scenario(
    service: &DemoService,
    images: &DemoImages,
    work: &Path,
    checks: &mut CheckList,
) -> Result<Vec<(&'static str, String)>, CliError> {
    let connection = service.connect().await?;
    checks
        .expect(service.run_subcommand(&["admin", "seed"]).await?, "the documentation's sample assets are registered");
    let local = images.local.to_string_lossy();
    let pushed = service.run_subcommand(&["push", &local, "--folder", &images.folder]).await?;
    if images.drawn {
        checks.expect(pushed, "all images are uploaded");
    }

    println!("\nSaving the image preset web: {WEB_PRESET}");
    let preset = connection.request(Method::PUT, &["image-presets", "web"]);
    request_json(
        preset.json(&json!({"urlModifier": WEB_PRESET, "description": "For web pages: 800 by 800 pixels at most"})),
    )
    .await?;

    let filter = json!({"folder": images.folder, "recursive": true});
    let request = json!({"jobName": "Demo: for the web", "assetFilter": filter, "fmt": "convert", "macro": "$web$"});
    let converted = create_job(&connection, &request, "convert").await?;
    let files = watch_job(&connection, &converted, images, checks).await?;
    check_single_file(&connection, &converted, &files, checks).await?;
    check_resumed_archive(&connection, &converted, work, checks).await?;
    check_zip(&work.join("web.zip"), &files, checks)?;
    if images.drawn {
        let lake = files.iter().find(|file| file.path == "mountain lake 12 MP.jpg");
        let size = lake.map(|file| (file.width, file.height));
        checks.expect(size == Some((Some(800), Some(600))), "the image of 4000 x 3000 pixels became 800 x 600");
    }

    let (zip, folder) = (work.join("originals.zip"), images.folder.as_str());
    let out = zip.to_string_lossy();
    let arguments =
        ["export", "--folder", folder, "--recursive", "--fmt", "orig", "--layout", "folders", "--out", &out];
    checks.expect(service.run_subcommand(&arguments).await?, "the originals are exported and downloaded");
    check_originals(&zip, &images.contents, checks)?;
    let newest = request_json(connection.request(Method::GET, &["export-jobs"]).query(&[("limit", "1")])).await?;
    let originals = newest["items"][0]["jobHandle"].as_str().unwrap_or_default().to_owned();
    Ok(vec![("the converted set", converted), ("the originals", originals)])
}

async fn create_job(connection: &ApiClient, request: &Value, what: &str) -> Result<String, CliError> {
    println!("\nPOST /export-jobs  {request}");
    let job = request_json(connection.request(Method::POST, &["export-jobs"]).json(request)).await?;
    let handle =
        job["jobHandle"].as_str().ok_or_else(|| to_demo_error(&format!("create a {what} job"), "it has no handle"))?;
    Ok(handle.to_owned())
}

/// Watches the job to its end and returns its files.
async fn watch_job(
    connection: &ApiClient,
    job: &str,
    images: &DemoImages,
    checks: &mut CheckList,
) -> Result<Vec<ListedFile>, CliError> {
    let mut tag = None;
    let mut percent = 0;
    let progress = ProgressReporter::for_items("Exporting", 0);
    let finished_job = loop {
        let mut request = connection.request(Method::GET, &["export-jobs", job]).query(&[("wait", "10")]);
        if let Some(tag) = tag.take() {
            request = request.header(IF_NONE_MATCH, tag);
        }
        let response = send_request(request).await?;
        tag = response.headers().get(ETAG).cloned();
        if response.status() == StatusCode::NOT_MODIFIED {
            continue;
        }
        let job: Value = client::read_json(response).await.map_err(client::ClientError::into_error)?;
        let counts = &job["counts"];
        progress.set_total(counts["total"].as_u64().unwrap_or(0));
        progress.set(count_ended(counts));
        let new_percent = job["progress"]["percent"].as_f64().unwrap_or(0.0) as u64;
        if new_percent < percent {
            checks.expect(false, &format!("progress never goes back ({percent} % became {new_percent} %)"));
        }
        percent = new_percent;
        if job["state"] == "finished" {
            break job;
        }
    };
    drop(progress);
    let counts = &finished_job["counts"];
    let total = counts["total"].as_u64().unwrap_or(0);
    println!("The job has finished: {}, {counts}", finished_job["outcome"]);
    checks.expect(percent == 100, "the finished job is at 100 %");
    checks.expect(count_ended(counts) == total && total > 0, "the counts add up");
    if images.drawn {
        checks.expect(total == images.contents.len() as u64, &format!("the job has all {total} images"));
        checks.expect(counts["failed"] == 0, "no image failed");
    }
    let files: Vec<ListedFile> = connection.list(&["export-jobs", job, "files"], &[("state", "ready")]).await?;
    checks.expect(
        files.len() as u64 == finished_job["files"].as_u64().unwrap_or(0),
        "the list has as many files as the job says",
    );
    Ok(files)
}

fn count_ended(counts: &Value) -> u64 {
    ["succeeded", "failed", "skipped", "stopped"].iter().filter_map(|how| counts[how].as_u64()).sum()
}

/// Downloads the largest file on its own.
async fn check_single_file(
    connection: &ApiClient,
    job: &str,
    files: &[ListedFile],
    checks: &mut CheckList,
) -> Result<(), CliError> {
    let Some(file) = files.iter().max_by_key(|file| file.size) else {
        checks.expect(false, "the job has a file to download");
        return Ok(());
    };
    let mut path = vec!["export-jobs", job, "files"];
    path.extend(file.path.split('/'));
    let bytes = send_request(connection.request(Method::GET, &path)).await?.bytes().await;
    let bytes = bytes.map_err(|error| to_demo_error("download a file", error))?;
    checks.expect_file(&bytes, file, &format!("{}, downloaded on its own,", file.path));
    Ok(())
}

/// Downloads the zip twice: whole, and interrupted in the middle and resumed. The bytes must be the same.
async fn check_resumed_archive(
    connection: &ApiClient,
    job: &str,
    work: &Path,
    checks: &mut CheckList,
) -> Result<(), CliError> {
    let request = |method| connection.request(method, &["export-jobs", job, "archive"]);
    let whole = send_request(request(Method::GET)).await?;
    let size = whole.content_length().unwrap_or(0);
    let tag = whole.headers().get(ETAG).cloned().ok_or_else(|| to_demo_error("resume the zip", "it has no ETag"))?;
    println!("\nDownloading the zip of {size} bytes, interrupting the download in the middle and resuming it");
    let (whole_path, cut_path) = (work.join("web.zip"), work.join("web.cut.zip"));
    write_body(whole, &mut create_file(&whole_path)?, u64::MAX).await?;

    let mut part = create_file(&cut_path)?;
    write_body(send_request(request(Method::GET)).await?, &mut part, size / 2).await?;
    let rest =
        send_request(request(Method::GET).header(RANGE, format!("bytes={}-", size / 2)).header(IF_RANGE, tag)).await?;
    let range = rest.headers().get(CONTENT_RANGE).and_then(|range| range.to_str().ok()).unwrap_or_default().to_owned();
    checks.expect(rest.status() == StatusCode::PARTIAL_CONTENT, "the interrupted download is resumed with 206");
    let expected = format!("bytes {}-{}/{size}", size / 2, size.saturating_sub(1));
    checks.expect(range == expected, &format!("its Content-Range is {expected}"));
    write_body(rest, &mut part, u64::MAX).await?;
    let (whole, resumed) = (hash_file(&whole_path)?, hash_file(&cut_path)?);
    checks.expect(
        whole == resumed && whole.1 == size,
        "the resumed zip is byte for byte the whole one, and has the announced size",
    );
    Ok(())
}

async fn send_request(request: RequestBuilder) -> Result<Response, CliError> {
    client::send_request(request).await.map_err(client::ClientError::into_error)
}

fn create_file(path: &Path) -> Result<File, CliError> {
    File::create(path).map_err(|error| to_demo_error(&format!("write {}", path.display()), error))
}

/// Writes at most `max_bytes` of the body, then drops the connection.
async fn write_body(mut response: Response, out: &mut File, mut max_bytes: u64) -> Result<(), CliError> {
    while max_bytes > 0
        && let Some(piece) = response.chunk().await.map_err(|error| to_demo_error("download the zip", error))?
    {
        let piece = &piece[..piece.len().min(usize::try_from(max_bytes).unwrap_or(usize::MAX))];
        out.write_all(piece).map_err(|error| to_demo_error("write the zip", error))?;
        max_bytes -= piece.len() as u64;
    }
    Ok(())
}
