//! The addresses that the service writes of itself lead back to it, at the root of a host and below a path.

use actix_web::test::TestRequest;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::schedules::{YEARLY_CRON, build_schedule_request};
use crate::support::test_app::{TestApp, TestResponse, build_multipart_request};

const PROXY: &str = "10.0.0.1:4711";

/// How a client reaches the service.
#[derive(Clone, Copy)]
struct Way {
    /// The path below which it is.
    base: &'static str,
    /// Whether the proxy passes on the whole path.
    is_passed_on: bool,
    /// `X-Forwarded-Prefix`, one line for each.
    forwarded: &'static [&'static str],
}

impl Way {
    fn request(self, request: TestRequest, path: &str) -> TestRequest {
        let uri = if self.is_passed_on { format!("{}{path}", self.base) } else { path.to_owned() };
        let request = request.uri(&uri).peer_addr(PROXY.parse().unwrap());
        self.forwarded.iter().fold(request, |request, prefix| request.append_header(("x-forwarded-prefix", *prefix)))
    }

    async fn get(self, app: &TestApp, path: &str) -> TestResponse {
        app.send(self.request(TestRequest::get(), path)).await
    }

    async fn post(self, app: &TestApp, path: &str, body: Value) -> TestResponse {
        app.send(self.request(TestRequest::post().set_json(body), path)).await
    }

    /// Checks that an address is below the path of the service, and leads somewhere.
    #[track_caller]
    fn strip<'a>(&self, address: &'a str) -> &'a str {
        let rest = address.strip_prefix(self.base).unwrap_or_else(|| panic!("{address} is not below {}", self.base));
        assert!(rest.starts_with('/'), "{address}");
        rest
    }

    async fn follow(self, app: &TestApp, address: &str) -> Value {
        let mut answer = self.get(app, self.strip(address)).await;
        // A page may lead on to another one.
        if answer.status.is_redirection() {
            let target = answer.header("location").to_owned();
            answer = self.get(app, self.strip(&target)).await;
        }
        assert!(answer.status.is_success(), "{address}: {} {}", answer.status, String::from_utf8_lossy(&answer.body));
        serde_json::from_slice(&answer.body).unwrap_or(Value::Null)
    }
}

/// Every address in JSON, by the names of their fields.
fn list_addresses(value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| match value {
                Value::String(text) if name == "href" => vec![text.clone()],
                Value::Object(links) if name == "links" => {
                    links.values().map(|link| link.as_str().unwrap().to_owned()).collect()
                }
                value => list_addresses(value),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(list_addresses).collect(),
        _ => Vec::new(),
    }
}

async fn open_app(pool: PgPool, public_url: Option<&str>) -> TestApp {
    TestApp::with_settings(pool, |settings| {
        settings.public_url = public_url.map(str::to_owned);
        settings.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
    })
    .await
}

async fn upload(app: &TestApp, way: Way, name: &str) -> (String, Value) {
    let head = format!("name=\"file\"; filename=\"{name}\"");
    let answer = app.send(way.request(build_multipart_request([(head, &b"bytes"[..])]), "/assets")).await;
    (answer.header("location").to_owned(), answer.expect_status(201)["assets"][0].clone())
}

/// Follows every address of every kind that a client is given.
async fn follow_all(app: &TestApp, way: Way) {
    let (location, asset) = upload(app, way, "a.txt").await;
    assert_eq!(way.follow(app, &location).await["assetHandle"], asset["assetHandle"]);
    let (_, other) = upload(app, way, "b.txt").await;
    let request = json!({"assetHandleArray": [asset["assetHandle"], other["assetHandle"]], "fmt": "orig"});
    let answer = way.post(app, "/export-jobs", request).await;
    let location = answer.header("location").to_owned();
    let job = answer.expect_status(202);
    offprint::worker::drain_work(&app.state).await.unwrap();
    assert_eq!(way.follow(app, &location).await["jobHandle"], job["jobHandle"]);
    let path = way.strip(&location).to_owned();
    let files = way.get(app, &format!("{path}/files")).await.expect_status(200);
    let list = way.get(app, "/assets?limit=1").await;
    let link = list.header("link").to_owned();
    let next = link.trim_start_matches('<').split_once('>').unwrap().0.to_owned();
    assert!(next.contains("cursor="), "{link}");
    way.follow(app, &next).await;
    let schedule = way.post(app, "/export-schedules", {
        let mut request = build_schedule_request(YEARLY_CRON);
        request["assetFilter"] = json!({"folder": "", "name": "a"});
        request
    });
    let schedule = schedule.await;
    let location = schedule.header("location").to_owned();
    let schedule = schedule.expect_status(201);
    way.follow(app, &location).await;
    let mut addresses = list_addresses(&json!([asset, job, files, schedule, list.expect_status(200)]));
    addresses.sort();
    addresses.dedup();
    assert!(addresses.len() >= 13, "{addresses:?}");
    for address in addresses {
        way.follow(app, &address).await;
    }
    let tus = [("tus-resumable", "1.0.0"), ("upload-length", "3"), ("upload-metadata", "filename YS50eHQ=")];
    let request = tus.into_iter().fold(TestRequest::post(), |request, header| request.insert_header(header));
    let created = app.send(way.request(request, "/uploads")).await;
    way.follow(app, created.header("location")).await;
    let set = json!({"type": "ImageSet", "name": "s", "memberArray": [asset["assetHandle"]]});
    way.follow(app, way.post(app, "/asset-sets", set).await.header("location")).await;
    let preset = TestRequest::put().set_json(json!({"urlModifier": "wid=20"}));
    way.follow(app, app.send(way.request(preset, "/image-presets/p")).await.header("location")).await;
    // The next round creates it again.
    app.send(way.request(TestRequest::delete(), "/image-presets/p")).await;
    let problem = way.get(app, "/assets/none").await.expect_status(404);
    assert_eq!(way.follow(app, problem["type"].as_str().unwrap()).await["code"], "not-found");
    let url = way.post(app, &format!("{path}/links"), json!({})).await.expect_status(201)["url"].clone();
    let address = url.as_str().unwrap().splitn(4, '/').last().map(|path| format!("/{path}")).unwrap();
    way.follow(app, &address).await;
    follow_pages(app, way).await;
    // Inside, there is no such path.
    let audit = way.get(app, "/audit-log?limit=1000").await.expect_status(200);
    let objects: Vec<&str> =
        audit["items"].as_array().unwrap().iter().filter_map(|item| item["object"].as_str()).collect();
    assert!(objects.iter().any(|object| object.starts_with("/uploads/")), "{objects:?}");
    assert!(objects.iter().any(|object| object.starts_with("/export-jobs/")), "{objects:?}");
}

