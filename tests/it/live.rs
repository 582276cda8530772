//! A job's log as a live stream: what it tells, where it goes on, when it ends.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::pin::Pin;
use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::Service as _;
use actix_web::test::{TestRequest, init_service};
use futures_util::{Stream, StreamExt};
use serde_json::{Value, json};
use sqlx::PgPool;
use tempfile::TempDir;
use tokio::time::timeout;

use crate::exportjob::{jpg, ordered, picture, shown, work};
use crate::fleet::beside;
use crate::guest::{Guest, guarded};
use crate::house::House;
use crate::service::{Service, url};

/// Longer than anything here takes.
const SOON: Duration = Duration::from_secs(30);

/// One message of a stream.
#[derive(Clone, Debug)]
struct Message {
    kind: String,
    id: String,
    data: Value,
}

/// Somebody who reads a stream, message by message.
struct Reader<S> {
    body: S,
    read: String,
}

type Bytes = Result<Vec<u8>, String>;

impl<S: Stream<Item = Bytes> + Unpin> Reader<S> {
    /// What comes next, up to an empty line; none at the end, which is not in the middle of a message.
    async fn part(&mut self) -> Option<String> {
        loop {
            if let Some((part, rest)) = self.read.split_once("\n\n") {
                let (part, rest) = (part.to_owned(), rest.to_owned());
                self.read = rest;
                return Some(part);
            }
            match timeout(SOON, self.body.next()).await.expect("a stream shows that it lives") {
                Some(bytes) => self.read += std::str::from_utf8(&bytes.unwrap()).unwrap(),
                None => {
                    assert_eq!(self.read, "", "a stream ends with a whole message");
                    return None;
                }
            }
        }
    }

    /// The next message; comments are passed over.
    async fn next(&mut self) -> Option<Message> {
        loop {
            let part = self.part().await?;
            if part.starts_with(':') {
                continue;
            }
            let field = |name: &str| {
                let line = part.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
                line.unwrap_or_else(|| panic!("no {name} in {part}")).to_owned()
            };
            let data = serde_json::from_str(&field("data")).unwrap();
            return Some(Message { kind: field("event"), id: field("id"), data });
        }
    }

    /// Every message up to the first of which this is true, or to the end.
    async fn until(&mut self, last: impl Fn(&Message) -> bool) -> Vec<Message> {
        let mut all = Vec::new();
        while let Some(message) = self.next().await {
            all.push(message);
            if all.last().is_some_and(&last) {
                break;
            }
        }
        all
    }

    async fn rest(&mut self) -> Vec<Message> {
        self.until(|_| false).await
    }
}

/// What a request for a stream is answered with: status, and the body to read.
async fn ask(house: &House, request: TestRequest) -> (u16, Reader<impl Stream<Item = Bytes> + Unpin + use<>>) {
    let app = init_service(offprint::api::app(house.state.clone())).await;
    let request = request.insert_header(("host", "localhost")).insert_header(("accept", "text/event-stream"));
    let answer = app.call(request.to_request()).await.unwrap().map_into_boxed_body();
    let status = answer.status().as_u16();
    if status == 200 {
        let header = |name: &str| answer.headers().get(name).unwrap().to_str().unwrap().to_owned();
        assert_eq!(header("content-type"), "text/event-stream");
        assert_eq!((header("cache-control"), header("x-accel-buffering")), ("no-store".into(), "no".into()));
        assert!(header("vary").contains("Accept"));
    }
    let mut body: Pin<Box<BoxBody>> = Box::pin(answer.into_body());
    let parts = futures_util::stream::poll_fn(move |context| {
        body.as_mut()
            .poll_next(context)
            .map(|part| part.map(|part| part.map(|part| part.to_vec()).map_err(|why| why.to_string())))
    });
    (status, Reader { body: parts, read: String::new() })
}

fn address(job: &str) -> TestRequest {
    TestRequest::get().uri(&format!("/export-jobs/{job}/events"))
}

