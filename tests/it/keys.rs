//! API keys: creation, capabilities, expiry and revocation.

use actix_web::test::TestRequest;
use offprint::db::api_key::{self, RawKey};
use offprint::db::capability::Capability;
use offprint::db::company;
use offprint::db::signal::{Signal, SignalListener};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::images::draw_image;
use crate::support::operations::{OperationFixtures, list_operations};
use crate::support::secret_leak_check;
use crate::support::service_process::run_offprint;
use crate::support::test_app::TestResponse;
use crate::support::test_user::{TestUser, build_upload_request, open_guarded_app, send_with_authorization};

#[sqlx::test]
async fn users_see_and_manage_only_their_own_jobs(pool: PgPool) {
    use Capability::{AssetsWrite, ExportsCreate, ExportsCreateOriginal, ExportsManageAll, ExportsReadAll};
    let app = open_guarded_app(pool).await;
    let plain = [AssetsWrite, ExportsCreate, ExportsCreateOriginal];
    let ann = TestUser::with_capabilities(&app, "ours", "ann", &plain).await;
    let bob = TestUser::with_capabilities(&app, "ours", "bob", &plain).await;
    let reader = TestUser::with_capabilities(&app, "ours", "cleo", &[ExportsReadAll]).await;
    let manager =
        TestUser::with_capabilities(&app, "ours", "dora", &[ExportsCreate, ExportsCreateOriginal, ExportsManageAll])
            .await;
    let asset = ann.upload_asset("a.txt", b"a").await;
    let export_request = json!({"assetHandleArray": [asset], "fmt": "orig", "execTime": "2099-01-01T00:00:00Z"});
    let job = ann.post("/export-jobs", export_request.clone()).await.expect_status(202);
    let own = job["links"]["self"].as_str().unwrap();
    let shown = async |caller: &TestUser<'_>| {
        caller.get("/export-jobs").await.expect_status(200)["items"].as_array().unwrap().len()
    };
    for (caller, sees) in [(&ann, true), (&bob, false), (&reader, true), (&manager, true)] {
        assert_eq!(shown(caller).await, usize::from(sees));
        for below in ["", "/items", "/events", "/files", "/manifest"] {
            let answer = caller.get(&format!("{own}{below}")).await;
            let status = if !sees {
                404
            } else if below == "/manifest" {
                409
            } else {
                200
            };
            assert_eq!(answer.status.as_u16(), status, "{own}{below}");
        }
    }
    assert_eq!(bob.post(&format!("{own}/stop"), json!({})).await.expect_status(404)["code"], "not-found");
    assert_eq!(reader.post(&format!("{own}/stop"), json!({})).await.expect_status(403)["code"], "operation-forbidden");
    let reads_and_orders = bob.create_key(&[ExportsCreate, ExportsReadAll]).await;
    let request = TestRequest::post().uri(&format!("{own}/stop"));
    let answer = send_with_authorization(&app, request, Some(&format!("Bearer {reads_and_orders}"))).await;
    assert_eq!(answer.expect_status(403)["code"], "operation-forbidden");
    assert_eq!(manager.post(&format!("{own}/run"), json!({})).await.expect_status(200)["state"], "queued");

    // Creating jobs in the name of another user.
    let for_bob = |user: &Value| {
        let mut export_request = export_request.clone();
        export_request["userHandle"] = user.clone();
        export_request
    };
    let handle = bob.post("/export-jobs", export_request.clone()).await.expect_status(202)["userHandle"].clone();
    assert_eq!(ann.post("/export-jobs", for_bob(&handle)).await.expect_status(403)["code"], "impersonation-forbidden");
    assert_eq!(manager.post("/export-jobs", for_bob(&handle)).await.expect_status(202)["userHandle"], handle);
    let nobody = json!(uuid::Uuid::now_v7().to_string());
    let refused = manager.post("/export-jobs/validate", for_bob(&nobody)).await.expect_status(422);
    assert_eq!(
        (&refused["errors"][0]["code"], &refused["errors"][0]["pointer"]),
        (&json!("user-not-found"), &json!("/userHandle"))
    );
    assert_eq!((shown(&bob).await, shown(&manager).await), (2, 3));
}

