//! What is visible of a layer: masks, clipping along outlines, perspectives.

use offprint_core::Code;
use offprint_modifiers::{
    Clip, DecodeOptions, Layer, LayerMask, MaskUse, Outline, Perspective, Recipe, Sampling, Stroke,
};

use super::{PlanContext, PlanSource, Planner};
use crate::error::RenderError;
use crate::header::{EmbeddedPath, ImageHeader};
use crate::pixels::FillColor;
use crate::step::Step;

impl Planner<'_> {
    /// The mask, how it is used, and its growth in pixels of the source. Where colours are stored multiplied by alpha,
    /// those of transparent pixels are lost and count as black. Documentation page: r-maskuse.
    pub(super) fn apply_mask(
        &mut self,
        mask: &LayerMask,
        recipe: &Recipe,
        header: &ImageHeader,
        context: PlanContext<'_>,
    ) -> Result<(), RenderError> {
        // A mask that is kept with the asset gives way to alpha that is part of the colours.
        let object = mask.object.as_ref().filter(|_| !(mask.from_record && header.premultiplied));
        let premultiplied = header.premultiplied && object.is_none();
        if let Some(object) = object {
            // A damaged mask would hide or show what it should not, so none is accepted, whatever the job says.
            let strict = Recipe { reading: DecodeOptions::default(), ..recipe.clone() };
            let source = PlanSource::resolve(Some(object), header, &strict, context)?;
            let decode = Box::new(source.decode_plan(1, strict.reading));
            self.warnings.extend(source.warnings);
            self.steps.push(Step::Mask { decode, turn: source.header.orientation });
            self.alpha = true;
        }
        match mask.usage {
            MaskUse::Norm => {}
            MaskUse::Off if !self.alpha => {}
            MaskUse::Off => {
                self.steps.push(if premultiplied {
                    Step::Fill { color: FillColor::black(self.pixel_type) }
                } else {
                    Step::Unmask
                });
                self.alpha = false;
            }
            MaskUse::Invert if self.alpha => self.steps.push(Step::InvertMask { black: premultiplied }),
            MaskUse::Invert => self.fade(Some(0.0)),
        }
        self.grow_mask(f64::from(mask.grow));
        Ok(())
    }

    /// Turns a mask into a colour of its shape.
    pub(super) fn stencil(&mut self, layer: &Layer, source: &PlanSource<'_>) {
        let color = layer.color.map_or(FillColor::NONE, |color| self.to_paint(color));
        let by_brightness = !source.header.alpha;
        self.steps.push(Step::Stencil { color, to: self.colors.pixel_type, by_brightness });
        (self.pixel_type, self.profile, self.alpha) = (self.colors.pixel_type, self.colors.output.clone(), true);
        match layer.mask.usage {
            MaskUse::Norm => {}
            MaskUse::Off => {
                self.steps.push(Step::Unmask);
                self.alpha = false;
            }
            MaskUse::Invert => self.steps.push(Step::InvertMask { black: false }),
        }
        self.grow_mask(f64::from(layer.mask.grow));
    }

    pub(super) fn grow_mask(&mut self, pixels: f64) {
        let pixels = pixels.round() as i32;
        if pixels != 0 && self.alpha {
            self.steps.push(Step::GrowMask { pixels });
        }
    }

    /// Crops to the bounds of embedded paths, one after the other. Unknown names are ignored.
    /// Documentation page: r-croppath.
    pub(super) fn crop_paths(&mut self, names: &[String], header: &ImageHeader) -> Result<(), RenderError> {
        for path in find_paths(names, header) {
            // Points have more digits than precision: the tolerance keeps noise from adding a row of pixels.
            let [left, top, right, bottom] = self.source_transform.map_bounds(path.bounds);
            let within = |value: f64, side: u32| value.clamp(0.0, f64::from(side)) as i64;
            let (x, y) = (within((left + 0.01).floor(), self.size.0), within((top + 0.01).floor(), self.size.1));
            let (to_x, to_y) =
                (within((right - 0.01).ceil(), self.size.0), within((bottom - 0.01).ceil(), self.size.1));
            if to_x <= x || to_y <= y {
                let detail = format!("`cropPathE` leaves nothing: the path {} lies outside the image.", path.name);
                return Err(RenderError::new(Code::InvalidModifier, detail));
            }
            self.apply_window(x, y, ((to_x - x) as u32, (to_y - y) as u32), None)?;
        }
        Ok(())
    }

    /// The embedded paths where they are now, in fractions of the image. Documentation page: r-pathembed.
    pub(super) fn paths(&self, header: &ImageHeader) -> Vec<EmbeddedPath> {
        let (w, h) = (f64::from(self.size.0), f64::from(self.size.1));
        let transform = self.source_transform.then_scale([0.0, 0.0, w, h], (1.0, 1.0));
        let map_path = |path: &EmbeddedPath| EmbeddedPath {
            bounds: transform.map_bounds(path.bounds),
            outline: transform.map_outline(&path.outline),
            ..path.clone()
        };
        header.paths.iter().map(map_path).collect()
    }

    /// Clips along outlines and embedded paths. Outlines that exclude have no effect without one that includes. Unknown
    /// names are ignored. Documentation pages: r-clippath, r-clipxpath.
    pub(super) fn clip(&mut self, clip: &Clip, header: &ImageHeader) {
        let (sx, sy) = self.scale;
        let outlines = |own: &Option<Outline>, names: &[String]| -> Vec<Outline> {
            let embedded = find_paths(names, header).map(|path| self.source_transform.map_outline(&path.outline));
            own.iter().map(|own| scale_outline(own, [sx, sy])).chain(embedded).collect()
        };
        let inside = outlines(&clip.inside, &clip.inside_names);
        if inside.is_empty() {
            return;
        }
        let outside = outlines(&clip.outside, &clip.outside_names);
        self.steps.push(Step::Clip { inside, outside });
        self.alpha = true;
    }

    /// Applies a perspective. Corners are points of the canvas: the rectangle of layer 0, which this becomes. Layer 0
    /// itself keeps its rectangle.
    pub(super) fn bend(&mut self, perspective: Option<Perspective>) -> Result<(), RenderError> {
        let Some(Perspective { corners, fractions, sampling }) = perspective else { return Ok(()) };
        let nominal = self.canvas.unwrap_or(self.nominal);
        let target = if self.canvas.is_some() { self.scale_size(nominal) } else { self.size };
        self.limits.check_intermediate(target)?;
        let (w, h) = (f64::from(self.size.0), f64::from(self.size.1));
        let (sx, sy) = if fractions { (f64::from(target.0), f64::from(target.1)) } else { self.scale };
        let corners = corners.map(|[x, y]| [x * sx, y * sy]);
        let each_way = match sampling {
            Sampling::Many(_) => count_sample_points(corners, (w, h)),
            _ => 1,
        };
        let back = invert_perspective(corners, (w, h));
        self.source_transform = self.source_transform.then_warp(back);
        self.steps.push(Step::Warp { width: target.0, height: target.1, back, sampling, each_way });
        (self.size, self.nominal) = (target, nominal);
        self.alpha = true;
        Ok(())
    }
}

