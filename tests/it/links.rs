//! Shared links, which work without a key: creation, opening, expiry, revocation, and links in mails.

use actix_web::test::TestRequest;
use offprint::db::api_key::RawKey;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::secret_leak_check;
use crate::support::service_process::run_offprint;
use crate::support::test_app::{TestApp, TestResponse};
use crate::support::test_user::{TestUser, open_guarded_app, send_with_authorization};

/// A finished job with two files.
async fn create_finished_job(user: &TestUser<'_>, app: &TestApp) -> String {
    let assets = [user.upload_asset("a.txt", b"bytes of a").await, user.upload_asset("b.txt", b"bytes of b").await];
    let job = user
        .post("/export-jobs", json!({"assetHandleArray": assets, "fmt": "orig", "expiresIn": 3600}))
        .await
        .expect_status(202);
    offprint::worker::drain_work(&app.state).await.unwrap();
    format!("/export-jobs/{}", job["jobHandle"].as_str().unwrap())
}

async fn create_link(user: &TestUser<'_>, job: &str, body: Value) -> (String, Value) {
    let link = user.post(&format!("{job}/links"), body).await.expect_status(201);
    let url = link["url"].as_str().unwrap();
    (url[url.find("/downloads/").unwrap()..].to_owned(), link)
}

/// Opens a link without a key.
async fn open_link(app: &TestApp, path: &str) -> TestResponse {
    send_with_authorization(app, TestRequest::get().uri(path), None).await
}

#[sqlx::test]
async fn a_link_gives_one_file_or_the_archive_without_a_key(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let user = TestUser::new(&app, "one", "ann").await;
    let job = create_finished_job(&user, &app).await;
    let (file, link) = create_link(&user, &job, json!({"path": "b.txt", "expiresIn": 600})).await;
    assert_eq!((&link["path"], &link["active"], &link["revokedAt"]), (&json!("b.txt"), &json!(true), &Value::Null));
    let got = open_link(&app, &file).await;
    assert_eq!((got.status.as_u16(), got.body.as_slice()), (200, &b"bytes of b"[..]));
    assert_eq!(got.header("referrer-policy"), "no-referrer");
    assert!(got.header("cache-control").starts_with("private"), "{}", got.header("cache-control"));
    assert_eq!(got.header("x-robots-tag"), "noindex");
    assert!(got.header("content-disposition").starts_with("attachment; filename=\"b.txt\""));
    let part = app.send_as_is(TestRequest::get().uri(&file).insert_header(("range", "bytes=0-4"))).await;
    assert_eq!(
        (part.status.as_u16(), part.body.as_slice(), part.header("content-range")),
        (206, &b"bytes"[..], "bytes 0-4/10")
    );
    let head = app.send_as_is(TestRequest::default().method(actix_web::http::Method::HEAD).uri(&file)).await;
    assert_eq!((head.status.as_u16(), head.body.len(), head.header("content-length")), (200, 0, "10"));

    let (zip, _) = create_link(&user, &job, json!({})).await;
    let whole = open_link(&app, &zip).await;
    assert_eq!(whole.header("content-type"), "application/zip");
    assert_eq!(whole.body, user.get(&format!("{job}/archive")).await.body);
    assert_eq!(
        user.post(&format!("{job}/links"), json!({"path": "nothing.txt"})).await.expect_status(422)["errors"][0]["pointer"],
        "/path"
    );

    let token = file.trim_start_matches("/downloads/");
    let log = secret_leak_check::read_log();
    assert!(log.contains("GET /downloads/… -> 200") && !log.contains(token), "the log has no token");
    let rows = secret_leak_check::dump_tables(&mut app.state.system.acquire().await.unwrap()).await;
    assert!(rows.contains("b.txt") && !rows.contains(token), "the database has no token");
}

