//! Preconditions (RFC 9110, section 13) and HEAD.

use actix_web::http::Method;
use actix_web::test::TestRequest;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::http_server::RunningServer;
use crate::support::operations::{OperationFixtures, list_operations};
use crate::support::schedules::{YEARLY_CRON, build_schedule_request};
use crate::support::test_app::{TestApp, TestResponse};
use crate::support::test_user::{TestUser, open_guarded_app};

async fn send(
    app: &TestApp,
    method: &str,
    path: &str,
    header: (&'static str, &str),
    body: Option<Value>,
) -> TestResponse {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let request = TestRequest::default().method(method).uri(path).insert_header(header);
    app.send(match body {
        Some(body) => request.set_json(body),
        None => request,
    })
    .await
}

/// Two people read the same version; only the first one's change is made, and the second one is told.
#[sqlx::test]
async fn no_change_is_lost(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.txt", b"bytes").await;
    app.put("/image-presets/p", json!({"urlModifier": "wid=1"})).await.expect_status(201);
    let mut request = build_schedule_request(YEARLY_CRON);
    request["assetFilter"] = json!({"folder": ""});
    let schedule = app.post("/export-schedules", request).await.expect_status(201)["scheduleHandle"].clone();
    let schedule = schedule.as_str().unwrap();
    for (path, method, change, other) in [
        (format!("/assets/{asset}"), "PATCH", json!({"name": "one"}), json!({"name": "two"})),
        ("/image-presets/P".to_owned(), "PUT", json!({"urlModifier": "wid=2"}), json!({"urlModifier": "wid=3"})),
        (
            format!("/export-schedules/{schedule}"),
            "PATCH",
            json!({"description": "one"}),
            json!({"description": "two"}),
        ),
    ] {
        let shown = app.get(&path).await;
        let read = shown.header("etag").to_owned();
        assert!(read.starts_with('"'), "{path}: strong, for If-Match: {read}");
        assert_eq!(send(&app, "GET", &path, ("if-none-match", &read), None).await.status.as_u16(), 304, "{path}");
        let changed = send(&app, method, &path, ("if-match", &read), Some(change.clone())).await;
        let now = changed.header("etag").to_owned();
        changed.expect_status(200);
        assert_ne!(now, read, "{path}");
        assert_eq!(app.get(&path).await.header("etag"), now, "{path}: the answer to a change has the new tag");
        for (method, body) in [(method, Some(other.clone())), ("DELETE", None)] {
            for header in [("if-match", read.as_str()), ("if-none-match", "*"), ("if-none-match", now.as_str())] {
                let refused = send(&app, method, &path, header, body.clone()).await;
                assert_eq!(refused.header("etag"), now, "{path}");
                assert_eq!(refused.expect_status(412)["code"], "precondition-failed", "{method} {path} {header:?}");
            }
            let early = ("if-unmodified-since", "Sun, 06 Nov 1994 08:49:37 GMT");
            send(&app, method, &path, early, body).await.expect_status(412);
        }
        assert_eq!(app.get(&path).await.header("etag"), now, "{path}: nothing was done");
        send(&app, "GET", &path, ("if-match", &read), None).await.expect_status(412);
        assert_eq!(send(&app, "DELETE", &path, ("if-match", &now), None).await.status.as_u16(), 204, "{path}");
        let gone = send(&app, "DELETE", &path, ("if-match", "*"), None).await.status.as_u16();
        assert!(matches!(gone, 404 | 412), "{path}: {gone}");
    }
    let create = |header| send(&app, "PUT", "/image-presets/new", header, Some(json!({"urlModifier": "wid=2"})));
    create(("if-match", "*")).await.expect_status(412);
    create(("if-none-match", "*")).await.expect_status(201);
    create(("if-none-match", "*")).await.expect_status(412);
}

#[sqlx::test]
async fn actions_on_a_schedule_can_be_conditional(pool: PgPool) {
    let app = TestApp::open(pool).await;
    app.upload_asset("a.txt", b"bytes").await;
    let mut request = build_schedule_request(YEARLY_CRON);
    request["assetFilter"] = json!({"folder": ""});
    let created = app.post("/export-schedules", request).await;
    let path = created.header("location").to_owned();
    let etag = app.get(&path).await.header("etag").to_owned();
    let pause = |etag: String| {
        let request = TestRequest::post().uri(&format!("{path}/pause")).insert_header(("if-match", etag));
        app.send(request)
    };
    pause("\"older\"".into()).await.expect_status(412);
    let paused = pause(etag).await;
    assert_eq!(paused.header("etag"), app.get(&path).await.header("etag"));
    paused.expect_status(200);
}

#[sqlx::test]
async fn a_resumed_download_never_mixes_two_versions(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.bin", &[b'A'; 2000]).await;
    let path = format!("/assets/{asset}/content");
    let first = app.get_with_header(&path, "range", "bytes=0-999").await;
    let old = first.header("etag").to_owned();
    assert_eq!(first.status.as_u16(), 206);
    let put = |etag: String, byte: u8| {
        let request = TestRequest::put().uri(&path).insert_header(("if-match", etag));
        app.send(request.insert_header(("content-type", "application/octet-stream")).set_payload(vec![byte; 2000]))
    };
    let replaced = put(old.clone(), b'B').await;
    let new = replaced.header("etag").to_owned();
    replaced.expect_status(200);
    assert_eq!(put(old.clone(), b'C').await.expect_status(412)["code"], "precondition-failed");
    let resume = |name: &'static str, value: String| {
        let request =
            TestRequest::get().uri(&path).insert_header(("range", "bytes=1000-")).insert_header((name, value));
        app.send(request)
    };
    resume("if-match", old.clone()).await.expect_status(412);
    let (same, whole) = (resume("if-match", new.clone()).await, resume("if-range", old).await);
    assert_eq!((same.status.as_u16(), same.body), (206, vec![b'B'; 1000]));
    assert_eq!((whole.status.as_u16(), whole.body), (200, vec![b'B'; 2000]), "If-Range: all of the new one");
    assert_eq!(resume("if-range", new).await.status.as_u16(), 206);
}

