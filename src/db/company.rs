//! Companies (the tenants) and their users. Without access control there is one company and no user.

use chrono::{DateTime, Utc};

use crate::db::{DbConnection, DbError, PgPool};
use crate::id::{CompanyId, JobId, UserId};

/// Name of the company of an installation without access control.
pub const DEFAULT_COMPANY: &str = "default";

/// Finds the default company, or creates it.
pub async fn ensure_default_company(pool: &PgPool) -> Result<CompanyId, DbError> {
    let mut connection = pool.acquire().await?;
    ensure_company(&mut connection, DEFAULT_COMPANY).await
}

/// Finds the company of this name, or creates it.
pub async fn ensure_company(connection: &mut DbConnection, name: &str) -> Result<CompanyId, DbError> {
    let company = sqlx::query_scalar(
        "insert into company (company_id, name) values ($1, $2)
         on conflict on constraint company_name_taken do update set name = excluded.name
         returning company_id",
    )
    .bind(CompanyId::new())
    .bind(name)
    .fetch_one(connection)
    .await?;
    Ok(company)
}

/// Finds the company of this name.
pub async fn find_company(pool: &PgPool, name: &str) -> Result<Option<CompanyId>, DbError> {
    Ok(sqlx::query_scalar("select company_id from company where name = $1").bind(name).fetch_optional(pool).await?)
}

/// The name of a company.
pub async fn fetch_company_name(connection: &mut DbConnection, company: CompanyId) -> Result<String, DbError> {
    Ok(sqlx::query_scalar("select name from company where company_id = $1").bind(company).fetch_one(connection).await?)
}

/// The names that a company has in Image Serving beside its own, which modifiers write before its assets.
pub async fn fetch_root_ids(pool: &PgPool, company: CompanyId) -> Result<Vec<String>, DbError> {
    Ok(sqlx::query_scalar("select root_ids from company where company_id = $1").bind(company).fetch_one(pool).await?)
}

/// Replaces the company's root IDs.
pub async fn update_root_ids(pool: &PgPool, company: CompanyId, root_ids: &[String]) -> Result<(), DbError> {
    sqlx::query("update company set root_ids = $2 where company_id = $1")
        .bind(company)
        .bind(root_ids)
        .execute(pool)
        .await?;
    Ok(())
}

/// A user of a company.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct UserRow {
    /// `userHandle` in the API.
    pub user_id: UserId,
    /// Gets the mails of jobs that name no recipient.
    pub email: Option<String>,
    /// Language of mails.
    pub locale: Option<String>,
    /// IANA name of the zone for times in mails.
    pub time_zone: Option<String>,
}

/// Finds the user of this name, or creates one with this address, language and time zone. A user who exists stays as it is.
pub async fn find_or_insert_user(
    connection: &mut DbConnection,
    company: CompanyId,
    name: &str,
    email: Option<&str>,
    locale: Option<&str>,
    time_zone: Option<&str>,
) -> Result<UserRow, DbError> {
    let created = sqlx::query_as(
        "insert into company_user (company_id, user_id, name, email, locale, time_zone) values ($1, $2, $3, $4, $5, $6)
         on conflict on constraint user_name_taken do nothing returning user_id, email, locale, time_zone",
    )
    .bind(company)
    .bind(UserId::new())
    .bind(name)
    .bind(email)
    .bind(locale)
    .bind(time_zone)
    .fetch_optional(&mut *connection)
    .await?;
    if let Some(user) = created {
        return Ok(user);
    }
    let sql = "select user_id, email, locale, time_zone from company_user where company_id = $1 and name = $2";
    let user = sqlx::query_as(sql).bind(company).bind(name).fetch_optional(connection).await?;
    user.ok_or(DbError::NotFound("user"))
}

/// Finds the user of this name, or creates one. Address and language are updated where they are given.
pub async fn upsert_user(
    connection: &mut DbConnection,
    company: CompanyId,
    name: &str,
    email: Option<&str>,
    locale: Option<&str>,
) -> Result<UserId, DbError> {
    let user = sqlx::query_scalar(
        "insert into company_user (company_id, user_id, name, email, locale) values ($1, $2, $3, $4, $5)
         on conflict on constraint user_name_taken do update
            set email = coalesce(excluded.email, company_user.email), locale = coalesce(excluded.locale, company_user.locale)
         returning user_id",
    )
    .bind(company)
    .bind(UserId::new())
    .bind(name)
    .bind(email)
    .bind(locale)
    .fetch_one(connection)
    .await?;
    Ok(user)
}