#[sqlx::test]
async fn a_link_that_was_tampered_with_is_nowhere(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let user = TestUser::new(&app, "one", "ann").await;
    let job = create_finished_job(&user, &app).await;
    let (path, _) = create_link(&user, &job, json!({})).await;
    let (other, _) = create_link(&user, &job, json!({})).await;
    let at = "/downloads/".len();
    // The signature of one link with the payload of another.
    let mixed = format!("{}{}", &path[..at + 49], &other[at + 49..]);
    for forged in [mixed, "/downloads/x".into(), path[..path.len() - 1].to_owned(), format!("{path}A")] {
        let answer = open_link(&app, &forged).await;
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.expect_status(404)["code"], "not-found", "{forged}");
    }
}

#[sqlx::test]
async fn a_link_ends_when_it_is_revoked_or_its_time_is_over(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let user = TestUser::new(&app, "one", "ann").await;
    let job = create_finished_job(&user, &app).await;
    let (revoked, created) = create_link(&user, &job, json!({})).await;
    let (brief, _) = create_link(&user, &job, json!({"expiresIn": 60})).await;
    let (long, longest) = create_link(&user, &job, json!({"expiresIn": 31_536_000})).await;
    let end = user.get(&job).await.expect_status(200)["expiresAt"].clone();
    assert_eq!(longest["expiresAt"], end, "a link does not outlive the files");
    let address = format!("{job}/links/{}", created["linkHandle"].as_str().unwrap());
    for _ in 0..2 {
        assert_eq!(user.delete(&address).await.status, 204);
    }
    let gone = open_link(&app, &revoked).await;
    assert_eq!(gone.header("cache-control"), "private, no-store");
    assert_eq!(gone.expect_status(410)["code"], "link-revoked");
    app.advance_time("2 minutes").await;
    assert_eq!(open_link(&app, &brief).await.expect_status(410)["code"], "link-expired");
    assert_eq!(open_link(&app, &long).await.status, 200);

    let first = user.get(&format!("{job}/links?limit=2")).await.expect_status(200);
    let cursor = first["nextCursor"].as_str().unwrap();
    let rest = user.get(&format!("{job}/links?limit=2&cursor={cursor}")).await.expect_status(200);
    let all = [first["items"].as_array().unwrap().clone(), rest["items"].as_array().unwrap().clone()].concat();
    let active: Vec<bool> = all.iter().map(|link| link["active"].as_bool().unwrap()).collect();
    assert_eq!(active, [false, false, true]);
    assert!(all.iter().all(|link| link["url"].is_null()), "a link's URL is shown only once");

    user.delete(&job).await;
    assert_eq!(open_link(&app, &long).await.expect_status(410)["code"], "link-expired", "hidden with its job");
    offprint::worker::sweep_expired(&app.state).await.unwrap();
    assert_eq!(open_link(&app, &long).await.expect_status(410)["code"], "link-expired", "and removed with it");
}

#[sqlx::test]
async fn links_are_made_by_those_who_manage_the_job(pool: PgPool) {
    use offprint::db::capability::Capability::{AssetsWrite, ExportsCreate, ExportsCreateOriginal, ExportsReadAll};
    let app = open_guarded_app(pool).await;
    let ann =
        TestUser::with_capabilities(&app, "one", "ann", &[AssetsWrite, ExportsCreate, ExportsCreateOriginal]).await;
    let bob = TestUser::with_capabilities(&app, "one", "bob", &[ExportsCreate, ExportsReadAll]).await;
    let eve = TestUser::new(&app, "two", "eve").await;
    let job = create_finished_job(&ann, &app).await;
    let (path, link) = create_link(&ann, &job, json!({})).await;
    let links = format!("{job}/links");
    let link_path = format!("{links}/{}", link["linkHandle"].as_str().unwrap());
    assert_eq!(bob.post(&links, json!({})).await.expect_status(403)["code"], "operation-forbidden");
    assert_eq!(bob.delete(&link_path).await.expect_status(403)["code"], "operation-forbidden");
    bob.get(&links).await.expect_status(200);
    eve.post(&links, json!({})).await.expect_status(404);
    eve.get(&links).await.expect_status(404);
    eve.delete(&link_path).await.expect_status(404);
    assert_eq!(open_link(&app, &path).await.status, 200);
}

