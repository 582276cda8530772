//! Builds the list of steps: follows the image through the commands of a recipe, in the order in which Image Serving
//! applies them, and keeps account of its size, components, profile and depth. Numbers only.
//!
//! ```text
//! source -> layer (mask, crop, scale, flip, tone, sharpen, rotate, extend, fill)
//!        -> composite -> view -> tile -> encoder
//! ```
//!
//! Three rules keep plans short and results sharp:
//!
//! * What can be one resampling is one: a crop before a resize, and a resize that only makes smaller before another,
//!   become part of it (`Planner::resize`).
//! * An image keeps the components and the depth of its source until a step needs others, because every conversion
//!   loses something (`Planner::convert_to_output`, `Planner::convert_to_rgb`).
//! * The first crop or resize is moved before the turn that makes the image upright, so that the decoder can do it
//!   (`shrink.rs`).
//!
//! Begin with `Planner::apply_recipe`.

mod oversize;
mod shape;
mod shrink;
mod source;
mod source_transform;
mod source_warnings;
mod visible_area;

use offprint_core::Code;
use offprint_modifiers::{
    Colour, Crop, Extend, Flip, Layer, LayerScale, PixelType, Recipe, RequestKind, ResMode, Sharpening, Tile, Tone,
    View,
};

pub(super) use self::source::{PlanContext, PlanSource};
use self::source_transform::SourceTransform;
use self::visible_area::VisibleArea;
use super::colour::{ColorPlan, Profile};
use super::error::{RenderError, RenderWarning};
use super::header::ImageHeader;
use super::limits::RenderLimits;
use super::plan::get_decoded_bits;
use super::step::{Kernel, Paint, Step};
use super::turn::Turn;
use super::view::{self, round_size};

/// The largest coordinate that is documented, in pixels.
const MAX_COORDINATE: u32 = i32::MAX as u32;

/// The list of steps so far, and the state of the image after them.
pub(super) struct Planner<'a> {
    steps: Vec<Step>,
    pub(crate) size: (u32, u32),
    alpha: bool,
    pixel_type: PixelType,
    /// The profile of its colours, or none when it is not known what their numbers mean.
    profile: Option<Profile>,
    bits: u8,
    colors: &'a ColorPlan,
    kernel: Kernel,
    /// By what factor the image was resized so far. Radii that are given in source pixels shrink with it.
    shrink_ratio: f64,
    /// Where the source lies in the image.
    source_transform: SourceTransform,
    /// Whether the last window lay within the image, so that a resize after it can absorb it.
    last_window_inside: bool,
    limits: &'a RenderLimits,
    /// Warnings about sources of masks.
    pub(crate) warnings: Vec<RenderWarning>,
}

impl<'a> Planner<'a> {
    pub(crate) fn new(header: &ImageHeader, recipe: &Recipe, limits: &'a RenderLimits, colors: &'a ColorPlan) -> Self {
        let kernel = match recipe.view.res_mode {
            ResMode::Bilin => Kernel::Triangle,
            ResMode::Bicub => Kernel::CatmullRom,
            ResMode::Sharp2 => Kernel::Lanczos3,
            ResMode::Bisharp => Kernel::SharpCubic,
        };
        Self {
            steps: Vec::new(),
            size: header.upright_size(),
            alpha: header.alpha,
            pixel_type: header.color,
            profile: colors.source.clone(),
            bits: get_decoded_bits(header),
            colors,
            kernel,
            shrink_ratio: 1.0,
            source_transform: SourceTransform::for_image(header.upright_size(), header.orientation),
            last_window_inside: false,
            limits,
            warnings: Vec::new(),
        }
    }

    pub(crate) fn apply_recipe(
        &mut self,
        recipe: &Recipe,
        header: &ImageHeader,
        context: PlanContext<'_>,
    ) -> Result<(), RenderError> {
        self.apply_layer(recipe, header, context)?;
        self.apply_composite(recipe, header)?;
        self.apply_view(&recipe.view, recipe.output.alpha)
    }

