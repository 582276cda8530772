//! A house of one's own for each test: the application as `main` builds it, on a database and a folder that nobody
//! else uses. Background work is done by `drain`, so no test waits for the clock.

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
use offprint::db;
use offprint::digest::Digest;
use offprint::export::Callbacks;
use offprint::id::WorkerId;
use offprint::language::Attributes;
use offprint::notify::Mailer;
use offprint::notify::webhook::{Courier, Lookup, PATIENCE};
use offprint::render::Library;
use offprint::settings::Settings;
use offprint::state::{Renders, State};
use offprint::storage::Storage;
use serde_json::Value;
use sqlx::PgPool;
use tempfile::TempDir;

use crate::s3::S3;
use crate::witness::Witness;

#[derive(Parser)]
struct Knobs {
    #[command(flatten)]
    settings: Settings,
}

/// Where the file of a blob is in a data folder.
pub fn file_of(folder: &TempDir, digest: &Digest) -> PathBuf {
    let name = digest.to_string();
    folder.path().join("blobs").join(&name[..2]).join(&name[2..4]).join(&name)
}

/// Knows no host, so that no test asks the network.
struct Nobody;

impl Lookup for Nobody {
    fn lookup(&self, host: String) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> {
        Box::pin(async move { Err(std::io::Error::other(format!("{host} is not known in this house"))) })
    }
}

