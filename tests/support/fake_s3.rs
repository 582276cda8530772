//! An object store in memory on a port of its own, with as much of S3 as the service needs. It can be told to fail.
//!
//! After Amazon's "API Reference" of S3: objects with ranges, multipart uploads, ListObjectsV2 with pages. It requires a
//! signature under the right key ID, but does not verify it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use actix_web::http::{Method, StatusCode, header};
use actix_web::web::{self, Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use offprint::settings::RedirectDownloads;
use offprint_storage::{Digest, DownloadSigner, EnvironmentVariables, InstanceCredentials, Storage};

use crate::support::local_server::start_local_server;

/// The only bucket.
pub const BUCKET: &str = "pictures";

/// Objects on a page of a listing: so few that there is a second page.
const LIST_PAGE_SIZE: usize = 3;

/// How the store treats the next requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum S3Behavior {
    #[default]
    Healthy,
    /// Accepts requests and never responds.
    Hanging,
    /// Responds with this status.
    Failing(u16),
    /// Sends half of the object and closes the connection.
    Truncating,
}

#[derive(Clone)]
struct S3Object {
    bytes: Bytes,
    modified: DateTime<Utc>,
    /// What is kept beside the bytes: media type, caching, and the client's own metadata.
    headers: Vec<(String, String)>,
}

impl S3Object {
    fn from_request(request: &HttpRequest, bytes: Bytes) -> Self {
        let is_kept = |name: &str| name == "content-type" || name == "cache-control" || name.starts_with("x-amz-meta-");
        let headers = request.headers().iter().filter(|(name, _)| is_kept(name.as_str()));
        let text = |value: &header::HeaderValue| value.to_str().unwrap_or_default().to_owned();
        let headers = headers.map(|(name, value)| (name.to_string(), text(value))).collect();
        Self { bytes, modified: Utc::now(), headers }
    }

    /// As of a part of the digest, so that it changes with the bytes.
    fn etag(&self) -> String {
        format!("\"{}\"", &Digest::compute(&self.bytes).to_string()[..32])
    }
}

#[derive(Default)]
struct S3State {
    objects: BTreeMap<String, S3Object>,
    uploads: BTreeMap<String, (S3Object, String, BTreeMap<u32, Bytes>)>,
    behavior: S3Behavior,
    puts: usize,
}

/// The running store; dropping it stops it.
pub struct FakeS3 {
    state: Arc<Mutex<S3State>>,
    handle: actix_web::dev::ServerHandle,
    port: u16,
}

impl FakeS3 {
    pub fn start() -> Self {
        let state = Arc::new(Mutex::new(S3State::default()));
        let data = Data::from(state.clone());
        let (handle, port) = start_local_server(move |config| {
            config.app_data(data.clone()).app_data(web::PayloadConfig::new(64 << 20));
            config.default_service(web::to(handle_request));
        });
        Self { state, handle, port }
    }

    /// A storage that keeps its blobs here, under a prefix. Its timeout of 10 s is for busy machines: 2 s were too short.
    pub fn open_storage(&self, folder: &Path) -> Storage {
        let address = format!("s3://{BUCKET}/some/prefix");
        let environment = self.environment();
        Storage::connect(&address, &environment, InstanceCredentials::Forbidden, folder, Duration::from_secs(10))
            .unwrap()
    }

    /// The object name of a blob.
    pub fn object_name(digest: &Digest) -> String {
        let name = digest.to_string();
        format!("some/prefix/blobs/{}/{name}", &name[..2])
    }

