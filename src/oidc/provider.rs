//! The identity provider: what it says about itself, where browsers go, and what it gives for a code.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use reqwest::StatusCode;
use serde::Deserialize;
use url::Url;
use url::form_urlencoded::{self, byte_serialize};

use super::config::OidcConfig;
use super::expiring_cache::ExpiringCache;
use super::id_token::{ExpectedToken, TokenClaims, TokenError, verify_id_token};
use super::key_set::KeySet;
use super::provider_client::ProviderClient;
use crate::settings::{is_loopback, is_secure_address};

/// Where a provider describes itself, below its issuer (OpenID Connect Discovery 4).
const DISCOVERY_PATH: &str = "/.well-known/openid-configuration";

/// Why the provider did not say who somebody is. For the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// There was no answer, or one that says to come back later.
    #[error("the identity provider does not answer: {0}")]
    Unreachable(String),
    /// The answer is against the specification or the settings.
    #[error("the identity provider cannot be used: {0}")]
    Unusable(String),
    /// It does not know the code, or not any more.
    #[error("the identity provider does not accept the code: {0}")]
    CodeRejected(String),
    #[error("the ID token is not accepted: {0}")]
    Token(#[from] TokenError),
}

impl ProviderError {
    /// The error of a status that is none of success.
    pub(super) fn from_status(what: &str, status: StatusCode) -> Self {
        let text = format!("{what}: it answers {status}");
        let is_temporary = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
        if is_temporary { Self::Unreachable(text) } else { Self::Unusable(text) }
    }
}

/// What a provider says about itself.
#[derive(Debug, Deserialize)]
struct ProviderMetadata {
    issuer: String,
    #[serde(deserialize_with = "deserialize_url")]
    authorization_endpoint: Url,
    #[serde(deserialize_with = "deserialize_url")]
    token_endpoint: Url,
    #[serde(deserialize_with = "deserialize_url")]
    jwks_uri: Url,
    /// How the service may prove who it is. Default: by basic authentication.
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    /// Whether answers name the issuer (RFC 9207).
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

fn deserialize_url<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Url, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| serde::de::Error::custom(format!("{text:?} is not an address")))
}

/// An attempt to sign in, as the provider's page gets it.
#[derive(Clone, Debug)]
pub struct AuthorizationRequest<'a> {
    pub redirect_uri: &'a str,
    pub state: &'a str,
    pub nonce: &'a str,
    /// SHA-256 of the code verifier, in base64.
    pub code_challenge: &'a str,
    /// Language of the provider's page.
    pub language: &'a str,
}

/// A code that came back, and the attempt that it belongs to.
#[derive(Clone)]
pub struct CodeRedemption<'a> {
    pub code: &'a str,
    pub code_verifier: &'a str,
    pub redirect_uri: &'a str,
    pub nonce: &'a str,
    /// By the database's clock.
    pub now: DateTime<Utc>,
}

#[derive(Deserialize)]
struct TokenReply {
    id_token: Option<String>,
}

#[derive(Deserialize)]
struct TokenErrorReply {
    error: String,
    error_description: Option<String>,
}

/// The identity provider of the settings. It is asked when it is needed, so the service starts without it.
pub struct IdentityProvider {
    config: OidcConfig,
    client: ProviderClient,
    metadata: ExpiringCache<ProviderMetadata>,
    keys: ExpiringCache<KeySet>,
}

impl IdentityProvider {
    pub fn new(config: OidcConfig) -> Self {
        let is_local = Url::parse(&config.issuer).is_ok_and(|url| is_loopback(&url));
        let client = ProviderClient::new(is_local);
        Self { config, client, metadata: ExpiringCache::default(), keys: ExpiringCache::default() }
    }

    /// Its settings.
    pub fn config(&self) -> &OidcConfig {
        &self.config
    }

    pub fn issuer(&self) -> &str {
        &self.config.issuer
    }

