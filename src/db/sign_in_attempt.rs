//! Attempts to sign in at the identity provider that have begun: each is finished once, within minutes, in the browser that
//! began it. Rows have hashes only.

use std::time::Duration;

use chrono::{DateTime, Utc};
use offprint_core::Digest;

use crate::db::interval::to_pg_interval;
use crate::db::{DbError, PgPool};

/// Inserts an attempt.
pub async fn insert_sign_in_attempt(
    pool: &PgPool,
    state: &Digest,
    browser: &Digest,
    next_path: &str,
    ttl: Duration,
) -> Result<(), DbError> {
    sqlx::query(
        "insert into sign_in_attempt (state_sha256, browser_sha256, next_path, expires_at)
         values ($1, $2, $3, now() + $4)",
    )
    .bind(state.to_bytes())
    .bind(browser.to_bytes())
    .bind(next_path)
    .bind(to_pg_interval(ttl))
    .execute(pool)
    .await?;
    Ok(())
}

/// Uses an attempt up. Returns where to go, and the database's time; none when it was used, has expired, or belongs to another
/// browser, whose attempt it stays.
pub async fn use_sign_in_attempt(
    pool: &PgPool,
    state: &Digest,
    browser: &Digest,
) -> Result<Option<(String, DateTime<Utc>)>, DbError> {
    let used = sqlx::query_as(
        "delete from sign_in_attempt where state_sha256 = $1 and browser_sha256 = $2 and expires_at > now()
         returning next_path, now()",
    )
    .bind(state.to_bytes())
    .bind(browser.to_bytes())
    .fetch_optional(pool)
    .await?;
    Ok(used)
}
