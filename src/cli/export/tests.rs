//! What `export` decides itself: how a broken download continues, and what the end of a job means.

use serde_json::json;

use super::*;
use crate::cli::client::tests::{CannedReply, FakeService, ReceivedRequest};

const ARCHIVE_BYTES: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// Responses for the archive as the service documents them. The connection breaks after `cut` bytes.
fn reply_with_archive(asked: &ReceivedRequest, etag: &str, cut: Option<usize>) -> CannedReply {
    let etag = ("etag", etag.to_owned());
    let ours = asked.header("if-range") == Some(&etag.1);
    let start = asked
        .header("range")
        .filter(|_| ours)
        .map_or(0, |range| range["bytes=".len()..].trim_end_matches('-').parse().unwrap());
    if start >= ARCHIVE_BYTES.len() {
        let range = ("content-range", format!("bytes */{}", ARCHIVE_BYTES.len()));
        return CannedReply { status: 416, headers: vec![range], body: Vec::new(), truncate_at: None };
    }
    let body = ARCHIVE_BYTES[start..].to_vec();
    let cut = cut.map(|cut| cut.min(body.len()));
    if start == 0 {
        return CannedReply { status: 200, headers: vec![etag], body, truncate_at: cut };
    }
    let range = ("content-range", format!("bytes {start}-{}/{}", ARCHIVE_BYTES.len() - 1, ARCHIVE_BYTES.len()));
    CannedReply { status: 206, headers: vec![etag, range], body, truncate_at: cut }
}

struct DownloadFixture {
    dir: tempfile::TempDir,
}

impl DownloadFixture {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn out_path(&self) -> PathBuf {
        self.dir.path().join("out.zip")
    }

    fn ticket(&self) -> Ticket {
        Ticket::new(&self.out_path(), "job".into(), json!({"fmt": "orig"})).unwrap()
    }

