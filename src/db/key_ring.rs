//! Keys that were asked for a moment ago, so that a busy client costs one query a second and not one a request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::db::api_key::{self, ApiKey};
use crate::db::{Error, PgPool};
use crate::id::KeyId;

/// How long an answer is believed: a key that another process revokes is refused here within this time.
const BELIEVED: Duration = Duration::from_millis(900);
/// Most answers that are kept: who tries many keys shall not fill the memory.
const MOST: usize = 1000;

/// When it was looked, and what was found.
type Seen = (Instant, Option<Arc<ApiKey>>);

/// What is known of keys at this moment. Clones share it.
#[derive(Clone, Default)]
pub struct KeyRing(Arc<Mutex<HashMap<KeyId, Seen>>>);

impl KeyRing {
    /// The key of this id, as it was within the last second. That it is used is noted when it is looked up.
    pub async fn find(&self, pool: &PgPool, key: KeyId) -> Result<Option<Arc<ApiKey>>, Error> {
        if let Some((at, found)) = self.seen(key)
            && at.elapsed() < BELIEVED
        {
            return Ok(found);
        }
        let found = api_key::find(pool, key).await?.map(Arc::new);
        if let Some(found) = &found {
            api_key::touch(pool, found).await?;
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(key, (Instant::now(), found.clone()));
        Ok(found)
    }

    /// Looks again when this key comes next.
    pub fn forget(&self, key: KeyId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
    }

    fn seen(&self, key: KeyId) -> Option<Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned()
    }
}
