//! The application as `serve` builds it, one for each test, on a database and a folder of its own.
//!
//! Requests go through the whole HTTP application, without a socket. No background task runs: a test does the work with
//! `export_jobs::drain_work` and moves the clock with [`TestApp::advance_time`], so that no test sleeps.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use actix_web::body::{BoxBody, to_bytes};
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::test::{TestRequest, init_service};
use clap::Parser;
use futures_util::future::BoxFuture;
use offprint::app::AppState;
use offprint::app::RenderPools;
use offprint::app::connections::Connections;
use offprint::db;
use offprint::id::WorkerId;
use offprint::jobs::CallbackPolicy;
use offprint::notify::Mailer;
use offprint::notify::webhook::{HostLookup, WEBHOOK_TIMEOUT, WebhookSender};
use offprint::oidc::{IdentityProvider, OidcConfig};
use offprint::settings::Settings;
use offprint_core::Digest;
use offprint_imaging::ProfileLibrary;
use offprint_modifiers::Attributes;
use offprint_storage::Storage;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::fake_s3::FakeS3;
use crate::support::secret_leak_check::SecretLeakCheck;
use crate::support::test_database::TestDatabase;

/// The settings as a command of their own: for their defaults, and for tests that list them.
#[derive(Parser)]
pub struct SettingsArgs {
    #[command(flatten)]
    pub settings: Settings,
}

/// The path of a blob's file in a data folder.
pub fn locate_blob_file(folder: &TempDir, digest: &Digest) -> PathBuf {
    let name = digest.to_string();
    folder.path().join("blobs").join(&name[..2]).join(&name)
}

/// Resolves no host, so that no test uses the network.
struct EmptyResolver;

impl HostLookup for EmptyResolver {
    fn lookup(&self, host: String) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> {
        Box::pin(async move { Err(std::io::Error::other(format!("{host} is not known in this app"))) })
    }
}

/// A response with its whole body.
pub struct TestResponse {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl TestResponse {
    /// Checks the status; the body as JSON, `null` when it is none.
    #[track_caller]
    pub fn expect_status(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", String::from_utf8_lossy(&self.body));
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// Checks that the status is 2xx.
    #[track_caller]
    pub fn expect_success(self) {
        assert!(self.status.is_success(), "{} {}", self.status, String::from_utf8_lossy(&self.body));
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// `POST /assets` with these parts, each as what follows `form-data; ` in its head, and its bytes.
pub fn build_multipart_request<'a>(parts: impl IntoIterator<Item = (impl AsRef<str>, &'a [u8])>) -> TestRequest {
    let mut body = Vec::new();
    for (head, bytes) in parts {
        let head = head.as_ref();
        body.extend(format!("--frontier\r\ncontent-disposition: form-data; {head}\r\n\r\n").bytes());
        body.extend_from_slice(bytes);
        body.extend(b"\r\n");
    }
    body.extend(b"--frontier--\r\n");
    TestRequest::post()
        .uri("/assets")
        .insert_header(("content-type", "multipart/form-data; boundary=frontier"))
        .set_payload(body)
}

pub struct TestApp {
    pub state: AppState,
    pub folder: TempDir,
    pub leak_check: SecretLeakCheck,
}

impl TestApp {
    /// An application on this database with the default settings.
    pub async fn open(database: impl TestDatabase) -> Self {
        Self::with_settings(database, |_| {}).await
    }

    /// With some settings changed.
    pub async fn with_settings(database: impl TestDatabase, change: impl FnOnce(&mut Settings)) -> Self {
        Self::with_fault(database, None, change).await
    }

    /// With renders that fail as `kind:width` says, see `FaultInjection`.
    pub async fn with_fault(
        database: impl TestDatabase,
        fault: Option<&str>,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        Self::build(database, fault, None, change).await
    }

    /// With blobs in an object store.
    pub async fn with_s3(database: impl TestDatabase, s3: &FakeS3) -> Self {
        Self::build(database, None, Some(s3), |_| {}).await
    }

    /// With blobs in an object store, and some settings changed.
    pub async fn with_s3_and_settings(
        database: impl TestDatabase,
        s3: &FakeS3,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        Self::build(database, None, Some(s3), change).await
    }

