//! Webhooks: what is sent and how it is signed, where they never go, when they are sent again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use offprint::db::{webhook, webhook_secret};
use offprint::export::Callbacks;
use offprint::notify::webhook::{Courier, Message, PATIENCE};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::guest::{Guest, guarded};
use crate::house::House;
use crate::receiver::Says::{Elsewhere, NoEnd, Nothing, Status};
use crate::receiver::{Book, Receiver, Seen};

/// Only the receivers of these tests, which are on this machine, without TLS.
fn loopback() -> Callbacks {
    Callbacks { http: true, networks: vec!["127.0.0.0/8".parse().unwrap()] }
}

async fn house(pool: PgPool) -> House {
    with(House::open(pool).await, loopback(), Book::of(&[&["127.0.0.1"]]), PATIENCE)
}

fn with(mut house: House, callbacks: Callbacks, book: Arc<Book>, patience: Duration) -> House {
    house.state.courier = Arc::new(Courier::with(callbacks, book, patience));
    house
}

/// Orders a job that ends well, and gives its address.
async fn order(house: &House, url: &str) -> String {
    let asset = house.asset("a.txt", b"bytes").await;
    let order = json!({"assetHandleArray": [asset], "fmt": "orig", "jobName": "spring", "callbackUrl": url});
    house.post("/export-jobs", order).await.is(202)["links"]["self"].as_str().unwrap().to_owned()
}

async fn drain(house: &House) {
    offprint::worker::drain(&house.state).await.unwrap();
}

