//! Who writes to an upload: two at once, lines that break, and writers that come back too late.

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

use crate::house::House;
use crate::tus::{begun, offset, piece, send};

/// Sends a piece whose body comes from a stream; gives the status once it is answered.
async fn streamed(
    house: &House,
    request: TestRequest,
    body: impl Stream<Item = Result<Bytes, PayloadError>> + 'static,
) -> u16 {
    let app = init_service(offprint::api::app(house.state.clone())).await;
    let request = request.insert_header(("host", "localhost")).insert_header(("transfer-encoding", "chunked"));
    let payload: Payload = Payload::Stream { payload: Box::pin(body) };
    let (request, _) = request.to_request().replace_payload(payload);
    match app.call(request).await {
        Ok(answer) => answer.status().as_u16(),
        Err(error) => error.as_response_error().status_code().as_u16(),
    }
}

/// Waits until the database says so.
async fn until(house: &House, sql: &'static str) {
    let says = async || sqlx::query_scalar::<_, bool>(sql).fetch_one(&house.state.system).await.unwrap();
    let wait = async {
        while !says().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(15), wait).await.unwrap_or_else(|_| panic!("never true: {sql}"));
}

#[sqlx::test]
async fn two_do_not_write_to_one_upload(pool: PgPool) {
    let house = House::open(pool).await;
    let address = begun(&house, 10, &[("filename", "a.txt")]).await;
    let (gate, opened) = tokio::sync::oneshot::channel::<()>();
    let first = stream::iter([Ok(Bytes::from_static(b"first"))]);
    let rest = opened.into_stream().map(|_| Ok(Bytes::from_static(b" last")));
    let writer = streamed(&house, piece(&address, 0), first.chain(rest));
    let other = async {
        until(&house, "select lease_until is not null from upload").await;
        let refused = send(&house, &address, 0, b"other").await;
        assert_eq!(refused.header("retry-after"), "1");
        assert_eq!(refused.is(423)["code"], "upload-locked");
        gate.send(()).unwrap();
    };
    assert_eq!(tokio::join!(writer, other).0, 204);
    let handle = house.get(&address).await.is(200)["assetHandle"].as_str().unwrap().to_owned();
    assert_eq!(house.get(format!("/assets/{handle}/content")).await.body, b"first last");
}

#[sqlx::test]
async fn what_came_before_the_line_broke_counts(pool: PgPool) {
    let house = House::open(pool).await;
    let address = begun(&house, 20, &[("filename", "a.txt")]).await;
    let broken = || stream::iter([Ok(Bytes::from_static(b"before")), Err(PayloadError::Incomplete(None))]);
    assert_eq!(streamed(&house, piece(&address, 0), broken()).await, 400);
    assert_eq!(offset(&house, &address).await, 6);
    let sum = ("upload-checksum", format!("sha1 {}", STANDARD.encode(Sha1::digest("before and"))));
    assert_eq!(streamed(&house, piece(&address, 6).insert_header(sum), broken()).await, 460);
    assert_eq!(offset(&house, &address).await, 6, "not where a checksum holds for all");

    // The server drops its work when the connection goes.
    let standing = stream::iter([Ok(Bytes::from_static(b" and"))]).chain(stream::pending());
    tokio::select! {
        _ = streamed(&house, piece(&address, 6), standing) => panic!("it does not end"),
        () = until(&house, "select lease_until is not null from upload") => {}
    }
    until(&house, "select lease_until is null from upload").await;
    let now = offset(&house, &address).await;
    assert!(now == 6 || now == 10, "{now}: all that had been read, and nothing else");
    let rest = b"before and after all"[now..].to_vec();
    let handle = send(&house, &address, now, &rest).await.header("asset-handle").to_owned();
    assert_eq!(house.get(format!("/assets/{handle}/content")).await.body, b"before and after all");
}

#[sqlx::test]
async fn a_line_that_breaks_as_soon_as_an_upload_is_taken_locks_nothing(pool: PgPool) {
    let house = House::open(pool).await;
    let address = begun(&house, 10, &[("filename", "a.txt")]).await;
    // Now and then this is between the commit and its answer.
    for _ in 0..50 {
        tokio::select! {
            _ = streamed(&house, piece(&address, 0), stream::pending()) => panic!("it does not end"),
            () = until(&house, "select lease_until is not null from upload") => {}
        }
        until(&house, "select lease_until is null from upload").await;
    }
    assert_eq!(send(&house, &address, 0, b"all of it.").await.status, 204);
}

#[sqlx::test]
async fn a_writer_that_lost_its_upload_changes_nothing(pool: PgPool) {
    let house = House::open(pool).await;
    let address = begun(&house, 10, &[("filename", "a.txt")]).await;
    let (gate, opened) = tokio::sync::oneshot::channel::<()>();
    let body = stream::iter([Ok(Bytes::from_static(b"wrong"))])
        .chain(opened.into_stream().map(|_| Ok(Bytes::from_static(b"wrong"))));
    let dead = streamed(&house, piece(&address, 0), body);
    let living = async {
        until(&house, "select lease_until is not null from upload").await;
        sqlx::query("update upload set lease_until = now()").execute(&house.state.system).await.unwrap();
        assert_eq!(send(&house, &address, 0, b"right").await.status, 204);
        gate.send(()).unwrap();
    };
    assert_eq!(tokio::join!(dead, living).0, 423);
    let handle = send(&house, &address, 5, b"right").await.header("asset-handle").to_owned();
    assert_eq!(house.get(format!("/assets/{handle}/content")).await.body, b"rightright");
    house.check().await;
}