#[sqlx::test]
async fn a_request_asks_for_no_more_than_its_key_allows(pool: PgPool) {
    use Capability::{AssetsRead, AssetsWrite, ExportsCreate, PresetsWrite};
    let app = open_guarded_app(pool).await;
    let ann =
        TestUser::with_capabilities(&app, "ours", "ann", &[AssetsRead, AssetsWrite, PresetsWrite, ExportsCreate]).await;
    let preset = json!({"urlModifier": "wid=10&fmt=png"});
    ann.send(TestRequest::put().uri("/image-presets/small").set_json(preset)).await.expect_success();
    let asset = ann.upload_asset("a.txt", b"a").await;
    let image = ann.upload_asset("p.png", &draw_image(image::ImageFormat::Png, 20, 20, 1)).await;
    for (request, pointers) in [
        (json!({"fmt": "orig"}), vec!["/fmt"]),
        (
            json!({"fmt": "convert", "is_modifier": "wid=10", "onUnconvertible": "original"}),
            vec!["/onUnconvertible", "/is_modifier"],
        ),
        (json!({"fmt": "convert", "macro": "$small$", "onUnconvertible": "original"}), vec!["/onUnconvertible"]),
        (
            json!({"fmt": "convert", "renditions": [{"name": "a", "macro": "$small$"}, {"name": "b", "is_modifier": "wid=5"}]}),
            vec!["/renditions/1/is_modifier"],
        ),
    ] {
        let mut request = request;
        request["assetHandleArray"] = json!([asset]);
        for path in ["/export-jobs", "/export-jobs/validate"] {
            let refused = ann.post(path, request.clone()).await.expect_status(403);
            assert_eq!((&refused["code"], &refused["ips"]["code"]), (&json!("value-forbidden"), &json!(20005)));
            let actual: Vec<&str> =
                refused["errors"].as_array().unwrap().iter().map(|it| it["pointer"].as_str().unwrap()).collect();
            assert_eq!(actual, pointers);
        }
    }
    // When the request does not set `onUnconvertible`, files that cannot be converted are not delivered to this key.
    let request = json!({"assetHandleArray": [asset, image], "fmt": "convert", "macro": "$small$"});
    let job = ann.post("/export-jobs", request).await.expect_status(202);
    offprint::worker::drain_work(&app.state).await.unwrap();
    let files = ann.get(job["links"]["files"].as_str().unwrap()).await.expect_status(200);
    assert_eq!(files["items"].as_array().unwrap().iter().map(|file| &file["state"]).collect::<Vec<_>>(), ["ready"]);
    // Previews have the same limits, and originals cannot be downloaded.
    assert_eq!(
        ann.get(&format!("/assets/{image}/preview?is_modifier=wid=10")).await.expect_status(403)["code"],
        "value-forbidden"
    );
    assert_eq!(ann.get(&format!("/assets/{image}/preview?macro=$small$")).await.status.as_u16(), 200);
    assert_eq!(ann.get(&format!("/assets/{asset}/content")).await.expect_status(403)["code"], "operation-forbidden");
    let change = TestRequest::patch().uri(&format!("/assets/{image}")).set_json(json!({"urlModifier": "wid=900"}));
    assert_eq!(ann.send(change).await.expect_status(403)["code"], "value-forbidden");
    app.assert_consistent().await;
}