/// The one delivery of a job.
async fn delivery(house: &House, job: &str) -> Value {
    let listed = house.get(format!("{job}/deliveries")).await.is(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");
    listed["items"][0].clone()
}

fn statuses(delivery: &Value) -> Vec<Option<i64>> {
    delivery["attempts"].as_array().unwrap().iter().map(|attempt| attempt["status"].as_i64()).collect()
}

/// Verifies as the specification tells receivers to, without any code of the service.
fn verifies(secret: &str, message: &Seen) -> bool {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let signed = format!("{}.{}.{}", message.headers["webhook-id"], message.headers["webhook-timestamp"], message.body);
    message.headers["webhook-signature"].split(' ').any(|signature| {
        let mac = Hmac::<sha2::Sha256>::new_from_slice(&key).unwrap().chain_update(&signed);
        mac.verify_slice(&STANDARD.decode(signature.strip_prefix("v1,").unwrap()).unwrap()).is_ok()
    })
}

async fn secret(house: &House) -> String {
    house.get("/webhook-secret").await.is(200)["secret"].as_str().unwrap().to_owned()
}

#[sqlx::test]
async fn a_webhook_tells_what_the_job_tells_and_is_signed(pool: PgPool) {
    let house = house(pool).await;
    let receiver = Receiver::open(&[Status(204)]).await;
    let job = order(&house, &receiver.url()).await;
    assert_eq!(house.get(format!("{job}/deliveries")).await.is(200)["items"], json!([]), "nothing has ended yet");
    drain(&house).await;
    let [message] = &receiver.seen()[..] else { panic!("one message") };
    assert_eq!(message.headers["content-type"], "application/json");
    assert!(message.headers["user-agent"].starts_with("Offprint/"));
    let sent = message.headers["webhook-timestamp"].parse::<i64>().unwrap();
    assert!((chrono::Utc::now().timestamp() - sent).abs() < 60);
    let body: Value = serde_json::from_str(&message.body).unwrap();
    assert_eq!(body["type"], "export_job.finished");
    assert!(chrono::DateTime::parse_from_rfc3339(body["timestamp"].as_str().unwrap()).is_ok());
    let shown = house.get(&job).await.is(200);
    assert_eq!((&shown["callbackUrl"], &shown["files"]), (&json!(receiver.url()), &json!(1)));
    let told = body["data"].as_object().unwrap();
    for name in ["jobHandle", "jobName", "run", "state", "outcome", "counts", "files", "bytes", "links"] {
        assert_eq!(told[name], shown[name], "{name}");
    }
    assert_eq!(told.len(), 9);
    let secret = secret(&house).await;
    assert!(verifies(&secret, message));
    let other = Seen { body: message.body.replace("spring", "autumn"), ..message.clone() };
    assert!(!verifies(&secret, &other), "another body");
    let delivery = delivery(&house, &job).await;
    assert_eq!(delivery["deliveryHandle"], message.headers["webhook-id"].as_str());
    assert_eq!((&delivery["state"], &delivery["nextAttemptAt"]), (&json!("delivered"), &Value::Null));
    let attempt = &delivery["attempts"][0];
    assert_eq!((&attempt["attempt"], &attempt["status"], &attempt["error"]), (&json!(1), &json!(204), &Value::Null));
    assert!(attempt["latencyMs"].as_i64().unwrap() < 10_000);
    house.check().await;
}

#[sqlx::test]
async fn failed_and_stopped_jobs_and_every_run_are_told(pool: PgPool) {
    let house = house(pool).await;
    let receiver = Receiver::open(&[Status(200)]).await;
    let asset = house.asset("a.txt", b"bytes").await;
    let whole = crate::exportjob::picture(image::ImageFormat::Png, 60, 60, 1);
    let cut = house.asset("cut.png", &whole[..whole.len() / 2]).await;
    let failing =
        json!({"assetHandleArray": [cut], "fmt": "convert", "is_modifier": "wid=9", "callbackUrl": receiver.url()});
    let failing = house.post("/export-jobs", failing).await.is(202);
    drain(&house).await;
    let job = failing["links"]["self"].as_str().unwrap();
    house.post(format!("{job}/retry"), Value::Null).await.is(200);
    drain(&house).await;
    let later = json!({"assetHandleArray": [asset], "fmt": "orig", "execTime": "2099-01-01T00:00:00Z", "callbackUrl": receiver.url()});
    let later = house.post("/export-jobs", later).await.is(202);
    house.post(format!("{}/stop", later["links"]["self"].as_str().unwrap()), Value::Null).await.is(200);
    drain(&house).await;
    let told = |message: &Seen| {
        let body: Value = serde_json::from_str(&message.body).unwrap();
        (body["type"].clone(), body["data"]["outcome"].clone(), body["data"]["run"].clone())
    };
    let told: Vec<_> = receiver.seen().iter().map(told).collect();
    let one = |kind: &str, outcome: &str, run: i32| (json!(kind), json!(outcome), json!(run));
    assert_eq!(
        told,
        [
            one("export_job.failed", "failed", 1),
            one("export_job.failed", "failed", 2),
            one("export_job.stopped", "stopped", 1)
        ]
    );
    let first = house.get(format!("{job}/deliveries?limit=1")).await.is(200);
    let next = format!("{job}/deliveries?limit=1&cursor={}", first["nextCursor"].as_str().unwrap());
    let second = house.get(next).await.is(200);
    assert_eq!((&first["items"][0]["run"], &second["items"][0]["run"]), (&json!(1), &json!(2)));
    assert_eq!(second["nextCursor"], Value::Null);
}

#[sqlx::test]
async fn a_secret_that_was_replaced_signs_for_a_day_more(pool: PgPool) {
    let house = house(pool).await;
    let receiver = Receiver::open(&[Status(200)]).await;
    let first = secret(&house).await;
    let answer = house.send(actix_web::test::TestRequest::post().uri("/webhook-secret/rotate")).await;
    assert_eq!(answer.header("cache-control"), "no-store");
    let rotated = answer.is(200);
    let second = rotated["secret"].as_str().unwrap().to_owned();
    assert_ne!(first, second);
    assert_eq!(rotated["previous"]["secret"], first.as_str());
    assert_eq!(house.get("/webhook-secret").await.is(200), rotated);
    order(&house, &receiver.url()).await;
    drain(&house).await;
    house.later("25 hours").await;
    assert_eq!(house.get("/webhook-secret").await.is(200)["previous"], Value::Null);
    order(&house, &receiver.url()).await;
    drain(&house).await;
    let [during, after] = &receiver.seen()[..] else { panic!("two messages") };
    assert!(verifies(&first, during) && verifies(&second, during));
    assert!(!verifies(&first, after) && verifies(&second, after));
    // Whoever lost both secrets replaces them twice.
    for _ in 0..2 {
        house.post("/webhook-secret/rotate", Value::Null).await.is(200);
    }
    let left = webhook_secret::valid(&house.state.system, house.state.company).await.unwrap();
    assert_eq!(left.len(), 2);
    assert!(left.iter().all(|secret| secret.spelled() != second && secret.spelled() != first));
}

#[sqlx::test]
async fn an_order_names_a_url_that_may_be_called(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.txt", b"bytes").await;
    let tried = async |url: &str| {
        let order = json!({"assetHandleArray": [asset], "fmt": "orig", "callbackUrl": url});
        house.post("/export-jobs/validate", order).await
    };
    for (url, said) in [
        ("", "not a URL"),
        ("hooks.example.org/export", "not a URL"),
        ("https://", "not a URL"),
        ("http://hooks.example.org/", "by https only"),
        ("ftp://hooks.example.org/", "`ftp` cannot be called"),
        ("file:///etc/passwd", "`file` cannot be called"),
        ("https://ann:secret@hooks.example.org/", "a name or password"),
        ("https://127.0.0.1/", "loopback"),
        ("https://2130706433/", "loopback"),
        ("https://0x7f.1/", "loopback"),
        ("https://localhost:8080/", "loopback"),
        ("https://a.localhost./", "loopback"),
        ("https://[::1]/", "loopback"),
        ("https://[::ffff:10.0.0.1]/", "private"),
        ("https://169.254.169.254/latest/meta-data/", "link-local"),
    ] {
        let mistake = tried(url).await.is(422)["errors"][0].clone();
        assert_eq!((&mistake["pointer"], &mistake["code"]), (&json!("/callbackUrl"), &json!("invalid-value")), "{url}");
        let detail = mistake["detail"].as_str().unwrap();
        assert!(detail.contains(said) && !detail.contains("secret"), "{url}: {detail}");
    }
    for url in ["https://hooks.example.org/export?token=1", "https://192.0.32.7:8443/", "https://[2606:2800::1]/"] {
        tried(url).await.is(200);
    }
}

#[test]
fn addresses_that_are_not_public_are_never_called() {
    let strict = Callbacks::default();
    for (address, why) in [
        ("0.0.0.0", "no address"),
        ("10.1.2.3", "private"),
        ("100.64.0.1", "carrier"),
        ("100.100.100.200", "carrier"),
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("168.63.129.16", "metadata"),
        ("169.254.169.254", "link-local"),
        ("172.16.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.0.0.192", "reserved"),
        ("192.168.1.1", "private"),
        ("198.18.0.1", "benchmarks"),
        ("203.0.113.9", "documentation"),
        ("224.0.0.1", "multicast"),
        ("255.255.255.255", "reserved"),
        ("::", "reserved"),
        ("::1", "loopback"),
        ("::7f00:1", "reserved"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:169.254.169.254", "link-local"),
        ("64:ff9b::10.0.0.1", "private"),
        ("64:ff9b::a9fe:a9fe", "link-local"),
        ("64:ff9b:1::1", "reserved"),
        ("fc00::1", "unique local"),
        ("fd00:ec2::254", "unique local"),
        ("fe80::1", "link-local"),
        ("fec0::1", "reserved"),
        ("ff02::1", "multicast"),
        ("2001::1", "reserved"),
        ("2001:db8::1", "documentation"),
        ("2002:7f00:1::", "6to4"),
        ("5f00::1", "reserved"),
    ] {
        let said = strict.check_address(address.parse().unwrap()).unwrap_err();
        assert!(said.contains(why) && said.contains("OFFPRINT_WEBHOOK_NETWORKS"), "{address}: {said}");
    }
    for address in [
        "1.1.1.1",
        "100.63.255.255",
        "100.128.0.0",
        "172.32.0.1",
        "2606:4700::1111",
        "64:ff9b::1.1.1.1",
        "::ffff:1.1.1.1",
    ] {
        assert_eq!(strict.check_address(address.parse().unwrap()), Ok(()), "{address}");
    }
    let lenient =
        Callbacks { http: false, networks: vec!["10.1.0.0/16".parse().unwrap(), "fd00::/16".parse().unwrap()] };
    for address in ["10.1.255.1", "::ffff:10.1.0.1", "64:ff9b::10.1.0.1", "fd00::1"] {
        assert_eq!(lenient.check_address(address.parse().unwrap()), Ok(()), "{address}");
    }
    for address in ["10.2.0.1", "127.0.0.1", "fd01::1"] {
        assert!(lenient.check_address(address.parse().unwrap()).is_err(), "{address}");
    }
}

#[sqlx::test]
async fn a_name_is_looked_up_for_the_connection_and_all_its_addresses_must_be_open(pool: PgPool) {
    // In the book of this house 127.0.0.1 stands for what is public.
    let book = Book::of(&[&["127.0.0.1"], &["10.0.0.1"], &["127.0.0.1", "::1"], &["127.0.0.1"]]);
    let house = with(House::open(pool).await, loopback(), book.clone(), PATIENCE);
    let receiver = Receiver::open(&[Status(500), Status(200)]).await;
    let job = order(&house, &receiver.url()).await;
    assert_eq!(book.asked.load(Ordering::SeqCst), 0, "an order asks nobody");
    for asked in 1..=4 {
        drain(&house).await;
        assert_eq!(book.asked.load(Ordering::SeqCst), asked, "once for each try");
        house.later("1 hour").await;
    }
    let delivery = delivery(&house, &job).await;
    assert_eq!(statuses(&delivery), [Some(500), None, None, Some(200)]);
    let error = |attempt: usize| delivery["attempts"][attempt]["error"].as_str().unwrap();
    assert!(error(1).contains("10.0.0.1, which is private"), "{delivery}");
    assert!(error(2).contains("::1, which is loopback"), "{delivery}");
    assert_eq!(receiver.connections.load(Ordering::SeqCst), 2);
    assert_eq!(house.get(&job).await.is(200)["outcome"], "succeeded");
}

#[sqlx::test]
async fn without_settings_nothing_on_this_machine_is_called(pool: PgPool) {
    let book = Book::of(&[&["127.0.0.1"]]);
    let house = with(House::open(pool).await, Callbacks::default(), book, PATIENCE);
    let receiver = Receiver::open(&[Status(200)]).await;
    let job = order(&house, &receiver.url().replace("http:", "https:")).await;
    // As if the settings had allowed them when they were ordered.
    let literal = order(&house, "https://hooks.example/").await;
    let plain = order(&house, "https://hooks.example/").await;
    for (job, url) in [(&literal, format!("https://127.0.0.1:{}/", receiver.port)), (&plain, receiver.url())] {
        let sql = "update export_job set callback_url = $1 where job_id = $2::uuid";
        let id = job.rsplit('/').next().unwrap();
        sqlx::query(sql).bind(url).bind(id).execute(&house.state.system).await.unwrap();
    }
    drain(&house).await;
    for (job, why) in [(&job, "loopback"), (&literal, "loopback"), (&plain, "https only")] {
        let delivery = delivery(&house, job).await;
        assert!(delivery["attempts"][0]["error"].as_str().unwrap().contains(why), "{delivery}");
    }
    assert_eq!(receiver.connections.load(Ordering::SeqCst), 0);
}

#[sqlx::test]
async fn redirects_are_not_followed(pool: PgPool) {
    let house = house(pool).await;
    let other = Receiver::open(&[Status(200)]).await;
    let receiver = Receiver::open(&[Elsewhere(other.url())]).await;
    let job = order(&house, &receiver.url()).await;
    drain(&house).await;
    let delivery = delivery(&house, &job).await;
    assert_eq!((&delivery["state"], &delivery["attempts"][0]["status"]), (&json!("waiting"), &json!(307)));
    assert!(delivery["attempts"][0]["error"].as_str().unwrap().contains("Redirects are not followed"), "{delivery}");
    assert_eq!(other.connections.load(Ordering::SeqCst), 0);
}

#[sqlx::test]
async fn a_receiver_that_says_nothing_is_left(pool: PgPool) {
    let book = Book::of(&[&["127.0.0.1"]]);
    let house = with(House::open(pool).await, loopback(), book, Duration::from_millis(200));
    let receiver = Receiver::open(&[Nothing, NoEnd]).await;
    let job = order(&house, &receiver.url()).await;
    drain(&house).await;
    let silent = delivery(&house, &job).await;
    assert_eq!((&silent["state"], &silent["attempts"][0]["status"]), (&json!("waiting"), &Value::Null));
    assert!(silent["attempts"][0]["error"].as_str().unwrap().contains("no answer in time"), "{silent}");
    assert!((200..5000).contains(&silent["attempts"][0]["latencyMs"].as_i64().unwrap()), "{silent}");
}

#[sqlx::test]
async fn an_answer_without_an_end_is_cut(pool: PgPool) {
    let house = house(pool).await;
    let receiver = Receiver::open(&[NoEnd]).await;
    let job = order(&house, &receiver.url()).await;
    drain(&house).await;
    let delivery = delivery(&house, &job).await;
    assert_eq!(delivery["state"], "delivered", "the status counts: {delivery}");
    // What the kernel holds between the two comes on top of what was read.
    assert!(receiver.written.load(Ordering::SeqCst) < 64 << 20);
}

#[sqlx::test]
async fn a_receiver_that_fails_gets_the_same_message_again(pool: PgPool) {
    let house = house(pool).await;
    let receiver = Receiver::open(&[Status(500), Status(200)]).await;
    let job = order(&house, &receiver.url()).await;
    drain(&house).await;
    let waiting = delivery(&house, &job).await;
    assert_eq!((&waiting["state"], &waiting["endedAt"]), (&json!("waiting"), &Value::Null));
    assert!(waiting["nextAttemptAt"].as_str().is_some());
    drain(&house).await;
    assert_eq!(receiver.seen().len(), 1, "not before its time");
    house.later("15 seconds").await;
    drain(&house).await;
    assert_eq!(statuses(&delivery(&house, &job).await), [Some(500), Some(200)]);
    let [first, second] = &receiver.seen()[..] else { panic!("two messages") };
    assert_eq!((&first.headers["webhook-id"], &first.body), (&second.headers["webhook-id"], &second.body));
    assert!(verifies(&secret(&house).await, second));
    assert_eq!(house.get(&job).await.is(200)["outcome"], "succeeded");
}

#[sqlx::test]
async fn a_receiver_that_is_gone_gets_nothing_more(pool: PgPool) {
    let house = house(pool).await;
    let receiver = Receiver::open(&[Status(410)]).await;
    let job = order(&house, &receiver.url()).await;
    for _ in 0..3 {
        drain(&house).await;
        house.later("4 hours").await;
    }
    let delivery = delivery(&house, &job).await;
    assert_eq!((&delivery["state"], statuses(&delivery)), (&json!("failed"), vec![Some(410)]));
    assert_eq!(receiver.seen().len(), 1);
}

#[sqlx::test]
async fn after_a_day_a_message_is_given_up_and_can_be_replayed(pool: PgPool) {
    let house = house(pool).await;
    let receiver = Receiver::open(&[Status(503), Status(503), Status(503), Status(200)]).await;
    let job = order(&house, &receiver.url()).await;
    drain(&house).await;
    house.later("12 hours").await;
    drain(&house).await;
    assert_eq!(delivery(&house, &job).await["state"], "waiting");
    house.later("12 hours").await;
    drain(&house).await;
    let given_up = delivery(&house, &job).await;
    assert_eq!((&given_up["state"], &given_up["nextAttemptAt"]), (&json!("failed"), &Value::Null));
    house.later("12 hours").await;
    drain(&house).await;
    assert_eq!(receiver.seen().len(), 3);

    let handle = given_up["deliveryHandle"].as_str().unwrap();
    let replay = format!("{job}/deliveries/{handle}/replay");
    house.post(&replay, Value::Null).await.is(202);
    drain(&house).await;
    let replayed = delivery(&house, &job).await;
    assert_eq!((&replayed["state"], replayed["attempts"].as_array().unwrap().len()), (&json!("delivered"), 4));
    // What was delivered can be sent again, too.
    house.post(&replay, Value::Null).await.is(202);
    drain(&house).await;
    let seen = receiver.seen();
    assert_eq!(seen.len(), 5);
    assert!(seen.iter().all(|message| message.headers["webhook-id"] == handle && message.body == seen[0].body));
    let nowhere = format!("{job}/deliveries/{}/replay", uuid::Uuid::now_v7());
    house.post(nowhere, Value::Null).await.is(404);
}

#[sqlx::test]
async fn a_worker_that_dies_after_sending_sends_the_same_again(pool: PgPool) {
    let house = house(pool).await;
    let receiver = Receiver::open(&[Status(200)]).await;
    let job = order(&house, &receiver.url()).await;
    // All but the webhook: its name is not found the first time.
    let silent = with_nobody(&house);
    offprint::worker::drain(&silent).await.unwrap();
    house.later("1 minute").await;
    let due = webhook::claim(&house.state.system, Duration::from_secs(30)).await.unwrap().unwrap();
    let secrets = [webhook_secret::valid(&house.state.system, due.company_id).await.unwrap().remove(0).secret];
    let message = Message { id: due.webhook_id.to_string(), url: &due.url, body: &due.body, secrets: &secrets };
    assert_eq!(house.state.courier.send(&message).await.status, Some(200));
    // It dies here. Its lease holds for a while: nobody else sends, and nobody replays.
    drain(&house).await;
    assert_eq!(receiver.seen().len(), 1);
    let on_its_way = delivery(&house, &job).await;
    assert_eq!((&on_its_way["state"], &on_its_way["attempts"][1]["error"]), (&json!("sending"), &Value::Null));
    let replay = format!("{job}/deliveries/{}/replay", due.webhook_id);
    assert_eq!(house.post(&replay, Value::Null).await.is(409)["code"], "wrong-state");
    house.later("1 minute").await;
    drain(&house).await;
    let [first, second] = &receiver.seen()[..] else { panic!("two messages") };
    assert_eq!(first.headers["webhook-id"], second.headers["webhook-id"]);
    let delivery = delivery(&house, &job).await;
    assert_eq!((&delivery["state"], statuses(&delivery)), (&json!("delivered"), vec![None, None, Some(200)]));
    assert!(delivery["attempts"][1]["error"].as_str().unwrap().contains("worker ended meanwhile"), "{delivery}");
    // What the dead one would have said does not count any more.
    let ended = webhook::Ended { status: Some(500), error: Some("late"), latency: Duration::ZERO };
    let late = webhook::settle(&house.state.system, &due, webhook::Sent::Never, &ended).await.unwrap();
    assert_eq!(late, None);
}

/// The same house with a courier that knows no host.
fn with_nobody(house: &House) -> offprint::state::State {
    let mut state = house.state.clone();
    state.courier = Arc::new(Courier::with(loopback(), Book::of(&[&[]]), PATIENCE));
    state
}

#[sqlx::test]
async fn workers_never_send_the_same_at_once(pool: PgPool) {
    let house = house(pool).await;
    let receiver = Receiver::open(&[Status(200)]).await;
    for _ in 0..6 {
        order(&house, &receiver.url()).await;
    }
    tokio::join!(drain(&house), drain(&house), drain(&house), drain(&house));
    let seen = receiver.seen();
    let mut ids: Vec<_> = seen.iter().map(|message| &message.headers["webhook-id"]).collect();
    ids.sort();
    ids.dedup();
    assert_eq!((seen.len(), ids.len()), (6, 6));
}

#[sqlx::test]
async fn receivers_of_one_company_that_hang_hold_up_no_other(pool: PgPool) {
    let house = with(guarded(pool).await, loopback(), Book::of(&[&[]]), PATIENCE);
    let (ann, eve) = (Guest::of(&house, "ours", "ann").await, Guest::of(&house, "theirs", "eve").await);
    for guest in [&ann, &ann, &ann, &eve] {
        let asset = guest.asset("a.txt", b"bytes").await;
        let order = json!({"assetHandleArray": [asset], "fmt": "orig", "callbackUrl": "https://hooks.example/"});
        guest.post("/export-jobs", order).await.is(202);
    }
    drain(&house).await;
    house.later("1 hour").await;
    let mut order = Vec::new();
    while let Some(due) = webhook::claim(&house.state.system, Duration::from_secs(30)).await.unwrap() {
        order.push(due.company_id);
    }
    let of_eve = order.iter().position(|company| *company == eve.company).unwrap();
    assert!(order.len() == 4 && of_eve <= 1, "{order:?}");
}
