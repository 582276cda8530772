//! Requests to the provider: bounded in time and size, without redirects.

use std::error::Error;
use std::time::Duration;

use reqwest::{Client, Response, StatusCode, redirect};
use serde::de::DeserializeOwned;
use url::Url;

use super::provider::ProviderError;

/// Timeout of one request. Four of them, the most that a sign-in needs, are within the 30 s that a request to us has.
const PROVIDER_TIMEOUT: Duration = Duration::from_secs(7);
/// Bytes of a response that are read: a token with hundreds of groups has some ten thousand.
const MAX_REPLY_BYTES: usize = 512 << 10;

/// An HTTP client for the provider.
pub(super) struct ProviderClient(Result<Client, String>);

impl ProviderClient {
    /// `is_local` is for a provider on this machine, which is never asked through a proxy.
    pub(super) fn new(is_local: bool) -> Self {
        // TLS needs a crypto provider once per process. An error means that there is one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = || {
            let builder = Client::builder()
                .user_agent(concat!("Offprint/", env!("CARGO_PKG_VERSION")))
                .redirect(redirect::Policy::none())
                .timeout(PROVIDER_TIMEOUT);
            if is_local { builder.no_proxy() } else { builder }
        };
        // A machine without CA certificates can still ask a provider on itself.
        let client = builder().build().or_else(|_| builder().tls_certs_only([]).build());
        Self(client.map_err(|error| describe_root_cause(&error)))
    }

    /// Fetches a JSON document.
    ///
    /// # Errors
    /// When there is no answer, or none that can be used.
    pub(super) async fn fetch_json<T: DeserializeOwned>(&self, url: &Url, what: &str) -> Result<T, ProviderError> {
        let request = self.client()?.get(url.clone()).header("accept", "application/json");
        let response = request.send().await.map_err(|error| describe_send_error(what, &error))?;
        let (status, body) = read_reply(response, what).await?;
        if !status.is_success() {
            return Err(ProviderError::from_status(what, status));
        }
        serde_json::from_slice(&body)
            .map_err(|error| ProviderError::Unusable(format!("{what} of {url} cannot be read: {error}")))
    }

    /// Posts a form; status and body of the answer. `basic` is the value of `Authorization`.
    ///
    /// # Errors
    /// When there is no answer.
    pub(super) async fn post_form(
        &self,
        url: &Url,
        form: String,
        basic: Option<String>,
        what: &str,
    ) -> Result<(StatusCode, Vec<u8>), ProviderError> {
        let mut request = self.client()?.post(url.clone()).header("accept", "application/json");
        if let Some(basic) = basic {
            request = request.header("authorization", basic);
        }
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
        read_reply(request.send().await.map_err(|error| describe_send_error(what, &error))?, what).await
    }

    fn client(&self) -> Result<&Client, ProviderError> {
        self.0.as_ref().map_err(|reason| ProviderError::Unreachable(reason.clone()))
    }
}

async fn read_reply(mut response: Response, what: &str) -> Result<(StatusCode, Vec<u8>), ProviderError> {
    let (status, mut body) = (response.status(), Vec::new());
    while let Some(chunk) = response.chunk().await.map_err(|error| describe_send_error(what, &error))? {
        if body.len() + chunk.len() > MAX_REPLY_BYTES {
            return Err(ProviderError::Unusable(format!("{what} has more than {MAX_REPLY_BYTES} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok((status, body))
}

fn describe_send_error(what: &str, error: &reqwest::Error) -> ProviderError {
    ProviderError::Unreachable(format!("{what}: {}", describe_root_cause(error)))
}

/// The root cause of an error. The rest of the chain repeats the URL.
fn describe_root_cause(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