    fn files(&self) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(self.dir.path())
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

#[tokio::test]
async fn a_download_that_breaks_again_and_again_goes_on_where_it_stopped() {
    // More breaks than there are tries: each brings some bytes, so the tries start anew.
    let fake = FakeService::new(|asked| reply_with_archive(asked, "\"one\"", Some(5))).await;
    let fixture = DownloadFixture::new();
    let mut ticket = fixture.ticket();
    assert_eq!(
        download::download_archive(&fake.connection, &mut ticket, &fixture.out_path()).await.unwrap(),
        ARCHIVE_BYTES.len() as u64
    );
    assert_eq!(std::fs::read(fixture.out_path()).unwrap(), ARCHIVE_BYTES);
    ticket.discard();
    assert_eq!(fixture.files(), ["out.zip"]);
    let ranges: Vec<_> =
        fake.requests.lock().unwrap().iter().map(|asked| asked.header("range").map(str::to_owned)).collect();
    assert_eq!(ranges[..3], [None, Some("bytes=5-".into()), Some("bytes=10-".into())]);
}

#[tokio::test]
async fn another_archive_is_fetched_from_its_beginning() {
    let mut turn = 0;
    let fake = FakeService::new(move |asked| {
        turn += 1;
        if turn == 1 {
            reply_with_archive(asked, "\"one\"", Some(5))
        } else {
            reply_with_archive(asked, "\"two\"", None)
        }
    })
    .await;
    let fixture = DownloadFixture::new();
    download::download_archive(&fake.connection, &mut fixture.ticket(), &fixture.out_path()).await.unwrap();
    assert_eq!(std::fs::read(fixture.out_path()).unwrap(), ARCHIVE_BYTES);
}

#[tokio::test]
async fn a_download_cut_off_with_its_command_goes_on_in_the_next() {
    let fake = FakeService::new(|asked| reply_with_archive(asked, "\"one\"", None)).await;
    let fixture = DownloadFixture::new();
    let order = json!({"fmt": "orig"});
    let mut ticket = fixture.ticket();
    download::download_archive(&fake.connection, &mut ticket, &fixture.out_path()).await.unwrap();
    // As if the first command had died: with part of the bytes, then with all of them.
    for have in [7, ARCHIVE_BYTES.len()] {
        std::fs::remove_file(fixture.out_path()).unwrap();
        std::fs::write(fixture.dir.path().join("out.zip.part"), &ARCHIVE_BYTES[..have]).unwrap();
        let mut ticket = Ticket::find(&fixture.out_path(), &order).unwrap();
        download::download_archive(&fake.connection, &mut ticket, &fixture.out_path()).await.unwrap();
        assert_eq!(std::fs::read(fixture.out_path()).unwrap(), ARCHIVE_BYTES);
        let range = fake.requests.lock().unwrap().last().unwrap().header("range").map(str::to_owned);
        assert_eq!(range, Some(format!("bytes={have}-")));
    }
    assert!(Ticket::find(&fixture.out_path(), &json!({"fmt": "convert"})).is_none(), "another order is another job");
}

#[tokio::test]
async fn an_archive_that_is_not_there_is_told() {
    let fake = FakeService::new(|_| {
        CannedReply::json(404, json!({"code": "results-expired", "detail": "The files are gone."}))
    })
    .await;
    let fixture = DownloadFixture::new();
    let refusal =
        download::download_archive(&fake.connection, &mut fixture.ticket(), &fixture.out_path()).await.unwrap_err();
    assert_eq!(refusal.code, Code::ResultsExpired);
    assert!(!fixture.out_path().exists());
}

fn build_job(state: &str, outcome: Option<&str>, failed: u64) -> Value {
    let counts = json!({"total": 3, "waiting": 0, "running": 0, "succeeded": 3 - failed, "failed": failed, "skipped": 0, "stopped": 0, "warnings": 1});
    json!({"jobHandle": "job", "state": state, "outcome": outcome, "counts": counts, "files": 3 - failed})
}

#[tokio::test]
async fn watching_asks_for_news_until_the_job_is_finished() {
    let mut turn = 0;
    let fake = FakeService::new(move |asked| {
        turn += 1;
        let etag = vec![("etag", format!("\"{turn}\""))];
        match turn {
            1 => {
                assert!(!asked.request_line.contains("wait"), "the first answer shall come at once");
                CannedReply { headers: etag, ..CannedReply::json(200, build_job("queued", None, 0)) }
            }
            2 => CannedReply { headers: etag, ..CannedReply::json(200, build_job("running", None, 0)) },
            3 => CannedReply { status: 304, headers: Vec::new(), body: Vec::new(), truncate_at: None },
            _ => {
                assert_eq!(asked.header("if-none-match"), Some("\"2\""));
                CannedReply { headers: etag, ..CannedReply::json(200, build_job("finished", Some("succeeded"), 0)) }
            }
        }
    })
    .await;
    let job = watch_job(&fake.connection, "job").await.unwrap();
    assert_eq!(job.outcome.as_deref(), Some("succeeded"));
    assert_eq!(fake.request_lines().last().unwrap(), "GET /base/export-jobs/job?wait=20");
    assert!(check_outcome(&fake.connection, &job).await.is_ok());
}

#[tokio::test]
async fn failures_end_the_command_with_their_reasons() {
    let item = json!({"assetHandle": "a", "name": "x", "folder": "a/b", "state": "failed", "failure": {"code": "unsupported-format", "detail": "No."}});
    let fake = FakeService::new(move |_| CannedReply::json(200, json!({"items": [item], "nextCursor": null}))).await;
    let job = serde_json::from_value(build_job("finished", Some("partiallyFailed"), 1)).unwrap();
    let refusal = check_outcome(&fake.connection, &job).await.unwrap_err();
    assert_eq!(refusal.code, Code::UnsupportedFormat);
    assert_eq!(
        refusal.errors,
        [json!({"asset": "a/b/x", "assetHandle": "a", "code": "unsupported-format", "detail": "No."})]
    );
    assert!(fake.request_lines()[0].contains("/export-jobs/job/items?state=failed"), "{:?}", fake.request_lines());
}

#[test]
fn the_same_failure_is_told_once_with_the_number_of_files() {
    let item = |name: &str, detail: &str| json!({"assetHandle": name, "name": name, "folder": "", "failure": {"code": "truncated", "detail": detail}});
    let errors = group_failures(&[item("a", "It ends."), item("b", "Other."), item("c", "It ends.")]);
    let assets = json!([{"asset": "a", "assetHandle": "a"}, {"asset": "c", "assetHandle": "c"}]);
    assert_eq!(
        errors,
        [
            json!({"code": "truncated", "detail": "It ends.", "files": 2, "assets": assets}),
            json!({"asset": "b", "assetHandle": "b", "code": "truncated", "detail": "Other."}),
        ]
    );
}
