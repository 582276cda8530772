//! Every operation of our own document, with every kind of key that should not get in, and the one that should.
//! An operation without a row here fails the test.

use actix_web::http::Method;
use actix_web::test::TestRequest;
use offprint::api::document;
use offprint::db::api_key::{self, NewKey, RawKey};
use offprint::db::capability::Capability;
use offprint::db::company;
use offprint::db::signal::{Listener, Signal};
use offprint::id::CompanyId;
use offprint::settings::Auth;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::house::{Answer, House};
use crate::witness;

/// A house that asks for keys.
pub async fn guarded(pool: PgPool) -> House {
    House::with(pool, |settings| settings.auth = Auth::Keys).await
}

/// A company with a user and a key for that user.
pub struct Guest<'a> {
    house: &'a House,
    pub company: CompanyId,
    user: String,
    pub key: String,
}

impl<'a> Guest<'a> {
    /// A user of a company, with a key that may do this.
    pub async fn with(house: &'a House, company: &str, user: &str, capabilities: &[Capability]) -> Self {
        let mut connection = house.state.system.acquire().await.unwrap();
        let company = company::find_or_make(&mut connection, company).await.unwrap();
        drop(connection);
        let mut guest = Self { house, company, user: user.into(), key: String::new() };
        guest.key = guest.key_for(capabilities).await;
        guest
    }

    /// A user of a company, with a key that may do everything.
    pub async fn of(house: &'a House, company: &str, user: &str) -> Self {
        Self::with(house, company, user, &Capability::ALL).await
    }

    /// Another key of the same user.
    pub async fn key_for(&self, capabilities: &[Capability]) -> String {
        let raw = RawKey::new().unwrap();
        let mut connection = self.house.state.system.acquire().await.unwrap();
        let user = company::user(&mut connection, self.company, &self.user, None, None).await.unwrap();
        let new = NewKey { name: "of a test", user, capabilities, expires_at: None };
        api_key::insert(&mut connection, self.company, &raw, &new).await.unwrap();
        let key = raw.reveal();
        self.house.witness.read(&key);
        key
    }

    pub async fn send(&self, request: TestRequest) -> Answer {
        send(self.house, request, Some(&format!("Bearer {}", self.key))).await
    }

    pub async fn get(&self, uri: &str) -> Answer {
        self.send(TestRequest::get().uri(uri)).await
    }

    pub async fn post(&self, uri: &str, body: Value) -> Answer {
        self.send(TestRequest::post().uri(uri).set_json(body)).await
    }

    pub async fn delete(&self, uri: &str) -> Answer {
        self.send(TestRequest::delete().uri(uri)).await
    }

    pub async fn upload(&self, name: &str, bytes: &[u8]) -> Answer {
        self.send(upload(name, bytes)).await
    }

    /// Uploads one file and gives its handle.
    pub async fn asset(&self, name: &str, bytes: &[u8]) -> String {
        let answer = self.upload(name, bytes).await.is(201);
        answer["assets"][0]["assetHandle"].as_str().unwrap().to_owned()
    }
}

/// A request with whatever stands in `Authorization`.
pub async fn send(house: &House, request: TestRequest, authorization: Option<&str>) -> Answer {
    let request = match authorization {
        Some(said) => request.insert_header(("authorization", said)),
        None => request,
    };
    house.send_as_is(request).await
}

fn upload(name: &str, bytes: &[u8]) -> TestRequest {
    let head = format!("--f\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n");
    let body = [head.as_bytes(), bytes, b"\r\n--f--\r\n"].concat();
    TestRequest::post()
        .uri("/assets")
        .insert_header(("content-type", "multipart/form-data; boundary=f"))
        .set_payload(body)
}

/// What stands behind the parameters of addresses.
#[derive(Clone)]
struct Objects {
    job: String,
    asset: String,
    preset: String,
    key: String,
    link: String,
    token: String,
}

impl Objects {
    /// One of each, made by a guest; the job is finished.
    async fn made_by(guest: &Guest<'_>) -> Self {
        let asset = guest.asset("a.txt", b"bytes of one company alone").await;
        let preset = json!({"urlModifier": "wid=10&fmt=png"});
        guest.send(TestRequest::put().uri("/image-presets/preset-of-ours").set_json(preset)).await.worked();
        let job = guest.post("/export-jobs", json!({"assetHandleArray": [asset], "fmt": "orig"})).await.is(202);
        offprint::worker::drain(&guest.house.state).await.unwrap();
        let key = guest.post("/api-keys", json!({"name": "another"})).await.is(201);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let (job, key) = (text(&job["jobHandle"]), text(&key["keyHandle"]));
        let made = guest.post(&format!("/export-jobs/{job}/links"), json!({"path": "a.txt"})).await.is(201);
        let token = text(&made["url"]).rsplit_once('/').unwrap().1.to_owned();
        Self { job, asset, preset: "preset-of-ours".into(), key, link: text(&made["linkHandle"]), token }
    }

