//! Links in mails by which users sign in: once, within minutes, in the browser that asked. The token of a link is computed
//! from its row ([`crate::app::link_token`]) and stored nowhere.

use std::time::Duration;

use offprint_core::Digest;

use crate::db::interval::to_pg_interval;
use crate::db::{DbError, PgPool};
use crate::id::{CompanyId, SignInLinkId, UserId};

/// Links of one user that may be open at a time: whoever asks for more in somebody's name sends no more mails.
const MAX_OPEN_LINKS: i64 = 3;
/// Accounts that one mail address may have.
const MAX_ACCOUNTS: i64 = 5;

/// Inserts a link for each account with this mail address that has a valid API key, and the task to send it. Accounts with
/// too many open links get none. Returns how many were inserted.
pub async fn insert_sign_in_links(
    pool: &PgPool,
    address: &str,
    browser: &Digest,
    next_path: Option<&str>,
    ttl: Duration,
) -> Result<u64, DbError> {
    let inserted = sqlx::query(
        "with inserted as (
             insert into sign_in_link (company_id, sign_in_link_id, user_id, browser_sha256, next_path, expires_at)
             select company_id, gen_random_uuid(), user_id, $2, $3, now() + $4
               from company_user account
              where (lower(email) = lower($1) or right(lower(email), length($1) + 2) = '<' || lower($1) || '>')
                and exists (select from api_key
                             where api_key.company_id = account.company_id and api_key.user_id = account.user_id
                               and revoked_at is null and (expires_at is null or expires_at > now()))
                and (select count(*) from sign_in_link link
                      where link.company_id = account.company_id and link.user_id = account.user_id
                        and link.used_at is null and link.expires_at > now()) < $5
              order by created_at limit $6
             returning company_id, sign_in_link_id, expires_at
         )
         insert into task (company_id, task_id, kind, key, give_up_at)
         select company_id, gen_random_uuid(), 'sign-in-mail', sign_in_link_id, expires_at from inserted",
    )
    .bind(address)
    .bind(browser.to_bytes())
    .bind(next_path)
    .bind(to_pg_interval(ttl))
    .bind(MAX_OPEN_LINKS)
    .bind(MAX_ACCOUNTS)
    .execute(pool)
    .await?;
    Ok(inserted.rows_affected())
}

/// A link for signing in.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct SignInLinkRow {
    pub user_name: String,
    pub company_name: String,
    /// Hash of the cookie of the browser that asked.
    #[sqlx(try_from = "[u8; 32]")]
    pub browser_sha256: Digest,
    pub is_used: bool,
    /// By the database's clock.
    pub is_expired: bool,
}

/// Finds a link.
pub async fn find_sign_in_link(
    pool: &PgPool,
    company: CompanyId,
    link: SignInLinkId,
) -> Result<Option<SignInLinkRow>, DbError> {
    let row = sqlx::query_as(
        "select company_user.name as user_name, company.name as company_name, link.browser_sha256,
                link.used_at is not null as is_used, link.expires_at <= now() as is_expired
           from sign_in_link link
           join company_user on company_user.company_id = link.company_id and company_user.user_id = link.user_id
           join company on company.company_id = link.company_id
          where link.company_id = $1 and link.sign_in_link_id = $2",
    )
    .bind(company)
    .bind(link)
    .fetch_optional(pool)
    .await?;
    Ok(row)
}

/// Uses a link up. Returns its user, and where to go; none when it was used, has expired, or belongs to another browser: of
/// two who try at the same time one succeeds.
pub async fn use_sign_in_link(
    pool: &PgPool,
    company: CompanyId,
    link: SignInLinkId,
    browser: &Digest,
) -> Result<Option<(UserId, Option<String>)>, DbError> {
    let used = sqlx::query_as(
        "update sign_in_link set used_at = now()
          where company_id = $1 and sign_in_link_id = $2 and browser_sha256 = $3 and used_at is null and expires_at > now()
         returning user_id, next_path",
    )
    .bind(company)
    .bind(link)
    .bind(browser.to_bytes())
    .fetch_optional(pool)
    .await?;
    Ok(used)
}

/// What the mail with a link says, and to whom.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct SignInMailRow {
    pub recipient: String,
    pub user_name: String,
    pub company_name: String,
    pub locale: Option<String>,
}

/// Finds the mail of a link; none when the link does not work any more, and nobody needs the mail.
pub async fn find_sign_in_mail(
    pool: &PgPool,
    company: CompanyId,
    link: SignInLinkId,
) -> Result<Option<SignInMailRow>, DbError> {
    let mail = sqlx::query_as(
        "select account.email as recipient, account.name as user_name, company.name as company_name, account.locale
           from sign_in_link link
           join company_user account on account.company_id = link.company_id and account.user_id = link.user_id
           join company on company.company_id = link.company_id
          where link.company_id = $1 and link.sign_in_link_id = $2 and used_at is null and expires_at > now()",
    )
    .bind(company)
    .bind(link)
    .fetch_optional(pool)
    .await?;
    Ok(mail)
}
