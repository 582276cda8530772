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
async fn with_a_key_nothing_but_health_and_documentation_is_open(pool: PgPool) {
    let app =
        TestApp::with_settings(pool, |settings| settings.api_key = Some("sixteen-characters-and-more".into())).await;
    let get = |path: &'static str| TestRequest::get().uri(path);
    for closed in ["/", "/assets", "/export-jobs", "/image-presets", "/info", "/metrics", "/nowhere"] {
        let answer = send_with_headers(&app, get(closed), &[("host", "anything")]).await;
        assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"offprint\"");
        assert_eq!(answer.expect_status(401)["code"], "unauthenticated", "{closed}");
    }
    for open in ["/health/live", "/health/ready", "/openapi.json", "/swagger-ui/"] {
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
    tokio::join!(app.state.db.close(), app.state.system.close());
    let down = app.get("/assets").await;
    let text = String::from_utf8(down.body.clone()).unwrap();
    assert_eq!(down.header("retry-after"), "5");
    assert_eq!(down.expect_status(503)["code"], "unavailable");
    for secret in ["select", "sql", "postgres", "Pool", "/tmp", ".rs"] {
        assert!(!text.contains(secret), "{text}");
    }
    assert_eq!(app.get("/health/ready").await.expect_status(503)["status"], "database");
}