    /// Handles of things that are nowhere.
    fn nowhere() -> Self {
        let handle = || uuid::Uuid::now_v7().to_string();
        let (link, token) = (handle(), "nothing".into());
        Self { job: handle(), asset: handle(), preset: "preset-of-nobody".into(), key: handle(), link, token }
    }

    fn address(&self, path: &str) -> String {
        path.replace("{jobHandle}", &self.job)
            .replace("{assetHandle}", &self.asset)
            .replace("{keyHandle}", &self.key)
            .replace("{name}", &self.preset)
            .replace("{path}", "a.txt")
            .replace("{position}", "0")
            .replace("{linkHandle}", &self.link)
            .replace("{token}", &self.token)
    }
}

/// What somebody of another company gets.
#[derive(Clone, Copy, PartialEq)]
enum Other {
    /// The same as for an object that is nowhere.
    Nothing,
    /// An answer about one's own company.
    Own,
}
use Other::{Nothing, Own};

/// What is sent.
#[derive(Clone, Copy)]
enum Sent {
    Empty,
    Json(fn(&Objects) -> Value),
    File,
    Bytes,
}
use Sent::{Bytes, Empty, File, Json};

/// A row for each operation: what to send that would work, and what another company gets.
fn row(method: &str, path: &str) -> Option<(Sent, Other)> {
    let order: fn(&Objects) -> Value = |objects| json!({"assetHandleArray": [objects.asset], "fmt": "convert", "macro": format!("${}$", objects.preset)});
    Some(match (method, path) {
        ("POST", "/export-jobs" | "/export-jobs/validate") => (Json(order), Nothing),
        ("GET", "/export-jobs" | "/assets" | "/image-presets" | "/api-keys" | "/audit-log") => (Empty, Own),
        ("GET" | "HEAD" | "DELETE", "/export-jobs/{jobHandle}") => (Empty, Nothing),
        (
            "GET",
            "/export-jobs/{jobHandle}/items"
            | "/export-jobs/{jobHandle}/items/{position}"
            | "/export-jobs/{jobHandle}/events",
        ) => (Empty, Nothing),
        ("GET", "/export-jobs/{jobHandle}/files") => (Empty, Nothing),
        ("GET" | "HEAD", "/export-jobs/{jobHandle}/files/{path}" | "/export-jobs/{jobHandle}/download") => {
            (Empty, Nothing)
        }
        ("GET" | "HEAD", "/export-jobs/{jobHandle}/archive" | "/export-jobs/{jobHandle}/manifest") => (Empty, Nothing),
        (
            "POST",
            "/export-jobs/{jobHandle}/pause"
            | "/export-jobs/{jobHandle}/resume"
            | "/export-jobs/{jobHandle}/stop"
            | "/export-jobs/{jobHandle}/run"
            | "/export-jobs/{jobHandle}/retry",
        ) => (Empty, Nothing),
        ("POST", "/export-jobs/{jobHandle}/links") => (Json(|_| json!({})), Nothing),
        ("GET", "/export-jobs/{jobHandle}/links") | ("DELETE", "/export-jobs/{jobHandle}/links/{linkHandle}") => {
            (Empty, Nothing)
        }
        // The address is the key.
        ("GET" | "HEAD", "/downloads/{token}") => (Empty, Own),
        ("POST", "/assets") => (File, Own),
        ("GET" | "DELETE", "/assets/{assetHandle}") => (Empty, Nothing),
        ("GET", "/assets/{assetHandle}/preview") => (Empty, Nothing),
        ("PATCH", "/assets/{assetHandle}") => (Json(|_| json!({"folder": "elsewhere"})), Nothing),
        ("GET" | "HEAD", "/assets/{assetHandle}/content") => (Empty, Nothing),
        ("PUT", "/assets/{assetHandle}/content") => (Bytes, Nothing),
        ("POST", "/asset-sets") => {
            (Json(|objects| json!({"type": "ImageSet", "name": "s", "memberArray": [objects.asset]})), Nothing)
        }
        ("GET" | "DELETE", "/image-presets/{name}") => (Empty, Nothing),
        ("PUT", "/image-presets/{name}") => (Json(|_| json!({"urlModifier": "wid=20"})), Own),
        ("GET", "/modifier-commands") => (Empty, Own),
        ("POST", "/modifier-check") => (Json(|_| json!({"is_modifier": "wid=10"})), Own),
        ("POST", "/api-keys") => (Json(|_| json!({"name": "third"})), Own),
        ("GET" | "DELETE", "/api-keys/{keyHandle}") => (Empty, Nothing),
        ("GET", "/" | "/info" | "/usage" | "/workers" | "/metrics" | "/health/live" | "/health/ready") => (Empty, Own),
        _ => return None,
    })
}