    async fn build(
        database: impl TestDatabase,
        fault: Option<&str>,
        store: Option<&FakeS3>,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let check = SecretLeakCheck::new(&database);
        let options = database.get_connect_options();
        let system = db::open_system_pool(options.clone(), 10);
        let queue = db::open_queue_pool(options.clone(), 2);
        let folder = TempDir::new().unwrap();
        let mut settings = SettingsArgs::parse_from(["offprint"]).settings;
        settings.database.data_dir = folder.path().to_owned();
        // Not the profiles that this machine happens to have.
        settings.modifiers.icc_dir = folder.path().join("icc");
        // The domain of the tests' recipients.
        settings.mail_domains = vec!["example.org".into()];
        change(&mut settings);
        let mailer =
            Mailer::new(settings.smtp_url.as_deref(), &settings.mail_from, folder.path().join("mail")).unwrap();
        let callbacks =
            CallbackPolicy { allow_http: settings.webhook_http, allowed_networks: settings.webhook_networks.clone() };
        let storage = match &store {
            Some(s3) => s3.open_storage(folder.path()),
            None => Storage::open(folder.path()).unwrap(),
        };
        let connections = settings
            .connections
            .as_deref()
            .map(|file| Connections::read(file, &Vec::new(), settings.storage.storage_timeout).unwrap());
        let connections = connections.unwrap_or_default();
        let download_signer = store.and_then(|s3| s3.open_signer(&settings.redirect_downloads));
        let profiles = ProfileLibrary::read(&settings.modifiers.icc_dir);
        let mut attributes = Attributes { profiles: profiles.names().clone(), ..Attributes::default() };
        attributes.set_all(&settings.modifiers.attributes).unwrap();
        let state = AppState {
            storage,
            connections,
            download_signer,
            company: db::company::ensure_default_company(&system).await.unwrap(),
            db: db::open_request_pool(options, 4),
            system,
            queue,
            keys: Default::default(),
            worker: WorkerId::new(),
            work_available: Default::default(),
            tasks_available: Default::default(),
            job_changes: Default::default(),
            job_signals: Default::default(),
            live_jobs: Default::default(),
            live_links: Default::default(),
            newest_jobs: Default::default(),
            stream_limiter: Default::default(),
            bytes_in_flight: Default::default(),
            render_pools: RenderPools::open(
                &settings,
                profiles.clone(),
                env!("CARGO_BIN_EXE_offprint").into(),
                fault.map(str::to_owned),
            ),
            profiles,
            attributes: Arc::new(attributes),
            mailer: Arc::new(mailer),
            identity_provider: OidcConfig::from_settings(&settings)
                .unwrap()
                .map(|config| Arc::new(IdentityProvider::new(config))),
            webhook_sender: Arc::new(WebhookSender::with_lookup(callbacks, Arc::new(EmptyResolver), WEBHOOK_TIMEOUT)),
            metrics: metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder().handle(),
            rate_limiter: Default::default(),
            probe_limiter: Default::default(),
            refusal_limiter: Default::default(),
            replay_limiter: Default::default(),
            sign_in_limiter: Default::default(),
            compute: Default::default(),
            preview_renders: Default::default(),
            thumbnail_renders: offprint::app::preview_renders::PreviewRenders::for_thumbnails(),
            readiness: Default::default(),
            closing: Default::default(),
            settings: Arc::new(settings),
        };
        Self { state, folder, leak_check: check }
    }

    /// Sends one request through the whole application, to the host `localhost`.
    pub async fn send(&self, request: TestRequest) -> TestResponse {
        self.send_as_is(request.insert_header(("host", "localhost"))).await
    }

    /// Sends one request that sets its own host.
    pub async fn send_as_is(&self, request: TestRequest) -> TestResponse {
        let service = init_service(offprint::http::build_app(self.state.clone())).await;
        let answer = match service.call(request.to_request()).await {
            Ok(answer) => answer.map_into_boxed_body(),
            Err(error) => ServiceResponse::new(TestRequest::default().to_http_request(), error.error_response()),
        };
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body: BoxBody = answer.into_body();
        let body = to_bytes(body).await.unwrap().to_vec();
        if body.starts_with(b"{") {
            self.leak_check.remember_keys(&String::from_utf8_lossy(&body));
        }
        TestResponse { status, headers, body }
    }

