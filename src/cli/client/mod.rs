//! What the client commands share: a connection to a running service, retries, and problems as errors of the command line.

mod progress;

use std::error::Error;
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use offprint_core::Code;
use reqwest::header::{CONTENT_LENGTH, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;
use serde_json::Value;

pub use self::progress::ProgressReporter;
use super::CliError;

/// The service's address and API key. Global, so that they may stand behind a subcommand of `jobs` and `assets`.
#[derive(clap::Args)]
pub(super) struct ServiceArgs {
    /// Address of the service.
    #[arg(long, global = true, env = "OFFPRINT_URL", default_value = "http://127.0.0.1:8080", value_parser = parse_service_url)]
    url: Url,

    /// API key, where the service requires one.
    #[arg(long, global = true, env = "OFFPRINT_API_KEY", hide_env_values = true)]
    key: Option<String>,

    /// File that contains the API key.
    #[arg(long, global = true, env = "OFFPRINT_API_KEY_FILE", conflicts_with = "key")]
    key_file: Option<PathBuf>,
}

fn parse_service_url(text: &str) -> Result<Url, String> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        _ => Err("not a URL like http://127.0.0.1:8080 or https://photos.example.org".into()),
    }
}

/// Runs a command in an async runtime of its own.
pub(super) fn run_in_runtime<T>(work: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::new(Code::Unavailable, format!("The async runtime cannot be started: {error}.")))?
        .block_on(work)
}

/// How long to wait between tries (doubled each time), and how many tries there are.
#[derive(Clone, Copy)]
pub(super) struct RetryPolicy {
    initial_delay: Duration,
    max_tries: u32,
}

impl RetryPolicy {
    /// Outlasts a restart of the service: about half a minute.
    const DEFAULT: Self = Self { initial_delay: Duration::from_millis(250), max_tries: 9 };
    /// Longest pause, whatever the service asks for.
    const MAX_DELAY: Duration = Duration::from_secs(10);
}

/// Why one try failed.
pub(super) enum ClientError {
    /// Another try may work, after this time where the service said so (`Retry-After`).
    Retryable(CliError, Option<Duration>),
    /// The same request would be refused again.
    Permanent(CliError),
}

impl ClientError {
    pub(super) fn into_error(self) -> CliError {
        match self {
            Self::Retryable(error, _) | Self::Permanent(error) => error,
        }
    }
}

/// A connection to a running service.
pub(super) struct ApiClient {
    http: Client,
    base: Url,
    key: Option<String>,
    retry_policy: RetryPolicy,
}

impl ApiClient {
    /// Prepares a connection and checks once that a service answers there.
    pub(super) async fn connect(service: &ServiceArgs) -> Result<Self, CliError> {
        let connection = Self::for_service(service, RetryPolicy::DEFAULT)?;
        let hint = "Start the service with `offprint serve`, or set its address with --url.";
        match connection.http.get(connection.url_for(&["health", "live"])).send().await {
            Ok(response) if response.status().is_success() => Ok(connection),
            Ok(response) => Err(CliError::new(
                Code::Unavailable,
                format!("{} is not an Offprint service: it answers {}. {hint}", connection.base, response.status()),
            )),
            Err(error) => Err(CliError::new(Code::Unavailable, format!("{}. {hint}", format_causes(&error)))),
        }
    }

    fn for_service(service: &ServiceArgs, retry_policy: RetryPolicy) -> Result<Self, CliError> {
        // TLS needs a crypto provider once per process. An error means that there is one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut http = Client::builder()
            .user_agent(concat!("offprint/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(10))
            // Longer than the longest wait for a change of a job.
            .read_timeout(Duration::from_secs(120));
        if service.url.scheme() == "http" {
            // Without this a machine without CA certificates could not even connect to its own service.
            http = http.tls_certs_only([]);
        }
        if matches!(service.url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]")) {
            http = http.no_proxy();
        }
        let http = http.build().map_err(|error| {
            CliError::new(
                Code::Unavailable,
                format!(
                    "The client cannot start: {}. https needs the system's CA certificates.",
                    format_causes(&error)
                ),
            )
        })?;
        Ok(Self { http, base: service.url.clone(), key: read_api_key(service)?, retry_policy })
    }

    fn url_for(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        url.set_query(None);
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    /// A request to this path, with the key.
    pub(super) fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        let request = self.http.request(method, self.url_for(path));
        match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    /// Repeats the attempt until it works, is refused for good, or the tries are used up.
    pub(super) async fn retry<T>(
        &self,
        mut attempt: impl AsyncFnMut() -> Result<T, ClientError>,
    ) -> Result<T, CliError> {
        let mut pause = self.retry_policy.initial_delay;
        for _ in 1..self.retry_policy.max_tries {
            match attempt().await {
                Ok(value) => return Ok(value),
                Err(ClientError::Permanent(error)) => return Err(error),
                Err(ClientError::Retryable(_, retry_after)) => {
                    tokio::time::sleep(retry_after.unwrap_or(pause).min(RetryPolicy::MAX_DELAY)).await
                }
            }
            pause = (pause * 2).min(RetryPolicy::MAX_DELAY);
        }
        attempt().await.map_err(ClientError::into_error)
    }

    /// A pause between two polls, in case the service answers at once instead of waiting.
    pub(super) async fn pause(&self) {
        tokio::time::sleep(self.retry_policy.initial_delay).await;
    }

    /// Gets a JSON object, with retries.
    pub(super) async fn get<T: serde::de::DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<T, CliError> {
        self.retry(async || read_json(send_request(self.request(Method::GET, path).query(query)).await?).await).await
    }

    /// All items of a paged list.
    pub(super) async fn list<T: serde::de::DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Vec<T>, CliError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct ListPage<T> {
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
            let page: ListPage<T> = self.get(path, &query).await?;
            all.extend(page.items);
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok(all);
            }
        }
    }
}