#[sqlx::test]
async fn keys_of_links_rotate(pool: PgPool) {
    let app = open_guarded_app(pool.clone()).await;
    let user = TestUser::new(&app, "one", "ann").await;
    let job = create_finished_job(&user, &app).await;
    let (old, _) = create_link(&user, &job, json!({})).await;
    let rotate = |more: &[&str]| {
        let arguments = [&["admin", "rotate-link-key", "--company", "one"][..], more].concat();
        let output = run_offprint(&pool, &app.folder, &arguments);
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        output.stdout
    };
    assert!(rotate(&[]).starts_with("Key 2 signs"));
    let (new, _) = create_link(&user, &job, json!({})).await;
    assert_eq!((open_link(&app, &old).await.status.as_u16(), open_link(&app, &new).await.status.as_u16()), (200, 200));
    rotate(&["--end-links"]);
    for path in [old, new] {
        assert_eq!(open_link(&app, &path).await.expect_status(404)["code"], "not-found");
    }
}

#[sqlx::test]
async fn a_mail_has_a_link_that_works(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let user = TestUser::new(&app, "one", "ann").await;
    let asset = user.upload_asset("a.txt", b"bytes of a").await;
    let request =
        json!({"assetHandleArray": [asset], "fmt": "orig", "emailSetting": "All", "notifyEmails": ["bob@example.org"]});
    let job = user.post("/export-jobs", request).await.expect_status(202);
    offprint::worker::drain_work(&app.state).await.unwrap();
    let mail = std::fs::read_dir(app.folder.path().join("mail")).unwrap().next().unwrap().unwrap();
    // Quoted-printable breaks long lines with a `=` at the end.
    let text = std::fs::read_to_string(mail.path()).unwrap().replace("=\r\n", "");
    let at = text.find("/downloads/").unwrap();
    let end = text[at..].find(|c: char| c.is_whitespace() || c == '"' || c == '\'').unwrap();
    let got = open_link(&app, &text[at..at + end]).await;
    assert_eq!(
        (got.status.as_u16(), got.body.as_slice()),
        (200, &b"bytes of a"[..]),
        "a job with a single file links to the file"
    );
    let links =
        user.get(&format!("/export-jobs/{}/links", job["jobHandle"].as_str().unwrap())).await.expect_status(200);
    assert_eq!(links["items"].as_array().unwrap().len(), 1, "{links}");
}

#[sqlx::test]
async fn opening_links_is_counted_by_address(pool: PgPool) {
    let mut app = open_guarded_app(pool).await;
    let mut settings = (*app.state.settings).clone();
    settings.max_requests = Some(2);
    app.state.settings = settings.into();
    for status in [404, 404, 429] {
        let request = TestRequest::get().uri("/downloads/guess").peer_addr("192.0.2.1:1000".parse().unwrap());
        assert_eq!(app.send_as_is(request).await.status, status);
    }
}

#[sqlx::test]
async fn links_end_with_the_key_that_created_them(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let boss = TestUser::new(&app, "one", "boss").await;
    for (query, status) in [("", 410), ("?keepLinks=false", 410), ("?keepLinks=true", 200)] {
        let ann = TestUser::new(&app, "one", "ann").await;
        let job = create_finished_job(&ann, &app).await;
        let (of_ann, _) = create_link(&ann, &job, json!({"path": "a.txt"})).await;
        let (of_boss, _) = create_link(&boss, &job, json!({"path": "a.txt"})).await;
        let key = ann.key.parse::<RawKey>().unwrap().id;
        boss.delete(&format!("/api-keys/{key}{query}")).await.expect_status(204);
        assert_eq!(open_link(&app, &of_ann).await.status, status, "{query}");
        assert_eq!(open_link(&app, &of_boss).await.status, 200, "{query}");
    }
}
