//! Webhooks: one POST of JSON, signed as <https://www.standardwebhooks.com> has it, to an address that may be called.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, Response, redirect, retry};
use sha2::Sha256;

use super::letter::line;
use crate::export::Callbacks;

/// What one message may take in all: name, connection, TLS, answer.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// Most bytes of an answer's body that are read.
const MOST: usize = 64 << 10;
/// Longest error kept, in characters.
const SAID: usize = 300;

/// Looks up the addresses of a host.
pub trait Lookup: Send + Sync {
    /// All addresses of this name.
    fn lookup(&self, host: String) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>>;
}

/// As the system does it.
struct System;

impl Lookup for System {
    fn lookup(&self, host: String) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// Looks a name up once, for the connection that is made next, and gives its addresses only when all may be called.
struct Guarded {
    lookup: Arc<dyn Lookup>,
    callbacks: Callbacks,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (looking, callbacks) = (self.lookup.lookup(name.as_str().to_owned()), self.callbacks.clone());
        Box::pin(async move {
            let found = looking.await?;
            for address in &found {
                callbacks.check_address(*address)?;
            }
            Ok(Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}

/// A message that is to be sent.
#[derive(Clone)]
pub struct Message<'a> {
    /// The same whenever it is sent.
    pub id: String,
    /// Where to.
    pub url: &'a str,
    /// JSON.
    pub body: &'a str,
    /// The secrets that sign it, the company's own first.
    pub secrets: &'a [Vec<u8>],
}

/// What became of a try.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What the receiver said; none when it said nothing.
    pub status: Option<u16>,
    /// Why it was not delivered.
    pub error: Option<String>,
    /// How long that took.
    pub latency: Duration,
}

/// Sends webhooks.
pub struct Courier {
    /// Where they may go.
    pub callbacks: Callbacks,
    http: Result<Client, String>,
}

impl Courier {
    /// One that sends where the settings allow, and asks the system for addresses.
    pub fn new(callbacks: Callbacks) -> Self {
        Self::with(callbacks, Arc::new(System), PATIENCE)
    }

    /// The same with another way to look up addresses, and another patience.
    pub fn with(callbacks: Callbacks, lookup: Arc<dyn Lookup>, patience: Duration) -> Self {
        // TLS needs a provider, once a process; if there is one already, that one does.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let resolver = Arc::new(Guarded { lookup, callbacks: callbacks.clone() });
        let builder = || {
            Client::builder()
                .user_agent(concat!("Offprint/", env!("CARGO_PKG_VERSION")))
                .dns_resolver(resolver.clone())
                .redirect(redirect::Policy::none())
                .retry(retry::never())
                .no_proxy()
                // A connection that is kept is one whose address was looked at for another message.
                .pool_max_idle_per_host(0)
                .timeout(patience)
        };
        // A machine without certificates can still send by http, where that is allowed.
        let http = builder().build().or_else(|_| builder().tls_certs_only([]).build());
        Self { callbacks, http: http.map_err(|error| format!("Requests cannot be made: {}", root(&error))) }
    }

    /// Sends a message, once.
    pub async fn send(&self, message: &Message<'_>) -> Answer {
        let begun = Instant::now();
        let answer = self.post(message).await;
        let latency = begun.elapsed();
        let (status, error) = match answer {
            Ok(answer) => {
                let status = answer.status();
                drain(answer).await;
                (Some(status.as_u16()), complaint(status))
            }
            Err(why) => (None, Some(line(&why, SAID))),
        };
        Answer { status, error, latency }
    }

    async fn post(&self, message: &Message<'_>) -> Result<Response, String> {
        // Also the address where one stands in the URL: the resolver is not asked for it.
        let url = self.callbacks.check_url(message.url)?;
        let now = Utc::now();
        let signed: Vec<String> =
            message.secrets.iter().map(|secret| signature(secret, &message.id, now, message.body)).collect();
        let request = self.http.as_ref()?.post(url).header("content-type", "application/json");
        let request = request
            .header("webhook-id", &message.id)
            .header("webhook-timestamp", now.timestamp())
            .header("webhook-signature", signed.join(" "));
        request.body(message.body.to_owned()).send().await.map_err(|error| root(&error))
    }
}

/// Lets a receiver end what it has to say, within bounds. Nothing of it is kept: it may come from where the job's owner
/// cannot look.
async fn drain(mut answer: Response) {
    let mut read = 0;
    while let Ok(Some(chunk)) = answer.chunk().await {
        read += chunk.len();
        if read >= MOST {
            return;
        }
    }
}

fn complaint(status: reqwest::StatusCode) -> Option<String> {
    let what = match status {
        status if status.is_success() => return None,
        status if status.is_redirection() => "Redirects are not followed; name the address itself.",
        reqwest::StatusCode::GONE => "The receiver wants no more of it.",
        _ => "The receiver did not take it.",
    };
    Some(format!("The answer was {status}. {what}"))
}

/// What lies at the bottom of an error; the rest says where we were, and repeats the URL.
fn root(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("There was no answer in time; a receiver has {} s in all.", PATIENCE.as_secs());
    }
    let mut cause: &dyn Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// What shows that whoever has the secret sent this message: `v1,` and base64 of HMAC-SHA-256.
pub fn signature(secret: &[u8], id: &str, at: DateTime<Utc>, body: &str) -> String {
    let signed = format!("{id}.{}.{body}", at.timestamp());
    // Any length is a key.
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
            signature(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, "{\"test\": 2432232314}"),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }
}
