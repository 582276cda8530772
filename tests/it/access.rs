//! Access control: unknown hosts, pages of other sites, callers without a key.

use actix_web::test::TestRequest;
use offprint::settings::AuthMode;
use sqlx::PgPool;

use crate::support::test_app::{TestApp, TestResponse};

async fn send_with_headers(
    app: &TestApp,
    request: TestRequest,
    headers: &[(&'static str, &'static str)],
) -> TestResponse {
    let with = |request: TestRequest, header: &(&'static str, &'static str)| request.append_header(*header);
    app.send_as_is(headers.iter().fold(request, with)).await
}

#[sqlx::test]
async fn a_foreign_host_is_not_answered_in_open_mode(pool: PgPool) {
    let app =
        TestApp::with_settings(pool, |settings| settings.public_url = Some("https://offprint.example:8443/".into()))
            .await;
    for (host, status) in [
        ("localhost:8080", 200),
        ("127.0.0.1:8080", 200),
        ("[::1]:8080", 200),
        ("offprint.example:8443", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("192.168.1.7:8080", 421),
    ] {
        let answer = send_with_headers(&app, TestRequest::get().uri("/assets"), &[("host", host)]).await;
        assert_eq!(answer.status.as_u16(), status, "{host}");
    }
    // Headers that anybody can send do not make a host ours, and a second, valid `Host` does not hide an invalid one.
    for disguise in [("x-forwarded-host", "localhost"), ("forwarded", "host=localhost"), ("host", "localhost")] {
        let answer =
            send_with_headers(&app, TestRequest::get().uri("/assets"), &[("host", "evil.example"), disguise]).await;
        assert_eq!(answer.status.as_u16(), 421, "{disguise:?}");
    }
    let problem = send_with_headers(&app, TestRequest::get().uri("/assets"), &[("host", "evil.example")])
        .await
        .expect_status(421);
    assert_eq!(problem["code"], "misdirected-request");
    let alive = send_with_headers(&app, TestRequest::get().uri("/health/live"), &[("host", "10.0.0.1")]).await;
    assert_eq!(alive.status.as_u16(), 200, "load balancers use the address as host");
}

#[sqlx::test]
async fn a_page_of_another_site_cannot_write(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let delete = || TestRequest::delete().uri("/image-presets/nothing");
    let foreign =
        send_with_headers(&app, delete(), &[("host", "localhost:8080"), ("origin", "https://evil.example")]).await;
    assert_eq!(foreign.expect_status(403)["code"], "foreign-origin");
    let disguised =
        [("host", "localhost:8080"), ("origin", "https://evil.example"), ("x-forwarded-host", "evil.example")];
    assert_eq!(send_with_headers(&app, delete(), &disguised).await.expect_status(403)["code"], "foreign-origin");
    let opaque = send_with_headers(&app, delete(), &[("host", "localhost:8080"), ("origin", "null")]).await;
    assert_eq!(opaque.expect_status(403)["code"], "foreign-origin");
    for own in ["http://localhost:8080", "http://127.0.0.1:8080"] {
        let answer = send_with_headers(&app, delete(), &[("host", "localhost:8080"), ("origin", own)]).await;
        assert_eq!(answer.expect_status(404)["code"], "not-found", "{own}");
    }
    let read = send_with_headers(
        &app,
        TestRequest::get().uri("/assets"),
        &[("host", "localhost:8080"), ("origin", "https://evil.example")],
    )
    .await;
    assert_eq!(read.status.as_u16(), 200, "reading is allowed: browsers keep the response from the page");
}

#[sqlx::test]
async fn a_page_of_another_service_on_this_machine_cannot_write(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let send = async |header: (&'static str, &'static str)| {
        let delete = TestRequest::delete().uri("/image-presets/nothing");
        send_with_headers(&app, delete, &[("host", "localhost:8080"), header]).await.status.as_u16()
    };
    for foreign in [
        "http://localhost:3000",
        "http://127.0.0.1:9999",
        "http://127.99.1.2",
        "https://localhost",
        "http://[::1]",
        "http://localhost:8080@evil.example",
        "http://evil.example#localhost:8080",
        "",
    ] {
        assert_eq!(send(("origin", foreign)).await, 403, "{foreign}");
    }
    for site in ["cross-site", "same-site", "anything"] {
        assert_eq!(send(("sec-fetch-site", site)).await, 403, "{site}");
    }
    for own in [("origin", "http://localhost:8080"), ("sec-fetch-site", "same-origin"), ("sec-fetch-site", "none")] {
        assert_eq!(send(own).await, 404, "{own:?}");
    }
    let twice = [("host", "localhost:8080"), ("origin", "http://localhost:8080"), ("origin", "https://evil.example")];
    let delete = TestRequest::delete().uri("/image-presets/nothing");
    assert_eq!(send_with_headers(&app, delete, &twice).await.status.as_u16(), 403);
}

#[sqlx::test]
async fn pages_cannot_be_framed_and_json_is_never_a_page(pool: PgPool) {
    let app = TestApp::open(pool).await;
    for page in ["/", "/swagger-ui/"] {
        let answer = app.get(page).await;
        assert!(answer.header("content-type").starts_with("text/html"), "{page}");
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("script-src 'self'"), "{page}: {policy}");
        assert!(!policy.contains("unsafe-eval"), "{policy}");
        assert_eq!((answer.header("x-content-type-options"), answer.header("x-frame-options")), ("nosniff", "DENY"));
    }
    for other in ["/assets", "/openapi.json", "/nowhere", "/health/live", "/swagger-ui/swagger-initializer.js"] {
        let answer = app.get(other).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{other}");
        let policy = answer.header("content-security-policy");
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{other}: {policy}"
        );
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{other}");
    }
    let script = String::from_utf8(app.get("/swagger-ui/index.html").await.body).unwrap();
    assert!(!script.contains("<script>") && !script.contains("onload="), "the policy forbids inline scripts: {script}");
}

