//! Keys that were asked for a moment ago, so that a busy client costs a query now and then and not one a request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::db::api_key::{self, ApiKey};
use crate::db::{Error, PgPool};
use crate::id::KeyId;

/// How long an answer is believed while revocations are told, and while they are not: a key that another process
/// revokes is refused here within a second as long as one of the two works.
const TOLD: Duration = Duration::from_secs(2);
const UNTOLD: Duration = Duration::from_millis(900);
/// Most answers that are kept: who tries many keys shall not fill the memory.
const MOST: usize = 1000;

/// What is known of keys at this moment. Clones share it.
#[derive(Clone, Default)]
pub struct KeyRing(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    /// Whether revocations by other processes are told to us.
    told: bool,
    /// How often something was forgotten: what was asked before that is not kept.
    forgotten: u64,
    /// Tells those who hold on to a key that something was forgotten.
    told_on: watch::Sender<()>,
    seen: HashMap<KeyId, Seen>,
}

/// When it was looked, and what was found.
type Seen = (Instant, Option<Arc<ApiKey>>);

impl KeyRing {
    /// The key of this id, as it was a moment ago. That it is used is noted when it is looked up.
    pub async fn find(&self, pool: &PgPool, key: KeyId) -> Result<Option<Arc<ApiKey>>, Error> {
        let forgotten = {
            let known = self.known();
            let believed = if known.told { TOLD } else { UNTOLD };
            if let Some((at, found)) = known.seen.get(&key)
                && at.elapsed() < believed
            {
                return Ok(found.clone());
            }
            known.forgotten
        };
        let asked = Instant::now();
        let found = api_key::find(pool, key).await?.map(Arc::new);
        if let Some(found) = &found {
            api_key::touch(pool, found).await?;
        }
        let mut known = self.known();
        if known.forgotten == forgotten {
            if known.seen.len() >= MOST {
                known.seen.clear();
            }
            known.seen.insert(key, (asked, found.clone()));
        }
        Ok(found)
    }

    /// Looks again when this key comes next.
    pub fn forget(&self, key: KeyId) {
        let mut known = self.known();
        known.forgotten += 1;
        known.seen.remove(&key);
        known.told_on.send_replace(());
    }

    /// Changes when a key may have been revoked: whoever holds on to one for long looks at it again.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.known().told_on.subscribe()
    }

    /// Says whether from now on [`forget`](Self::forget) is called when another process revokes a key.
    pub fn told(&self, told: bool) {
        let mut known = self.known();
        if std::mem::replace(&mut known.told, told) != told {
            // What was revoked while nobody listened.
            known.forgotten += 1;
            known.seen.clear();
            known.told_on.send_replace(());
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
