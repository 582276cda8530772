//! A job's log as an event stream: its messages, resuming after a disconnect, and its end.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::pin::Pin;
use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::Service as _;
use actix_web::test::{TestRequest, init_service};
use futures_util::{Stream, StreamExt};
use serde_json::json;
use sqlx::PgPool;
use tempfile::TempDir;

use crate::support::event_stream_reader::{EventStreamReader, StreamChunk, TEST_TIMEOUT, filter_events};
use crate::support::export_jobs::{create_job, drain_work, fetch_job, fetch_log, send_job_action};
use crate::support::images::{draw_image, draw_jpeg};
use crate::support::service_process::{ServiceProcess, build_database_url};
use crate::support::test_app::{TestApp, open_second_app};
use crate::support::test_user::{TestUser, open_guarded_app};

/// Requests a stream; the status, and a reader of the body.
async fn request_stream(
    app: &TestApp,
    request: TestRequest,
) -> (u16, EventStreamReader<impl Stream<Item = StreamChunk> + Unpin + use<>>) {
    let service = init_service(offprint::http::build_app(app.state.clone())).await;
    let request = request.insert_header(("host", "localhost")).insert_header(("accept", "text/event-stream"));
    let answer = service.call(request.to_request()).await.unwrap().map_into_boxed_body();
    let status = answer.status().as_u16();
    if status == 200 {
        let header = |name: &str| answer.headers().get(name).unwrap().to_str().unwrap().to_owned();
        assert_eq!(header("content-type"), "text/event-stream");
        assert_eq!(
            (header("cache-control"), header("x-accel-buffering")),
            ("no-cache, no-store, no-transform".into(), "no".into())
        );
        assert!(header("vary").contains("Accept"));
    }
    let mut body: Pin<Box<BoxBody>> = Box::pin(answer.into_body());
    let parts = futures_util::stream::poll_fn(move |context| {
        body.as_mut()
            .poll_next(context)
            .map(|part| part.map(|part| part.map(|part| part.to_vec()).map_err(|why| why.to_string())))
    });
    (status, EventStreamReader { body: parts, buffer: String::new() })
}

fn build_stream_request(job: &str) -> TestRequest {
    TestRequest::get().uri(&format!("/export-jobs/{job}/events"))
}

async fn open_stream(
    app: &TestApp,
    job: &str,
    after: Option<&str>,
) -> EventStreamReader<impl Stream<Item = StreamChunk> + Unpin + use<>> {
    let request =
        after.into_iter().fold(build_stream_request(job), |it, after| it.insert_header(("last-event-id", after)));
    let (status, reader) = request_stream(app, request).await;
    assert_eq!(status, 200);
    reader
}

async fn create_convert_job(app: &TestApp, assets: usize) -> String {
    let mut handles = Vec::new();
    for number in 0..assets {
        handles.push(app.upload_asset(&format!("{number}.jpg"), &draw_jpeg(number as u8)).await);
    }
    create_job(app, json!({"assetHandleArray": handles, "fmt": "convert", "is_modifier": "wid=20"})).await
}

/// A job that is scheduled for a far future.
async fn create_scheduled_job(app: &TestApp) -> String {
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    create_job(app, json!({"assetHandleArray": [asset], "fmt": "orig", "execTime": "2099-01-01T00:00:00Z"})).await
}

#[sqlx::test]
async fn a_stream_tells_the_job_then_its_log_as_it_is_written_and_ends_with_it(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let job = create_convert_job(&app, 3).await;
    let mut reader = open_stream(&app, &job, None).await;
    let first = reader.next().await.unwrap();
    assert_eq!((first.kind.as_str(), first.id.as_str()), ("snapshot", "0"));
    assert_eq!(first.data, fetch_job(&app, &job).await);
    assert_eq!(reader.next().await.unwrap().data["code"], "exportRequested");
    let (rest, ()) = tokio::join!(reader.read_rest(), drain_work(&app));
    assert_eq!(
        filter_events(&rest),
        fetch_log(&app, &job, "limit=1000").await[1..],
        "the stream sends the events of the log"
    );
    let mut last = 1;
    for message in &rest {
        let id: i64 = message.id.parse().unwrap();
        match message.kind.as_str() {
            "event" => assert_eq!((id, &message.data["seq"]), (last + 1, &json!(id))),
            "progress" => assert_eq!(id, last, "progress messages keep the last event ID"),
            kind => panic!("{kind}"),
        }
        last = id;
    }
    let end = rest.last().unwrap();
    assert_eq!(
        (end.kind.as_str(), &end.data["state"], &end.data["outcome"]),
        ("progress", &json!("finished"), &json!("succeeded"))
    );
    assert_eq!(end.data["progress"]["percent"], 100);
    assert_eq!(end.data["counts"], fetch_job(&app, &job).await["counts"]);
    app.assert_consistent().await;
}