/// Sets the time zone of a user, by its IANA name.
pub async fn set_user_time_zone(
    connection: &mut DbConnection,
    company: CompanyId,
    user: UserId,
    time_zone: &str,
) -> Result<(), DbError> {
    let sql = "update company_user set time_zone = $3 where company_id = $1 and user_id = $2";
    sqlx::query(sql).bind(company).bind(user).bind(time_zone).execute(connection).await?;
    Ok(())
}

/// Finds a user of the company with this mail address, whatever the case of its letters and the name before it. The one who
/// was created first, where several have it.
pub async fn find_user_by_email(pool: &PgPool, company: CompanyId, address: &str) -> Result<Option<UserRow>, DbError> {
    let row = sqlx::query_as(
        "select user_id, email, locale, time_zone from company_user
          where company_id = $1 and (lower(email) = lower($2) or right(lower(email), length($2) + 2) = '<' || lower($2) || '>')
          order by created_at, user_id limit 1",
    )
    .bind(company)
    .bind(address)
    .fetch_optional(pool)
    .await?;
    Ok(row)
}

/// Fetches a user of a company.
pub async fn fetch_user(connection: &mut DbConnection, company: CompanyId, user: UserId) -> Result<UserRow, DbError> {
    let sql = "select user_id, email, locale, time_zone from company_user where company_id = $1 and user_id = $2";
    let row = sqlx::query_as(sql).bind(company).bind(user).fetch_optional(connection).await?;
    row.ok_or(DbError::NotFound("user"))
}

/// Finds the language of a user, if it is known.
pub async fn find_user_locale(pool: &PgPool, company: CompanyId, user: UserId) -> Result<Option<String>, DbError> {
    let sql = "select locale from company_user where company_id = $1 and user_id = $2";
    let locale: Option<Option<String>> = sqlx::query_scalar(sql).bind(company).bind(user).fetch_optional(pool).await?;
    Ok(locale.flatten())
}

/// Finds the name of a user.
pub async fn find_user_name(pool: &PgPool, company: CompanyId, user: UserId) -> Result<Option<String>, DbError> {
    let sql = "select name from company_user where company_id = $1 and user_id = $2";
    Ok(sqlx::query_scalar(sql).bind(company).bind(user).fetch_optional(pool).await?)
}

/// The names of some users, in no order.
pub async fn list_user_names(
    pool: &PgPool,
    company: CompanyId,
    users: &[UserId],
) -> Result<Vec<(UserId, String)>, DbError> {
    let sql = "select user_id, name from company_user where company_id = $1 and user_id = any($2)";
    Ok(sqlx::query_as(sql).bind(company).bind(users).fetch_all(pool).await?)
}

/// Finds the user of this name.
pub async fn find_user_by_name(pool: &PgPool, company: CompanyId, name: &str) -> Result<Option<UserId>, DbError> {
    let sql = "select user_id from company_user where company_id = $1 and name = $2";
    Ok(sqlx::query_scalar(sql).bind(company).bind(name).fetch_optional(pool).await?)
}

/// The mail addresses of a company's users, as they were given.
pub async fn list_user_emails(connection: &mut DbConnection, company: CompanyId) -> Result<Vec<String>, DbError> {
    let sql = "select distinct email from company_user where company_id = $1 and email is not null";
    Ok(sqlx::query_scalar(sql).bind(company).fetch_all(connection).await?)
}

/// Finds the mail address of a job's owner, if it is known.
pub async fn find_requester_email(pool: &PgPool, company: CompanyId, job: JobId) -> Result<Option<String>, DbError> {
    let email: Option<Option<String>> = sqlx::query_scalar(
        "select company_user.email from export_job job join company_user using (company_id, user_id)
          where job.company_id = $1 and job.job_id = $2",
    )
    .bind(company)
    .bind(job)
    .fetch_optional(pool)
    .await?;
    Ok(email.flatten())
}

/// A user in the list of a company's users.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ListedUserRow {
    pub name: String,
    pub email: Option<String>,
    pub locale: Option<String>,
    pub time_zone: Option<String>,
    pub created_at: DateTime<Utc>,
    /// Keys that are neither revoked nor expired.
    pub valid_keys: i64,
}

/// Lists at most `limit` users of a company after the given name, by name.
pub async fn list_users(
    pool: &PgPool,
    company: CompanyId,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<ListedUserRow>, DbError> {
    let users = sqlx::query_as(
        "select name, email, locale, time_zone, created_at,
                (select count(*) from api_key
                  where api_key.company_id = company_user.company_id and api_key.user_id = company_user.user_id
                    and revoked_at is null and (expires_at is null or expires_at > now())) as valid_keys
           from company_user where company_id = $1 and ($2::text is null or name > $2) order by name limit $3",
    )
    .bind(company)
    .bind(after)
    .bind(limit)
    .fetch_all(pool)
    .await?;
    Ok(users)
}