    /// The address of the provider's page for this attempt.
    ///
    /// # Errors
    /// When the provider does not say where it is.
    pub async fn write_authorization_url(&self, request: &AuthorizationRequest<'_>) -> Result<Url, ProviderError> {
        let mut url = self.find_metadata().await?.authorization_endpoint.clone();
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.config.client_id)
            .append_pair("redirect_uri", request.redirect_uri)
            .append_pair("scope", &self.config.scopes)
            .append_pair("state", request.state)
            .append_pair("nonce", request.nonce)
            .append_pair("code_challenge", request.code_challenge)
            .append_pair("code_challenge_method", "S256")
            .append_pair("ui_locales", request.language);
        Ok(url)
    }

    /// Checks the `iss` of an answer, so that a code of one provider is not sent to another one (RFC 9207).
    ///
    /// # Errors
    /// When it is another issuer, or missing although this provider sends it.
    pub async fn check_answer_issuer(&self, issuer: Option<&str>) -> Result<(), ProviderError> {
        let is_sent = self.find_metadata().await?.authorization_response_iss_parameter_supported;
        match issuer {
            Some(issuer) if issuer == self.config.issuer => Ok(()),
            None if !is_sent => Ok(()),
            _ => Err(TokenError::Issuer.into()),
        }
    }

    /// Redeems a code; the claims of the ID token, all of whose checks have passed.
    ///
    /// # Errors
    /// When the provider does not answer, does not accept the code, or sends a token that is not accepted.
    pub(crate) async fn redeem_code(&self, redemption: &CodeRedemption<'_>) -> Result<TokenClaims, ProviderError> {
        let token = self.fetch_id_token(redemption).await?;
        let expected = ExpectedToken {
            issuer: &self.config.issuer,
            client_id: &self.config.client_id,
            nonce: redemption.nonce,
            now: redemption.now,
        };
        let keys = self.keys.get(self.fetch_keys()).await?;
        match verify_id_token(&token, &keys, &expected) {
            // The provider has changed its keys since.
            Err(TokenError::UnknownKey(_)) => {
                let keys = self.keys.refresh(&keys, self.fetch_keys()).await?;
                Ok(verify_id_token(&token, &keys, &expected)?)
            }
            verified => Ok(verified?),
        }
    }

    /// Asks the provider for what signing in needs; the number of its keys.
    ///
    /// # Errors
    /// Why nobody can sign in.
    pub async fn check(&self) -> Result<usize, ProviderError> {
        self.find_metadata().await?;
        match self.keys.get(self.fetch_keys()).await?.len() {
            0 => Err(ProviderError::Unusable("it publishes no key that can verify signatures".into())),
            count => Ok(count),
        }
    }

    async fn find_metadata(&self) -> Result<Arc<ProviderMetadata>, ProviderError> {
        self.metadata.get(self.fetch_metadata()).await
    }

    async fn fetch_metadata(&self) -> Result<ProviderMetadata, ProviderError> {
        let issuer = &self.config.issuer;
        let address = format!("{}{DISCOVERY_PATH}", issuer.trim_end_matches('/'));
        let url = Url::parse(&address).map_err(|error| ProviderError::Unusable(format!("{address}: {error}")))?;
        let metadata: ProviderMetadata = self.client.fetch_json(&url, "its configuration").await?;
        if metadata.issuer != *issuer {
            return Err(ProviderError::Unusable(format!(
                "its configuration names the issuer {:?}, and OFFPRINT_OIDC_ISSUER is {issuer:?}. They must be equal, to the \
                 last slash",
                metadata.issuer
            )));
        }
        let endpoints = [&metadata.authorization_endpoint, &metadata.token_endpoint, &metadata.jwks_uri];
        let is_local = is_loopback(&url);
        match endpoints.iter().find(|url| !is_secure_address(url) || (url.scheme() == "http" && !is_local)) {
            Some(url) => Err(ProviderError::Unusable(format!("its address {url} is not https"))),
            None => Ok(metadata),
        }
    }

    async fn fetch_keys(&self) -> Result<KeySet, ProviderError> {
        let url = self.find_metadata().await?.jwks_uri.clone();
        let document = self.client.fetch_json(&url, "its keys").await?;
        Ok(KeySet::from_document(document))
    }

    async fn fetch_id_token(&self, redemption: &CodeRedemption<'_>) -> Result<String, ProviderError> {
        let metadata = self.find_metadata().await?;
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", redemption.code)
            .append_pair("redirect_uri", redemption.redirect_uri)
            .append_pair("code_verifier", redemption.code_verifier);
        let basic = self.authenticate_client(&metadata, &mut form);
        let what = "its token endpoint";
        let (status, body) = self.client.post_form(&metadata.token_endpoint, form.finish(), basic, what).await?;
        if !status.is_success() {
            return Err(read_token_error(what, status, &body));
        }
        let reply: TokenReply = serde_json::from_slice(&body)
            .map_err(|error| ProviderError::Unusable(format!("{what} does not answer with JSON: {error}")))?;
        reply.id_token.ok_or_else(|| ProviderError::Unusable(format!("{what} sends no `id_token`")))
    }

    /// Adds who we are to a form, or returns it as `Authorization` (OpenID Connect Core 9, RFC 6749 2.3.1).
    fn authenticate_client(
        &self,
        metadata: &ProviderMetadata,
        form: &mut form_urlencoded::Serializer<'_, String>,
    ) -> Option<String> {
        let OidcConfig { client_id, client_secret, .. } = &self.config;
        let Some(secret) = client_secret else {
            form.append_pair("client_id", client_id);
            return None;
        };
        let methods = metadata.token_endpoint_auth_methods_supported.as_deref().unwrap_or_default();
        let is_supported = |name: &str| methods.iter().any(|method| method == name);
        if is_supported("client_secret_post") && !is_supported("client_secret_basic") {
            form.append_pair("client_id", client_id).append_pair("client_secret", secret);
            return None;
        }
        let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        Some(format!("Basic {}", STANDARD.encode(format!("{}:{}", encode(client_id), encode(secret)))))
    }
}

/// What a token endpoint says instead of a token (RFC 6749 5.2).
fn read_token_error(what: &str, status: StatusCode, body: &[u8]) -> ProviderError {
    let Ok(TokenErrorReply { error, error_description }) = serde_json::from_slice(body) else {
        return ProviderError::from_status(what, status);
    };
    // Texts of another program, for the log: bounded, and on one line.
    let text: String = format!("{error:?} {:?}", error_description.unwrap_or_default()).chars().take(300).collect();
    match error.as_str() {
        "invalid_grant" => ProviderError::CodeRejected(text),
        _ => ProviderError::Unusable(format!("{what} answers {status}: {text}")),
    }
}