/// The outline in pixels that are this much larger.
fn scale_outline(outline: &Outline, [sx, sy]: [f64; 2]) -> Outline {
    if (sx, sy) == (1.0, 1.0) {
        return outline.clone();
    }
    let point = |[x, y]: [f64; 2]| [x * sx, y * sy];
    let stroke = |stroke: &Stroke| match *stroke {
        Stroke::Move(to) => Stroke::Move(point(to)),
        Stroke::Line(to) => Stroke::Line(point(to)),
        Stroke::Curve(points) => Stroke::Curve(points.map(point)),
    };
    Outline(outline.0.iter().map(stroke).collect())
}

/// The embedded paths with these names, of those that exist.
fn find_paths<'a>(names: &'a [String], header: &'a ImageHeader) -> impl Iterator<Item = &'a EmbeddedPath> {
    let find = |is_named: &dyn Fn(&EmbeddedPath) -> bool| header.paths.iter().find(|path| is_named(path));
    names.iter().filter_map(move |name| {
        find(&|path| path.name == *name).or_else(|| find(&|path| path.other_names.contains(name)))
    })
}

/// How many points of a pixel are sampled in each direction: as many as source pixels fall into it, from 2 to 4.
fn count_sample_points(corners: [[f64; 2]; 4], (w, h): (f64, f64)) -> u8 {
    let side = |a: usize, b: usize| (corners[a][0] - corners[b][0]).hypot(corners[a][1] - corners[b][1]).max(1e-6);
    let shrunk = [w / side(0, 1), h / side(1, 2), w / side(2, 3), h / side(3, 0)].into_iter().fold(0.0, f64::max);
    shrunk.ceil().clamp(2.0, 4.0) as u8
}

/// The matrix that maps points of a quadrangle (its corners clockwise from the top left) to a rectangle of this size.
fn invert_perspective([[x0, y0], [x1, y1], [x2, y2], [x3, y3]]: [[f64; 2]; 4], (w, h): (f64, f64)) -> [f64; 9] {
    // From the unit square to the quadrangle (Heckbert, Fundamentals of texture mapping and image warping).
    let (dx1, dx2, sx) = (x1 - x2, x3 - x2, x0 - x1 + x2 - x3);
    let (dy1, dy2, sy) = (y1 - y2, y3 - y2, y0 - y1 + y2 - y3);
    let area = dx1 * dy2 - dx2 * dy1;
    let (g, i) = ((sx * dy2 - dx2 * sy) / area, (dx1 * sy - sx * dy1) / area);
    let (a, b, c) = (x1 - x0 + g * x1, x3 - x0 + i * x3, x0);
    let (d, e, f) = (y1 - y0 + g * y1, y3 - y0 + i * y3, y0);
    // The inverse is the adjugate but for a factor, whose sign is chosen so that depth is positive in front of the
    // viewer. Then the unit square becomes the rectangle.
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
            let back = invert_perspective(corners, (200.0, 100.0));
            for (corner, source) in corners.into_iter().zip([[0.0, 0.0], [200.0, 0.0], [200.0, 100.0], [0.0, 100.0]]) {
                let row = |at: usize| back[at] * corner[0] + back[at + 1] * corner[1] + back[at + 2];
                assert!(row(6) > 0.0);
                let mapped = [row(0) / row(6), row(3) / row(6)];
                assert!((mapped[0] - source[0]).abs() < 1e-6 && (mapped[1] - source[1]).abs() < 1e-6, "{mapped:?}");
            }
        }
    }
}
