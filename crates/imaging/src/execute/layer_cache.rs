//! Layers that look the same in every picture: badges, backdrops, watermarks. They are made once and kept, because a job
//! makes thousands of pictures with them.
//!
//! A layer is kept under its plan, which names the files that it is made of by their content and says everything that
//! decides about its pixels, its scale included.

use std::cell::RefCell;
use std::rc::Rc;

use crate::error::RenderError;
use crate::pixels::Pixels;
use crate::step::SubPlan;

/// The most bytes that are kept. Render processes are allotted memory for one render beside what they hold when idle, so
/// this must stay small against that.
const MAX_CACHED_BYTES: usize = 24 << 20;

/// Layers that were made before, the last used ones last.
#[derive(Debug, Default)]
pub struct LayerCache(RefCell<Vec<(SubPlan, Rc<Pixels>)>>);

impl LayerCache {
    /// The picture of this plan: that which was kept, or else the one that `make` makes.
    pub(super) fn get_or_make(
        &self,
        plan: &SubPlan,
        make: impl FnOnce() -> Result<Pixels, RenderError>,
    ) -> Result<Rc<Pixels>, RenderError> {
        if !plan.is_constant() {
            return make().map(Rc::new);
        }
        let found = {
            let mut kept = self.0.borrow_mut();
            let index = kept.iter().position(|(other, _)| other == plan);
            index.map(|index| {
                let entry = kept.remove(index);
                let pixels = Rc::clone(&entry.1);
                kept.push(entry);
                pixels
            })
        };
        if let Some(pixels) = found {
            return Ok(pixels);
        }
        let pixels = Rc::new(make()?);
        self.keep(plan, &pixels);
        Ok(pixels)
    }

    /// Keeps a picture, in place of those that were used longest ago.
    fn keep(&self, plan: &SubPlan, pixels: &Rc<Pixels>) {
        let bytes = pixels.bytes();
        if bytes > MAX_CACHED_BYTES / 2 {
            return;
        }
        let mut kept = self.0.borrow_mut();
        kept.push((plan.clone(), Rc::clone(pixels)));
        let mut total: usize = kept.iter().map(|(_, pixels)| pixels.bytes()).sum();
        while total > MAX_CACHED_BYTES {
            total -= kept.remove(0).1.bytes();
        }
    }
}
