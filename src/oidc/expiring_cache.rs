//! A value of the provider that is fetched when it is needed, and kept for a while. One request fetches, the others wait for
//! it: a provider that hangs is asked once at a time, and one that fails is left alone for some seconds.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::provider::ProviderError;

/// How long a value is used.
const CACHE_TTL: Duration = Duration::from_secs(3600);
/// How long a failure is told again without another try.
const FAILURE_TTL: Duration = Duration::from_secs(3);
/// Fetches before the time is over, because something was not in the value.
const MIN_REFRESH_INTERVAL: Duration = Duration::from_secs(30);

/// A cached value.
pub(super) struct ExpiringCache<T>(Mutex<CacheState<T>>);

struct CacheState<T> {
    value: Option<(Instant, Arc<T>)>,
    failure: Option<(Instant, ProviderError)>,
    refreshed_at: Option<Instant>,
}

impl<T> Default for ExpiringCache<T> {
    fn default() -> Self {
        Self(Mutex::new(CacheState { value: None, failure: None, refreshed_at: None }))
    }
}

impl<T> ExpiringCache<T> {
    /// The value, fetched where there is none that is fresh.
    ///
    /// # Errors
    /// Why it cannot be fetched.
    pub(super) async fn get(
        &self,
        fetch: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<Arc<T>, ProviderError> {
        let mut state = self.0.lock().await;
        match &state.value {
            Some((at, value)) if at.elapsed() < CACHE_TTL => Ok(value.clone()),
            _ => state.fetch(fetch).await,
        }
    }

    /// The value once more, because `known` lacks something: another one that is there by now, or fetched. Too soon after the
    /// last time it is `known`, so that tokens of strangers do not make us ask without end.
    ///
    /// # Errors
    /// Why it cannot be fetched.
    pub(super) async fn refresh(
        &self,
        known: &Arc<T>,
        fetch: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<Arc<T>, ProviderError> {
        let mut state = self.0.lock().await;
        if let Some((_, value)) = state.value.as_ref().filter(|(_, value)| !Arc::ptr_eq(value, known)) {
            return Ok(value.clone());
        }
        if state.refreshed_at.is_some_and(|at| at.elapsed() < MIN_REFRESH_INTERVAL) {
            return Ok(known.clone());
        }
        state.refreshed_at = Some(Instant::now());
        state.fetch(fetch).await
    }
}

impl<T> CacheState<T> {
    async fn fetch(&mut self, fetch: impl Future<Output = Result<T, ProviderError>>) -> Result<Arc<T>, ProviderError> {
        if let Some((_, error)) = self.failure.as_ref().filter(|(at, _)| at.elapsed() < FAILURE_TTL) {
            return Err(error.clone());
        }
        match fetch.await {
            Ok(value) => {
                let value = Arc::new(value);
                (self.value, self.failure) = (Some((Instant::now(), value.clone())), None);
                Ok(value)
            }
            Err(error) => {
                self.failure = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }
}