/// An answer, read whole.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON, after the status was checked.
    #[track_caller]
    pub fn is(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", String::from_utf8_lossy(&self.body));
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// Any answer that says it worked.
    #[track_caller]
    pub fn worked(self) {
        assert!(self.status.is_success(), "{} {}", self.status, String::from_utf8_lossy(&self.body));
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub struct House {
    pub state: State,
    pub folder: TempDir,
    pub witness: Witness,
}

impl House {
    /// A house on this database with the default settings.
    pub async fn open(pool: PgPool) -> Self {
        Self::with(pool, |_| {}).await
    }

    /// A house with some settings changed.
    pub async fn with(pool: PgPool, change: impl FnOnce(&mut Settings)) -> Self {
        Self::with_fault(pool, None, change).await
    }

    /// A house whose renders go wrong as `kind:width` says, see `render::Fault`.
    pub async fn with_fault(pool: PgPool, fault: Option<&str>, change: impl FnOnce(&mut Settings)) -> Self {
        Self::build(pool, fault, None, change).await
    }

    /// A house whose files are in an object store.
    pub async fn on_s3(pool: PgPool, s3: &S3) -> Self {
        Self::build(pool, None, Some(s3), |_| {}).await
    }

    async fn build(pool: PgPool, fault: Option<&str>, store: Option<&S3>, change: impl FnOnce(&mut Settings)) -> Self {
        let witness = Witness::of(&pool);
        let options = (*pool.connect_options()).clone();
        let system = db::system(options.clone(), 10);
        let folder = TempDir::new().unwrap();
        let mut settings = Knobs::parse_from(["offprint"]).settings;
        settings.data_dir = folder.path().to_owned();
        // Not what this machine happens to have.
        settings.icc_dir = folder.path().join("icc");
        change(&mut settings);
        let mailer =
            Mailer::new(settings.smtp_url.as_deref(), &settings.mail_from, folder.path().join("mail")).unwrap();
        let callbacks = Callbacks { http: settings.webhook_http, networks: settings.webhook_networks.clone() };
        let storage = match &store {
            Some(s3) => s3.storage(folder.path()),
            None => Storage::open(folder.path()).unwrap(),
        };
        let profiles = Library::read(&settings.icc_dir);
        let mut attributes = Attributes { profiles: profiles.names().clone(), ..Attributes::default() };
        attributes.set_all(&settings.attributes).unwrap();
        let state = State {
            storage,
            company: db::company::default(&system).await.unwrap(),
            db: db::pool(options, 4),
            system,
            keys: Default::default(),
            worker: WorkerId::new(),
            work: Default::default(),
            news: Default::default(),
            orders: Default::default(),
            live: Default::default(),
            seats: Default::default(),
            renders: Renders::open(
                &settings,
                profiles.clone(),
                env!("CARGO_BIN_EXE_offprint").into(),
                fault.map(str::to_owned),
            )
            .unwrap(),
            profiles,
            attributes: Arc::new(attributes),
            mailer: Arc::new(mailer),
            courier: Arc::new(Courier::with(callbacks, Arc::new(Nobody), PATIENCE)),
            metrics: metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder().handle(),
            meter: Default::default(),
            refusals: Default::default(),
            own_running: Default::default(),
            closing: Default::default(),
            settings: Arc::new(settings),
        };
        Self { state, folder, witness }
    }

    /// Sends one request through the whole application.
    pub async fn send(&self, request: TestRequest) -> Answer {
        self.send_as_is(request.insert_header(("host", "localhost"))).await
    }

    /// Sends one request that names its own host.
    pub async fn send_as_is(&self, request: TestRequest) -> Answer {
        let app = init_service(offprint::api::app(self.state.clone())).await;
        let answer = match app.call(request.to_request()).await {
            Ok(answer) => answer.map_into_boxed_body(),
            Err(error) => ServiceResponse::new(TestRequest::default().to_http_request(), error.error_response()),
        };
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body: BoxBody = answer.into_body();
        let body = to_bytes(body).await.unwrap().to_vec();
        if body.starts_with(b"{") {
            self.witness.read(&String::from_utf8_lossy(&body));
        }
        Answer { status, headers, body }
    }

    pub async fn get(&self, uri: impl AsRef<str>) -> Answer {
        self.send(TestRequest::get().uri(uri.as_ref())).await
    }

    pub async fn head(&self, uri: impl AsRef<str>) -> Answer {
        self.send(TestRequest::default().method(Method::HEAD).uri(uri.as_ref())).await
    }

    pub async fn delete(&self, uri: impl AsRef<str>) -> Answer {
        self.send(TestRequest::delete().uri(uri.as_ref())).await
    }

    pub async fn post(&self, uri: impl AsRef<str>, body: Value) -> Answer {
        self.send(TestRequest::post().uri(uri.as_ref()).set_json(body)).await
    }

    pub async fn put(&self, uri: impl AsRef<str>, body: Value) -> Answer {
        self.send(TestRequest::put().uri(uri.as_ref()).set_json(body)).await
    }

    pub async fn patch(&self, uri: impl AsRef<str>, body: Value) -> Answer {
        self.send(TestRequest::patch().uri(uri.as_ref()).set_json(body)).await
    }

    /// A GET with one header more.
    pub async fn get_with(&self, uri: impl AsRef<str>, name: &'static str, value: &str) -> Answer {
        let header = (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        self.send(TestRequest::get().uri(uri.as_ref()).insert_header(header)).await
    }

    /// Uploads files into a folder and gives the answer.
    pub async fn upload_to(&self, folder: &str, files: &[(&str, &[u8])]) -> Answer {
        let mut body = Vec::new();
        body.extend(
            format!("--frontier\r\ncontent-disposition: form-data; name=\"folder\"\r\n\r\n{folder}\r\n").bytes(),
        );
        for (name, bytes) in files {
            let head = format!(
                "--frontier\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\ncontent-type: application/octet-stream\r\n\r\n"
            );
            body.extend(head.bytes());
            body.extend_from_slice(bytes);
            body.extend(b"\r\n");
        }
        body.extend(b"--frontier--\r\n");
        let request = TestRequest::post()
            .uri("/assets")
            .insert_header(("content-type", "multipart/form-data; boundary=frontier"));
        self.send(request.set_payload(body)).await
    }

    /// Uploads one file and gives its handle.
    pub async fn asset(&self, name: &str, bytes: &[u8]) -> String {
        let answer = self.upload_to("", &[(name, bytes)]).await.is(201);
        answer["assets"][0]["assetHandle"].as_str().unwrap().to_owned()
    }

    /// Lets time pass: moves every time that something waits for back by this interval.
    pub async fn later(&self, interval: &str) {
        let moves = [
            "update export_item set run_at = run_at - $1::interval where state = 'waiting'",
            "update export_item set lease_until = lease_until - $1::interval where state = 'running'",
            "update export_job set seal_run_at = seal_run_at - $1::interval, seal_lease_until = seal_lease_until - $1::interval,
                 exec_time = exec_time - $1::interval, expires_at = expires_at - $1::interval",
            "update export_job set finished_at = finished_at - $1::interval where state = 'finished'",
            "update upload set expires_at = expires_at - $1::interval, lease_until = lease_until - $1::interval",
            "update blob set created_at = created_at - $1::interval",
            "update rendition set used_at = used_at - $1::interval",
            "update link set created_at = created_at - $1::interval, expires_at = expires_at - $1::interval",
            "update export_schedule set next_run_at = next_run_at - $1::interval",
            "update worker set beat_at = beat_at - $1::interval, live_until = live_until - $1::interval",
            "update webhook set run_at = run_at - $1::interval, lease_until = lease_until - $1::interval,
                 give_up_at = give_up_at - $1::interval",
            "update webhook_secret set expires_at = expires_at - $1::interval",
            "update notice set run_at = run_at - $1::interval, lease_until = lease_until - $1::interval",
        ];
        for sql in moves {
            sqlx::query(sql).bind(interval).execute(&self.state.system).await.unwrap();
        }
    }

    /// Lets every lease of an item run out, as if its worker had died.
    pub async fn expire_leases(&self) {
        let sql = "update export_item set lease_until = now() - interval '1 second' where state = 'running'";
        sqlx::query(sql).execute(&self.state.system).await.unwrap();
    }

    /// How many blobs are stored.
    pub async fn blobs(&self) -> i64 {
        sqlx::query_scalar("select count(*) from blob").fetch_one(&self.state.system).await.unwrap()
    }

    /// The house in order: counters equal a recount, no file promised without bytes, no blob without a file.
    pub async fn check(&self) {
        let wrong: Vec<(String, String)> = sqlx::query_as(
            "select 'counters of ' || job.job_id, job::text from export_job job
               left join lateral (
                   select count(*) filter (where state = 'succeeded') as succeeded, count(*) filter (where state = 'failed') as failed,
                          count(*) filter (where state = 'skipped') as skipped, count(*) filter (where state = 'stopped') as stopped,
                          count(*) filter (where warnings <> '[]' and state in ('succeeded', 'failed', 'skipped')) as warned, count(*) as total
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
                         coalesce(sum(size), 0) from asset where asset.company_id = used.company_id)",
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

    /// Where the file of a blob is, in a house without an object store.
    pub fn blob(&self, digest: &Digest) -> PathBuf {
        file_of(&self.folder, digest)
    }
}