    /// Sends many requests to the host `localhost`; their statuses. Faster than [`send`](Self::send), which builds the
    /// application each time.
    pub async fn send_all(&self, requests: impl IntoIterator<Item = TestRequest>) -> Vec<u16> {
        let service = init_service(offprint::http::build_app(self.state.clone())).await;
        let mut statuses = Vec::new();
        for request in requests {
            let answer = service.call(request.insert_header(("host", "localhost")).to_request()).await;
            statuses.push(
                answer.map_or_else(|error| error.as_response_error().status_code(), |answer| answer.status()).as_u16(),
            );
        }
        statuses
    }

    pub async fn get(&self, uri: impl AsRef<str>) -> TestResponse {
        self.send(TestRequest::get().uri(uri.as_ref())).await
    }

    pub async fn head(&self, uri: impl AsRef<str>) -> TestResponse {
        self.send(TestRequest::default().method(Method::HEAD).uri(uri.as_ref())).await
    }

    pub async fn delete(&self, uri: impl AsRef<str>) -> TestResponse {
        self.send(TestRequest::delete().uri(uri.as_ref())).await
    }

    pub async fn post(&self, uri: impl AsRef<str>, body: Value) -> TestResponse {
        self.send(TestRequest::post().uri(uri.as_ref()).set_json(body)).await
    }

    pub async fn put(&self, uri: impl AsRef<str>, body: Value) -> TestResponse {
        self.send(TestRequest::put().uri(uri.as_ref()).set_json(body)).await
    }

    pub async fn patch(&self, uri: impl AsRef<str>, body: Value) -> TestResponse {
        self.send(TestRequest::patch().uri(uri.as_ref()).set_json(body)).await
    }

