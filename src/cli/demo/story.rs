//! What the demo does, in the order in which people would.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use reqwest::header::{CONTENT_RANGE, ETAG, IF_NONE_MATCH, IF_RANGE, RANGE};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

use super::checks::{Checks, Listed, check_originals, check_zip, digest_of};
use super::failed;
use super::pictures::Pictures;
use super::service::{Running, ask};
use crate::cli::Refusal;
use crate::cli::client::{self, Connection, Progress};

/// The preset that the demo saves: at most 800 pixels each way.
const PRESET: &str = "wid=800&hei=800&fit=constrain&fmt=jpeg&qlt=85";

/// Tells it; answers name and handle of the jobs it made.
pub async fn tell(
    service: &Running,
    pictures: &Pictures,
    work: &Path,
    checks: &mut Checks,
) -> Result<Vec<(&'static str, String)>, Refusal> {
    let connection = service.connect().await?;
    checks.expect(service.offprint(&["admin", "seed"]).await?, "the sample assets of the documentation are registered");
    let local = pictures.local.to_string_lossy();
    let pushed = service.offprint(&["push", &local, "--folder", &pictures.folder]).await?;
    if pictures.drawn {
        checks.expect(pushed, "all pictures are uploaded");
    }

    println!("\nSaving the image preset web: {PRESET}");
    let preset = connection.request(Method::PUT, &["image-presets", "web"]);
    ask(preset.json(&json!({"urlModifier": PRESET, "description": "For web pages: 800 by 800 pixels at most"})))
        .await?;

    let filter = json!({"folder": pictures.folder, "recursive": true});
    let order = json!({"jobName": "Demo: for the web", "assetFilter": filter, "fmt": "convert", "macro": "$web$"});
    let converted = submit(&connection, &order, "convert").await?;
    let files = follow(&connection, &converted, pictures, checks).await?;
    one_file(&connection, &converted, &files, checks).await?;
    cut_zip(&connection, &converted, work, checks).await?;
    check_zip(&work.join("web.zip"), &files, checks)?;
    if pictures.drawn {
        let lake = files.iter().find(|file| file.path == "mountain lake 12 MP.jpg");
        let size = lake.map(|file| (file.width, file.height));
        checks.expect(size == Some((Some(800), Some(600))), "the picture of 4000 x 3000 pixels became 800 x 600");
    }

    let (zip, folder) = (work.join("originals.zip"), pictures.folder.as_str());
    let out = zip.to_string_lossy();
    let order = ["export", "--folder", folder, "--recursive", "--fmt", "orig", "--layout", "folders", "--out", &out];
    checks.expect(service.offprint(&order).await?, "the originals are exported and downloaded");
    check_originals(&zip, &pictures.contents, checks)?;
    let newest = ask(connection.request(Method::GET, &["export-jobs"]).query(&[("limit", "1")])).await?;
    let originals = newest["items"][0]["jobHandle"].as_str().unwrap_or_default().to_owned();
    Ok(vec![("the converted set", converted), ("the originals", originals)])
}

async fn submit(connection: &Connection, order: &Value, what: &str) -> Result<String, Refusal> {
    println!("\nPOST /export-jobs  {order}");
    let job = ask(connection.request(Method::POST, &["export-jobs"]).json(order)).await?;
    let handle = job["jobHandle"].as_str().ok_or_else(|| failed(&format!("order a {what} job"), "it has no handle"))?;
    Ok(handle.to_owned())
}

/// Watches the job to its end, and answers its files.
async fn follow(
    connection: &Connection,
    job: &str,
    pictures: &Pictures,
    checks: &mut Checks,
) -> Result<Vec<Listed>, Refusal> {
    let mut tag = None;
    let mut percent = 0;
    let progress = Progress::items("Exporting", 0);
    let job_now = loop {
        let mut request = connection.request(Method::GET, &["export-jobs", job]).query(&[("wait", "10")]);
        if let Some(tag) = tag.take() {
            request = request.header(IF_NONE_MATCH, tag);
        }
        let answer = get(request).await?;
        tag = answer.headers().get(ETAG).cloned();
        if answer.status() == StatusCode::NOT_MODIFIED {
            continue;
        }
        let now: Value = client::json(answer).await.map_err(client::Trouble::refusal)?;
        let counts = &now["counts"];
        progress.set_total(counts["total"].as_u64().unwrap_or(0));
        progress.set(ended(counts));
        let shown = now["progress"]["percent"].as_f64().unwrap_or(0.0) as u64;
        if shown < percent {
            checks.expect(false, &format!("progress never goes back ({percent} % became {shown} %)"));
        }
        percent = shown;
        if now["state"] == "finished" {
            break now;
        }
    };
    drop(progress);
    let counts = &job_now["counts"];
    let total = counts["total"].as_u64().unwrap_or(0);
    println!("The job has finished: {}, {counts}", job_now["outcome"]);
    checks.expect(percent == 100, "the finished job is at 100 %");
    checks.expect(ended(counts) == total && total > 0, "the counts add up");
    if pictures.drawn {
        checks.expect(total == pictures.contents.len() as u64, &format!("the job has all {total} pictures"));
        checks.expect(counts["failed"] == 0, "no picture failed");
    }
    let files: Vec<Listed> = connection.list(&["export-jobs", job, "files"], &[("state", "ready")]).await?;
    checks.expect(
        files.len() as u64 == job_now["files"].as_u64().unwrap_or(0),
        "the list has as many files as the job says",
    );
    Ok(files)
}