#[sqlx::test]
async fn a_stream_goes_on_at_another_process_in_the_middle_of_a_job(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let job = create_convert_job(&app, 2).await;
    send_job_action(&app, &job, "pause").await.expect_success();
    let mut reader = open_stream(&app, &job, None).await;
    let mut messages = reader.read_until(|message| message.data["code"] == "exportPaused").await;
    app.state.closing.cancel();
    messages.extend(reader.read_rest().await);
    let last = messages.last().unwrap().id.clone();
    assert_eq!(last, "2", "a paused job's stream stays open, and ends with its process");

    let second = open_second_app(&app, None, |_| {}).await;
    let mut reader = open_stream(&second, &job, Some(&last)).await;
    let snapshot = reader.next().await.unwrap();
    assert_eq!(
        (snapshot.kind.as_str(), snapshot.id.as_str(), &snapshot.data["state"]),
        ("snapshot", "2", &json!("paused"))
    );
    let (rest, ()) = tokio::join!(reader.read_rest(), async {
        send_job_action(&second, &job, "resume").await.expect_success();
        drain_work(&second).await;
    });
    let all = [filter_events(&messages), filter_events(&rest)].concat();
    assert_eq!(all, fetch_log(&second, &job, "limit=1000").await, "no gap and no duplicate");
}

#[sqlx::test]
async fn a_stream_that_has_sent_everything_is_not_opened_again(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let job = create_convert_job(&app, 1).await;
    drain_work(&app).await;
    let whole = open_stream(&app, &job, None).await.read_rest().await;
    let last = whole.last().unwrap().id.clone();
    assert_eq!(filter_events(&whole), fetch_log(&app, &job, "limit=1000").await);
    // From the second-last event: only what follows that number is sent.
    let before = (last.parse::<i64>().unwrap() - 1).to_string();
    assert_eq!(
        filter_events(&open_stream(&app, &job, Some(&before)).await.read_rest().await),
        fetch_log(&app, &job, "limit=1000").await[whole.len() - 2..]
    );
    assert_eq!(
        request_stream(&app, build_stream_request(&job).insert_header(("last-event-id", last.clone()))).await.0,
        204
    );
    // A query parameter for clients that cannot set the header. With both, the header wins: browsers send it when they
    // reconnect to the same URL.
    let query = |id: &str| TestRequest::get().uri(&format!("/export-jobs/{job}/events?lastEventId={id}"));
    assert_eq!(request_stream(&app, query(&last)).await.0, 204);
    assert_eq!(request_stream(&app, query("1").insert_header(("last-event-id", last.clone()))).await.0, 204);
    let pages = app.get(format!("/export-jobs/{job}/events?lastEventId={before}")).await.expect_status(200);
    assert_eq!(pages["items"].as_array().unwrap().len(), 1, "{pages}");
    // From the first event there is more to send.
    assert_eq!(request_stream(&app, query("1")).await.0, 200);
}

#[sqlx::test]
async fn a_stream_tells_only_the_codes_that_are_asked_for(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let job = create_convert_job(&app, 2).await;
    drain_work(&app).await;
    let request = TestRequest::get().uri(&format!("/export-jobs/{job}/events?code=fileConverted,exportEnded"));
    let all = request_stream(&app, request).await.1.read_rest().await;
    let codes: Vec<_> = filter_events(&all).iter().map(|event| event["code"].clone()).collect();
    assert_eq!(codes, ["fileConverted", "fileConverted", "exportEnded"]);
}

#[sqlx::test]
async fn a_silent_stream_shows_that_it_lives(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.stream_heartbeat = Duration::from_millis(5)).await;
    let job = create_scheduled_job(&app).await;
    let mut reader = open_stream(&app, &job, None).await;
    let first = reader.read_part().await.unwrap();
    assert!(first.starts_with("retry: ") && first.contains("event: snapshot"), "{first}");
    reader.read_part().await.unwrap();
    for _ in 0..3 {
        assert_eq!(reader.read_part().await.unwrap(), ": heartbeat");
    }
}

