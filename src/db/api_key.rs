//! API keys: who calls and what that caller may do. Only a hash of a key's secret is stored.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use offprint_core::Digest;
use sqlx::types::Json;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::db::capability::Capability;
use crate::db::signal::{SIGNAL_CHANNEL, Signal};
use crate::db::{DbConnection, DbError, PgPool};
use crate::id::{CompanyId, KeyId, UserId};

/// An API key with its secret: `op_<id>_<secret>`. It is shown once, when it is created, and never stored or logged.
#[derive(Clone)]
pub struct RawKey {
    pub id: KeyId,
    secret: [u8; 32],
}

impl RawKey {
    /// Creates a key with 256 random bits.
    ///
    /// # Errors
    /// When the operating system provides no random bytes.
    pub fn new() -> Result<Self, getrandom::Error> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)?;
        Ok(Self { id: KeyId::new(), secret })
    }

    /// The key as text, for its owner only.
    pub fn reveal(&self) -> String {
        format!("op_{}_{}", self.id.0.simple(), hex::encode(self.secret))
    }

    /// The hash of the secret, which is stored.
    pub fn hash(&self) -> Digest {
        Digest::compute(&self.secret)
    }

    /// Whether this key has the stored hash, compared in constant time.
    pub fn matches(&self, stored: &Digest) -> bool {
        bool::from(self.hash().0.ct_eq(&stored.0))
    }
}

/// The text is not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a key")]
pub struct ParseKeyError;

impl FromStr for RawKey {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, ParseKeyError> {
        let (id, secret) = text.strip_prefix("op_").and_then(|rest| rest.split_once('_')).ok_or(ParseKeyError)?;
        let mut key = Self { id: KeyId(Uuid::try_parse(id).map_err(|_| ParseKeyError)?), secret: [0; 32] };
        hex::decode_to_slice(secret, &mut key.secret).map_err(|_| ParseKeyError)?;
        // Reject other spellings of the same key, such as upper-case digits.
        if bool::from(key.reveal().as_bytes().ct_eq(text.as_bytes())) { Ok(key) } else { Err(ParseKeyError) }
    }
}

impl fmt::Debug for RawKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "RawKey({})", self.id)
    }
}

/// A stored key and its user.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ApiKeyRow {
    pub company_id: CompanyId,
    pub key_id: KeyId,
    pub user_id: UserId,
    pub name: String,
    #[sqlx(try_from = "[u8; 32]")]
    pub secret_sha256: Digest,
    pub capabilities: Json<Vec<Capability>>,
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
    pub used_at: Option<DateTime<Utc>>,
    /// By the database's clock.
    pub expired: bool,
    pub user_name: String,
    pub user_email: Option<String>,
    pub user_locale: Option<String>,
    pub user_time_zone: Option<String>,
}

/// Selects an [`ApiKeyRow`]; the argument is the rest of the statement.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select api_key.*, coalesce(api_key.expires_at <= now(), false) as expired, company_user.name as user_name,
                    company_user.email as user_email, company_user.locale as user_locale,
                    company_user.time_zone as user_time_zone
               from api_key join company_user using (company_id, user_id) ",
            $rest
        )
    };
}

/// Finds a key by its id, of whichever company.
pub async fn find_api_key(pool: &PgPool, key: KeyId) -> Result<Option<ApiKeyRow>, DbError> {
    Ok(sqlx::query_as(select!("where key_id = $1")).bind(key).fetch_optional(pool).await?)
}

/// Records that a key is used, at most once a minute.
pub async fn touch_api_key(pool: &PgPool, key: &ApiKeyRow) -> Result<(), DbError> {
    let recently = key.used_at.is_some_and(|at| Utc::now() - at < chrono::TimeDelta::seconds(60));
    if recently {
        return Ok(());
    }
    sqlx::query(
        "update api_key set used_at = now()
          where company_id = $1 and key_id = $2 and (used_at is null or used_at < now() - interval '1 minute')",
    )
    .bind(key.company_id)
    .bind(key.key_id)
    .execute(pool)
    .await?;
    Ok(())
}

/// A key to insert.
#[derive(Clone, Debug)]
pub struct NewApiKeyRow<'a> {
    pub name: &'a str,
    pub user: UserId,
    pub capabilities: &'a [Capability],
    pub expires_at: Option<DateTime<Utc>>,
}

