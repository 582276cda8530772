//! What a company may have: each limit refuses with its code and a remedy, also when many come at once, and is shown.

use actix_web::test::TestRequest;
use futures_util::future::join_all;
use offprint::db::limits::{self, OwnLimits};
use offprint::db::{company, item};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::guest::{Guest, guarded};
use crate::house::{Answer, House};

fn codes(answers: Vec<Answer>) -> Vec<(u16, String)> {
    let code = |answer: Answer| {
        let status = answer.status.as_u16();
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        (status, body["code"].as_str().unwrap_or_default().to_owned())
    };
    answers.into_iter().map(code).collect()
}

#[sqlx::test]
async fn uploads_at_once_do_not_pass_the_limit_of_assets(pool: PgPool) {
    let house = House::with(pool, |settings| settings.max_assets = 5).await;
    let names: Vec<String> = (0..12).map(|number| format!("{number}.txt")).collect();
    let answers = join_all(names.iter().map(async |name| house.upload_to("", &[(name, name.as_bytes())]).await)).await;
    let mut codes = codes(answers);
    codes.sort();
    assert_eq!(codes.iter().filter(|(status, _)| *status == 201).count(), 5, "{codes:?}");
    assert!(
        codes.iter().all(|(status, code)| *status == 201 || (*status == 422 && code == "too-many-assets")),
        "{codes:?}"
    );
    house.check().await;
    let set = json!({"type": "ImageSet", "name": "a", "memberArray": [house.get("/assets").await.is(200)["items"][0]["assetHandle"]]});
    assert_eq!(house.post("/asset-sets", set.clone()).await.is(422)["code"], "too-many-assets");
    let handle = house.get("/assets").await.is(200)["items"][4]["assetHandle"].as_str().unwrap().to_owned();
    house.delete(format!("/assets/{handle}")).await;
    house.post("/asset-sets", set).await.is(201);
    house.check().await;
}

#[sqlx::test]
async fn originals_may_have_so_many_bytes_together(pool: PgPool) {
    let house = House::with(pool, |settings| settings.max_stored = 100).await;
    let first = house.asset("a.txt", &[b'a'; 60]).await;
    let refused = house.upload_to("", &[("b.txt", &[b'b'; 41])]).await.is(422);
    assert_eq!(refused["code"], "storage-quota");
    assert!(refused["detail"].as_str().unwrap().contains("Delete assets"), "{refused}");
    let several: [(&str, &[u8]); 2] = [("b.txt", &[b'b'; 30]), ("c.txt", &[b'c'; 11])];
    assert_eq!(
        house.upload_to("", &several).await.is(422)["code"],
        "storage-quota",
        "the files of a request are counted together"
    );
    house.asset("b.txt", &[b'b'; 40]).await;
    assert_eq!(house.upload_to("", &[("c.txt", b"c")]).await.is(422)["code"], "storage-quota");

    // A replaced original makes room for its successor.
    let replace = |bytes: usize| {
        house.send(TestRequest::put().uri(&format!("/assets/{first}/content")).set_payload(vec![b'x'; bytes]))
    };
    assert_eq!(replace(61).await.is(422)["code"], "storage-quota");
    replace(20).await.is(200);
    house.check().await;
    assert_eq!(house.get("/usage").await.is(200)["assets"], json!({"count": 2, "bytes": 60}));

    // What jobs pin counts as long as they do.
    house.post("/export-jobs", json!({"assetHandleArray": [first], "fmt": "orig"})).await.is(202);
    house.delete(format!("/assets/{first}")).await;
    offprint::worker::retain(&house.state).await.unwrap();
    assert_eq!(house.get("/usage").await.is(200)["assets"], json!({"count": 1, "bytes": 40}));
    assert_eq!(house.upload_to("", &[("d.txt", &[b'd'; 41])]).await.is(422)["code"], "storage-quota");
    let job = house.get("/export-jobs").await.is(200)["items"][0]["jobHandle"].as_str().unwrap().to_owned();
    house.delete(format!("/export-jobs/{job}")).await;
    offprint::worker::sweep(&house.state).await.unwrap();
    offprint::worker::retain(&house.state).await.unwrap();
    house.asset("d.txt", &[b'd'; 60]).await;
    house.check().await;
}

#[sqlx::test]
async fn a_full_queue_says_when_to_come_again(pool: PgPool) {
    let house = House::with(pool, |settings| settings.max_jobs = 3).await;
    let asset = house.asset("a.txt", b"a").await;
    let order = || house.post("/export-jobs", json!({"assetHandleArray": [asset], "fmt": "orig"}));
    let answers = join_all((0..8).map(|_| order())).await;
    let pause = answers.iter().find(|answer| answer.status == 503).unwrap().header("retry-after").to_owned();
    assert_eq!(pause, "30");
    let codes = codes(answers);
    assert_eq!(codes.iter().filter(|(status, _)| *status == 202).count(), 3, "{codes:?}");
    assert_eq!(codes.iter().filter(|(status, code)| *status == 503 && code == "queue-full").count(), 5, "{codes:?}");
    assert_eq!(
        house.get("/export-jobs").await.is(200)["items"].as_array().unwrap().len(),
        3,
        "nothing else was created"
    );
    offprint::worker::drain(&house.state).await.unwrap();
    order().await.is(202);
}