#[sqlx::test]
async fn streams_that_cannot_be_are_refused_with_the_reason(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let job = create_scheduled_job(&app).await;
    let path = format!("/export-jobs/{job}/events");
    let get = async |path: &str, name: &'static str, value: &str| app.get_with_header(path, name, value).await;
    let refused = get(&path, "accept", "text/plain").await.expect_status(406);
    assert_eq!(refused["code"], "not-acceptable");
    assert!(refused["detail"].as_str().unwrap().contains("text/event-stream"), "{refused}");
    get(&path, "accept", "text/html, */*;q=0.1").await.expect_status(200);
    for (query, id, pointer) in [
        ("", "first", "Last-Event-ID"),
        ("", "-1", "Last-Event-ID"),
        ("", "7", "Last-Event-ID"),
        ("?lastEventId=-1", "", "lastEventId"),
        ("?limit=10", "", "limit"),
        ("?cursor=a", "", "cursor"),
    ] {
        let request = TestRequest::get().uri(&format!("{path}{query}")).insert_header(("last-event-id", id));
        let refused = app.send(request.insert_header(("accept", "text/event-stream"))).await.expect_status(400);
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{query} {id}: {refused}");
    }
    assert_eq!(request_stream(&app, build_stream_request(&uuid::Uuid::now_v7().to_string())).await.0, 404);
    assert_eq!(request_stream(&app, build_stream_request("nothing")).await.0, 404);
}

#[sqlx::test]
async fn streams_have_a_limit_and_hold_no_connection(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.max_streams = 20).await;
    let job = create_scheduled_job(&app).await;
    let mut readers = Vec::new();
    for _ in 0..20 {
        let mut reader = open_stream(&app, &job, None).await;
        reader.next().await.unwrap();
        readers.push(reader);
    }
    assert_eq!(fetch_job(&app, &job).await["state"], "scheduled", "more than the database has places");
    let request = build_stream_request(&job).insert_header(("accept", "text/event-stream"));
    let refused = app.send(request).await;
    assert_eq!(refused.header("retry-after"), "10");
    let refused = refused.expect_status(429);
    assert_eq!(refused["code"], "too-many-streams");
    assert!(refused["detail"].as_str().unwrap().contains("20"), "{refused}");
    drop(readers.pop());
    open_stream(&app, &job, None).await;
    // One query of the database serves all streams of the job.
    send_job_action(&app, &job, "run").await.expect_success();
    drain_work(&app).await;
    for reader in &mut readers {
        assert_eq!(reader.read_rest().await.last().unwrap().data["outcome"], "succeeded");
    }
}

#[sqlx::test]
async fn a_stream_ends_when_its_job_is_deleted(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let job = create_scheduled_job(&app).await;
    let mut reader = open_stream(&app, &job, None).await;
    reader.next().await.unwrap();
    app.delete(format!("/export-jobs/{job}")).await.expect_success();
    reader.read_rest().await;
    assert_eq!(request_stream(&app, build_stream_request(&job)).await.0, 404);
}