#[sqlx::test]
async fn keys_are_made_listed_used_and_revoked(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let ann = TestUser::new(&app, "ours", "ann").await;
    let body = json!({"name": "shop", "user": "bob", "email": "bob@example.org", "locale": "nl", "role": "ImagePortalContrib"});
    let answer = ann.post("/api-keys", body).await;
    assert_eq!(answer.header("cache-control"), "no-store");
    let location = answer.header("location").to_owned();
    let created = answer.expect_status(201);
    assert_eq!(created["capabilities"], json!(["assets:read", "assets:write", "presets:read", "exports:create"]));
    assert_eq!(
        (&created["user"]["name"], &created["user"]["email"], &created["lastUsedAt"]),
        (&json!("bob"), &json!("bob@example.org"), &Value::Null)
    );
    let key = format!("Bearer {}", created["key"].as_str().unwrap());
    let ask = async || send_with_authorization(&app, TestRequest::get().uri("/assets"), Some(&key)).await;
    assert_eq!(ask().await.status.as_u16(), 200);
    let shown = ann.get(&location).await.expect_status(200);
    assert!(shown["lastUsedAt"].is_string() && shown.get("key").is_none(), "{shown}");
    assert_eq!(ann.get("/api-keys?limit=1").await.expect_status(200)["items"].as_array().unwrap().len(), 1);
    assert_eq!(ann.delete(&location).await.status.as_u16(), 204);
    assert_eq!(ask().await.expect_status(401)["code"], "key-disabled");
    assert!(ann.get(&location).await.expect_status(200)["revokedAt"].is_string());
    let usual = ann.post("/api-keys", json!({"name": "usual"})).await.expect_status(201);
    let usual: Vec<&str> =
        usual["capabilities"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    assert!(usual.len() == 11 && !usual.contains(&"admin"), "{usual:?}");
    let wrong = json!({"name": " ", "email": "nobody", "role": "King", "expiresAt": "2020-01-01T00:00:00Z"});
    let refused = ann.post("/api-keys", wrong).await.expect_status(422);
    let pointers: Vec<&str> =
        refused["errors"].as_array().unwrap().iter().map(|it| it["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/name", "/email", "/expiresAt", "/role"]);
}

#[sqlx::test]
async fn mail_goes_to_the_creator_when_nobody_is_named(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let ann = TestUser::new(&app, "ours", "ann").await;
    let asset = ann.upload_asset("a.txt", b"a").await;
    let request = json!({"assetHandleArray": [asset], "fmt": "orig", "emailSetting": "All"});
    assert_eq!(
        ann.post("/export-jobs", request.clone()).await.expect_status(202)["warnings"][0]["code"],
        "no-recipient"
    );
    // A new key does not change its user; an operator does.
    let known = json!({"name": "again", "user": "ann", "email": "ann@example.org"});
    assert_eq!(ann.post("/api-keys", known).await.expect_status(422)["errors"][0]["pointer"], "/email");
    assert_eq!(
        ann.post("/export-jobs", request.clone()).await.expect_status(202)["warnings"][0]["code"],
        "no-recipient"
    );
    let mut connection = app.state.system.acquire().await.unwrap();
    company::upsert_user(&mut connection, ann.company, "ann", Some("ann@example.org"), None).await.unwrap();
    drop(connection);
    let same = json!({"name": "again", "user": "ann", "email": "ann@example.org"});
    ann.post("/api-keys", same).await.expect_status(201);
    let job = ann.post("/export-jobs", request).await.expect_status(202);
    assert_eq!(job["warnings"], json!([]));
    offprint::worker::drain_work(&app.state).await.unwrap();
    let finished = ann.get(job["links"]["self"].as_str().unwrap()).await.expect_status(200);
    assert_eq!(finished["notification"]["to"], json!(["ann@example.org"]));
}

#[sqlx::test]
async fn the_command_line_makes_the_first_key(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let run = |arguments: &[&str]| run_offprint(&app.state.system, &app.folder, arguments);
    let created = run(&["admin", "create-key", "--company", "new", "--user", "ann", "--capability", "assets:read"]);
    let key = created.stdout;
    assert_eq!((created.code, key.lines().count()), (Some(0), 1), "{key}");
    app.leak_check.remember_keys(&key);
    let bearer = format!("Bearer {}", key.trim());
    let ask = async |path: &str| {
        send_with_authorization(&app, TestRequest::get().uri(path), Some(&bearer)).await.status.as_u16()
    };
    assert_eq!((ask("/assets").await, ask("/export-jobs").await), (200, 403));
    let listed = run(&["admin", "list-keys", "--company", "new"]).stdout;
    let handle = listed.split('\t').next().unwrap();
    assert!(listed.contains("\tann\tvalid\tused ") && listed.ends_with("assets:read\n"), "{listed}");
    assert!(!listed.contains(&key.trim()[36..]));
    let refused = run(&["admin", "revoke-key", handle]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("not-found"), "it is not a key of the company `default`: {}", refused.stderr);
    assert_eq!(run(&["admin", "revoke-key", handle, "--company", "new"]).code, Some(0));
    app.state.keys.invalidate(handle.parse().unwrap());
    assert_eq!(ask("/assets").await, 401);
    assert!(run(&["admin", "list-keys", "--company", "new"]).stdout.contains("\trevoked "));
    assert_eq!(run(&["admin", "create-key", "--capability", "assets:eat"]).code, Some(64));
    assert_eq!(run(&["admin", "create-key", "--ips-role", "King"]).code, Some(64));
    assert_eq!(run(&["admin", "list-keys", "--company", "nobody"]).code, Some(2));
}

#[sqlx::test]
async fn a_key_of_another_process_is_refused_within_a_second_of_its_end(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let ann = TestUser::new(&app, "ours", "ann").await;
    assert_eq!(ann.get("/assets").await.status.as_u16(), 200);
    let id = ann.key.parse::<RawKey>().unwrap().id;
    api_key::revoke_api_key(&app.state.system, ann.company, id).await.unwrap();
    let revoked = std::time::Instant::now();
    while ann.get("/assets").await.status.as_u16() == 200 {
        assert!(revoked.elapsed().as_secs() < 30, "the revoked key is still accepted");
    }
}

#[sqlx::test]
async fn revoking_a_key_tells_every_process(pool: PgPool) {
    let app = open_guarded_app(pool.clone()).await;
    let ann = TestUser::new(&app, "ours", "ann").await;
    let id = ann.key.parse::<RawKey>().unwrap().id;
    let mut elsewhere = SignalListener::open(&app.state.system).await.unwrap();
    assert_eq!(ann.delete(&format!("/api-keys/{id}")).await.status.as_u16(), 204);
    assert_eq!(elsewhere.recv().await.unwrap(), Signal::KeyRevoked(id));
    // A process that gets the notification reads the key again; one that lost its connection drops its cache.
    let keys = offprint::db::api_key_cache::ApiKeyCache::default();
    let revoked = async || keys.find(&app.state.system, id).await.unwrap().unwrap().revoked_at.is_some();
    keys.set_listening(true);
    assert!(revoked().await);
    sqlx::query("update api_key set revoked_at = null").execute(&pool).await.unwrap();
    assert!(revoked().await, "the cached key is used");
    keys.invalidate(id);
    assert!(!revoked().await);
    sqlx::query("update api_key set revoked_at = now()").execute(&pool).await.unwrap();
    keys.set_listening(false);
    assert!(revoked().await);
}

#[sqlx::test]
async fn a_request_that_waits_ends_with_its_key(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let ann = TestUser::new(&app, "ours", "ann").await;
    let asset = ann.upload_asset("a.txt", b"a").await;
    let request = json!({"assetHandleArray": [asset], "fmt": "orig", "execTime": "2099-01-01T00:00:00Z"});
    let job = ann.post("/export-jobs", request).await.expect_status(202);
    let path = format!("{}?wait=60", job["links"]["self"].as_str().unwrap());
    let id = ann.key.parse::<RawKey>().unwrap().id;
    assert_eq!(ann.get("/assets").await.status.as_u16(), 200);
    let (answer, revoked) =
        tokio::join!(ann.get(&path), async { api_key::revoke_api_key(&app.state.system, ann.company, id).await });
    revoked.unwrap();
    assert_eq!(answer.expect_status(401)["code"], "key-disabled");
}

#[sqlx::test]
async fn a_refusal_has_its_requests_id_and_a_line_in_the_log(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let id = uuid::Uuid::now_v7().to_string();
    let request = TestRequest::get().uri("/assets").insert_header(("x-request-id", id.as_str()));
    let answer = send_with_authorization(&app, request, None).await;
    assert_eq!(answer.header("x-request-id"), id);
    assert_eq!(answer.expect_status(401)["requestId"], id);
    let log = secret_leak_check::read_log();
    assert!(log.lines().any(|line| line.contains(&id) && line.contains("GET /assets -> 401")), "{id}");
}

#[sqlx::test]
async fn what_all_companies_store_is_for_operators(pool: PgPool) {
    use actix_web::body::to_bytes;
    use actix_web::test::{call_service, init_service};
    let app = open_guarded_app(pool).await;
    let ann = TestUser::new(&app, "ours", "ann").await;
    let ready = ann.get("/health/ready").await.expect_status(200);
    assert!(ready.get("freeBytes").is_none() && ready.get("damagedBlobs").is_none(), "{ready}");
    let numbers = String::from_utf8(ann.get("/metrics").await.body).unwrap();
    assert!(numbers.contains("\noffprint_slots ") && !numbers.contains("blob"), "{numbers}");
    assert!(numbers.contains("\noffprint_build_info{") && !numbers.contains("disk_free"), "{numbers}");
    let service = init_service(offprint::http::build_health_app(app.state.clone())).await;
    let ask = async |path: &str| {
        let answer = call_service(&service, TestRequest::get().uri(path).to_request()).await;
        (
            answer.status().as_u16(),
            String::from_utf8(to_bytes(answer.into_body()).await.ok().unwrap().to_vec()).unwrap(),
        )
    };
    let (status, ready) = ask("/health/ready").await;
    assert!(status == 200 && ready.contains("\"freeBytes\":"), "{status} {ready}");
    let (status, numbers) = ask("/metrics").await;
    assert!(status == 200 && numbers.contains("\noffprint_damaged_blobs 0"), "{status} {numbers}");
    assert!(numbers.contains("\noffprint_disk_free_bytes "), "{numbers}");
    let (status, elsewhere) = ask("/assets").await;
    assert!(status == 404 && elsewhere.contains("/metrics"), "{status} {elsewhere}");
}

#[sqlx::test]
async fn a_raw_key_is_kept_nowhere(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let ann = TestUser::new(&app, "ours", "ann").await;
    let objects = OperationFixtures::create(&ann).await;
    let created = ann.post("/api-keys", json!({"name": "third"})).await.expect_status(201);
    let keys = [ann.key.clone(), created["key"].as_str().unwrap().to_owned()];
    let mut responses = String::new();
    for key in &keys {
        for operation in list_operations().iter().filter(|operation| operation.method != "DELETE") {
            for how in [format!("Bearer {key}"), key.clone(), format!("Bearer {key}0"), format!("Basic {key}")] {
                let answer = send_with_authorization(&app, operation.request(&objects), Some(&how)).await;
                responses += &String::from_utf8_lossy(&answer.body);
            }
        }
    }
    let rows = secret_leak_check::dump_tables(&mut app.state.system.acquire().await.unwrap()).await;
    let log = secret_leak_check::read_log();
    assert!(log.contains("GET /assets -> 200") && rows.contains("of a test"), "the log and the dump are not empty");
    for spelling in keys.iter().flat_map(|key| secret_leak_check::list_spellings(&key[36..])) {
        for (place, text) in [("the database", &rows), ("the log", &log), ("an answer", &responses)] {
            assert!(!text.contains(&spelling), "{place} holds a key");
        }
    }
}

#[sqlx::test]
async fn an_idempotency_key_is_its_users(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let (ann, bob) = (TestUser::new(&app, "ours", "ann").await, TestUser::new(&app, "ours", "bob").await);
    let asset = ann.upload_asset("a.txt", b"a").await;
    let request = json!({"assetHandleArray": [asset], "fmt": "orig"});
    let with = |request: &Value| {
        TestRequest::post().uri("/export-jobs").insert_header(("idempotency-key", "k")).set_json(request)
    };
    let first = ann.send(with(&request)).await.expect_status(202);
    assert_eq!(ann.send(with(&request)).await.expect_status(202)["jobHandle"], first["jobHandle"]);
    assert_ne!(bob.send(with(&request)).await.expect_status(202)["jobHandle"], first["jobHandle"]);
}

#[sqlx::test]
async fn an_upload_tells_nothing_of_other_companies(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let (ann, eve) = (TestUser::new(&app, "ours", "ann").await, TestUser::new(&app, "theirs", "eve").await);
    ann.upload_asset("a.txt", b"known to one company").await;
    let shape = |answer: TestResponse| {
        let names: Vec<String> = answer.headers.iter().map(|(name, _)| name.to_string()).collect();
        let mut asset = answer.expect_status(201)["assets"][0].clone();
        for own in ["assetHandle", "links", "createdAt", "updatedAt", "lastModified", "sha256"] {
            asset.as_object_mut().unwrap().remove(own).unwrap();
        }
        (names, asset)
    };
    let known = shape(eve.send(build_upload_request("b.txt", b"known to one company")).await);
    let new = shape(eve.send(build_upload_request("b.txt", b"known to nobody else")).await);
    assert_eq!(known, new);
    let mine = eve.get("/usage").await.expect_status(200);
    let other = TestUser::new(&app, "third", "kim").await;
    other.upload_asset("b.txt", b"known to one company").await;
    assert_eq!(eve.get("/usage").await.expect_status(200), mine, "usage of other companies is not included");
}
