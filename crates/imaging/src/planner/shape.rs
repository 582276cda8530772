//! What of a layer is seen: masks, cuts along outlines, perspectives.

use super::{Desk, Planner, Source};
use offprint_core::Code;
use offprint_modifiers::{Clip, MaskUse, Outline, Perspective, Reading, Recipe, Sampling};
use crate::failure::Failure;
use crate::header::{EmbeddedPath, Header};
use crate::step::{Paint, Step};

impl Planner<'_> {
    /// The mask, how it is used, and its growth in pixels of the source. Where colours are stored multiplied, those of
    /// transparent pixels are black. Documentation page: r-maskuse.
    pub(super) fn mask(&mut self, recipe: &Recipe, header: &Header, desk: Desk<'_>) -> Result<(), Failure> {
        let mask = &recipe.layer.mask;
        let premultiplied = header.premultiplied && mask.object.is_none();
        if let Some(object) = &mask.object {
            // A mask that is only half there would hide or show what it should not, so none is accepted damaged.
            let strict = Recipe { reading: Reading::default(), ..recipe.clone() };
            let source = Source::of(Some(object), header, &strict, desk)?;
            let decode = Box::new(source.decode(1, strict.reading));
            self.steps.push(Step::Mask { decode, turn: source.header.orientation });
            self.alpha = true;
        }
        match mask.usage {
            MaskUse::Norm => {}
            MaskUse::Off if !self.alpha => {}
            MaskUse::Off => {
                self.steps.push(if premultiplied {
                    Step::Fill { color: Paint::black(self.pixel_type) }
                } else {
                    Step::Unmask
                });
                self.alpha = false;
            }
            MaskUse::Invert if self.alpha => self.steps.push(Step::InvertMask { black: premultiplied }),
            MaskUse::Invert => self.fade(Some(0.0)),
        }
        self.grow_mask(mask.grow);
        Ok(())
    }

    pub(super) fn grow_mask(&mut self, pixels: i32) {
        if pixels != 0 && self.alpha {
            self.steps.push(Step::GrowMask { pixels });
        }
    }

    /// Cuts to the bounds of embedded paths, one after the other. Names that are not there are passed over.
    /// Documentation page: r-croppath.
    pub(super) fn crop_paths(&mut self, names: &[String], header: &Header) -> Result<(), Failure> {
        for path in named(names, header) {
            // Points are written with more digits than they mean.
            let [left, top, right, bottom] = self.place.bounds(path.bounds);
            let within = |value: f64, side: u32| value.clamp(0.0, f64::from(side)) as i64;
            let (x, y) = (within((left + 0.01).floor(), self.size.0), within((top + 0.01).floor(), self.size.1));
            let (to_x, to_y) =
                (within((right - 0.01).ceil(), self.size.0), within((bottom - 0.01).ceil(), self.size.1));
            if to_x <= x || to_y <= y {
                let detail = format!("cropPathE leaves nothing: the path {} does not lie in the picture.", path.name);
                return Err(Failure::new(Code::InvalidModifier, detail));
            }
            self.window(x, y, ((to_x - x) as u32, (to_y - y) as u32), None)?;
        }
        Ok(())
    }

    /// The embedded paths where they are now, in fractions of the picture. Documentation page: r-pathembed.
    pub fn paths(&self, header: &Header) -> Vec<EmbeddedPath> {
        let (w, h) = (f64::from(self.size.0), f64::from(self.size.1));
        let place = self.place.scaled([0.0, 0.0, w, h], (1.0, 1.0));
        let moved = |path: &EmbeddedPath| EmbeddedPath {
            name: path.name.clone(),
            bounds: place.bounds(path.bounds),
            outline: place.outline(&path.outline),
        };
        header.paths.iter().map(moved).collect()
    }

    /// Cuts along outlines and embedded paths; those that only cut out need one to cut out of. Names that are not there
    /// are passed over. Documentation pages: r-clippath, r-clipxpath.
    pub(super) fn clip(&mut self, clip: &Clip, header: &Header) {
        let outlines = |own: &Option<Outline>, names: &[String]| -> Vec<Outline> {
            let embedded = named(names, header).map(|path| self.place.outline(&path.outline));
            own.iter().cloned().chain(embedded).collect()
        };
        let inside = outlines(&clip.inside, &clip.inside_names);
        if inside.is_empty() {
            return;
        }
        let outside = outlines(&clip.outside, &clip.outside_names);
        self.steps.push(Step::Clip { inside, outside });
        self.alpha = true;
    }

    /// Bends the layer within its own rectangle.
    pub(super) fn bend(&mut self, perspective: Option<Perspective>) {
        let Some(Perspective { corners, fractions, sampling }) = perspective else { return };
        let (w, h) = (f64::from(self.size.0), f64::from(self.size.1));
        let corners = if fractions { corners.map(|[x, y]| [x * w, y * h]) } else { corners };
        let each_way = match sampling {
            Sampling::Many(_) => points(corners, (w, h)),
            _ => 1,
        };
        let back = back(corners, (w, h));
        self.place = self.place.bent(back);
        self.steps.push(Step::Warp { back, sampling, each_way });
        self.alpha = true;
    }
}

