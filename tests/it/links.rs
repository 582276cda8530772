//! Links that work without a key: made, opened, revoked, ended; in mails too.

use actix_web::test::TestRequest;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::guest::{Guest, guarded, send};
use crate::house::{Answer, House};
use crate::witness;

/// A finished job with two files.
async fn job(guest: &Guest<'_>, house: &House) -> String {
    let assets = [guest.asset("a.txt", b"bytes of a").await, guest.asset("b.txt", b"bytes of b").await];
    let job =
        guest.post("/export-jobs", json!({"assetHandleArray": assets, "fmt": "orig", "expiresIn": 3600})).await.is(202);
    offprint::worker::drain(&house.state).await.unwrap();
    format!("/export-jobs/{}", job["jobHandle"].as_str().unwrap())
}

async fn link(guest: &Guest<'_>, job: &str, wish: Value) -> (String, Value) {
    let made = guest.post(&format!("{job}/links"), wish).await.is(201);
    let url = made["url"].as_str().unwrap();
    (url[url.find("/downloads/").unwrap()..].to_owned(), made)
}

/// What somebody without a key gets.
async fn open(house: &House, path: &str) -> Answer {
    send(house, TestRequest::get().uri(path), None).await
}

#[sqlx::test]
async fn a_link_gives_one_file_or_the_archive_without_a_key(pool: PgPool) {
    let house = guarded(pool).await;
    let guest = Guest::of(&house, "one", "ann").await;
    let job = job(&guest, &house).await;
    let (file, made) = link(&guest, &job, json!({"path": "b.txt", "expiresIn": 600})).await;
    assert_eq!((&made["path"], &made["active"], &made["revokedAt"]), (&json!("b.txt"), &json!(true), &Value::Null));
    let got = open(&house, &file).await;
    assert_eq!((got.status.as_u16(), got.body.as_slice()), (200, &b"bytes of b"[..]));
    assert_eq!(got.header("referrer-policy"), "no-referrer");
    assert!(got.header("cache-control").starts_with("private"), "{}", got.header("cache-control"));
    assert_eq!(got.header("x-robots-tag"), "noindex");
    assert!(got.header("content-disposition").starts_with("attachment; filename=\"b.txt\""));
    let part = house.send_as_is(TestRequest::get().uri(&file).insert_header(("range", "bytes=0-4"))).await;
    assert_eq!(
        (part.status.as_u16(), part.body.as_slice(), part.header("content-range")),
        (206, &b"bytes"[..], "bytes 0-4/10")
    );
    let head = house.send_as_is(TestRequest::default().method(actix_web::http::Method::HEAD).uri(&file)).await;
    assert_eq!((head.status.as_u16(), head.body.len(), head.header("content-length")), (200, 0, "10"));

    let (zip, _) = link(&guest, &job, json!({})).await;
    let whole = open(&house, &zip).await;
    assert_eq!(whole.header("content-type"), "application/zip");
    assert_eq!(whole.body, guest.get(&format!("{job}/archive")).await.body);
    assert_eq!(
        guest.post(&format!("{job}/links"), json!({"path": "nothing.txt"})).await.is(422)["errors"][0]["pointer"],
        "/path"
    );

    let token = file.trim_start_matches("/downloads/");
    let log = witness::log();
    assert!(log.contains("GET /downloads/… -> 200") && !log.contains(token), "the log has no token");
    let rows = witness::dump(&mut house.state.system.acquire().await.unwrap()).await;
    assert!(rows.contains("b.txt") && !rows.contains(token), "nor has the database");
}

#[sqlx::test]
async fn a_link_that_was_tampered_with_is_nowhere(pool: PgPool) {
    let house = guarded(pool).await;
    let guest = Guest::of(&house, "one", "ann").await;
    let job = job(&guest, &house).await;
    let (path, _) = link(&guest, &job, json!({})).await;
    let (other, _) = link(&guest, &job, json!({})).await;
    let at = "/downloads/".len();
    // The signature of one link under the claim of another.
    let mixed = format!("{}{}", &path[..at + 49], &other[at + 49..]);
    for forged in [mixed, "/downloads/x".into(), path[..path.len() - 1].to_owned(), format!("{path}A")] {
        let answer = open(&house, &forged).await;
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.is(404)["code"], "not-found", "{forged}");
    }
}

