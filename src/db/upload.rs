//! Resumable uploads. What has arrived is stored as pieces, each a blob of its own.
//!
//! A request that writes claims the upload with a lease and a fencing token, like a worker claims an item: of two
//! requests at once, or one that was taken for dead and comes back, only one can add bytes.

use std::time::Duration;

use chrono::{DateTime, Utc};
use offprint_core::Digest;
use sqlx::AssertSqlSafe;

use crate::db::interval::to_pg_interval;
use crate::db::optional_digest::OptionalDigest;
use crate::db::{DbConnection, DbError, PgPool, limits};
use crate::id::{AssetId, CompanyId, UploadId, UserId};

/// An upload that has not expired.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct UploadRow {
    /// `uploadHandle` on the wire.
    pub upload_id: UploadId,
    /// Sanitized.
    pub file_name: String,
    pub folder: String,
    /// Of the file.
    pub last_modified: Option<DateTime<Utc>>,
    /// Expected digest of the whole file, if the client sent one.
    #[sqlx(try_from = "OptionalDigest")]
    pub sha256: Option<Digest>,
    /// The header `Upload-Metadata` as it was sent.
    pub metadata: String,
    /// Bytes of the whole file.
    pub length: i64,
    /// Bytes that have arrived.
    pub received: i64,
    /// The asset that it became; none while it is unfinished.
    pub asset_id: Option<AssetId>,
    pub created_at: DateTime<Utc>,
    /// Moves on when more bytes arrive.
    pub expires_at: DateTime<Utc>,
}

/// Owner of uploads: a user, or a company where no user is known.
#[derive(Clone, Copy, Debug)]
pub struct UploadOwner {
    pub company: CompanyId,
    pub user: Option<UserId>,
}

/// An upload to begin. The fields are those of [`UploadRow`].
#[derive(Clone, Debug)]
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
pub struct UploadPieceRow {
    /// In bytes.
    pub size: i64,
    /// The blob.
    #[sqlx(try_from = "[u8; 32]")]
    pub sha256: Digest,
    pub crc32: i64,
}

/// The result of [`claim_upload`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UploadClaimResult {
    /// The caller may write.
    Claimed {
        /// The fencing token.
        number: i32,
        /// Blobs that a failed request had left, and nothing refers to any more.
        stale_pieces: Vec<Digest>,
    },
    /// Another request is writing.
    Busy,
    /// The offset is wrong: this many bytes have arrived.
    OffsetMismatch(i64),
    /// The upload is finished and became this asset.
    Completed(AssetId),
}

const UPLOAD_COLUMNS: &str =
    "upload_id, file_name, folder, last_modified, sha256, metadata, length, received, asset_id, created_at, expires_at";

/// Counts a company's unfinished uploads. Concurrent callers wait for each other until
/// their transactions end, so that they cannot both take the last place within the limit.
pub async fn count_unfinished_uploads(connection: &mut DbConnection, company: CompanyId) -> Result<i64, DbError> {
    limits::lock_quota(connection, company, "uploads").await?;
    let query = sqlx::query_scalar(
        "select count(*) from upload where company_id = $1 and asset_id is null and expires_at > now()",
    );
    Ok(query.bind(company).fetch_one(connection).await?)
}

