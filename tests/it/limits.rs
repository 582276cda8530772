//! Limits of a company: each refuses with its code and a remedy, also under concurrency, and is shown in `/info`.

use actix_web::test::TestRequest;
use futures_util::future::join_all;
use offprint::db::company;
use offprint::db::limits::{self, CompanyLimitsRow};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::queue::claim_items;
use crate::support::service_process::run_offprint;
use crate::support::test_app::{TestApp, TestResponse};
use crate::support::test_user::{TestUser, open_guarded_app};

fn read_codes(answers: Vec<TestResponse>) -> Vec<(u16, String)> {
    let code = |answer: TestResponse| {
        let status = answer.status.as_u16();
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        (status, body["code"].as_str().unwrap_or_default().to_owned())
    };
    answers.into_iter().map(code).collect()
}

#[sqlx::test]
async fn uploads_at_once_do_not_pass_the_limit_of_assets(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.max_assets = 5).await;
    let names: Vec<String> = (0..12).map(|number| format!("{number}.txt")).collect();
    let answers = join_all(names.iter().map(async |name| app.upload_to("", &[(name, name.as_bytes())]).await)).await;
    let mut codes = read_codes(answers);
    codes.sort();
    assert_eq!(codes.iter().filter(|(status, _)| *status == 201).count(), 5, "{codes:?}");
    assert!(
        codes.iter().all(|(status, code)| *status == 201 || (*status == 422 && code == "too-many-assets")),
        "{codes:?}"
    );
    app.assert_consistent().await;
    let set = json!({"type": "ImageSet", "name": "a", "memberArray": [app.get("/assets").await.expect_status(200)["items"][0]["assetHandle"]]});
    assert_eq!(app.post("/asset-sets", set.clone()).await.expect_status(422)["code"], "too-many-assets");
    let handle = app.get("/assets").await.expect_status(200)["items"][4]["assetHandle"].as_str().unwrap().to_owned();
    app.delete(format!("/assets/{handle}")).await;
    app.post("/asset-sets", set).await.expect_status(201);
    app.assert_consistent().await;
}

#[sqlx::test]
async fn originals_may_have_so_many_bytes_together(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.max_stored = 100).await;
    let first = app.upload_asset("a.txt", &[b'a'; 60]).await;
    let refused = app.upload_to("", &[("b.txt", &[b'b'; 41])]).await.expect_status(422);
    assert_eq!(refused["code"], "storage-quota");
    assert!(refused["detail"].as_str().unwrap().contains("Delete assets"), "{refused}");
    let several: [(&str, &[u8]); 2] = [("b.txt", &[b'b'; 30]), ("c.txt", &[b'c'; 11])];
    assert_eq!(
        app.upload_to("", &several).await.expect_status(422)["code"],
        "storage-quota",
        "the files of a request are counted together"
    );
    app.upload_asset("b.txt", &[b'b'; 40]).await;
    assert_eq!(app.upload_to("", &[("c.txt", b"c")]).await.expect_status(422)["code"], "storage-quota");

    // The bytes of a replaced original are not counted any more.
    let replace = |bytes: usize| {
        app.send(TestRequest::put().uri(&format!("/assets/{first}/content")).set_payload(vec![b'x'; bytes]))
    };
    assert_eq!(replace(61).await.expect_status(422)["code"], "storage-quota");
    replace(20).await.expect_status(200);
    app.assert_consistent().await;
    assert_eq!(app.get("/usage").await.expect_status(200)["assets"], json!({"count": 2, "bytes": 60}));

    // Bytes that jobs pin are counted as long as they are pinned.
    app.post("/export-jobs", json!({"assetHandleArray": [first], "fmt": "orig"})).await.expect_status(202);
    app.delete(format!("/assets/{first}")).await;
    offprint::worker::enforce_retention(&app.state).await.unwrap();
    assert_eq!(app.get("/usage").await.expect_status(200)["assets"], json!({"count": 1, "bytes": 40}));
    assert_eq!(app.upload_to("", &[("d.txt", &[b'd'; 41])]).await.expect_status(422)["code"], "storage-quota");
    let job = app.get("/export-jobs").await.expect_status(200)["items"][0]["jobHandle"].as_str().unwrap().to_owned();
    app.delete(format!("/export-jobs/{job}")).await;
    offprint::worker::sweep_expired(&app.state).await.unwrap();
    offprint::worker::enforce_retention(&app.state).await.unwrap();
    app.upload_asset("d.txt", &[b'd'; 60]).await;
    app.assert_consistent().await;
}

