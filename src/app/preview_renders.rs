//! Previews that are being rendered: companies take turns, a full line is refused, and what several callers ask for at
//! the same time is rendered once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;
use offprint_core::Digest;
use offprint_imaging::RenderError;
use tokio::sync::OnceCell;

use crate::fair_queue::{FairQueue, FairQueueLimits, QueueOverflow};
use crate::id::CompanyId;

/// How many previews are rendered at once.
pub const MAX_CONCURRENT_PREVIEWS: usize = 2;
/// How many previews of one company, and in all, may wait.
const MAX_WAITING_PER_COMPANY: usize = 16;
const MAX_WAITING: usize = 64;

/// What a preview shows: the company, its original, and the recipe.
pub type PreviewKey = (CompanyId, Digest, Digest);

/// Why there is no preview.
#[derive(Clone, Debug)]
pub enum PreviewError {
    /// Too many previews wait.
    Overflow(QueueOverflow),
    Render(RenderError),
}

type PreviewResult = Result<Bytes, PreviewError>;

/// The previews that are being rendered. Clones share them.
#[derive(Clone, Debug)]
pub struct PreviewRenders {
    queue: FairQueue,
    running: Arc<Mutex<HashMap<PreviewKey, Weak<OnceCell<PreviewResult>>>>>,
}

impl Default for PreviewRenders {
    fn default() -> Self {
        let limits = FairQueueLimits {
            slots: MAX_CONCURRENT_PREVIEWS,
            slots_per_company: MAX_CONCURRENT_PREVIEWS - 1,
            waiting_per_company: MAX_WAITING_PER_COMPANY,
            waiting: MAX_WAITING,
        };
        Self { queue: FairQueue::new(limits), running: Arc::default() }
    }
}

impl PreviewRenders {
    /// For thumbnails: one at a time, so that a preview finds a render process, in a longer line.
    pub fn for_thumbnails() -> Self {
        let limits = FairQueueLimits { slots: 1, slots_per_company: 1, waiting_per_company: 128, waiting: 512 };
        Self { queue: FairQueue::new(limits), running: Arc::default() }
    }

    /// Renders a preview when it is the company's turn, or waits for the same one that somebody else has asked for. When
    /// that caller goes away, one of those who wait renders it.
    ///
    /// # Errors
    /// Those of `render`, or that too many previews wait.
    pub async fn render_once(
        &self,
        key: PreviewKey,
        render: impl Future<Output = Result<Bytes, RenderError>>,
    ) -> PreviewResult {
        let shared = self.find_or_insert(key);
        let work = async {
            let _slot = self.queue.acquire(key.0).await.map_err(PreviewError::Overflow)?;
            render.await.map_err(PreviewError::Render)
        };
        shared.get_or_init(|| work).await.clone()
    }

    fn find_or_insert(&self, key: PreviewKey) -> Arc<OnceCell<PreviewResult>> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        // A result is kept only while somebody waits for it, so this stays as small as the number of callers.
        running.retain(|_, shared| shared.strong_count() > 0);
        if let Some(shared) = running.get(&key).and_then(Weak::upgrade) {
            return shared;
        }
        let shared = Arc::new(OnceCell::new());
        running.insert(key, Arc::downgrade(&shared));
        shared
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt;
    use futures_util::future::join_all;
    use tokio::sync::oneshot;

    use super::*;

    fn build_key(company: CompanyId, name: &[u8]) -> PreviewKey {
        (company, Digest::compute(name), Digest::compute(b"recipe"))
    }

    #[tokio::test]
    async fn the_same_preview_is_rendered_once() {
        let (renders, company, count) = (PreviewRenders::default(), CompanyId::new(), AtomicUsize::new(0));
        let render = || async {
            count.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Ok(Bytes::from_static(b"image"))
        };
        let same = (0..5).map(|_| renders.render_once(build_key(company, b"a"), render()));
        let other = [renders.render_once(build_key(company, b"b"), render())];
        let results = join_all(same.chain(other)).await;
        assert!(results.iter().all(|result| result.as_deref().ok() == Some(b"image".as_slice())));
        assert_eq!(count.load(Ordering::Relaxed), 2);
        renders.render_once(build_key(company, b"a"), render()).await.unwrap();
        assert_eq!(count.load(Ordering::Relaxed), 3, "results are not kept");
    }

    #[tokio::test]
    async fn whoever_waits_takes_over_from_a_caller_who_left() {
        let (renders, company) = (PreviewRenders::default(), CompanyId::new());
        let mut first = Box::pin(
            renders.render_once(build_key(company, b"a"), std::future::pending::<Result<Bytes, RenderError>>()),
        );
        assert!((&mut first).now_or_never().is_none());
        let mut second = Box::pin(renders.render_once(build_key(company, b"a"), async { Ok(Bytes::new()) }));
        assert!((&mut second).now_or_never().is_none());
        drop(first);
        assert!(second.await.is_ok());
    }

    #[tokio::test]
    async fn a_flood_of_one_company_holds_up_nobody_else_and_is_refused() {
        let (renders, ours, theirs) = (PreviewRenders::default(), CompanyId::new(), CompanyId::new());
        let (_release, wait) = oneshot::channel::<()>();
        let slow = async {
            wait.await.ok();
            Ok(Bytes::new())
        };
        let mut running = Box::pin(renders.render_once(build_key(ours, b"first"), slow));
        assert!((&mut running).now_or_never().is_none());
        let mut waiting: Vec<_> = (0..MAX_WAITING_PER_COMPANY)
            .map(|number| {
                let key = build_key(ours, &number.to_le_bytes());
                Box::pin(renders.render_once(key, async { Ok(Bytes::new()) }))
            })
            .collect();
        assert!(waiting.iter_mut().all(|preview| preview.now_or_never().is_none()));
        let refused = renders.render_once(build_key(ours, b"more"), async { Ok(Bytes::new()) }).await;
        assert!(matches!(refused, Err(PreviewError::Overflow(QueueOverflow::Company))));
        assert!(renders.render_once(build_key(theirs, b"light"), async { Ok(Bytes::new()) }).await.is_ok());
    }
}
