//! Every operation of our own document, with every kind of key that should not get in, and the one that should.
//! An operation without a row here fails the test.

use actix_web::http::Method;
use actix_web::test::TestRequest;
use offprint::api::document;
use offprint::db::api_key::{self, RawKey};
use offprint::db::capability::Capability;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::guest::{Guest, guarded, send, upload};
use crate::house::Answer;

/// What stands behind the parameters of addresses.
#[derive(Clone)]
pub struct Objects {
    job: String,
    asset: String,
    preset: String,
    key: String,
    link: String,
    token: String,
    schedule: String,
    delivery: String,
    upload: String,
}

impl Objects {
    /// One of each, made by a guest; the job is finished.
    pub async fn made_by(guest: &Guest<'_>) -> Self {
        let asset = guest.asset("a.txt", b"bytes of one company alone").await;
        let preset = json!({"urlModifier": "wid=10&fmt=png"});
        guest.send(TestRequest::put().uri("/image-presets/preset-of-ours").set_json(preset)).await.worked();
        let order =
            json!({"assetHandleArray": [asset], "fmt": "orig", "callbackUrl": "https://hooks.example.org/export"});
        let job = guest.post("/export-jobs", order).await.is(202);
        offprint::worker::drain(&guest.house.state).await.unwrap();
        let key = guest.post("/api-keys", json!({"name": "another"})).await.is(201);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let (job, key) = (text(&job["jobHandle"]), text(&key["keyHandle"]));
        let made = guest.post(&format!("/export-jobs/{job}/links"), json!({"path": "a.txt"})).await.is(201);
        let token = text(&made["url"]).rsplit_once('/').unwrap().1.to_owned();
        let again = json!({"assetHandleArray": [asset], "fmt": "convert", "macro": "$preset-of-ours$", "onUnconvertible": "fail", "execSchedule": "0 0 12 * * ?", "overlap": "allow"});
        let schedule = text(&guest.post("/export-schedules", again).await.is(201)["scheduleHandle"]);
        let deliveries = guest.get(&format!("/export-jobs/{job}/deliveries")).await.is(200);
        let delivery = text(&deliveries["items"][0]["deliveryHandle"]);
        let begun = guest.send(begin(TestRequest::post().uri("/uploads"))).await.is(201);
        let upload = text(&begun["uploadHandle"]);
        let (preset, link) = ("preset-of-ours".into(), text(&made["linkHandle"]));
        Self { job, asset, preset, key, link, token, schedule, delivery, upload }
    }

    /// Handles of things that are nowhere.
    fn nowhere() -> Self {
        let handle = || uuid::Uuid::now_v7().to_string();
        let (link, token) = (handle(), "nothing".into());
        let preset = "preset-of-nobody".into();
        let (schedule, delivery, upload) = (handle(), handle(), handle());
        Self { job: handle(), asset: handle(), preset, key: handle(), link, token, schedule, delivery, upload }
    }