    /// Layer 0, in the order of the documentation page r-layer-transforms.
    fn apply_layer(
        &mut self,
        recipe: &Recipe,
        header: &ImageHeader,
        context: PlanContext<'_>,
    ) -> Result<(), RenderError> {
        self.apply_mask(recipe, header, context)?;
        let layer = &recipe.layer;
        if let Some(crop) = layer.crop {
            self.crop(crop)?;
        }
        self.crop_paths(&layer.crop_paths, header)?;
        if let Some(scale) = layer.scale {
            self.scale_layer(scale, header.dpi)?;
        }
        self.grow_mask(layer.mask.grow_layer);
        self.clip(&layer.clip, header);
        self.flip(layer.flip);
        self.adjust_tone(layer.tone);
        self.sharpen(&layer.sharpening);
        self.fade(layer.opacity);
        if has_fill(layer) {
            self.fade(recipe.composite.opacity);
        }
        self.fill_source(layer.color);
        self.rotate(layer.rotate)?;
        self.bend(layer.perspective);
        if let Some(extend) = layer.extend {
            self.extend(extend)?;
        }
        self.fill(layer.bg_color);
        if layer.hidden {
            self.fade(Some(0.0));
        }
        Ok(())
    }

    fn apply_composite(&mut self, recipe: &Recipe, header: &ImageHeader) -> Result<(), RenderError> {
        let composite = &recipe.composite;
        self.crop_paths(&composite.crop_paths, header)?;
        self.clip(&composite.clip, header);
        self.flip(composite.flip);
        self.adjust_tone(composite.tone);
        if !has_fill(&recipe.layer) {
            self.fade(composite.opacity);
        }
        Ok(())
    }

    fn crop(&mut self, crop: Crop) -> Result<(), RenderError> {
        let (x, y, size) = match crop {
            Crop::Pixels(region) => (i64::from(region.x), i64::from(region.y), (region.w, region.h)),
            Crop::Fractions([x, y, w, h]) => {
                let (width, height) = (f64::from(self.size.0), f64::from(self.size.1));
                let round = |value: f64| (value + 0.5).floor() as i64;
                (round(x * width), round(y * height), (round_size(w * width), round_size(h * height)))
            }
        };
        self.apply_window(x, y, size, None)
    }

    fn scale_layer(&mut self, scale: LayerScale, dpi: Option<f64>) -> Result<(), RenderError> {
        let (w, h) = (f64::from(self.size.0), f64::from(self.size.1));
        let factor = match scale {
            LayerScale::Factor(factor) => factor,
            LayerScale::Resolution { asked, usual } => asked / dpi.unwrap_or(usual),
            LayerScale::Box(bw, bh) => {
                let side = |max: u32, side: f64| if max > 0 { f64::from(max) / side } else { f64::INFINITY };
                side(bw, w).min(side(bh, h))
            }
        };
        self.resize([0.0, 0.0, w, h], (round_size(w * factor), round_size(h * factor)))
    }

    fn flip(&mut self, flip: Option<Flip>) {
        let Some(flip) = flip else { return };
        let (flip_x, flip_y) = (flip != Flip::Ud, flip != Flip::Lr);
        self.turn(Turn { transpose: false, flip_x, flip_y });
    }

    /// Adds a turn. Consecutive turns become one, or none when they cancel out.
    fn turn(&mut self, turn: Turn) {
        self.size = turn.size(self.size);
        self.source_transform = self.source_transform.then_turn(turn, (f64::from(self.size.0), f64::from(self.size.1)));
        let turn = match self.steps.last() {
            Some(Step::Turn(before)) => {
                let before = *before;
                self.steps.pop();
                before.then(turn)
            }
            _ => turn,
        };
        if turn != Turn::NONE {
            self.steps.push(Step::Turn(turn));
        }
    }