#[sqlx::test]
async fn a_full_queue_says_when_to_come_again(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.max_jobs = 3).await;
    let asset = app.upload_asset("a.txt", b"a").await;
    let request = || app.post("/export-jobs", json!({"assetHandleArray": [asset], "fmt": "orig"}));
    let answers = join_all((0..8).map(|_| request())).await;
    let pause = answers.iter().find(|answer| answer.status == 503).unwrap().header("retry-after").to_owned();
    assert_eq!(pause, "30");
    let codes = read_codes(answers);
    assert_eq!(codes.iter().filter(|(status, _)| *status == 202).count(), 3, "{codes:?}");
    assert_eq!(codes.iter().filter(|(status, code)| *status == 503 && code == "queue-full").count(), 5, "{codes:?}");
    assert_eq!(
        app.get("/export-jobs").await.expect_status(200)["items"].as_array().unwrap().len(),
        3,
        "no other job was created"
    );
    offprint::worker::drain_work(&app.state).await.unwrap();
    request().await.expect_status(202);
}

#[sqlx::test]
async fn archives_and_presets_have_limits(pool: PgPool) {
    let small =
        TestApp::with_settings(pool.clone(), |settings| (settings.max_archive, settings.max_presets) = (1000, 2)).await;
    let mut large = TestApp::open(pool).await;
    large.state.storage = small.state.storage.clone();
    let asset = small.upload_asset("a.txt", &[b'a'; 900]).await;
    let other = small.upload_asset("b.txt", &[b'b'; 101]).await;
    let both = json!({"assetHandleArray": [asset, other], "fmt": "orig"});
    assert_eq!(small.post("/export-jobs", both.clone()).await.expect_status(422)["code"], "archive-too-large");
    assert_eq!(small.post("/export-jobs/validate", both).await.expect_status(422)["code"], "archive-too-large");
    // The manifests make the archive larger than its one file.
    let job = small.post("/export-jobs", json!({"assetHandleArray": [asset], "fmt": "orig"})).await.expect_status(202);
    offprint::worker::drain_work(&small.state).await.unwrap();
    let job = format!("/export-jobs/{}", job["jobHandle"].as_str().unwrap());
    let refused = small.get(format!("{job}/archive")).await.expect_status(422);
    assert_eq!(refused["code"], "archive-too-large");
    assert!(refused["detail"].as_str().unwrap().contains("/files"), "{refused}");
    assert_eq!(small.get(format!("{job}/files/a.txt")).await.status, 200);
    assert_eq!(large.get(format!("{job}/archive")).await.status, 200);

    let save = |name: &str| small.put(format!("/image-presets/{name}"), json!({"urlModifier": "wid=10"}));
    save("a").await.expect_status(201);
    save("b").await.expect_status(201);
    assert_eq!(save("c").await.expect_status(422)["code"], "too-many-presets");
    save("B").await.expect_status(200);
}

#[sqlx::test]
async fn mails_of_a_day_are_counted(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.max_mails = 3).await;
    let asset = app.upload_asset("a.txt", b"a").await;
    let request = async || {
        let to = ["ann@example.org", "bob@example.org"];
        let request = json!({"assetHandleArray": [asset], "fmt": "orig", "emailSetting": "All", "notifyEmails": to});
        let job = app.post("/export-jobs", request).await.expect_status(202);
        offprint::worker::drain_work(&app.state).await.unwrap();
        app.get(format!("/export-jobs/{}", job["jobHandle"].as_str().unwrap())).await.expect_status(200)
    };
    assert_eq!(request().await["notification"]["state"], "sent");
    let second = request().await;
    assert_eq!(second["notification"]["state"], "failed", "{second}");
    assert!(second["notification"]["detail"].as_str().unwrap().starts_with("too-many-mails"), "{second}");
    assert_eq!((&second["state"], &second["outcome"]), (&json!("finished"), &json!("succeeded")));
    assert_eq!(std::fs::read_dir(app.folder.path().join("mail")).unwrap().count(), 3);
    sqlx::query("update company_usage set mails_on = mails_on - 1").execute(&app.state.system).await.unwrap();
    assert_eq!(request().await["notification"]["state"], "sent", "tomorrow is another day");
}

