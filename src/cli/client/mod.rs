//! What the client commands share: a connection to a running service, patience, and problems made readable.

mod progress;

use std::error::Error;
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;
use serde_json::Value;

pub use self::progress::Progress;
use super::Refusal;
use crate::code::Code;

/// Where the service is and how to be let in.
#[derive(clap::Args)]
pub(super) struct Service {
    /// Address of the service.
    #[arg(long, env = "OFFPRINT_URL", default_value = "http://127.0.0.1:8080", value_parser = service_url)]
    url: Url,

    /// The service's key, where it asks for one.
    #[arg(long, env = "OFFPRINT_API_KEY", hide_env_values = true)]
    key: Option<String>,

    /// File that holds the service's key.
    #[arg(long, env = "OFFPRINT_API_KEY_FILE", conflicts_with = "key")]
    key_file: Option<PathBuf>,
}

fn service_url(said: &str) -> Result<Url, String> {
    match Url::parse(said) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        _ => Err("not an address like http://127.0.0.1:8080 or https://photos.example.org".into()),
    }
}

/// Runs a client command in a runtime of its own.
pub(super) fn run<T>(work: impl Future<Output = Result<T, Refusal>>) -> Result<T, Refusal> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|why| Refusal::new(Code::Unavailable, format!("The client cannot start: {why}.")))?
        .block_on(work)
}

/// How long to wait between tries, and how many there are.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    first: Duration,
    tries: u32,
}

impl Patience {
    /// Outlasts a service that is restarted: about half a minute.
    const USUAL: Self = Self { first: Duration::from_millis(250), tries: 9 };
    /// No pause is longer, whatever the service asks for.
    const LONGEST: Duration = Duration::from_secs(10);
}

/// Why one try came to nothing.
pub(super) enum Trouble {
    /// Another try may work, not before this long where the service said so.
    Later(Refusal, Option<Duration>),
    /// The same request will be refused again.
    Final(Refusal),
}

impl Trouble {
    pub(super) fn refusal(self) -> Refusal {
        match self {
            Self::Later(refusal, _) | Self::Final(refusal) => refusal,
        }
    }
}

/// A connection to a running service.
pub(super) struct Connection {
    http: Client,
    base: Url,
    key: Option<String>,
    patience: Patience,
}

impl Connection {
    /// Prepares a connection and asks once whether a service answers there.
    pub(super) async fn open(service: &Service) -> Result<Self, Refusal> {
        let connection = Self::to(service, Patience::USUAL)?;
        let hint = "Start it with `offprint serve`, or name it with --url.";
        match connection.http.get(connection.at(&["health", "live"])).send().await {
            Ok(answer) if answer.status().is_success() => Ok(connection),
            Ok(answer) => Err(Refusal::new(
                Code::Unavailable,
                format!("{} answers {}, which no Offprint service does. {hint}", connection.base, answer.status()),
            )),
            Err(why) => Err(Refusal::new(Code::Unavailable, format!("{}. {hint}", causes(&why)))),
        }
    }

    fn to(service: &Service, patience: Patience) -> Result<Self, Refusal> {
        // TLS needs a provider, once a process; if there is one already, that one does.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut http = Client::builder()
            .user_agent(concat!("offprint/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(10))
            // Longer than the longest wait for a job's news.
            .read_timeout(Duration::from_secs(120));
        if service.url.scheme() == "http" {
            // Without this a machine that has no certificates could not even speak to itself.
            http = http.tls_certs_only([]);
        }
        if matches!(service.url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]")) {
            http = http.no_proxy();
        }
        let http = http.build().map_err(|why| {
            Refusal::new(
                Code::Unavailable,
                format!("The client cannot start: {}. https needs the system's certificates.", causes(&why)),
            )
        })?;
        Ok(Self { http, base: service.url.clone(), key: key(service)?, patience })
    }

    fn at(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        url.set_query(None);
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    /// A request to this path, with the key.
    pub(super) fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        let request = self.http.request(method, self.at(path));
        match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    /// Tries until it works, is refused for good, or patience ends.
    pub(super) async fn persist<T>(&self, mut attempt: impl AsyncFnMut() -> Result<T, Trouble>) -> Result<T, Refusal> {
        let mut pause = self.patience.first;
        for _ in 1..self.patience.tries {
            match attempt().await {
                Ok(done) => return Ok(done),
                Err(Trouble::Final(refusal)) => return Err(refusal),
                Err(Trouble::Later(_, asked)) => {
                    tokio::time::sleep(asked.unwrap_or(pause).min(Patience::LONGEST)).await
                }
            }
            pause = (pause * 2).min(Patience::LONGEST);
        }
        attempt().await.map_err(Trouble::refusal)
    }

    /// A pause between two questions, for the case that the service does not make one.
    pub(super) async fn breathe(&self) {
        tokio::time::sleep(self.patience.first).await;
    }

    /// Gets a JSON object, with patience.
    pub(super) async fn get<T: serde::de::DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<T, Refusal> {
        self.persist(async || json(answer(self.request(Method::GET, path).query(query)).await?).await).await
    }

    /// All pages of a list.
    pub(super) async fn list<T: serde::de::DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Vec<T>, Refusal> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Page<T> {
            items: Vec<T>,
            next_cursor: Option<String>,
        }
        let mut all = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut query = query.to_vec();
            query.push(("limit", "1000"));
            if let Some(cursor) = &cursor {
                query.push(("cursor", cursor));
            }
            let page: Page<T> = self.get(path, &query).await?;
            all.extend(page.items);
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok(all);
            }
        }
    }
}

