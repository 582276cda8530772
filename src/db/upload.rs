//! Uploads that come in pieces. Whoever writes to one has a lease and a number that only grows: two writers at once, or
//! one that was taken for dead, cannot both be counted.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::AssertSqlSafe;

use crate::db::item::interval;
use crate::db::{Connection, Error, PgPool, limits};
use crate::db::optional_digest::OptionalDigest;
use crate::digest::Digest;
use crate::id::{AssetId, CompanyId, UploadId, UserId};

/// An upload whose time is not over.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Upload {
    /// `uploadHandle` on the wire.
    pub upload_id: UploadId,
    /// The file's name, made safe.
    pub file_name: String,
    /// The folder for the asset.
    pub folder: String,
    /// When the file was last changed.
    pub last_modified: Option<DateTime<Utc>>,
    /// What the whole must have, where the client said it.
    #[sqlx(try_from = "OptionalDigest")]
    pub sha256: Option<Digest>,
    /// What the client said of the file, as it said it.
    pub metadata: String,
    /// Bytes of the whole.
    pub length: i64,
    /// Bytes that are there.
    pub received: i64,
    /// The asset that was made of it.
    pub asset_id: Option<AssetId>,
    /// When it was begun.
    pub created_at: DateTime<Utc>,
    /// When it is forgotten, unless more comes.
    pub expires_at: DateTime<Utc>,
}

/// Whose uploads: a user's, or those of nobody in a company.
#[derive(Clone, Copy, Debug)]
pub struct Owner {
    /// The company.
    pub company: CompanyId,
    /// The user, where one is known.
    pub user: Option<UserId>,
}

/// An upload that is to be begun.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "as in `Upload`")]
pub struct NewUpload<'a> {
    pub file_name: &'a str,
    pub folder: &'a str,
    pub last_modified: Option<DateTime<Utc>>,
    pub sha256: Option<Digest>,
    pub metadata: &'a str,
    pub length: i64,
}

/// A part of an upload that is stored as a blob.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct Piece {
    /// Where it begins.
    pub at: i64,
    /// How many bytes it has.
    pub size: i64,
    /// The blob.
    #[sqlx(try_from = "[u8; 32]")]
    pub sha256: Digest,
    /// The blob's checksum.
    pub crc32: i64,
}

/// What came of the wish to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Ours, under this number.
    Ours(i32),
    /// Somebody else writes.
    Busy,
    /// So many bytes are there, not as many as was said.
    Elsewhere(i64),
    /// It is an asset already.
    Done(AssetId),
}

const COLUMNS: &str =
    "upload_id, file_name, folder, last_modified, sha256, metadata, length, received, asset_id, created_at, expires_at";

/// How many unfinished uploads a company has and how many bytes they promise. Others of the company that ask wait until
/// this transaction ends.
pub async fn open(connection: &mut Connection, company: CompanyId) -> Result<(i64, i64), Error> {
    limits::take_turns(connection, company, "uploads").await?;
    let found = sqlx::query_as(
        "select count(*), coalesce(sum(length), 0)::bigint from upload
          where company_id = $1 and asset_id is null and expires_at > now()",
    );
    Ok(found.bind(company).fetch_one(connection).await?)
}

/// Begins an upload that is kept for so long.
pub async fn create(
    connection: &mut Connection,
    owner: Owner,
    new: &NewUpload<'_>,
    kept: Duration,
) -> Result<Upload, Error> {
    let made = sqlx::query_as(AssertSqlSafe(format!(
        "insert into upload (company_id, upload_id, user_id, file_name, folder, last_modified, sha256, metadata, length, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, now() + $10) returning {COLUMNS}"
    )))
    .bind(owner.company)
    .bind(UploadId::new())
    .bind(owner.user)
    .bind(new.file_name)
    .bind(new.folder)
    .bind(new.last_modified)
    .bind(new.sha256.map(Digest::to_bytes))
    .bind(new.metadata)
    .bind(new.length)
    .bind(interval(kept))
    .fetch_one(connection)
    .await?;
    Ok(made)
}

