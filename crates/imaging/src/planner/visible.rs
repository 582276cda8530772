//! The part of a view that shows the picture.

use crate::view::Placement;

/// Where it lies in the view, and what of the picture it shows.
pub(super) struct Visible {
    /// Left edge in the view.
    pub left: i64,
    /// Top edge in the view.
    pub top: i64,
    /// Size in the view.
    pub size: (u32, u32),
    /// Left, top, width, height in the picture.
    pub from: [f64; 4],
}

impl Visible {
    /// `None` when the view shows nothing of the picture.
    pub fn of(placement: &Placement, composite: (u32, u32)) -> Option<Self> {
        let [rx, ry, rw, rh] = placement.region;
        let (left, width, x, w) = axis(placement.offset.0, placement.scaled.0, rx, rw, placement.view.0, composite.0)?;
        let (top, height, y, h) = axis(placement.offset.1, placement.scaled.1, ry, rh, placement.view.1, composite.1)?;
        Some(Self { left, top, size: (width, height), from: [x, y, w, h] })
    }
}

fn axis(offset: i64, scaled: u32, start: f64, length: f64, view: u32, side: u32) -> Option<(i64, u32, f64, f64)> {
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
    // Whole numbers come out a hair beside themselves.
    let tidy = |value: f64| if (value - value.round()).abs() < 1e-6 { value.round() } else { value };
    let (from, to) = (tidy(from), tidy(to));
    (to > from).then_some((first as i64, (last - first) as u32, from, to - from))
}