#[sqlx::test]
async fn too_many_requests_are_told_when_to_go_on(pool: PgPool) {
    let app = TestApp::with_settings(pool.clone(), |settings| settings.max_requests = Some(3)).await;
    let from = |address: &'static str| app.send(TestRequest::get().uri("/info").peer_addr(address.parse().unwrap()));
    for left in ["2", "1", "0"] {
        let answer = from("192.0.2.1:1000").await;
        assert_eq!(answer.header("ratelimit-policy"), "\"minute\";q=3;w=60");
        assert!(answer.header("ratelimit").starts_with(&format!("\"minute\";r={left};t=")));
        answer.expect_status(200);
    }
    let refused = from("192.0.2.1:2000").await;
    let pause: u32 = refused.header("retry-after").parse().unwrap();
    assert!((1..=20).contains(&pause), "{pause}");
    let reset = refused.header("ratelimit").strip_prefix("\"minute\";r=0;t=").unwrap().parse::<u32>().unwrap();
    assert!((41..=60).contains(&reset), "{reset}");
    assert_eq!(refused.expect_status(429)["code"], "rate-limited");
    from("192.0.2.2:1000").await.expect_status(200);
    app.send(TestRequest::get().uri("/health/live").peer_addr("192.0.2.1:1000".parse().unwrap()))
        .await
        .expect_status(200);
    assert_eq!(app.get("/info").await.expect_status(200)["limits"]["requestsPerMinute"], 3);

    let free = TestApp::open(pool).await;
    assert_eq!(free.get("/info").await.header("ratelimit"), "", "on one's own machine nobody counts");
}

#[sqlx::test]
async fn readiness_has_an_allowance_of_its_own_and_liveness_needs_none(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.max_requests = Some(3)).await;
    let ask = async |path: &str| {
        let request = TestRequest::get().uri(path).peer_addr("192.0.2.1:1000".parse().unwrap());
        app.send(request).await.status.as_u16()
    };
    let mut readiness = Vec::new();
    // Five more are allowed each second, so a slow machine needs more of them.
    while readiness.len() < 3000 && readiness.last() != Some(&429) {
        readiness.push(ask("/health/ready").await);
        assert_eq!(ask("/health/live").await, 200);
    }
    assert!(readiness[..300].iter().all(|status| *status == 200) && readiness.contains(&429), "{readiness:?}");
}

#[sqlx::test]
async fn keys_are_counted_by_themselves_and_wrong_ones_by_address(pool: PgPool) {
    let mut app = open_guarded_app(pool).await;
    let mut settings = (*app.state.settings).clone();
    settings.max_requests = Some(4);
    app.state.settings = settings.into();
    let (ann, bob) = (TestUser::new(&app, "one", "ann").await, TestUser::new(&app, "one", "bob").await);
    for _ in 0..4 {
        ann.get("/assets").await.expect_status(200);
    }
    assert_eq!(ann.get("/assets").await.expect_status(429)["code"], "rate-limited");
    bob.get("/assets").await.expect_status(200);
    // Wrong keys are counted by client address.
    let wrong = || app.send(TestRequest::get().uri("/assets").insert_header(("authorization", "Bearer op_x_y")));
    for _ in 0..4 {
        assert_eq!(wrong().await.status, 401);
    }
    assert_eq!(wrong().await.expect_status(429)["code"], "rate-limited");
    // Whoever has a valid key is not locked out by strangers at the same address, also when the key is not cached.
    bob.get("/assets").await.expect_status(200);
    TestUser::new(&app, "one", "eve").await.get("/assets").await.expect_status(200);
}