#[sqlx::test]
async fn archives_and_presets_have_limits(pool: PgPool) {
    let small = House::with(pool.clone(), |settings| (settings.max_archive, settings.max_presets) = (1000, 2)).await;
    let mut large = House::open(pool).await;
    large.state.storage = small.state.storage.clone();
    let asset = small.asset("a.txt", &[b'a'; 900]).await;
    let other = small.asset("b.txt", &[b'b'; 101]).await;
    let both = json!({"assetHandleArray": [asset, other], "fmt": "orig"});
    assert_eq!(small.post("/export-jobs", both.clone()).await.is(422)["code"], "archive-too-large");
    assert_eq!(small.post("/export-jobs/validate", both).await.is(422)["code"], "archive-too-large");
    // With its manifests the archive is larger than its one file.
    let job = small.post("/export-jobs", json!({"assetHandleArray": [asset], "fmt": "orig"})).await.is(202);
    offprint::worker::drain(&small.state).await.unwrap();
    let job = format!("/export-jobs/{}", job["jobHandle"].as_str().unwrap());
    let refused = small.get(format!("{job}/archive")).await.is(422);
    assert_eq!(refused["code"], "archive-too-large");
    assert!(refused["detail"].as_str().unwrap().contains("/files"), "{refused}");
    assert_eq!(small.get(format!("{job}/files/a.txt")).await.status, 200);
    assert_eq!(large.get(format!("{job}/archive")).await.status, 200);

    let save = |name: &str| small.put(format!("/image-presets/{name}"), json!({"urlModifier": "wid=10"}));
    save("a").await.is(201);
    save("b").await.is(201);
    assert_eq!(save("c").await.is(422)["code"], "too-many-presets");
    save("B").await.is(200);
}

#[sqlx::test]
async fn mails_of_a_day_are_counted(pool: PgPool) {
    let house = House::with(pool, |settings| settings.max_mails = 3).await;
    let asset = house.asset("a.txt", b"a").await;
    let order = async || {
        let to = ["ann@example.org", "bob@example.org"];
        let order = json!({"assetHandleArray": [asset], "fmt": "orig", "emailSetting": "All", "notifyEmails": to});
        let job = house.post("/export-jobs", order).await.is(202);
        offprint::worker::drain(&house.state).await.unwrap();
        house.get(format!("/export-jobs/{}", job["jobHandle"].as_str().unwrap())).await.is(200)
    };
    assert_eq!(order().await["notification"]["state"], "sent");
    let second = order().await;
    assert_eq!(second["notification"]["state"], "failed", "{second}");
    assert!(second["notification"]["detail"].as_str().unwrap().starts_with("too-many-mails"), "{second}");
    assert_eq!((&second["state"], &second["outcome"]), (&json!("finished"), &json!("succeeded")));
    assert_eq!(std::fs::read_dir(house.folder.path().join("mail")).unwrap().count(), 3);
    sqlx::query("update company_usage set mails_on = mails_on - 1").execute(&house.state.system).await.unwrap();
    assert_eq!(order().await["notification"]["state"], "sent", "tomorrow is another day");
}

#[sqlx::test]
async fn too_many_requests_are_told_when_to_go_on(pool: PgPool) {
    let house = House::with(pool.clone(), |settings| settings.max_requests = Some(3)).await;
    let from = |address: &'static str| house.send(TestRequest::get().uri("/info").peer_addr(address.parse().unwrap()));
    for left in ["2", "1", "0"] {
        let answer = from("192.0.2.1:1000").await;
        assert_eq!((answer.header("ratelimit-limit"), answer.header("ratelimit-remaining")), ("3", left));
        answer.is(200);
    }
    let refused = from("192.0.2.1:2000").await;
    let pause: u32 = refused.header("retry-after").parse().unwrap();
    assert!((1..=20).contains(&pause), "{pause}");
    assert_eq!(refused.header("ratelimit-remaining"), "0");
    assert!((41..=60).contains(&refused.header("ratelimit-reset").parse::<u32>().unwrap()));
    assert_eq!(refused.is(429)["code"], "rate-limited");
    from("192.0.2.2:1000").await.is(200);
    house.send(TestRequest::get().uri("/health/live").peer_addr("192.0.2.1:1000".parse().unwrap())).await.is(200);
    assert_eq!(house.get("/info").await.is(200)["limits"]["requestsPerMinute"], 3);

    let free = House::open(pool).await;
    assert_eq!(free.get("/info").await.header("ratelimit-limit"), "", "on one's own machine nobody counts");
}