#[sqlx::test]
async fn a_stream_is_for_those_who_see_the_job_and_ends_with_the_key(pool: PgPool) {
    use offprint::db::capability::Capability;
    let app = open_guarded_app(pool).await;
    let ann = TestUser::new(&app, "ours", "ann").await;
    let bob = TestUser::with_capabilities(&app, "ours", "bob", &[Capability::ExportsCreate]).await;
    let eve = TestUser::new(&app, "theirs", "eve").await;
    let asset = ann.upload_asset("a.txt", b"a").await;
    let request = json!({"assetHandleArray": [asset], "fmt": "orig", "execTime": "2099-01-01T00:00:00Z"});
    let job = ann.post("/export-jobs", request).await.expect_status(202)["jobHandle"].as_str().unwrap().to_owned();
    let with = |key: &str| build_stream_request(&job).insert_header(("authorization", format!("Bearer {key}")));
    for (key, status) in [(&bob.key, 404), (&eve.key, 404), (&"nothing".to_owned(), 401)] {
        assert_eq!(request_stream(&app, with(key)).await.0, status);
    }
    let second = ann.create_key(&Capability::ALL).await;
    let (status, mut reader) = request_stream(&app, with(&second)).await;
    assert_eq!(status, 200);
    reader.next().await.unwrap();
    let keys = ann.get("/api-keys").await.expect_status(200);
    for key in keys["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|key| second.contains(&key["keyHandle"].as_str().unwrap().replace('-', "")))
    {
        ann.delete(&format!("/api-keys/{}", key["keyHandle"].as_str().unwrap())).await.expect_success();
    }
    reader.read_rest().await;
    assert_eq!(request_stream(&app, with(&second)).await.0, 401);
}

impl ServiceProcess {
    /// Opens a stream of the running service.
    async fn open_stream(
        &self,
        job: &str,
        after: &str,
    ) -> EventStreamReader<impl Stream<Item = StreamChunk> + Unpin + use<>> {
        let request = self.client.get(format!("{}/export-jobs/{job}/events", self.url));
        let answer = request.header("accept", "text/event-stream").header("last-event-id", after).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let body = answer.bytes_stream().map(|part| part.map(|part| part.to_vec()).map_err(|why| why.to_string()));
        EventStreamReader { body: Box::pin(body), buffer: String::new() }
    }
}

#[sqlx::test]
async fn a_stream_goes_on_without_a_gap_after_its_process_was_killed(pool: PgPool) {
    const IMAGE_COUNT: usize = 30;
    const KILL_COUNT: usize = 3;
    let (database, folder) = (build_database_url(&pool), TempDir::new().unwrap());
    let mut service = ServiceProcess::start(&database, &folder, &[]).unwrap();
    for seed in 0..IMAGE_COUNT {
        let bytes = draw_image(image::ImageFormat::Jpeg, 700, 500 + seed as u32, seed as u8);
        service.upload_asset(format!("{seed}.jpg"), bytes).await;
    }
    let job = service
        .create_job(json!({"assetFilter": {}, "fmt": "convert", "is_modifier": "wid=300&op_usm=1,2,0,0&fmt=png"}))
        .await;
    let (mut events, mut last) = (Vec::new(), String::new());
    for _ in 0..KILL_COUNT {
        let mut reader = service.open_stream(&job, &last).await;
        let part = reader.read_until(|message| message.data["code"] == "fileConverted").await;
        last.clone_from(&part.last().unwrap().id);
        events.extend(filter_events(&part));
        service.kill();
        service = ServiceProcess::start(&database, &folder, &[]).unwrap();
    }
    events.extend(filter_events(&service.open_stream(&job, &last).await.read_rest().await));
    let log = service.get(&format!("/export-jobs/{job}/events?limit=1000")).await;
    assert_eq!(json!(events), log["items"], "no gap and no duplicate");
    assert_eq!(events.iter().filter(|event| event["code"] == "fileConverted").count(), IMAGE_COUNT);
    assert_eq!(service.stop(), Some(0));
}

/// The raw response bytes up to the end of the connection.
fn read_raw_response(service: &ServiceProcess, request: &str) -> String {
    let mut line = TcpStream::connect(service.url.trim_start_matches("http://")).unwrap();
    line.set_read_timeout(Some(TEST_TIMEOUT)).unwrap();
    line.write_all(request.as_bytes()).unwrap();
    let mut response = String::new();
    line.read_to_string(&mut response).unwrap();
    response
}

#[sqlx::test]
async fn a_connection_is_whole_after_a_stream_and_streams_end_when_the_service_does(pool: PgPool) {
    let (database, folder) = (build_database_url(&pool), TempDir::new().unwrap());
    let service = ServiceProcess::start(
        &database,
        &folder,
        &[("OFFPRINT_MAX_STREAMS", "1"), ("OFFPRINT_STREAM_HEARTBEAT", "20ms")],
    )
    .unwrap();
    service.upload_asset("a.jpg".into(), draw_jpeg(1)).await;
    let job = service.create_job(json!({"assetFilter": {}, "fmt": "orig"})).await;
    service.wait_for_progress(&job, 2).await;
    let head = format!("GET /export-jobs/{job}/events HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n");
    // A second request on the same connection works as after any other response.
    let response = read_raw_response(&service, &format!("{head}\r\n{head}connection: close\r\n\r\n"));
    assert_eq!(response.matches("HTTP/1.1 200 OK").count(), 2, "{response}");
    assert_eq!(response.matches("transfer-encoding: chunked").count(), 2, "{response}");
    assert_eq!(response.matches("\r\n0\r\n\r\n").count(), 2, "each ends with its last chunk: {response}");

    let waits = service.create_job(json!({"assetFilter": {}, "fmt": "orig", "execTime": "2099-01-01T00:00:00Z"})).await;
    let mut reader = service.open_stream(&waits, "").await;
    reader.next().await.unwrap();
    drop(reader);
    // A disconnected client frees its stream, at the latest when a heartbeat cannot be sent.
    let mut reader = loop {
        let request = service.client.get(format!("{}/export-jobs/{waits}/events", service.url));
        let answer = request.header("accept", "text/event-stream").send().await.unwrap();
        if answer.status() == 200 {
            let body = answer.bytes_stream().map(|part| part.map(|part| part.to_vec()).map_err(|why| why.to_string()));
            break EventStreamReader { body: Box::pin(body), buffer: String::new() };
        }
        assert_eq!(answer.status(), 429);
    };
    reader.next().await.unwrap();
    let stopped = tokio::task::spawn_blocking(move || service.stop());
    // The log's only event may or may not be sent before the end; `read_rest` fails on a truncated response.
    assert!(reader.read_rest().await.len() <= 1, "the stream ends with a complete response");
    assert_eq!(stopped.await.unwrap(), Some(0));
}
