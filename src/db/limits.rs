//! What a company may have, where it is not what the settings say, and what it has.

use sqlx::PgExecutor;

use crate::db::{Connection, Error, PgPool};
use crate::id::CompanyId;

/// Limits of one company. What is none is as the settings say; 0 means no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct OwnLimits {
    /// Bytes of one uploaded file.
    pub max_upload: Option<i64>,
    /// Assets.
    pub max_assets: Option<i64>,
    /// Bytes of originals.
    pub max_stored: Option<i64>,
    /// Items that run at once.
    pub max_running: Option<i32>,
    /// Jobs that are not finished.
    pub max_jobs: Option<i32>,
    /// Schedules.
    pub max_schedules: Option<i32>,
}

/// What a company has of what is limited.
#[derive(Clone, Copy, Debug, Default, sqlx::FromRow)]
pub struct Used {
    /// Assets that were not deleted.
    pub assets: i64,
    /// Bytes of originals, each counted as often as it was uploaded, also of deleted assets that jobs pin.
    pub stored_bytes: i64,
}

/// The company's own limits.
pub async fn own(executor: impl PgExecutor<'_>, company: CompanyId) -> Result<OwnLimits, Error> {
    let found = sqlx::query_as(
        "select max_upload, max_assets, max_stored, max_running, max_jobs, max_schedules from company where company_id = $1",
    )
    .bind(company)
    .fetch_optional(executor)
    .await?;
    Ok(found.unwrap_or_default())
}

/// Sets the company's own limits, all of them.
pub async fn set(pool: &PgPool, company: CompanyId, limits: &OwnLimits) -> Result<(), Error> {
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

/// Whether any company has a limit of its own for items that run at once.
pub async fn any_own_running(pool: &PgPool) -> Result<bool, Error> {
    Ok(sqlx::query_scalar("select exists (select from company where max_running > 0)").fetch_one(pool).await?)
}

/// What the company has. In a transaction that has changed it, nobody else changes it before that ends.
pub async fn used(connection: &mut Connection, company: CompanyId) -> Result<Used, Error> {
    let found = sqlx::query_as("select assets, stored_bytes from company_usage where company_id = $1")
        .bind(company)
        .fetch_optional(connection)
        .await?;
    Ok(found.unwrap_or_default())
}

/// Lets those who add to what is limited (`jobs`, `schedules`, …) come to their ends one after the other, until the
/// transaction ends: then they count each other.
pub async fn take_turns(connection: &mut Connection, company: CompanyId, what: &str) -> Result<(), Error> {
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('offprint ' || $2 || ' ' || $1::text, 0))")
        .bind(company)
        .bind(what)
        .execute(connection)
        .await?;
    Ok(())
}

/// How many jobs of the company are not finished; counts no further than to `most`.
pub async fn unfinished_jobs(connection: &mut Connection, company: CompanyId, most: i64) -> Result<i64, Error> {
    let found = sqlx::query_scalar(
        "select count(*) from (select from export_job
                                where company_id = $1 and state <> 'finished' and deleted_at is null limit $2) open",
    )
    .bind(company)
    .bind(most)
    .fetch_one(connection)
    .await?;
    Ok(found)
}

/// Counts so many mails of today (UTC), as far as the limit allows: gives how many it does. 0 allows all.
pub async fn count_mails(connection: &mut Connection, company: CompanyId, mails: i32, most: i32) -> Result<i32, Error> {
    sqlx::query("insert into company_usage (company_id) values ($1) on conflict do nothing")
        .bind(company)
        .execute(&mut *connection)
        .await?;
    // Locked before it is read: jobs that end at once shall count each other's.
    let before: i32 = sqlx::query_scalar(
        "select case when mails_on = (now() at time zone 'utc')::date then mails else 0 end
           from company_usage where company_id = $1 for update",
    )
    .bind(company)
    .fetch_one(&mut *connection)
    .await?;
    let allowed = if most == 0 { mails } else { mails.min(most - before).max(0) };
    sqlx::query(
        "update company_usage set mails = $2, mails_on = (now() at time zone 'utc')::date where company_id = $1",
    )
    .bind(company)
    .bind(before + allowed)
    .execute(connection)
    .await?;
    Ok(allowed)
}
