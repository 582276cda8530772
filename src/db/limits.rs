//! Limits of companies that replace those of the settings, and what a company uses of them.

use sqlx::PgExecutor;

use crate::db::{DbConnection, DbError, PgPool};
use crate::id::CompanyId;

/// Limits of one company. None: as the settings say; 0: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct CompanyLimitsRow {
    /// Bytes of one uploaded file.
    pub max_upload: Option<i64>,
    pub max_assets: Option<i64>,
    /// Bytes of originals, unfinished uploads and renditions.
    pub max_stored: Option<i64>,
    /// Items that may run at once.
    pub max_running: Option<i32>,
    /// Unfinished jobs.
    pub max_jobs: Option<i32>,
    pub max_schedules: Option<i32>,
}

/// What a company uses of its limits.
#[derive(Clone, Copy, Debug, Default, sqlx::FromRow)]
pub struct CompanyUsageRow {
    /// Assets that are not deleted.
    pub assets: i64,
    /// Bytes that count toward the quota: of originals, once per upload, including those of deleted assets and replaced
    /// ones that jobs still use, what unfinished uploads have announced, and renditions, each blob once.
    pub stored_bytes: i64,
}

/// Finds the company's own limits.
pub async fn find_company_limits(
    executor: impl PgExecutor<'_>,
    company: CompanyId,
) -> Result<CompanyLimitsRow, DbError> {
    let limits = sqlx::query_as(
        "select max_upload, max_assets, max_stored, max_running, max_jobs, max_schedules from company where company_id = $1",
    )
    .bind(company)
    .fetch_optional(executor)
    .await?;
    Ok(limits.unwrap_or_default())
}

/// Replaces all of the company's own limits.
pub async fn update_company_limits(
    pool: &PgPool,
    company: CompanyId,
    limits: &CompanyLimitsRow,
) -> Result<(), DbError> {
    sqlx::query(
        "update company set max_upload = $2, max_assets = $3, max_stored = $4, max_running = $5, max_jobs = $6,
                max_schedules = $7
          where company_id = $1",
    )
    .bind(company)
    .bind(limits.max_upload)
    .bind(limits.max_assets)
    .bind(limits.max_stored)
    .bind(limits.max_running)
    .bind(limits.max_jobs)
    .bind(limits.max_schedules)
    .execute(pool)
    .await?;
    Ok(())
}

/// Finds what the company uses. In a transaction that has changed it, the row is locked: the numbers stay true until
/// the end of the transaction.
pub async fn find_company_usage(connection: &mut DbConnection, company: CompanyId) -> Result<CompanyUsageRow, DbError> {
    let usage = sqlx::query_as(
        "select assets, stored_bytes + replaced_bytes + upload_bytes + rendition_bytes as stored_bytes
           from company_usage where company_id = $1",
    )
    .bind(company)
    .fetch_optional(connection)
    .await?;
    Ok(usage.unwrap_or_default())
}

/// By how many bytes the company exceeds its storage quota: its own, else `max_stored`; 0: no limit. Negative when there is
/// room, none without a quota. In a transaction that has changed the usage it stays true until the end, as in [`find_company_usage`].
pub async fn find_quota_excess(
    connection: &mut DbConnection,
    company: CompanyId,
    max_stored: u64,
) -> Result<Option<i64>, DbError> {
    let excess = sqlx::query_scalar(
        "select coalesce(stored_bytes + replaced_bytes + upload_bytes + rendition_bytes, 0) - nullif(coalesce(max_stored, $2), 0)
           from company left join company_usage using (company_id) where company_id = $1",
    )
    .bind(company)
    .bind(i64::try_from(max_stored).unwrap_or(i64::MAX))
    .fetch_optional(connection)
    .await?;
    Ok(excess.flatten())
}

/// Which of these companies may not have room for so many bytes more: (company, bytes). Whoever adds them asks again
/// afterwards, in the same transaction.
pub async fn list_full_companies(
    pool: &PgPool,
    wanted: &[(CompanyId, i64)],
    max_stored: u64,
) -> Result<Vec<CompanyId>, DbError> {
    let (companies, bytes): (Vec<CompanyId>, Vec<i64>) = wanted.iter().copied().unzip();
    let full = sqlx::query_scalar(
        "select company_id
           from (select company_id, sum(bytes) as bytes from unnest($1::uuid[], $2::bigint[]) new (company_id, bytes)
                  group by company_id) new
           join company using (company_id) left join company_usage using (company_id)
          where coalesce(stored_bytes + replaced_bytes + upload_bytes + rendition_bytes, 0) + new.bytes
                > nullif(coalesce(max_stored, $3), 0)",
    );
    let max_stored = i64::try_from(max_stored).unwrap_or(i64::MAX);
    Ok(full.bind(companies).bind(bytes).bind(max_stored).fetch_all(pool).await?)
}

/// Locks a quota of a company (`jobs`, `schedules`, …) until the transaction ends. Transactions that add to it run one
/// after the other, so that each counts what the one before added.
pub async fn lock_quota(connection: &mut DbConnection, company: CompanyId, quota: &str) -> Result<(), DbError> {
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('offprint ' || $2 || ' ' || $1::text, 0))")
        .bind(company)
        .bind(quota)
        .execute(connection)
        .await?;
    Ok(())
}

/// Counts the company's unfinished jobs, but no further than `max`.
pub async fn count_unfinished_jobs(
    connection: &mut DbConnection,
    company: CompanyId,
    max: i64,
) -> Result<i64, DbError> {
    let count = sqlx::query_scalar(
        "select count(*) from (select from export_job
                                where company_id = $1 and state <> 'finished' and deleted_at is null limit $2) open",
    )
    .bind(company)
    .bind(max)
    .fetch_one(connection)
    .await?;
    Ok(count)
}

/// Counts `mails` toward the company's limit of today (UTC). Returns how many of them may be sent; `max` 0: all.
pub async fn reserve_mails(
    connection: &mut DbConnection,
    company: CompanyId,
    mails: i32,
    max: i32,
) -> Result<i32, DbError> {
    sqlx::query("insert into company_usage (company_id) values ($1) on conflict do nothing")
        .bind(company)
        .execute(&mut *connection)
        .await?;
    // Locked before it is read, so that jobs that end at the same time count each other's mails.
    let before: i32 = sqlx::query_scalar(
        "select case when mails_on = (now() at time zone 'utc')::date then mails else 0 end
           from company_usage where company_id = $1 for update",
    )
    .bind(company)
    .fetch_one(&mut *connection)
    .await?;
    let allowed = if max == 0 { mails } else { mails.min(max - before).max(0) };
    sqlx::query(
        "update company_usage set mails = $2, mails_on = (now() at time zone 'utc')::date where company_id = $1",
    )
    .bind(company)
    .bind(before + allowed)
    .execute(connection)
    .await?;
    Ok(allowed)
}
