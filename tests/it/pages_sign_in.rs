//! Signing in by API key, sessions, and what protects them: fixation, forged requests, framing, caches.

use actix_web::http::Method;
use actix_web::test::TestRequest;
use offprint::db::api_key::RawKey;
use offprint::db::capability::Capability;
use offprint::http::operations::{BodyRule, OPERATIONS, OperationSpec};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::browser::{OpenPage, PAGE_ACCEPT, TestBrowser};
use crate::support::event_stream_reader::TEST_TIMEOUT;
use crate::support::operations::{OperationFixtures, list_operations};
use crate::support::test_app::{TestApp, TestResponse};
use crate::support::test_user::{TestUser, open_guarded_app};

/// Signs a browser in by a key; the page that it comes to.
pub async fn sign_in_by_key(browser: &TestBrowser<'_>, key: &str) -> OpenPage {
    let page = browser.open("/sign-in").await;
    page.assert_sound();
    browser.submit(&page, "/sign-in/key", &[("key", key)]).await
}

/// The CSRF token that scripts of our pages read.
fn get_csrf_token(browser: &TestBrowser<'_>) -> String {
    browser.cookies.borrow()["offprint_csrf"].clone()
}

/// Sends a request as a script of our own pages does.
async fn send_as_script(browser: &TestBrowser<'_>, request: TestRequest) -> TestResponse {
    let token = get_csrf_token(browser);
    browser.send(request.insert_header(("x-csrf-token", token)).insert_header(("origin", "http://localhost"))).await
}

fn list_cookie_lines(response: &TestResponse) -> Vec<String> {
    response.headers.get_all("set-cookie").map(|line| line.to_str().unwrap().to_owned()).collect()
}

#[sqlx::test]
async fn a_key_signs_in_and_the_browser_acts_for_it_until_it_signs_out(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let ann = TestUser::new(&app, "one", "ann").await;
    let browser = TestBrowser::new(&app);
    // Where somebody was refused is where signing in leads.
    let refused = browser.open("/export-jobs?limit=5").await;
    assert_eq!((refused.status(), refused.element("h1").as_str()), (401, "Please sign in"));
    let sign_in = refused.attributes("href").into_iter().find(|address| address.starts_with("/sign-in")).unwrap();
    let form = browser.open(&sign_in).await;
    form.assert_sound();
    let wrong = browser.submit(&form, "/sign-in/key", &[("key", "op_nothing")]).await;
    wrong.assert_sound();
    assert_eq!(wrong.status(), 401);
    assert!(wrong.text().contains("This key is not known.") && !wrong.html.contains("op_nothing"), "{}", wrong.html);
    assert!(!browser.cookies.borrow().contains_key("offprint_session"));
    let page = browser.submit(&wrong, "/sign-in/key", &[("key", &format!(" {} ", ann.key))]).await;
    assert_eq!((page.status(), page.path.as_str()), (200, "/export-jobs?limit=5"));
    let start = browser.open("/").await;
    start.assert_sound();
    assert!(start.text().contains("ann Sign out"), "{}", start.text());
    assert_eq!(browser.open("/sign-in").await.path, "/", "nothing to do there");
    // As this user: what it creates is the user's, in the log as well.
    let preset = TestRequest::put().uri("/image-presets/mine").set_json(json!({"urlModifier": "wid=10"}));
    send_as_script(&browser, preset).await.expect_success();
    let lines = ann.get("/audit-log?limit=100").await.expect_status(200);
    let of = |operation: &str| {
        let items = lines["items"].as_array().unwrap();
        items
            .iter()
            .find(|line| line["operation"] == operation)
            .unwrap_or_else(|| panic!("{operation}: {lines}"))
            .clone()
    };
    for operation in ["POST /sign-in/key", "PUT /image-presets/{name}"] {
        assert_eq!((&of(operation)["outcome"], &of(operation)["user"]), (&json!("done"), &json!("ann")), "{lines}");
    }
    let out = browser.submit(&start, "/sign-out", &[]).await;
    assert_eq!((out.status(), out.path.as_str()), (200, "/"));
    assert!(!out.text().contains("Sign out"), "{}", out.text());
    assert!(
        !browser.cookies.borrow().keys().any(|name| ["offprint_session", "offprint_csrf"].contains(&name.as_str()))
    );
    assert_eq!(browser.open("/export-jobs").await.status(), 401);
}

