//! The checks of an ID token (OpenID Connect Core 3.1.3.7, RFC 8725). Nothing that a token says is believed before all of
//! them have passed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Map, Value};
use subtle::ConstantTimeEq;

use super::algorithm::SigningAlgorithm;
use super::key_set::KeySet;

/// How far the provider's clock may be from ours, in seconds.
const CLOCK_LEEWAY_SECONDS: i64 = 60;
/// The longest `sub` of OpenID Connect Core 2.
const MAX_SUBJECT_BYTES: usize = 255;

/// Why a token is not accepted. For the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("it is not a signed token")]
    Malformed,
    #[error("its algorithm {0:?} is not allowed")]
    Algorithm(String),
    #[error("its header has `{0}`, which is not understood")]
    Header(&'static str),
    #[error("none of the provider's keys is its key {0:?}")]
    UnknownKey(Option<String>),
    #[error("several of the provider's keys may be its key {0:?}")]
    AmbiguousKey(Option<String>),
    #[error("its signature is wrong")]
    Signature,
    #[error("`{0}` is missing or has a wrong type")]
    Missing(&'static str),
    #[error("`iss` is not the issuer")]
    Issuer,
    #[error("it is for somebody else (`aud`, `azp`)")]
    Audience,
    #[error("it has expired (`exp`)")]
    Expired,
    #[error("it is of the future (`iat`, `nbf`)")]
    Early,
    #[error("it belongs to another attempt to sign in (`nonce`)")]
    Nonce,
}

/// What the token must be for.
pub(super) struct ExpectedToken<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    pub(super) now: DateTime<Utc>,
}

/// The claims of a token that was verified.
#[derive(Clone, Debug)]
pub(crate) struct TokenClaims(pub(super) Map<String, Value>);

impl TokenClaims {
    /// The text of a claim; none where it is absent, empty or no text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    /// A claim by its name, or by the path that leads to it.
    pub(super) fn find(&self, path: &str) -> Option<&Value> {
        // Names with dots exist, too: those of some providers are addresses.
        self.0.get(path).or_else(|| {
            let (first, rest) = path.split_once('.')?;
            rest.split('.').try_fold(self.0.get(first)?, |value, name| value.get(name))
        })
    }
}

#[derive(Deserialize)]
struct TokenHeader {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<Value>,
}

/// Verifies a token: its signature first, then what it says.
///
/// # Errors
/// The first check that fails.
pub(super) fn verify_id_token(
    token: &str,
    keys: &KeySet,
    expected: &ExpectedToken<'_>,
) -> Result<TokenClaims, TokenError> {
    let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
    let (header, payload) = message.split_once('.').ok_or(TokenError::Malformed)?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed);
    let header: TokenHeader = serde_json::from_slice(&decode(header)?).map_err(|_| TokenError::Malformed)?;
    let algorithm =
        SigningAlgorithm::from_name(&header.alg).ok_or_else(|| TokenError::Algorithm(header.alg.clone()))?;
    if header.crit.is_some() {
        return Err(TokenError::Header("crit"));
    }
    if header.typ.is_some_and(|kind| !kind.eq_ignore_ascii_case("JWT")) {
        return Err(TokenError::Header("typ"));
    }
    let key_id = header.kid.as_deref();
    keys.verify((algorithm, &header.alg), key_id, message.as_bytes(), &decode(signature)?)?;
    let claims: Map<String, Value> = serde_json::from_slice(&decode(payload)?).map_err(|_| TokenError::Malformed)?;
    let claims = TokenClaims(claims);
    check_claims(&claims, expected)?;
    Ok(claims)
}

fn check_claims(claims: &TokenClaims, expected: &ExpectedToken<'_>) -> Result<(), TokenError> {
    if claims.text("iss") != Some(expected.issuer) {
        return Err(TokenError::Issuer);
    }
    check_audience(claims, expected.client_id)?;
    let now = expected.now.timestamp();
    if read_time(claims, "exp")?.ok_or(TokenError::Missing("exp"))? + CLOCK_LEEWAY_SECONDS <= now {
        return Err(TokenError::Expired);
    }
    let issued_at = read_time(claims, "iat")?.ok_or(TokenError::Missing("iat"))?;
    if issued_at.max(read_time(claims, "nbf")?.unwrap_or(issued_at)) > now + CLOCK_LEEWAY_SECONDS {
        return Err(TokenError::Early);
    }
    let nonce = claims.text("nonce").ok_or(TokenError::Missing("nonce"))?;
    if !bool::from(nonce.as_bytes().ct_eq(expected.nonce.as_bytes())) {
        return Err(TokenError::Nonce);
    }
    match claims.text("sub") {
        Some(subject) if subject.len() <= MAX_SUBJECT_BYTES && !subject.contains(char::is_control) => Ok(()),
        _ => Err(TokenError::Missing("sub")),
    }
}

/// The token is for us; where it is for others, too, it was issued to us.
fn check_audience(claims: &TokenClaims, client_id: &str) -> Result<(), TokenError> {
    let is_one_of_several = match claims.0.get("aud") {
        Some(Value::String(only)) if only == client_id => false,
        Some(Value::Array(all)) if all.iter().any(|one| one == client_id) => all.len() > 1,
        _ => return Err(TokenError::Audience),
    };
    match claims.0.get("azp") {
        None if !is_one_of_several => Ok(()),
        Some(party) if party == client_id => Ok(()),
        _ => Err(TokenError::Audience),
    }
}

/// Seconds since 1970, of which some providers write fractions.
fn read_time(claims: &TokenClaims, name: &'static str) -> Result<Option<i64>, TokenError> {
    let Some(value) = claims.0.get(name) else { return Ok(None) };
    let seconds = value.as_f64().filter(|seconds| (0.0..1e12).contains(seconds));
    seconds.map(|seconds| Some(seconds as i64)).ok_or(TokenError::Missing(name))
}
