//! Companies and their people. Open mode has one company and no people.

use crate::db::{Connection, Error, PgPool};
use crate::id::{CompanyId, JobId, UserId};

/// The company of an installation without access control.
pub const DEFAULT: &str = "default";

/// The company of an installation without access control; made when it is not there yet.
pub async fn default(pool: &PgPool) -> Result<CompanyId, Error> {
    let mut connection = pool.acquire().await?;
    find_or_make(&mut connection, DEFAULT).await
}

/// The company of this name; made when it is not there yet.
pub async fn find_or_make(connection: &mut Connection, name: &str) -> Result<CompanyId, Error> {
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

/// The company of this name, if there is one.
pub async fn find(pool: &PgPool, name: &str) -> Result<Option<CompanyId>, Error> {
    Ok(sqlx::query_scalar("select company_id from company where name = $1").bind(name).fetch_optional(pool).await?)
}

/// Somebody of a company.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct User {
    /// `userHandle` on the wire.
    pub user_id: UserId,
    /// Unique within the company.
    pub name: String,
    /// Gets the mail of jobs that name nobody.
    pub email: Option<String>,
    /// Language of mails.
    pub locale: Option<String>,
}

/// The user of this name, made when missing. What is said of address and language replaces what was known.
pub async fn user(
    connection: &mut Connection,
    company: CompanyId,
    name: &str,
    email: Option<&str>,
    locale: Option<&str>,
) -> Result<UserId, Error> {
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

/// One user of a company.
pub async fn find_user(connection: &mut Connection, company: CompanyId, user: UserId) -> Result<User, Error> {
    let found =
        sqlx::query_as("select user_id, name, email, locale from company_user where company_id = $1 and user_id = $2")
            .bind(company)
            .bind(user)
            .fetch_optional(connection)
            .await?;
    found.ok_or(Error::Missing("user"))
}

/// The language of a user, where it is known.
pub async fn locale_of(pool: &PgPool, company: CompanyId, user: UserId) -> Result<Option<String>, Error> {
    let sql = "select locale from company_user where company_id = $1 and user_id = $2";
    let found: Option<Option<String>> = sqlx::query_scalar(sql).bind(company).bind(user).fetch_optional(pool).await?;
    Ok(found.flatten())
}

/// Where whoever ordered a job gets mail, where that is known.
pub async fn address_of(pool: &PgPool, company: CompanyId, job: JobId) -> Result<Option<String>, Error> {
    let found = sqlx::query_scalar(
        "select company_user.email from export_job job join company_user using (company_id, user_id)
          where job.company_id = $1 and job.job_id = $2",
    )
    .bind(company)
    .bind(job)
    .fetch_optional(pool)
    .await?;
    Ok(found.flatten())
}
