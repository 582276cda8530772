//! Layers that look the same in every picture: badges, backdrops, watermarks. They are made once and kept, because a job
//! makes thousands of pictures with them.
//!
//! A layer is kept under its plan, which names the files that it is made of by their content and says everything that
//! decides about its pixels, its scale included.

use std::cell::RefCell;
use std::rc::Rc;

use super::dispatch::StepContext;
use crate::error::{RenderError, RenderWarning};
use crate::pixels::Pixels;
use crate::step::SubPlan;

/// The most bytes that are kept. Render processes are allotted memory for one render beside what they hold when idle, so
/// this must stay small against that.
const MAX_CACHED_BYTES: usize = 24 << 20;

/// Layers that were made before, the last used ones last.
#[derive(Debug, Default)]
pub struct LayerCache(RefCell<Vec<KeptLayer>>);

#[derive(Debug)]
struct KeptLayer {
    plan: SubPlan,
    pixels: Rc<Pixels>,
    /// What is wrong with its files.
    warnings: Vec<RenderWarning>,
}

impl LayerCache {
    /// The picture of this plan: that which was kept, or else the one that `make` makes. Warnings about its files are told
    /// in both cases.
    pub(super) fn get_or_make(
        &self,
        plan: &SubPlan,
        context: StepContext<'_>,
        make: impl FnOnce() -> Result<Pixels, RenderError>,
    ) -> Result<Rc<Pixels>, RenderError> {
        if !plan.is_constant() {
            return make().map(Rc::new);
        }
        let found = {
            let mut kept = self.0.borrow_mut();
            let index = kept.iter().position(|layer| layer.plan == *plan);
            index.map(|index| {
                let layer = kept.remove(index);
                let found = (Rc::clone(&layer.pixels), layer.warnings.clone());
                kept.push(layer);
                found
            })
        };
        if let Some((pixels, warnings)) = found {
            context.warnings.borrow_mut().extend(warnings);
            return Ok(pixels);
        }
        let others = context.warnings.take();
        let made = make();
        let warnings = context.warnings.replace(others);
        context.warnings.borrow_mut().extend(warnings.iter().cloned());
        let pixels = Rc::new(made?);
        self.keep(plan, &pixels, warnings);
        Ok(pixels)
    }

    /// Keeps a picture, in place of those that were used longest ago.
    fn keep(&self, plan: &SubPlan, pixels: &Rc<Pixels>, warnings: Vec<RenderWarning>) {
        let bytes = pixels.bytes();
        if bytes > MAX_CACHED_BYTES / 2 {
            return;
        }
        let mut kept = self.0.borrow_mut();
        kept.push(KeptLayer { plan: plan.clone(), pixels: Rc::clone(pixels), warnings });
        let mut total: usize = kept.iter().map(|layer| layer.pixels.bytes()).sum();
        while total > MAX_CACHED_BYTES {
            total -= kept.remove(0).pixels.bytes();
        }
    }
}
