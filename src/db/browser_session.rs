//! Browsers in which somebody is signed in. Only a hash of a session's secret is stored; the cookie has the secret.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use offprint_core::Digest;
use sha2::Sha256;
use sqlx::types::Json;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::db::capability::Capability;
use crate::db::interval::to_pg_interval;
use crate::db::optional_digest::OptionalDigest;
use crate::db::{DbError, PgPool};
use crate::id::{CompanyId, KeyId, SessionId, UserId};

/// A session with its secret, as the cookie has it: `os_<id>_<secret>`.
#[derive(Clone)]
pub struct RawSession {
    pub id: SessionId,
    secret: [u8; 32],
}

impl RawSession {
    /// Creates a session with 256 random bits.
    ///
    /// # Errors
    /// When the operating system provides no random bytes.
    pub fn new() -> Result<Self, getrandom::Error> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)?;
        Ok(Self { id: SessionId::new(), secret })
    }

    /// The value of the cookie, for its browser only.
    pub fn reveal(&self) -> String {
        format!("os_{}_{}", self.id.0.simple(), hex::encode(self.secret))
    }

    /// The hash of the secret, which is stored.
    pub fn hash(&self) -> Digest {
        Digest::compute(&self.secret)
    }

    /// The token that proves that a write comes from a page of this session. It does not reveal the secret.
    pub fn csrf_token(&self) -> String {
        compute_csrf_token(&self.secret)
    }

    fn matches(&self, stored: &Digest) -> bool {
        bool::from(self.hash().0.ct_eq(&stored.0))
    }
}

/// The CSRF token of a secret.
pub fn compute_csrf_token(secret: &[u8]) -> String {
    derive_secret(secret, b"csrf token").map(hex::encode).unwrap_or_default()
}

/// A secret for one purpose, made from another one, which it does not reveal.
pub fn derive_secret(secret: &[u8], purpose: &[u8]) -> Option<[u8; 32]> {
    let mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    Some(mac.chain_update(purpose).finalize().into_bytes().into())
}

/// The text is not a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a session")]
pub struct ParseSessionError;

impl FromStr for RawSession {
    type Err = ParseSessionError;

    fn from_str(text: &str) -> Result<Self, ParseSessionError> {
        let (id, secret) = text.strip_prefix("os_").and_then(|rest| rest.split_once('_')).ok_or(ParseSessionError)?;
        let id = SessionId(Uuid::try_parse(id).map_err(|_| ParseSessionError)?);
        let mut session = Self { id, secret: [0; 32] };
        hex::decode_to_slice(secret, &mut session.secret).map_err(|_| ParseSessionError)?;
        Ok(session)
    }
}

impl fmt::Debug for RawSession {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "RawSession({})", self.id)
    }
}

/// How somebody signed in; the session ends with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignInMethod {
    /// By an API key of this user.
    Key(UserId, KeyId),
    /// By a link in a mail to this user.
    Mail(UserId),
    /// By OFFPRINT_API_KEY, of which this is the hash.
    OperatorKey(Digest),
    /// At an identity provider, as this user.
    Provider {
        user: UserId,
        issuer: String,
        /// What the provider's claims gave then.
        capabilities: Vec<Capability>,
    },
}

/// A session that has not expired.
#[derive(Clone, Debug)]
pub struct SessionRow {
    pub company_id: CompanyId,
    pub method: SignInMethod,
    /// Of the user.
    pub user_name: Option<String>,
}

#[derive(sqlx::FromRow)]
struct StoredSession {
    company_id: CompanyId,
    #[sqlx(try_from = "[u8; 32]")]
    secret_sha256: Digest,
    user_id: Option<UserId>,
    api_key_id: Option<KeyId>,
    #[sqlx(try_from = "OptionalDigest")]
    operator_key_sha256: Option<Digest>,
    issuer: Option<String>,
    capabilities: Option<Json<Vec<Capability>>>,
    user_name: Option<String>,
}

