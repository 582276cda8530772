//! Webhooks: payload and signature, addresses that are never called, retries and replays.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use offprint::db::task::{TaskEnd, TaskKind, TaskOutcome, settle_task};
use offprint::db::webhook::WebhookPayload;
use offprint::db::webhook_secret;
use offprint::jobs::CallbackPolicy;
use offprint::notify::webhook::{WEBHOOK_TIMEOUT, WebhookMessage, WebhookSender};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::export_jobs::drain_work;
use crate::support::images::draw_image;
use crate::support::queue::{claim_task, try_claim_task};
use crate::support::test_app::TestApp;
use crate::support::test_user::{TestUser, open_guarded_app};
use crate::support::webhook_receiver::ReceiverReply::{EndlessBody, NoReply, Redirect, Status};
use crate::support::webhook_receiver::{FakeResolver, ReceivedWebhook, WebhookReceiver};

/// Allows the receivers of these tests, which are on this machine, without TLS.
fn allow_loopback() -> CallbackPolicy {
    CallbackPolicy { allow_http: true, allowed_networks: vec!["127.0.0.0/8".parse().unwrap()] }
}

async fn open_app(pool: PgPool) -> TestApp {
    replace_sender(TestApp::open(pool).await, allow_loopback(), FakeResolver::new(&[&["127.0.0.1"]]), WEBHOOK_TIMEOUT)
}

fn replace_sender(
    mut app: TestApp,
    callbacks: CallbackPolicy,
    resolver: Arc<FakeResolver>,
    timeout: Duration,
) -> TestApp {
    app.state.webhook_sender = Arc::new(WebhookSender::with_lookup(callbacks, resolver, timeout));
    app
}

/// Creates a job that will succeed; its path.
async fn create_job_with_callback(app: &TestApp, url: &str) -> String {
    let asset = app.upload_asset("a.txt", b"bytes").await;
    let request = json!({"assetHandleArray": [asset], "fmt": "orig", "jobName": "spring", "callbackUrl": url});
    app.post("/export-jobs", request).await.expect_status(202)["links"]["self"].as_str().unwrap().to_owned()
}