#[sqlx::test]
async fn a_session_ends_with_its_key_its_time_and_by_signing_out(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let ann = TestUser::new(&app, "one", "ann").await;
    let is_in = async |browser: &TestBrowser<'_>| browser.open("/export-jobs").await.status() == 200;
    let key = ann.create_key(&Capability::ALL).await;
    let (by_key, by_time, by_hand) = (TestBrowser::new(&app), TestBrowser::new(&app), TestBrowser::new(&app));
    for (browser, key) in [(&by_key, &key), (&by_time, &ann.key), (&by_hand, &ann.key)] {
        assert_eq!(sign_in_by_key(browser, key).await.status(), 200);
        assert!(is_in(browser).await);
    }
    let id = key.parse::<RawKey>().unwrap().id;
    ann.delete(&format!("/api-keys/{id}")).await.expect_status(204);
    assert!(!is_in(&by_key).await && is_in(&by_time).await && is_in(&by_hand).await);
    // A copy of the cookie ends with it.
    let copy = TestBrowser::new(&app);
    copy.cookies.borrow_mut().clone_from(&by_hand.cookies.borrow());
    assert!(is_in(&copy).await);
    let page = by_hand.open("/").await;
    by_hand.submit(&page, "/sign-out", &[]).await;
    assert!(!is_in(&copy).await && is_in(&by_time).await);
    app.advance_time("7 hours 59 minutes").await;
    assert!(is_in(&by_time).await);
    app.advance_time("1 minute").await;
    assert!(!is_in(&by_time).await);
    offprint::worker::sweep_expired(&app.state).await.unwrap();
    let left: i64 = sqlx::query_scalar("select count(*) from browser_session where expires_at <= now()")
        .fetch_one(&app.state.system)
        .await
        .unwrap();
    assert_eq!(left, 0);
}

#[sqlx::test]
async fn the_operators_key_signs_in_until_it_is_another(pool: PgPool) {
    let open = |key: &'static str| {
        TestApp::with_settings(pool.clone(), move |settings| settings.api_key = Some(key.to_owned()))
    };
    let app = open("sixteen-characters-and-more").await;
    let browser = TestBrowser::new(&app);
    let page = sign_in_by_key(&browser, "sixteen-characters-and-more").await;
    assert!(page.text().contains("Operator Sign out"), "{}", page.text());
    assert_eq!(browser.open("/api-keys").await.status(), 200);
    let app = open("another-sixteen-characters").await;
    let later = TestBrowser::new(&app);
    later.cookies.borrow_mut().clone_from(&browser.cookies.borrow());
    assert_eq!(later.open("/api-keys").await.status(), 401);
}

#[sqlx::test]
async fn a_session_cannot_be_fixed_and_its_cookies_are_closed(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| {
        settings.auth = offprint::settings::AuthMode::Keys;
        settings.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
    })
    .await;
    let (ann, eve) = (TestUser::new(&app, "one", "ann").await, TestUser::new(&app, "two", "eve").await);
    // Eve gives ann's browser her own session before ann signs in.
    let (of_eve, of_ann) = (TestBrowser::new(&app), TestBrowser::new(&app));
    sign_in_by_key(&of_eve, &eve.key).await;
    let form = of_ann.open("/sign-in").await;
    let planted = of_eve.cookies.borrow()["offprint_session"].clone();
    of_ann.cookies.borrow_mut().insert("offprint_session".into(), planted.clone());
    let page = of_ann.submit(&form, "/sign-in/key", &[("key", &ann.key)]).await;
    assert!(page.text().contains("ann Sign out"), "{}", page.text());
    assert_ne!(of_ann.cookies.borrow()["offprint_session"], planted, "a new session");
    assert_eq!(of_eve.open("/export-jobs").await.status(), 401, "the planted one has ended");

    let sign_in = async |headers: &[(&'static str, &str)]| {
        let browser = TestBrowser {
            headers: headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
            ..TestBrowser::new(&app)
        };
        let form = browser.open("/sign-in").await;
        let mut fields = form.find_form(&form.attributes("action")[1]);
        fields.push(("key".into(), ann.key.clone()));
        let request = TestRequest::post().uri("/sign-in/key").set_form(fields).peer_addr("10.0.0.1:1".parse().unwrap());
        list_cookie_lines(&browser.send(request).await)
    };
    let find = |lines: &[String], name: &str| {
        lines.iter().find(|line| line.starts_with(&format!("{name}="))).unwrap_or_else(|| panic!("{lines:?}")).clone()
    };
    let plain = sign_in(&[]).await;
    let session = find(&plain, "offprint_session");
    assert!(session.ends_with("; Path=/; Max-Age=28800; SameSite=Lax; HttpOnly"), "{session}");
    let token = find(&plain, "offprint_csrf");
    assert!(token.ends_with("; Path=/; Max-Age=28800; SameSite=Lax"), "scripts read it: {token}");
    let behind_tls = sign_in(&[("x-forwarded-proto", "https"), ("x-forwarded-prefix", "/offprint")]).await;
    for line in &behind_tls {
        assert!(line.ends_with("; Secure") && line.contains("; Path=/offprint/;"), "{line}");
    }
}

