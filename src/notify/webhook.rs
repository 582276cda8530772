//! Webhooks: one POST of JSON, signed as in <https://www.standardwebhooks.com>, to an address that the policy allows.
//!
//! The policy is checked twice: for the URL, and for the addresses that its host resolves to, directly before the connection
//! is made with exactly these addresses. Otherwise a name could resolve to a public address for the check and to an internal
//! one for the connection (DNS rebinding).

use std::error::Error;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, ClientBuilder, Response, redirect, retry};
use sha2::Sha256;

use super::fetch::build_reader;
use super::mail_content::to_single_line;
use crate::jobs::CallbackPolicy;

/// Timeout of one message: name lookup, connection, TLS and response together.
pub const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of a response body that are read at most.
const MAX_REPLY_BYTES: usize = 64 << 10;
const MAX_ERROR_CHARS: usize = 300;

/// Resolves host names. Tests replace it.
pub trait HostLookup: Send + Sync {
    /// All addresses of this name.
    fn lookup(&self, host: String) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>>;
}

/// The system's resolver.
struct SystemLookup;

impl HostLookup for SystemLookup {
    fn lookup(&self, host: String) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let addresses = tokio::net::lookup_host((host, 0)).await?;
            Ok(addresses.map(|address| address.ip()).collect())
        })
    }
}