/// Inserts a session that lasts this long.
pub async fn insert_session(
    pool: &PgPool,
    company: CompanyId,
    raw: &RawSession,
    method: &SignInMethod,
    ttl: Duration,
) -> Result<(), DbError> {
    let (user, key, operator_key) = match method {
        SignInMethod::Key(user, key) => (Some(*user), Some(*key), None),
        SignInMethod::Mail(user) | SignInMethod::Provider { user, .. } => (Some(*user), None, None),
        SignInMethod::OperatorKey(hash) => (None, None, Some(hash.to_bytes())),
    };
    let (issuer, capabilities) = match method {
        SignInMethod::Provider { issuer, capabilities, .. } => (Some(issuer), Some(Json(capabilities))),
        _ => (None, None),
    };
    sqlx::query(
        "insert into browser_session (company_id, session_id, secret_sha256, user_id, api_key_id, operator_key_sha256, expires_at,
                                      issuer, capabilities)
         values ($1, $2, $3, $4, $5, $6, now() + $7, $8, $9)",
    )
    .bind(company)
    .bind(raw.id)
    .bind(raw.hash().to_bytes())
    .bind(user)
    .bind(key)
    .bind(operator_key)
    .bind(to_pg_interval(ttl))
    .bind(issuer)
    .bind(capabilities)
    .execute(pool)
    .await?;
    Ok(())
}

/// Finds the session of a cookie, of whichever company; none when it has ended or the secret is wrong.
pub async fn find_session(pool: &PgPool, raw: &RawSession) -> Result<Option<SessionRow>, DbError> {
    let stored: Option<StoredSession> = sqlx::query_as(
        "select session.*, company_user.name as user_name
           from browser_session session left join company_user using (company_id, user_id)
          where session_id = $1 and session.expires_at > now()",
    )
    .bind(raw.id)
    .fetch_optional(pool)
    .await?;
    Ok(stored.filter(|stored| raw.matches(&stored.secret_sha256)).and_then(|stored| {
        let StoredSession { company_id, user_name, issuer, capabilities, .. } = stored;
        let method = match (stored.user_id, stored.api_key_id, stored.operator_key_sha256, issuer.zip(capabilities)) {
            (Some(user), Some(key), _, _) => SignInMethod::Key(user, key),
            (Some(user), None, _, Some((issuer, Json(capabilities)))) => {
                SignInMethod::Provider { user, issuer, capabilities }
            }
            (Some(user), None, _, None) => SignInMethod::Mail(user),
            (None, _, Some(hash), _) => SignInMethod::OperatorKey(hash),
            _ => return None,
        };
        Some(SessionRow { company_id, method, user_name })
    }))
}

/// Whether a session that was found has not ended meanwhile.
pub async fn is_session_open(pool: &PgPool, session: SessionId) -> Result<bool, DbError> {
    let sql = "select exists (select from browser_session where session_id = $1 and expires_at > now())";
    Ok(sqlx::query_scalar(sql).bind(session).fetch_one(pool).await?)
}

/// Ends a session. Repeating it is harmless.
pub async fn delete_session(pool: &PgPool, session: SessionId) -> Result<(), DbError> {
    sqlx::query("delete from browser_session where session_id = $1").bind(session).execute(pool).await?;
    Ok(())
}

/// Removes sessions, and links and attempts to sign in, that have expired.
pub async fn delete_expired_sessions(pool: &PgPool) -> Result<(), DbError> {
    for sql in [
        "delete from browser_session where expires_at <= now()",
        "delete from sign_in_attempt where expires_at <= now()",
        // Kept for a day, so that their holders learn what happened.
        "delete from sign_in_link where expires_at <= now() - interval '1 day'",
    ] {
        sqlx::query(sql).execute(pool).await?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_session_comes_back_and_its_token_is_its_own() {
        let (one, other) = (RawSession::new().unwrap(), RawSession::new().unwrap());
        let parsed: RawSession = one.reveal().parse().unwrap();
        assert!(parsed.matches(&one.hash()) && !other.matches(&one.hash()));
        assert_eq!(parsed.csrf_token(), one.csrf_token());
        assert_ne!(one.csrf_token(), other.csrf_token());
        assert!(!one.reveal().contains(&one.csrf_token()));
        assert!(!format!("{one:?}").contains(&hex::encode(one.secret)), "it is not shown by accident");
        for wrong in ["", "os_", "os__", "os_x_y", &one.reveal()[1..], &format!("{}0", one.reveal())] {
            assert_eq!(wrong.parse::<RawSession>().err(), Some(ParseSessionError), "{wrong}");
        }
    }
}
