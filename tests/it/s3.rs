//! A store that speaks as much S3 as the service needs, on a port of its own, in memory. It can be told to fail.
//!
//! After Amazon's "API Reference" of S3: objects with ranges, multipart uploads, ListObjectsV2 by pages. It looks for a
//! signature of the right key and does not compute it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use actix_web::http::{Method, StatusCode, header};
use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use chrono::{DateTime, Utc};
use offprint::storage::{Digest, Environment, Storage};

/// The bucket that there is.
pub const BUCKET: &str = "pictures";

/// Objects on a page of a listing: few, so that there is a second page.
const PAGE: usize = 3;

/// What the store does with the next requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mood {
    #[default]
    Well,
    /// It takes requests and never answers.
    Silent,
    /// It answers with this status.
    Refusing(u16),
    /// It sends half of what was asked for and closes.
    Cutting,
}

#[derive(Default)]
struct Inside {
    objects: BTreeMap<String, (Bytes, DateTime<Utc>)>,
    uploads: BTreeMap<String, (String, BTreeMap<u32, Bytes>)>,
    mood: Mood,
    puts: usize,
}

/// Lives as long as it is held.
pub struct S3 {
    inside: Arc<Mutex<Inside>>,
    handle: actix_web::dev::ServerHandle,
    port: u16,
}