#[sqlx::test]
async fn a_link_ends_when_it_is_revoked_or_its_time_is_over(pool: PgPool) {
    let house = guarded(pool).await;
    let guest = Guest::of(&house, "one", "ann").await;
    let job = job(&guest, &house).await;
    let (revoked, made) = link(&guest, &job, json!({})).await;
    let (brief, _) = link(&guest, &job, json!({"expiresIn": 60})).await;
    let (long, longest) = link(&guest, &job, json!({"expiresIn": 31_536_000})).await;
    let end = guest.get(&job).await.is(200)["expiresAt"].clone();
    assert_eq!(longest["expiresAt"], end, "a link does not outlive the files");
    let address = format!("{job}/links/{}", made["linkHandle"].as_str().unwrap());
    for _ in 0..2 {
        assert_eq!(guest.delete(&address).await.status, 204);
    }
    let gone = open(&house, &revoked).await;
    assert_eq!(gone.header("cache-control"), "private, no-store");
    assert_eq!(gone.is(410)["code"], "link-revoked");
    house.later("2 minutes").await;
    assert_eq!(open(&house, &brief).await.is(410)["code"], "link-expired");
    assert_eq!(open(&house, &long).await.status, 200);

    let first = guest.get(&format!("{job}/links?limit=2")).await.is(200);
    let cursor = first["nextCursor"].as_str().unwrap();
    let rest = guest.get(&format!("{job}/links?limit=2&cursor={cursor}")).await.is(200);
    let all = [first["items"].as_array().unwrap().clone(), rest["items"].as_array().unwrap().clone()].concat();
    let active: Vec<bool> = all.iter().map(|link| link["active"].as_bool().unwrap()).collect();
    assert_eq!(active, [false, false, true]);
    assert!(all.iter().all(|link| link["url"].is_null()), "addresses are shown once");

    guest.delete(&job).await;
    assert_eq!(open(&house, &long).await.is(410)["code"], "link-expired", "hidden with its job");
    offprint::worker::sweep(&house.state).await.unwrap();
    assert_eq!(open(&house, &long).await.is(410)["code"], "link-expired", "and removed with it");
}

#[sqlx::test]
async fn links_are_made_by_those_who_order_about_the_job(pool: PgPool) {
    use offprint::db::capability::Capability::{AssetsWrite, ExportsCreate, ExportsCreateOriginal, ExportsReadAll};
    let house = guarded(pool).await;
    let ann = Guest::with(&house, "one", "ann", &[AssetsWrite, ExportsCreate, ExportsCreateOriginal]).await;
    let bob = Guest::with(&house, "one", "bob", &[ExportsCreate, ExportsReadAll]).await;
    let eve = Guest::of(&house, "two", "eve").await;
    let job = job(&ann, &house).await;
    let (path, made) = link(&ann, &job, json!({})).await;
    let links = format!("{job}/links");
    let one = format!("{links}/{}", made["linkHandle"].as_str().unwrap());
    assert_eq!(bob.post(&links, json!({})).await.is(403)["code"], "operation-forbidden");
    assert_eq!(bob.delete(&one).await.is(403)["code"], "operation-forbidden");
    bob.get(&links).await.is(200);
    eve.post(&links, json!({})).await.is(404);
    eve.get(&links).await.is(404);
    eve.delete(&one).await.is(404);
    assert_eq!(open(&house, &path).await.status, 200);
}

#[sqlx::test]
async fn keys_of_links_rotate(pool: PgPool) {
    let house = guarded(pool.clone()).await;
    let guest = Guest::of(&house, "one", "ann").await;
    let job = job(&guest, &house).await;
    let (old, _) = link(&guest, &job, json!({})).await;
    let rotate = |more: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_offprint"));
        let command = command.args(["admin", "rotate-link-key", "--company", "one"]).args(more);
        let done = command.env("DATABASE_URL", crate::service::url(&pool)).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    };
    assert!(rotate(&[]).starts_with("Key 2 signs"));
    let (new, _) = link(&guest, &job, json!({})).await;
    assert_eq!((open(&house, &old).await.status.as_u16(), open(&house, &new).await.status.as_u16()), (200, 200));
    rotate(&["--end-links"]);
    for path in [old, new] {
        assert_eq!(open(&house, &path).await.is(404)["code"], "not-found");
    }
}

#[sqlx::test]
async fn a_mail_has_a_link_that_works(pool: PgPool) {
    let house = guarded(pool).await;
    let guest = Guest::of(&house, "one", "ann").await;
    let asset = guest.asset("a.txt", b"bytes of a").await;
    let order =
        json!({"assetHandleArray": [asset], "fmt": "orig", "emailSetting": "All", "notifyEmails": ["bob@example.org"]});
    let job = guest.post("/export-jobs", order).await.is(202);
    offprint::worker::drain(&house.state).await.unwrap();
    let mail = std::fs::read_dir(house.folder.path().join("mail")).unwrap().next().unwrap().unwrap();
    // Long lines are broken by a `=` at their ends.
    let text = std::fs::read_to_string(mail.path()).unwrap().replace("=\r\n", "");
    let at = text.find("/downloads/").unwrap();
    let end = text[at..].find(|c: char| c.is_whitespace() || c == '"' || c == '\'').unwrap();
    let got = open(&house, &text[at..at + end]).await;
    assert_eq!((got.status.as_u16(), got.body.as_slice()), (200, &b"bytes of a"[..]), "a single file needs no zip");
    let links = guest.get(&format!("/export-jobs/{}/links", job["jobHandle"].as_str().unwrap())).await.is(200);
    assert_eq!(links["items"].as_array().unwrap().len(), 1, "{links}");
}

#[sqlx::test]
async fn opening_links_is_counted_by_address(pool: PgPool) {
    let mut house = guarded(pool).await;
    let mut settings = (*house.state.settings).clone();
    settings.max_requests = Some(2);
    house.state.settings = settings.into();
    for status in [404, 404, 429] {
        let request = TestRequest::get().uri("/downloads/guess").peer_addr("192.0.2.1:1000".parse().unwrap());
        assert_eq!(house.send_as_is(request).await.status, status);
    }
}