#[sqlx::test]
async fn a_company_has_its_own_limits_where_they_are_set(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let (ours, theirs) = (TestUser::new(&app, "ours", "ann").await, TestUser::new(&app, "theirs", "bob").await);
    let own = CompanyLimitsRow {
        max_upload: Some(10),
        max_assets: Some(1),
        max_running: Some(1),
        max_jobs: Some(1),
        max_stored: Some(0),
        max_schedules: None,
    };
    limits::update_company_limits(&app.state.system, ours.company, &own).await.unwrap();
    let shown = ours.get("/info").await.expect_status(200)["limits"].clone();
    let named = ["uploadBytes", "assets", "storedBytes", "runningItems", "unfinishedJobs"];
    assert_eq!(named.map(|name| shown[name].clone()), [10, 1, 0, 1, 1].map(Value::from));
    let (name, bytes) = ("a.txt", [b'x'; 11]);
    let asset = theirs.upload_asset(name, &bytes).await;
    theirs.upload_asset("b.txt", b"b").await;
    let large = ours.upload(name, &bytes).await;
    assert_eq!(large.expect_status(413)["code"], "body-too-large");
    let small = ours.upload_asset("a.txt", b"small").await;
    assert_eq!(ours.upload("b.txt", b"b").await.expect_status(422)["code"], "too-many-assets");
    let request = |asset: &str| json!({"assetHandleArray": [asset], "fmt": "orig"});
    ours.post("/export-jobs", request(&small)).await.expect_status(202);
    assert_eq!(ours.post("/export-jobs", request(&small)).await.expect_status(503)["code"], "queue-full");
    theirs.post("/export-jobs", request(&asset)).await.expect_status(202);
    theirs.post("/export-jobs", request(&asset)).await.expect_status(202);
}

#[sqlx::test]
async fn items_of_a_company_in_flight_have_its_own_limit(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let mut assets = Vec::new();
    for name in ["a.txt", "b.txt", "c.txt"] {
        assets.push(app.upload_asset(name, name.as_bytes()).await);
    }
    app.post("/export-jobs", json!({"assetHandleArray": assets, "fmt": "orig"})).await.expect_status(202);
    let own = CompanyLimitsRow { max_running: Some(2), ..CompanyLimitsRow::default() };
    limits::update_company_limits(&app.state.system, app.state.company, &own).await.unwrap();
    // At once, whoever claims, and without a limit of the settings.
    let claims = join_all((0..6).map(|_| claim_items(&app, 2))).await;
    assert_eq!(claims.into_iter().flatten().count(), 2);
}

#[sqlx::test]
async fn the_command_line_sets_limits(pool: PgPool) {
    let app = TestApp::open(pool.clone()).await;
    let run =
        |arguments: &[&str]| run_offprint(&pool, &app.folder, &[&["admin", "set-limits"][..], arguments].concat());
    let output = run(&["assets=7", "storedBytes=none", "unfinishedJobs=default"]);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let printed: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(
        (&printed["assets"], &printed["storedBytes"], &printed["unfinishedJobs"]),
        (&json!(7), &json!(0), &Value::Null)
    );
    let limits = app.get("/info").await.expect_status(200)["limits"].clone();
    assert_eq!(
        (&limits["assets"], &limits["storedBytes"], &limits["unfinishedJobs"]),
        (&json!(7), &json!(0), &json!(1000))
    );
    run(&["assets=default"]);
    assert_eq!(app.get("/info").await.expect_status(200)["limits"]["assets"], 1_000_000);
    assert_eq!(run(&["--company", "nobody"]).code, Some(2));
    assert_eq!(run(&["elephants=7"]).code, Some(64));
    let company = company::find_company(&app.state.system, company::DEFAULT_COMPANY).await.unwrap().unwrap();
    assert_eq!(limits::find_company_limits(&app.state.system, company).await.unwrap().max_stored, Some(0));
}
