//! Connections to stores of others: who sees them, and what the file of the operator may say.

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use offprint_core::Digest;
use offprint_storage::InstanceCredentials;
use offprint_storage::remote::{Condition, RemoteError, RemoteFile, RemoteStore};
use serde_json::json;
use sqlx::PgPool;

use crate::support::fake_s3::{BUCKET, FakeS3, S3Behavior};
use crate::support::test_app::TestApp;
use crate::support::test_user::TestUser;

#[sqlx::test]
async fn a_company_sees_its_connections_and_no_secret(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("connections.toml");
    let text = format!(
        "[everybodys]\nurl = \"file://{}\"\naccess = \"read-write\"\ncompanies = [\"*\"]\n\
         [ours]\nurl = \"https://secret-place.example/x\"\naccess = \"read\"\ncompanies = [\"ours\"]\n",
        folder.path().display()
    );
    std::fs::write(&file, text).unwrap();
    let app = TestApp::with_settings(pool, |settings| {
        settings.connections = Some(file.clone());
        settings.auth = offprint::settings::AuthMode::Keys;
    })
    .await;
    let (ann, eve) = (TestUser::new(&app, "ours", "ann").await, TestUser::new(&app, "theirs", "eve").await);
    let everybodys = json!({"name": "everybodys", "kind": "folder", "canRead": true, "canWrite": true});
    let ours = json!({"name": "ours", "kind": "web", "canRead": true, "canWrite": false});
    let seen = ann.get("/connections").await.expect_status(200);
    assert_eq!(seen["items"], json!([everybodys, ours]));
    assert!(!seen.to_string().contains("secret-place"), "addresses are not shown");
    assert_eq!(eve.get("/connections").await.expect_status(200)["items"], json!([everybodys]));
}

fn open_bucket(s3: &FakeS3) -> RemoteStore {
    let (address, timeout) = (format!("s3://{BUCKET}/in"), std::time::Duration::from_secs(10));
    RemoteStore::connect(&address, &s3.environment(), InstanceCredentials::Forbidden, timeout).unwrap()
}

fn open_folder(folder: &std::path::Path) -> RemoteStore {
    let (address, timeout) = (format!("file://{}", folder.display()), std::time::Duration::from_secs(10));
    RemoteStore::connect(&address, &Vec::new(), InstanceCredentials::Forbidden, timeout).unwrap()
}

async fn put(store: &RemoteStore, path: &str, bytes: &[u8], condition: Condition) -> Result<bool, RemoteError> {
    let (digest, size) = (Digest::compute(bytes), bytes.len() as u64);
    let file = RemoteFile { path, size, digest, media_type: "image/jpeg", cache_control: Some("max-age=60") };
    let pieces: Vec<_> = bytes.chunks(100_000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    store.put(&file, futures_util::stream::iter(pieces).boxed(), condition).await
}

async fn read(store: &RemoteStore, path: &str) -> Vec<u8> {
    let pieces: Vec<Bytes> = store.get(path, None).await.unwrap().bytes.try_collect().await.unwrap();
    pieces.concat()
}

#[actix_web::test]
async fn files_are_written_completely_once_and_only_where_they_may() {
    let (s3, folder) = (FakeS3::start(), tempfile::tempdir().unwrap());
    let large = vec![7; 20 << 20];
    for store in [open_bucket(&s3), open_folder(folder.path())] {
        assert!(put(&store, "a/b.jpg", b"first", Condition::IfAbsent).await.unwrap());
        assert!(
            !put(&store, "a/b.jpg", b"first", Condition::IfAbsent).await.unwrap(),
            "the same once more is no conflict"
        );
        let refused = put(&store, "a/b.jpg", b"other", Condition::IfAbsent).await;
        assert!(matches!(refused, Err(RemoteError::Exists)), "{refused:?}");
        assert_eq!(read(&store, "a/b.jpg").await, b"first");
        assert!(put(&store, "a/b.jpg", b"other", Condition::Always).await.unwrap());
        assert_eq!(read(&store, "a/b.jpg").await, b"other");
        // In parts.
        assert!(put(&store, "large.bin", &large, Condition::IfAbsent).await.unwrap());
        assert!(read(&store, "large.bin").await == large);
        let mut listed: Vec<_> =
            store.list("").map_ok(|object| (object.path, object.size)).try_collect().await.unwrap();
        listed.sort();
        assert_eq!(listed, [("a/b.jpg".to_owned(), 5), ("large.bin".to_owned(), 20 << 20)]);
        let below: Vec<_> = store.list("a/").map_ok(|object| object.path).try_collect().await.unwrap();
        assert_eq!(below, ["a/b.jpg"]);
        for path in ["../x", "a/../../x", "a//b", "./a"] {
            let refused = put(&store, path, b"x", Condition::Always).await;
            assert!(matches!(refused, Err(RemoteError::InvalidPath(_))), "{path}: {refused:?}");
        }
        // Unchanged files are not read again.
        let object = store.head("a/b.jpg").await.unwrap();
        let unchanged = store.get("a/b.jpg", object.etag.as_deref()).await.map(|content| content.object);
        assert!(matches!(unchanged, Err(RemoteError::NotModified)), "{unchanged:?}");
        store.remove("a/b.jpg").await.unwrap();
        store.remove("a/b.jpg").await.unwrap();
        let gone = store.get("a/b.jpg", None).await.map(|content| content.object);
        assert!(matches!(gone, Err(RemoteError::NotFound)), "{gone:?}");
    }
    assert_eq!(s3.upload_count(), 0, "no upload in parts is left");
    assert_eq!(s3.object_names(), ["in/large.bin"], "below the connection's prefix");
}

#[actix_web::test]
async fn what_a_store_answers_says_whether_to_try_again() {
    let s3 = FakeS3::start();
    let store = open_bucket(&s3);
    s3.insert("in/a.jpg", b"bytes");
    for (status, is_temporary) in [(503, true), (403, false), (404, false)] {
        s3.set_behavior(S3Behavior::Failing(status));
        let error = store.head("a.jpg").await.unwrap_err();
        assert_eq!(error.is_temporary(), is_temporary, "{status}: {error}");
        let error = store.list("").try_collect::<Vec<_>>().await.unwrap_err();
        assert_eq!(error.is_temporary(), is_temporary, "listing, {status}: {error}");
    }
    s3.set_behavior(S3Behavior::Healthy);
    assert_eq!(read(&store, "a.jpg").await, b"bytes");
}