    fn rotate(&mut self, degrees: f64) -> Result<(), RenderError> {
        if degrees % 90.0 == 0.0 {
            self.turn(Turn::from_quarters((degrees / 90.0) as u32));
            return Ok(());
        }
        let (sin, cos) = degrees.to_radians().sin_cos();
        let (w, h) = (f64::from(self.size.0), f64::from(self.size.1));
        // A hair less, so that rounding errors do not add an empty row.
        let bound = |value: f64| (value - 1e-6).ceil().clamp(1.0, f64::from(u32::MAX)) as u32;
        let size = (bound(w * cos.abs() + h * sin.abs()), bound(w * sin.abs() + h * cos.abs()));
        self.limits.check_intermediate(size)?;
        self.steps.push(Step::Rotate { degrees, width: size.0, height: size.1 });
        self.source_transform = self.source_transform.then_rotate(degrees, self.size, size);
        self.size = size;
        self.alpha = true;
        Ok(())
    }

    fn extend(&mut self, extend: Extend) -> Result<(), RenderError> {
        let (w, h) = (f64::from(self.size.0), f64::from(self.size.1));
        let [l, t, r, b] = match extend {
            Extend::Pixels(sides) => sides.map(i64::from),
            Extend::Fractions([l, t, r, b]) => [l * w, t * h, r * w, b * h].map(|side| (side + 0.5).floor() as i64),
        };
        let side =
            |size: u32, start: i64, end: i64| u32::try_from(i64::from(size) + start + end).ok().filter(|s| *s > 0);
        let (Some(width), Some(height)) = (side(self.size.0, l, r), side(self.size.1, t, b)) else {
            let detail = format!(
                "`extend` leaves nothing of the image, which has {}x{} pixels there.",
                self.size.0, self.size.1
            );
            return Err(RenderError::new(Code::InvalidModifier, detail));
        };
        self.apply_window(-l, -t, (width, height), None)
    }

    fn fade(&mut self, opacity: Option<f64>) {
        if let Some(opacity) = opacity {
            self.steps.push(Step::Fade { opacity });
            self.alpha = true;
        }
    }

    /// Lays a colour under the image. Fill colours are in the output's colours, so the image is converted to them
    /// first.
    fn fill(&mut self, color: Option<Colour>) {
        let Some(color) = color.filter(|_| self.alpha) else { return };
        self.convert_to_output();
        self.steps.push(Step::Fill { color: self.to_paint(color) });
        self.alpha = color.alpha < 255;
    }

    /// Lays a colour under the part that the source covers. Where a crop reached beyond the source, the image stays
    /// transparent until the background is filled. Documentation pages: r-color-commandref,
    /// r-restrictions-and-known-issues.
    fn fill_source(&mut self, color: Option<Colour>) {
        let (width, height) = (f64::from(self.size.0), f64::from(self.size.1));
        let [left, top, right, bottom] = self.source_transform.map_bounds([0.0, 0.0, 1.0, 1.0]);
        let covers = left < 0.5 && top < 0.5 && right > width - 0.5 && bottom > height - 0.5;
        let Some(fill_color) = color.filter(|_| self.alpha && !covers) else { return self.fill(color) };
        self.convert_to_output();
        let side = |value: f64, max: f64| value.round().clamp(0.0, max) as u32;
        let part = [side(left, width), side(top, height), side(right, width), side(bottom, height)];
        self.steps.push(Step::FillPart { color: self.to_paint(fill_color), part });
    }

    fn to_paint(&self, color: Colour) -> Paint {
        Paint { color: self.colors.convert_color(color), alpha: color.alpha }
    }

    /// Converts to the components and the profile of the output.
    fn convert_to_output(&mut self) {
        let (pixel_type, output) = (self.colors.pixel_type, self.colors.output.clone());
        if self.pixel_type != pixel_type && self.profile.is_some() != output.is_some() {
            // One side has no profile. The naive rules connect it with sRGB, and a conversion the other side.
            self.convert_to_rgb();
            self.profile = output.is_some().then(|| self.colors.srgb.clone());
        }
        self.convert(pixel_type, output);
    }

    /// Converts to RGB, for steps that only know RGB. Where the output is RGB too, straight to its profile: one
    /// conversion instead of two.
    fn convert_to_rgb(&mut self) {
        if self.pixel_type == PixelType::Rgb {
            return;
        }
        if self.colors.pixel_type == PixelType::Rgb && self.profile.is_some() {
            self.convert_to_output();
        }
        let rgb = self.profile.is_some().then(|| self.colors.srgb.clone());
        self.convert(PixelType::Rgb, rgb);
    }