/// An operation of the document: method, address, and the alternatives of what it needs.
struct Operation {
    method: String,
    path: String,
    needs: Vec<Vec<Capability>>,
    sent: Sent,
    other: Other,
}

impl Operation {
    fn request(&self, objects: &Objects) -> TestRequest {
        let address = objects.address(&self.path);
        let request = TestRequest::default().method(Method::from_bytes(self.method.as_bytes()).unwrap()).uri(&address);
        match self.sent {
            Empty => request,
            Json(body) => request.set_json(body(objects)),
            File => upload("b.txt", b"another file"),
            Bytes => request.insert_header(("content-type", "application/octet-stream")).set_payload("new bytes"),
        }
    }

    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

fn operations() -> Vec<Operation> {
    let document: Value = serde_json::from_str(document::text()).unwrap();
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap().iter().filter(|(name, _)| *name != "parameters") {
            let method = method.to_uppercase();
            let (sent, other) = row(&method, path).unwrap_or_else(|| panic!("{method} {path} has no row in this test"));
            let security =
                operation["security"].as_array().unwrap_or_else(|| panic!("{method} {path} has no security"));
            let scopes = |need: &Value| need["key"].as_array().unwrap().clone();
            let needs = security
                .iter()
                .map(scopes)
                .map(|scopes| scopes.iter().map(|scope| Capability::of(scope.as_str().unwrap()).unwrap()).collect());
            all.push(Operation { needs: needs.collect(), path: path.clone(), method, sent, other });
        }
    }
    assert!(all.len() >= 45, "only {} operations were found", all.len());
    all
}

/// The code and body of a problem without what differs from request to request.
fn plain(answer: Answer, objects: &Objects) -> (u16, String) {
    let status = answer.status.as_u16();
    let mut body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if let Some(body) = body.as_object_mut() {
        body.remove("requestId");
    }
    let text =
        [(&objects.job, "J"), (&objects.asset, "A"), (&objects.key, "K"), (&objects.link, "L"), (&objects.preset, "P")]
            .into_iter()
            .fold(body.to_string(), |text, (handle, letter)| text.replace(handle, letter));
    (status, text)
}

#[sqlx::test]
async fn no_operation_lets_a_wrong_key_in(pool: PgPool) {
    let house = guarded(pool).await;
    let ann = Guest::of(&house, "ours", "ann").await;
    let objects = Objects::made_by(&ann).await;
    let (revoked, expired) = (ann.key_for(&Capability::ALL).await, ann.key_for(&Capability::ALL).await);
    let id = |key: &str| key.parse::<RawKey>().unwrap().id;
    api_key::revoke(&house.state.system, ann.company, id(&revoked)).await.unwrap();
    sqlx::query("update api_key set expires_at = now() where key_id = $1")
        .bind(id(&expired))
        .execute(&house.state.system)
        .await
        .unwrap();
    let stranger = RawKey::new().unwrap().reveal();
    // The right id with another key's secret.
    let forged = format!("{}{}", &ann.key[..36], &stranger[36..]);
    let bearer = |key: &str| Some(format!("Bearer {key}"));
    let wrong: Vec<(&str, Option<String>, &str)> = vec![
        ("no key", None, "unauthenticated"),
        ("not a bearer", Some(format!("Basic {}", ann.key)), "invalid-credentials"),
        ("the key alone", Some(ann.key.clone()), "invalid-credentials"),
        ("no text", bearer(""), "invalid-credentials"),
        ("malformed", bearer("op_1_2"), "invalid-credentials"),
        ("cut", bearer(&ann.key[..99]), "invalid-credentials"),
        ("in capitals", bearer(&ann.key.to_uppercase()), "invalid-credentials"),
        ("unknown", bearer(&stranger), "invalid-credentials"),
        ("forged", bearer(&forged), "invalid-credentials"),
        ("revoked", bearer(&revoked), "key-disabled"),
        ("expired", bearer(&expired), "key-disabled"),
    ];
    for operation in operations() {
        for (what, said, code) in &wrong {
            let answer = send(&house, operation.request(&objects), said.as_deref()).await;
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            if operation.needs.is_empty() {
                assert!(answer.status.is_success(), "{} with {what}: {}", operation.name(), answer.status);
                continue;
            }
            assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"offprint\"", "{} {what}", operation.name());
            assert_eq!(answer.status.as_u16(), 401, "{} with {what}: {text}", operation.name());
            assert!(text.contains(&format!("\"code\":\"{code}\"")), "{} with {what}: {text}", operation.name());
        }
    }
    for open in ["/openapi.json", "/swagger-ui/"] {
        assert!(send(&house, TestRequest::get().uri(open), None).await.status.is_success(), "{open}");
    }
    assert_eq!(send(&house, TestRequest::get().uri("/nowhere"), None).await.status.as_u16(), 401);
    assert_eq!(ann.get("/nowhere").await.status.as_u16(), 404);
}

