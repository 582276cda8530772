//! `offprint admin backup` and `offprint admin restore`: what was destroyed comes back, byte by byte, and what cannot be
//! restored is told before anything is touched.

use std::fs;
use std::path::{Path, PathBuf};

use offprint::db::backup::BackupSnapshot;
use offprint::worker::{enforce_retention, sweep_expired};
use offprint_core::Digest;
use serde_json::{Value, json};
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool};
use tempfile::TempDir;

use crate::support::export_jobs::run_export;
use crate::support::fake_s3::{BUCKET, FakeS3};
use crate::support::images::{draw_image, draw_jpeg};
use crate::support::service_process::{
    CommandOutput, ServiceProcess, build_database_url, format_path, run_offprint, run_offprint_with,
};
use crate::support::test_app::{TestApp, locate_blob_file};

async fn download(service: &ServiceProcess, path: &str) -> Vec<u8> {
    let answer = service.client.get(format!("{}{path}", service.url)).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{path}");
    answer.bytes().await.unwrap().to_vec()
}

fn read_report(output: &CommandOutput) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

fn read_detail(output: &CommandOutput) -> String {
    assert_eq!(output.code, Some(2), "{output:?}");
    let error: Value = serde_json::from_str(output.stderr.lines().last().unwrap()).unwrap();
    error["detail"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_destroyed_installation_comes_back_from_its_backup() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let (data_dir, backup) = (folder.path().join("data"), folder.path().join("backup"));
    fs::create_dir(&data_dir).unwrap();
    let run = |arguments: &[&str]| run_offprint_with(&[("OFFPRINT_DATA_DIR", format_path(&data_dir))], arguments);
    assert!(read_detail(&run(&["admin", "backup", &format_path(&backup)])).contains("There is no database"));

    let service = ServiceProcess::start_with_private_postgres(&data_dir).unwrap();
    for seed in 0..3 {
        service.upload_asset(format!("{seed}.jpg"), draw_image(image::ImageFormat::Jpeg, 200, 150, seed)).await;
    }
    let job = service.create_job(json!({"assetFilter": {}, "fmt": "convert", "is_modifier": "wid=40&fmt=png"})).await;
    let done = service.wait_for_progress(&job, 4).await;
    assert_eq!(done["outcome"], "succeeded", "{done}");
    let archive = format!("/export-jobs/{job}/archive");
    let before = download(&service, &archive).await;
    let assets = service.get("/assets").await;
    // While the service runs; then once more, which copies nothing; then with the service stopped.
    let made = run(&["admin", "backup", &format_path(&backup)]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let report = read_report(&made);
    assert!(report["copied"].as_u64().unwrap() >= 6 && report["verified"] == report["blobs"], "{report}");
    assert_eq!(service.stop(), Some(0));
    let again = run(&["admin", "backup", &format_path(&backup)]);
    assert_eq!((again.code, &read_report(&again)["copied"]), (Some(0), &json!(0)), "{again:?}");
    assert_eq!(list_names(&backup), ["blobs", "blobs-*.txt", "database-*.dump", "manifest.json"]);

    fs::remove_dir_all(&data_dir).unwrap();
    fs::create_dir(&data_dir).unwrap();
    let restored = run(&["admin", "restore", &format_path(&backup)]);
    assert_eq!(restored.code, Some(0), "{restored:?}");
    assert_eq!(read_report(&restored)["missing"], json!([]));
    let verified = {
        let service = ServiceProcess::start_with_private_postgres(&data_dir).unwrap();
        let locked = run(&["admin", "restore", &format_path(&backup), "--replace"]);
        assert!(read_detail(&locked).contains("another `offprint serve`"), "{locked:?}");
        assert_eq!(service.get("/assets").await, assets);
        assert!(download(&service, &archive).await == before, "the archive has other bytes");
        let verified = run(&["admin", "verify", "--deep"]);
        assert_eq!(service.stop(), Some(0));
        verified
    };
    assert_eq!(verified.code, Some(0), "{verified:?}");
    assert!(read_detail(&run(&["admin", "restore", &format_path(&backup)])).contains("not empty"));
    let replaced = run(&["admin", "restore", &format_path(&backup), "--replace"]);
    assert_eq!((replaced.code, &read_report(&replaced)["copied"]), (Some(0), &json!(0)), "{replaced:?}");
}

/// The names in a backup; those with a time have `*` in its place.
fn list_names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .map(|name| match (name.split_once('-'), name.rsplit_once('.')) {
            (Some((kind, _)), Some((_, extension))) => format!("{kind}-*.{extension}"),
            _ => name,
        })
        .collect();
    names.sort();
    names
}

/// An installation with two assets and a job, and a folder for its backup.
async fn fill_installation(pool: PgPool) -> (TestApp, TempDir, Vec<String>) {
    let app = TestApp::open(pool).await;
    let assets = vec![
        app.upload_asset("a.jpg", &draw_jpeg(1)).await.to_string(),
        app.upload_asset("b.jpg", &draw_jpeg(2)).await.to_string(),
    ];
    let job =
        run_export(&app, json!({"assetHandleArray": assets, "fmt": "convert", "is_modifier": "wid=9&fmt=png"})).await;
    assert_eq!(job["outcome"], "succeeded", "{job}");
    (app, tempfile::tempdir().unwrap(), assets)
}

/// Creates an empty database beside that of the test. It is dropped with the server; its URL.
async fn create_database(pool: &PgPool, purpose: &str) -> String {
    let name = format!("{purpose}_{}", uuid::Uuid::now_v7().simple());
    sqlx::query(sqlx::AssertSqlSafe(format!("create database {name}"))).execute(pool).await.unwrap();
    (*pool.connect_options()).clone().database(&name).to_url_lossy().to_string()
}

async fn drop_database(pool: &PgPool, url: &str) {
    let name = url.rsplit('/').next().unwrap().split('?').next().unwrap();
    sqlx::query(sqlx::AssertSqlSafe(format!("drop database {name} with (force)"))).execute(pool).await.unwrap();
}

fn find_blob_file(backup: &Path, bytes: &[u8]) -> PathBuf {
    let name = Digest::compute(bytes).to_string();
    backup.join("blobs").join(&name[..2]).join(&name)
}

#[sqlx::test]
async fn a_damaged_backup_or_a_target_in_use_is_refused_before_anything_is_touched(pool: PgPool) {
    let (app, backup, _) = fill_installation(pool.clone()).await;
    let made = run_offprint(&pool, &app.folder, &["admin", "backup", &format_path(backup.path())]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let (target, url) = (TempDir::new().unwrap(), create_database(&pool, "restored").await);
    let restore = |url: &str, target: &TempDir, more: &[&str]| {
        let variables = [("DATABASE_URL", url.to_owned()), ("OFFPRINT_DATA_DIR", format_path(target.path()))];
        let folder = format_path(backup.path());
        run_offprint_with(&variables, &[&["admin", "restore", &folder], more].concat())
    };
    let count_tables = async || {
        let options: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
        let mut connection = PgConnection::connect_with(&options).await.unwrap();
        let sql = "select count(*) from pg_tables where schemaname = 'public'";
        sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut connection).await.unwrap()
    };
    // One changed bit of a blob, of the dump, of the list.
    let dump = fs::read_dir(backup.path()).unwrap().map(|entry| entry.unwrap().path());
    let dump = dump.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "dump")).unwrap();
    for (file, word) in
        [(find_blob_file(backup.path(), &draw_jpeg(1)), "blobs of the backup are damaged"), (dump, "is damaged")]
    {
        let sound = fs::read(&file).unwrap();
        let mut damaged = sound.clone();
        damaged[sound.len() / 2] ^= 1;
        fs::write(&file, &damaged).unwrap();
        let detail = read_detail(&restore(&url, &TempDir::new().unwrap(), &[]));
        assert!(detail.contains(word), "{detail}");
        assert_eq!(count_tables().await, 0);
        fs::write(&file, &sound).unwrap();
    }
    // The installation itself is not empty.
    assert!(read_detail(&restore(&build_database_url(&pool), &target, &[])).contains("database is not empty"));
    assert!(read_detail(&restore(&url, &app.folder, &[])).contains("storage is not empty"));
    let restored = restore(&url, &target, &[]);
    assert_eq!(restored.code, Some(0), "{restored:?}");
    assert!(fs::read(locate_blob_file(&target, &Digest::compute(&draw_jpeg(2)))).unwrap() == draw_jpeg(2));
    // The same rows: all companies, past row-level security.
    let options: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
    let copy = offprint::db::open_system_pool(options, 1);
    for sql in [
        "select count(*) from asset",
        "select count(*) from export_event",
        "select count(*) from company",
        "select count(*) from blob",
    ] {
        let original: i64 = sqlx::query_scalar(sql).fetch_one(&app.state.system).await.unwrap();
        let restored: i64 = sqlx::query_scalar(sql).fetch_one(&copy).await.unwrap();
        assert!(original == restored && original > 0, "{sql}: {original} {restored}");
    }
    let unprotected: i64 = sqlx::query_scalar(
        "select count(*) from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace
            and relname not in ('blob', 'worker', 'sign_in_attempt', '_sqlx_migrations') and not (relrowsecurity and relforcerowsecurity)",
    )
    .fetch_one(&copy)
    .await
    .unwrap();
    assert_eq!(unprotected, 0, "row-level security is restored, too");
    copy.close();
    drop_database(&pool, &url).await;
}

