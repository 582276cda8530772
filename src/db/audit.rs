//! The audit log: who did what, to which object, from where, with what outcome.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::db::interval::to_pg_interval;
use crate::db::{DbError, PgPool};
use crate::id::{AuditId, CompanyId, KeyId, UserId};

/// How an audited request or command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum AuditOutcome {
    /// It succeeded.
    Done,
    /// The caller lacks the permission.
    Refused,
    /// It failed for another reason.
    Failed,
    /// The caller disconnected before the response. It may have succeeded.
    Unknown,
}

/// An entry of the audit log.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct AuditRow {
    pub audit_id: AuditId,
    pub at: DateTime<Utc>,
    pub user_id: Option<UserId>,
    pub user_name: Option<String>,
    pub key_id: Option<KeyId>,
    pub operation: String,
    pub object: String,
    pub address: Option<String>,
    pub outcome: AuditOutcome,
    pub status: Option<i16>,
    pub code: Option<String>,
    pub request_id: Option<String>,
}

/// An entry to insert.
#[derive(Clone, Debug)]
pub struct NewAuditEntry {
    pub company: CompanyId,
    pub user: Option<UserId>,
    pub key: Option<KeyId>,
    pub operation: String,
    pub object: String,
    pub address: Option<String>,
    pub outcome: AuditOutcome,
    pub status: Option<i16>,
    pub code: Option<String>,
    pub request_id: Option<String>,
}

impl NewAuditEntry {
    /// An entry for a command of `offprint admin` that succeeded.
    pub fn for_command(company: CompanyId, command: &str, object: impl Into<String>) -> Self {
        Self {
            company,
            user: None,
            key: None,
            operation: format!("offprint admin {command}"),
            object: object.into(),
            address: None,
            outcome: AuditOutcome::Done,
            status: None,
            code: None,
            request_id: None,
        }
    }
}

/// Inserts an entry.
pub async fn insert_audit_entry(pool: &PgPool, entry: &NewAuditEntry) -> Result<(), DbError> {
    sqlx::query(
        "insert into audit_log (company_id, audit_id, user_id, user_name, key_id, operation, object, address, outcome,
                                status, code, request_id)
         values ($1, $2, $3, (select name from company_user where company_id = $1 and user_id = $3), $4, $5, $6, $7, $8,
                 $9, $10, $11)",
    )
    .bind(entry.company)
    .bind(AuditId::new())
    .bind(entry.user)
    .bind(entry.key)
    .bind(&entry.operation)
    .bind(&entry.object)
    .bind(&entry.address)
    .bind(entry.outcome)
    .bind(entry.status)
    .bind(&entry.code)
    .bind(&entry.request_id)
    .execute(pool)
    .await?;
    Ok(())
}

/// Which entries a list contains. None means no restriction.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    pub user: Option<UserId>,
    pub key: Option<KeyId>,
    pub operation: Option<String>,
    pub object: Option<String>,
    pub outcome: Option<AuditOutcome>,
    /// Inclusive.
    pub since: Option<DateTime<Utc>>,
    /// Exclusive.
    pub until: Option<DateTime<Utc>>,
}

/// Lists at most `limit` entries before the given one, newest first.
pub async fn list_audit_entries(
    pool: &PgPool,
    company: CompanyId,
    filter: &AuditFilter,
    before: Option<AuditId>,
    limit: i64,
) -> Result<Vec<AuditRow>, DbError> {
    let entries = sqlx::query_as(
        "select audit_id, at, user_id, user_name, key_id, operation, object, address, outcome, status, code, request_id
           from audit_log
          where company_id = $1 and ($2::uuid is null or audit_id < $2)
            and ($3::uuid is null or user_id = $3) and ($4::uuid is null or key_id = $4)
            and ($5::text is null or operation = $5) and ($6::text is null or object = $6)
            and ($7::text is null or outcome = $7)
            and ($8::timestamptz is null or at >= $8) and ($9::timestamptz is null or at < $9)
          order by audit_id desc limit $10",
    )
    .bind(company)
    .bind(before)
    .bind(filter.user)
    .bind(filter.key)
    .bind(&filter.operation)
    .bind(&filter.object)
    .bind(filter.outcome)
    .bind(filter.since)
    .bind(filter.until)
    .bind(limit)
    .fetch_all(pool)
    .await?;
    Ok(entries)
}

/// Removes entries older than `age`. Returns how many.
pub async fn delete_old_audit_entries(pool: &PgPool, age: Duration) -> Result<u64, DbError> {
    let removed =
        sqlx::query("delete from audit_log where at < now() - $1").bind(to_pg_interval(age)).execute(pool).await?;
    Ok(removed.rows_affected())
}