fn ended(counts: &Value) -> u64 {
    ["succeeded", "failed", "skipped", "stopped"].iter().filter_map(|how| counts[how].as_u64()).sum()
}

/// Downloads the largest file by itself.
async fn one_file(connection: &Connection, job: &str, files: &[Listed], checks: &mut Checks) -> Result<(), Refusal> {
    let Some(file) = files.iter().max_by_key(|file| file.size) else {
        checks.expect(false, "the job has a file to download");
        return Ok(());
    };
    let mut path = vec!["export-jobs", job, "files"];
    path.extend(file.path.split('/'));
    let bytes = get(connection.request(Method::GET, &path)).await?.bytes().await;
    let bytes = bytes.map_err(|error| failed("download a file", error))?;
    checks.picture(&bytes, file, &format!("{}, downloaded by itself,", file.path));
    Ok(())
}

/// Downloads the zip twice: whole, and cut in the middle and resumed; the bytes must be the same.
async fn cut_zip(connection: &Connection, job: &str, work: &Path, checks: &mut Checks) -> Result<(), Refusal> {
    let request = |method| connection.request(method, &["export-jobs", job, "archive"]);
    let whole = get(request(Method::GET)).await?;
    let size = whole.content_length().unwrap_or(0);
    let tag = whole.headers().get(ETAG).cloned().ok_or_else(|| failed("resume the zip", "it has no ETag"))?;
    println!("\nDownloading the zip of {size} bytes, cutting it in the middle, and fetching the rest");
    let (whole_path, cut_path) = (work.join("web.zip"), work.join("web.cut.zip"));
    write(whole, &mut create(&whole_path)?, u64::MAX).await?;

    let mut part = create(&cut_path)?;
    write(get(request(Method::GET)).await?, &mut part, size / 2).await?;
    let rest = get(request(Method::GET).header(RANGE, format!("bytes={}-", size / 2)).header(IF_RANGE, tag)).await?;
    let place = rest.headers().get(CONTENT_RANGE).and_then(|place| place.to_str().ok()).unwrap_or_default().to_owned();
    checks.expect(rest.status() == StatusCode::PARTIAL_CONTENT, "the cut zip is resumed with 206");
    let expected = format!("bytes {}-{}/{size}", size / 2, size.saturating_sub(1));
    checks.expect(place == expected, &format!("its Content-Range is {expected}"));
    write(rest, &mut part, u64::MAX).await?;
    let (one, other) = (digest_of(&whole_path)?, digest_of(&cut_path)?);
    checks.expect(
        one == other && one.1 == size,
        "the resumed zip is byte for byte the whole one, and as long as announced",
    );
    Ok(())
}

async fn get(request: RequestBuilder) -> Result<Response, Refusal> {
    client::answer(request).await.map_err(client::Trouble::refusal)
}

fn create(path: &Path) -> Result<File, Refusal> {
    File::create(path).map_err(|error| failed(&format!("write {}", path.display()), error))
}

/// Writes what comes, until there were so many bytes: then the connection is cut.
async fn write(mut answer: Response, out: &mut File, mut most: u64) -> Result<(), Refusal> {
    while most > 0
        && let Some(piece) = answer.chunk().await.map_err(|error| failed("download the zip", error))?
    {
        let piece = &piece[..piece.len().min(usize::try_from(most).unwrap_or(usize::MAX))];
        out.write_all(piece).map_err(|error| failed("write the zip", error))?;
        most -= piece.len() as u64;
    }
    Ok(())
}
