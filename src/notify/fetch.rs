//! Reads files that callers name by URL, for imports. The rules are those of webhooks: the policy is checked for the URL, for each
//! redirect, and for the addresses of each host directly before the connection.

use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use offprint_core::Code;
use reqwest::{ClientBuilder, StatusCode, header, redirect, retry};

use super::webhook::{RequestFailure, WebhookSender, describe_root_cause};
use crate::jobs::CallbackPolicy;
use crate::reason::Reason;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a server may send nothing.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_REDIRECTS: usize = 5;

/// A file that is being read.
pub struct FetchedFile {
    /// As the server announces it.
    pub size: Option<u64>,
    pub etag: Option<String>,
    pub bytes: BoxStream<'static, Result<Bytes, FetchError>>,
}

/// Why a file could not be read.
#[derive(Clone, Debug)]
pub enum FetchError {
    /// It still has the ETag that the caller knows.
    NotModified,
    Failed {
        /// For the caller, who may be a stranger to the service's network.
        reason: Reason,
        /// For the log.
        cause: String,
        /// Whether another try may work.
        is_temporary: bool,
    },
}

impl FetchError {
    fn new(code: Code, sentence: impl Into<String>, is_temporary: bool) -> Self {
        let reason = Reason::new(code, sentence);
        Self::Failed { cause: reason.detail.clone(), reason, is_temporary }
    }

    fn from_request(error: &reqwest::Error) -> Self {
        // A redirect that the policy refuses must not look different from a host that does not exist.
        let failure = if error.is_redirect() { RequestFailure::Host } else { RequestFailure::find(error) };
        let (sentence, is_temporary) = match failure {
            RequestFailure::Timeout => ("The server did not answer in time.", true),
            RequestFailure::Host => (
                "The host of the URL, or of a redirect, does not exist, has addresses that are not public, or redirects too \
                 often. Use the final URL on a public host, or have its addresses allowed in OFFPRINT_IMPORT_NETWORKS.",
                false,
            ),
            RequestFailure::Tls => (
                "The TLS connection failed. The server needs a certificate that is valid for its host name and signed by a \
                 public authority.",
                false,
            ),
            RequestFailure::Connection => ("No connection could be made to the server.", true),
            RequestFailure::Broken => ("The server ended the connection before the file was complete.", true),
        };
        let reason = Reason::new(Code::SourceUnreachable, sentence);
        Self::Failed { reason, cause: describe_root_cause(error), is_temporary }
    }
}

/// Completes the client that reads files.
pub(super) fn build_reader(builder: ClientBuilder, policy: CallbackPolicy) -> ClientBuilder {
    let redirects = redirect::Policy::custom(move |attempt| {
        if attempt.previous().len() > MAX_REDIRECTS {
            return attempt.error("too many redirects");
        }
        match policy.check_url(attempt.url().as_str()) {
            Ok(_) => attempt.follow(),
            Err(reason) => attempt.error(reason),
        }
    });
    builder
        .user_agent(concat!("Offprint/", env!("CARGO_PKG_VERSION")))
        .redirect(redirects)
        .retry(retry::never())
        .no_proxy()
        .referer(false)
        // No connection is reused: its address was checked for another file.
        .pool_max_idle_per_host(0)
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
}

impl WebhookSender {
    /// Begins to read the file at a URL, unless it still has this ETag.
    pub async fn fetch(&self, url: &str, unless_etag: Option<&str>) -> Result<FetchedFile, FetchError> {
        // This also checks an IP address in the URL, which is not passed to the resolver.
        let url = self
            .read_policy
            .check_url(url)
            .map_err(|reason| FetchError::new(Code::SourceUnreachable, reason, false))?;
        let client =
            self.reader.as_ref().map_err(|error| FetchError::new(Code::SourceUnreachable, error.clone(), false))?;
        let mut request = client.get(url);
        if let Some(etag) = unless_etag {
            request = request.header(header::IF_NONE_MATCH, etag);
        }
        let response = request.send().await.map_err(|error| FetchError::from_request(&error))?;
        check_status(response.status())?;
        let text = |name: header::HeaderName| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
        Ok(FetchedFile {
            size: response.content_length(),
            etag: text(header::ETAG),
            bytes: Box::pin(response.bytes_stream().map_err(|error| FetchError::from_request(&error))),
        })
    }
}

fn check_status(status: StatusCode) -> Result<(), FetchError> {
    let refuse = |code, meaning: &str, is_temporary| {
        Err(FetchError::new(code, format!("The server answered {status}. {meaning}"), is_temporary))
    };
    match status {
        StatusCode::OK => Ok(()),
        StatusCode::NOT_MODIFIED => Err(FetchError::NotModified),
        StatusCode::NOT_FOUND | StatusCode::GONE => refuse(Code::SourceNotFound, "Check the URL.", false),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            refuse(Code::SourceDenied, "The file has to be readable for everybody.", false)
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
            refuse(Code::SourceUnreachable, "It does not serve more at the moment.", true)
        }
        status if status.is_server_error() => refuse(Code::SourceUnreachable, "It may work later.", true),
        _ => refuse(Code::SourceUnreachable, "A file comes with 200.", false),
    }
}
