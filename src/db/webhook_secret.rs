//! The secrets that sign a company's webhooks: its own, and the one before for as long as receivers may take to change.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use sqlx::AssertSqlSafe;

use crate::db::link::SECRET;
use crate::db::{Connection, Error, PgPool};
use crate::id::CompanyId;

/// Hours that the secret before goes on signing.
pub const OVERLAP: i32 = 24;

/// A secret that signs.
#[derive(Clone, sqlx::FromRow)]
pub struct WebhookSecret {
    /// 256 random bits.
    pub secret: Vec<u8>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it ceases to sign; none for the company's own.
    pub expires_at: Option<DateTime<Utc>>,
}

impl WebhookSecret {
    /// As its owner sees it, and as libraries of Standard Webhooks take it.
    pub fn spelled(&self) -> String {
        format!("whsec_{}", STANDARD.encode(&self.secret))
    }
}

/// The secrets that sign now, the company's own first; made when there is none.
pub async fn valid(pool: &PgPool, company: CompanyId) -> Result<Vec<WebhookSecret>, Error> {
    let mut connection = pool.acquire().await?;
    let found = signing(&mut connection, company).await?;
    if !found.is_empty() {
        return Ok(found);
    }
    sqlx::query(AssertSqlSafe(format!(
        "insert into webhook_secret (company_id, secret_id, secret) values ($1, 1, {SECRET}) on conflict do nothing"
    )))
    .bind(company)
    .execute(&mut *connection)
    .await?;
    signing(&mut connection, company).await
}

async fn signing(connection: &mut Connection, company: CompanyId) -> Result<Vec<WebhookSecret>, Error> {
    let found = sqlx::query_as(
        "select secret, created_at, expires_at from webhook_secret
          where company_id = $1 and (expires_at is null or expires_at > now()) order by secret_id desc",
    )
    .bind(company)
    .fetch_all(connection)
    .await?;
    Ok(found)
}

/// Makes another secret; the one that was the company's own goes on signing beside it for [`OVERLAP`] hours, older ones
/// are removed. The secrets that sign from now on.
pub async fn rotate(pool: &PgPool, company: CompanyId) -> Result<Vec<WebhookSecret>, Error> {
    let mut transaction = pool.begin().await?;
    sqlx::query("select from company where company_id = $1 for no key update")
        .bind(company)
        .execute(&mut *transaction)
        .await?;
    sqlx::query("delete from webhook_secret where company_id = $1 and expires_at is not null")
        .bind(company)
        .execute(&mut *transaction)
        .await?;
    sqlx::query("update webhook_secret set expires_at = now() + make_interval(hours => $2) where company_id = $1")
        .bind(company)
        .bind(OVERLAP)
        .execute(&mut *transaction)
        .await?;
    sqlx::query(AssertSqlSafe(format!(
        "insert into webhook_secret (company_id, secret_id, secret)
         select $1, coalesce(max(secret_id), 0) + 1, {SECRET} from webhook_secret where company_id = $1"
    )))
    .bind(company)
    .execute(&mut *transaction)
    .await?;
    let found = signing(&mut transaction, company).await?;
    transaction.commit().await?;
    Ok(found)
}
