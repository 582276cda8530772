//! How many pixels all layers of a picture may have together. The limits of single images do not bound that.

use offprint_core::Code;

use super::PlanContext;
use crate::error::RenderError;
use crate::pixels::ShapeEffect;

/// How many times the largest image all layers of a picture may have together, in pixels that are decoded, made or painted.
const MAX_LAYER_IMAGES: u64 = 4;

impl PlanContext<'_> {
    /// Counts pixels that a layer takes.
    ///
    /// # Errors
    /// `output-too-large` when all layers together take too many.
    pub(super) fn charge(&self, pixels: u64) -> Result<(), RenderError> {
        let total = self.layer_pixels.get().saturating_add(pixels);
        self.layer_pixels.set(total);
        let limit = self.limits.output_pixels.max(self.limits.source_pixels).saturating_mul(MAX_LAYER_IMAGES);
        if total > limit {
            let detail = format!(
                "The layers would have {total} pixels in all; the limit is {limit}. Use fewer or smaller layers."
            );
            return Err(RenderError::new(Code::OutputTooLarge, detail));
        }
        Ok(())
    }
}

pub(super) fn count_pixels((width, height): (u32, u32)) -> u64 {
    u64::from(width) * u64::from(height)
}

/// Counts the masks of effects: each is as large as the shape with what it grows and blurs, as far as that lies in the image.
pub(super) fn charge_effects(
    effects: &[ShapeEffect],
    shape: (u32, u32),
    image: (u32, u32),
    context: PlanContext<'_>,
) -> Result<(), RenderError> {
    for effect in effects {
        let reach = (2.0 * (effect.grow.max(0.0) + 3.0 * effect.sigma)).min(f64::from(u32::MAX)) as u32;
        let side = |shape: u32, image: u32| shape.saturating_add(reach).min(image);
        context.charge(count_pixels((side(shape.0, image.0), side(shape.1, image.1))))?;
    }
    Ok(())
}