async fn open(house: &House, job: &str, after: Option<&str>) -> Reader<impl Stream<Item = Bytes> + Unpin + use<>> {
    let request = after.into_iter().fold(address(job), |it, after| it.insert_header(("last-event-id", after)));
    let (status, reader) = ask(house, request).await;
    assert_eq!(status, 200);
    reader
}

/// The lines of the log that a stream told.
fn events(messages: &[Message]) -> Vec<Value> {
    messages.iter().filter(|message| message.kind == "event").map(|message| message.data.clone()).collect()
}

async fn log(house: &House, job: &str) -> Vec<Value> {
    let mut log = house.get(format!("/export-jobs/{job}/events?limit=1000")).await.is(200);
    log["items"].as_array_mut().unwrap().drain(..).collect()
}

async fn order(house: &House, assets: usize) -> String {
    let mut handles = Vec::new();
    for number in 0..assets {
        handles.push(house.asset(&format!("{number}.jpg"), &jpg(number as u8)).await);
    }
    ordered(house, json!({"assetHandleArray": handles, "fmt": "convert", "is_modifier": "wid=20"})).await
}

/// A job that does nothing for long.
async fn scheduled(house: &House) -> String {
    let asset = house.asset("a.jpg", &jpg(1)).await;
    ordered(house, json!({"assetHandleArray": [asset], "fmt": "orig", "execTime": "2099-01-01T00:00:00Z"})).await
}

async fn tell(house: &House, job: &str, order: &str) {
    house.post(format!("/export-jobs/{job}/{order}"), json!({})).await.worked();
}

