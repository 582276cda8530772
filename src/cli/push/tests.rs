//! What `push` decides itself: which files, where to, which are there already, and what a lost answer means.

use serde_json::{Value, json};

use super::*;
use crate::cli::client::tests::{Asked, Fake, Reply};

fn folder_with(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    dir
}

fn sha256(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

/// What a service would answer to an upload.
fn stored(asked: &Asked) -> Value {
    let body = String::from_utf8_lossy(&asked.body).into_owned();
    let part = |name: &str| {
        let start = body.find(&format!("name=\"{name}\""))?;
        let rest = &body[start..];
        let value = rest.split_once("\r\n\r\n")?.1;
        Some(value[..value.find("\r\n--")?].to_owned())
    };
    let name = body.split("filename=\"").nth(1).unwrap().split('"').next().unwrap();
    json!({"folder": part("folder").unwrap_or_default(), "fileName": name, "sha256": sha256(&part("file").unwrap())})
}

/// A service with a memory. `lose` answers of uploads get lost after it has stored the file.
async fn service(mut lose: usize) -> Fake {
    let mut assets: Vec<Value> = Vec::new();
    Fake::new(move |asked| {
        if asked.line.starts_with("GET") {
            return Reply::json(200, json!({"items": assets, "nextCursor": null}));
        }
        assets.push(stored(asked));
        let reply = Reply::json(201, json!({"assets": [assets.last()]}));
        if lose == 0 {
            return reply;
        }
        lose -= 1;
        Reply { cut: Some(3), ..reply }
    })
    .await
}

async fn pushed(fake: &Fake, dir: &tempfile::TempDir, folder: &str) -> Report {
    push(
        &fake.connection,
        found(&[dir.path().into()], folder).unwrap(),
        folder,
        How { parallel: 2, resumable: 1 << 20 },
    )
    .await
    .unwrap()
}

#[test]
fn a_walk_keeps_the_folders_and_leaves_out_hidden_names_and_loops() {
    let dir = folder_with(&[("b.jpg", "1"), ("a/c.jpg", "2"), ("a/.hidden", "3"), (".git/x", "4")]);
    std::os::unix::fs::symlink(dir.path(), dir.path().join("a/loop")).unwrap();
    std::os::unix::fs::symlink(dir.path().join("b.jpg"), dir.path().join("link.jpg")).unwrap();
    std::os::unix::fs::symlink("nowhere", dir.path().join("broken.jpg")).unwrap();
    let files = found(&[dir.path().into(), dir.path().join("b.jpg")], "/top/").unwrap();
    let places: Vec<String> = files.iter().map(|file| format!("{}/{}", file.folder, file.name)).collect();
    assert_eq!(places, ["top/a/c.jpg", "top/b.jpg", "top/link.jpg", "top/b.jpg"]);
    let at_the_top = found(&[dir.path().into()], "").unwrap();
    assert_eq!((at_the_top[0].folder.as_str(), at_the_top[1].folder.as_str()), ("a", ""));
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let refusal = found(&["/no/such/folder".into()], "").unwrap_err();
    assert!(refusal.detail.contains("/no/such/folder"), "{}", refusal.detail);
}

#[tokio::test]
async fn a_second_run_uploads_only_what_is_new() {
    let fake = service(0).await;
    let dir = folder_with(&[("a.jpg", "one"), ("sub/a.jpg", "one"), ("b.jpg", "two")]);
    let report = pushed(&fake, &dir, "in").await;
    assert_eq!((report.uploaded, report.skipped, report.failed.len(), report.bytes), (3, 0, 0, 9));

    std::fs::write(dir.path().join("b.jpg"), "three").unwrap();
    let report = pushed(&fake, &dir, "in").await;
    assert_eq!((report.uploaded, report.skipped, report.failed.len()), (1, 2, 0));
    assert_eq!(report.sentence(), "3 files: 1 uploaded (5 B), 2 were there already, 0 failed.");
    assert!(fake.lines()[0].ends_with("/assets?folder=in&recursive=true&limit=1000"), "{:?}", fake.lines());
}

#[test]
fn names_are_compared_as_the_service_writes_them() {
    let known = |folder, name| Known::new(folder, name, "AB");
    assert!(known("a", "Fru\u{308}hling \"1\".jpg") == known("/a/", "Fr\u{fc}hling _1_.jpg"));
    assert!(known("a", "b.jpg") != known("a", "c.jpg"));
}

#[tokio::test]
async fn an_upload_says_folder_and_time_before_the_file() {
    let fake = service(0).await;
    let dir = folder_with(&[("sub/ü \"1\".jpg", "one")]);
    pushed(&fake, &dir, "in").await;
    let asked = fake.asked.lock().unwrap().last().unwrap().clone();
    let body = String::from_utf8(asked.body).unwrap();
    let order: Vec<usize> = ["in/sub\r\n", "name=\"lastModified\"", "filename=\"ü \\\"1\\\".jpg\""]
        .iter()
        .map(|text| body.find(text).unwrap())
        .collect();
    assert!(order.is_sorted(), "{body}");
}

#[tokio::test]
async fn an_upload_whose_answer_was_lost_is_not_sent_twice() {
    let fake = service(1).await;
    let dir = folder_with(&[("a.jpg", "one")]);
    let report = pushed(&fake, &dir, "").await;
    assert_eq!((report.uploaded, report.failed.len()), (1, 0));
    let uploads = fake.lines().iter().filter(|line| line.starts_with("POST")).count();
    assert_eq!(uploads, 1, "{:?}", fake.lines());
}

#[tokio::test]
async fn one_bad_file_does_not_keep_the_others() {
    let fake = Fake::new(|asked| match asked.line.starts_with("GET") {
        true => Reply::json(200, json!({"items": [], "nextCursor": null})),
        false if stored(asked)["fileName"] == "empty.jpg" => {
            Reply::json(422, json!({"code": "empty-file", "detail": "No bytes."}))
        }
        false => Reply::json(201, json!({"assets": [stored(asked)]})),
    })
    .await;
    let dir = folder_with(&[("a.jpg", "one"), ("empty.jpg", ""), ("z.jpg", "two")]);
    let report = pushed(&fake, &dir, "").await;
    assert_eq!((report.uploaded, report.failed.len()), (2, 1));
    let refusal = report.verdict().unwrap_err();
    assert_eq!(refusal.code, Code::EmptyFile);
    assert!(refusal.errors[0]["file"].as_str().unwrap().ends_with("empty.jpg"), "{:?}", refusal.errors);
}

#[tokio::test]
async fn other_bytes_than_sent_are_an_error() {
    let fake = Fake::new(|asked| match asked.line.starts_with("GET") {
        true => Reply::json(200, json!({"items": [], "nextCursor": null})),
        false => Reply::json(201, json!({"assets": [{"fileName": "a.jpg", "folder": "", "sha256": sha256("other")}]})),
    })
    .await;
    let report = pushed(&fake, &folder_with(&[("a.jpg", "one")]), "").await;
    assert_eq!(report.failed[0].1.code, Code::CorruptOriginal);
}