    /// Converts to these components and this profile, by the naive rules where one of the two profiles is not known.
    fn convert(&mut self, pixel_type: PixelType, to: Option<Profile>) {
        if let (Some(from), Some(to)) = (self.profile.take(), &to)
            && from != *to
            && !self.colors.is_same_curve(&from, to)
        {
            // A gray image may have a profile for RGB.
            self.recolor(from.pixel_type);
            let conversion = self.colors.conversion(from, to.clone());
            self.bits = if conversion.deep { 16 } else { self.bits };
            self.pixel_type = to.pixel_type;
            self.steps.push(Step::Convert(conversion));
        }
        self.recolor(pixel_type);
        self.profile = to;
    }

    fn recolor(&mut self, to: PixelType) {
        if self.pixel_type != to {
            self.steps.push(Step::Recolor { to });
            self.pixel_type = to;
        }
    }

    /// Converts to what every encoder takes: the output's components, 8 bits each.
    pub(crate) fn convert_for_encoder(&mut self) {
        self.convert_to_output();
        if self.bits > 8 {
            self.steps.push(Step::Reduce { dither: self.colors.dither });
        }
    }

    fn adjust_tone(&mut self, tone: Tone) {
        if (Tone { grow: 0, blur: 0.0, noise: None, ..tone }) != Tone::default() {
            self.convert_to_rgb();
            self.steps.push(Step::Tone(tone));
        }
        if tone.grow != 0 {
            self.steps.push(Step::Grow { pixels: tone.grow });
        }
        if tone.blur > 0.0 {
            self.steps.push(Step::Blur { sigma: tone.blur / 2.0 });
        }
        if let Some(noise) = tone.noise {
            self.steps.push(Step::Noise(noise));
        }
    }

    fn sharpen(&mut self, sharpening: &Sharpening) {
        if sharpening.simple {
            // The blur of a 3x3 binomial kernel, whose variance is one half.
            let sigma = std::f64::consts::FRAC_1_SQRT_2;
            self.steps.push(Step::Sharpen { amount: 1.0, sigma, threshold: 0.0, mono: false });
        }
        if let Some(usm) = sharpening.usm {
            let sigma = usm.radius * if usm.scaled { self.shrink_ratio.min(1.0) } else { 1.0 };
            let (amount, threshold) = (usm.amount, usm.threshold);
            self.steps.push(Step::Sharpen { amount, sigma, threshold, mono: usm.mono });
        }
    }

    fn apply_window(&mut self, x: i64, y: i64, size: (u32, u32), fill: Option<Colour>) -> Result<(), RenderError> {
        self.limits.check_intermediate(size)?;
        let (w, h) = (i64::from(self.size.0), i64::from(self.size.1));
        let inside = x >= 0 && y >= 0 && x + i64::from(size.0) <= w && y + i64::from(size.1) <= h;
        if (x, y) == (0, 0) && size == self.size {
            return Ok(());
        }
        if !inside && fill.is_some() {
            self.convert_to_output();
        }
        let fill = fill.map_or(Paint::NONE, |color| self.to_paint(color));
        self.steps.push(Step::Window { x, y, width: size.0, height: size.1, fill });
        let (width, height) = (f64::from(size.0), f64::from(size.1));
        self.source_transform = self.source_transform.then_scale([x as f64, y as f64, width, height], (width, height));
        self.size = size;
        self.last_window_inside = inside;
        self.alpha |= !inside && !fill.is_opaque();
        Ok(())
    }