#[sqlx::test]
async fn a_stream_tells_the_job_then_its_log_as_it_is_written_and_ends_with_it(pool: PgPool) {
    let house = House::open(pool).await;
    let job = order(&house, 3).await;
    let mut reader = open(&house, &job, None).await;
    let first = reader.next().await.unwrap();
    assert_eq!((first.kind.as_str(), first.id.as_str()), ("snapshot", "0"));
    assert_eq!(first.data, shown(&house, &job).await);
    assert_eq!(reader.next().await.unwrap().data["code"], "exportOrdered");
    let (rest, ()) = tokio::join!(reader.rest(), work(&house));
    assert_eq!(events(&rest), log(&house, &job).await[1..], "the stream tells what the log has");
    let mut last = 1;
    for message in &rest {
        let id: i64 = message.id.parse().unwrap();
        match message.kind.as_str() {
            "event" => assert_eq!((id, &message.data["seq"]), (last + 1, &json!(id))),
            "progress" => assert_eq!(id, last, "progress does not move on"),
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
    assert_eq!(end.data["counts"], shown(&house, &job).await["counts"]);
    house.check().await;
}

#[sqlx::test]
async fn a_stream_goes_on_at_another_process_in_the_middle_of_a_job(pool: PgPool) {
    let house = House::open(pool).await;
    let job = order(&house, 2).await;
    tell(&house, &job, "pause").await;
    let mut reader = open(&house, &job, None).await;
    let mut told = reader.until(|message| message.data["code"] == "exportPaused").await;
    house.state.closing.cancel();
    told.extend(reader.rest().await);
    let last = told.last().unwrap().id.clone();
    assert_eq!(last, "2", "a paused job's stream stays open, and ends with its process");

    let other = beside(&house, None, |_| {}).await;
    let mut reader = open(&other, &job, Some(&last)).await;
    let snapshot = reader.next().await.unwrap();
    assert_eq!(
        (snapshot.kind.as_str(), snapshot.id.as_str(), &snapshot.data["state"]),
        ("snapshot", "2", &json!("paused"))
    );
    let (rest, ()) = tokio::join!(reader.rest(), async {
        tell(&other, &job, "resume").await;
        work(&other).await;
    });
    let all = [events(&told), events(&rest)].concat();
    assert_eq!(all, log(&other, &job).await, "no gap, and nothing twice");
}

#[sqlx::test]
async fn a_stream_that_was_told_all_is_not_opened_again(pool: PgPool) {
    let house = House::open(pool).await;
    let job = order(&house, 1).await;
    work(&house).await;
    let whole = open(&house, &job, None).await.rest().await;
    let last = whole.last().unwrap().id.clone();
    assert_eq!(events(&whole), log(&house, &job).await);
    // The last line again: only what is behind the number is told.
    let before = (last.parse::<i64>().unwrap() - 1).to_string();
    assert_eq!(
        events(&open(&house, &job, Some(&before)).await.rest().await),
        log(&house, &job).await[whole.len() - 2..]
    );
    assert_eq!(ask(&house, address(&job).insert_header(("last-event-id", last.clone()))).await.0, 204);
    // For those who cannot send the header; it counts first where both are there, as browsers come again.
    let query = |said: &str| TestRequest::get().uri(&format!("/export-jobs/{job}/events?lastEventId={said}"));
    assert_eq!(ask(&house, query(&last)).await.0, 204);
    assert_eq!(ask(&house, query("1").insert_header(("last-event-id", last.clone()))).await.0, 204);
    let pages = house.get(format!("/export-jobs/{job}/events?lastEventId={before}")).await.is(200);
    assert_eq!(pages["items"].as_array().unwrap().len(), 1, "{pages}");
    // A retry has news.
    assert_eq!(ask(&house, query("1")).await.0, 200);
}

#[sqlx::test]
async fn a_stream_tells_only_the_codes_that_are_asked_for(pool: PgPool) {
    let house = House::open(pool).await;
    let job = order(&house, 2).await;
    work(&house).await;
    let request = TestRequest::get().uri(&format!("/export-jobs/{job}/events?code=fileConverted,exportEnded"));
    let all = ask(&house, request).await.1.rest().await;
    let codes: Vec<_> = events(&all).iter().map(|event| event["code"].clone()).collect();
    assert_eq!(codes, ["fileConverted", "fileConverted", "exportEnded"]);
}

#[sqlx::test]
async fn a_silent_stream_shows_that_it_lives(pool: PgPool) {
    let house = House::with(pool, |settings| settings.heartbeat = Duration::from_millis(5)).await;
    let job = scheduled(&house).await;
    let mut reader = open(&house, &job, None).await;
    let first = reader.part().await.unwrap();
    assert!(first.starts_with("retry: ") && first.contains("event: snapshot"), "{first}");
    reader.part().await.unwrap();
    for _ in 0..3 {
        assert_eq!(reader.part().await.unwrap(), ": heartbeat");
    }
}

#[sqlx::test]
async fn streams_that_cannot_be_are_refused_with_the_reason(pool: PgPool) {
    let house = House::open(pool).await;
    let job = scheduled(&house).await;
    let path = format!("/export-jobs/{job}/events");
    let asks = async |path: &str, name: &'static str, said: &str| house.get_with(path, name, said).await;
    let refused = asks(&path, "accept", "text/html").await.is(406);
    assert_eq!(refused["code"], "not-acceptable");
    assert!(refused["detail"].as_str().unwrap().contains("text/event-stream"), "{refused}");
    asks(&path, "accept", "text/html, */*;q=0.1").await.is(200);
    for (query, id, pointer) in [
        ("", "first", "Last-Event-ID"),
        ("", "-1", "Last-Event-ID"),
        ("", "7", "Last-Event-ID"),
        ("?lastEventId=-1", "", "lastEventId"),
        ("?limit=10", "", "limit"),
        ("?cursor=a", "", "cursor"),
    ] {
        let request = TestRequest::get().uri(&format!("{path}{query}")).insert_header(("last-event-id", id));
        let refused = house.send(request.insert_header(("accept", "text/event-stream"))).await.is(400);
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{query} {id}: {refused}");
    }
    assert_eq!(ask(&house, address(&uuid::Uuid::now_v7().to_string())).await.0, 404);
    assert_eq!(ask(&house, address("nothing")).await.0, 404);
}

#[sqlx::test]
async fn streams_have_a_limit_and_hold_no_connection(pool: PgPool) {
    let house = House::with(pool, |settings| settings.max_streams = 20).await;
    let job = scheduled(&house).await;
    let mut readers = Vec::new();
    for _ in 0..20 {
        let mut reader = open(&house, &job, None).await;
        reader.next().await.unwrap();
        readers.push(reader);
    }
    assert_eq!(shown(&house, &job).await["state"], "scheduled", "more than the database has places");
    let request = address(&job).insert_header(("accept", "text/event-stream"));
    let refused = house.send(request).await;
    assert_eq!(refused.header("retry-after"), "10");
    let refused = refused.is(429);
    assert_eq!(refused["code"], "too-many-streams");
    assert!(refused["detail"].as_str().unwrap().contains("20"), "{refused}");
    drop(readers.pop());
    open(&house, &job, None).await;
    // One look serves all.
    tell(&house, &job, "run").await;
    work(&house).await;
    for reader in &mut readers {
        assert_eq!(reader.rest().await.last().unwrap().data["outcome"], "succeeded");
    }
}

#[sqlx::test]
async fn a_stream_ends_when_its_job_is_deleted(pool: PgPool) {
    let house = House::open(pool).await;
    let job = scheduled(&house).await;
    let mut reader = open(&house, &job, None).await;
    reader.next().await.unwrap();
    house.delete(format!("/export-jobs/{job}")).await.worked();
    reader.rest().await;
    assert_eq!(ask(&house, address(&job)).await.0, 404);
}

#[sqlx::test]
async fn a_stream_is_for_those_who_see_the_job_and_ends_with_the_key(pool: PgPool) {
    use offprint::db::capability::Capability;
    let house = guarded(pool).await;
    let ann = Guest::of(&house, "ours", "ann").await;
    let bob = Guest::with(&house, "ours", "bob", &[Capability::ExportsCreate]).await;
    let eve = Guest::of(&house, "theirs", "eve").await;
    let asset = ann.asset("a.txt", b"a").await;
    let order = json!({"assetHandleArray": [asset], "fmt": "orig", "execTime": "2099-01-01T00:00:00Z"});
    let job = ann.post("/export-jobs", order).await.is(202)["jobHandle"].as_str().unwrap().to_owned();
    let with = |key: &str| address(&job).insert_header(("authorization", format!("Bearer {key}")));
    for (key, status) in [(&bob.key, 404), (&eve.key, 404), (&"nothing".to_owned(), 401)] {
        assert_eq!(ask(&house, with(key)).await.0, status);
    }
    let second = ann.key_for(&Capability::ALL).await;
    let (status, mut reader) = ask(&house, with(&second)).await;
    assert_eq!(status, 200);
    reader.next().await.unwrap();
    let keys = ann.get("/api-keys").await.is(200);
    for key in keys["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|key| second.contains(&key["keyHandle"].as_str().unwrap().replace('-', "")))
    {
        ann.delete(&format!("/api-keys/{}", key["keyHandle"].as_str().unwrap())).await.worked();
    }
    reader.rest().await;
    assert_eq!(ask(&house, with(&second)).await.0, 401);
}

impl Service {
    /// Opens a stream of the running service.
    async fn stream(&self, job: &str, after: &str) -> Reader<impl Stream<Item = Bytes> + Unpin + use<>> {
        let request = self.client.get(format!("{}/export-jobs/{job}/events", self.url));
        let answer = request.header("accept", "text/event-stream").header("last-event-id", after).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let body = answer.bytes_stream().map(|part| part.map(|part| part.to_vec()).map_err(|why| why.to_string()));
        Reader { body: Box::pin(body), read: String::new() }
    }
}

#[sqlx::test]
async fn a_stream_goes_on_without_a_gap_after_its_process_was_killed(pool: PgPool) {
    const PICTURES: usize = 30;
    const KILLS: usize = 3;
    let (database, folder) = (url(&pool), TempDir::new().unwrap());
    let mut service = Service::start(&database, &folder, &[]).unwrap();
    for seed in 0..PICTURES {
        let bytes = picture(image::ImageFormat::Jpeg, 700, 500 + seed as u32, seed as u8);
        service.upload(format!("{seed}.jpg"), bytes).await;
    }
    let job = service
        .order(json!({"assetFilter": {}, "fmt": "convert", "is_modifier": "wid=300&op_usm=1,2,0,0&fmt=png"}))
        .await;
    let (mut told, mut last) = (Vec::new(), String::new());
    for _ in 0..KILLS {
        let mut reader = service.stream(&job, &last).await;
        let part = reader.until(|message| message.data["code"] == "fileConverted").await;
        last.clone_from(&part.last().unwrap().id);
        told.extend(events(&part));
        service.kill();
        service = Service::start(&database, &folder, &[]).unwrap();
    }
    told.extend(events(&service.stream(&job, &last).await.rest().await));
    let log = service.get(&format!("/export-jobs/{job}/events?limit=1000")).await;
    assert_eq!(json!(told), log["items"], "no gap, and nothing twice");
    assert_eq!(told.iter().filter(|event| event["code"] == "fileConverted").count(), PICTURES);
    assert_eq!(service.stop(), Some(0));
}

/// Everything that the service answers to a request up to the end of the connection.
fn spoken(service: &Service, request: &str) -> String {
    let mut line = TcpStream::connect(service.url.trim_start_matches("http://")).unwrap();
    line.set_read_timeout(Some(SOON)).unwrap();
    line.write_all(request.as_bytes()).unwrap();
    let mut said = String::new();
    line.read_to_string(&mut said).unwrap();
    said
}

#[sqlx::test]
async fn a_connection_is_whole_after_a_stream_and_streams_end_when_the_service_does(pool: PgPool) {
    let (database, folder) = (url(&pool), TempDir::new().unwrap());
    let service =
        Service::start(&database, &folder, &[("OFFPRINT_MAX_STREAMS", "1"), ("OFFPRINT_HEARTBEAT", "20ms")]).unwrap();
    service.upload("a.jpg".into(), jpg(1)).await;
    let job = service.order(json!({"assetFilter": {}, "fmt": "orig"})).await;
    service.progress(&job, 2).await;
    let head = format!("GET /export-jobs/{job}/events HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n");
    // The second request on the same connection, and its close, are answered as after any other answer.
    let said = spoken(&service, &format!("{head}\r\n{head}connection: close\r\n\r\n"));
    assert_eq!(said.matches("HTTP/1.1 200 OK").count(), 2, "{said}");
    assert_eq!(said.matches("transfer-encoding: chunked").count(), 2, "{said}");
    assert_eq!(said.matches("\r\n0\r\n\r\n").count(), 2, "each ends with its last chunk: {said}");

    let waits = service.order(json!({"assetFilter": {}, "fmt": "orig", "execTime": "2099-01-01T00:00:00Z"})).await;
    let mut reader = service.stream(&waits, "").await;
    reader.next().await.unwrap();
    drop(reader);
    // Whoever has gone gives the place free, at the latest when a heartbeat finds nobody.
    let mut reader = loop {
        let request = service.client.get(format!("{}/export-jobs/{waits}/events", service.url));
        let answer = request.header("accept", "text/event-stream").send().await.unwrap();
        if answer.status() == 200 {
            let body = answer.bytes_stream().map(|part| part.map(|part| part.to_vec()).map_err(|why| why.to_string()));
            break Reader { body: Box::pin(body), read: String::new() };
        }
        assert_eq!(answer.status(), 429);
    };
    reader.next().await.unwrap();
    let stopped = tokio::task::spawn_blocking(move || service.stop());
    // The log's only event may come before the end or not; `rest` does not take an answer that was cut.
    assert!(reader.rest().await.len() <= 1, "the stream ends as a whole answer does");
    assert_eq!(stopped.await.unwrap(), Some(0));
}
