//! Finds the product on a plain or transparent background.

use super::{Pixels, Raster, Sample};

/// Why there is nothing to crop to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoProduct {
    /// The corners have different colours.
    NoBackground,
    /// Every pixel belongs to the background.
    OnlyBackground,
}

impl Pixels {
    /// Left, top, right and bottom of everything that is not background. `tolerance`, of 255, is how far a component may
    /// be from the background and still belongs to it.
    pub(crate) fn find_product(&self, tolerance: f64) -> Result<[u32; 4], NoProduct> {
        match self {
            Self::Eight(raster) => raster.find_product(tolerance),
            Self::Sixteen(raster) => raster.find_product(tolerance),
        }
    }

    /// A copy of the part from left and top to right and bottom, which lies inside.
    pub(crate) fn crop(&self, part: [u32; 4]) -> Self {
        match self {
            Self::Eight(raster) => raster.crop(part).into(),
            Self::Sixteen(raster) => raster.crop(part).into(),
        }
    }
}

/// The largest side of the part of a corner that is looked at, in pixels.
const MAX_CORNER_SIDE: u32 = 8;

/// What counts as background.
struct Background {
    /// None: only what is transparent.
    color: Option<Vec<u64>>,
    tolerance: u64,
    /// Components without alpha.
    colors: usize,
}

impl Background {
    fn contains<S: Sample>(&self, pixel: &[S]) -> bool {
        if pixel.get(self.colors).is_some_and(|alpha| alpha.to_u64() <= self.tolerance) {
            return true;
        }
        self.color.as_ref().is_some_and(|color| {
            let mut components = pixel.iter().zip(color);
            components.all(|(value, background)| value.to_u64().abs_diff(*background) <= self.tolerance)
        })
    }
}

impl<S: Sample> Raster<S> {
    fn crop(&self, part: [u32; 4]) -> Self {
        let [left, top, right, bottom] = part.map(|side| side as usize);
        let channels = self.channels();
        let rows = self.rows().skip(top).take(bottom - top);
        let data = rows.flat_map(|row| &row[left * channels..right * channels]).copied().collect();
        Self::new(part[2] - part[0], part[3] - part[1], self.pixel_type, self.alpha, data)
    }

    fn find_product(&self, tolerance: f64) -> Result<[u32; 4], NoProduct> {
        let tolerance = (tolerance * S::MAX_VALUE as f64 / 255.0).round() as u64;
        let background = self.find_background(tolerance).ok_or(NoProduct::NoBackground)?;
        let (channels, width) = (self.channels(), self.width as usize);
        let mut found: Option<[usize; 4]> = None;
        for (y, row) in self.rows().enumerate() {
            let is_product = |pixel: &[S]| !background.contains(pixel);
            let Some(first) = row.chunks_exact(channels).position(is_product) else { continue };
            let last = width - row.chunks_exact(channels).rev().position(is_product).unwrap_or(0);
            found = Some(match found {
                None => [first, y, last, y + 1],
                Some([left, top, right, _]) => [left.min(first), top, right.max(last), y + 1],
            });
        }
        found.map(|bounds| bounds.map(|side| side as u32)).ok_or(NoProduct::OnlyBackground)
    }

    /// The background that most corners have, at least two of them: a product may reach into the others. None when no two
    /// corners agree.
    fn find_background(&self, tolerance: u64) -> Option<Background> {
        let colors = self.pixel_type.components();
        let corners = self.measure_corners();
        let (transparent, opaque): (Vec<_>, Vec<_>) =
            corners.iter().partition(|corner| corner.get(colors).is_some_and(|alpha| *alpha <= tolerance));
        let agrees = |one: &[u64], other: &[u64]| {
            one.iter().zip(other).take(colors).all(|(one, other)| one.abs_diff(*other) <= tolerance)
        };
        let count = |corner: &[u64]| opaque.iter().filter(|other| agrees(corner, other)).count();
        let mut best: Option<(usize, &Vec<u64>)> = None;
        for corner in opaque.iter().copied() {
            let agreeing = count(corner);
            if best.is_none_or(|(most, _)| agreeing > most) {
                best = Some((agreeing, corner));
            }
        }
        let (agreeing, color) = best.map_or((0, None), |(agreeing, color)| (agreeing, Some(color)));
        let color = match (transparent.len(), agreeing) {
            (transparent, agreeing) if transparent >= 2 && transparent >= agreeing => None,
            (_, agreeing) if agreeing >= 2 => color.map(|color| color[..colors].to_vec()),
            _ => return None,
        };
        Some(Background { color, tolerance, colors })
    }