/// Why a name is not called. Its text is for the log: it names addresses.
#[derive(Debug, thiserror::Error)]
enum HostError {
    #[error("the name cannot be resolved: {0}")]
    Unknown(#[from] io::Error),
    #[error("{address}: {reason}")]
    Forbidden { address: IpAddr, reason: String },
}

/// Resolves a name for the next connection, and returns its addresses only when the policy allows all of them.
struct GuardedResolver {
    lookup: Arc<dyn HostLookup>,
    policy: CallbackPolicy,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (lookup, policy) = (self.lookup.lookup(name.as_str().to_owned()), self.policy.clone());
        Box::pin(async move {
            let addresses = lookup.await.map_err(HostError::from)?;
            for &address in &addresses {
                policy.check_address(address).map_err(|reason| HostError::Forbidden { address, reason })?;
            }
            Ok(Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}

/// A message to send.
#[derive(Clone)]
pub struct WebhookMessage<'a> {
    /// The same for every try to send this message.
    pub id: String,
    pub url: &'a str,
    /// JSON text.
    pub body: &'a str,
    /// The secrets to sign with, the company's own first.
    pub secrets: &'a [Vec<u8>],
}

/// The result of a try.
#[derive(Clone, Debug)]
pub struct WebhookReply {
    /// HTTP status of the receiver; none when there was no response.
    pub status: Option<u16>,
    /// Why the message was not delivered; none when it was. For the owner of the job: it tells nothing of the network.
    pub error: Option<String>,
    /// The same in more detail, for the log.
    pub cause: Option<String>,
    pub latency: Duration,
}

/// Sends webhooks.
pub struct WebhookSender {
    /// Where webhooks may be sent.
    pub policy: CallbackPolicy,
    /// What imports may read. Webhooks show nobody what an address answers; imports do, so these are other networks.
    pub read_policy: CallbackPolicy,
    http: Result<Client, String>,
    /// Reads files, see `fetch.rs`.
    pub(super) reader: Result<Client, String>,
}

impl WebhookSender {
    /// A sender with the system's resolver.
    pub fn new(policy: CallbackPolicy, read_policy: CallbackPolicy) -> Self {
        Self::open(policy, read_policy, Arc::new(SystemLookup), WEBHOOK_TIMEOUT)
    }

    /// A sender with another resolver and timeout, which may read what it may call.
    #[cfg_attr(dead_code_check, expect(dead_code, reason = "for tests, which answer names themselves"))]
    pub fn with_lookup(policy: CallbackPolicy, lookup: Arc<dyn HostLookup>, timeout: Duration) -> Self {
        Self::open(policy.clone(), policy, lookup, timeout)
    }

    fn open(
        policy: CallbackPolicy,
        read_policy: CallbackPolicy,
        lookup: Arc<dyn HostLookup>,
        timeout: Duration,
    ) -> Self {
        // TLS needs a crypto provider once per process. An error means that there is one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let reading_resolver = Arc::new(GuardedResolver { lookup: lookup.clone(), policy: read_policy.clone() });
        let resolver = Arc::new(GuardedResolver { lookup, policy: policy.clone() });
        let builder = || {
            Client::builder()
                .user_agent(concat!("Offprint/", env!("CARGO_PKG_VERSION")))
                .dns_resolver(resolver.clone())
                .redirect(redirect::Policy::none())
                .retry(retry::never())
                .no_proxy()
                // No connection is reused: its address was checked for another message.
                .pool_max_idle_per_host(0)
                .timeout(timeout)
        };
        let http = open_client(builder);
        let reader =
            open_client(|| build_reader(Client::builder().dns_resolver(reading_resolver.clone()), read_policy.clone()));
        Self { policy, read_policy, http, reader }
    }

    /// Sends a message, once.
    pub async fn send(&self, message: &WebhookMessage<'_>) -> WebhookReply {
        let started_at = Instant::now();
        let result = self.post(message).await;
        let latency = started_at.elapsed();
        let (status, error, cause) = match result {
            Ok(response) => {
                let status = response.status();
                drain_body(response).await;
                (Some(status.as_u16()), describe_status(status), None)
            }
            Err(SendError { shown, cause }) => {
                (None, Some(to_single_line(&shown, MAX_ERROR_CHARS)), Some(to_single_line(&cause, MAX_ERROR_CHARS)))
            }
        };
        WebhookReply { status, error, cause, latency }
    }

    async fn post(&self, message: &WebhookMessage<'_>) -> Result<Response, SendError> {
        // This also checks an IP address in the URL, which is not passed to the resolver.
        let url = self.policy.check_url(message.url)?;
        let now = Utc::now();
        let signatures: Vec<String> =
            message.secrets.iter().map(|secret| sign_message(secret, &message.id, now, message.body)).collect();
        let request = self.http.as_ref().map_err(Clone::clone)?.post(url).header("content-type", "application/json");
        let request = request
            .header("webhook-id", &message.id)
            .header("webhook-timestamp", now.timestamp())
            .header("webhook-signature", signatures.join(" "));
        request.body(message.body.to_owned()).send().await.map_err(|error| SendError::from_request(&error))
    }
}

/// A machine without CA certificates can still send by http, where that is allowed.
fn open_client(builder: impl Fn() -> ClientBuilder) -> Result<Client, String> {
    let opened = builder().build().or_else(|_| builder().tls_certs_only([]).build());
    opened.map_err(|error| format!("Requests cannot be sent: {}", describe_root_cause(&error)))
}

/// Reads the rest of a response, up to a limit, so that the receiver can finish sending. Nothing of it is kept: it may come
/// from an internal server that the job's owner must not read from.
async fn drain_body(mut response: Response) {
    let mut read = 0;
    while let Ok(Some(chunk)) = response.chunk().await {
        read += chunk.len();
        if read >= MAX_REPLY_BYTES {
            return;
        }
    }
}

fn describe_status(status: reqwest::StatusCode) -> Option<String> {
    let meaning = match status {
        status if status.is_success() => return None,
        status if status.is_redirection() => "Redirects are not followed. Use the final URL.",
        reqwest::StatusCode::GONE => "The receiver no longer accepts webhooks.",
        _ => "The receiver did not accept the webhook.",
    };
    Some(format!("The receiver answered {status}. {meaning}"))
}

/// Why there was no response.
#[derive(Debug)]
struct SendError {
    /// For the owner of the job, who may be a stranger to the service's network: a name that does not exist and one of the
    /// inside look the same, and no text of a library is shown, which could contain an address.
    shown: String,
    /// For the log.
    cause: String,
}

impl From<String> for SendError {
    fn from(reason: String) -> Self {
        Self { shown: reason.clone(), cause: reason }
    }
}

impl SendError {
    fn from_request(error: &reqwest::Error) -> Self {
        Self { shown: describe_send_error(error), cause: describe_root_cause(error) }
    }
}

/// What went wrong with a request, as far as a stranger to the service's network may know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestFailure {
    Timeout,
    /// The name does not exist, or has addresses that are not called.
    Host,
    Tls,
    Connection,
    /// It was made, and ended too early.
    Broken,
}

impl RequestFailure {
    pub(super) fn find(error: &reqwest::Error) -> Self {
        let causes = || std::iter::successors(Some(error as &(dyn Error + 'static)), |&cause| cause.source());
        if error.is_timeout() {
            Self::Timeout
        } else if causes().any(|cause| cause.is::<HostError>()) {
            Self::Host
        } else if causes().any(is_tls_error) {
            Self::Tls
        } else if error.is_connect() {
            Self::Connection
        } else {
            Self::Broken
        }
    }
}

fn describe_send_error(error: &reqwest::Error) -> String {
    let sentence = match RequestFailure::find(error) {
        RequestFailure::Timeout => {
            return format!("There was no answer in time: a receiver has {} seconds.", WEBHOOK_TIMEOUT.as_secs());
        }
        RequestFailure::Host => {
            "The host of `callbackUrl` does not exist, or has addresses that are not public. Use a public host, or have its \
             addresses allowed in OFFPRINT_WEBHOOK_NETWORKS."
        }
        RequestFailure::Tls => {
            "The TLS connection failed. The receiver needs a certificate that is valid for its host name and signed by a \
             public authority."
        }
        RequestFailure::Connection => {
            "No connection could be made to the receiver. Check that it listens on this port."
        }
        RequestFailure::Broken => "The receiver ended the connection without a response.",
    };
    sentence.to_owned()
}

fn is_tls_error(cause: &(dyn Error + 'static)) -> bool {
    let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    cause.is::<rustls::Error>() || inner.is_some_and(|inner| inner.is::<rustls::Error>())
}

/// The root cause of an error. The rest of the chain repeats the URL, which may contain secrets.
pub(super) fn describe_root_cause(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source().filter(|_| !cause.is::<HostError>()) {
        cause = deeper;
    }
    cause.to_string()
}

/// The signature of a message: `v1,` and base64 of HMAC-SHA-256 over ID, time and body.
pub fn sign_message(secret: &[u8], id: &str, at: DateTime<Utc>, body: &str) -> String {
    let signed = format!("{id}.{}.{body}", at.timestamp());
    // HMAC accepts keys of any length, so this cannot fail.
    let mac = Hmac::<Sha256>::new_from_slice(secret).map(|mac| mac.chain_update(signed).finalize().into_bytes());
    format!("v1,{}", STANDARD.encode(mac.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the libraries at github.com/standard-webhooks.
    #[test]
    fn a_message_is_signed_as_the_specification_shows() {
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let at = DateTime::from_timestamp(1_614_265_330, 0).unwrap();
        assert_eq!(
            sign_message(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, "{\"test\": 2432232314}"),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }
}
