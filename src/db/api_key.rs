//! Keys: who calls and what that caller may do. Only a hash of a key's secret is kept.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use sqlx::types::Json;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::db::capability::Capability;
use crate::db::signal::{CHANNEL, Signal};
use crate::db::{Connection, Error, PgPool};
use crate::digest::Digest;
use crate::id::{CompanyId, KeyId, UserId};

/// A key as its holder has it: `op_<id>_<secret>`. It is shown once, and never written anywhere by us.
#[derive(Clone)]
pub struct RawKey {
    /// By which its row is found.
    pub id: KeyId,
    secret: [u8; 32],
}

impl RawKey {
    /// A new key: 256 bits that nobody can guess.
    ///
    /// # Errors
    /// When the system gives no random bits.
    pub fn new() -> Result<Self, getrandom::Error> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)?;
        Ok(Self { id: KeyId::new(), secret })
    }

    /// The key as text, for its holder alone.
    pub fn reveal(&self) -> String {
        format!("op_{}_{}", self.id.0.simple(), hex::encode(self.secret))
    }

    /// What is kept of the secret.
    pub fn hash(&self) -> Digest {
        Digest::of(&self.secret)
    }

    /// Whether this is the key whose hash was kept. Takes as long for a wrong one.
    pub fn fits(&self, kept: &Digest) -> bool {
        bool::from(self.hash().0.ct_eq(&kept.0))
    }
}

/// The text is not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a key")]
pub struct NotAKey;

impl FromStr for RawKey {
    type Err = NotAKey;

    fn from_str(said: &str) -> Result<Self, NotAKey> {
        let (id, secret) = said.strip_prefix("op_").and_then(|rest| rest.split_once('_')).ok_or(NotAKey)?;
        let mut key = Self { id: KeyId(Uuid::try_parse(id).map_err(|_| NotAKey)?), secret: [0; 32] };
        hex::decode_to_slice(secret, &mut key.secret).map_err(|_| NotAKey)?;
        // One spelling only.
        if bool::from(key.reveal().as_bytes().ct_eq(said.as_bytes())) { Ok(key) } else { Err(NotAKey) }
    }
}

impl fmt::Debug for RawKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "RawKey({})", self.id)
    }
}

/// A key as it is kept, and whose it is.
#[derive(Clone, Debug, sqlx::FromRow)]
#[allow(missing_docs, reason = "columns; migrations/0011_access.sql says what they mean")]
pub struct ApiKey {
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
    /// Whether its time is over.
    pub expired: bool,
    /// Of its user.
    pub user_name: String,
    /// Of its user.
    pub user_email: Option<String>,
    /// Of its user.
    pub user_locale: Option<String>,
}

/// A key with its user; conditions follow.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select api_key.*, coalesce(api_key.expires_at <= now(), false) as expired, company_user.name as user_name,
                    company_user.email as user_email, company_user.locale as user_locale
               from api_key join company_user using (company_id, user_id) ",
            $rest
        )
    };
}

/// The key of this id, whoever's it is.
pub async fn find(pool: &PgPool, key: KeyId) -> Result<Option<ApiKey>, Error> {
    let found: Option<ApiKey> = sqlx::query_as(select!("where key_id = $1")).bind(key).fetch_optional(pool).await?;
    Ok(found)
}

/// Notes that a key is used, at most once a minute.
pub async fn touch(pool: &PgPool, key: &ApiKey) -> Result<(), Error> {
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

/// A key that is to be written.
#[derive(Clone, Debug)]
pub struct NewKey<'a> {
    /// What it is for.
    pub name: &'a str,
    /// Whose it is.
    pub user: UserId,
    /// What it may do.
    pub capabilities: &'a [Capability],
    /// When its time is over.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Writes a key down; its secret stays outside.
pub async fn insert(
    connection: &mut Connection,
    company: CompanyId,
    raw: &RawKey,
    new: &NewKey<'_>,
) -> Result<ApiKey, Error> {
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
    fetch(connection, company, raw.id).await
}

/// One key of a company.
pub async fn fetch(connection: &mut Connection, company: CompanyId, key: KeyId) -> Result<ApiKey, Error> {
    let found = sqlx::query_as(select!("where company_id = $1 and key_id = $2"))
        .bind(company)
        .bind(key)
        .fetch_optional(connection)
        .await?;
    found.ok_or(Error::Missing("key"))
}

/// Whether anybody has a key.
pub async fn exists(pool: &PgPool) -> Result<bool, Error> {
    Ok(sqlx::query_scalar("select exists (select from api_key)").fetch_one(pool).await?)
}

/// At most `limit` keys of a company that were made after this one.
pub async fn list(pool: &PgPool, company: CompanyId, after: Option<KeyId>, limit: i64) -> Result<Vec<ApiKey>, Error> {
    let found =
        sqlx::query_as(select!("where company_id = $1 and ($2::uuid is null or key_id > $2) order by key_id limit $3"))
            .bind(company)
            .bind(after)
            .bind(limit)
            .fetch_all(pool)
            .await?;
    Ok(found)
}

/// What the keys in force of somebody may do together; none when no key of theirs is in force.
pub async fn rights_of(
    connection: &mut Connection,
    company: CompanyId,
    user: UserId,
) -> Result<Option<Vec<Capability>>, Error> {
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

/// Ends a key for ever, and tells every process. Repeating it is harmless; the first time stays.
pub async fn revoke(pool: &PgPool, company: CompanyId, key: KeyId) -> Result<(), Error> {
    let told = sqlx::query(
        "with revoked as (
             update api_key set revoked_at = coalesce(revoked_at, now()) where company_id = $1 and key_id = $2 returning 1
         )
         select pg_notify($3, $4) from revoked",
    )
    .bind(company)
    .bind(key)
    .bind(CHANNEL)
    .bind(Signal::Key(key).to_string())
    .fetch_optional(pool)
    .await?;
    told.map(drop).ok_or(Error::Missing("key"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_spelling() {
        let key = RawKey::new().unwrap();
        let said = key.reveal();
        assert_eq!(said.len(), 3 + 32 + 1 + 64);
        assert!(said.parse::<RawKey>().unwrap().fits(&key.hash()));
        for wrong in [said.to_uppercase(), said.replace("op_", "sk_"), format!("{said}0"), "op__".into(), "op_".into()]
        {
            assert_eq!(wrong.parse::<RawKey>().err(), Some(NotAKey), "{wrong}");
        }
        assert!(!RawKey::new().unwrap().fits(&key.hash()));
    }

    #[test]
    fn a_key_is_not_shown_by_accident() {
        let key = RawKey::new().unwrap();
        assert!(!format!("{key:?}").contains(&hex::encode(key.secret)));
    }
}
