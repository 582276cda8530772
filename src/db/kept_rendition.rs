//! Renditions that are kept for a company, as files of its jobs, in its render cache or as thumbnails. Each blob counts once
//! toward the company's quota.
//!
//! ```text
//!   keep_renditions      the worker has stored the bytes: they count from here on
//!   settle               files and render cache refer to them
//!   insert_thumbnail     the same for a thumbnail, with what refers to it
//!   evict_renditions     the company is at its limit: cached renditions and thumbnails that no job has go first
//!   release_renditions   nothing refers to them any more: they stop to count, and their bytes may be removed
//! ```
//!
//! Until something refers to a rendition, the claim of its item keeps it: while the item still runs under that claim, the
//! settle may come. So nothing has to be held for a time, and what a dead worker left counts no longer than its lease.
//!
//! The foreign keys of files, of the render cache and of thumbnails make the count exact: they lock the row that they refer to, and a
//! row that was removed a moment before refuses the settle, which is then tried again
//! ([`DbError::refers_to_removed_blob`]).

use offprint_core::Digest;

use crate::db::attempt::Attempt;
use crate::db::{DbConnection, DbError, PgPool};
use crate::id::CompanyId;

/// How many rows one statement looks at.
const BATCH_ROWS: i64 = 1000;

/// Condition for a row `kept` of `kept_rendition`: no file of a job has it, and its item does not run any more. Each part
/// is one look into an index: with `offset 0` they are not planned as joins over whole tables.
macro_rules! not_in_jobs_sql {
    () => {
        "not exists (select from export_file file where file.sha256 = kept.sha256 and file.kept_by = kept.company_id offset 0)
         and not exists (select from export_item item
                          where item.company_id = kept.company_id and item.job_id = kept.job_id
                            and item.position = kept.position and item.claim = kept.claim and item.state = 'running'
                         offset 0)"
    };
}

/// The same, and it is neither in the render cache nor a thumbnail.
macro_rules! unused_sql {
    () => {
        concat!(
            not_in_jobs_sql!(),
            " and not exists (select from rendition
                               where rendition.sha256 = kept.sha256 and rendition.company_id = kept.company_id offset 0)
              and not exists (select from thumbnail
                               where thumbnail.sha256 = kept.sha256 and thumbnail.company_id = kept.company_id offset 0)"
        )
    };
}

/// Counts renditions that this transaction has stored toward the quotas of the companies, and keeps each for its attempt.
/// Returns the companies that have more bytes now.
///
/// The commit does not wait for the disk: a crash of the database loses it only together with the claim's settle, and
/// then the bytes are stray files.
pub async fn keep_renditions(
    connection: &mut DbConnection,
    renditions: &[(&Attempt, Digest)],
) -> Result<Vec<CompanyId>, DbError> {
    let grown = sqlx::query_scalar(
        "with new as (
             -- Two items may have rendered the same bytes; either keeps them.
             select distinct on (company_id, sha256) *
               from unnest($1::uuid[], $2::uuid[], $3::int[], $4::int[], $5::bytea[])
                    attempt (company_id, job_id, position, claim, sha256)
              order by company_id, sha256
         ), kept as (
             insert into kept_rendition (company_id, sha256, size, job_id, position, claim)
             select company_id, sha256, size, job_id, position, claim from new join blob using (sha256)
              order by company_id, sha256
             on conflict (company_id, sha256) do update
                set job_id = excluded.job_id, position = excluded.position, claim = excluded.claim
             returning company_id, xmax = 0 as is_new      -- `xmax` is 0 in a row that was inserted
         )
         select distinct company_id from kept, set_config('synchronous_commit', 'off', true) where is_new",
    )
    .bind(renditions.iter().map(|(attempt, _)| attempt.company).collect::<Vec<_>>())
    .bind(renditions.iter().map(|(attempt, _)| attempt.job).collect::<Vec<_>>())
    .bind(renditions.iter().map(|(attempt, _)| attempt.position).collect::<Vec<_>>())
    .bind(renditions.iter().map(|(attempt, _)| attempt.claim).collect::<Vec<_>>())
    .bind(renditions.iter().map(|(_, digest)| digest.to_bytes()).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    Ok(grown)
}

/// A rendition that is kept for a company.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct KeptRenditionRow {
    pub company_id: CompanyId,
    #[sqlx(try_from = "[u8; 32]")]
    pub sha256: Digest,
    /// In bytes.
    pub size: i64,
    /// Whether nothing refers to it.
    pub is_unused: bool,
}

/// Evicts renditions of the company that no job has, until `bytes` are free: those without any reference first, then the
/// least recently used of the render cache and of thumbnails. Returns them; after the commit their bytes may be removed. There may be fewer
/// than asked for.
///
/// Rows that somebody else is working with are left out and never waited for, because the caller may hold the company's
/// usage, for which they wait.
pub async fn evict_renditions(
    connection: &mut DbConnection,
    company: CompanyId,
    bytes: i64,
) -> Result<Vec<KeptRenditionRow>, DbError> {
    let (mut evicted, mut tried): (Vec<KeptRenditionRow>, Vec<Digest>) = (Vec::new(), Vec::new());
    let mut missing = bytes;
    while missing > 0 {
        let candidates = lock_evictable(connection, company, &tried).await?;
        let mut free = 0;
        let chosen: Vec<Digest> = candidates
            .into_iter()
            .take_while(|candidate| {
                let is_needed = free < missing;
                free += candidate.size;
                is_needed
            })
            .map(|candidate| candidate.sha256)
            .collect();
        if chosen.is_empty() {
            break;
        }
        uncache_renditions(connection, company, &chosen).await?;
        let deleted = delete_unused(connection, company, &chosen).await?;
        missing -= deleted.iter().map(|kept| kept.size).sum::<i64>();
        evicted.extend(deleted);
        tried.extend(chosen);
    }
    Ok(evicted)
}

