//! Idempotency keys: the response to a request is stored for a day, in the transaction that does what was requested. A
//! client that lost the response repeats the request and gets it again.

use offprint_core::Digest;
use serde_json::Value;
use sqlx::PgExecutor;
use sqlx::types::Json;

use crate::db::{DbConnection, DbError, PgPool};
use crate::id::CompanyId;

/// A stored response.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct IdempotencyRow {
    /// Method and path of the request; another operation with the same key is rejected.
    pub operation: String,
    /// Hash of the request; another request with the same key is rejected.
    #[sqlx(try_from = "[u8; 32]")]
    pub request_hash: Digest,
    /// The response body.
    pub answer: Json<Value>,
    /// URL of what was created; empty when nothing was.
    pub location: String,
}

/// State of an idempotency key.
#[derive(Clone, Debug)]
pub enum IdempotencyState {
    /// Unused. The caller holds it until the transaction ends.
    New,
    /// Another request with it is being processed.
    InFlight,
    Used(IdempotencyRow),
}

/// Claims a key until the transaction ends. The advisory lock makes two concurrent requests with one key visible to
/// each other before either has written a row.
pub async fn claim_idempotency_key(
    connection: &mut DbConnection,
    company: CompanyId,
    key: &str,
) -> Result<IdempotencyState, DbError> {
    let is_claimed: bool =
        sqlx::query_scalar("select pg_try_advisory_xact_lock(hashtextextended($1::text || ' ' || $2, 0))")
            .bind(company.to_string())
            .bind(key)
            .fetch_one(&mut *connection)
            .await?;
    if !is_claimed {
        return Ok(IdempotencyState::InFlight);
    }
    let stored = find_idempotent_response(connection, company, key).await?;
    Ok(stored.map_or(IdempotencyState::New, IdempotencyState::Used))
}

/// The response that is stored under a key.
pub async fn find_idempotent_response(
    executor: impl PgExecutor<'_>,
    company: CompanyId,
    key: &str,
) -> Result<Option<IdempotencyRow>, DbError> {
    let stored = sqlx::query_as(
        "select operation, request_hash, answer, location from idempotency
          where company_id = $1 and key = $2 and expires_at > now()",
    );
    Ok(stored.bind(company).bind(key).fetch_optional(executor).await?)
}

/// Stores the response under its key for a day.
pub async fn save_idempotent_response(
    connection: &mut DbConnection,
    company: CompanyId,
    key: &str,
    response: &IdempotencyRow,
) -> Result<(), DbError> {
    sqlx::query(
        "insert into idempotency (company_id, key, operation, request_hash, answer, location, expires_at)
         values ($1, $2, $3, $4, $5, $6, now() + interval '24 hours')
         on conflict (company_id, key) do update
            set operation = excluded.operation, request_hash = excluded.request_hash, answer = excluded.answer,
                location = excluded.location, expires_at = excluded.expires_at",
    )
    .bind(company)
    .bind(key)
    .bind(&response.operation)
    .bind(response.request_hash.to_bytes())
    .bind(&response.answer)
    .bind(&response.location)
    .execute(connection)
    .await?;
    Ok(())
}

/// Deletes expired keys. Returns how many.
pub async fn delete_expired_idempotency_keys(pool: &PgPool) -> Result<u64, DbError> {
    let deleted = sqlx::query("delete from idempotency where expires_at <= now()").execute(pool).await?;
    Ok(deleted.rows_affected())
}