/// The only delivery of a job.
async fn fetch_delivery(app: &TestApp, job: &str) -> Value {
    let listed = app.get(format!("{job}/deliveries")).await.expect_status(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");
    listed["items"][0].clone()
}

fn list_statuses(delivery: &Value) -> Vec<Option<i64>> {
    delivery["attempts"].as_array().unwrap().iter().map(|attempt| attempt["status"].as_i64()).collect()
}

/// Verifies a signature as the Standard Webhooks specification says, without code of the service.
fn is_signature_valid(secret: &str, message: &ReceivedWebhook) -> bool {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let signed = format!("{}.{}.{}", message.headers["webhook-id"], message.headers["webhook-timestamp"], message.body);
    message.headers["webhook-signature"].split(' ').any(|signature| {
        let mac = Hmac::<sha2::Sha256>::new_from_slice(&key).unwrap().chain_update(&signed);
        mac.verify_slice(&STANDARD.decode(signature.strip_prefix("v1,").unwrap()).unwrap()).is_ok()
    })
}

async fn fetch_secret(app: &TestApp) -> String {
    app.get("/webhook-secret").await.expect_status(200)["secret"].as_str().unwrap().to_owned()
}

#[sqlx::test]
async fn a_webhook_tells_what_the_job_tells_and_is_signed(pool: PgPool) {
    let app = open_app(pool).await;
    let receiver = WebhookReceiver::open(&[Status(204)]).await;
    let job = create_job_with_callback(&app, &receiver.url()).await;
    assert_eq!(
        app.get(format!("{job}/deliveries")).await.expect_status(200)["items"],
        json!([]),
        "no job has ended yet"
    );
    drain_work(&app).await;
    let [message] = &receiver.messages()[..] else { panic!("one message") };
    assert_eq!(message.headers["content-type"], "application/json");
    assert!(message.headers["user-agent"].starts_with("Offprint/"));
    let sent = message.headers["webhook-timestamp"].parse::<i64>().unwrap();
    assert!((chrono::Utc::now().timestamp() - sent).abs() < 60);
    let body: Value = serde_json::from_str(&message.body).unwrap();
    assert_eq!(body["type"], "export_job.finished");
    assert!(chrono::DateTime::parse_from_rfc3339(body["timestamp"].as_str().unwrap()).is_ok());
    let shown = app.get(&job).await.expect_status(200);
    assert_eq!((&shown["callbackUrl"], &shown["files"]), (&json!(receiver.url()), &json!(1)));
    let data = body["data"].as_object().unwrap();
    for name in ["jobHandle", "jobName", "metadata", "run", "state", "outcome", "counts", "files", "bytes", "links"] {
        assert_eq!(data[name], shown[name], "{name}");
    }
    assert_eq!(data.len(), 10);
    let secret = fetch_secret(&app).await;
    assert!(is_signature_valid(&secret, message));
    let tampered = ReceivedWebhook { body: message.body.replace("spring", "autumn"), ..message.clone() };
    assert!(!is_signature_valid(&secret, &tampered), "another body");
    let delivery = fetch_delivery(&app, &job).await;
    assert_eq!(delivery["deliveryHandle"], message.headers["webhook-id"].as_str());
    assert_eq!((&delivery["state"], &delivery["nextAttemptAt"]), (&json!("delivered"), &Value::Null));
    let attempt = &delivery["attempts"][0];
    assert_eq!((&attempt["attempt"], &attempt["status"], &attempt["error"]), (&json!(1), &json!(204), &Value::Null));
    assert!(attempt["latencyMs"].as_i64().unwrap() < 10_000);
    app.assert_consistent().await;
}

#[sqlx::test]
async fn failed_and_stopped_jobs_and_every_run_are_reported(pool: PgPool) {
    let app = open_app(pool).await;
    let receiver = WebhookReceiver::open(&[Status(200)]).await;
    let asset = app.upload_asset("a.txt", b"bytes").await;
    let whole = draw_image(image::ImageFormat::Png, 60, 60, 1);
    let cut = app.upload_asset("cut.png", &whole[..whole.len() / 2]).await;
    let failing =
        json!({"assetHandleArray": [cut], "fmt": "convert", "is_modifier": "wid=9", "callbackUrl": receiver.url()});
    let failing = app.post("/export-jobs", failing).await.expect_status(202);
    drain_work(&app).await;
    let job = failing["links"]["self"].as_str().unwrap();
    app.post(format!("{job}/retry"), Value::Null).await.expect_status(200);
    drain_work(&app).await;
    let later = json!({"assetHandleArray": [asset], "fmt": "orig", "execTime": "2099-01-01T00:00:00Z", "callbackUrl": receiver.url()});
    let later = app.post("/export-jobs", later).await.expect_status(202);
    app.post(format!("{}/stop", later["links"]["self"].as_str().unwrap()), Value::Null).await.expect_status(200);
    drain_work(&app).await;
    let summarize = |message: &ReceivedWebhook| {
        let body: Value = serde_json::from_str(&message.body).unwrap();
        (body["type"].clone(), body["data"]["outcome"].clone(), body["data"]["run"].clone())
    };
    let deliveries: Vec<_> = receiver.messages().iter().map(summarize).collect();
    let expected = |kind: &str, outcome: &str, run: i32| (json!(kind), json!(outcome), json!(run));
    assert_eq!(
        deliveries,
        [
            expected("export_job.failed", "failed", 1),
            expected("export_job.failed", "failed", 2),
            expected("export_job.stopped", "stopped", 1)
        ]
    );
    let first = app.get(format!("{job}/deliveries?limit=1")).await.expect_status(200);
    let next = format!("{job}/deliveries?limit=1&cursor={}", first["nextCursor"].as_str().unwrap());
    let second = app.get(next).await.expect_status(200);
    assert_eq!((&first["items"][0]["run"], &second["items"][0]["run"]), (&json!(1), &json!(2)));
    assert_eq!(second["nextCursor"], Value::Null);
}

#[sqlx::test]
async fn a_secret_that_was_replaced_signs_for_a_day_more(pool: PgPool) {
    let app = open_app(pool).await;
    let receiver = WebhookReceiver::open(&[Status(200)]).await;
    let first = fetch_secret(&app).await;
    let answer = app.send(actix_web::test::TestRequest::post().uri("/webhook-secret/rotate")).await;
    assert_eq!(answer.header("cache-control"), "no-store");
    let rotated = answer.expect_status(200);
    let second = rotated["secret"].as_str().unwrap().to_owned();
    assert_ne!(first, second);
    assert_eq!(rotated["previous"]["secret"], first.as_str());
    assert_eq!(app.get("/webhook-secret").await.expect_status(200), rotated);
    create_job_with_callback(&app, &receiver.url()).await;
    drain_work(&app).await;
    app.advance_time("25 hours").await;
    assert_eq!(app.get("/webhook-secret").await.expect_status(200)["previous"], Value::Null);
    create_job_with_callback(&app, &receiver.url()).await;
    drain_work(&app).await;
    let [during, after] = &receiver.messages()[..] else { panic!("two messages") };
    assert!(is_signature_valid(&first, during) && is_signature_valid(&second, during));
    assert!(!is_signature_valid(&first, after) && is_signature_valid(&second, after));
    // After two rotations both old secrets are invalid.
    for _ in 0..2 {
        app.post("/webhook-secret/rotate", Value::Null).await.expect_status(200);
    }
    let left = webhook_secret::ensure_webhook_secrets(&app.state.system, app.state.company).await.unwrap();
    assert_eq!(left.len(), 2);
    assert!(left.iter().all(|secret| secret.to_text() != second && secret.to_text() != first));
}

#[sqlx::test]
async fn a_request_names_a_url_that_may_be_called(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.txt", b"bytes").await;
    let tried = async |url: &str| {
        let request = json!({"assetHandleArray": [asset], "fmt": "orig", "callbackUrl": url});
        app.post("/export-jobs/validate", request).await
    };
    for (url, reason) in [
        ("", "not a URL"),
        ("hooks.example.org/export", "not a URL"),
        ("https://", "not a URL"),
        ("http://hooks.example.org/", "by https only"),
        ("ftp://hooks.example.org/", "`ftp` URLs are not supported"),
        ("file:///etc/passwd", "`file` URLs are not supported"),
        ("https://ann:secret@hooks.example.org/", "a user name or password"),
        ("https://127.0.0.1/", "loopback"),
        ("https://2130706433/", "loopback"),
        ("https://0x7f.1/", "loopback"),
        ("https://localhost:8080/", "loopback"),
        ("https://a.localhost./", "loopback"),
        ("https://[::1]/", "loopback"),
        ("https://[::ffff:10.0.0.1]/", "private"),
        ("https://169.254.169.254/latest/meta-data/", "link-local"),
    ] {
        let mistake = tried(url).await.expect_status(422)["errors"][0].clone();
        assert_eq!((&mistake["pointer"], &mistake["code"]), (&json!("/callbackUrl"), &json!("invalid-value")), "{url}");
        let detail = mistake["detail"].as_str().unwrap();
        assert!(detail.contains(reason) && !detail.contains("secret"), "{url}: {detail}");
    }
    for url in ["https://hooks.example.org/export?token=1", "https://192.0.32.7:8443/", "https://[2606:2800::1]/"] {
        tried(url).await.expect_status(200);
    }
}

#[test]
fn addresses_that_are_not_public_are_never_called() {
    let strict = CallbackPolicy::default();
    for (address, why) in [
        ("0.0.0.0", "not a host address"),
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
        let reason = strict.check_address(address.parse().unwrap()).unwrap_err();
        assert!(reason.contains(why) && reason.contains("OFFPRINT_WEBHOOK_NETWORKS"), "{address}: {reason}");
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
    let lenient = CallbackPolicy {
        allow_http: false,
        allowed_networks: vec!["10.1.0.0/16".parse().unwrap(), "fd00::/16".parse().unwrap()],
    };
    for address in ["10.1.255.1", "::ffff:10.1.0.1", "64:ff9b::10.1.0.1", "fd00::1"] {
        assert_eq!(lenient.check_address(address.parse().unwrap()), Ok(()), "{address}");
    }
    for address in ["10.2.0.1", "127.0.0.1", "fd01::1"] {
        assert!(lenient.check_address(address.parse().unwrap()).is_err(), "{address}");
    }
}

#[sqlx::test]
async fn a_name_is_looked_up_for_the_connection_and_all_its_addresses_must_be_open(pool: PgPool) {
    // The policy of these tests treats 127.0.0.1 as public.
    let resolver = FakeResolver::new(&[&["127.0.0.1"], &["10.0.0.1"], &["127.0.0.1", "::1"], &["127.0.0.1"]]);
    let app = replace_sender(TestApp::open(pool).await, allow_loopback(), resolver.clone(), WEBHOOK_TIMEOUT);
    let receiver = WebhookReceiver::open(&[Status(500), Status(200)]).await;
    let job = create_job_with_callback(&app, &receiver.url()).await;
    assert_eq!(resolver.lookups.load(Ordering::SeqCst), 0, "creating a job resolves no name");
    for asked in 1..=4 {
        drain_work(&app).await;
        assert_eq!(resolver.lookups.load(Ordering::SeqCst), asked, "one lookup for each attempt");
        app.advance_time("1 hour").await;
    }
    let delivery = fetch_delivery(&app, &job).await;
    assert_eq!(list_statuses(&delivery), [Some(500), None, None, Some(200)]);
    let error = |attempt: usize| delivery["attempts"][attempt]["error"].as_str().unwrap();
    for attempt in [1, 2] {
        assert!(error(attempt).contains("not public"), "{delivery}");
        assert!(
            !["10.0.0.1", "127.0.0.1", "::1", "private", "loopback"].iter().any(|told| error(attempt).contains(told))
        );
    }
    assert_eq!(receiver.connections.load(Ordering::SeqCst), 2);
    assert_eq!(app.get(&job).await.expect_status(200)["outcome"], "succeeded");
}

/// Otherwise the errors of webhooks would tell which names exist inside.
#[sqlx::test]
async fn a_name_of_the_inside_and_one_that_does_not_exist_look_the_same(pool: PgPool) {
    let resolver = FakeResolver::new(&[&["10.11.12.13"], &[]]);
    let app = replace_sender(TestApp::open(pool).await, CallbackPolicy::default(), resolver, WEBHOOK_TIMEOUT);
    let job = create_job_with_callback(&app, "https://db.internal.example/").await;
    for _ in 0..2 {
        drain_work(&app).await;
        app.advance_time("1 hour").await;
    }
    let delivery = fetch_delivery(&app, &job).await;
    let error = |attempt: usize| delivery["attempts"][attempt]["error"].as_str().unwrap();
    assert_eq!(error(0), error(1), "{delivery}");
    assert!(!error(0).contains("10.11.12.13"), "{delivery}");
}

#[sqlx::test]
async fn without_settings_nothing_on_this_machine_is_called(pool: PgPool) {
    let resolver = FakeResolver::new(&[&["127.0.0.1"]]);
    let app = replace_sender(TestApp::open(pool).await, CallbackPolicy::default(), resolver, WEBHOOK_TIMEOUT);
    let receiver = WebhookReceiver::open(&[Status(200)]).await;
    let job = create_job_with_callback(&app, &receiver.url().replace("http:", "https:")).await;
    // As if the settings had allowed these URLs when the jobs were created.
    let literal = create_job_with_callback(&app, "https://hooks.example/").await;
    let plain = create_job_with_callback(&app, "https://hooks.example/").await;
    for (job, url) in [(&literal, format!("https://127.0.0.1:{}/", receiver.port)), (&plain, receiver.url())] {
        let sql = "update export_job set callback_url = $1 where job_id = $2::uuid";
        let id = job.rsplit('/').next().unwrap();
        sqlx::query(sql).bind(url).bind(id).execute(&app.state.system).await.unwrap();
    }
    drain_work(&app).await;
    for (job, why) in [(&job, "not public"), (&literal, "loopback"), (&plain, "https only")] {
        let delivery = fetch_delivery(&app, job).await;
        assert!(delivery["attempts"][0]["error"].as_str().unwrap().contains(why), "{delivery}");
    }
    assert_eq!(receiver.connections.load(Ordering::SeqCst), 0);
}

#[sqlx::test]
async fn redirects_are_not_followed(pool: PgPool) {
    let app = open_app(pool).await;
    let other = WebhookReceiver::open(&[Status(200)]).await;
    let receiver = WebhookReceiver::open(&[Redirect(other.url())]).await;
    let job = create_job_with_callback(&app, &receiver.url()).await;
    drain_work(&app).await;
    let delivery = fetch_delivery(&app, &job).await;
    assert_eq!((&delivery["state"], &delivery["attempts"][0]["status"]), (&json!("waiting"), &json!(307)));
    assert!(delivery["attempts"][0]["error"].as_str().unwrap().contains("Redirects are not followed"), "{delivery}");
    assert_eq!(other.connections.load(Ordering::SeqCst), 0);
}

#[sqlx::test]
async fn a_receiver_that_says_nothing_is_left(pool: PgPool) {
    let resolver = FakeResolver::new(&[&["127.0.0.1"]]);
    let app = replace_sender(TestApp::open(pool).await, allow_loopback(), resolver, Duration::from_millis(200));
    let receiver = WebhookReceiver::open(&[NoReply, EndlessBody]).await;
    let job = create_job_with_callback(&app, &receiver.url()).await;
    drain_work(&app).await;
    let silent = fetch_delivery(&app, &job).await;
    assert_eq!((&silent["state"], &silent["attempts"][0]["status"]), (&json!("waiting"), &Value::Null));
    assert!(silent["attempts"][0]["error"].as_str().unwrap().contains("no answer in time"), "{silent}");
    assert!((200..5000).contains(&silent["attempts"][0]["latencyMs"].as_i64().unwrap()), "{silent}");
}

#[sqlx::test]
async fn an_answer_without_an_end_is_cut(pool: PgPool) {
    let app = open_app(pool).await;
    let receiver = WebhookReceiver::open(&[EndlessBody]).await;
    let job = create_job_with_callback(&app, &receiver.url()).await;
    drain_work(&app).await;
    let delivery = fetch_delivery(&app, &job).await;
    assert_eq!(delivery["state"], "delivered", "the status counts: {delivery}");
    // The kernel's socket buffers come on top of what the service has read.
    assert!(receiver.bytes_written.load(Ordering::SeqCst) < 64 << 20);
}

#[sqlx::test]
async fn a_receiver_that_fails_gets_the_same_message_again(pool: PgPool) {
    let app = open_app(pool).await;
    let receiver = WebhookReceiver::open(&[Status(500), Status(200)]).await;
    let job = create_job_with_callback(&app, &receiver.url()).await;
    drain_work(&app).await;
    let waiting = fetch_delivery(&app, &job).await;
    assert_eq!((&waiting["state"], &waiting["endedAt"]), (&json!("waiting"), &Value::Null));
    assert!(waiting["nextAttemptAt"].as_str().is_some());
    drain_work(&app).await;
    assert_eq!(receiver.messages().len(), 1, "not before the retry is due");
    app.advance_time("15 seconds").await;
    drain_work(&app).await;
    assert_eq!(list_statuses(&fetch_delivery(&app, &job).await), [Some(500), Some(200)]);
    let [first, second] = &receiver.messages()[..] else { panic!("two messages") };
    assert_eq!((&first.headers["webhook-id"], &first.body), (&second.headers["webhook-id"], &second.body));
    assert!(is_signature_valid(&fetch_secret(&app).await, second));
    assert_eq!(app.get(&job).await.expect_status(200)["outcome"], "succeeded");
}

#[sqlx::test]
async fn a_receiver_that_is_gone_gets_nothing_more(pool: PgPool) {
    let app = open_app(pool).await;
    let receiver = WebhookReceiver::open(&[Status(410)]).await;
    let job = create_job_with_callback(&app, &receiver.url()).await;
    for _ in 0..3 {
        drain_work(&app).await;
        app.advance_time("4 hours").await;
    }
    let delivery = fetch_delivery(&app, &job).await;
    assert_eq!((&delivery["state"], list_statuses(&delivery)), (&json!("failed"), vec![Some(410)]));
    assert_eq!(receiver.messages().len(), 1);
}

#[sqlx::test]
async fn after_a_day_a_message_is_given_up_and_can_be_replayed(pool: PgPool) {
    let app = open_app(pool).await;
    let receiver = WebhookReceiver::open(&[Status(503), Status(503), Status(503), Status(200)]).await;
    let job = create_job_with_callback(&app, &receiver.url()).await;
    drain_work(&app).await;
    app.advance_time("12 hours").await;
    drain_work(&app).await;
    assert_eq!(fetch_delivery(&app, &job).await["state"], "waiting");
    app.advance_time("12 hours").await;
    drain_work(&app).await;
    let given_up = fetch_delivery(&app, &job).await;
    assert_eq!((&given_up["state"], &given_up["nextAttemptAt"]), (&json!("failed"), &Value::Null));
    app.advance_time("12 hours").await;
    drain_work(&app).await;
    assert_eq!(receiver.messages().len(), 3);

    let handle = given_up["deliveryHandle"].as_str().unwrap();
    let replay = format!("{job}/deliveries/{handle}/replay");
    app.post(&replay, Value::Null).await.expect_status(202);
    drain_work(&app).await;
    let replayed = fetch_delivery(&app, &job).await;
    assert_eq!((&replayed["state"], replayed["attempts"].as_array().unwrap().len()), (&json!("delivered"), 4));
    // A delivered message can be replayed too.
    app.post(&replay, Value::Null).await.expect_status(202);
    drain_work(&app).await;
    let messages = receiver.messages();
    assert_eq!(messages.len(), 5);
    assert!(messages.iter().all(|message| message.headers["webhook-id"] == handle && message.body == messages[0].body));
    let nowhere = format!("{job}/deliveries/{}/replay", uuid::Uuid::now_v7());
    app.post(nowhere, Value::Null).await.expect_status(404);
}

#[sqlx::test]
async fn replays_and_retries_are_limited_by_rate(pool: PgPool) {
    let app = open_app(pool).await;
    let receiver = WebhookReceiver::open(&[Status(200)]).await;
    let mut replays = Vec::new();
    for _ in 0..4 {
        let job = create_job_with_callback(&app, &receiver.url()).await;
        drain_work(&app).await;
        let handle = fetch_delivery(&app, &job).await["deliveryHandle"].as_str().unwrap().to_owned();
        replays.push(format!("{job}/deliveries/{handle}/replay"));
    }
    let mut sent = Vec::new();
    for replay in &replays {
        let mut accepted = 0;
        let refused = loop {
            let answer = app.post(replay, Value::Null).await;
            if answer.status.as_u16() != 202 {
                break answer;
            }
            accepted += 1;
            assert!(accepted < 100, "there is no limit");
        };
        assert!((1..=60).contains(&refused.header("retry-after").parse::<u32>().unwrap()));
        assert_eq!(refused.expect_status(429)["code"], "rate-limited");
        sent.push(accepted);
    }
    assert!(sent[0] >= 10 && sent.iter().sum::<i32>() < 40, "by webhook and by company: {sent:?}");
    let job = replays[0].split("/deliveries").next().unwrap();
    app.post(format!("{job}/retry"), Value::Null).await.expect_status(429);
}

#[sqlx::test]
async fn a_worker_that_dies_after_sending_sends_the_same_again(pool: PgPool) {
    let app = open_app(pool).await;
    let receiver = WebhookReceiver::open(&[Status(200)]).await;
    let job = create_job_with_callback(&app, &receiver.url()).await;
    // Everything but the webhook is done: its host name cannot be resolved the first time.
    let silent = build_unresolvable_state(&app);
    offprint::worker::drain_work(&silent).await.unwrap();
    app.advance_time("1 minute").await;
    let due = claim_task(&app, TaskKind::Webhook).await;
    let payload: WebhookPayload = due.parse_payload().unwrap();
    let secrets =
        [webhook_secret::ensure_webhook_secrets(&app.state.system, due.company_id).await.unwrap().remove(0).secret];
    let message =
        WebhookMessage { id: due.task_id.to_string(), url: &payload.url, body: &payload.body, secrets: &secrets };
    assert_eq!(app.state.webhook_sender.send(&message).await.status, Some(200));
    // The worker dies here. While its lease lasts, nobody else sends and nobody can replay.
    drain_work(&app).await;
    assert_eq!(receiver.messages().len(), 1);
    let on_its_way = fetch_delivery(&app, &job).await;
    assert_eq!((&on_its_way["state"], &on_its_way["attempts"][1]["error"]), (&json!("sending"), &Value::Null));
    let replay = format!("{job}/deliveries/{}/replay", due.task_id);
    assert_eq!(app.post(&replay, Value::Null).await.expect_status(409)["code"], "wrong-state");
    app.advance_time("1 minute").await;
    drain_work(&app).await;
    let [first, second] = &receiver.messages()[..] else { panic!("two messages") };
    assert_eq!(first.headers["webhook-id"], second.headers["webhook-id"]);
    let delivery = fetch_delivery(&app, &job).await;
    assert_eq!((&delivery["state"], list_statuses(&delivery)), (&json!("delivered"), vec![None, None, Some(200)]));
    assert!(
        delivery["attempts"][1]["error"].as_str().unwrap().contains("worker ended during the attempt"),
        "{delivery}"
    );
    // The result of the dead worker is not recorded any more.
    let ended = TaskEnd { status: Some(500), ..TaskEnd::new(TaskOutcome::Failed, Some("late".into())) };
    assert_eq!(settle_task(&app.state.system, &due, &ended).await.unwrap(), None);
}

/// The same service with a resolver that knows no host.
fn build_unresolvable_state(app: &TestApp) -> offprint::app::AppState {
    let mut state = app.state.clone();
    state.webhook_sender =
        Arc::new(WebhookSender::with_lookup(allow_loopback(), FakeResolver::new(&[&[]]), WEBHOOK_TIMEOUT));
    state
}

#[sqlx::test]
async fn workers_never_send_the_same_at_once(pool: PgPool) {
    let app = open_app(pool).await;
    let receiver = WebhookReceiver::open(&[Status(200)]).await;
    for _ in 0..6 {
        create_job_with_callback(&app, &receiver.url()).await;
    }
    tokio::join!(drain_work(&app), drain_work(&app), drain_work(&app), drain_work(&app));
    let messages = receiver.messages();
    let mut ids: Vec<_> = messages.iter().map(|message| &message.headers["webhook-id"]).collect();
    ids.sort();
    ids.dedup();
    assert_eq!((messages.len(), ids.len()), (6, 6));
}

#[sqlx::test]
async fn receivers_of_one_company_that_hang_hold_up_no_other(pool: PgPool) {
    let app =
        replace_sender(open_guarded_app(pool).await, allow_loopback(), FakeResolver::new(&[&[]]), WEBHOOK_TIMEOUT);
    let (ann, eve) = (TestUser::new(&app, "ours", "ann").await, TestUser::new(&app, "theirs", "eve").await);
    for user in [&ann, &ann, &ann, &eve] {
        let asset = user.upload_asset("a.txt", b"bytes").await;
        let request = json!({"assetHandleArray": [asset], "fmt": "orig", "callbackUrl": "https://hooks.example/"});
        user.post("/export-jobs", request).await.expect_status(202);
    }
    drain_work(&app).await;
    app.advance_time("1 hour").await;
    let mut claimed = Vec::new();
    while let Some(due) = try_claim_task(&app, TaskKind::Webhook).await {
        claimed.push(due.company_id);
    }
    let first_of_eve = claimed.iter().position(|company| *company == eve.company).unwrap();
    assert!(claimed.len() == 4 && first_of_eve <= 1, "{claimed:?}");
}