/// Locks up to a hundred renditions that no job has, apart from those that were tried already, in the order in which they
/// are evicted.
async fn lock_evictable(
    connection: &mut DbConnection,
    company: CompanyId,
    tried: &[Digest],
) -> Result<Vec<KeptRenditionRow>, DbError> {
    let sql = concat!(
        "select kept.company_id, kept.sha256, kept.size, cache.used_at is null as is_unused
           from kept_rendition kept
          cross join lateral (
                select max(used_at) as used_at
                  from (select used_at from rendition
                         where rendition.sha256 = kept.sha256 and rendition.company_id = kept.company_id
                         union all
                        select used_at from thumbnail
                         where thumbnail.sha256 = kept.sha256 and thumbnail.company_id = kept.company_id) uses) cache
          where kept.company_id = $1 and kept.sha256 <> all($2) and ",
        not_in_jobs_sql!(),
        " order by cache.used_at nulls first, kept.sha256 limit 100 for update of kept skip locked"
    );
    Ok(sqlx::query_as(sql).bind(company).bind(to_bytes(tried)).fetch_all(connection).await?)
}

/// Removes renditions of a company from the render cache and thumbnails, except rows that somebody is using.
async fn uncache_renditions(
    connection: &mut DbConnection,
    company: CompanyId,
    renditions: &[Digest],
) -> Result<(), DbError> {
    sqlx::query(
        "with cached as (
             select source_sha256, recipe_id, engine_version from rendition
              where sha256 = any($2) and company_id = $1 for update skip locked
         ), small as (
             select source_sha256, engine_version from thumbnail
              where sha256 = any($2) and company_id = $1 for update skip locked
         ), thumbnails as (
             delete from thumbnail using small
              where thumbnail.company_id = $1 and thumbnail.source_sha256 = small.source_sha256
                and thumbnail.engine_version = small.engine_version
         )
         delete from rendition using cached
          where rendition.company_id = $1 and rendition.source_sha256 = cached.source_sha256
            and rendition.recipe_id = cached.recipe_id and rendition.engine_version = cached.engine_version",
    )
    .bind(company)
    .bind(to_bytes(renditions))
    .execute(connection)
    .await?;
    Ok(())
}

/// Removes those of the renditions that nothing refers to, and returns them. Their bytes count no longer, and may be
/// removed after the commit.
pub async fn release_renditions(
    connection: &mut DbConnection,
    company: CompanyId,
    renditions: &[Digest],
) -> Result<Vec<Digest>, DbError> {
    // Locked first: whoever has referred to one meanwhile is seen by the next statement, not by this one.
    sqlx::query("select from kept_rendition where company_id = $1 and sha256 = any($2) order by sha256 for update")
        .bind(company)
        .bind(to_bytes(renditions))
        .execute(&mut *connection)
        .await?;
    Ok(list_digests(&delete_unused(connection, company, renditions).await?))
}

/// Deletes the unused of these rows, which this transaction has locked.
async fn delete_unused(
    connection: &mut DbConnection,
    company: CompanyId,
    renditions: &[Digest],
) -> Result<Vec<KeptRenditionRow>, DbError> {
    let sql = concat!(
        "delete from kept_rendition kept where kept.company_id = $1 and kept.sha256 = any($2) and ",
        unused_sql!(),
        " returning company_id, sha256, size, true as is_unused"
    );
    Ok(sqlx::query_as(sql).bind(company).bind(to_bytes(renditions)).fetch_all(connection).await?)
}

/// Lists the next thousand renditions of all companies after this one, and whether they are used.
pub async fn list_kept_renditions(
    pool: &PgPool,
    after: Option<(CompanyId, Digest)>,
) -> Result<Vec<KeptRenditionRow>, DbError> {
    let sql = concat!(
        "select kept.company_id, kept.sha256, kept.size, ",
        unused_sql!(),
        " as is_unused
           from (select * from kept_rendition where $1::uuid is null or (company_id, sha256) > ($1, $2)
                  order by company_id, sha256 limit $3) kept"
    );
    let (company, sha256) = after.unzip();
    let query = sqlx::query_as(sql).bind(company).bind(sha256.map(Digest::to_bytes)).bind(BATCH_ROWS);
    Ok(query.fetch_all(pool).await?)
}

fn list_digests(rows: &[KeptRenditionRow]) -> Vec<Digest> {
    rows.iter().map(|row| row.sha256).collect()
}

fn to_bytes(digests: &[Digest]) -> Vec<[u8; 32]> {
    digests.iter().map(|digest| digest.to_bytes()).collect()
}