/// HEAD answers what GET answers, without a body.
#[sqlx::test]
async fn head_is_supported_wherever_get_is(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let ann = TestUser::new(&app, "ours", "ann").await;
    let objects = OperationFixtures::create(&ann).await;
    let mut count = 0;
    for operation in list_operations().iter().filter(|operation| operation.method == "GET") {
        // tus asks for a header with HEAD, and what needs an image or a template is another test's business.
        let needs_image = ["/preview", "/template"].iter().any(|end| operation.path.ends_with(end));
        if needs_image || operation.path == "/uploads/{uploadHandle}" {
            continue;
        }
        let path = objects.fill_path(&operation.path);
        let get = ann.get(&path).await;
        let head = ann.send(TestRequest::default().method(Method::HEAD).uri(&path)).await;
        assert_eq!((head.status, head.body.len()), (get.status, 0), "HEAD {path}");
        // These objects have no link to sign in and no identity provider, and the exported file is no image.
        let expected = match operation.path.as_str() {
            path if path.starts_with("/sign-in/oidc") => 404,
            "/swagger-ui" => 308,
            "/sign-in/mail/{token}" => 404,
            path if path.contains("/thumbnails/") || path.ends_with("/thumbnail") => 404,
            "/console" => 303,
            // There is nothing to follow.
            "/console/jobs/events" => 204,
            _ => 200,
        };
        assert_eq!(get.status.as_u16(), expected, "GET {path}");
        for name in ["content-type", "etag", "cache-control"] {
            assert_eq!(head.header(name), get.header(name), "{name} of HEAD {path}");
        }
        // What these say changes from one request to the next, or its length is not known before.
        let varying = [
            "/metrics",
            "/health/ready",
            "/api-keys",
            "/api-keys/{keyHandle}",
            "/workers",
            "/downloads/{token}/events",
            "/console/jobs/events",
            "/console/keys",
            "/console/system",
        ];
        if !varying.contains(&operation.path.as_str()) {
            assert_eq!(head.header("content-length"), get.body.len().to_string(), "HEAD {path}");
        }
        count += 1;
    }
    assert!(count > 30, "{count}");
    let request = |method: Method| TestRequest::default().method(method).uri("/asset-sets");
    let refused = ann.send(request(Method::HEAD)).await;
    assert_eq!((refused.status.as_u16(), refused.header("allow")), (405, "POST"));
    let allowed = ann.send(TestRequest::post().uri("/info")).await;
    assert_eq!((allowed.status.as_u16(), allowed.header("allow")), (405, "GET, HEAD"));
}

/// The next request may be there before the answer to HEAD begins.
#[sqlx::test]
async fn head_is_answered_when_the_next_request_follows_at_once(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.txt", b"bytes").await;
    let server = RunningServer::start(&app);
    for path in ["/assets".to_owned(), format!("/assets/{asset}/content")] {
        let mut peer = server.connect().await;
        let (host, live) = ("host: localhost\r\n", "GET /health/live HTTP/1.1\r\n");
        peer.send(&format!("HEAD {path} HTTP/1.1\r\n{host}\r\n{live}{host}\r\n")).await;
        let answers = peer.read_until("{\"status\":\"ok\"}").await;
        assert_eq!(answers.matches("HTTP/1.1 200 ").count(), 2, "{path}: {answers}");
        assert_eq!(answers.matches("content-length: ").count(), 2, "{path}: {answers}");
    }
    server.stop().await;
}