#[sqlx::test]
async fn what_is_lost_already_is_named_and_the_rest_is_backed_up(pool: PgPool) {
    let (app, backup, assets) = fill_installation(pool.clone()).await;
    let lost = Digest::compute(&draw_jpeg(1));
    fs::write(locate_blob_file(&app.folder, &lost), "damaged").unwrap();
    let made = run_offprint(&pool, &app.folder, &["admin", "backup", &format_path(backup.path())]);
    assert!(read_detail(&made).contains("1 blobs are missing or damaged"), "{made:?}");
    let manifest: Value = serde_json::from_slice(&fs::read(backup.path().join("manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["blobs"]["lost"], json!([lost]), "{manifest}");
    let report = read_report(&made);
    assert_eq!(report["verified"].as_u64().unwrap() + 1, report["blobs"].as_u64().unwrap(), "{report}");
    // It can be restored, without that blob.
    let (target, url) = (TempDir::new().unwrap(), create_database(&pool, "lossy").await);
    let variables = [("DATABASE_URL", url.clone()), ("OFFPRINT_DATA_DIR", format_path(target.path()))];
    let restored = run_offprint_with(&variables, &["admin", "restore", &format_path(backup.path())]);
    assert_eq!((restored.code, &read_report(&restored)["lostBefore"]), (Some(0), &json!([lost])), "{restored:?}");
    drop_database(&pool, &url).await;
    // Another folder is not written into.
    fs::write(app.folder.path().join("holiday.txt"), "").unwrap();
    let refused = run_offprint(&pool, &app.folder, &["admin", "backup", &format_path(app.folder.path())]);
    assert!(read_detail(&refused).contains("and is no backup"), "{refused:?}");
    assert_eq!(assets.len(), 2);
}

#[sqlx::test]
async fn blobs_of_an_object_store_are_copied_or_left_out(pool: PgPool) {
    let s3 = FakeS3::start();
    let app = TestApp::with_s3(pool.clone(), &s3).await;
    app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let mut variables: Vec<(String, String)> = s3.environment();
    variables.push(("OFFPRINT_STORAGE_URL".to_owned(), format!("s3://{BUCKET}/some/prefix")));
    variables.push(("OFFPRINT_DATA_DIR".to_owned(), format_path(app.folder.path())));
    let run = |database: &str, arguments: &[&str]| {
        let mut all: Vec<(&str, String)> = variables.iter().map(|(name, value)| (&**name, value.clone())).collect();
        all.push(("DATABASE_URL", database.to_owned()));
        run_offprint_with(&all, arguments)
    };
    let (with, without) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let own = build_database_url(&pool);
    let made = run(&own, &["admin", "backup", &format_path(with.path())]);
    assert_eq!((made.code, &read_report(&made)["copied"]), (Some(0), &json!(1)), "{made:?}");
    assert!(fs::read(find_blob_file(with.path(), &draw_jpeg(1))).unwrap() == draw_jpeg(1));

    let made = run(&own, &["admin", "backup", &format_path(without.path()), "--without-blobs"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    assert_eq!(list_names(without.path()), ["blobs-*.txt", "database-*.dump", "manifest.json"]);
    let manifest: Value = serde_json::from_slice(&fs::read(without.path().join("manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["blobs"]["included"], false);
    assert!(manifest["blobs"]["note"].as_str().unwrap().contains(&format!("s3://{BUCKET}")), "{manifest}");
    // Where they still are, and where they are not.
    let url = create_database(&pool, "remote").await;
    let restored = run(&url, &["admin", "restore", &format_path(without.path())]);
    assert_eq!(restored.code, Some(0), "{restored:?}");
    app.state.storage.remove(&Digest::compute(&draw_jpeg(1))).await.unwrap();
    let restored = run(&url, &["admin", "restore", &format_path(without.path()), "--replace"]);
    assert!(read_detail(&restored).contains("1 blobs that it names are not in the storage"), "{restored:?}");
    let restored = run(&url, &["admin", "restore", &format_path(with.path()), "--replace"]);
    assert_eq!((restored.code, &read_report(&restored)["copied"]), (Some(0), &json!(1)), "{restored:?}");
    assert_eq!(s3.object_names(), [FakeS3::object_name(&Digest::compute(&draw_jpeg(1)))]);
    drop_database(&pool, &url).await;
}

#[sqlx::test]
async fn no_blob_of_a_backup_is_removed_while_it_is_made(pool: PgPool) {
    let (app, _backup, assets) = fill_installation(pool.clone()).await;
    let blobs = app.count_blobs().await;
    let mut snapshot = BackupSnapshot::open(&app.state.system).await.unwrap();
    // Everything is deleted after the snapshot, and old enough to be removed.
    for asset in &assets {
        app.delete(format!("/assets/{asset}")).await.expect_status(204);
    }
    for job in app.get("/export-jobs").await.expect_status(200)["items"].as_array().unwrap() {
        app.delete(format!("/export-jobs/{}", job["jobHandle"].as_str().unwrap())).await.expect_status(204);
    }
    sqlx::query("delete from rendition").execute(&app.state.system).await.unwrap();
    sweep_expired(&app.state).await.unwrap();
    app.advance_time("2 hours").await;
    enforce_retention(&app.state).await.unwrap();
    sweep_expired(&app.state).await.unwrap();
    enforce_retention(&app.state).await.unwrap();
    assert_eq!(app.count_blobs().await, blobs, "no row is removed");
    for blob in snapshot.list_blobs(None, 100).await.unwrap() {
        assert_eq!(app.state.storage.size(&blob.sha256).await.unwrap(), blob.size as u64);
    }
    // The end of the snapshot does not end the protection; the end of the lock does.
    let lock = snapshot.end_snapshot().await.unwrap();
    enforce_retention(&app.state).await.unwrap();
    assert_eq!(app.count_blobs().await, blobs);
    lock.release().await.unwrap();
    enforce_retention(&app.state).await.unwrap();
    assert_eq!(app.count_blobs().await, 0);
}
