//! What a backup needs of the database: a snapshot whose blobs all stay in the storage while they are copied, and for a
//! restore whether the target is empty.
//!
//! ```text
//!   lock transaction       holds an advisory lock for the whole backup: retention removes no blob meanwhile
//!   snapshot transaction   exports its snapshot to pg_dump and lists the blobs of the same moment; ended as soon as both
//!                          are done, because vacuum must keep all rows that it sees
//! ```
//!
//! The lock comes first: a removal that was in progress has ended when the snapshot is taken. Both belong to
//! transactions and not to sessions, so they hold behind a connection pooler, too, and end with the connection.

use crate::db::blob::BlobRow;
use crate::db::{DbConnection, DbError, PgPool, Transaction};
use offprint_core::Digest;

/// Key of the advisory lock: "Offprint" in ASCII.
const BLOB_REMOVAL_LOCK_KEY: i64 = 0x4f66_6670_7269_6e74;

/// A moment of the database whose blobs are not removed before this is dropped.
pub struct BackupSnapshot {
    lock: Transaction,
    snapshot: Transaction,
    /// The name by which `pg_dump --snapshot` finds it.
    pub name: String,
}

impl BackupSnapshot {
    /// Waits for removals of blobs in progress, then takes the snapshot. Needs two connections.
    ///
    /// # Errors
    /// [`DbError::InvalidState`] when another backup is running.
    pub async fn open(pool: &PgPool) -> Result<Self, DbError> {
        let mut lock = pool.begin().await?;
        sqlx::query("set local lock_timeout = '10s'").execute(&mut *lock).await?;
        sqlx::query("set local idle_in_transaction_session_timeout = 0").execute(&mut *lock).await?;
        let locked =
            sqlx::query("select pg_advisory_xact_lock($1)").bind(BLOB_REMOVAL_LOCK_KEY).execute(&mut *lock).await;
        match locked {
            Ok(_) => {}
            // lock_not_available
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("55P03") => {
                return Err(DbError::InvalidState { is: "being backed up".to_owned(), allowed: Vec::new() });
            }
            Err(error) => return Err(error.into()),
        }
        let mut snapshot = pool.begin().await?;
        sqlx::query("set transaction isolation level repeatable read, read only").execute(&mut *snapshot).await?;
        sqlx::query("set local idle_in_transaction_session_timeout = 0").execute(&mut *snapshot).await?;
        let name = sqlx::query_scalar("select pg_export_snapshot()").fetch_one(&mut *snapshot).await?;
        Ok(Self { lock, snapshot, name })
    }

    /// Lists at most `limit` blobs of the snapshot, in order of digest.
    pub async fn list_blobs(&mut self, after: Option<Digest>, limit: i64) -> Result<Vec<BlobRow>, DbError> {
        let query = sqlx::query_as(
            "select sha256, size, crc32, damaged_at is not null as damaged from blob
              where $1::bytea is null or sha256 > $1 order by sha256 limit $2",
        );
        let after = after.map(|digest| digest.to_bytes().to_vec());
        Ok(query.bind(after).bind(limit).fetch_all(&mut *self.snapshot).await?)
    }

    /// Ends the snapshot. Its blobs stay until the lock is dropped.
    pub async fn end_snapshot(self) -> Result<BlobRemovalLock, DbError> {
        self.snapshot.rollback().await?;
        Ok(BlobRemovalLock(self.lock))
    }
}

/// While it is held, retention removes no blob.
pub struct BlobRemovalLock(Transaction);

impl BlobRemovalLock {
    /// Releases the lock.
    ///
    /// # Errors
    /// When it was lost meanwhile with its connection, so that blobs may have been removed.
    pub async fn release(mut self) -> Result<(), DbError> {
        sqlx::query("select 1").execute(&mut *self.0).await?;
        Ok(self.0.rollback().await?)
    }
}

/// Takes part in removing blobs until the transaction ends. False while a backup runs: nothing may be removed then.
pub async fn begin_blob_removal(connection: &mut DbConnection) -> Result<bool, DbError> {
    let query = sqlx::query_scalar("select pg_try_advisory_xact_lock_shared($1)");
    Ok(query.bind(BLOB_REMOVAL_LOCK_KEY).fetch_one(connection).await?)
}

/// Whether the database has no tables, views or sequences, except those of extensions.
pub async fn is_database_empty(pool: &PgPool) -> Result<bool, DbError> {
    let sql = "select not exists (
                   select from pg_class class join pg_namespace schema on schema.oid = class.relnamespace
                    where schema.nspname <> 'information_schema' and schema.nspname !~ '^pg_'
                      and class.relkind in ('r', 'p', 'v', 'm', 'S', 'f')
                      and not exists (select from pg_depend where objid = class.oid and deptype = 'e'))";
    Ok(sqlx::query_scalar(sql).fetch_one(pool).await?)
}

/// Removes everything that this role owns in the database.
pub async fn clear_database(pool: &PgPool) -> Result<(), DbError> {
    let mut transaction = pool.begin().await?;
    sqlx::query("drop owned by current_user cascade").execute(&mut *transaction).await?;
    sqlx::query("create schema if not exists public").execute(&mut *transaction).await?;
    Ok(transaction.commit().await?)
}

/// Collects statistics for the query planner, which a restored database lacks.
pub async fn analyze_database(pool: &PgPool) -> Result<(), DbError> {
    sqlx::query("analyze").execute(pool).await?;
    Ok(())
}

/// Version of the server: as a number such as 150013, and as text.
pub async fn fetch_server_version(pool: &PgPool) -> Result<(i32, String), DbError> {
    let sql = "select current_setting('server_version_num')::int, current_setting('server_version')";
    Ok(sqlx::query_as(sql).fetch_one(pool).await?)
}