#[sqlx::test]
async fn keys_are_counted_by_themselves_and_wrong_ones_by_address(pool: PgPool) {
    let mut house = guarded(pool).await;
    let mut settings = (*house.state.settings).clone();
    settings.max_requests = Some(4);
    house.state.settings = settings.into();
    let (ann, bob) = (Guest::of(&house, "one", "ann").await, Guest::of(&house, "one", "bob").await);
    for _ in 0..4 {
        ann.get("/assets").await.is(200);
    }
    assert_eq!(ann.get("/assets").await.is(429)["code"], "rate-limited");
    bob.get("/assets").await.is(200);
    // Strangers use up their address, and before their keys are looked up.
    let wrong = || house.send(TestRequest::get().uri("/assets").insert_header(("authorization", "Bearer op_x_y")));
    for _ in 0..4 {
        assert_eq!(wrong().await.status, 401);
    }
    assert_eq!(wrong().await.is(429)["code"], "rate-limited");
}

#[sqlx::test]
async fn a_company_has_its_own_limits_where_they_are_set(pool: PgPool) {
    let house = guarded(pool).await;
    let (ours, theirs) = (Guest::of(&house, "ours", "ann").await, Guest::of(&house, "theirs", "bob").await);
    let own = OwnLimits {
        max_upload: Some(10),
        max_assets: Some(1),
        max_running: Some(1),
        max_jobs: Some(1),
        max_stored: Some(0),
        max_schedules: None,
    };
    limits::set(&house.state.system, ours.company, &own).await.unwrap();
    let shown = ours.get("/info").await.is(200)["limits"].clone();
    let named = ["uploadBytes", "assets", "storedBytes", "runningItems", "unfinishedJobs"];
    assert_eq!(named.map(|name| shown[name].clone()), [10, 1, 0, 1, 1].map(Value::from));
    let (name, bytes) = ("a.txt", [b'x'; 11]);
    let asset = theirs.asset(name, &bytes).await;
    theirs.asset("b.txt", b"b").await;
    let large = ours.upload(name, &bytes).await;
    assert_eq!(large.is(413)["code"], "body-too-large");
    let small = ours.asset("a.txt", b"small").await;
    assert_eq!(ours.upload("b.txt", b"b").await.is(422)["code"], "too-many-assets");
    let order = |asset: &str| json!({"assetHandleArray": [asset], "fmt": "orig"});
    ours.post("/export-jobs", order(&small)).await.is(202);
    assert_eq!(ours.post("/export-jobs", order(&small)).await.is(503)["code"], "queue-full");
    theirs.post("/export-jobs", order(&asset)).await.is(202);
    theirs.post("/export-jobs", order(&asset)).await.is(202);
}

#[sqlx::test]
async fn items_of_a_company_in_flight_have_its_own_limit(pool: PgPool) {
    let house = House::open(pool).await;
    let mut assets = Vec::new();
    for name in ["a.txt", "b.txt", "c.txt"] {
        assets.push(house.asset(name, name.as_bytes()).await);
    }
    house.post("/export-jobs", json!({"assetHandleArray": assets, "fmt": "orig"})).await.is(202);
    let own = OwnLimits { max_running: Some(2), ..OwnLimits::default() };
    limits::set(&house.state.system, house.state.company, &own).await.unwrap();
    offprint::worker::sweep(&house.state).await.unwrap();
    assert!(
        house.state.own_running.load(std::sync::atomic::Ordering::Relaxed),
        "the sweep sees that claims must count"
    );
    let terms = item::Terms {
        worker: house.state.worker,
        lease: std::time::Duration::from_secs(60),
        engine_version: offprint::render::ENGINE_VERSION,
        max_running: 0,
        counted: true,
    };
    let claims = join_all((0..6).map(|_| item::claim(&house.state.system, &terms))).await;
    assert_eq!(claims.into_iter().filter(|claim| claim.as_ref().unwrap().is_some()).count(), 2);
}

#[sqlx::test]
async fn the_command_line_sets_limits(pool: PgPool) {
    let house = House::open(pool.clone()).await;
    let run = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_offprint"));
        command.args(["admin", "set-limits"]).args(arguments).env("DATABASE_URL", crate::service::url(&pool));
        command.output().unwrap()
    };
    let set = run(&["assets=7", "storedBytes=none", "unfinishedJobs=default"]);
    assert!(set.status.success(), "{}", String::from_utf8_lossy(&set.stderr));
    let said: Value = serde_json::from_slice(&set.stdout).unwrap();
    assert_eq!((&said["assets"], &said["storedBytes"], &said["unfinishedJobs"]), (&json!(7), &json!(0), &Value::Null));
    let limits = house.get("/info").await.is(200)["limits"].clone();
    assert_eq!(
        (&limits["assets"], &limits["storedBytes"], &limits["unfinishedJobs"]),
        (&json!(7), &json!(0), &json!(1000))
    );
    run(&["assets=default"]);
    assert_eq!(house.get("/info").await.is(200)["limits"]["assets"], 1_000_000);
    assert_eq!(run(&["--company", "nobody"]).status.code(), Some(2));
    assert_eq!(run(&["elephants=7"]).status.code(), Some(64));
    let company = company::find(&house.state.system, company::DEFAULT).await.unwrap().unwrap();
    assert_eq!(limits::own(&house.state.system, company).await.unwrap().max_stored, Some(0));
}