/// The upload, if it is the owner's and its time is not over.
pub async fn find(pool: &PgPool, owner: Owner, upload: UploadId) -> Result<Upload, Error> {
    let found: Option<Upload> = sqlx::query_as(AssertSqlSafe(format!(
        "select {COLUMNS} from upload
          where company_id = $1 and upload_id = $2 and user_id is not distinct from $3 and expires_at > now()"
    )))
    .bind(owner.company)
    .bind(upload)
    .bind(owner.user)
    .fetch_optional(pool)
    .await?;
    found.ok_or(Error::Missing("upload"))
}

/// At most `limit` uploads of the owner after the given one, in the order in which they were begun.
pub async fn list(pool: &PgPool, owner: Owner, after: Option<UploadId>, limit: i64) -> Result<Vec<Upload>, Error> {
    let found = sqlx::query_as(AssertSqlSafe(format!(
        "select {COLUMNS} from upload
          where company_id = $1 and user_id is not distinct from $2 and expires_at > now()
            and ($3::uuid is null or upload_id > $3)
          order by upload_id limit $4"
    )))
    .bind(owner.company)
    .bind(owner.user)
    .bind(after)
    .bind(limit)
    .fetch_all(pool)
    .await?;
    Ok(found)
}

/// Takes an upload to write from `offset` on, for the length of a lease. What a writer before left half done is forgotten.
pub async fn take(
    pool: &PgPool,
    company: CompanyId,
    upload: UploadId,
    offset: i64,
    lease: Duration,
) -> Result<Taken, Error> {
    let mut transaction = pool.begin().await?;
    let found: Option<(i64, Option<AssetId>, bool, i32)> = sqlx::query_as(
        "select received, asset_id, coalesce(lease_until > now(), false), claim from upload
          where company_id = $1 and upload_id = $2 and expires_at > now() for update",
    )
    .bind(company)
    .bind(upload)
    .fetch_optional(&mut *transaction)
    .await?;
    let claim = match found.ok_or(Error::Missing("upload"))? {
        (received, _, false, _) if received != offset => return Ok(Taken::Elsewhere(received)),
        (_, Some(asset), _, _) => return Ok(Taken::Done(asset)),
        (_, _, true, _) => return Ok(Taken::Busy),
        (_, _, false, claim) => claim + 1,
    };
    sqlx::query("update upload set claim = $3, lease_until = now() + $4 where company_id = $1 and upload_id = $2")
        .bind(company)
        .bind(upload)
        .bind(claim)
        .bind(interval(lease))
        .execute(&mut *transaction)
        .await?;
    sqlx::query("delete from upload_piece where company_id = $1 and upload_id = $2 and at >= $3")
        .bind(company)
        .bind(upload)
        .bind(offset)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(Taken::Ours(claim))
}

/// An upload that somebody writes to.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// Whose it is.
    pub company: CompanyId,
    /// Which.
    pub upload: UploadId,
    /// The fence.
    pub number: i32,
}

impl Claim {
    /// Prolongs the lease. `false` when somebody else has it, or the upload is gone.
    pub async fn beat(&self, pool: &PgPool, lease: Duration) -> Result<bool, Error> {
        let sql = "update upload set lease_until = now() + $4 where company_id = $1 and upload_id = $2 and claim = $3";
        let kept = sqlx::query(sql)
            .bind(self.company)
            .bind(self.upload)
            .bind(self.number)
            .bind(interval(lease))
            .execute(pool)
            .await?;
        Ok(kept.rows_affected() == 1)
    }