    fn address(&self, path: &str) -> String {
        path.replace("{jobHandle}", &self.job)
            .replace("{assetHandle}", &self.asset)
            .replace("{keyHandle}", &self.key)
            .replace("{name}", &self.preset)
            .replace("{path}", "a.txt")
            .replace("{position}", "0")
            .replace("{linkHandle}", &self.link)
            .replace("{deliveryHandle}", &self.delivery)
            .replace("{token}", &self.token)
            .replace("{scheduleHandle}", &self.schedule)
            .replace("{uploadHandle}", &self.upload)
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
    /// The beginning of an upload in pieces.
    Beginning,
    /// Bytes of one.
    Piece,
}
use Sent::{Beginning, Bytes, Empty, File, Json, Piece};

/// The beginning of an upload in pieces.
fn begin(request: TestRequest) -> TestRequest {
    let request = request.insert_header(("tus-resumable", "1.0.0")).insert_header(("upload-length", "10"));
    request.insert_header(("upload-metadata", "filename cC50eHQ="))
}

/// A row for each operation: what to send that would work, and what another company gets.
fn row(method: &str, path: &str) -> Option<(Sent, Other)> {
    let order: fn(&Objects) -> Value = |objects| json!({"assetHandleArray": [objects.asset], "fmt": "convert", "macro": format!("${}$", objects.preset)});
    Some(match (method, path) {
        ("POST", "/export-jobs" | "/export-jobs/validate") => (Json(order), Nothing),
        ("POST", "/export-schedules") => {
            let order = |objects: &Objects| json!({"assetHandleArray": [objects.asset], "fmt": "convert", "macro": format!("${}$", objects.preset), "execSchedule": "0 0 12 * * ?"});
            (Json(order), Nothing)
        }
        ("GET" | "DELETE", "/export-schedules/{scheduleHandle}") => (Empty, Nothing),
        ("PATCH", "/export-schedules/{scheduleHandle}") => (Json(|_| json!({"description": "changed"})), Nothing),
        (
            "POST",
            "/export-schedules/{scheduleHandle}/pause"
            | "/export-schedules/{scheduleHandle}/resume"
            | "/export-schedules/{scheduleHandle}/run",
        ) => (Empty, Nothing),
        ("GET", "/export-schedules") => (Empty, Own),
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
        ("GET", "/export-jobs/{jobHandle}/deliveries")
        | ("POST", "/export-jobs/{jobHandle}/deliveries/{deliveryHandle}/replay") => (Empty, Nothing),
        ("GET", "/webhook-secret") | ("POST", "/webhook-secret/rotate") => (Empty, Own),
        // The address is the key.
        ("GET" | "HEAD", "/downloads/{token}") => (Empty, Own),
        ("POST", "/assets") => (File, Own),
        ("GET" | "DELETE", "/assets/{assetHandle}") => (Empty, Nothing),
        ("GET", "/assets/{assetHandle}/preview") => (Empty, Nothing),
        ("PATCH", "/assets/{assetHandle}") => (Json(|_| json!({"folder": "elsewhere"})), Nothing),
        ("GET" | "HEAD", "/assets/{assetHandle}/content") => (Empty, Nothing),
        ("PUT", "/assets/{assetHandle}/content") => (Bytes, Nothing),
        ("OPTIONS" | "GET", "/uploads") => (Empty, Own),
        ("POST", "/uploads") => (Beginning, Own),
        ("GET" | "HEAD" | "DELETE", "/uploads/{uploadHandle}") => (Beginning, Nothing),
        ("PATCH", "/uploads/{uploadHandle}") => (Piece, Nothing),
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
pub struct Operation {
    pub method: String,
    path: String,
    needs: Vec<Vec<Capability>>,
    sent: Sent,
    other: Other,
}

impl Operation {
    pub fn request(&self, objects: &Objects) -> TestRequest {
        let address = objects.address(&self.path);
        let request = TestRequest::default().method(Method::from_bytes(self.method.as_bytes()).unwrap()).uri(&address);
        match self.sent {
            Empty => request,
            Json(body) => request.set_json(body(objects)),
            File => upload("b.txt", b"another file"),
            Beginning => begin(request),
            Piece => begin(request)
                .insert_header(("upload-offset", "0"))
                .insert_header(("content-type", "application/offset+octet-stream"))
                .set_payload("half"),
            Bytes => request.insert_header(("content-type", "application/octet-stream")).set_payload("new bytes"),
        }
    }

    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

pub fn operations() -> Vec<Operation> {
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
    let text = [
        (&objects.upload, "U"),
        (&objects.job, "J"),
        (&objects.asset, "A"),
        (&objects.key, "K"),
        (&objects.link, "L"),
        (&objects.preset, "P"),
        (&objects.schedule, "S"),
        (&objects.delivery, "D"),
    ]
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
        for path in ["/export-jobs", "/export-schedules", "/assets", "/image-presets", "/api-keys"] {
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
            let ours =
                [&objects.job, &objects.asset, &objects.key, &objects.schedule, &objects.delivery, &objects.upload];
            for handle in ours {
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
