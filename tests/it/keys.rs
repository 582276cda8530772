//! Keys: how they are made, what they allow, and how they end.

use actix_web::test::TestRequest;
use offprint::db::api_key::{self, RawKey};
use offprint::db::capability::Capability;
use offprint::db::signal::{Listener, Signal};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::guest::{Guest, guarded, send, upload};
use crate::house::Answer;
use crate::operations::{Objects, operations};
use crate::witness;

#[sqlx::test]
async fn one_sees_and_orders_about_only_ones_own_jobs(pool: PgPool) {
    use Capability::{AssetsWrite, ExportsCreate, ExportsCreateOriginal, ExportsManageAll, ExportsReadAll};
    let house = guarded(pool).await;
    let plain = [AssetsWrite, ExportsCreate, ExportsCreateOriginal];
    let ann = Guest::with(&house, "ours", "ann", &plain).await;
    let bob = Guest::with(&house, "ours", "bob", &plain).await;
    let reader = Guest::with(&house, "ours", "cleo", &[ExportsReadAll]).await;
    let manager = Guest::with(&house, "ours", "dora", &[ExportsCreate, ExportsCreateOriginal, ExportsManageAll]).await;
    let asset = ann.asset("a.txt", b"a").await;
    let order = json!({"assetHandleArray": [asset], "fmt": "orig", "execTime": "2099-01-01T00:00:00Z"});
    let job = ann.post("/export-jobs", order.clone()).await.is(202);
    let own = job["links"]["self"].as_str().unwrap();
    let shown = async |guest: &Guest<'_>| guest.get("/export-jobs").await.is(200)["items"].as_array().unwrap().len();
    for (guest, sees) in [(&ann, true), (&bob, false), (&reader, true), (&manager, true)] {
        assert_eq!(shown(guest).await, usize::from(sees));
        for below in ["", "/items", "/events", "/files", "/manifest"] {
            let answer = guest.get(&format!("{own}{below}")).await;
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
    assert_eq!(bob.post(&format!("{own}/stop"), json!({})).await.is(404)["code"], "not-found");
    assert_eq!(reader.post(&format!("{own}/stop"), json!({})).await.is(403)["code"], "operation-forbidden");
    let reads_and_orders = bob.key_for(&[ExportsCreate, ExportsReadAll]).await;
    let request = TestRequest::post().uri(&format!("{own}/stop"));
    let answer = send(&house, request, Some(&format!("Bearer {reads_and_orders}"))).await;
    assert_eq!(answer.is(403)["code"], "operation-forbidden");
    assert_eq!(manager.post(&format!("{own}/run"), json!({})).await.is(200)["state"], "queued");

    // Ordering in somebody else's name.
    let for_bob = |user: &Value| {
        let mut order = order.clone();
        order["userHandle"] = user.clone();
        order
    };
    let handle = bob.post("/export-jobs", order.clone()).await.is(202)["userHandle"].clone();
    assert_eq!(ann.post("/export-jobs", for_bob(&handle)).await.is(403)["code"], "impersonation-forbidden");
    assert_eq!(manager.post("/export-jobs", for_bob(&handle)).await.is(202)["userHandle"], handle);
    let nobody = json!(uuid::Uuid::now_v7().to_string());
    let refused = manager.post("/export-jobs/validate", for_bob(&nobody)).await.is(422);
    assert_eq!(
        (&refused["errors"][0]["code"], &refused["errors"][0]["pointer"]),
        (&json!("user-not-found"), &json!("/userHandle"))
    );
    assert_eq!((shown(&bob).await, shown(&manager).await), (2, 3));
}

#[sqlx::test]
async fn an_order_asks_for_no_more_than_its_key_may_have(pool: PgPool) {
    use Capability::{AssetsRead, AssetsWrite, ExportsCreate, PresetsWrite};
    let house = guarded(pool).await;
    let ann = Guest::with(&house, "ours", "ann", &[AssetsRead, AssetsWrite, PresetsWrite, ExportsCreate]).await;
    let preset = json!({"urlModifier": "wid=10&fmt=png"});
    ann.send(TestRequest::put().uri("/image-presets/small").set_json(preset)).await.worked();
    let asset = ann.asset("a.txt", b"a").await;
    let picture = ann.asset("p.png", &crate::exportjob::picture(image::ImageFormat::Png, 20, 20, 1)).await;
    for (order, pointers) in [
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
        let mut order = order;
        order["assetHandleArray"] = json!([asset]);
        for path in ["/export-jobs", "/export-jobs/validate"] {
            let refused = ann.post(path, order.clone()).await.is(403);
            assert_eq!((&refused["code"], &refused["ips"]["code"]), (&json!("value-forbidden"), &json!(20005)));
            let said: Vec<&str> =
                refused["errors"].as_array().unwrap().iter().map(|it| it["pointer"].as_str().unwrap()).collect();
            assert_eq!(said, pointers);
        }
    }
    // Where nothing is said of files that are no pictures, they are not handed out.
    let order = json!({"assetHandleArray": [asset, picture], "fmt": "convert", "macro": "$small$"});
    let job = ann.post("/export-jobs", order).await.is(202);
    offprint::worker::drain(&house.state).await.unwrap();
    let files = ann.get(job["links"]["files"].as_str().unwrap()).await.is(200);
    assert_eq!(files["items"].as_array().unwrap().iter().map(|file| &file["state"]).collect::<Vec<_>>(), ["ready"]);
    // Nor by another way.
    assert_eq!(
        ann.get(&format!("/assets/{picture}/preview?is_modifier=wid=10")).await.is(403)["code"],
        "value-forbidden"
    );
    assert_eq!(ann.get(&format!("/assets/{picture}/preview?macro=$small$")).await.status.as_u16(), 200);
    assert_eq!(ann.get(&format!("/assets/{asset}/content")).await.is(403)["code"], "operation-forbidden");
    let change = TestRequest::patch().uri(&format!("/assets/{picture}")).set_json(json!({"urlModifier": "wid=900"}));
    assert_eq!(ann.send(change).await.is(403)["code"], "value-forbidden");
    house.check().await;
}

#[sqlx::test]
async fn keys_are_made_listed_used_and_revoked(pool: PgPool) {
    let house = guarded(pool).await;
    let ann = Guest::of(&house, "ours", "ann").await;
    let wish = json!({"name": "shop", "user": "bob", "email": "bob@example.org", "locale": "nl", "role": "ImagePortalContrib"});
    let answer = ann.post("/api-keys", wish).await;
    assert_eq!(answer.header("cache-control"), "no-store");
    let location = answer.header("location").to_owned();
    let made = answer.is(201);
    assert_eq!(made["capabilities"], json!(["assets:read", "assets:write", "presets:read", "exports:create"]));
    assert_eq!(
        (&made["user"]["name"], &made["user"]["email"], &made["lastUsedAt"]),
        (&json!("bob"), &json!("bob@example.org"), &Value::Null)
    );
    let key = format!("Bearer {}", made["key"].as_str().unwrap());
    let ask = async || send(&house, TestRequest::get().uri("/assets"), Some(&key)).await;
    assert_eq!(ask().await.status.as_u16(), 200);
    let shown = ann.get(&location).await.is(200);
    assert!(shown["lastUsedAt"].is_string() && shown.get("key").is_none(), "{shown}");
    assert_eq!(ann.get("/api-keys?limit=1").await.is(200)["items"].as_array().unwrap().len(), 1);
    assert_eq!(ann.delete(&location).await.status.as_u16(), 204);
    assert_eq!(ask().await.is(401)["code"], "key-disabled");
    assert!(ann.get(&location).await.is(200)["revokedAt"].is_string());
    let usual = ann.post("/api-keys", json!({"name": "usual"})).await.is(201);
    let usual: Vec<&str> =
        usual["capabilities"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    assert!(usual.len() == 11 && !usual.contains(&"admin"), "{usual:?}");
    let wrong = json!({"name": " ", "email": "nobody", "role": "King", "expiresAt": "2020-01-01T00:00:00Z"});
    let refused = ann.post("/api-keys", wrong).await.is(422);
    let said: Vec<&str> =
        refused["errors"].as_array().unwrap().iter().map(|it| it["pointer"].as_str().unwrap()).collect();
    assert_eq!(said, ["/name", "/email", "/expiresAt", "/role"]);
}

#[sqlx::test]
async fn mail_goes_to_whoever_ordered_when_nobody_is_named(pool: PgPool) {
    let house = guarded(pool).await;
    let ann = Guest::of(&house, "ours", "ann").await;
    let asset = ann.asset("a.txt", b"a").await;
    let order = json!({"assetHandleArray": [asset], "fmt": "orig", "emailSetting": "All"});
    assert_eq!(ann.post("/export-jobs", order.clone()).await.is(202)["warnings"][0]["code"], "no-recipient");
    let known = json!({"name": "again", "user": "ann", "email": "ann@example.org"});
    ann.post("/api-keys", known).await.is(201);
    let job = ann.post("/export-jobs", order).await.is(202);
    assert_eq!(job["warnings"], json!([]));
    offprint::worker::drain(&house.state).await.unwrap();
    let told = ann.get(job["links"]["self"].as_str().unwrap()).await.is(200);
    assert_eq!(told["notification"]["to"], json!(["ann@example.org"]));
}

/// Runs a subcommand on this database; its exit code, stdout and stderr.
fn offprint(pool: &PgPool, folder: &tempfile::TempDir, arguments: &[&str]) -> (Option<i32>, String, String) {
    use sqlx::ConnectOptions;
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_offprint"));
    command.args(arguments).env("DATABASE_URL", pool.connect_options().to_url_lossy().to_string());
    let done = command.env("OFFPRINT_DATA_DIR", folder.path()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (done.status.code(), text(done.stdout), text(done.stderr))
}

#[sqlx::test]
async fn the_command_line_makes_the_first_key(pool: PgPool) {
    let house = guarded(pool).await;
    let run = |arguments: &[&str]| offprint(&house.state.system, &house.folder, arguments);
    let (code, key, _) =
        run(&["admin", "create-key", "--company", "new", "--user", "ann", "--capability", "assets:read"]);
    assert_eq!((code, key.lines().count()), (Some(0), 1), "{key}");
    house.witness.read(&key);
    let bearer = format!("Bearer {}", key.trim());
    let ask = async |path: &str| send(&house, TestRequest::get().uri(path), Some(&bearer)).await.status.as_u16();
    assert_eq!((ask("/assets").await, ask("/export-jobs").await), (200, 403));
    let (_, listed, _) = run(&["admin", "list-keys", "--company", "new"]);
    let handle = listed.split('\t').next().unwrap();
    assert!(listed.contains("\tann\tvalid\tused ") && listed.ends_with("assets:read\n"), "{listed}");
    assert!(!listed.contains(&key.trim()[36..]));
    let (code, _, said) = run(&["admin", "revoke-key", handle]);
    assert!(code == Some(2) && said.contains("not-found"), "it is not of the company `default`: {said}");
    assert_eq!(run(&["admin", "revoke-key", handle, "--company", "new"]).0, Some(0));
    house.state.keys.forget(handle.parse().unwrap());
    assert_eq!(ask("/assets").await, 401);
    assert!(run(&["admin", "list-keys", "--company", "new"]).1.contains("\trevoked "));
    assert_eq!(run(&["admin", "create-key", "--capability", "assets:eat"]).0, Some(64));
    assert_eq!(run(&["admin", "create-key", "--ips-role", "King"]).0, Some(64));
    assert_eq!(run(&["admin", "list-keys", "--company", "nobody"]).0, Some(2));
}

#[sqlx::test]
async fn a_key_of_another_process_is_refused_within_a_second_of_its_end(pool: PgPool) {
    let (house, database) = (guarded(pool.clone()).await, pool);
    let ann = Guest::of(&house, "ours", "ann").await;
    assert_eq!(ann.get("/assets").await.status.as_u16(), 200);
    let id = ann.key.parse::<RawKey>().unwrap().id;
    api_key::revoke(&database, ann.company, id).await.unwrap();
    let revoked = std::time::Instant::now();
    while ann.get("/assets").await.status.as_u16() == 200 {
        assert!(revoked.elapsed().as_secs() < 30, "it is never refused");
    }
}

#[sqlx::test]
async fn revoking_a_key_tells_every_process(pool: PgPool) {
    let house = guarded(pool.clone()).await;
    let ann = Guest::of(&house, "ours", "ann").await;
    let id = ann.key.parse::<RawKey>().unwrap().id;
    let mut elsewhere = Listener::open(&pool).await.unwrap();
    assert_eq!(ann.delete(&format!("/api-keys/{id}")).await.status.as_u16(), 204);
    assert_eq!(elsewhere.hear().await.unwrap(), Signal::Key(id));
    // Who hears it looks again, and who cannot hear any more believes nothing of what it knew.
    let keys = offprint::db::key_ring::KeyRing::default();
    let revoked = async || keys.find(&pool, id).await.unwrap().unwrap().revoked_at.is_some();
    keys.told(true);
    assert!(revoked().await);
    sqlx::query("update api_key set revoked_at = null").execute(&pool).await.unwrap();
    assert!(revoked().await, "it was asked a moment ago");
    keys.forget(id);
    assert!(!revoked().await);
    sqlx::query("update api_key set revoked_at = now()").execute(&pool).await.unwrap();
    keys.told(false);
    assert!(revoked().await);
}

#[sqlx::test]
async fn a_request_that_waits_ends_with_its_key(pool: PgPool) {
    let house = guarded(pool).await;
    let ann = Guest::of(&house, "ours", "ann").await;
    let asset = ann.asset("a.txt", b"a").await;
    let order = json!({"assetHandleArray": [asset], "fmt": "orig", "execTime": "2099-01-01T00:00:00Z"});
    let job = ann.post("/export-jobs", order).await.is(202);
    let path = format!("{}?wait=60", job["links"]["self"].as_str().unwrap());
    let id = ann.key.parse::<RawKey>().unwrap().id;
    assert_eq!(ann.get("/assets").await.status.as_u16(), 200);
    let (answer, revoked) =
        tokio::join!(ann.get(&path), async { api_key::revoke(&house.state.system, ann.company, id).await });
    revoked.unwrap();
    assert_eq!(answer.is(401)["code"], "key-disabled");
}

#[sqlx::test]
async fn a_refusal_has_its_requests_id_and_a_line_in_the_log(pool: PgPool) {
    let house = guarded(pool).await;
    let id = uuid::Uuid::now_v7().to_string();
    let request = TestRequest::get().uri("/assets").insert_header(("x-request-id", id.as_str()));
    let answer = send(&house, request, None).await;
    assert_eq!(answer.header("x-request-id"), id);
    assert_eq!(answer.is(401)["requestId"], id);
    let log = witness::log();
    assert!(log.lines().any(|line| line.contains(&id) && line.contains("GET /assets -> 401")), "{id}");
}

#[sqlx::test]
async fn what_all_companies_store_is_for_operators(pool: PgPool) {
    use actix_web::body::to_bytes;
    use actix_web::test::{call_service, init_service};
    let house = guarded(pool).await;
    let ann = Guest::of(&house, "ours", "ann").await;
    let ready = ann.get("/health/ready").await.is(200);
    assert!(ready.get("freeBytes").is_none() && ready.get("damagedBlobs").is_none(), "{ready}");
    let numbers = String::from_utf8(ann.get("/metrics").await.body).unwrap();
    assert!(numbers.contains("\noffprint_slots ") && !numbers.contains("blob"), "{numbers}");
    let app = init_service(offprint::api::numbers(house.state.clone())).await;
    let ask = async |path: &str| {
        let answer = call_service(&app, TestRequest::get().uri(path).to_request()).await;
        (
            answer.status().as_u16(),
            String::from_utf8(to_bytes(answer.into_body()).await.ok().unwrap().to_vec()).unwrap(),
        )
    };
    let (status, ready) = ask("/health/ready").await;
    assert!(status == 200 && ready.contains("\"freeBytes\":"), "{status} {ready}");
    let (status, numbers) = ask("/metrics").await;
    assert!(status == 200 && numbers.contains("\noffprint_damaged_blobs 0"), "{status} {numbers}");
    let (status, elsewhere) = ask("/assets").await;
    assert!(status == 404 && elsewhere.contains("/metrics"), "{status} {elsewhere}");
}

#[sqlx::test]
async fn a_raw_key_is_kept_nowhere(pool: PgPool) {
    let house = guarded(pool).await;
    let ann = Guest::of(&house, "ours", "ann").await;
    let objects = Objects::made_by(&ann).await;
    let made = ann.post("/api-keys", json!({"name": "third"})).await.is(201);
    let keys = [ann.key.clone(), made["key"].as_str().unwrap().to_owned()];
    let mut said = String::new();
    for key in &keys {
        for operation in operations().iter().filter(|operation| operation.method != "DELETE") {
            for how in [format!("Bearer {key}"), key.clone(), format!("Bearer {key}0"), format!("Basic {key}")] {
                let answer = send(&house, operation.request(&objects), Some(&how)).await;
                said += &String::from_utf8_lossy(&answer.body);
            }
        }
    }
    let rows = witness::dump(&mut house.state.system.acquire().await.unwrap()).await;
    let log = witness::log();
    assert!(log.contains("GET /assets -> 200") && rows.contains("of a test"), "the log and the dump are not empty");
    for spelling in keys.iter().flat_map(|key| witness::spellings(&key[36..])) {
        for (place, text) in [("the database", &rows), ("the log", &log), ("an answer", &said)] {
            assert!(!text.contains(&spelling), "{place} holds a key");
        }
    }
}

#[sqlx::test]
async fn an_idempotency_key_is_its_users(pool: PgPool) {
    let house = guarded(pool).await;
    let (ann, bob) = (Guest::of(&house, "ours", "ann").await, Guest::of(&house, "ours", "bob").await);
    let asset = ann.asset("a.txt", b"a").await;
    let order = json!({"assetHandleArray": [asset], "fmt": "orig"});
    let with =
        |order: &Value| TestRequest::post().uri("/export-jobs").insert_header(("idempotency-key", "k")).set_json(order);
    let first = ann.send(with(&order)).await.is(202);
    assert_eq!(ann.send(with(&order)).await.is(202)["jobHandle"], first["jobHandle"]);
    assert_ne!(bob.send(with(&order)).await.is(202)["jobHandle"], first["jobHandle"]);
}

#[sqlx::test]
async fn an_upload_tells_nothing_of_other_companies(pool: PgPool) {
    let house = guarded(pool).await;
    let (ann, eve) = (Guest::of(&house, "ours", "ann").await, Guest::of(&house, "theirs", "eve").await);
    ann.asset("a.txt", b"known to one company").await;
    let shape = |answer: Answer| {
        let names: Vec<String> = answer.headers.iter().map(|(name, _)| name.to_string()).collect();
        let mut asset = answer.is(201)["assets"][0].clone();
        for own in ["assetHandle", "links", "createdAt", "updatedAt", "lastModified", "sha256"] {
            asset.as_object_mut().unwrap().remove(own).unwrap();
        }
        (names, asset)
    };
    let known = shape(eve.send(upload("b.txt", b"known to one company")).await);
    let new = shape(eve.send(upload("b.txt", b"known to nobody else")).await);
    assert_eq!(known, new);
    let mine = eve.get("/usage").await.is(200);
    let other = Guest::of(&house, "third", "kim").await;
    other.asset("b.txt", b"known to one company").await;
    assert_eq!(eve.get("/usage").await.is(200), mine, "what others store does not count");
}