#[sqlx::test]
async fn writes_with_a_cookie_need_the_token_and_our_own_page(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let ann = TestUser::new(&app, "one", "ann").await;
    let browser = TestBrowser::new(&app);
    sign_in_by_key(&browser, &ann.key).await;
    let objects = OperationFixtures::create(&ann).await;
    let token = get_csrf_token(&browser);
    let code = |answer: TestResponse| {
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        (answer.status.as_u16(), body["code"].as_str().unwrap_or_default().to_owned())
    };
    let refused = (403, "foreign-origin".to_owned());
    let writes: Vec<_> = list_operations()
        .into_iter()
        .filter(|operation| {
            !matches!(operation.method.as_str(), "GET" | "HEAD" | "OPTIONS") && !operation.needs.is_empty()
        })
        .collect();
    assert!(writes.len() >= 25, "{}", writes.len());
    for operation in &writes {
        let request = || operation.request(&objects);
        let own = ("origin", "http://localhost");
        for (case, request) in [
            ("no token", request().insert_header(own)),
            ("a wrong token", request().insert_header(own).insert_header(("x-csrf-token", "0".repeat(64)))),
            ("no value", request().insert_header(own).insert_header(("x-csrf-token", ""))),
            (
                "another site",
                request()
                    .insert_header(("origin", "https://evil.example"))
                    .insert_header(("x-csrf-token", token.as_str())),
            ),
            ("no site", request().insert_header(("origin", "null")).insert_header(("x-csrf-token", token.as_str()))),
            (
                "a site beside",
                request()
                    .insert_header(("sec-fetch-site", "same-site"))
                    .insert_header(("x-csrf-token", token.as_str())),
            ),
        ] {
            assert_eq!(code(browser.send(request).await), refused, "{} with {case}", operation.name());
        }
        if operation.is_form() {
            continue;
        }
        let (status, code) = code(send_as_script(&browser, request()).await);
        assert!(code != "foreign-origin" && status != 401, "{}: {status} {code}", operation.name());
    }
    // An API key needs neither, also beside a cookie.
    let request = TestRequest::put().uri("/image-presets/mine").set_json(json!({"urlModifier": "wid=10"}));
    let with_key = request.insert_header(("authorization", format!("Bearer {}", ann.key)));
    browser.send(with_key).await.expect_success();
}