fn read_api_key(service: &ServiceArgs) -> Result<Option<String>, CliError> {
    let invalid = |detail: String| CliError::new(Code::InvalidParameter, detail);
    let Some(path) = &service.key_file else {
        return match &service.key {
            Some(key) if key.trim().is_empty() => Err(invalid(
                "The API key is empty. Set OFFPRINT_API_KEY (or --key) to a key, or unset it if the service requires none."
                    .into(),
            )),
            key => Ok(key.clone()),
        };
    };
    let text = std::fs::read_to_string(path)
        .map_err(|error| invalid(format!("The key file {} cannot be read: {error}.", path.display())))?;
    match text.trim() {
        "" => Err(invalid(format!("The key file {} is empty. Write an API key to it.", path.display()))),
        key => Ok(Some(key.to_owned())),
    }
}

/// Sends a request. Any status but success, 304 and 416 becomes an error with the problem that the service sent.
pub(super) async fn send_request(request: RequestBuilder) -> Result<Response, ClientError> {
    let (client, request) = request.build_split();
    let mut request = request.map_err(|error| to_connection_error(&error))?;
    // A proxy that passes the request on over HTTP/1.0 has no other way to say that there is no body.
    if request.body().is_none() && !matches!(*request.method(), Method::GET | Method::HEAD) {
        request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    let response = client.execute(request).await.map_err(|error| to_connection_error(&error))?;
    match response.status() {
        status if status.is_success() => Ok(response),
        StatusCode::NOT_MODIFIED | StatusCode::RANGE_NOT_SATISFIABLE => Ok(response),
        _ => Err(read_problem(response).await),
    }
}

/// The body of a response as JSON. A body that ends early is worth another try.
pub(super) async fn read_json<T: serde::de::DeserializeOwned>(response: Response) -> Result<T, ClientError> {
    let path = response.url().path().to_owned();
    let body = response.bytes().await.map_err(|error| to_connection_error(&error))?;
    serde_json::from_slice(&body).map_err(|error| {
        ClientError::Permanent(CliError::new(
            Code::Unavailable,
            format!(
                "The response of {path} cannot be parsed: {error}. Check that client and service have the same version."
            ),
        ))
    })
}

/// The connection failed or broke.
pub(super) fn to_connection_error(error: &reqwest::Error) -> ClientError {
    ClientError::Retryable(CliError::new(Code::Unavailable, format!("{}.", format_causes(error))), None)
}

/// The error of a response that is a problem: its code, its sentence, its single errors.
async fn read_problem(response: Response) -> ClientError {
    #[derive(Deserialize)]
    struct ClientProblem {
        code: String,
        detail: Option<String>,
        title: Option<String>,
        #[serde(default)]
        errors: Vec<Value>,
    }
    let status = response.status();
    let retry_after = parse_retry_after(response.headers());
    let path = response.url().path().to_owned();
    let body = response.bytes().await.unwrap_or_default();
    let error = match serde_json::from_slice::<ClientProblem>(&body) {
        Ok(problem) => {
            let detail = problem.detail.or(problem.title).unwrap_or_default();
            // A code that only a newer service knows is shown in the sentence.
            let code = serde_json::from_value::<Code>(Value::from(problem.code.as_str()));
            let detail = if code.is_ok() { detail } else { format!("{} ({})", detail, problem.code) };
            CliError { code: code.unwrap_or(Code::Unavailable), detail, errors: problem.errors }
        }
        Err(_) => explain_foreign_answer(&path, status),
    };
    let is_retryable = status.is_server_error()
        || status == StatusCode::TOO_MANY_REQUESTS
        || matches!(error.code, Code::IdempotencyInFlight | Code::UploadLocked | Code::OffsetConflict);
    if is_retryable { ClientError::Retryable(error, retry_after) } else { ClientError::Permanent(error) }
}

/// The error of an answer that does not come from an Offprint service, mostly from a proxy before it.
fn explain_foreign_answer(path: &str, status: StatusCode) -> CliError {
    let remedy = match status {
        StatusCode::PAYLOAD_TOO_LARGE => {
            " A proxy before it refuses a body of this size. Have it accept larger ones (nginx: `client_max_body_size 0;`)."
        }
        StatusCode::BAD_GATEWAY => {
            " A proxy before it cannot reach the service, or the service closed the connection: is it running, and does it keep \
             idle connections longer than the proxy (OFFPRINT_KEEP_ALIVE)?"
        }
        StatusCode::SERVICE_UNAVAILABLE => " A proxy before it has no service that is ready.",
        StatusCode::GATEWAY_TIMEOUT => {
            " A proxy before it did not wait long enough for the service. Give it at least 60 s (nginx: `proxy_read_timeout`)."
        }
        _ => " Check the address (--url), with its path where the service is below one.",
    };
    CliError::new(Code::Unavailable, format!("{path} answered {status}, and not as an Offprint service does.{remedy}"))
}

/// `Retry-After` in seconds. The service does not use its other form, a date.
fn parse_retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

/// An error with all of its causes: the helpful one is rarely the first.
pub(super) fn format_causes(error: &dyn Error) -> String {
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