/// The embedded paths of these names that there are.
fn named<'a>(names: &'a [String], header: &'a Header) -> impl Iterator<Item = &'a EmbeddedPath> {
    names.iter().filter_map(|name| header.paths.iter().find(|path| path.name == *name))
}

/// How many points of a pixel are looked at each way: as many as source pixels meet in it, from 2 to 4.
fn points(corners: [[f64; 2]; 4], (w, h): (f64, f64)) -> u8 {
    let side = |a: usize, b: usize| (corners[a][0] - corners[b][0]).hypot(corners[a][1] - corners[b][1]).max(1e-6);
    let shrunk = [w / side(0, 1), h / side(1, 2), w / side(2, 3), h / side(3, 0)].into_iter().fold(0.0, f64::max);
    shrunk.ceil().clamp(2.0, 4.0) as u8
}

/// The way back from the quadrangle to a rectangle of this size: the inverse of the way there.
fn back([[x0, y0], [x1, y1], [x2, y2], [x3, y3]]: [[f64; 2]; 4], (w, h): (f64, f64)) -> [f64; 9] {
    // From the unit square to the quadrangle, after Heckbert.
    let (dx1, dx2, sx) = (x1 - x2, x3 - x2, x0 - x1 + x2 - x3);
    let (dy1, dy2, sy) = (y1 - y2, y3 - y2, y0 - y1 + y2 - y3);
    let area = dx1 * dy2 - dx2 * dy1;
    let (g, i) = ((sx * dy2 - dx2 * sy) / area, (dx1 * sy - sx * dy1) / area);
    let (a, b, c) = (x1 - x0 + g * x1, x3 - x0 + i * x3, x0);
    let (d, e, f) = (y1 - y0 + g * y1, y3 - y0 + i * y3, y0);
    // Its adjugate, whose sign makes the depth positive in front of the eye, and then the size of the rectangle.
    let sign = (a * (e - f * i) - b * (d - f * g) + c * (d * i - e * g)).signum();
    let unit = [
        e - f * i,
        c * i - b,
        b * f - c * e,
        f * g - d,
        a - c * g,
        c * d - a * f,
        d * i - e * g,
        b * g - a * i,
        a * e - b * d,
    ];
    let scale = [w, w, w, h, h, h, 1.0, 1.0, 1.0];
    std::array::from_fn(|at| unit[at] * scale[at] * sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corners_come_from_corners() {
        let corners = [[20.0, 5.0], [180.0, -10.0], [200.0, 100.0], [3.0, 90.0]];
        let mirrored = [corners[1], corners[0], corners[3], corners[2]];
        for corners in [corners, mirrored] {
            let way = back(corners, (200.0, 100.0));
            for (corner, source) in corners.into_iter().zip([[0.0, 0.0], [200.0, 0.0], [200.0, 100.0], [0.0, 100.0]]) {
                let row = |at: usize| way[at] * corner[0] + way[at + 1] * corner[1] + way[at + 2];
                assert!(row(6) > 0.0);
                let found = [row(0) / row(6), row(3) / row(6)];
                assert!((found[0] - source[0]).abs() < 1e-6 && (found[1] - source[1]).abs() < 1e-6, "{found:?}");
            }
        }
    }
}