    /// Adds a piece, which counts at once or only when [`accept`](Self::accept) says so. More time is given to the upload.
    /// `false` when it is no longer ours.
    pub async fn add(
        &self,
        pool: &PgPool,
        (at, size, sha256): (i64, i64, Digest),
        counts: bool,
        kept: Duration,
    ) -> Result<bool, Error> {
        let added = sqlx::query(
            "with ours as (
                 update upload set received = case when $7 then $4 + $5 else received end, expires_at = now() + $8
                  where company_id = $1 and upload_id = $2 and claim = $3 and asset_id is null
                 returning company_id, upload_id
             )
             insert into upload_piece (company_id, upload_id, at, size, sha256)
             select company_id, upload_id, $4, $5, $6 from ours",
        )
        .bind(self.company)
        .bind(self.upload)
        .bind(self.number)
        .bind(at)
        .bind(size)
        .bind(sha256.to_bytes())
        .bind(counts)
        .bind(interval(kept))
        .execute(pool)
        .await?;
        Ok(added.rows_affected() == 1)
    }

    /// Lets everything count that was added so far: `received` bytes. `false` when it is no longer ours.
    pub async fn accept(&self, pool: &PgPool, received: i64) -> Result<bool, Error> {
        let sql = "update upload set received = $4
                    where company_id = $1 and upload_id = $2 and claim = $3 and asset_id is null";
        let done = sqlx::query(sql)
            .bind(self.company)
            .bind(self.upload)
            .bind(self.number)
            .bind(received)
            .execute(pool)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Ends the lease before its time.
    pub async fn release(&self, pool: &PgPool) -> Result<(), Error> {
        sqlx::query("update upload set lease_until = null where company_id = $1 and upload_id = $2 and claim = $3")
            .bind(self.company)
            .bind(self.upload)
            .bind(self.number)
            .execute(pool)
            .await?;
        Ok(())
    }

    /// The pieces before this place, in their order.
    pub async fn pieces(&self, pool: &PgPool, before: i64) -> Result<Vec<Piece>, Error> {
        let found = sqlx::query_as(
            "select piece.at, piece.size, piece.sha256, blob.crc32 from upload_piece piece join blob using (sha256)
              where piece.company_id = $1 and piece.upload_id = $2 and piece.at < $3 order by piece.at",
        );
        Ok(found.bind(self.company).bind(self.upload).bind(before).fetch_all(pool).await?)
    }

    /// Forgets the upload, if it is still ours.
    pub async fn forget(&self, pool: &PgPool) -> Result<(), Error> {
        sqlx::query("delete from upload where company_id = $1 and upload_id = $2 and claim = $3 and asset_id is null")
            .bind(self.company)
            .bind(self.upload)
            .bind(self.number)
            .execute(pool)
            .await?;
        Ok(())
    }

    /// Ends the upload: it is this asset now, and its pieces are not needed any more. `false` when it is no longer ours.
    pub async fn complete(&self, connection: &mut Connection, asset: AssetId, kept: Duration) -> Result<bool, Error> {
        let done = sqlx::query(
            "update upload set received = length, asset_id = $4, lease_until = null, expires_at = now() + $5
              where company_id = $1 and upload_id = $2 and claim = $3 and asset_id is null",
        )
        .bind(self.company)
        .bind(self.upload)
        .bind(self.number)
        .bind(asset)
        .bind(interval(kept))
        .execute(&mut *connection)
        .await?;
        sqlx::query("delete from upload_piece where company_id = $1 and upload_id = $2")
            .bind(self.company)
            .bind(self.upload)
            .execute(connection)
            .await?;
        Ok(done.rows_affected() == 1)
    }
}

/// Forgets an upload and what came of it. Whoever writes to it hears so.
pub async fn remove(pool: &PgPool, owner: Owner, upload: UploadId) -> Result<(), Error> {
    let gone = sqlx::query(
        "delete from upload
          where company_id = $1 and upload_id = $2 and user_id is not distinct from $3 and expires_at > now()",
    )
    .bind(owner.company)
    .bind(upload)
    .bind(owner.user)
    .execute(pool)
    .await?;
    if gone.rows_affected() == 1 { Ok(()) } else { Err(Error::Missing("upload")) }
}

/// Forgets uploads whose time is over. Returns how many.
pub async fn remove_expired(pool: &PgPool) -> Result<u64, Error> {
    Ok(sqlx::query("delete from upload where expires_at <= now()").execute(pool).await?.rows_affected())
}