    /// Environment variables that point to this store.
    pub fn environment(&self) -> EnvironmentVariables {
        let endpoint = format!("http://127.0.0.1:{}", self.port);
        [
            ("AWS_ENDPOINT_URL", endpoint.as_str()),
            ("AWS_ACCESS_KEY_ID", "a-key"),
            ("AWS_SECRET_ACCESS_KEY", "a-secret"),
            ("AWS_REGION", "eu-central-1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    /// What signs addresses of this store, as the setting says.
    pub fn open_signer(&self, setting: &RedirectDownloads) -> Option<DownloadSigner> {
        if *setting == RedirectDownloads::Off {
            return None;
        }
        let (address, environment) = (format!("s3://{BUCKET}/some/prefix"), self.environment());
        let (credentials, timeout) = (InstanceCredentials::Forbidden, Duration::from_secs(10));
        DownloadSigner::connect(&address, &environment, credentials, timeout, setting.endpoint()).unwrap()
    }

    pub fn set_behavior(&self, behavior: S3Behavior) {
        self.lock().behavior = behavior;
    }

    pub fn object_names(&self) -> Vec<String> {
        self.lock().objects.keys().cloned().collect()
    }

    /// Multipart uploads that were neither completed nor aborted.
    pub fn upload_count(&self) -> usize {
        self.lock().uploads.len()
    }

    /// Objects that were stored by a single PUT.
    pub fn put_count(&self) -> usize {
        self.lock().puts
    }

    /// Puts an object there, as another program would.
    pub fn insert(&self, name: &str, bytes: &[u8]) {
        let object = S3Object { bytes: Bytes::copy_from_slice(bytes), modified: Utc::now(), headers: Vec::new() };
        self.lock().objects.insert(name.to_owned(), object);
    }

    /// The bytes of an object, and a header that is kept with it.
    pub fn read(&self, name: &str, header: &str) -> Option<(Vec<u8>, Option<String>)> {
        let state = self.lock();
        let object = state.objects.get(name)?;
        let value = object.headers.iter().find(|(known, _)| known == header).map(|(_, value)| value.clone());
        Some((object.bytes.to_vec(), value))
    }

    pub fn remove(&self, name: &str) {
        self.lock().objects.remove(name);
    }

    /// Replaces the bytes of an object, as a failing store would.
    pub fn overwrite(&self, name: &str, bytes: &[u8]) {
        self.lock().objects.get_mut(name).unwrap().bytes = Bytes::copy_from_slice(bytes);
    }

    /// Moves the modification time of every object back.
    pub fn age_objects(&self, by: Duration) {
        self.lock().objects.values_mut().for_each(|object| object.modified -= by);
    }

    fn lock(&self) -> MutexGuard<'_, S3State> {
        self.state.lock().unwrap()
    }
}

impl Drop for FakeS3 {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}

async fn handle_request(state: Data<Mutex<S3State>>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let behavior = state.lock().unwrap().behavior;
    match behavior {
        S3Behavior::Hanging => std::future::pending().await,
        S3Behavior::Failing(status) => return build_error(StatusCode::from_u16(status).unwrap(), "Refused"),
        S3Behavior::Healthy | S3Behavior::Truncating => {}
    }
    let signed = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let query = web::Query::<BTreeMap<String, String>>::from_query(request.query_string()).unwrap().into_inner();
    let has_signature = signed.is_some_and(|text| text.starts_with("AWS4-HMAC-SHA256 Credential=a-key/"));
    let is_presigned = query.get("X-Amz-Credential").is_some_and(|key| key.starts_with("a-key/"));
    // As S3 does: one way to sign, not both.
    if has_signature == is_presigned {
        return build_error(StatusCode::FORBIDDEN, "AccessDenied");
    }
    let path = percent_encoding::percent_decode_str(request.path()).decode_utf8_lossy().into_owned();
    let Some(name) = path.strip_prefix(&format!("/{BUCKET}")) else {
        return build_error(StatusCode::NOT_FOUND, "NoSuchBucket");
    };
    let name = name.trim_start_matches('/').to_owned();
    let mut state = state.lock().unwrap();
    let upload = query.get("uploadId");
    match (request.method(), upload) {
        (&Method::POST, None) if query.contains_key("uploads") => state.begin_upload(&request, name),
        (&Method::PUT, Some(upload)) => state.put_part(upload, &query["partNumber"], body),
        (&Method::POST, Some(upload)) => state.complete_upload(upload),
        (&Method::DELETE, Some(upload)) => match state.uploads.remove(upload) {
            Some(_) => HttpResponse::NoContent().finish(),
            None => build_error(StatusCode::NOT_FOUND, "NoSuchUpload"),
        },
        (&Method::PUT, None) => {
            let is_absent = !state.objects.contains_key(&name);
            if request.headers().contains_key(header::IF_NONE_MATCH) && !is_absent {
                return build_error(StatusCode::PRECONDITION_FAILED, "PreconditionFailed");
            }
            state.puts += 1;
            let object = S3Object::from_request(&request, body);
            let etag = object.etag();
            state.objects.insert(name, object);
            HttpResponse::Ok().insert_header((header::ETAG, etag)).finish()
        }
        (&Method::DELETE, None) => {
            state.objects.remove(&name);
            HttpResponse::NoContent().finish()
        }
        (&Method::GET, None) if query.contains_key("list-type") => state.list_objects(&query),
        (&Method::GET | &Method::HEAD, None) => {
            let mut answer = state.get_object(&request, &name, behavior == S3Behavior::Truncating);
            for (parameter, field) in [
                ("response-content-type", header::CONTENT_TYPE),
                ("response-content-disposition", header::CONTENT_DISPOSITION),
            ] {
                if let Some(value) = query.get(parameter) {
                    answer.headers_mut().insert(field, value.parse().unwrap());
                }
            }
            answer
        }
        _ => build_error(StatusCode::NOT_IMPLEMENTED, "NotImplemented"),
    }
}

impl S3State {
    fn begin_upload(&mut self, request: &HttpRequest, name: String) -> HttpResponse {
        let id = format!("upload+{}", uuid::Uuid::now_v7());
        let xml = format!("<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>");
        self.uploads.insert(id, (S3Object::from_request(request, Bytes::new()), name, BTreeMap::new()));
        HttpResponse::Ok().content_type("application/xml").body(xml)
    }

    fn put_part(&mut self, upload: &str, number: &str, body: Bytes) -> HttpResponse {
        let Some((_, _, parts)) = self.uploads.get_mut(upload) else {
            return build_error(StatusCode::NOT_FOUND, "NoSuchUpload");
        };
        parts.insert(number.parse().unwrap(), body);
        HttpResponse::Ok().insert_header((header::ETAG, format!("\"part-{number}\""))).finish()
    }

    fn complete_upload(&mut self, upload: &str) -> HttpResponse {
        let Some((object, name, parts)) = self.uploads.remove(upload) else {
            return build_error(StatusCode::NOT_FOUND, "NoSuchUpload");
        };
        let bytes: Vec<u8> = parts.into_values().flatten().collect();
        self.objects.insert(name, S3Object { bytes: bytes.into(), modified: Utc::now(), ..object });
        let xml = "<CompleteMultipartUploadResult><ETag>\"joined\"</ETag></CompleteMultipartUploadResult>";
        HttpResponse::Ok().content_type("application/xml").body(xml)
    }

    fn list_objects(&self, query: &BTreeMap<String, String>) -> HttpResponse {
        let word = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
        let after = if query.contains_key("continuation-token") { "continuation-token" } else { "start-after" };
        let mut matching = self.objects.iter().filter(|(name, _)| name.starts_with(word("prefix")));
        let mut rest =
            matching.by_ref().skip_while(|(name, _)| !word(after).is_empty() && name.as_str() <= word(after));
        let page: Vec<_> = rest.by_ref().take(LIST_PAGE_SIZE).collect();
        let contents: String = page
            .iter()
            .map(|(name, object)| {
                let at = object.modified.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
                let (size, etag) = (object.bytes.len(), object.etag());
                format!("<Contents><Key>{name}</Key><Size>{size}</Size><LastModified>{at}</LastModified><ETag>{etag}</ETag></Contents>")
            })
            .collect();
        let next = match (rest.next(), page.last()) {
            (Some(_), Some((last, _))) => format!("<NextContinuationToken>{last}</NextContinuationToken>"),
            _ => String::new(),
        };
        let xml = format!("<ListBucketResult>{contents}{next}</ListBucketResult>");
        HttpResponse::Ok().content_type("application/xml").body(xml)
    }

    fn get_object(&self, request: &HttpRequest, name: &str, cut: bool) -> HttpResponse {
        let Some(object) = self.objects.get(name) else {
            return build_error(StatusCode::NOT_FOUND, "NoSuchKey");
        };
        let (bytes, etag) = (&object.bytes, object.etag());
        if request.headers().get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes()) {
            return HttpResponse::NotModified().insert_header((header::ETAG, etag)).finish();
        }
        let range = request.headers().get(header::RANGE).and_then(|range| range.to_str().ok());
        let range = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
        let (status, from, to) = match range {
            Some((from, to)) => {
                let (from, to) = (from.parse().unwrap(), to.parse::<usize>().unwrap() + 1);
                (StatusCode::PARTIAL_CONTENT, from, to.min(bytes.len()))
            }
            None => (StatusCode::OK, 0, bytes.len()),
        };
        if from >= bytes.len() && status == StatusCode::PARTIAL_CONTENT {
            return build_error(StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange");
        }
        let mut answer = HttpResponse::build(status);
        answer
            .insert_header((header::ETAG, etag))
            .insert_header((header::LAST_MODIFIED, httpdate::fmt_http_date(object.modified.into())));
        for (name, value) in &object.headers {
            answer.insert_header((name.as_str(), value.as_str()));
        }
        if status == StatusCode::PARTIAL_CONTENT {
            answer.insert_header((header::CONTENT_RANGE, format!("bytes {from}-{}/{}", to - 1, bytes.len())));
        }
        if *request.method() == Method::HEAD {
            return answer.no_chunking(bytes.len() as u64).body(bytes.clone());
        }
        let bytes = bytes.slice(from..to);
        if cut {
            let half = bytes.slice(..bytes.len() / 2);
            let body = futures_util::stream::iter([Ok(half), Err(std::io::Error::other("cut"))]);
            return answer.body(actix_web::body::SizedStream::new(bytes.len() as u64, body));
        }
        answer.body(bytes)
    }
}

fn build_error(status: StatusCode, code: &str) -> HttpResponse {
    HttpResponse::build(status).content_type("application/xml").body(format!("<Error><Code>{code}</Code></Error>"))
}