    /// A GET with an extra header.
    pub async fn get_with_header(&self, uri: impl AsRef<str>, name: &'static str, value: &str) -> TestResponse {
        let header = (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        self.send(TestRequest::get().uri(uri.as_ref()).insert_header(header)).await
    }

    /// Uploads files into a folder.
    pub async fn upload_to(&self, folder: &str, files: &[(&str, &[u8])]) -> TestResponse {
        let folder = [("name=\"folder\"".to_owned(), folder.as_bytes())].into_iter();
        let files = files.iter().map(|(name, bytes)| {
            (format!("name=\"file\"; filename=\"{name}\"\r\ncontent-type: application/octet-stream"), *bytes)
        });
        self.send(build_multipart_request(folder.chain(files))).await
    }

    /// Uploads one file; its handle.
    pub async fn upload_asset(&self, name: &str, bytes: &[u8]) -> String {
        let answer = self.upload_to("", &[(name, bytes)]).await.expect_status(201);
        answer["assets"][0]["assetHandle"].as_str().unwrap().to_owned()
    }

    /// Lets time pass: moves every stored time that something waits for back by this interval.
    pub async fn advance_time(&self, interval: &str) {
        let moves = [
            "update export_item set run_at = run_at - $1::interval where state = 'waiting'",
            "update export_item set lease_until = lease_until - $1::interval where state = 'running'",
            "update export_job set exec_time = exec_time - $1::interval, expires_at = expires_at - $1::interval",
            "update export_job set finished_at = finished_at - $1::interval where state = 'finished'",
            "update upload set expires_at = expires_at - $1::interval, lease_until = lease_until - $1::interval",
            "update blob set created_at = created_at - $1::interval, held_until = held_until - $1::interval",
            "update rendition set used_at = used_at - $1::interval",
            "update link set created_at = created_at - $1::interval, expires_at = expires_at - $1::interval",
            "update export_schedule set next_run_at = next_run_at - $1::interval",
            "update worker set heartbeat_at = heartbeat_at - $1::interval, live_until = live_until - $1::interval",
            "update task set run_at = run_at - $1::interval, lease_until = lease_until - $1::interval,
                 give_up_at = give_up_at - $1::interval, ended_at = ended_at - $1::interval",
            "update browser_session set created_at = created_at - $1::interval, expires_at = expires_at - $1::interval",
            "update sign_in_link set created_at = created_at - $1::interval, expires_at = expires_at - $1::interval",
            "update sign_in_attempt set expires_at = expires_at - $1::interval",
            "update webhook_secret set expires_at = expires_at - $1::interval",
        ];
        for sql in moves {
            sqlx::query(sql).bind(interval).execute(&self.state.system).await.unwrap();
        }
    }

    /// Ends the lease of every running item, as if its worker had died.
    pub async fn expire_leases(&self) {
        let sql = "update export_item set lease_until = now() - interval '1 second' where state = 'running'";
        sqlx::query(sql).execute(&self.state.system).await.unwrap();
    }

    pub async fn count_blobs(&self) -> i64 {
        sqlx::query_scalar("select count(*) from blob").fetch_one(&self.state.system).await.unwrap()
    }

    /// Checks the invariants of the database: counters equal a recount, succeeded items have their files, events are
    /// numbered without gaps, and every blob has its bytes.
    pub async fn assert_consistent(&self) {
        let wrong: Vec<(String, String)> = sqlx::query_as(
            "select 'counters of ' || job.job_id, job::text from export_job job
               left join lateral (
                   select count(*) filter (where state = 'succeeded') as succeeded, count(*) filter (where state = 'failed') as failed,
                          count(*) filter (where state = 'skipped') as skipped, count(*) filter (where state = 'stopped') as stopped,
                          count(*) filter (where (warnings <> '[]' or modifier_warnings <> '[]') and state in ('succeeded', 'failed', 'skipped')) as warned, count(*) as total
                     from export_item item where item.job_id = job.job_id) recount on true
               left join lateral (
                   select count(*) as files, coalesce(sum(size), 0) as bytes from export_file file
                    where file.job_id = job.job_id and file.state = 'ready') ready on true
              where job.released_at is null and (job.succeeded, job.failed, job.skipped, job.stopped, job.warned, job.total, job.files, job.bytes)
                 <> (recount.succeeded, recount.failed, recount.skipped, recount.stopped, recount.warned, recount.total, ready.files, ready.bytes)
              union all
             select 'events of ' || job.job_id, event_seq::text from export_job job
              where event_seq <> (select count(*) from export_event event where event.job_id = job.job_id)
              union all
             select 'succeeded without a file', item::text from export_item item join export_file file using (company_id, job_id, position)
              join export_job job using (company_id, job_id)
              where item.state = 'succeeded' and file.state <> 'ready' and job.released_at is null
              union all
             select 'usage of ' || used.company_id, used::text from company_usage used
              where (assets, asset_bytes, stored_bytes) <> (
                  select count(*) filter (where deleted_at is null), coalesce(sum(size) filter (where deleted_at is null), 0),
                         coalesce(sum(size), 0) from asset where asset.company_id = used.company_id)
                 or (replaced_bytes, rendition_bytes, upload_bytes) <> (
                  (select coalesce(sum(size), 0) from replaced_original replaced where replaced.company_id = used.company_id),
                  (select coalesce(sum(size), 0) from kept_rendition kept where kept.company_id = used.company_id),
                  (select coalesce(sum(length), 0) from upload
                    where upload.company_id = used.company_id and asset_id is null))
              union all
             select 'deliveries to ' || destination.job_id, destination::text from destination
              where (delivered, skipped, unchanged, failed) <> (
                  select count(*) filter (where delivery.state = 'delivered'), count(*) filter (where delivery.state = 'skipped'),
                         count(*) filter (where delivery.state = 'unchanged'),
                         count(*) filter (where delivery.state = 'failed')
                    from delivery
                   where delivery.job_id = destination.job_id and delivery.destination = destination.destination)
              union all
             select 'open destinations of ' || job.job_id, job::text from export_job job
              where open_destinations <> (select count(*) from destination
                                           where destination.job_id = job.job_id and destination.state = 'delivering')
                 or state = 'finished' and open_destinations > 0
              union all
             select 'size of ' || encode(kept.sha256, 'hex'), kept::text
               from kept_rendition kept join blob using (sha256) where kept.size <> blob.size",
        )
        .fetch_all(&self.state.system)
        .await
        .unwrap();
        assert!(wrong.is_empty(), "{wrong:#?}");
        let blobs: Vec<Vec<u8>> =
            sqlx::query_scalar("select sha256 from blob").fetch_all(&self.state.system).await.unwrap();
        for name in blobs {
            let digest = Digest(name.try_into().unwrap());
            assert!(self.state.storage.size(&digest).await.is_ok(), "blob {digest} has a row and no bytes");
        }
    }

    /// The path of a blob's file. Not for an application with an object store.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        locate_blob_file(&self.folder, digest)
    }
}

/// Another process of the same service: the same database and the same storage.
pub async fn open_second_app(app: &TestApp, fault: Option<&str>, change: impl FnOnce(&mut Settings)) -> TestApp {
    let mut second = TestApp::with_fault(app.state.system.clone(), fault, change).await;
    second.state.storage = app.state.storage.clone();
    second
}
