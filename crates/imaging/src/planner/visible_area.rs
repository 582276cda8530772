//! The part of a view that shows the image.
//!
//! The whole image is laid into the view, not only the region of interest: where the view is larger than the region,
//! the image around it is visible.

use crate::view::Placement;

/// Where the visible part lies in the view, and which part of the image it shows.
pub(super) struct VisibleArea {
    /// In pixels of the view.
    pub(crate) left: i64,
    pub(crate) top: i64,
    pub(crate) size: (u32, u32),
    /// Left, top, width, height in pixels of the image.
    pub(crate) from: [f64; 4],
}

impl VisibleArea {
    /// None when the view shows nothing of the image.
    pub(crate) fn from_placement(placement: &Placement, composite: (u32, u32)) -> Option<Self> {
        let [rx, ry, rw, rh] = placement.region;
        let (left, width, x, w) =
            clip_axis(placement.offset.0, placement.scaled.0, rx, rw, placement.view.0, composite.0)?;
        let (top, height, y, h) =
            clip_axis(placement.offset.1, placement.scaled.1, ry, rh, placement.view.1, composite.1)?;
        Some(Self { left, top, size: (width, height), from: [x, y, w, h] })
    }
}

impl VisibleArea {
    /// The same part of an image that has this many pixels for each pixel.
    pub(crate) fn scale_source(&self, (sx, sy): (f64, f64)) -> Self {
        let [x, y, w, h] = self.from;
        let from = if (sx, sy) == (1.0, 1.0) { self.from } else { [x * sx, y * sy, w * sx, h * sy].map(tidy_number) };
        Self { from, ..*self }
    }
}

/// Whole numbers come out slightly off, and only whole ones are cropped without resampling.
fn tidy_number(value: f64) -> f64 {
    if (value - value.round()).abs() < 1e-6 { value.round() } else { value }
}

/// One axis of the visible part: its start and length in the view, its start and length in the image. `offset` and
/// `scaled` place the region of interest in the view, `start` and `length` in the image.
fn clip_axis(offset: i64, scaled: u32, start: f64, length: f64, view: u32, side: u32) -> Option<(i64, u32, f64, f64)> {
    let scale = f64::from(scaled) / length;
    let near = offset as f64 - start * scale;
    let far = near + f64::from(side) * scale;
    let first = (near + 0.5).floor().max(0.0);
    let last = (far + 0.5).floor().min(f64::from(view));
    if last <= first {
        return None;
    }
    let from = ((first - near) / scale).clamp(0.0, f64::from(side));
    let to = ((last - near) / scale).clamp(from, f64::from(side));
    let (from, to) = (tidy_number(from), tidy_number(to));
    (to > from).then_some((first as i64, (last - first) as u32, from, to - from))
}