/// Inserts a key; only the hash of its secret is stored.
pub async fn insert_api_key(
    connection: &mut DbConnection,
    company: CompanyId,
    raw: &RawKey,
    new: &NewApiKeyRow<'_>,
) -> Result<ApiKeyRow, DbError> {
    sqlx::query(
        "insert into api_key (company_id, key_id, user_id, name, secret_sha256, capabilities, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(company)
    .bind(raw.id)
    .bind(new.user)
    .bind(new.name)
    .bind(raw.hash().to_bytes())
    .bind(Json(new.capabilities))
    .bind(new.expires_at)
    .execute(&mut *connection)
    .await?;
    fetch_api_key(connection, company, raw.id).await
}

/// Fetches a key of a company.
pub async fn fetch_api_key(
    connection: &mut DbConnection,
    company: CompanyId,
    key: KeyId,
) -> Result<ApiKeyRow, DbError> {
    let row = sqlx::query_as(select!("where company_id = $1 and key_id = $2"))
        .bind(company)
        .bind(key)
        .fetch_optional(connection)
        .await?;
    row.ok_or(DbError::NotFound("key"))
}

/// Whether there is any API key in the installation.
pub async fn has_any_api_key(pool: &PgPool) -> Result<bool, DbError> {
    Ok(sqlx::query_scalar("select exists (select from api_key)").fetch_one(pool).await?)
}

/// Lists at most `limit` keys of a company after the given one, in order of creation.
pub async fn list_api_keys(
    pool: &PgPool,
    company: CompanyId,
    after: Option<KeyId>,
    limit: i64,
) -> Result<Vec<ApiKeyRow>, DbError> {
    let keys =
        sqlx::query_as(select!("where company_id = $1 and ($2::uuid is null or key_id > $2) order by key_id limit $3"))
            .bind(company)
            .bind(after)
            .bind(limit)
            .fetch_all(pool)
            .await?;
    Ok(keys)
}

/// Finds the capabilities of all valid keys of a user together; none when the user has no valid key.
pub async fn find_user_capabilities(
    connection: &mut DbConnection,
    company: CompanyId,
    user: UserId,
) -> Result<Option<Vec<Capability>>, DbError> {
    let keys: Vec<Json<Vec<Capability>>> = sqlx::query_scalar(
        "select capabilities from api_key
          where company_id = $1 and user_id = $2 and revoked_at is null and (expires_at is null or expires_at > now())",
    )
    .bind(company)
    .bind(user)
    .fetch_all(connection)
    .await?;
    Ok((!keys.is_empty()).then(|| keys.into_iter().flat_map(|key| key.0).collect()))
}

/// Revokes a key and notifies every process. Repeating it is harmless; the first time of revocation stays.
pub async fn revoke_api_key(pool: &PgPool, company: CompanyId, key: KeyId) -> Result<(), DbError> {
    let notified = sqlx::query(
        "with revoked as (
             update api_key set revoked_at = coalesce(revoked_at, now()) where company_id = $1 and key_id = $2 returning 1
         )
         select pg_notify($3, $4) from revoked",
    )
    .bind(company)
    .bind(key)
    .bind(SIGNAL_CHANNEL)
    .bind(Signal::KeyRevoked(key).to_string())
    .fetch_optional(pool)
    .await?;
    notified.map(drop).ok_or(DbError::NotFound("key"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_spelling() {
        let key = RawKey::new().unwrap();
        let text = key.reveal();
        assert_eq!(text.len(), 3 + 32 + 1 + 64);
        assert!(text.parse::<RawKey>().unwrap().matches(&key.hash()));
        for wrong in [text.to_uppercase(), text.replace("op_", "sk_"), format!("{text}0"), "op__".into(), "op_".into()]
        {
            assert_eq!(wrong.parse::<RawKey>().err(), Some(ParseKeyError), "{wrong}");
        }
        assert!(!RawKey::new().unwrap().matches(&key.hash()));
    }

    #[test]
    fn a_key_is_not_shown_by_accident() {
        let key = RawKey::new().unwrap();
        assert!(!format!("{key:?}").contains(&hex::encode(key.secret)));
    }
}