#[sqlx::test]
async fn every_operation_needs_what_the_document_says_and_no_more(pool: PgPool) {
    let house = guarded(pool).await;
    let ann = Guest::of(&house, "ours", "ann").await;
    let mut objects = Objects::made_by(&ann).await;
    for operation in operations().iter().filter(|operation| !operation.needs.is_empty()) {
        // Each capability that every alternative needs, or all alternatives together, taken away.
        let without: Vec<Vec<Capability>> = match operation.needs.as_slice() {
            [only] => only.iter().map(|capability| vec![*capability]).collect(),
            several => vec![several.concat()],
        };
        for missing in without {
            let rest: Vec<Capability> = Capability::ALL.into_iter().filter(|it| !missing.contains(it)).collect();
            let key = format!("Bearer {}", ann.key_for(&rest).await);
            let answer = send(&house, operation.request(&objects), Some(&key)).await;
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            assert_eq!(answer.status.as_u16(), 403, "{} without {missing:?}: {text}", operation.name());
            assert!(operation.method == "HEAD" || text.contains("\"code\":\"operation-forbidden\""), "{text}");
            for capability in missing {
                assert!(operation.method == "HEAD" || text.contains(&capability.name()), "{text}");
            }
        }
        for enough in &operation.needs {
            let key = format!("Bearer {}", ann.key_for(enough).await);
            let answer = send(&house, operation.request(&objects), Some(&key)).await;
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            let let_in = !matches!(answer.status.as_u16(), 401 | 403) && !answer.status.is_server_error();
            assert!(let_in, "{} with {enough:?}: {} {text}", operation.name(), answer.status);
            if operation.method == "DELETE" {
                objects = Objects::made_by(&ann).await;
            }
        }
    }
}

#[sqlx::test]
async fn another_companys_objects_answer_as_if_they_were_nowhere(pool: PgPool) {
    let house = guarded(pool).await;
    let (ann, eve) = (Guest::of(&house, "ours", "ann").await, Guest::of(&house, "theirs", "eve").await);
    let objects = Objects::made_by(&ann).await;
    let look = async || {
        let mut seen = Vec::new();
        for path in ["/export-jobs", "/assets", "/image-presets", "/api-keys"] {
            let mut shown = ann.get(path).await.is(200);
            let used = shown["items"].as_array_mut().unwrap().iter_mut().filter_map(|item| item.as_object_mut());
            used.for_each(|item| drop(item.remove("lastUsedAt")));
            seen.push(shown);
        }
        seen
    };
    let before = look().await;
    let nowhere = Objects::nowhere();
    for operation in operations() {
        if operation.other == Own {
            let answer = eve.send(operation.request(&objects)).await;
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            assert!(answer.status.is_success(), "{}: {} {text}", operation.name(), answer.status);
            if operation.path == "/audit-log" {
                // It shows which handles eve tried herself.
                assert!(!text.contains("\"ann\""), "eve reads what ann did: {text}");
                continue;
            }
            for handle in [&objects.job, &objects.asset, &objects.key] {
                assert!(!text.contains(handle.as_str()), "{} shows {handle}: {text}", operation.name());
            }
            continue;
        }
        // Whoever guesses a handle learns nothing from the answer.
        eve.delete("/image-presets/preset-of-ours").await;
        let (theirs, nothing) =
            (eve.send(operation.request(&objects)).await, eve.send(operation.request(&nowhere)).await);
        assert!(!theirs.status.is_success(), "{}: {}", operation.name(), theirs.status);
        assert_eq!(plain(theirs, &objects), plain(nothing, &nowhere), "{}", operation.name());
    }
    assert_eq!(look().await, before, "nothing of ours has changed");
}

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
