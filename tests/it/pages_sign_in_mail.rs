//! Signing in by a link in a mail: once, for 15 minutes, in the browser that asked.

use actix_web::test::TestRequest;
use serde_json::json;
use sqlx::PgPool;

use crate::support::browser::{OpenPage, TestBrowser};
use crate::support::event_stream_reader::TEST_TIMEOUT;
use crate::support::mail::parse_mail;
use crate::support::secret_leak_check;
use crate::support::test_app::TestApp;
use crate::support::test_user::{TestUser, open_guarded_app, send_with_authorization};

/// A user with a mail address and a key.
async fn create_ann(app: &TestApp) -> TestUser<'_> {
    let admin = TestUser::new(app, "one", "admin").await;
    let body = json!({"name": "of ann", "user": "ann", "email": "Ann <ann@example.org>", "locale": "nl"});
    admin.post("/api-keys", body).await.expect_status(201);
    admin
}

/// Asks for a mail; the page that says so.
async fn ask_for_mail(browser: &TestBrowser<'_>, address: &str) -> OpenPage {
    let page = browser.open("/sign-in?next=/info").await;
    let answer = browser.submit(&page, "/sign-in/mail", &[("email", address)]).await;
    answer.assert_sound();
    answer
}

/// The links in the mails that are due, which are sent and removed.
async fn take_links(app: &TestApp) -> Vec<String> {
    offprint::worker::drain_work(&app.state).await.unwrap();
    let mut links = Vec::new();
    for file in std::fs::read_dir(app.folder.path().join("mail")).into_iter().flatten() {
        let path = file.unwrap().path();
        let mail = parse_mail(&std::fs::read_to_string(&path).unwrap(), "");
        assert_eq!(mail.header("To"), "Ann <ann@example.org>");
        assert_eq!(mail.header("Subject"), "Inloggen bij Offprint", "in the user's language");
        let at = mail.text.find("/sign-in/mail/").unwrap();
        let link = mail.text[at..].split_whitespace().next().unwrap().to_owned();
        assert!(mail.html.contains(&format!("{link}\"")), "{}", mail.html);
        links.push(link);
        std::fs::remove_file(path).unwrap();
    }
    links
}

#[sqlx::test]
async fn a_link_in_a_mail_signs_in_once_in_the_browser_that_asked(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let admin = create_ann(&app).await;
    let (browser, other) = (TestBrowser::new(&app), TestBrowser::new(&app));
    let answer = ask_for_mail(&browser, "ANN@example.org").await;
    assert_eq!((answer.status(), answer.element("h1").as_str()), (200, "Look into your mail"));
    let links = take_links(&app).await;
    let [link] = links.as_slice() else { panic!("{links:?}") };
    // Another browser, without a cookie and with one of its own.
    for _ in 0..2 {
        let page = other.open(link).await;
        page.assert_sound();
        assert_eq!((page.status(), page.element("h1").as_str()), (403, "Another browser asked for this link"));
        other.open("/sign-in").await;
    }
    let mut fields = other.open("/sign-in").await.find_form("/sign-in/key");
    fields.retain(|(name, _)| name == "csrf");
    assert_eq!(other.post_form(link, &fields).await.status(), 403);
    // Opening it does not use it up: programs look at the links in mails.
    for _ in 0..2 {
        let page = browser.open(link).await;
        page.assert_sound();
        assert!(page.text().contains("You are about to sign in as ann of one."), "{}", page.text());
    }
    let page = browser.open(link).await;
    let done = browser.submit(&page, link, &[]).await;
    assert_eq!((done.status(), done.path.as_str()), (200, "/info"), "where it was asked for");
    assert!(browser.open("/").await.text().contains("ann Sign out"));
    // Once.
    for browser in [&browser, &other] {
        let again = browser.open(link).await;
        assert_eq!((again.status(), again.element("h1").as_str()), (410, "This link was used"));
    }
    let again = browser.post_form(link, &page.find_form(link)).await;
    assert_eq!(again.status(), 403, "the browser's token ended with signing in");

    let lines = admin.get("/audit-log?limit=100").await.expect_status(200);
    let signed_in = lines["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|line| line["operation"] == "POST /sign-in/mail/{token}" && line["outcome"] == "done");
    assert_eq!(signed_in.unwrap()["user"], "ann", "{lines}");
    let token = link.rsplit('/').next().unwrap();
    let rows = secret_leak_check::dump_tables(&mut app.state.system.acquire().await.unwrap()).await;
    assert!(!rows.contains(token) && !secret_leak_check::read_log().contains(token));
}

#[sqlx::test]
async fn a_link_ends_after_fifteen_minutes_and_with_the_users_keys(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let admin = create_ann(&app).await;
    let browser = TestBrowser::new(&app);
    ask_for_mail(&browser, "ann@example.org").await;
    let link = take_links(&app).await.remove(0);
    let page = browser.open(&link).await;
    app.advance_time("15 minutes").await;
    for answer in [browser.open(&link).await, browser.submit(&page, &link, &[]).await] {
        answer.assert_sound();
        assert_eq!((answer.status(), answer.element("h1").as_str()), (410, "This link has expired"));
    }
    ask_for_mail(&browser, "ann@example.org").await;
    let link = take_links(&app).await.remove(0);
    let page = browser.open(&link).await;
    assert_eq!(browser.submit(&page, &link, &[]).await.status(), 200);
    assert_eq!(browser.open("/assets").await.status(), 200);
    // The session has the rights of the user's keys, and none without any.
    let keys = admin.get("/api-keys").await.expect_status(200);
    let key = keys["items"].as_array().unwrap().iter().find(|key| key["user"]["name"] == "ann").unwrap();
    admin.delete(&format!("/api-keys/{}", key["keyHandle"].as_str().unwrap())).await.expect_status(204);
    assert_eq!(browser.open("/assets").await.status(), 401);
    let later = TestBrowser::new(&app);
    ask_for_mail(&later, "ann@example.org").await;
    assert!(take_links(&app).await.is_empty(), "an account without rights gets no mail");
}

#[sqlx::test]
async fn a_stream_of_a_session_by_mail_ends_with_the_users_last_key(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| {
        settings.auth = offprint::settings::AuthMode::Keys;
        settings.stream_heartbeat = std::time::Duration::from_millis(20);
    })
    .await;
    let admin = TestUser::new(&app, "one", "admin").await;
    let body = json!({"name": "of ann", "user": "ann", "email": "Ann <ann@example.org>", "locale": "nl"});
    let key = admin.post("/api-keys", body).await.expect_status(201);
    let authorization = format!("Bearer {}", key["key"].as_str().unwrap());
    let asset = admin.upload_asset("a.txt", b"bytes").await;
    let browser = TestBrowser::new(&app);
    ask_for_mail(&browser, "ann@example.org").await;
    let link = take_links(&app).await.remove(0);
    let page = browser.open(&link).await;
    browser.submit(&page, &link, &[]).await;
    let form = json!({"assetHandleArray": [asset], "fmt": "orig", "execTime": "2099-01-01T00:00:00Z"});
    let request = TestRequest::post().uri("/export-jobs").set_json(form);
    let job = send_with_authorization(&app, request, Some(&authorization)).await.expect_status(202);
    let job = job["jobHandle"].as_str().unwrap();
    let cookie = format!("offprint_session={}", browser.cookies.borrow()["offprint_session"]);
    let request = TestRequest::get().uri(&format!("/export-jobs/{job}/events")).insert_header(("cookie", cookie));
    let request = request.insert_header(("accept", "text/event-stream")).insert_header(("host", "localhost"));
    let service = actix_web::test::init_service(offprint::http::build_app(app.state.clone())).await;
    let answer = actix_web::dev::Service::call(&service, request.to_request()).await.unwrap().map_into_boxed_body();
    assert_eq!(answer.status(), 200);
    let revoke_uri = format!("/api-keys/{}", key["keyHandle"].as_str().unwrap());
    let revoke = admin.send(TestRequest::delete().uri(&revoke_uri));
    let read_all = tokio::time::timeout(TEST_TIMEOUT, actix_web::body::to_bytes(answer.into_body()));
    let (text, revoked) = tokio::join!(read_all, revoke);
    assert_eq!(revoked.status, 204);
    let text = text.expect("the stream ends").unwrap_or_default();
    assert!(text.starts_with(b"retry: "), "{text:?}");
}

