//! The audit log: who did what, to which object, from where, with what outcome.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::db::item::interval;
use crate::db::{Error, PgPool};
use crate::id::{AuditId, CompanyId, KeyId, UserId};

/// How what was asked for ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum AuditOutcome {
    /// It was done.
    Done,
    /// The caller may not do it.
    Refused,
    /// It was not done for another reason.
    Failed,
    /// The caller went away before the answer. It may have been done.
    Unknown,
}

/// One line of the log.
#[derive(Clone, Debug, sqlx::FromRow)]
#[allow(missing_docs, reason = "columns; migrations/0015_audit.sql says what they mean")]
pub struct Line {
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

/// A line that is to be written.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "columns; migrations/0015_audit.sql says what they mean")]
pub struct NewLine {
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

impl NewLine {
    /// A line about a command of `offprint admin`, which was done.
    pub fn of_command(company: CompanyId, command: &str, object: impl Into<String>) -> Self {
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

/// Writes a line down.
pub async fn write(pool: &PgPool, line: &NewLine) -> Result<(), Error> {
    sqlx::query(
        "insert into audit_log (company_id, audit_id, user_id, user_name, key_id, operation, object, address, outcome,
                                status, code, request_id)
         values ($1, $2, $3, (select name from company_user where company_id = $1 and user_id = $3), $4, $5, $6, $7, $8,
                 $9, $10, $11)",
    )
    .bind(line.company)
    .bind(AuditId::new())
    .bind(line.user)
    .bind(line.key)
    .bind(&line.operation)
    .bind(&line.object)
    .bind(&line.address)
    .bind(line.outcome)
    .bind(line.status)
    .bind(&line.code)
    .bind(&line.request_id)
    .execute(pool)
    .await?;
    Ok(())
}

/// Which lines are meant. What is none does not matter.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Of this user.
    pub user: Option<UserId>,
    /// By this key.
    pub key: Option<KeyId>,
    /// This operation.
    pub operation: Option<String>,
    /// To this object.
    pub object: Option<String>,
    /// With this outcome.
    pub outcome: Option<AuditOutcome>,
    /// From this moment on.
    pub since: Option<DateTime<Utc>>,
    /// Before this moment.
    pub until: Option<DateTime<Utc>>,
}

/// At most `limit` lines, the newest first, from the one before `before` on.
pub async fn list(
    pool: &PgPool,
    company: CompanyId,
    filter: &AuditFilter,
    before: Option<AuditId>,
    limit: i64,
) -> Result<Vec<Line>, Error> {
    let found = sqlx::query_as(
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
    Ok(found)
}

/// Removes the lines that are so old. Returns how many.
pub async fn forget(pool: &PgPool, age: Duration) -> Result<u64, Error> {
    let removed = sqlx::query("delete from audit_log where at < now() - $1").bind(interval(age)).execute(pool).await?;
    Ok(removed.rows_affected())
}
