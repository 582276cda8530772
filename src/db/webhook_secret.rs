//! The secrets that sign a company's webhook messages: the current one and, for a day after a rotation, the previous
//! one, so that receivers have time to change.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use sqlx::AssertSqlSafe;

use crate::db::link::RANDOM_SECRET_SQL;
use crate::db::{DbConnection, DbError, PgPool};
use crate::id::CompanyId;

/// For how many hours the previous secret also signs.
pub const ROTATION_OVERLAP_HOURS: i32 = 24;

/// A secret that signs webhook messages.
#[derive(Clone, sqlx::FromRow)]
pub struct WebhookSecretRow {
    /// 256 random bits.
    pub secret: Vec<u8>,
    pub created_at: DateTime<Utc>,
    /// When it stops signing; none for the current secret.
    pub expires_at: Option<DateTime<Utc>>,
}

impl WebhookSecretRow {
    /// The form that owners see and that libraries for Standard Webhooks take.
    pub fn to_text(&self) -> String {
        format!("whsec_{}", STANDARD.encode(&self.secret))
    }
}

/// Lists the secrets that sign now, the current one first. Creates one when there is none.
pub async fn ensure_webhook_secrets(pool: &PgPool, company: CompanyId) -> Result<Vec<WebhookSecretRow>, DbError> {
    let mut connection = pool.acquire().await?;
    let secrets = list_signing_secrets(&mut connection, company).await?;
    if !secrets.is_empty() {
        return Ok(secrets);
    }
    sqlx::query(AssertSqlSafe(format!(
        "insert into webhook_secret (company_id, secret_id, secret) values ($1, 1, {RANDOM_SECRET_SQL}) on conflict do nothing"
    )))
    .bind(company)
    .execute(&mut *connection)
    .await?;
    list_signing_secrets(&mut connection, company).await
}

async fn list_signing_secrets(
    connection: &mut DbConnection,
    company: CompanyId,
) -> Result<Vec<WebhookSecretRow>, DbError> {
    let secrets = sqlx::query_as(
        "select secret, created_at, expires_at from webhook_secret
          where company_id = $1 and (expires_at is null or expires_at > now()) order by secret_id desc",
    )
    .bind(company)
    .fetch_all(connection)
    .await?;
    Ok(secrets)
}

/// Creates a new current secret. The previous one goes on signing beside it for [`ROTATION_OVERLAP_HOURS`] hours; older
/// ones are removed. Returns the secrets that sign from now on.
pub async fn rotate_webhook_secret(
    connection: &mut DbConnection,
    company: CompanyId,
) -> Result<Vec<WebhookSecretRow>, DbError> {
    sqlx::query("select from company where company_id = $1 for no key update")
        .bind(company)
        .execute(&mut *connection)
        .await?;
    sqlx::query("delete from webhook_secret where company_id = $1 and expires_at is not null")
        .bind(company)
        .execute(&mut *connection)
        .await?;
    sqlx::query("update webhook_secret set expires_at = now() + make_interval(hours => $2) where company_id = $1")
        .bind(company)
        .bind(ROTATION_OVERLAP_HOURS)
        .execute(&mut *connection)
        .await?;
    sqlx::query(AssertSqlSafe(format!(
        "insert into webhook_secret (company_id, secret_id, secret)
         select $1, coalesce(max(secret_id), 0) + 1, {RANDOM_SECRET_SQL} from webhook_secret where company_id = $1"
    )))
    .bind(company)
    .execute(&mut *connection)
    .await?;
    list_signing_secrets(connection, company).await
}