#[sqlx::test]
async fn the_answer_does_not_say_whether_an_address_is_known(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    create_ann(&app).await;
    let mut pages = Vec::new();
    for address in ["ann@example.org", "nobody@example.org", "no address", "%@example.org", "nn@example.org"] {
        let page = ask_for_mail(&TestBrowser::new(&app), address).await;
        pages.push((page.status(), page.html));
    }
    pages.dedup();
    assert_eq!(pages.len(), 1);
    assert_eq!(take_links(&app).await.len(), 1);
}

#[sqlx::test]
async fn nobody_is_flooded_with_mails(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    create_ann(&app).await;
    let mut statuses = Vec::new();
    for _ in 0..25 {
        let browser = TestBrowser::new(&app);
        statuses.push(ask_for_mail(&browser, "ann@example.org").await.status());
    }
    assert!(statuses[..10].iter().all(|status| *status == 200) && statuses.contains(&429), "{statuses:?}");
    assert_eq!(take_links(&app).await.len(), 3, "the links that may be open at a time");
}

#[sqlx::test]
async fn a_forged_link_is_not_known(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let admin = create_ann(&app).await;
    let asset = admin.upload_asset("a.txt", b"bytes").await;
    let job = admin.post("/export-jobs", json!({"assetHandleArray": [asset], "fmt": "orig"})).await.expect_status(202);
    let links = format!("/export-jobs/{}/links", job["jobHandle"].as_str().unwrap());
    let url = admin.post(&links, json!({})).await.expect_status(201)["url"].as_str().unwrap().to_owned();
    let download = url.rsplit('/').next().unwrap();
    let browser = TestBrowser::new(&app);
    ask_for_mail(&browser, "ann@example.org").await;
    offprint::worker::drain_work(&app.state).await.unwrap();
    let link = take_links(&app).await.remove(0);
    let sign_in = link.rsplit('/').next().unwrap();
    // A token of one kind is none of the other, also with the other's first byte.
    let other_end = if sign_in.ends_with('A') { 'Q' } else { 'A' };
    let forged = format!("{}{other_end}", &sign_in[..sign_in.len() - 1]);
    for token in ["x", download, &format!("Ag{}", &download[2..]), &forged] {
        let page = browser.open(&format!("/sign-in/mail/{token}")).await;
        page.assert_sound();
        assert_eq!((page.status(), page.element("h1").as_str()), (404, "This link is not known"), "{token}");
    }
    for token in [sign_in, &format!("AQ{}", &sign_in[2..])] {
        assert_eq!(app.get(format!("/downloads/{token}")).await.expect_status(404)["code"], "not-found");
    }
}
