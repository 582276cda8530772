//! Download links: URLs that work without an API key until they expire. The URL contains a signed token
//! ([`crate::app::link_token`]) and is stored nowhere; the row allows the link to be listed and revoked.

use chrono::{DateTime, Utc};
use sqlx::AssertSqlSafe;

use crate::db::{DbConnection, DbError, PgPool};
use crate::id::{CompanyId, JobId, KeyId, LinkId, TaskId};

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct LinkRow {
    /// `linkHandle` in the API.
    pub link_id: LinkId,
    pub job_id: JobId,
    /// Path of the file in the archive; none for the archive itself.
    pub path: Option<String>,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub revoked_at: Option<DateTime<Utc>>,
    /// By the database's clock.
    pub expired: bool,
}

/// A secret that signs links.
#[derive(Clone, sqlx::FromRow)]
pub struct LinkKeyRow {
    /// Number within the company, from 1.
    pub key_id: i32,
    /// 256 random bits.
    pub secret: Vec<u8>,
}

/// A link to insert.
#[derive(Clone, Debug)]
pub struct NewLink<'a> {
    pub job_id: JobId,
    /// Path of the file in the archive; none for the archive itself.
    pub path: Option<&'a str>,
    /// Seconds. The link expires with the job's files at the latest, if their expiry is known.
    pub expires_in: i64,
    /// The task of the mail that contains it.
    pub mail: Option<TaskId>,
    /// The API key that creates it.
    pub api_key: Option<KeyId>,
}

const LINK_COLUMNS: &str = "link_id, job_id, path, created_at, expires_at, revoked_at, expires_at <= now() as expired";

/// Inserts a link, or returns the one that the mail already has.
pub async fn insert_link(
    connection: &mut DbConnection,
    company: CompanyId,
    new: &NewLink<'_>,
) -> Result<LinkRow, DbError> {
    let link = sqlx::query_as(AssertSqlSafe(format!(
        "insert into link (company_id, link_id, job_id, path, task_id, expires_at, api_key_id)
         select $1, $2, job_id, $4, $5, least(now() + make_interval(secs => $6), expires_at), $7
           from export_job where company_id = $1 and job_id = $3 and deleted_at is null
         on conflict on constraint one_link_a_mail do update set task_id = excluded.task_id
         returning {LINK_COLUMNS}"
    )))
    .bind(company)
    .bind(LinkId::new())
    .bind(new.job_id)
    .bind(new.path)
    .bind(new.mail)
    .bind(new.expires_in as f64)
    .bind(new.api_key)
    .fetch_optional(connection)
    .await?;
    link.ok_or(DbError::NotFound("export job"))
}

/// Lists at most `limit` links of a job after the given one, in order of creation.
pub async fn list_links(
    connection: &mut DbConnection,
    company: CompanyId,
    job: JobId,
    after: Option<(DateTime<Utc>, LinkId)>,
    limit: i64,
) -> Result<Vec<LinkRow>, DbError> {
    let links = sqlx::query_as(AssertSqlSafe(format!(
        "select {LINK_COLUMNS} from link
          where company_id = $1 and job_id = $2 and ($3::timestamptz is null or (created_at, link_id) > ($3, $4::uuid))
          order by created_at, link_id limit $5"
    )))
    .bind(company)
    .bind(job)
    .bind(after.map(|(at, _)| at))
    .bind(after.map(|(_, link)| link))
    .bind(limit)
    .fetch_all(connection)
    .await?;
    Ok(links)
}

/// Which of these links have expired, were revoked, or do not exist any more.
pub async fn list_ended_links(
    pool: &PgPool,
    links: &[(CompanyId, LinkId)],
) -> Result<Vec<(CompanyId, LinkId)>, DbError> {
    let (companies, ids): (Vec<CompanyId>, Vec<LinkId>) = links.iter().copied().unzip();
    let ended = sqlx::query_as(
        "select asked.company_id, asked.link_id from unnest($1::uuid[], $2::uuid[]) asked (company_id, link_id)
          where not exists (select from link
                             where link.company_id = asked.company_id and link.link_id = asked.link_id
                               and revoked_at is null and expires_at > now())",
    )
    .bind(companies)
    .bind(ids)
    .fetch_all(pool)
    .await?;
    Ok(ended)
}

