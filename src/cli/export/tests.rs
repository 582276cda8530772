//! What `export` decides itself: going on with a broken download, and what its end means.

use serde_json::json;

use super::*;
use crate::cli::client::tests::{Asked, Fake, Reply};

const ZIP: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// Answers for the archive as the service documents them. Each answer ends after so many bytes of the list.
fn archive(asked: &Asked, etag: &str, cut: Option<usize>) -> Reply {
    let etag = ("etag", etag.to_owned());
    let ours = asked.header("if-range") == Some(&etag.1);
    let start = asked
        .header("range")
        .filter(|_| ours)
        .map_or(0, |range| range["bytes=".len()..].trim_end_matches('-').parse().unwrap());
    if start >= ZIP.len() {
        let range = ("content-range", format!("bytes */{}", ZIP.len()));
        return Reply { status: 416, headers: vec![range], body: Vec::new(), cut: None };
    }
    let body = ZIP[start..].to_vec();
    let cut = cut.map(|cut| cut.min(body.len()));
    if start == 0 {
        return Reply { status: 200, headers: vec![etag], body, cut };
    }
    let range = ("content-range", format!("bytes {start}-{}/{}", ZIP.len() - 1, ZIP.len()));
    Reply { status: 206, headers: vec![etag, range], body, cut }
}

struct Desk {
    dir: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn out(&self) -> PathBuf {
        self.dir.path().join("out.zip")
    }

    fn ticket(&self) -> Ticket {
        Ticket::new(&self.out(), "job".into(), json!({"fmt": "orig"})).unwrap()
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
    // More breaks than there is patience for: each brings some bytes, so patience starts anew.
    let fake = Fake::new(|asked| archive(asked, "\"one\"", Some(5))).await;
    let desk = Desk::new();
    let mut ticket = desk.ticket();
    assert_eq!(download::fetch(&fake.connection, &mut ticket, &desk.out()).await.unwrap(), ZIP.len() as u64);
    assert_eq!(std::fs::read(desk.out()).unwrap(), ZIP);
    ticket.discard();
    assert_eq!(desk.files(), ["out.zip"]);
    let ranges: Vec<_> =
        fake.asked.lock().unwrap().iter().map(|asked| asked.header("range").map(str::to_owned)).collect();
    assert_eq!(ranges[..3], [None, Some("bytes=5-".into()), Some("bytes=10-".into())]);
}

#[tokio::test]
async fn another_archive_is_fetched_from_its_beginning() {
    let mut turn = 0;
    let fake = Fake::new(move |asked| {
        turn += 1;
        if turn == 1 { archive(asked, "\"one\"", Some(5)) } else { archive(asked, "\"two\"", None) }
    })
    .await;
    let desk = Desk::new();
    download::fetch(&fake.connection, &mut desk.ticket(), &desk.out()).await.unwrap();
    assert_eq!(std::fs::read(desk.out()).unwrap(), ZIP);
}

#[tokio::test]
async fn a_download_cut_off_with_its_command_goes_on_in_the_next() {
    let fake = Fake::new(|asked| archive(asked, "\"one\"", None)).await;
    let desk = Desk::new();
    let order = json!({"fmt": "orig"});
    let mut ticket = desk.ticket();
    download::fetch(&fake.connection, &mut ticket, &desk.out()).await.unwrap();
    // As if the first command had died: with part of the bytes, then with all of them.
    for have in [7, ZIP.len()] {
        std::fs::remove_file(desk.out()).unwrap();
        std::fs::write(desk.dir.path().join("out.zip.part"), &ZIP[..have]).unwrap();
        let mut ticket = Ticket::find(&desk.out(), &order).unwrap();
        download::fetch(&fake.connection, &mut ticket, &desk.out()).await.unwrap();
        assert_eq!(std::fs::read(desk.out()).unwrap(), ZIP);
        let range = fake.asked.lock().unwrap().last().unwrap().header("range").map(str::to_owned);
        assert_eq!(range, Some(format!("bytes={have}-")));
    }
    assert!(Ticket::find(&desk.out(), &json!({"fmt": "convert"})).is_none(), "another order is another job");
}

#[tokio::test]
async fn an_archive_that_is_not_there_is_told() {
    let fake =
        Fake::new(|_| Reply::json(404, json!({"code": "results-expired", "detail": "The files are gone."}))).await;
    let desk = Desk::new();
    let refusal = download::fetch(&fake.connection, &mut desk.ticket(), &desk.out()).await.unwrap_err();
    assert_eq!(refusal.code, Code::ResultsExpired);
    assert!(!desk.out().exists());
}

fn job(state: &str, outcome: Option<&str>, failed: u64) -> Value {
    let counts = json!({"total": 3, "waiting": 0, "running": 0, "succeeded": 3 - failed, "failed": failed, "skipped": 0, "stopped": 0, "warnings": 1});
    json!({"jobHandle": "job", "state": state, "outcome": outcome, "counts": counts, "files": 3 - failed})
}

#[tokio::test]
async fn watching_asks_for_news_until_the_job_is_finished() {
    let mut turn = 0;
    let fake = Fake::new(move |asked| {
        turn += 1;
        let etag = vec![("etag", format!("\"{turn}\""))];
        match turn {
            1 => {
                assert!(!asked.line.contains("wait"), "the first answer shall come at once");
                Reply { headers: etag, ..Reply::json(200, job("queued", None, 0)) }
            }
            2 => Reply { headers: etag, ..Reply::json(200, job("running", None, 0)) },
            3 => Reply { status: 304, headers: Vec::new(), body: Vec::new(), cut: None },
            _ => {
                assert_eq!(asked.header("if-none-match"), Some("\"2\""));
                Reply { headers: etag, ..Reply::json(200, job("finished", Some("succeeded"), 0)) }
            }
        }
    })
    .await;
    let job = watch(&fake.connection, "job").await.unwrap();
    assert_eq!(job.outcome.as_deref(), Some("succeeded"));
    assert_eq!(fake.lines().last().unwrap(), "GET /base/export-jobs/job?wait=20");
    assert!(verdict(&fake.connection, &job).await.is_ok());
}

#[tokio::test]
async fn failures_end_the_command_with_their_reasons() {
    let item = json!({"assetHandle": "a", "name": "x", "folder": "a/b", "state": "failed", "failure": {"code": "unsupported-format", "detail": "No."}});
    let fake = Fake::new(move |_| Reply::json(200, json!({"items": [item], "nextCursor": null}))).await;
    let job = serde_json::from_value(job("finished", Some("partiallyFailed"), 1)).unwrap();
    let refusal = verdict(&fake.connection, &job).await.unwrap_err();
    assert_eq!(refusal.code, Code::UnsupportedFormat);
    assert_eq!(
        refusal.errors,
        [json!({"asset": "a/b/x", "assetHandle": "a", "code": "unsupported-format", "detail": "No."})]
    );
    assert!(fake.lines()[0].contains("/export-jobs/job/items?state=failed"), "{:?}", fake.lines());
}
