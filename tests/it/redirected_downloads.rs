//! Downloads that are answered with a redirect to the object store (OFFPRINT_REDIRECT_DOWNLOADS).

use offprint::settings::RedirectDownloads;
use serde_json::json;
use sqlx::PgPool;

use crate::support::export_jobs::{create_job, drain_work};
use crate::support::fake_s3::FakeS3;
use crate::support::test_app::TestApp;

const NAME: &str = "Schuh rot 日.txt";
const BYTES: &[u8] = b"bytes that the store sends itself";

/// A finished job of one file; the paths of the file, the archive and the original.
async fn export_file(app: &TestApp) -> [String; 3] {
    let asset = app.upload_asset(NAME, BYTES).await;
    let job = create_job(app, json!({"assetHandleArray": [asset], "fmt": "orig"})).await;
    drain_work(app).await;
    let files = app.get(format!("/export-jobs/{job}/files")).await.expect_status(200);
    let file = files["items"][0]["href"].as_str().unwrap().to_owned();
    [file, format!("/export-jobs/{job}/archive"), format!("/assets/{asset}/content")]
}

#[sqlx::test]
async fn single_files_come_from_the_store_with_name_and_type(pool: PgPool) {
    let s3 = FakeS3::start();
    let redirect = |settings: &mut offprint::settings::Settings| settings.redirect_downloads = RedirectDownloads::Store;
    let app = TestApp::with_s3_and_settings(pool, &s3, redirect).await;
    let [file, archive, original] = export_file(&app).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for path in [&file, &original] {
        let answer = app.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (307, "no-store"), "{path}");
        let location = answer.header("location").to_owned();
        let here =
            app.send_as_is(actix_web::test::TestRequest::get().uri(path).insert_header(("if-range", "\"x\""))).await;
        assert_eq!((here.status.as_u16(), here.body.as_slice()), (200, BYTES), "a condition is checked here");
        let whole = client.get(&location).send().await.unwrap();
        let header = |name: &str| whole.headers().get(name).unwrap().to_str().unwrap().to_owned();
        assert_eq!(header("content-type"), here.header("content-type"));
        assert_eq!(header("content-disposition"), here.header("content-disposition"));
        assert_eq!(whole.bytes().await.unwrap(), BYTES);
        let part = client.get(&location).header("range", "bytes=6-9").send().await.unwrap();
        assert_eq!((part.status().as_u16(), part.bytes().await.unwrap().as_ref()), (206, b"that".as_slice()));
        let head = app.head(path).await;
        assert_eq!((head.status.as_u16(), head.header("content-length")), (200, BYTES.len().to_string().as_str()));
        let known = app.get_with_header(path, "if-none-match", head.header("etag")).await;
        assert_eq!(known.status, 304);
    }
    let zip = app.get(&archive).await;
    assert_eq!((zip.status.as_u16(), &zip.body[..2]), (200, b"PK".as_slice()), "put together here");
}

#[sqlx::test]
async fn clients_may_reach_the_store_at_another_address(pool: PgPool) {
    let s3 = FakeS3::start();
    let endpoint = RedirectDownloads::Endpoint("https://store.example.org".into());
    let app = TestApp::with_s3_and_settings(pool, &s3, |settings| settings.redirect_downloads = endpoint).await;
    let [file, ..] = export_file(&app).await;
    let answer = app.get(&file).await;
    let location = answer.header("location");
    assert!(location.starts_with("https://store.example.org/pictures/some/prefix/blobs/"), "{location}");
    assert!(location.contains("X-Amz-Expires=300") && location.contains("X-Amz-Signature="), "{location}");
}

#[sqlx::test]
async fn a_folder_has_no_addresses(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.redirect_downloads = RedirectDownloads::Store).await;
    let [file, ..] = export_file(&app).await;
    let answer = app.get(&file).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_slice()), (200, BYTES));
}
