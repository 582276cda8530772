//! Every operation of the OpenAPI document and every page, with a request that works and what another company gets for it.

use actix_web::http::Method;
use actix_web::test::TestRequest;
use offprint::db::browser_session::compute_csrf_token;
use offprint::db::capability::Capability;
use offprint::http::document;
use offprint::http::operations::OPERATIONS;
use serde_json::{Value, json};

use crate::support::test_app::build_multipart_request;
use crate::support::test_user::{TestUser, build_upload_request};

/// Values for the parameters of paths.
#[derive(Clone)]
pub struct OperationFixtures {
    pub job: String,
    pub asset: String,
    pub preset: String,
    pub key: String,
    pub link: String,
    pub token: String,
    pub schedule: String,
    pub delivery: String,
    pub upload: String,
    pub import: String,
    pub migration: String,
    pub group: String,
}

impl OperationFixtures {
    /// Creates one object of each kind as this user; the job is finished.
    pub async fn create(user: &TestUser<'_>) -> Self {
        let asset = user.upload_asset("a.txt", b"bytes of one company alone").await;
        let preset = json!({"urlModifier": "wid=10&fmt=png"});
        user.send(TestRequest::put().uri("/image-presets/preset-of-ours").set_json(preset)).await.expect_success();
        let request =
            json!({"assetHandleArray": [asset], "fmt": "orig", "callbackUrl": "https://hooks.example.org/export"});
        let job = user.post("/export-jobs", request).await.expect_status(202);
        offprint::worker::drain_work(&user.app.state).await.unwrap();
        let key = user.post("/api-keys", json!({"name": "another"})).await.expect_status(201);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let (job, key) = (text(&job["jobHandle"]), text(&key["keyHandle"]));
        let created_link =
            user.post(&format!("/export-jobs/{job}/links"), json!({"path": "a.txt"})).await.expect_status(201);
        let token = text(&created_link["url"]).rsplit_once('/').unwrap().1.to_owned();
        let again = json!({"assetHandleArray": [asset], "fmt": "convert", "macro": "$preset-of-ours$", "onUnconvertible": "fail", "execSchedule": "0 0 12 * * ?", "overlap": "allow"});
        let schedule = text(&user.post("/export-schedules", again).await.expect_status(201)["scheduleHandle"]);
        let deliveries = user.get(&format!("/export-jobs/{job}/deliveries")).await.expect_status(200);
        let delivery = text(&deliveries["items"][0]["deliveryHandle"]);
        let created_upload =
            user.send(add_upload_headers(TestRequest::post().uri("/uploads"))).await.expect_status(201);
        let upload = text(&created_upload["uploadHandle"]);
        // It is not run: no test uses the network.
        let source = json!({"source": {"urls": [{"url": "https://images.example.org/a.jpg"}]}});
        let import = text(&user.post("/imports", source).await.expect_status(202)["importHandle"]);
        let migration = create_migration(user).await;
        let grouped = json!({"assetHandleArray": [asset], "fmt": "orig"});
        let group = text(&user.post("/export-job-groups", grouped).await.expect_status(202)["groupHandle"]);
        let (preset, link) = ("preset-of-ours".into(), text(&created_link["linkHandle"]));
        Self { job, asset, preset, key, link, token, schedule, delivery, upload, import, migration, group }
    }

    /// Handles of objects that do not exist.
    pub fn missing() -> Self {
        let handle = || uuid::Uuid::now_v7().to_string();
        let (link, token) = (handle(), "nothing".into());
        let preset = "preset-of-nobody".into();
        let (schedule, delivery, upload) = (handle(), handle(), handle());
        let (import, migration) = (handle(), handle());
        Self {
            job: handle(),
            asset: handle(),
            preset,
            key: handle(),
            link,
            token,
            schedule,
            delivery,
            upload,
            import,
            migration,
            group: handle(),
        }
    }

    pub fn fill_path(&self, path: &str) -> String {
        // Imports, migrations and groups are jobs of their own kinds.
        let job = match path {
            path if path.starts_with("/imports/") => &self.import,
            path if path.starts_with("/migrations/") => &self.migration,
            path if path.starts_with("/export-job-groups/") => &self.group,
            _ => &self.job,
        };
        path.replace("{jobHandle}", job)
            .replace("{assetHandle}", &self.asset)
            .replace("{keyHandle}", &self.key)
            .replace("{name}", &self.preset)
            .replace("{path}", "a.txt")
            .replace("{position}", "0")
            .replace("{code}", "not-found")
            .replace("{linkHandle}", &self.link)
            .replace("{deliveryHandle}", &self.delivery)
            .replace("{token}", &self.token)
            .replace("{scheduleHandle}", &self.schedule)
            .replace("{uploadHandle}", &self.upload)
            .replace("{action}", "retry")
            .replace("{version}/{file}", "0/style.css")
            .replace("{file}", "index.html")
    }
}