#[sqlx::test]
async fn what_one_caller_may_see_is_kept_by_no_shared_cache(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.txt", b"a").await;
    for path in
        ["/assets", "/usage", "/info", "/nowhere", &format!("/assets/{asset}"), &format!("/assets/{asset}/content")]
    {
        let caching = app.get(path).await.header("cache-control").to_owned();
        assert!(caching == "private, no-store" || caching == "private, no-cache", "{path}: {caching}");
    }
}

#[sqlx::test]
async fn a_body_that_would_be_misread_is_refused(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let kinds =
        ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/json; charset=utf-16"];
    for (method, path) in [
        ("POST", "/export-jobs"),
        ("POST", "/export-jobs/validate"),
        ("POST", "/export-schedules"),
        ("POST", "/api-keys"),
        ("POST", "/asset-sets"),
        ("POST", "/modifier-check"),
        ("PUT", "/image-presets/p"),
    ] {
        let request = || TestRequest::default().method(method.parse().unwrap()).uri(path).set_payload("{}");
        let without = app.send(request()).await.expect_status(415);
        assert!(without["detail"].as_str().unwrap().contains("application/json"), "{without}");
        for kind in kinds {
            let answer = app.send(request().insert_header(("content-type", kind))).await;
            assert_eq!(answer.expect_status(415)["code"], "unsupported-media-type", "{method} {path} {kind}");
        }
        let compressed =
            request().insert_header(("content-type", "application/json")).insert_header(("content-encoding", "br"));
        let problem = app.send(compressed).await.expect_status(415);
        assert!(problem["detail"].as_str().unwrap().contains("Content-Encoding"), "{problem}");
    }
}

#[sqlx::test]
async fn with_a_key_nothing_but_health_documentation_and_the_start_page_is_open(pool: PgPool) {
    let app =
        TestApp::with_settings(pool, |settings| settings.api_key = Some("sixteen-characters-and-more".into())).await;
    let get = |path: &'static str| TestRequest::get().uri(path);
    for closed in ["/assets", "/export-jobs", "/image-presets", "/info", "/metrics", "/nowhere"] {
        let answer = send_with_headers(&app, get(closed), &[("host", "anything")]).await;
        assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"offprint\"");
        assert_eq!(answer.expect_status(401)["code"], "unauthenticated", "{closed}");
    }
    for open in ["/", "/health/live", "/health/ready", "/openapi.json", "/swagger-ui/"] {
        assert_eq!(send_with_headers(&app, get(open), &[("host", "anything")]).await.status.as_u16(), 200, "{open}");
    }
    let with = |key: &'static str| [("host", "anything"), ("authorization", key)];
    assert_eq!(
        send_with_headers(&app, get("/assets"), &with("Bearer sixteen-characters-and-more")).await.status.as_u16(),
        200
    );
    for wrong in ["Bearer sixteen-characters-and-less", "sixteen-characters-and-more", "Basic eA==", "Bearer "] {
        assert_eq!(send_with_headers(&app, get("/assets"), &with(wrong)).await.status.as_u16(), 401, "{wrong}");
    }
}

#[sqlx::test]
async fn open_on_a_network_answers_to_every_name(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.auth = AuthMode::OpenOnNetwork).await;
    let answer = send_with_headers(&app, TestRequest::get().uri("/assets"), &[("host", "pictures.lan")]).await;
    assert_eq!(answer.status.as_u16(), 200);
}

#[sqlx::test]
async fn problems_leak_nothing_of_the_inside(pool: PgPool) {
    let app = TestApp::open(pool).await;
    app.state.db.close();
    app.state.system.close();
    let down = app.get("/assets").await;
    let text = String::from_utf8(down.body.clone()).unwrap();
    assert_eq!(down.header("retry-after"), "5");
    assert_eq!(down.expect_status(503)["code"], "unavailable");
    for secret in ["select", "sql", "postgres", "Pool", "/tmp", ".rs"] {
        assert!(!text.contains(secret), "{text}");
    }
    assert_eq!(app.get("/health/ready").await.expect_status(503)["status"], "database");
}