/// Revokes a link. Repeating it is harmless; the first time of revocation stays.
pub async fn revoke_link(
    connection: &mut DbConnection,
    company: CompanyId,
    job: JobId,
    link: LinkId,
) -> Result<(), DbError> {
    let updated = sqlx::query(
        "update link set revoked_at = coalesce(revoked_at, now()) where company_id = $1 and job_id = $2 and link_id = $3",
    )
    .bind(company)
    .bind(job)
    .bind(link)
    .execute(connection)
    .await?;
    if updated.rows_affected() == 1 { Ok(()) } else { Err(DbError::NotFound("link of this job")) }
}

/// Revokes the links that an API key has created. Returns how many.
pub async fn revoke_links_of_key(pool: &PgPool, company: CompanyId, key: KeyId) -> Result<u64, DbError> {
    let sql = "update link set revoked_at = now() where company_id = $1 and api_key_id = $2 and revoked_at is null";
    Ok(sqlx::query(sql).bind(company).bind(key).execute(pool).await?.rows_affected())
}

/// Finds a link. It is removed with its job.
pub async fn find_link(
    connection: &mut DbConnection,
    company: CompanyId,
    link: LinkId,
) -> Result<Option<LinkRow>, DbError> {
    let row = sqlx::query_as(AssertSqlSafe(format!(
        "select {LINK_COLUMNS} from link where company_id = $1 and link_id = $2"
    )))
    .bind(company)
    .bind(link)
    .fetch_optional(connection)
    .await?;
    Ok(row)
}

/// Finds the key with this number.
pub async fn find_link_key(
    connection: &mut DbConnection,
    company: CompanyId,
    key: i32,
) -> Result<Option<LinkKeyRow>, DbError> {
    let row = sqlx::query_as("select key_id, secret from link_key where company_id = $1 and key_id = $2")
        .bind(company)
        .bind(key)
        .fetch_optional(connection)
        .await?;
    Ok(row)
}

/// SQL for 256 random bits: the hash of three random UUIDs, each of which has 122 random bits.
pub(super) const RANDOM_SECRET_SQL: &str =
    "sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))";

/// Finds the key that signs the company's links, or creates it.
pub async fn ensure_signing_key(connection: &mut DbConnection, company: CompanyId) -> Result<LinkKeyRow, DbError> {
    const NEWEST_KEY_SQL: &str =
        "select key_id, secret from link_key where company_id = $1 order by key_id desc limit 1";
    if let Some(key) = sqlx::query_as(NEWEST_KEY_SQL).bind(company).fetch_optional(&mut *connection).await? {
        return Ok(key);
    }
    sqlx::query(AssertSqlSafe(format!(
        "insert into link_key (company_id, key_id, secret) values ($1, 1, {RANDOM_SECRET_SQL}) on conflict do nothing"
    )))
    .bind(company)
    .execute(&mut *connection)
    .await?;
    Ok(sqlx::query_as(NEWEST_KEY_SQL).bind(company).fetch_one(connection).await?)
}

/// Adds a key, which signs from now on, and returns its number. With `forget` the older keys are removed, and every
/// link that they signed stops working.
pub async fn rotate_link_key(pool: &PgPool, company: CompanyId, forget: bool) -> Result<i32, DbError> {
    let mut transaction = pool.begin().await?;
    sqlx::query("select from company where company_id = $1 for no key update")
        .bind(company)
        .execute(&mut *transaction)
        .await?;
    let key: i32 = sqlx::query_scalar(AssertSqlSafe(format!(
        "insert into link_key (company_id, key_id, secret)
         select $1, coalesce(max(key_id), 0) + 1, {RANDOM_SECRET_SQL} from link_key where company_id = $1 returning key_id"
    )))
    .bind(company)
    .fetch_one(&mut *transaction)
    .await?;
    if forget {
        sqlx::query("delete from link_key where company_id = $1 and key_id < $2")
            .bind(company)
            .bind(key)
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await?;
    Ok(key)
}
