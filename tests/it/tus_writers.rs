//! Concurrent writers to one upload: two at once, broken connections, and writers that return too late.

use std::time::Duration;

use actix_web::dev::{Payload, Service as _};
use actix_web::error::PayloadError;
use actix_web::test::{TestRequest, init_service};
use actix_web::web::Bytes;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::{FutureExt, Stream, StreamExt, stream};
use sha1::{Digest, Sha1};
use sqlx::PgPool;

use crate::support::test_app::TestApp;
use crate::support::tus::{build_patch, create_upload, fetch_offset, send_piece};

/// Sends a piece whose body comes from a stream; gives the status once it is answered.
async fn send_streamed(
    app: &TestApp,
    request: TestRequest,
    body: impl Stream<Item = Result<Bytes, PayloadError>> + 'static,
) -> u16 {
    let service = init_service(offprint::http::build_app(app.state.clone())).await;
    let request = request.insert_header(("host", "localhost")).insert_header(("transfer-encoding", "chunked"));
    let payload: Payload = Payload::Stream { payload: Box::pin(body) };
    let (request, _) = request.to_request().replace_payload(payload);
    match service.call(request).await {
        Ok(answer) => answer.status().as_u16(),
        Err(error) => error.as_response_error().status_code().as_u16(),
    }
}

/// Waits until this query gives true.
async fn wait_until(app: &TestApp, sql: &'static str) {
    let reply = async || sqlx::query_scalar::<_, bool>(sql).fetch_one(&app.state.system).await.unwrap();
    let wait = async {
        while !reply().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(15), wait).await.unwrap_or_else(|_| panic!("never true: {sql}"));
}

#[sqlx::test]
async fn two_do_not_write_to_one_upload(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let address = create_upload(&app, 10, &[("filename", "a.txt")]).await;
    let (gate, opened) = tokio::sync::oneshot::channel::<()>();
    let first = stream::iter([Ok(Bytes::from_static(b"first"))]);
    let rest = opened.into_stream().map(|_| Ok(Bytes::from_static(b" last")));
    let writer = send_streamed(&app, build_patch(&address, 0), first.chain(rest));
    let second_writer = async {
        wait_until(&app, "select lease_until is not null from upload").await;
        let refused = send_piece(&app, &address, 0, b"other").await;
        assert_eq!(refused.header("retry-after"), "1");
        assert_eq!(refused.expect_status(423)["code"], "upload-locked");
        gate.send(()).unwrap();
    };
    assert_eq!(tokio::join!(writer, second_writer).0, 204);
    let handle = app.get(&address).await.expect_status(200)["assetHandle"].as_str().unwrap().to_owned();
    assert_eq!(app.get(format!("/assets/{handle}/content")).await.body, b"first last");
}

#[sqlx::test]
async fn what_came_before_the_line_broke_counts(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let address = create_upload(&app, 20, &[("filename", "a.txt")]).await;
    let broken = || stream::iter([Ok(Bytes::from_static(b"before")), Err(PayloadError::Incomplete(None))]);
    assert_eq!(send_streamed(&app, build_patch(&address, 0), broken()).await, 400);
    assert_eq!(fetch_offset(&app, &address).await, 6);
    let sum = ("upload-checksum", format!("sha1 {}", STANDARD.encode(Sha1::digest("before and"))));
    assert_eq!(send_streamed(&app, build_patch(&address, 6).insert_header(sum), broken()).await, 460);
    assert_eq!(fetch_offset(&app, &address).await, 6, "a piece with a checksum is kept as a whole or not at all");

    // The server drops the handler when the connection closes.
    let standing = stream::iter([Ok(Bytes::from_static(b" and"))]).chain(stream::pending());
    tokio::select! {
        _ = send_streamed(&app, build_patch(&address, 6), standing) => panic!("the request must not end"),
        () = wait_until(&app, "select lease_until is not null from upload") => {}
    }
    wait_until(&app, "select lease_until is null from upload").await;
    let now = fetch_offset(&app, &address).await;
    assert!(now == 6 || now == 10, "{now}: all that had been received and nothing else");
    let rest = b"before and after all"[now..].to_vec();
    let handle = send_piece(&app, &address, now, &rest).await.header("asset-handle").to_owned();
    assert_eq!(app.get(format!("/assets/{handle}/content")).await.body, b"before and after all");
}

#[sqlx::test]
async fn a_line_that_breaks_as_soon_as_an_upload_is_taken_locks_nothing(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let address = create_upload(&app, 10, &[("filename", "a.txt")]).await;
    // Sometimes this hits the moment between the commit and its response.
    for _ in 0..50 {
        tokio::select! {
            _ = send_streamed(&app, build_patch(&address, 0), stream::pending()) => panic!("the request must not end"),
            () = wait_until(&app, "select lease_until is not null from upload") => {}
        }
        wait_until(&app, "select lease_until is null from upload").await;
    }
    assert_eq!(send_piece(&app, &address, 0, b"all of it.").await.status, 204);
}

#[sqlx::test]
async fn a_writer_that_lost_its_upload_changes_nothing(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let address = create_upload(&app, 10, &[("filename", "a.txt")]).await;
    let (gate, opened) = tokio::sync::oneshot::channel::<()>();
    let body = stream::iter([Ok(Bytes::from_static(b"wrong"))])
        .chain(opened.into_stream().map(|_| Ok(Bytes::from_static(b"wrong"))));
    let dead = send_streamed(&app, build_patch(&address, 0), body);
    let living = async {
        wait_until(&app, "select lease_until is not null from upload").await;
        sqlx::query("update upload set lease_until = now()").execute(&app.state.system).await.unwrap();
        assert_eq!(send_piece(&app, &address, 0, b"right").await.status, 204);
        gate.send(()).unwrap();
    };
    assert_eq!(tokio::join!(dead, living).0, 423);
    let handle = send_piece(&app, &address, 5, b"right").await.header("asset-handle").to_owned();
    assert_eq!(app.get(format!("/assets/{handle}/content")).await.body, b"rightright");
    app.assert_consistent().await;
}