/// What a user of another company gets.
#[derive(Clone, Copy, PartialEq)]
pub enum ForeignAccess {
    /// The same response as for an object that does not exist.
    NotFound,
    /// A response about the caller's own company.
    OwnData,
}
use ForeignAccess::{NotFound, OwnData};

#[derive(Clone, Copy)]
pub enum RequestPayload {
    Empty,
    Json(fn(&OperationFixtures) -> Value),
    File,
    Bytes,
    /// A record of an asset, as a line of JSON.
    Records,
    /// A list of old addresses.
    Addresses,
    /// Creates a resumable upload.
    UploadCreation,
    /// Appends bytes to a resumable upload.
    UploadChunk,
    /// A form that comes from no page: it is refused.
    PageForm,
    /// A form of the console, as a page has it that this browser has loaded.
    ConsoleForm(fn(&OperationFixtures) -> Vec<(&'static str, String)>),
    /// The same with a file.
    FileForm,
}
use RequestPayload::{
    Addresses, Bytes, ConsoleForm, Empty, File, FileForm, Json, PageForm, Records, UploadChunk, UploadCreation,
};

/// The secret of a browser that has loaded a page with a form.
const BROWSER_SECRET: [u8; 32] = [7; 32];

/// A migration of one image.
async fn create_migration(user: &TestUser<'_>) -> String {
    let image = crate::support::images::draw_jpeg(1);
    let name = uuid::Uuid::now_v7();
    user.upload_asset(&format!("{name}.jpg"), &image).await;
    let request =
        TestRequest::post().uri("/migrations/scene7?dryRun=false").insert_header(("content-type", "text/plain"));
    let created = user.send(request.set_payload(format!("/is/image/{name}?wid=5"))).await.expect_status(200);
    offprint::worker::drain_work(&user.app.state).await.unwrap();
    created["migrationHandle"].as_str().unwrap().to_owned()
}

/// The headers that create a resumable upload of ten bytes.
fn add_upload_headers(request: TestRequest) -> TestRequest {
    let request = request.insert_header(("tus-resumable", "1.0.0")).insert_header(("upload-length", "10"));
    request.insert_header(("upload-metadata", "filename cC50eHQ="))
}

/// A row for each operation: a request body that works, and what another company gets.
fn find_row(method: &str, path: &str) -> Option<(RequestPayload, ForeignAccess)> {
    let request: fn(&OperationFixtures) -> Value = |objects| json!({"assetHandleArray": [objects.asset], "fmt": "convert", "macro": format!("${}$", objects.preset)});
    Some(match (method, path) {
        ("POST", "/export-jobs" | "/export-jobs/validate" | "/export-job-groups") => (Json(request), NotFound),
        ("GET", "/export-job-groups/{jobHandle}") => (Empty, NotFound),
        ("POST", "/export-schedules") => {
            let request = |objects: &OperationFixtures| json!({"assetHandleArray": [objects.asset], "fmt": "convert", "macro": format!("${}$", objects.preset), "execSchedule": "0 0 12 * * ?"});
            (Json(request), NotFound)
        }
        ("GET" | "DELETE", "/export-schedules/{scheduleHandle}") => (Empty, NotFound),
        ("PATCH", "/export-schedules/{scheduleHandle}") => (Json(|_| json!({"description": "changed"})), NotFound),
        (
            "POST",
            "/export-schedules/{scheduleHandle}/pause"
            | "/export-schedules/{scheduleHandle}/resume"
            | "/export-schedules/{scheduleHandle}/run",
        ) => (Empty, NotFound),
        ("GET", "/export-schedules") => (Empty, OwnData),
        ("POST", "/imports") => {
            (Json(|_| json!({"source": {"urls": [{"url": "https://images.example.org/b.jpg"}]}})), OwnData)
        }
        ("GET", "/imports") => (Empty, OwnData),
        ("GET" | "DELETE", "/imports/{jobHandle}") => (Empty, NotFound),
        ("GET", "/imports/{jobHandle}/entries") => (Empty, NotFound),
        ("POST", "/imports/{jobHandle}/stop" | "/imports/{jobHandle}/retry") => (Empty, NotFound),
        ("GET", "/export-jobs" | "/assets" | "/image-presets" | "/api-keys" | "/audit-log") => (Empty, OwnData),
        ("GET" | "HEAD" | "DELETE", "/export-jobs/{jobHandle}") => (Empty, NotFound),
        (
            "GET",
            "/export-jobs/{jobHandle}/items"
            | "/export-jobs/{jobHandle}/items/{position}"
            | "/export-jobs/{jobHandle}/events",
        ) => (Empty, NotFound),
        ("GET", "/export-jobs/{jobHandle}/files" | "/export-jobs/{jobHandle}/thumbnails/{path}") => (Empty, NotFound),
        ("GET" | "HEAD", "/export-jobs/{jobHandle}/files/{path}" | "/export-jobs/{jobHandle}/download") => {
            (Empty, NotFound)
        }
        ("GET" | "HEAD", "/export-jobs/{jobHandle}/archive" | "/export-jobs/{jobHandle}/manifest") => (Empty, NotFound),
        (
            "POST",
            "/export-jobs/{jobHandle}/pause"
            | "/export-jobs/{jobHandle}/resume"
            | "/export-jobs/{jobHandle}/stop"
            | "/export-jobs/{jobHandle}/run"
            | "/export-jobs/{jobHandle}/retry",
        ) => (Empty, NotFound),
        ("POST", "/export-jobs/{jobHandle}/links") => (Json(|_| json!({})), NotFound),
        ("GET", "/export-jobs/{jobHandle}/links") | ("DELETE", "/export-jobs/{jobHandle}/links/{linkHandle}") => {
            (Empty, NotFound)
        }
        ("GET", "/export-jobs/{jobHandle}/destinations") => (Empty, NotFound),
        ("GET", "/export-jobs/{jobHandle}/deliveries")
        | ("POST", "/export-jobs/{jobHandle}/deliveries/{deliveryHandle}/replay") => (Empty, NotFound),
        ("GET", "/webhook-secret") | ("POST", "/webhook-secret/rotate") => (Empty, OwnData),
        // The token in the path is the credential.
        ("GET" | "HEAD", "/downloads/{token}") => (Empty, OwnData),
        ("POST", "/assets") => (File, OwnData),
        ("GET" | "DELETE", "/assets/{assetHandle}") => (Empty, NotFound),
        ("GET", "/assets/{assetHandle}/preview" | "/assets/{assetHandle}/template") => (Empty, NotFound),
        ("PATCH", "/assets") => (Records, OwnData),
        ("PATCH", "/assets/{assetHandle}") => (Json(|_| json!({"folder": "elsewhere"})), NotFound),
        ("GET" | "HEAD", "/assets/{assetHandle}/content") => (Empty, NotFound),
        ("PUT", "/assets/{assetHandle}/content") => (Bytes, NotFound),
        ("OPTIONS" | "GET", "/uploads") => (Empty, OwnData),
        ("POST", "/uploads") => (UploadCreation, OwnData),
        ("GET" | "HEAD" | "DELETE", "/uploads/{uploadHandle}") => (UploadCreation, NotFound),
        ("PATCH", "/uploads/{uploadHandle}") => (UploadChunk, NotFound),
        ("POST", "/asset-sets") => {
            (Json(|objects| json!({"type": "ImageSet", "name": "s", "memberArray": [objects.asset]})), NotFound)
        }
        ("POST", "/image-presets/import") => {
            (Json(|_| json!({"files": [{"name": "p.tab", "content": "Name\tDefinition\nx\twid=5\n"}]})), OwnData)
        }
        ("GET" | "DELETE", "/image-presets/{name}") => (Empty, NotFound),
        ("PUT", "/image-presets/{name}") => (Json(|_| json!({"urlModifier": "wid=20"})), OwnData),
        ("GET", "/migrations") => (Empty, OwnData),
        ("POST", "/migrations/scene7") => (Addresses, OwnData),
        ("GET" | "DELETE", "/migrations/scene7/{jobHandle}") | ("GET", "/migrations/scene7/{jobHandle}/redirects") => {
            (Empty, NotFound)
        }
        ("GET", "/modifier-commands") => (Empty, OwnData),
        ("POST", "/modifier-check") => (Json(|_| json!({"is_modifier": "wid=10"})), OwnData),
        ("POST", "/api-keys") => (Json(|_| json!({"name": "third"})), OwnData),
        ("GET" | "DELETE", "/api-keys/{keyHandle}") => (Empty, NotFound),
        ("GET", "/info" | "/connections" | "/usage" | "/workers" | "/metrics" | "/health/live" | "/health/ready") => {
            (Empty, OwnData)
        }
        ("POST", "/sign-in/key" | "/sign-in/mail" | "/sign-in/mail/{token}" | "/sign-out") => (PageForm, OwnData),
        // The console.
        // The console, second part.
        ("GET", "/console/exports/new" | "/console/assets" | "/console/presets") => (Empty, OwnData),
        (
            "GET",
            "/console/assets/{assetHandle}" | "/console/assets/{assetHandle}/thumbnail" | "/console/presets/{name}",
        ) => (Empty, NotFound),
        ("POST", "/console/exports/new") => (ConsoleForm(|_| vec![("action", "find".to_owned())]), OwnData),
        ("POST", "/console/assets/move") => (ConsoleForm(|_| vec![("to", "elsewhere".to_owned())]), OwnData),
        ("POST", "/console/assets/{assetHandle}") => {
            (ConsoleForm(|_| vec![("name", "b".to_owned()), ("etag", "*".to_owned())]), NotFound)
        }
        ("POST", "/console/assets/{assetHandle}/delete" | "/console/presets/{name}/delete") => {
            (ConsoleForm(|_| Vec::new()), NotFound)
        }
        ("POST", "/console/presets") => (ConsoleForm(|_| vec![("action", "preview".to_owned())]), OwnData),
        ("POST", "/console/presets/{name}") => {
            (ConsoleForm(|_| vec![("urlModifier", "wid=10".to_owned()), ("etag", "*".to_owned())]), NotFound)
        }
        ("POST", "/console/assets" | "/console/preset-imports") => (FileForm, OwnData),
        ("POST", "/console/assets/{assetHandle}/content") => (FileForm, NotFound),
        (
            "GET",
            "/console"
            | "/console/jobs"
            | "/console/jobs/events"
            | "/console/schedules"
            | "/console/usage"
            | "/console/connections"
            | "/console/keys"
            | "/console/users"
            | "/console/system",
        ) => (Empty, OwnData),
        (
            "GET",
            "/console/jobs/{jobHandle}"
            | "/console/jobs/{jobHandle}/items/{position}/thumbnail"
            | "/console/jobs/{jobHandle}/files"
            | "/console/jobs/{jobHandle}/log"
            | "/console/jobs/{jobHandle}/request"
            | "/console/jobs/{jobHandle}/deliveries",
        ) => (Empty, NotFound),
        ("POST", "/console/jobs/batch") => {
            (ConsoleForm(|objects| vec![("action", "retry".to_owned()), ("job", objects.job.clone())]), OwnData)
        }
        (
            "POST",
            "/console/jobs/{jobHandle}/{action}"
            | "/console/jobs/{jobHandle}/deliveries/{deliveryHandle}/replay"
            | "/console/jobs/{jobHandle}/delete",
        ) => (ConsoleForm(|_| Vec::new()), NotFound),
        (
            "POST",
            "/console/schedules/{scheduleHandle}/run"
            | "/console/schedules/{scheduleHandle}/pause"
            | "/console/schedules/{scheduleHandle}/resume"
            | "/console/schedules/{scheduleHandle}/delete",
        ) => (ConsoleForm(|_| Vec::new()), NotFound),
        ("POST", "/console/keys") => (ConsoleForm(|_| vec![("name", "by a form".to_owned())]), OwnData),
        ("POST", "/console/keys/{keyHandle}/revoke") => (ConsoleForm(|_| Vec::new()), NotFound),
        // What only browsers ask for.
        (
            "GET",
            "/"
            | "/problems/{code}"
            | "/sign-in"
            | "/sign-in/mail/{token}"
            | "/sign-in/oidc"
            | "/sign-in/oidc/callback"
            | "/static/{version}/{file}"
            | "/favicon.ico"
            | "/robots.txt"
            | "/openapi.json"
            | "/swagger-ui"
            | "/swagger-ui/{file}"
            | "/downloads/{token}/events"
            | "/downloads/{token}/thumbnails/{path}",
        ) => (Empty, OwnData),
        ("GET" | "HEAD", "/downloads/{token}/files/{path}") => (Empty, OwnData),
        _ => return None,
    })
}

/// An operation: method, path, and the alternative sets of capabilities that it needs.
pub struct Operation {
    pub method: String,
    pub path: String,
    pub needs: Vec<Vec<Capability>>,
    pub payload: RequestPayload,
    pub foreign_access: ForeignAccess,
}

impl Operation {
    pub fn request(&self, objects: &OperationFixtures) -> TestRequest {
        let address = objects.fill_path(&self.path);
        let request = TestRequest::default().method(Method::from_bytes(self.method.as_bytes()).unwrap()).uri(&address);
        match self.payload {
            Empty => request,
            Json(body) => request.set_json(body(objects)),
            Records => request
                .insert_header(("content-type", "application/x-ndjson"))
                .set_payload(r#"{"asset": "a", "userData": "x"}"#),
            Addresses => request.insert_header(("content-type", "text/plain")).set_payload("/is/image/old?wid=6"),
            File => build_upload_request("b.txt", b"another file"),
            UploadCreation => add_upload_headers(request),
            UploadChunk => add_upload_headers(request)
                .insert_header(("upload-offset", "0"))
                .insert_header(("content-type", "application/offset+octet-stream"))
                .set_payload("half"),
            FileForm => {
                let csrf = compute_csrf_token(&BROWSER_SECRET);
                // A file that can be imported, too.
                let file = &b"Name\tDefinition\nby-form\twid=5\n"[..];
                let parts = [("name=\"csrf\"", csrf.as_bytes()), ("name=\"file\"; filename=\"b.txt\"", file)];
                let cookie = format!("offprint_browser={}", hex::encode(BROWSER_SECRET));
                build_multipart_request(parts).uri(&address).insert_header(("cookie", cookie))
            }
            PageForm => request.set_form([("csrf", "0"), ("key", "x"), ("email", "ann@example.org")]),
            ConsoleForm(fields) => {
                let csrf = [("csrf", compute_csrf_token(&BROWSER_SECRET))];
                let cookie = format!("offprint_browser={}", hex::encode(BROWSER_SECRET));
                let fields: Vec<_> = csrf.into_iter().chain(fields(objects)).collect();
                request.insert_header(("cookie", cookie)).set_form(fields)
            }
            Bytes => request.insert_header(("content-type", "application/octet-stream")).set_payload("new bytes"),
        }
    }

    /// Whether it is a form of a page, which has its token in a field.
    pub fn is_form(&self) -> bool {
        matches!(self.payload, PageForm | ConsoleForm(_) | FileForm)
    }

    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Whether a status is what everybody gets from an operation that needs no key.
    pub fn is_answered(&self, status: u16) -> bool {
        match (self.payload, self.path.as_str()) {
            (PageForm, _) => status == 403,
            // The token is one of a download.
            (_, "/sign-in/mail/{token}") => status == 404,
            // No identity provider is set.
            (_, "/sign-in/oidc" | "/sign-in/oidc/callback") => status == 404,
            // The file is a text.
            (_, "/downloads/{token}/thumbnails/{path}") => status == 404,
            _ => matches!(status, 200..=299 | 303 | 308),
        }
    }
}

/// Every operation of the document as `method /path`, with its description.
pub fn list_document_operations() -> Vec<(String, Value)> {
    let document: Value = serde_json::from_str(document::get_document_json()).unwrap();
    let paths = document["paths"].as_object().unwrap().clone();
    let methods = |(path, item): (String, Value)| {
        let named = |(method, operation): (&String, &Value)| (format!("{method} {path}"), operation.clone());
        item.as_object().unwrap().iter().filter(|(name, _)| *name != "parameters").map(named).collect::<Vec<_>>()
    };
    paths.into_iter().flat_map(methods).collect()
}

/// Every operation of the document, and every page, with its row of the table above. An operation without a row is a failure.
pub fn list_operations() -> Vec<Operation> {
    let mut all = Vec::new();
    for (name, operation) in list_document_operations() {
        let (method, path) = name.split_once(' ').unwrap();
        let method = method.to_uppercase();
        let (payload, foreign_access) = find_row(&method, path)
            .unwrap_or_else(|| panic!("{method} {path} has no row in tests/support/operations.rs"));
        let security = operation["security"].as_array().unwrap_or_else(|| panic!("{method} {path} has no security"));
        let scopes = |need: &Value| need["key"].as_array().unwrap().clone();
        let needs = security
            .iter()
            .map(scopes)
            .map(|scopes| scopes.iter().map(|scope| Capability::from_name(scope.as_str().unwrap()).unwrap()).collect());
        all.push(Operation { needs: needs.collect(), path: path.to_owned(), method, payload, foreign_access });
    }
    for row in OPERATIONS.iter().filter(|row| !row.is_documented) {
        let is_page = row.access.is_public() || row.path.starts_with("/console/");
        assert!(is_page, "{} is not in the document", row.name());
        let (method, path) = (row.method.to_owned(), row.document_path());
        let (payload, foreign_access) = find_row(&method, &path)
            .unwrap_or_else(|| panic!("{method} {path} has no row in tests/support/operations.rs"));
        let names = row.access.alternatives();
        let needs = names.iter().map(|names| names.iter().map(|name| Capability::from_name(name).unwrap()).collect());
        all.push(Operation { needs: needs.collect(), path, method, payload, foreign_access });
    }
    assert!(all.len() >= 60, "only {} operations were found", all.len());
    all
}
