//! Links to what jobs hand out, that work without a key until they end. Their tokens are signed, see
//! [`crate::state::token`]; a row alone makes none.

use chrono::{DateTime, Utc};
use sqlx::AssertSqlSafe;

use crate::db::{Connection, Error, PgPool};
use crate::id::{CompanyId, JobId, LinkId, NoticeId};

/// A link.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Link {
    /// `linkHandle` on the wire.
    pub link_id: LinkId,
    /// The job whose files it is to.
    pub job_id: JobId,
    /// The file's place in the archive; none for the archive itself.
    pub path: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
    /// When it was ended before its time.
    pub revoked_at: Option<DateTime<Utc>>,
    /// Whether its time is over.
    pub expired: bool,
}

/// A secret that signs links.
#[derive(Clone, sqlx::FromRow)]
pub struct LinkKey {
    /// Its number within the company.
    pub key_id: i32,
    /// 256 random bits.
    pub secret: Vec<u8>,
}

/// A link that is to be made.
#[derive(Clone, Debug)]
pub struct NewLink<'a> {
    /// The job.
    pub job_id: JobId,
    /// The file's place in the archive; none for the archive itself.
    pub path: Option<&'a str>,
    /// Seconds until it ends. It ends with the job's files at the latest, where their end is known already.
    pub expires_in: i64,
    /// The mail that it stands in.
    pub notice_id: Option<NoticeId>,
}

const COLUMNS: &str = "link_id, job_id, path, created_at, expires_at, revoked_at, expires_at <= now() as expired";

/// Makes a link. For a mail that has one already it is that one.
pub async fn create(connection: &mut Connection, company: CompanyId, new: &NewLink<'_>) -> Result<Link, Error> {
    let made = sqlx::query_as(AssertSqlSafe(format!(
        "insert into link (company_id, link_id, job_id, path, notice_id, expires_at)
         select $1, $2, job_id, $4, $5, least(now() + make_interval(secs => $6), expires_at)
           from export_job where company_id = $1 and job_id = $3 and deleted_at is null
         on conflict on constraint one_link_a_notice do update set notice_id = excluded.notice_id
         returning {COLUMNS}"
    )))
    .bind(company)
    .bind(LinkId::new())
    .bind(new.job_id)
    .bind(new.path)
    .bind(new.notice_id)
    .bind(new.expires_in as f64)
    .fetch_optional(connection)
    .await?;
    made.ok_or(Error::Missing("export job"))
}

/// At most `limit` links of a job, in the order in which they were made, after the given one.
pub async fn list(
    connection: &mut Connection,
    company: CompanyId,
    job: JobId,
    after: Option<(DateTime<Utc>, LinkId)>,
    limit: i64,
) -> Result<Vec<Link>, Error> {
    let found = sqlx::query_as(AssertSqlSafe(format!(
        "select {COLUMNS} from link
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
    Ok(found)
}

/// Ends a link before its time. One that has ended stays as it is.
pub async fn revoke(connection: &mut Connection, company: CompanyId, job: JobId, link: LinkId) -> Result<(), Error> {
    let done = sqlx::query(
        "update link set revoked_at = coalesce(revoked_at, now()) where company_id = $1 and job_id = $2 and link_id = $3",
    )
    .bind(company)
    .bind(job)
    .bind(link)
    .execute(connection)
    .await?;
    if done.rows_affected() == 1 { Ok(()) } else { Err(Error::Missing("link of this job")) }
}

/// The link, if it is still there: it goes with its job.
pub async fn find(connection: &mut Connection, company: CompanyId, link: LinkId) -> Result<Option<Link>, Error> {
    let found =
        sqlx::query_as(AssertSqlSafe(format!("select {COLUMNS} from link where company_id = $1 and link_id = $2")))
            .bind(company)
            .bind(link)
            .fetch_optional(connection)
            .await?;
    Ok(found)
}

/// The key of this number.
pub async fn key(connection: &mut Connection, company: CompanyId, key: i32) -> Result<Option<LinkKey>, Error> {
    let found = sqlx::query_as("select key_id, secret from link_key where company_id = $1 and key_id = $2")
        .bind(company)
        .bind(key)
        .fetch_optional(connection)
        .await?;
    Ok(found)
}

/// 256 random bits, made where they are kept.
pub(super) const SECRET: &str =
    "sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))";

/// The key that signs; made when the company has none.
pub async fn signing_key(connection: &mut Connection, company: CompanyId) -> Result<LinkKey, Error> {
    const NEWEST: &str = "select key_id, secret from link_key where company_id = $1 order by key_id desc limit 1";
    if let Some(key) = sqlx::query_as(NEWEST).bind(company).fetch_optional(&mut *connection).await? {
        return Ok(key);
    }
    sqlx::query(AssertSqlSafe(format!(
        "insert into link_key (company_id, key_id, secret) values ($1, 1, {SECRET}) on conflict do nothing"
    )))
    .bind(company)
    .execute(&mut *connection)
    .await?;
    Ok(sqlx::query_as(NEWEST).bind(company).fetch_one(connection).await?)
}

/// Lets another key sign from now on; gives its number. With `forget` the older ones are removed, and every link that
/// they signed ends.
pub async fn rotate(pool: &PgPool, company: CompanyId, forget: bool) -> Result<i32, Error> {
    let mut transaction = pool.begin().await?;
    sqlx::query("select from company where company_id = $1 for no key update")
        .bind(company)
        .execute(&mut *transaction)
        .await?;
    let key: i32 = sqlx::query_scalar(AssertSqlSafe(format!(
        "insert into link_key (company_id, key_id, secret)
         select $1, coalesce(max(key_id), 0) + 1, {SECRET} from link_key where company_id = $1 returning key_id"
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