impl S3 {
    pub fn start() -> Self {
        let inside = Arc::new(Mutex::new(Inside::default()));
        let data = Data::from(inside.clone());
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server = HttpServer::new(move || {
                    let any = web::to(answer);
                    App::new().app_data(data.clone()).app_data(web::PayloadConfig::new(64 << 20)).default_service(any)
                });
                let server = server.workers(1).disable_signals().shutdown_timeout(0).bind(("127.0.0.1", 0)).unwrap();
                let port = server.addrs()[0].port();
                let server = server.run();
                tell.send((server.handle(), port)).unwrap();
                server.await.unwrap();
            });
        });
        let (handle, port) = told.recv().unwrap();
        Self { inside, handle, port }
    }

    /// A storage that keeps its blobs here, under a prefix. Two seconds of patience were few on a busy machine.
    pub fn storage(&self, folder: &Path) -> Storage {
        let address = format!("s3://{BUCKET}/some/prefix");
        Storage::at(&address, &self.environment(), folder, Duration::from_secs(10)).unwrap()
    }

    /// The name of a blob's object.
    pub fn object(digest: &Digest) -> String {
        let name = digest.to_string();
        format!("some/prefix/blobs/{}/{}/{name}", &name[..2], &name[2..4])
    }

    /// What the environment says of it.
    pub fn environment(&self) -> Environment {
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

    pub fn is(&self, mood: Mood) {
        self.lock().mood = mood;
    }

    /// The names of the objects.
    pub fn names(&self) -> Vec<String> {
        self.lock().objects.keys().cloned().collect()
    }

    /// How many uploads in parts have neither ended nor been given up.
    pub fn uploads(&self) -> usize {
        self.lock().uploads.len()
    }

    /// How many objects were put as a whole.
    pub fn puts(&self) -> usize {
        self.lock().puts
    }

    /// Puts other bytes in the place of an object.
    pub fn overwrite(&self, name: &str, bytes: &[u8]) {
        self.lock().objects.get_mut(name).unwrap().0 = Bytes::copy_from_slice(bytes);
    }

    /// Makes every object older.
    pub fn later(&self, by: Duration) {
        self.lock().objects.values_mut().for_each(|(_, modified)| *modified -= by);
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap()
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}

async fn answer(inside: Data<Mutex<Inside>>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let mood = inside.lock().unwrap().mood;
    match mood {
        Mood::Silent => std::future::pending().await,
        Mood::Refusing(status) => return error(StatusCode::from_u16(status).unwrap(), "Refused"),
        Mood::Well | Mood::Cutting => {}
    }
    let signed = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if !signed.is_some_and(|said| said.starts_with("AWS4-HMAC-SHA256 Credential=a-key/")) {
        return error(StatusCode::FORBIDDEN, "AccessDenied");
    }
    let path = percent_encoding::percent_decode_str(request.path()).decode_utf8_lossy().into_owned();
    let Some(name) = path.strip_prefix(&format!("/{BUCKET}")) else {
        return error(StatusCode::NOT_FOUND, "NoSuchBucket");
    };
    let name = name.trim_start_matches('/').to_owned();
    let query = web::Query::<BTreeMap<String, String>>::from_query(request.query_string()).unwrap().into_inner();
    let mut inside = inside.lock().unwrap();
    let upload = query.get("uploadId");
    match (request.method(), upload) {
        (&Method::POST, None) if query.contains_key("uploads") => inside.begin(name),
        (&Method::PUT, Some(upload)) => inside.part(upload, &query["partNumber"], body),
        (&Method::POST, Some(upload)) => inside.join(upload),
        (&Method::DELETE, Some(upload)) => match inside.uploads.remove(upload) {
            Some(_) => HttpResponse::NoContent().finish(),
            None => error(StatusCode::NOT_FOUND, "NoSuchUpload"),
        },
        (&Method::PUT, None) => {
            inside.puts += 1;
            inside.objects.insert(name, (body, Utc::now()));
            HttpResponse::Ok().insert_header((header::ETAG, "\"put\"")).finish()
        }
        (&Method::DELETE, None) => {
            inside.objects.remove(&name);
            HttpResponse::NoContent().finish()
        }
        (&Method::GET, None) if query.contains_key("list-type") => inside.list(&query),
        (&Method::GET | &Method::HEAD, None) => inside.get(&request, &name, mood == Mood::Cutting),
        _ => error(StatusCode::NOT_IMPLEMENTED, "NotImplemented"),
    }
}

impl Inside {
    fn begin(&mut self, name: String) -> HttpResponse {
        let id = format!("upload+{}", uuid::Uuid::now_v7());
        let xml = format!("<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>");
        self.uploads.insert(id, (name, BTreeMap::new()));
        HttpResponse::Ok().content_type("application/xml").body(xml)
    }

    fn part(&mut self, upload: &str, number: &str, body: Bytes) -> HttpResponse {
        let Some((_, parts)) = self.uploads.get_mut(upload) else {
            return error(StatusCode::NOT_FOUND, "NoSuchUpload");
        };
        parts.insert(number.parse().unwrap(), body);
        HttpResponse::Ok().insert_header((header::ETAG, format!("\"part-{number}\""))).finish()
    }

    fn join(&mut self, upload: &str) -> HttpResponse {
        let Some((name, parts)) = self.uploads.remove(upload) else {
            return error(StatusCode::NOT_FOUND, "NoSuchUpload");
        };
        let bytes: Vec<u8> = parts.into_values().flatten().collect();
        self.objects.insert(name, (bytes.into(), Utc::now()));
        let xml = "<CompleteMultipartUploadResult><ETag>\"joined\"</ETag></CompleteMultipartUploadResult>";
        HttpResponse::Ok().content_type("application/xml").body(xml)
    }

    fn list(&self, query: &BTreeMap<String, String>) -> HttpResponse {
        let word = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
        let after = if query.contains_key("continuation-token") { "continuation-token" } else { "start-after" };
        let mut found = self.objects.iter().filter(|(name, _)| name.starts_with(word("prefix")));
        let mut rest = found.by_ref().skip_while(|(name, _)| !word(after).is_empty() && name.as_str() <= word(after));
        let page: Vec<_> = rest.by_ref().take(PAGE).collect();
        let contents: String = page
            .iter()
            .map(|(name, (bytes, modified))| {
                let (size, at) = (bytes.len(), modified.to_rfc3339_opts(chrono::SecondsFormat::Millis, true));
                format!("<Contents><Key>{name}</Key><Size>{size}</Size><LastModified>{at}</LastModified><ETag>\"x\"</ETag></Contents>")
            })
            .collect();
        let next = match (rest.next(), page.last()) {
            (Some(_), Some((last, _))) => format!("<NextContinuationToken>{last}</NextContinuationToken>"),
            _ => String::new(),
        };
        let xml = format!("<ListBucketResult>{contents}{next}</ListBucketResult>");
        HttpResponse::Ok().content_type("application/xml").body(xml)
    }

    fn get(&self, request: &HttpRequest, name: &str, cut: bool) -> HttpResponse {
        let Some((bytes, modified)) = self.objects.get(name) else {
            return error(StatusCode::NOT_FOUND, "NoSuchKey");
        };
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
            return error(StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange");
        }
        let mut answer = HttpResponse::build(status);
        answer
            .insert_header((header::ETAG, "\"x\""))
            .insert_header((header::LAST_MODIFIED, httpdate::fmt_http_date((*modified).into())));
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

fn error(status: StatusCode, code: &str) -> HttpResponse {
    HttpResponse::build(status).content_type("application/xml").body(format!("<Error><Code>{code}</Code></Error>"))
}