/// Begins an upload that expires after `ttl`.
pub async fn insert_upload(
    connection: &mut DbConnection,
    owner: UploadOwner,
    new: &NewUpload<'_>,
    ttl: Duration,
) -> Result<UploadRow, DbError> {
    let upload = sqlx::query_as(AssertSqlSafe(format!(
        "insert into upload (company_id, upload_id, user_id, file_name, folder, last_modified, sha256, metadata, length, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, now() + $10) returning {UPLOAD_COLUMNS}"
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
    .bind(to_pg_interval(ttl))
    .fetch_one(connection)
    .await?;
    Ok(upload)
}

/// Fetches an upload of this owner.
pub async fn fetch_upload(pool: &PgPool, owner: UploadOwner, upload: UploadId) -> Result<UploadRow, DbError> {
    let row: Option<UploadRow> = sqlx::query_as(AssertSqlSafe(format!(
        "select {UPLOAD_COLUMNS} from upload
          where company_id = $1 and upload_id = $2 and user_id is not distinct from $3 and expires_at > now()"
    )))
    .bind(owner.company)
    .bind(upload)
    .bind(owner.user)
    .fetch_optional(pool)
    .await?;
    row.ok_or(DbError::NotFound("upload"))
}

/// Lists at most `limit` uploads of the owner after the given one, in order of creation.
pub async fn list_uploads(
    pool: &PgPool,
    owner: UploadOwner,
    after: Option<UploadId>,
    limit: i64,
) -> Result<Vec<UploadRow>, DbError> {
    let uploads = sqlx::query_as(AssertSqlSafe(format!(
        "select {UPLOAD_COLUMNS} from upload
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
    Ok(uploads)
}

/// Claims an upload for writing from `offset` on, for the length of a lease. Pieces beyond it, left by a failed
/// request, are removed.
pub async fn claim_upload(
    pool: &PgPool,
    company: CompanyId,
    upload: UploadId,
    offset: i64,
    lease: Duration,
) -> Result<UploadClaimResult, DbError> {
    let mut transaction = pool.begin().await?;
    let row: Option<(i64, Option<AssetId>, bool, i32)> = sqlx::query_as(
        "select received, asset_id, coalesce(lease_until > now(), false), claim from upload
          where company_id = $1 and upload_id = $2 and expires_at > now() for update",
    )
    .bind(company)
    .bind(upload)
    .fetch_optional(&mut *transaction)
    .await?;
    let claim = match row.ok_or(DbError::NotFound("upload"))? {
        (received, _, false, _) if received != offset => return Ok(UploadClaimResult::OffsetMismatch(received)),
        (_, Some(asset), _, _) => return Ok(UploadClaimResult::Completed(asset)),
        (_, _, true, _) => return Ok(UploadClaimResult::Busy),
        (_, _, false, claim) => claim + 1,
    };
    sqlx::query("update upload set claim = $3, lease_until = now() + $4 where company_id = $1 and upload_id = $2")
        .bind(company)
        .bind(upload)
        .bind(claim)
        .bind(to_pg_interval(lease))
        .execute(&mut *transaction)
        .await?;
    let stale_pieces = delete_pieces(&mut transaction, company, upload, offset).await?;
    transaction.commit().await?;
    Ok(UploadClaimResult::Claimed { number: claim, stale_pieces })
}

/// Deletes the pieces from this offset on. Returns their blobs.
async fn delete_pieces(
    connection: &mut DbConnection,
    company: CompanyId,
    upload: UploadId,
    offset: i64,
) -> Result<Vec<Digest>, DbError> {
    let sql = "delete from upload_piece where company_id = $1 and upload_id = $2 and at >= $3 returning sha256";
    let blobs = sqlx::query_scalar(sql).bind(company).bind(upload).bind(offset).fetch_all(connection).await?;
    Ok(to_digests(blobs))
}

fn to_digests(blobs: Vec<[u8; 32]>) -> Vec<Digest> {
    blobs.into_iter().map(Digest::from).collect()
}

/// The claim of a request that writes to an upload.
#[derive(Clone, Copy, Debug)]
pub struct UploadClaim {
    pub company: CompanyId,
    pub upload: UploadId,
    /// The fencing token.
    pub number: i32,
}

impl UploadClaim {
    /// Renews the lease. Returns `false` when another request has claimed the upload, or it was deleted.
    pub async fn renew_lease(&self, pool: &PgPool, lease: Duration) -> Result<bool, DbError> {
        let sql = "update upload set lease_until = now() + $4 where company_id = $1 and upload_id = $2 and claim = $3";
        let renewed = sqlx::query(sql)
            .bind(self.company)
            .bind(self.upload)
            .bind(self.number)
            .bind(to_pg_interval(lease))
            .execute(pool)
            .await?;
        Ok(renewed.rows_affected() == 1)
    }

    /// Adds a piece, and lets the upload expire later. With `counts` its bytes count as received at once, otherwise
    /// only with [`accept_received`](Self::accept_received). Returns `false` when the claim is lost.
    pub async fn add_piece(
        &self,
        connection: &mut DbConnection,
        (at, size, sha256): (i64, i64, Digest),
        counts: bool,
        ttl: Duration,
    ) -> Result<bool, DbError> {
        let added = sqlx::query(
            "with claimed as (
                 update upload set received = case when $7 then $4 + $5 else received end, expires_at = now() + $8
                  where company_id = $1 and upload_id = $2 and claim = $3 and asset_id is null
                 returning company_id, upload_id
             )
             insert into upload_piece (company_id, upload_id, at, size, sha256)
             select company_id, upload_id, $4, $5, $6 from claimed",
        )
        .bind(self.company)
        .bind(self.upload)
        .bind(self.number)
        .bind(at)
        .bind(size)
        .bind(sha256.to_bytes())
        .bind(counts)
        .bind(to_pg_interval(ttl))
        .execute(connection)
        .await?;
        Ok(added.rows_affected() == 1)
    }

    /// Counts everything added so far as received: `received` bytes. Returns `false` when the claim is lost.
    pub async fn accept_received(&self, pool: &PgPool, received: i64) -> Result<bool, DbError> {
        let sql = "update upload set received = $4
                    where company_id = $1 and upload_id = $2 and claim = $3 and asset_id is null";
        let updated = sqlx::query(sql)
            .bind(self.company)
            .bind(self.upload)
            .bind(self.number)
            .bind(received)
            .execute(pool)
            .await?;
        Ok(updated.rows_affected() == 1)
    }

    /// Ends the lease, so that the next request need not wait for its end.
    pub async fn release(&self, pool: &PgPool) -> Result<(), DbError> {
        sqlx::query("update upload set lease_until = null where company_id = $1 and upload_id = $2 and claim = $3")
            .bind(self.company)
            .bind(self.upload)
            .bind(self.number)
            .execute(pool)
            .await?;
        Ok(())
    }

    /// Lists the pieces before this offset, in order.
    pub async fn list_pieces(&self, pool: &PgPool, before: i64) -> Result<Vec<UploadPieceRow>, DbError> {
        let query = sqlx::query_as(
            "select piece.size, piece.sha256, blob.crc32 from upload_piece piece join blob using (sha256)
              where piece.company_id = $1 and piece.upload_id = $2 and piece.at < $3 order by piece.at",
        );
        Ok(query.bind(self.company).bind(self.upload).bind(before).fetch_all(pool).await?)
    }

    /// Deletes the upload, if the claim is still held. Returns the blobs of its pieces.
    pub async fn delete(&self, pool: &PgPool) -> Result<Vec<Digest>, DbError> {
        // The statement sees the pieces as they were before they went with their upload.
        let deleted = sqlx::query_scalar(
            "with deleted as (
                 delete from upload where company_id = $1 and upload_id = $2 and claim = $3 and asset_id is null
                 returning company_id, upload_id)
             select sha256 from upload_piece join deleted using (company_id, upload_id)",
        )
        .bind(self.company)
        .bind(self.upload)
        .bind(self.number)
        .fetch_all(pool)
        .await?;
        Ok(to_digests(deleted))
    }

    /// Finishes the upload: it became this asset. Its pieces are removed, and their blobs returned. Returns `None` when
    /// the claim is lost: the caller must then roll back.
    pub async fn complete(
        &self,
        connection: &mut DbConnection,
        asset: AssetId,
        ttl: Duration,
    ) -> Result<Option<Vec<Digest>>, DbError> {
        let completed = sqlx::query(
            "update upload set received = length, asset_id = $4, lease_until = null, expires_at = now() + $5
              where company_id = $1 and upload_id = $2 and claim = $3 and asset_id is null",
        )
        .bind(self.company)
        .bind(self.upload)
        .bind(self.number)
        .bind(asset)
        .bind(to_pg_interval(ttl))
        .execute(&mut *connection)
        .await?;
        if completed.rows_affected() == 0 {
            return Ok(None);
        }
        delete_pieces(connection, self.company, self.upload, 0).await.map(Some)
    }
}

/// Deletes an upload and its pieces, whose blobs are returned. A request that is writing to it finds its claim lost.
pub async fn delete_upload(pool: &PgPool, owner: UploadOwner, upload: UploadId) -> Result<Vec<Digest>, DbError> {
    let deleted: Vec<Option<[u8; 32]>> = sqlx::query_scalar(
        "with deleted as (
             delete from upload
              where company_id = $1 and upload_id = $2 and user_id is not distinct from $3 and expires_at > now()
             returning company_id, upload_id)
         select sha256 from deleted left join upload_piece using (company_id, upload_id)",
    )
    .bind(owner.company)
    .bind(upload)
    .bind(owner.user)
    .fetch_all(pool)
    .await?;
    // One row without a blob for an upload without pieces.
    if deleted.is_empty() {
        Err(DbError::NotFound("upload"))
    } else {
        Ok(to_digests(deleted.into_iter().flatten().collect()))
    }
}

/// Deletes expired uploads. Returns the blobs of their pieces.
pub async fn delete_expired_uploads(pool: &PgPool) -> Result<Vec<Digest>, DbError> {
    let deleted = sqlx::query_scalar(
        "with deleted as (delete from upload where expires_at <= now() returning company_id, upload_id)
         select sha256 from upload_piece join deleted using (company_id, upload_id)",
    );
    Ok(to_digests(deleted.fetch_all(pool).await?))
}