#[sqlx::test]
async fn forms_are_taken_from_our_pages_only(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let ann = TestUser::new(&app, "one", "ann").await;
    let browser = TestBrowser::new(&app);
    let page = browser.open("/sign-in").await;
    let fields = |csrf: &str| {
        [("csrf", csrf), ("key", &ann.key), ("email", "x@example.org")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    let csrf = page.find_form("/sign-in/key")[0].1.clone();
    let is_ours = |row: &&OperationSpec| row.body == BodyRule::PageForm && row.access.is_public();
    let forms: Vec<&str> = OPERATIONS.iter().filter(is_ours).map(|row| row.path).collect();
    assert_eq!(forms.len(), 4);
    let other = TestBrowser::new(&app);
    let csrf_of_other = other.open("/sign-in").await.find_form("/sign-in/key")[0].1.clone();
    for path in forms.iter().map(|path| path.replace("{token}", "x")) {
        for wrong in ["", "0", &csrf_of_other] {
            let answer = browser.post_form(&path, &fields(wrong)).await;
            answer.assert_sound();
            assert_eq!((answer.status(), answer.element("h1").as_str()), (403, "Please load the page again"), "{path}");
        }
        for (name, value) in [("origin", "https://evil.example"), ("origin", "null"), ("sec-fetch-site", "cross-site")]
        {
            let request = TestRequest::post().uri(&path).set_form(fields(&csrf)).insert_header((name, value));
            assert_eq!(browser.send(request).await.status, 403, "{path} {value}");
        }
        let json = TestRequest::post().uri(&path).set_json(json!({"csrf": csrf, "key": ann.key}));
        assert_eq!(browser.send(json).await.status, 415, "{path}");
        let long = TestRequest::post().uri(&path).set_form([("csrf", csrf.as_str()), ("key", &"x".repeat(9000))]);
        assert_eq!(browser.send(long).await.status, 413, "{path}");
        assert_eq!(browser.send(TestRequest::get().uri(&path)).await.status == 405, !path.ends_with("/x"), "{path}");
    }
    assert!(!browser.cookies.borrow().contains_key("offprint_session"));
    assert_eq!(browser.submit(&page, "/sign-in/key", &[("key", &ann.key)]).await.status(), 200);
}

#[sqlx::test]
async fn after_signing_in_nobody_is_led_elsewhere(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let ann = TestUser::new(&app, "one", "ann").await;
    for (next, path) in [
        ("/info", "/info"),
        ("//evil.example", "/"),
        ("https://evil.example", "/"),
        ("/\\evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/a\r\nset-cookie: x=y", "/"),
        ("", "/"),
    ] {
        let browser = TestBrowser::new(&app);
        let page = browser.open("/sign-in").await;
        let mut fields = page.find_form("/sign-in/key");
        fields.retain(|(name, _)| name != "next");
        fields.extend([("key".to_owned(), ann.key.clone()), ("next".to_owned(), next.to_owned())]);
        assert_eq!(browser.post_form("/sign-in/key", &fields).await.path, path, "{next}");
    }
}

#[sqlx::test]
async fn attempts_are_limited_by_address(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let browser = TestBrowser::new(&app);
    let page = browser.open("/sign-in").await;
    let mut statuses = Vec::new();
    for _ in 0..80 {
        statuses.push(browser.submit(&page, "/sign-in/key", &[("key", "op_guess")]).await.status());
    }
    assert!(statuses[..30].iter().all(|status| *status == 401) && statuses.contains(&429), "{statuses:?}");
    let lines: Vec<(String, i16, Option<String>)> = sqlx::query_as(
        "select outcome, status, code from audit_log where operation = 'POST /sign-in/key' order by audit_id",
    )
    .fetch_all(&app.state.system)
    .await
    .unwrap();
    assert_eq!(lines[0], ("refused".to_owned(), 401, Some("invalid-credentials".to_owned())), "{lines:?}");
}

#[sqlx::test]
async fn in_open_mode_nobody_signs_in(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let browser = TestBrowser::new(&app);
    let page = browser.open("/sign-in").await;
    assert_eq!((page.status(), page.path.as_str()), (200, "/"));
    assert!(!page.html.contains("/sign-in") && !page.html.contains("/sign-out"), "{}", page.html);
}

#[sqlx::test]
async fn a_live_stream_ends_with_its_session(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| {
        settings.auth = offprint::settings::AuthMode::Keys;
        settings.stream_heartbeat = std::time::Duration::from_millis(20);
    })
    .await;
    let ann = TestUser::new(&app, "one", "ann").await;
    let asset = ann.upload_asset("a.txt", b"bytes").await;
    let request = json!({"assetHandleArray": [asset], "fmt": "orig", "execTime": "2099-01-01T00:00:00Z"});
    let job = ann.post("/export-jobs", request).await.expect_status(202)["jobHandle"].as_str().unwrap().to_owned();
    let browser = TestBrowser::new(&app);
    let page = sign_in_by_key(&browser, &ann.key).await;
    let service = actix_web::test::init_service(offprint::http::build_app(app.state.clone())).await;
    let cookie = format!("offprint_session={}", browser.cookies.borrow()["offprint_session"]);
    let request = TestRequest::get().uri(&format!("/export-jobs/{job}/events")).insert_header(("cookie", cookie));
    let request = request.insert_header(("accept", "text/event-stream")).insert_header(("host", "localhost"));
    let answer = actix_web::dev::Service::call(&service, request.to_request()).await.unwrap().map_into_boxed_body();
    assert_eq!(answer.status(), 200);
    let read_all = tokio::time::timeout(TEST_TIMEOUT, actix_web::body::to_bytes(answer.into_body()));
    let (text, signed_out) = tokio::join!(read_all, browser.submit(&page, "/sign-out", &[]));
    assert_eq!(signed_out.status(), 200);
    let text = text.expect("the stream ends").unwrap_or_default();
    assert!(text.starts_with(b"retry: "), "{text:?}");
}

#[sqlx::test]
async fn a_session_needs_the_capabilities_that_a_key_needs(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let ann = TestUser::with_capabilities(&app, "one", "ann", &[Capability::AssetsRead]).await;
    let browser = TestBrowser::new(&app);
    sign_in_by_key(&browser, &ann.key).await;
    assert_eq!(browser.open("/assets").await.status(), 200);
    let page = browser.open("/export-jobs").await;
    page.assert_sound();
    assert_eq!((page.status(), page.element("h1").as_str()), (403, "This is not allowed"));
    let head = TestRequest::default().method(Method::HEAD).uri("/assets").insert_header(("accept", PAGE_ACCEPT));
    assert_eq!(browser.send(head).await.status, 200);
}
