//! What of a plan is done while the source is decoded.

use super::{Planner, Source};
use offprint_modifiers::Reading;
use crate::header::SourceFormat;
use crate::plan::Decode;
use crate::step::{Kernel, Step};
use crate::turn::Turn;

/// How much larger than wanted a decoder's shrunk picture must be at least, so that the kernel still decides quality.
const GAP: f64 = 1.5;

impl Planner<'_> {
    /// How the source is decoded, and the steps from there. A cut or a resize that comes first, but for turns, is done
    /// on the picture as it is stored and turned afterwards: then there is less to turn, and it can be done while the
    /// picture is decoded, by the decoder itself where it can shrink.
    pub fn decoded(mut self, source: &Source<'_>, reading: Reading) -> (Decode, Vec<Step>) {
        let header = source.header.as_ref();
        let turns = self.steps.iter().take_while(|step| matches!(step, Step::Turn(_))).count();
        let turn = self.steps.drain(..turns).fold(header.orientation, |turn, step| match step {
            Step::Turn(next) => turn.then(next),
            _ => turn,
        });
        let stored = (header.width, header.height);
        let (mut shrink, mut halved) = (1, None);
        let place = match self.steps.first_mut() {
            Some(Step::Resize { from, width, height, .. }) => {
                *from = turn.undo(*from, (f64::from(stored.0), f64::from(stored.1)));
                (*width, *height) = turn.size((*width, *height));
                if header.format == SourceFormat::Jpeg {
                    let ratio = (from[2] / f64::from(*width)).min(from[3] / f64::from(*height));
                    let alone = [8, 4, 2].into_iter().find(|by| ratio / f64::from(*by) >= GAP).unwrap_or(1);
                    shrink = alone.min(reading.most_shrink.unwrap_or(alone));
                    *from = from.map(|value| value / f64::from(shrink));
                    halved = halve(from, stored, shrink, alone);
                }
                1
            }
            Some(Step::Window { x, y, width, height, .. }) if header.shows([*x, *y], [*width, *height], turn) => {
                let window = [*x as f64, *y as f64, f64::from(*width), f64::from(*height)];
                let [left, top, ..] = turn.undo(window, (f64::from(stored.0), f64::from(stored.1)));
                (*x, *y) = (left as i64, top as i64);
                (*width, *height) = turn.size((*width, *height));
                1
            }
            _ => 0,
        };
        if turn != Turn::NONE {
            self.steps.insert(place, Step::Turn(turn));
        }
        if let Some(halved) = halved {
            self.steps.insert(0, halved);
        }
        (source.decode(shrink, reading), self.steps)
    }
}

/// What the decoder would have shrunk further, had it this picture alone to make: averages of pixels, which cost less than
/// the kernel does, until it has as many left as it would have had. The rectangle is then one of those.
fn halve(from: &mut [f64; 4], stored: (u32, u32), shrink: u8, alone: u8) -> Option<Step> {
    if shrink == alone {
        return None;
    }
    let decoded = |side: u32, by: u8| side.div_ceil(u32::from(by));
    let (wide, high) = (decoded(stored.0, shrink), decoded(stored.1, shrink));
    let (width, height) = (decoded(stored.0, alone), decoded(stored.1, alone));
    let (across, down) = (f64::from(width) / f64::from(wide), f64::from(height) / f64::from(high));
    *from = [from[0] * across, from[1] * down, from[2] * across, from[3] * down];
    let whole = [0.0, 0.0, f64::from(wide), f64::from(high)];
    Some(Step::Resize { from: whole, width, height, kernel: Kernel::Box })
}
