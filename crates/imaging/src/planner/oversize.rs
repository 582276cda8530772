//! Resizes that are never made at their own size.
//!
//! A recipe may enlarge a layer beyond all limits and reduce or crop the view again: `scale=100&wid=150`. The large size
//! is then only a coordinate space. `Planner::resize` merges neighbours; this merges what is left of resizes that are
//! too large, across steps that treat every pixel alike, so that limits hold for sizes that are really made.
//!
//! ```text
//! Resize 30000x20000, Turn, Resize 150x100       becomes   Resize 100x150, Turn
//! Resize 30000x20000, Fade, Window 200x200       becomes   Resize from a part to 200x200, Fade
//! ```

use crate::step::Step;
use crate::turn::Turn;

/// Merges every resize to a size that is too large with the next resize or crop, if nothing between them depends on the
/// size.
pub(super) fn fold_oversized_resizes(steps: &mut Vec<Step>, is_too_large: impl Fn((u32, u32)) -> bool) {
    let mut at = 0;
    while at < steps.len() {
        let folded = match steps[at] {
            Step::Resize { width, height, .. } if is_too_large((width, height)) => fold_resize(steps, at),
            _ => false,
        };
        at += usize::from(!folded);
    }
}

/// Merges the resize at `index` with a later step; false when there is none.
fn fold_resize(steps: &mut Vec<Step>, index: usize) -> bool {
    let Step::Resize { from: [left, top, across, down], width, height, kernel, space } = steps[index] else {
        return false;
    };
    let (wide, high) = (f64::from(width), f64::from(height));
    let mut turn = Turn::NONE;
    for later in index + 1..steps.len() {
        let (part, size) = match &steps[later] {
            Step::Turn(next) => {
                turn = turn.then(*next);
                continue;
            }
            step if is_pointwise(step) => continue,
            Step::Resize { from, width, height, .. } => (*from, (*width, *height)),
            Step::Window { x, y, width, height, .. } => {
                let part = [*x as f64, *y as f64, f64::from(*width), f64::from(*height)];
                let (wide, high) = turn.size((wide, high));
                if part[0] < 0.0 || part[1] < 0.0 || part[0] + part[2] > wide || part[1] + part[3] > high {
                    return false;
                }
                (part, (*width, *height))
            }
            _ => return false,
        };
        let [x, y, w, h] = turn.undo(part, (wide, high));
        let (fx, fy) = (across / wide, down / high);
        let (width, height) = turn.size(size);
        let from = [left + x * fx, top + y * fy, w * fx, h * fy];
        steps[index] = Step::Resize { from, width, height, kernel, space };
        steps.remove(later);
        return true;
    }
    false
}

/// Whether a step computes each pixel from the same pixel alone.
fn is_pointwise(step: &Step) -> bool {
    matches!(
        step,
        Step::Fade { .. }
            | Step::Fill { .. }
            | Step::Tone(_)
            | Step::Convert(_)
            | Step::Recolor { .. }
            | Step::Flatten { .. }
            | Step::Unmask
            | Step::InvertMask { .. }
    )
}
