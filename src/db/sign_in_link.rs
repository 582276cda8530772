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
/// Attempts to send a mail: they end within the lifetime of the link.
const MAX_TRIES: i32 = 5;

/// Inserts a link for each account with this mail address that has a valid API key. Accounts with too many open links get
/// none. Returns how many were inserted.
pub async fn insert_sign_in_links(
    pool: &PgPool,
    address: &str,
    browser: &Digest,
    next_path: Option<&str>,
    ttl: Duration,
) -> Result<u64, DbError> {
    let inserted = sqlx::query(
        "insert into sign_in_link (company_id, sign_in_link_id, user_id, browser_sha256, next_path, expires_at)
         select company_id, gen_random_uuid(), user_id, $2, $3, now() + $4
           from company_user account
          where (lower(email) = lower($1) or right(lower(email), length($1) + 2) = '<' || lower($1) || '>')
            and exists (select from api_key
                         where api_key.company_id = account.company_id and api_key.user_id = account.user_id
                           and revoked_at is null and (expires_at is null or expires_at > now()))
            and (select count(*) from sign_in_link link
                  where link.company_id = account.company_id and link.user_id = account.user_id
                    and link.used_at is null and link.expires_at > now()) < $5
          order by created_at limit $6",
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

/// A mail with a link that a worker has claimed.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct SignInMailClaim {
    pub company_id: CompanyId,
    pub sign_in_link_id: SignInLinkId,
    /// The fencing token.
    pub claim: i32,
    pub recipient: String,
    pub user_name: String,
    pub company_name: String,
    pub locale: Option<String>,
}

/// Claims a mail that is due and whose link still works, for the length of a lease.
pub async fn claim_sign_in_mail(pool: &PgPool, lease: Duration) -> Result<Option<SignInMailClaim>, DbError> {
    let claim = sqlx::query_as(
        "update sign_in_link link set claim = link.claim + 1, run_at = now() + $1
           from (select company_id, sign_in_link_id from sign_in_link
                  where sent_at is null and used_at is null and expires_at > now() and run_at <= now() and tries < $2
                  order by run_at limit 1 for update skip locked) due, company_user, company
          where link.company_id = due.company_id and link.sign_in_link_id = due.sign_in_link_id
            and company_user.company_id = link.company_id and company_user.user_id = link.user_id
            and company.company_id = link.company_id
         returning link.company_id, link.sign_in_link_id, link.claim, company_user.email as recipient,
                   company_user.name as user_name, company.name as company_name, company_user.locale",
    )
    .bind(to_pg_interval(lease))
    .bind(MAX_TRIES)
    .fetch_optional(pool)
    .await?;
    Ok(claim)
}

/// Records that a mail was sent, or when to try again.
pub async fn settle_sign_in_mail(
    pool: &PgPool,
    claim: &SignInMailClaim,
    retry: Option<Duration>,
) -> Result<(), DbError> {
    sqlx::query(
        "update sign_in_link
            set sent_at = case when $4::interval is null then now() end, tries = tries + ($4::interval is not null)::int,
                run_at = now() + coalesce($4::interval, interval '0')
          where company_id = $1 and sign_in_link_id = $2 and claim = $3",
    )
    .bind(claim.company_id)
    .bind(claim.sign_in_link_id)
    .bind(claim.claim)
    .bind(retry.map(to_pg_interval))
    .execute(pool)
    .await?;
    Ok(())
}
