//! A web server with files, on a port of its own: for what the service reads by URL.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use actix_web::http::{StatusCode, header};
use actix_web::web::{self, Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use offprint_core::Digest;

use crate::support::local_server::start_local_server;

/// What a path answers.
#[derive(Clone)]
pub enum Page {
    File(Bytes),
    Status(u16),
    /// These statuses first, then the file.
    Flaky(Vec<u16>, Bytes),
    Redirect(String),
}

#[derive(Default)]
struct WebState {
    pages: BTreeMap<String, Page>,
    /// Path and status of each request.
    log: Vec<(String, u16)>,
}

/// The running server; dropping it stops it.
pub struct WebServer {
    state: Arc<Mutex<WebState>>,
    handle: actix_web::dev::ServerHandle,
    pub port: u16,
}

impl WebServer {
    pub fn start() -> Self {
        let state = Arc::new(Mutex::new(WebState::default()));
        let data = Data::from(state.clone());
        let (handle, port) = start_local_server(move |config| {
            config.app_data(data.clone()).default_service(web::to(answer));
        });
        Self { state, handle, port }
    }

    /// Sets what a path answers; its URL, with a host name that only a resolver of the test knows.
    pub fn set(&self, path: &str, page: Page) -> String {
        self.state.lock().unwrap().pages.insert(path.to_owned(), page);
        format!("http://files.example:{}{path}", self.port)
    }

    pub fn set_file(&self, path: &str, bytes: &[u8]) -> String {
        self.set(path, Page::File(Bytes::copy_from_slice(bytes)))
    }

    /// Paths and statuses since the last call.
    pub fn take_log(&self) -> Vec<(String, u16)> {
        std::mem::take(&mut self.state.lock().unwrap().log)
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}

async fn answer(state: Data<Mutex<WebState>>, request: HttpRequest) -> HttpResponse {
    let mut state = state.lock().unwrap();
    let path = request.path().to_owned();
    let response = match state.pages.get_mut(&path) {
        None => HttpResponse::NotFound().finish(),
        Some(Page::Status(status)) => HttpResponse::build(StatusCode::from_u16(*status).unwrap()).finish(),
        Some(Page::Redirect(to)) => HttpResponse::Found().insert_header((header::LOCATION, to.as_str())).finish(),
        Some(Page::Flaky(statuses, _)) if !statuses.is_empty() => {
            HttpResponse::build(StatusCode::from_u16(statuses.remove(0)).unwrap()).finish()
        }
        Some(Page::File(bytes) | Page::Flaky(_, bytes)) => {
            let etag = format!("\"{}\"", &Digest::compute(bytes).to_string()[..16]);
            match request.headers().get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes())
            {
                true => HttpResponse::NotModified().insert_header((header::ETAG, etag)).finish(),
                false => HttpResponse::Ok().insert_header((header::ETAG, etag)).body(bytes.clone()),
            }
        }
    };
    state.log.push((path, response.status().as_u16()));
    response
}