/// Swagger UI, the document and the start page.
async fn follow_pages(app: &TestApp, way: Way) {
    let redirect = way.get(app, "/swagger-ui").await;
    assert_eq!(redirect.status.as_u16(), 308);
    way.follow(app, redirect.header("location")).await;
    let script = way.get(app, "/swagger-ui/swagger-initializer.js").await;
    let script = String::from_utf8(script.body).unwrap();
    assert!(script.contains("\"../openapi.json\""), "relative to /swagger-ui/: {script}");
    let document = way.get(app, "/openapi.json").await.expect_status(200);
    let server = document["servers"][0]["url"].as_str().unwrap().trim_end_matches('/').to_owned();
    assert_eq!(server, way.base);
    let page = String::from_utf8(way.get(app, "/").await.body).unwrap();
    let links = page.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    for link in links.filter(|link| !link.starts_with('#')) {
        way.follow(app, link).await;
    }
}

#[sqlx::test]
async fn at_the_root_addresses_begin_there(pool: PgPool) {
    let app = open_app(pool, None).await;
    follow_all(&app, Way { base: "", is_passed_on: false, forwarded: &[] }).await;
}

#[sqlx::test]
async fn below_the_public_address_whether_the_proxy_removes_its_path(pool: PgPool) {
    let app = open_app(pool, Some("https://images.example/tools/offprint/")).await;
    let base = "/tools/offprint";
    for is_passed_on in [false, true] {
        // What the settings say counts, whatever a proxy says.
        for forwarded in [&[][..], &["/other"]] {
            follow_all(&app, Way { base, is_passed_on, forwarded }).await;
        }
    }
    let home = app.get(base).await;
    assert_eq!(home.status.as_u16(), 200, "without a slash at its end, too");
    let unknown = app.get("/tools/offprinted/assets").await.expect_status(404);
    assert_eq!(unknown["type"], "/tools/offprint/problems/not-found");
}

#[sqlx::test]
async fn below_the_path_that_a_trusted_proxy_removed(pool: PgPool) {
    let app = open_app(pool, None).await;
    for (base, forwarded) in [("/offprint", &["/offprint/"][..]), ("/a/b", &["/a", "b"]), ("/assets", &["/assets"])] {
        follow_all(&app, Way { base, is_passed_on: false, forwarded }).await;
    }
    follow_all(&app, Way { base: "/offprint", is_passed_on: true, forwarded: &["/offprint"] }).await;
}

#[sqlx::test]
async fn nobody_else_says_where_the_service_is(pool: PgPool) {
    let app = open_app(pool, None).await;
    let ask = |peer: &str, prefix: &str| {
        let request = TestRequest::get().uri("/nowhere").peer_addr(peer.parse().unwrap());
        app.send(request.insert_header(("x-forwarded-prefix", prefix)))
    };
    assert_eq!(ask("203.0.113.9:1", "/evil").await.expect_status(404)["type"], "/problems/not-found");
    for prefix in ["//evil.example", "https://evil.example", "/../x", "/a\"b", "/a?b"] {
        let kind = ask(PROXY, prefix).await.expect_status(404)["type"].clone();
        let is_safe = matches!(kind.as_str(), Some("/problems/not-found" | "/evil.example/problems/not-found"));
        assert!(is_safe, "{prefix}: {kind}");
    }
}

#[sqlx::test]
async fn a_replayed_answer_has_the_addresses_of_the_client_that_asks(pool: PgPool) {
    let app = open_app(pool, None).await;
    let asset = app.upload_asset("a.txt", b"bytes").await;
    let body = json!({"assetHandleArray": [asset], "fmt": "orig"});
    let create = |prefix: &'static [&'static str]| {
        let request = TestRequest::post().set_json(&body).insert_header(("idempotency-key", "k"));
        app.send(Way { base: "", is_passed_on: false, forwarded: prefix }.request(request, "/export-jobs"))
    };
    let (first, second) = (create(&["/first"]).await, create(&["/second"]).await);
    assert_eq!(second.header("idempotent-replayed"), "true");
    assert!(first.header("location").starts_with("/first/export-jobs/"));
    assert!(second.header("location").starts_with("/second/export-jobs/"));
    let (first, second) = (first.expect_status(202), second.expect_status(202));
    assert_eq!(first["jobHandle"], second["jobHandle"]);
    assert!(second["links"]["items"].as_str().unwrap().starts_with("/second/export-jobs/"), "{second}");
}
