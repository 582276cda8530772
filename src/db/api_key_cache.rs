//! A cache of API keys, so that a busy client costs a query every few seconds instead of one per request. The price is
//! that a revocation by another process takes effect a moment later, see `LISTENING_TTL`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex as AsyncMutex, watch};

use crate::db::api_key::{self, ApiKeyRow};
use crate::db::{DbError, PgPool};
use crate::id::KeyId;

/// How long an entry is used while this process receives signals about revoked keys, and while it does not. A key that
/// another process revokes is refused here at once when signals arrive, and within a second when it is known that they
/// do not.
const LISTENING_TTL: Duration = Duration::from_secs(2);
const FALLBACK_TTL: Duration = Duration::from_millis(900);
/// Limits the memory that a client can fill by trying many keys.
const MAX_CACHED_KEYS: usize = 1000;

/// The cache. Clones share it.
#[derive(Clone, Default)]
pub struct ApiKeyCache {
    state: Arc<Mutex<ApiKeyCacheState>>,
    /// Held during a query for a caller who sent too many unknown keys.
    suspicious_query: Arc<AsyncMutex<()>>,
}

#[derive(Default)]
struct ApiKeyCacheState {
    /// Whether signals of other processes arrive.
    is_listening: bool,
    /// Grows with each invalidation. A query that began before an invalidation may have read the old row, so its result
    /// is not cached.
    generation: u64,
    /// Changes with each invalidation, see [`ApiKeyCache::subscribe`].
    invalidations: watch::Sender<()>,
    entries: HashMap<KeyId, ApiKeyCacheEntry>,
}

/// When the database was queried, and the result; none: no such key.
type ApiKeyCacheEntry = (Instant, Option<Arc<ApiKeyRow>>);

impl ApiKeyCache {
    /// Finds a key, from the cache if possible. Its use is recorded when the database is queried.
    pub async fn find(&self, pool: &PgPool, key: KeyId) -> Result<Option<Arc<ApiKeyRow>>, DbError> {
        match self.find_cached(key) {
            Ok(row) => Ok(row),
            Err(generation) => self.query(pool, key, generation).await,
        }
    }

    /// Finds a key for a caller at an address that sent too many unknown keys. All of these callers together have one
    /// query at a time, so whoever guesses keys takes one connection at most, and a valid key waits a moment.
    pub async fn find_one_at_a_time(&self, pool: &PgPool, key: KeyId) -> Result<Option<Arc<ApiKeyRow>>, DbError> {
        if let Ok(row) = self.find_cached(key) {
            return Ok(row);
        }
        let _turn = self.suspicious_query.lock().await;
        self.find(pool, key).await
    }

    /// The entry of a key if it may still be used, else the generation to query it in.
    fn find_cached(&self, key: KeyId) -> Result<Option<Arc<ApiKeyRow>>, u64> {
        let cache = self.lock();
        let ttl = if cache.is_listening { LISTENING_TTL } else { FALLBACK_TTL };
        match cache.entries.get(&key) {
            Some((queried_at, row)) if queried_at.elapsed() < ttl => Ok(row.clone()),
            _ => Err(cache.generation),
        }
    }

    async fn query(&self, pool: &PgPool, key: KeyId, generation: u64) -> Result<Option<Arc<ApiKeyRow>>, DbError> {
        let queried_at = Instant::now();
        let row = api_key::find_api_key(pool, key).await?.map(Arc::new);
        if let Some(row) = &row {
            api_key::touch_api_key(pool, row).await?;
        }
        let mut cache = self.lock();
        if cache.generation == generation {
            if cache.entries.len() >= MAX_CACHED_KEYS {
                // Guessed keys go first, so that they do not push out valid ones.
                cache.entries.retain(|_, (_, row)| row.is_some());
            }
            if cache.entries.len() >= MAX_CACHED_KEYS {
                cache.entries.clear();
            }
            cache.entries.insert(key, (queried_at, row.clone()));
        }
        Ok(row)
    }

    /// Forgets a key, so that it is queried again when it is used next.
    pub fn invalidate(&self, key: KeyId) {
        let mut cache = self.lock();
        cache.generation += 1;
        cache.entries.remove(&key);
        cache.invalidations.send_replace(());
    }

    /// Changes when any key may have been revoked. Long requests, such as streams, then check their key again.
    pub fn subscribe(&self) -> watch::Receiver<()> {
        self.lock().invalidations.subscribe()
    }

    /// Sets whether signals arrive, so that [`invalidate`](Self::invalidate) is called when another process revokes a
    /// key.
    pub fn set_listening(&self, is_listening: bool) {
        let mut cache = self.lock();
        if std::mem::replace(&mut cache.is_listening, is_listening) != is_listening {
            // Keys may have been revoked while no signals arrived.
            cache.generation += 1;
            cache.entries.clear();
            cache.invalidations.send_replace(());
        }
    }

    fn lock(&self) -> MutexGuard<'_, ApiKeyCacheState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