fn key(service: &Service) -> Result<Option<String>, Refusal> {
    let Some(path) = &service.key_file else { return Ok(service.key.clone()) };
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(why) => {
            Err(Refusal::new(Code::InvalidParameter, format!("The key file {} cannot be read: {why}.", path.display())))
        }
    }
}

/// Sends a request. What is no success, 304 or 416 becomes the problem that the service told.
pub(super) async fn answer(request: RequestBuilder) -> Result<Response, Trouble> {
    let answer = match request.send().await {
        Ok(answer) => answer,
        Err(why) => return Err(cut(&why)),
    };
    match answer.status() {
        status if status.is_success() => Ok(answer),
        StatusCode::NOT_MODIFIED | StatusCode::RANGE_NOT_SATISFIABLE => Ok(answer),
        _ => Err(problem(answer).await),
    }
}

/// The body of an answer as JSON. A body that ends early is worth another try.
pub(super) async fn json<T: serde::de::DeserializeOwned>(answer: Response) -> Result<T, Trouble> {
    let address = answer.url().path().to_owned();
    let body = answer.bytes().await.map_err(|why| cut(&why))?;
    serde_json::from_slice(&body).map_err(|why| {
        Trouble::Final(Refusal::new(
            Code::Unavailable,
            format!(
                "The answer of {address} is not what this client knows: {why}. Are client and service of one version?"
            ),
        ))
    })
}

/// The connection did not hold.
pub(super) fn cut(why: &reqwest::Error) -> Trouble {
    Trouble::Later(Refusal::new(Code::Unavailable, format!("{}.", causes(why))), None)
}

/// An answer that is an error, as a refusal: its code, its sentence, its single mistakes.
async fn problem(answer: Response) -> Trouble {
    #[derive(Deserialize)]
    struct Problem {
        code: String,
        detail: Option<String>,
        title: Option<String>,
        #[serde(default)]
        errors: Vec<Value>,
    }
    let status = answer.status();
    let after = retry_after(answer.headers());
    let address = answer.url().path().to_owned();
    let body = answer.bytes().await.unwrap_or_default();
    let refusal = match serde_json::from_slice::<Problem>(&body) {
        Ok(problem) => {
            let detail = problem.detail.or(problem.title).unwrap_or_default();
            // A code that a newer service knows and we do not is still told, in the sentence.
            let code = serde_json::from_value::<Code>(Value::from(problem.code.as_str()));
            let detail = if code.is_ok() { detail } else { format!("{} ({})", detail, problem.code) };
            Refusal { code: code.unwrap_or(Code::Unavailable), detail, errors: problem.errors }
        }
        Err(_) => {
            Refusal::new(Code::Unavailable, format!("{address} answered {status}, not in the way this service does."))
        }
    };
    let worth_it = status.is_server_error()
        || status == StatusCode::TOO_MANY_REQUESTS
        || matches!(refusal.code, Code::IdempotencyInFlight | Code::UploadLocked | Code::OffsetConflict);
    if worth_it { Trouble::Later(refusal, after) } else { Trouble::Final(refusal) }
}

/// `Retry-After` in seconds. Its other form, a date, is not used by the service.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

/// An error with its causes: the first is seldom the one that helps.
pub(super) fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text += &format!(": {cause}");
        next = cause.source();
    }
    text
}

#[cfg(test)]
pub(super) mod tests;
