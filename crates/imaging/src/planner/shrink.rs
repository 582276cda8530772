//! What of a plan is done while the source is decoded: the shrink decision.
//!
//! A JPEG or WebP decoder can deliver an image at 1/2, 1/4 or 1/8 of its size for a fraction of the time, because it then
//! leaves out coefficients before it computes pixels. The shrunk image is a rough average, so the decoder never goes
//! all the way: at least 1.5 pixels must remain in each direction for every pixel that is wanted, and the kernel that
//! the recipe asks for does the rest. docs/decisions/0001-codecs.md and 0016-renditions-of-a-jpeg.md have the figures.
//!
//! ```text
//! wid=500 of 6000 pixels: 6000 / 500 = 12
//!   1/8 -> 750 pixels, 1.5 per pixel wanted: enough          6000 --decoder 1/8--> 750 --kernel--> 500
//! wid=501: 1/8 leaves 1.497, too few; 1/4 leaves 2.99        6000 --decoder 1/4--> 1500 --kernel--> 501
//!
//! wid=500 and wid=2000 of one source share the decode that the larger one needs (`most_shrink` 2):
//!                                          6000 --decoder 1/2--> 3000 --average 4--> 750 --kernel--> 500
//!                                                                     --kernel--> 2000
//! ```

use offprint_modifiers::{DecodeOptions, ResampleSpace};

use super::oversize::fold_oversized_resizes;
use super::{PlanSource, Planner};
use crate::error::RenderError;
use crate::header::{ImageHeader, SourceFormat};
use crate::step::{DecodePlan, Step};
use crate::turn::Turn;

/// How many pixels per wanted pixel the decoder of a format must leave in each direction, so that the kernel still
/// decides the quality; none where it cannot shrink. libwebp scales luma and chroma by averaging, which is rougher than
/// what a JPEG decoder does, and where there is alpha it rounds colours times alpha to 8 bits.
fn min_oversampling(header: &ImageHeader) -> Option<f64> {
    match header.format {
        SourceFormat::Jpeg => Some(1.5),
        SourceFormat::Webp if !header.alpha => Some(2.0),
        _ => None,
    }
}

impl Planner<'_> {
    /// How the source is decoded, and the steps after that. If the first step other than turns is a crop or a resize,
    /// it is done on the image as it is stored, and the turn after it: so less has to be turned, and the crop or resize
    /// can be done while the image is decoded, by the decoder itself where it can shrink.
    ///
    /// ```text
    /// turn, turn, Resize, ...   becomes   (Average,) Resize, Turn, ...
    /// ```
    ///
    /// # Errors
    /// `output-too-large` when a step makes an image beyond the limits.
    pub(super) fn finish(
        mut self,
        source: &PlanSource<'_>,
        reading: DecodeOptions,
    ) -> Result<(DecodePlan, Vec<Step>), RenderError> {
        let limits = self.limits;
        fold_oversized_resizes(&mut self.steps, |size| limits.check_intermediate(size).is_err());
        for step in &self.steps {
            if let Step::Resize { width, height, .. } = step {
                limits.check_intermediate((*width, *height))?;
            }
        }
        let header = source.header.as_ref();
        let turns = self.steps.iter().take_while(|step| matches!(step, Step::Turn(_))).count();
        let turn = self.steps.drain(..turns).fold(header.orientation, |turn, step| match step {
            Step::Turn(next) => turn.then(next),
            _ => turn,
        });
        let stored = (header.width, header.height);
        if source.is_blank() {
            return Ok((self.fold_blank(source, reading), self.steps));
        }
        let (mut shrink, mut average) = (1, None);
        let turn_index = match self.steps.first_mut() {
            Some(Step::Resize { from, width, height, space, .. }) => {
                *from = turn.undo(*from, (f64::from(stored.0), f64::from(stored.1)));
                (*width, *height) = turn.size((*width, *height));
                // Decoders average values as they are stored.
                if let Some(least) = min_oversampling(header).filter(|_| *space == ResampleSpace::Display) {
                    let ratio = (from[2] / f64::from(*width)).min(from[3] / f64::from(*height));
                    let alone = [8, 4, 2].into_iter().find(|by| ratio / f64::from(*by) >= least).unwrap_or(1);
                    shrink = alone.min(reading.most_shrink.unwrap_or(alone));
                    shrink_rectangle(from, header, shrink);
                    average = plan_average(from, stored, shrink, alone);
                }
                1
            }
            Some(Step::Window { x, y, width, height, .. })
                if header.contains_rect([*x, *y], [*width, *height], turn) =>
            {
                let window = [*x as f64, *y as f64, f64::from(*width), f64::from(*height)];
                let [left, top, ..] = turn.undo(window, (f64::from(stored.0), f64::from(stored.1)));
                (*x, *y) = (left as i64, top as i64);
                (*width, *height) = turn.size((*width, *height));
                1
            }
            _ => 0,
        };
        if turn != Turn::NONE {
            self.steps.insert(turn_index, Step::Turn(turn));
        }
        if let Some(average) = average {
            self.steps.insert(0, average);
        }
        Ok((source.decode_plan(shrink, reading), self.steps))
    }

    /// A canvas of one colour is made at the size that the first step would give it.
    fn fold_blank(&mut self, source: &PlanSource<'_>, reading: DecodeOptions) -> DecodePlan {
        let mut decode = source.decode_plan(1, reading);
        if let Some(Step::Resize { width, height, .. }) = self.steps.first() {
            (decode.width, decode.height) = (*width, *height);
            self.steps.remove(0);
        }
        decode
    }
}

/// The same rectangle of an image that the decoder has shrunk. JPEG decoders shrink by exactly this much, and leave a part
/// of a pixel at an edge; libwebp stretches the whole image to whole pixels.
fn shrink_rectangle(from: &mut [f64; 4], header: &ImageHeader, shrink: u8) {
    let scale = |side: u32| match header.format {
        SourceFormat::Webp => f64::from(side.div_ceil(u32::from(shrink))) / f64::from(side),
        _ => 1.0 / f64::from(shrink),
    };
    let (across, down) = (scale(header.width), scale(header.height));
    *from = [from[0] * across, from[1] * down, from[2] * across, from[3] * down];
}

/// Makes up for a decoder that shrinks less than this image needs (`shrink` instead of `alone`) because other
/// renditions share the decode: averages boxes of pixels, which costs less than the kernel does and is shared, too, down
/// to the size that the decoder would have delivered. `from` is changed to the same rectangle of the smaller image.
fn plan_average(from: &mut [f64; 4], stored: (u32, u32), shrink: u8, alone: u8) -> Option<Step> {
    let box_side = alone / shrink;
    if box_side < 2 {
        return None;
    }
    let averaged = |side: u32| side.div_ceil(u32::from(shrink)).div_ceil(u32::from(box_side));
    *from = from.map(|position| position / f64::from(box_side));
    Some(Step::Average { box_side, width: averaged(stored.0), height: averaged(stored.1) })
}
