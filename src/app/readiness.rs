//! Whether the database and the storage answer. Anybody may ask, as often as they like, so the answer is kept for a second:
//! all callers together cost a query a second.

use std::sync::Arc;
use std::time::{Duration, Instant};

use offprint_storage::Storage;
use tokio::sync::Mutex;

use crate::db::row_level_security::is_row_level_security_enforced;
use crate::db::{PgPool, blob};

/// Free bytes of the disk below which the service is not ready, and takes no uploads.
pub(crate) const MIN_FREE_BYTES: u64 = 64 << 20;

/// How long an answer is kept.
const READINESS_TTL: Duration = Duration::from_secs(1);

/// What the database and the storage answered.
#[derive(Clone, Copy, Debug)]
pub struct Readiness {
    /// None: the database does not answer.
    pub row_level_security: Option<bool>,
    pub is_storage_alive: bool,
    /// None: not known.
    pub free_bytes: Option<u64>,
    /// Blobs that are known to be damaged. None: not known.
    pub damaged_blobs: Option<i64>,
}

/// The last answer. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct ReadinessCache(Arc<Mutex<Option<(Instant, Readiness)>>>);

impl ReadinessCache {
    /// The last answer, if it is not older than a second, else a new one. Callers at the same time share it.
    pub async fn check(&self, database: &PgPool, storage: &Storage) -> Readiness {
        let mut last = self.0.lock().await;
        match *last {
            Some((checked_at, readiness)) if checked_at.elapsed() < READINESS_TTL => readiness,
            _ => {
                let readiness = check_dependencies(database, storage).await;
                *last = Some((Instant::now(), readiness));
                readiness
            }
        }
    }

    /// Forgets the answer, so that the next caller gets a new one.
    #[cfg_attr(dead_code_check, expect(dead_code, reason = "for tests, which do not wait a second"))]
    pub async fn clear(&self) {
        *self.0.lock().await = None;
    }
}

async fn check_dependencies(database: &PgPool, storage: &Storage) -> Readiness {
    let database_checks = async {
        let row_level_security = is_row_level_security_enforced(database).await.ok();
        let damaged_blobs = match row_level_security {
            Some(_) => blob::count_damaged_blobs(database).await.ok(),
            None => None,
        };
        (row_level_security, damaged_blobs)
    };
    let storage_checks = async { (storage.free_bytes().await.ok(), is_storage_alive(storage).await) };
    let ((row_level_security, damaged_blobs), (free_bytes, is_storage_alive)) =
        tokio::join!(database_checks, storage_checks);
    Readiness { row_level_security, is_storage_alive, free_bytes, damaged_blobs }
}

/// Whether the storage answers within two seconds, soon enough for frequent readiness checks.
async fn is_storage_alive(storage: &Storage) -> bool {
    const STORAGE_PING_TIMEOUT: Duration = Duration::from_secs(2);
    matches!(tokio::time::timeout(STORAGE_PING_TIMEOUT, storage.ping()).await, Ok(Ok(())))
}