    /// Adds a resize. A crop right before it becomes its rectangle. A resize right before it is merged when this one
    /// makes the image no larger: one resampling is faster and sharper than two. Enlarging after a reduction stays two
    /// steps, because detail that the first one removed must not come back.
    ///
    /// ```text
    /// 6000x4000 -- Window(100, 100, 4000x3000) -- Resize 2000x1500 -- Resize 500x375
    /// becomes      Resize from [100, 100, 4000, 3000] to 500x375
    /// ```
    fn resize(&mut self, from: [f64; 4], size: (u32, u32)) -> Result<(), RenderError> {
        // A larger side was cut off by `round_size`, so that the aspect ratio would be wrong. Otherwise this size may be
        // a mere coordinate space, and limits are checked at the end.
        if size.0.max(size.1) > MAX_COORDINATE {
            self.limits.check_intermediate(size)?;
        }
        let [x, y, w, h] = from;
        let (full_w, full_h) = (f64::from(self.size.0), f64::from(self.size.1));
        if size == self.size && from == [0.0, 0.0, full_w, full_h] {
            return Ok(());
        }
        let is_reduction = f64::from(size.0) <= w && f64::from(size.1) <= h;
        self.source_transform = self.source_transform.then_scale(from, (f64::from(size.0), f64::from(size.1)));
        self.shrink_ratio *= (f64::from(size.0) / w).min(f64::from(size.1) / h);
        let from = match self.steps.last().cloned() {
            Some(Step::Window { x: left, y: top, .. }) if self.last_window_inside => {
                self.steps.pop();
                [x + left as f64, y + top as f64, w, h]
            }
            Some(Step::Resize { from: [left, top, sw, sh], width, height, .. }) if is_reduction => {
                self.steps.pop();
                let (fx, fy) = (sw / f64::from(width), sh / f64::from(height));
                [left + x * fx, top + y * fy, w * fx, h * fy]
            }
            _ => from,
        };
        self.steps.push(Step::Resize { from, width: size.0, height: size.1, kernel: self.kernel });
        self.size = size;
        Ok(())
    }

    fn apply_view(&mut self, view: &View, keeps_alpha: bool) -> Result<(), RenderError> {
        let keeps_alpha = keeps_alpha || view.request == RequestKind::Mask;
        let placement = view::place_view(self.size, view)?;
        match view.rect {
            Some(_) => self.limits.check_intermediate(placement.view)?,
            None => self.limits.check_output(placement.view)?,
        }
        let background = view.background;
        let fill = (!keeps_alpha).then_some(background);
        match VisibleArea::from_placement(&placement, self.size) {
            Some(visible) => {
                self.fit_visible(&visible)?;
                self.sharpen(&view.sharpening);
                self.convert_to_output();
                self.apply_window(-visible.left, -visible.top, placement.view, fill)?;
            }
            None => {
                // A window beside the image shows the background only.
                let beside = i64::from(self.size.0);
                self.apply_window(beside, 0, placement.view, fill)?;
            }
        }
        // Tiles are cut out of the whole view, so that they meet without a seam.
        if let Some(Tile { region, scale }) = view.rect {
            let (w, h) = (f64::from(self.size.0), f64::from(self.size.1));
            self.resize([0.0, 0.0, w, h], (round_size(w * scale), round_size(h * scale)))?;
            self.apply_window(i64::from(region.x), i64::from(region.y), (region.w, region.h), fill)?;
        }
        if view.request == RequestKind::Mask {
            self.steps.push(Step::ShowMask);
            (self.alpha, self.pixel_type) = (false, PixelType::Gray);
            // A mask has no colours that could be converted.
            self.recolor(self.colors.pixel_type);
            self.profile = self.colors.output.clone();
            return Ok(());
        }
        if self.alpha && !keeps_alpha {
            self.convert_to_output();
            self.steps.push(Step::Flatten { color: self.to_paint(background) });
        }
        Ok(())
    }

    /// Crops or scales the visible part to its size in the view. Where it needs no resampling it is only cropped, so
    /// that the pixels stay exact.
    fn fit_visible(&mut self, visible: &VisibleArea) -> Result<(), RenderError> {
        let [x, y, w, h] = visible.from;
        let whole = [x, y, w, h].iter().all(|value| value.fract() == 0.0);
        if whole && (w, h) == (f64::from(visible.size.0), f64::from(visible.size.1)) {
            return self.apply_window(x as i64, y as i64, visible.size, None);
        }
        self.resize(visible.from, visible.size)
    }
}

/// Whether the layer has a fill. `opac` fades no fill, not even for the composite, so it is then applied before them.
/// Documentation page: r-opac.
fn has_fill(layer: &Layer) -> bool {
    layer.color.is_some() || layer.bg_color.is_some()
}
