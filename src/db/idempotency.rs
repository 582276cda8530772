//! Idempotency keys: the answer to a request, kept for its repetition.

use serde_json::Value;
use sqlx::types::Json;

use crate::db::{Connection, Error, PgPool};
use crate::digest::Digest;
use crate::id::CompanyId;

/// An answer that was given before.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Given {
    /// Hash of the request it was given to.
    #[sqlx(try_from = "[u8; 32]")]
    pub request_hash: Digest,
    /// The body.
    pub answer: Json<Value>,
    /// Address of what was created.
    pub location: String,
}

/// What a key is worth at this moment.
#[derive(Clone, Debug)]
pub enum Key {
    /// Nobody has used it: it is the caller's until the transaction ends.
    New,
    /// Another request with it is still being answered.
    InFlight,
    /// It was used.
    Used(Given),
}

/// Takes a key for the length of the transaction.
pub async fn take(connection: &mut Connection, company: CompanyId, key: &str) -> Result<Key, Error> {
    let taken: bool =
        sqlx::query_scalar("select pg_try_advisory_xact_lock(hashtextextended($1::text || ' ' || $2, 0))")
            .bind(company.to_string())
            .bind(key)
            .fetch_one(&mut *connection)
            .await?;
    if !taken {
        return Ok(Key::InFlight);
    }
    let given = sqlx::query_as(
        "select request_hash, answer, location from idempotency where company_id = $1 and key = $2 and expires_at > now()",
    )
    .bind(company)
    .bind(key)
    .fetch_optional(connection)
    .await?;
    Ok(given.map_or(Key::New, Key::Used))
}

/// Keeps the answer under its key for a day.
pub async fn keep(connection: &mut Connection, company: CompanyId, key: &str, given: &Given) -> Result<(), Error> {
    sqlx::query(
        "insert into idempotency (company_id, key, request_hash, answer, location, expires_at)
         values ($1, $2, $3, $4, $5, now() + interval '24 hours')
         on conflict (company_id, key) do update
            set request_hash = excluded.request_hash, answer = excluded.answer, location = excluded.location,
                expires_at = excluded.expires_at",
    )
    .bind(company)
    .bind(key)
    .bind(given.request_hash.to_bytes())
    .bind(&given.answer)
    .bind(&given.location)
    .execute(connection)
    .await?;
    Ok(())
}

/// Removes what has expired. Returns how many.
pub async fn remove_expired(pool: &PgPool) -> Result<u64, Error> {
    let removed = sqlx::query("delete from idempotency where expires_at <= now()").execute(pool).await?;
    Ok(removed.rows_affected())
}
