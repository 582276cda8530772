//! What `push_files` decides itself: which files, where to, which are already there, and what a lost response means.

use serde_json::{Value, json};

use super::*;
use crate::cli::client::tests::{CannedReply, FakeService, ReceivedRequest};

fn create_folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    dir
}

fn hash_text(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

/// The asset with which a service would answer an upload.
fn build_stored_asset(asked: &ReceivedRequest) -> Value {
    let body = String::from_utf8_lossy(&asked.body).into_owned();
    let part = |name: &str| {
        let start = body.find(&format!("name=\"{name}\""))?;
        let rest = &body[start..];
        let value = rest.split_once("\r\n\r\n")?.1;
        Some(value[..value.find("\r\n--")?].to_owned())
    };
    let name = body.split("filename=\"").nth(1).unwrap().split('"').next().unwrap();
    json!({"folder": part("folder").unwrap_or_default(), "fileName": name, "sha256": hash_text(&part("file").unwrap())})
}

/// A service that remembers its assets. The first `lose` responses of uploads are lost after the file was stored.
async fn start_fake_service(mut lose: usize) -> FakeService {
    let mut assets: Vec<Value> = Vec::new();
    FakeService::new(move |asked| {
        if asked.request_line.starts_with("GET") {
            return CannedReply::json(200, json!({"items": assets, "nextCursor": null}));
        }
        assets.push(build_stored_asset(asked));
        let reply = CannedReply::json(201, json!({"assets": [assets.last()]}));
        if lose == 0 {
            return reply;
        }
        lose -= 1;
        CannedReply { truncate_at: Some(3), ..reply }
    })
    .await
}

async fn push_folder(fake: &FakeService, dir: &tempfile::TempDir, folder: &str) -> PushReport {
    push_files(
        &fake.connection,
        find_files(&[dir.path().into()], folder).unwrap(),
        folder,
        PushOptions { parallel: 2, resumable: 1 << 20 },
    )
    .await
    .unwrap()
}

#[test]
fn a_walk_keeps_the_folders_and_leaves_out_hidden_names_and_loops() {
    let dir = create_folder(&[("b.jpg", "1"), ("a/c.jpg", "2"), ("a/.hidden", "3"), (".git/x", "4")]);
    std::os::unix::fs::symlink(dir.path(), dir.path().join("a/loop")).unwrap();
    std::os::unix::fs::symlink(dir.path().join("b.jpg"), dir.path().join("link.jpg")).unwrap();
    std::os::unix::fs::symlink("nowhere", dir.path().join("broken.jpg")).unwrap();
    let files = find_files(&[dir.path().into(), dir.path().join("b.jpg")], "/top/").unwrap();
    let places: Vec<String> = files.iter().map(|file| format!("{}/{}", file.folder, file.name)).collect();
    assert_eq!(places, ["top/a/c.jpg", "top/b.jpg", "top/link.jpg", "top/b.jpg"]);
    let at_the_top = find_files(&[dir.path().into()], "").unwrap();
    assert_eq!((at_the_top[0].folder.as_str(), at_the_top[1].folder.as_str()), ("a", ""));
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let refusal = find_files(&["/no/such/folder".into()], "").unwrap_err();
    assert!(refusal.detail.contains("/no/such/folder"), "{}", refusal.detail);
}

#[tokio::test]
async fn a_second_run_uploads_only_what_is_new() {
    let fake = start_fake_service(0).await;
    let dir = create_folder(&[("a.jpg", "one"), ("sub/a.jpg", "one"), ("b.jpg", "two")]);
    let report = push_folder(&fake, &dir, "in").await;
    assert_eq!((report.uploaded, report.skipped, report.failed.len(), report.bytes), (3, 0, 0, 9));

    std::fs::write(dir.path().join("b.jpg"), "three").unwrap();
    let report = push_folder(&fake, &dir, "in").await;
    assert_eq!((report.uploaded, report.skipped, report.failed.len()), (1, 2, 0));
    assert_eq!(report.summary(), "3 files: 1 uploaded (5 B), 2 were there already, 0 failed.");
    let report = push_folder(&fake, &dir, "in").await;
    assert_eq!(report.summary(), "All 3 files are already there. Nothing was uploaded.");
    assert!(
        fake.request_lines()[0].ends_with("/assets?folder=in&recursive=true&limit=1000"),
        "{:?}",
        fake.request_lines()
    );
}

#[test]
fn names_are_compared_as_the_service_writes_them() {
    let known = |folder, name| AssetIdentity::new(folder, name, "AB");
    assert!(known("a", "Fru\u{308}hling \"1\".jpg") == known("/a/", "Fr\u{fc}hling _1_.jpg"));
    assert!(known("a", "b.jpg") != known("a", "c.jpg"));
}

#[tokio::test]
async fn an_upload_says_folder_and_time_before_the_file() {
    let fake = start_fake_service(0).await;
    let dir = create_folder(&[("sub/ü \"1\".jpg", "one")]);
    push_folder(&fake, &dir, "in").await;
    let asked = fake.requests.lock().unwrap().last().unwrap().clone();
    let body = String::from_utf8(asked.body).unwrap();
    let order: Vec<usize> = ["in/sub\r\n", "name=\"lastModified\"", "filename=\"ü \\\"1\\\".jpg\""]
        .iter()
        .map(|text| body.find(text).unwrap())
        .collect();
    assert!(order.is_sorted(), "{body}");
}

#[tokio::test]
async fn an_upload_whose_answer_was_lost_is_not_sent_twice() {
    let fake = start_fake_service(1).await;
    let dir = create_folder(&[("a.jpg", "one")]);
    let report = push_folder(&fake, &dir, "").await;
    assert_eq!((report.uploaded, report.failed.len()), (1, 0));
    let uploads = fake.request_lines().iter().filter(|line| line.starts_with("POST")).count();
    assert_eq!(uploads, 1, "{:?}", fake.request_lines());
}

#[tokio::test]
async fn one_bad_file_does_not_keep_the_others() {
    let fake = FakeService::new(|asked| match asked.request_line.starts_with("GET") {
        true => CannedReply::json(200, json!({"items": [], "nextCursor": null})),
        false if build_stored_asset(asked)["fileName"] == "empty.jpg" => {
            CannedReply::json(422, json!({"code": "empty-file", "detail": "No bytes."}))
        }
        false => CannedReply::json(201, json!({"assets": [build_stored_asset(asked)]})),
    })
    .await;
    let dir = create_folder(&[("a.jpg", "one"), ("empty.jpg", ""), ("z.jpg", "two")]);
    let report = push_folder(&fake, &dir, "").await;
    assert_eq!((report.uploaded, report.failed.len()), (2, 1));
    let refusal = report.into_result().unwrap_err();
    assert_eq!(refusal.code, Code::EmptyFile);
    assert!(refusal.errors[0]["file"].as_str().unwrap().ends_with("empty.jpg"), "{:?}", refusal.errors);
}

#[tokio::test]
async fn other_bytes_than_sent_are_an_error() {
    let fake = FakeService::new(|asked| match asked.request_line.starts_with("GET") {
        true => CannedReply::json(200, json!({"items": [], "nextCursor": null})),
        false => CannedReply::json(
            201,
            json!({"assets": [{"fileName": "a.jpg", "folder": "", "sha256": hash_text("other")}]}),
        ),
    })
    .await;
    let report = push_folder(&fake, &create_folder(&[("a.jpg", "one")]), "").await;
    assert_eq!(report.failed[0].1.code, Code::CorruptOriginal);
}