    /// The middle value of each component, alpha included, in a square at each corner: one speck, or the noise of a
    /// camera, does not count.
    fn measure_corners(&self) -> [Vec<u64>; 4] {
        let (w, h, channels) = (self.width as usize, self.height as usize, self.channels());
        let side = (self.width.min(self.height) / 64).clamp(1, MAX_CORNER_SIDE) as usize;
        [(0, 0), (w - side, 0), (0, h - side), (w - side, h - side)].map(|(left, top)| {
            let component = |channel: usize| {
                let rows = (top..top + side).flat_map(|y| (left..left + side).map(move |x| (y * w + x) * channels));
                let mut values: Vec<u64> = rows.map(|at| self.data[at + channel].to_u64()).collect();
                values.sort_unstable();
                values[values.len() / 2]
            };
            (0..channels).map(component).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use offprint_modifiers::PixelType;

    use super::*;

    /// Gray with alpha: background and a product of these values from left and top to right and bottom.
    fn draw(background: [u8; 2], product: [u8; 2], [left, top, right, bottom]: [usize; 4]) -> Raster<u8> {
        let inside = |at: usize| (left..right).contains(&(at % 20)) && (top..bottom).contains(&(at / 20));
        let data = (0..20 * 10).flat_map(|at| if inside(at) { product } else { background }).collect();
        Raster::new(20, 10, PixelType::Gray, true, data)
    }

    #[test]
    fn a_product_is_found_in_front_of_any_background() {
        let bounds = [3, 2, 15, 9];
        let whole = [0, 0, 20, 10];
        for (background, product, at, expected) in [
            ([255, 255], [40, 255], bounds, Ok([3, 2, 15, 9])),
            ([0, 255], [40, 255], bounds, Ok([3, 2, 15, 9])),
            // The colours of transparent pixels do not count, and a white product may be on a transparent background.
            ([255, 0], [255, 255], bounds, Ok([3, 2, 15, 9])),
            ([255, 9], [255, 11], bounds, Ok([3, 2, 15, 9])),
            // A hole in a white background.
            ([255, 255], [0, 0], bounds, Err(NoProduct::OnlyBackground)),
            // Within the tolerance, and just beyond it.
            ([255, 255], [245, 255], bounds, Err(NoProduct::OnlyBackground)),
            ([255, 255], [244, 255], bounds, Ok([3, 2, 15, 9])),
            // A product that stands on the lower edge, or fills a corner.
            ([255, 255], [40, 255], [0, 4, 20, 10], Ok([0, 4, 20, 10])),
            ([255, 255], [40, 255], [0, 0, 12, 5], Ok([0, 0, 12, 5])),
            ([255, 255], [40, 255], whole, Err(NoProduct::OnlyBackground)),
        ] {
            let image = draw(background, product, at);
            assert_eq!(image.find_product(10.0), expected, "{background:?} {product:?} {at:?}");
            assert_eq!(Pixels::from(Pixels::from(image).into_sixteen()).find_product(10.0), expected);
        }
    }

    #[test]
    fn four_different_corners_are_no_background() {
        let data = (0..200).map(|at| (at % 20 * 6 + at / 20 * 12) as u8).collect();
        let gradient = Raster::new(20, 10, PixelType::Gray, false, data);
        assert_eq!(gradient.find_product(5.0), Err(NoProduct::NoBackground));
    }
}
