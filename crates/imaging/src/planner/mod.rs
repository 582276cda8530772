//! Builds the list of steps: follows the image through the commands of a recipe, in the order in which Image Serving
//! applies them, and keeps account of its size, components, profile and depth. Numbers only.
//!
//! ```text
//! source -> layer (mask, crop, scale, flip, tone, sharpen, rotate, extend, fill)
//!        -> composite -> view -> tile -> encoder
//! ```
//!
//! Where other layers are laid over layer 0, `layered.rs` plans each of them in the same way, at the scale of the view.
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

mod canvas;
mod effects;
mod estimate;
mod layered;
mod oversize;
mod render_plan;
mod shape;
mod shrink;
mod source;
mod source_transform;
mod source_warnings;
mod visible_area;
mod watermark;

use std::cell::Cell;

use offprint_core::Code;
use offprint_modifiers::{
    Colour, Crop, Extend, Flip, Layer, LayerScale, PixelType, Recipe, RequestKind, ResMode, ResampleSpace, Sharpening,
    Tile, Tone,
};

use self::source::PlanSource;
use self::source_transform::SourceTransform;
use self::visible_area::VisibleArea;
use super::colour::{ColorPlan, Profile, ProfileBytes};
use super::error::{RenderError, RenderWarning};
use super::frame::Frame;
use super::header::ImageHeader;
use super::limits::RenderLimits;
use super::pixels::{FillColor, Kernel};
use super::source_files::ObjectHeaders;
use super::step::{Step, get_decoded_bits};
use super::turn::Turn;
use super::view::{self, Placement, round_size};

/// The largest coordinate that is documented, in pixels.
const MAX_COORDINATE: u32 = i32::MAX as u32;

/// What planning needs besides a recipe and the image's own header.
#[derive(Clone, Copy)]
struct PlanContext<'a> {
    object_headers: &'a ObjectHeaders,
    limits: &'a RenderLimits,
    profiles: &'a ProfileBytes,
    /// Pixels of all layers so far.
    layer_pixels: &'a Cell<u64>,
}

/// The list of steps so far, and the state of the image after them.
#[derive(Clone)]
struct Planner<'a> {
    steps: Vec<Step>,
    size: (u32, u32),
    alpha: bool,
    pixel_type: PixelType,
    /// The profile of its colours, or none when it is not known what their numbers mean.
    profile: Option<Profile>,
    bits: u8,
    colors: &'a ColorPlan,
    kernel: Kernel,
    /// In which values images are made smaller.
    space: ResampleSpace,
    /// By what factor the image was resized so far. Radii that are given in source pixels shrink with it.
    shrink_ratio: f64,
    /// Where the source lies in the image.
    source_transform: SourceTransform,
    /// Whether the last window lay within the image, so that a resize after it can absorb it.
    last_window_inside: bool,
    limits: &'a RenderLimits,
    /// Warnings about sources of masks and layers.
    warnings: Vec<RenderWarning>,
    /// The scale at which the picture is made: pixels for each pixel of the recipe, horizontally and vertically. It
    /// takes effect where the layer is scaled; until then the image has the pixels of its source.
    scale: (f64, f64),
    /// The size that the image has at scale 1.
    nominal: (u32, u32),
    /// The size of layer 0 at scale 1, while another layer is planned.
    canvas: Option<(u32, u32)>,
}

impl<'a> Planner<'a> {
    fn new(header: &ImageHeader, recipe: &Recipe, limits: &'a RenderLimits, colors: &'a ColorPlan) -> Self {
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
            space: recipe.view.resample_space,
            shrink_ratio: 1.0,
            source_transform: SourceTransform::for_image(header.upright_size(), header.orientation),
            last_window_inside: false,
            limits,
            warnings: Vec::new(),
            scale: (1.0, 1.0),
            nominal: header.upright_size(),
            canvas: None,
        }
    }

    fn apply_recipe(
        &mut self,
        recipe: &Recipe,
        source: &PlanSource<'_>,
        context: PlanContext<'_>,
    ) -> Result<(), RenderError> {
        if layered::is_layered(recipe) {
            return self.apply_layered(recipe, source, context);
        }
        let header = source.header.as_ref();
        self.apply_layer(&recipe.layer, recipe, header, context)?;
        self.apply_composite(recipe, header)?;
        self.fade(recipe.composite.opacity.filter(|_| !has_fill(&recipe.layer)));
        self.apply_view(recipe, header, context)
    }

    /// A layer, in the order of the documentation page r-layer-transforms.
    fn apply_layer(
        &mut self,
        layer: &Layer,
        recipe: &Recipe,
        header: &ImageHeader,
        context: PlanContext<'_>,
    ) -> Result<(), RenderError> {
        self.apply_mask(&layer.mask, recipe, header, context)?;
        self.shape_layer(layer, header)?;
        self.fade(layer.opacity);
        // `opac` fades no fill, not even for the composite, so it is then applied before them. Page: r-opac.
        if has_fill(layer) && self.canvas.is_none() {
            self.fade(recipe.composite.opacity);
        }
        self.fill_source(layer.color);
        self.place_layer(layer)
    }

    /// The part of a layer's transforms before its opacity and its fills.
    fn shape_layer(&mut self, layer: &Layer, header: &ImageHeader) -> Result<(), RenderError> {
        if let Some(crop) = layer.crop {
            self.crop(crop)?;
        }
        self.crop_paths(&layer.crop_paths, header)?;
        self.scale_layer(layer, header.dpi)?;
        self.grow_mask(f64::from(layer.mask.grow_layer) * self.length_scale());
        self.clip(&layer.clip, header);
        self.flip(layer.flip);
        self.adjust_tone(layer.tone);
        self.sharpen(&layer.sharpening, self.length_scale());
        Ok(())
    }

    /// The part after them.
    fn place_layer(&mut self, layer: &Layer) -> Result<(), RenderError> {
        self.rotate(layer.rotate)?;
        self.bend(layer.perspective)?;
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

    /// Scales a layer as its recipe says, and to the scale of the picture.
    fn scale_layer(&mut self, layer: &Layer, dpi: Option<f64>) -> Result<(), RenderError> {
        let (w, h) = (f64::from(self.size.0), f64::from(self.size.1));
        let fit = |bw: f64, bh: f64| {
            let side = |max: f64, side: f64| if max > 0.0 { max / side } else { f64::INFINITY };
            side(bw, w).min(side(bh, h))
        };
        let nominal = match layer.scale {
            None => self.size,
            Some(scale) => {
                let factor = match scale {
                    LayerScale::Factor(factor) => factor,
                    LayerScale::Resolution { asked, usual } => asked / dpi.unwrap_or(usual),
                    LayerScale::Box(bw, bh) => fit(f64::from(bw), f64::from(bh)),
                    LayerScale::Fractions(fw, fh) => {
                        let canvas = self.canvas.unwrap_or(self.size);
                        fit(fw * f64::from(canvas.0), fh * f64::from(canvas.1))
                    }
                };
                (round_size(w * factor), round_size(h * factor))
            }
        };
        // A quarter turn exchanges the axes later.
        let (sx, sy) = self.scale;
        let is_sideways = layer.rotate.rem_euclid(180.0) == 90.0;
        if is_sideways {
            self.scale = (sy, sx);
        }
        self.resize([0.0, 0.0, w, h], self.scale_size(nominal))?;
        self.nominal = nominal;
        Ok(())
    }

    /// A size of the recipe in pixels of the picture.
    fn scale_size(&self, (w, h): (u32, u32)) -> (u32, u32) {
        (round_size(f64::from(w) * self.scale.0), round_size(f64::from(h) * self.scale.1))
    }

    /// A length of the recipe, such as a radius, in pixels of the picture. Both scales differ by rounding only.
    fn length_scale(&self) -> f64 {
        (self.scale.0 * self.scale.1).sqrt()
    }

    fn flip(&mut self, flip: Option<Flip>) {
        let Some(flip) = flip else { return };
        let (flip_x, flip_y) = (flip != Flip::Ud, flip != Flip::Lr);
        self.turn(Turn { transpose: false, flip_x, flip_y });
    }

    /// Adds a turn. Consecutive turns become one, or none when they cancel out.
    fn turn(&mut self, turn: Turn) {
        (self.size, self.nominal, self.scale) = (turn.size(self.size), turn.size(self.nominal), turn.size(self.scale));
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
        let (w, h) = (f64::from(self.nominal.0), f64::from(self.nominal.1));
        // A hair less, so that rounding errors do not add an empty row.
        let bound = |value: f64| (value - 1e-6).ceil().clamp(1.0, f64::from(u32::MAX)) as u32;
        let nominal = (bound(w * cos.abs() + h * sin.abs()), bound(w * sin.abs() + h * cos.abs()));
        let size = self.scale_size(nominal);
        self.limits.check_intermediate(size)?;
        self.steps.push(Step::Rotate { degrees, width: size.0, height: size.1 });
        self.source_transform = self.source_transform.then_rotate(degrees, self.size, size);
        (self.size, self.nominal) = (size, nominal);
        self.alpha = true;
        Ok(())
    }

    fn extend(&mut self, extend: Extend) -> Result<(), RenderError> {
        let (w, h) = (f64::from(self.nominal.0), f64::from(self.nominal.1));
        let [l, t, r, b] = match extend {
            Extend::Pixels(sides) => sides.map(i64::from),
            Extend::Fractions([l, t, r, b]) => [l * w, t * h, r * w, b * h].map(|side| (side + 0.5).floor() as i64),
        };
        let side =
            |size: u32, start: i64, end: i64| u32::try_from(i64::from(size) + start + end).ok().filter(|s| *s > 0);
        let (Some(width), Some(height)) = (side(self.nominal.0, l, r), side(self.nominal.1, t, b)) else {
            let detail = format!(
                "`extend` leaves nothing of the image, which has {}x{} pixels there.",
                self.nominal.0, self.nominal.1
            );
            return Err(RenderError::new(Code::InvalidModifier, detail));
        };
        let nominal = (width, height);
        let (left, top) = (l as f64 * self.scale.0, t as f64 * self.scale.1);
        self.apply_window(-(left.round() as i64), -(top.round() as i64), self.scale_size(nominal), None)?;
        self.nominal = nominal;
        Ok(())
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

    fn to_paint(&self, color: Colour) -> FillColor {
        FillColor { color: self.colors.convert_color(color), alpha: color.alpha }
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
    fn convert_for_encoder(&mut self) {
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
        let grow = (f64::from(tone.grow) * self.length_scale()).round() as i32;
        if grow != 0 {
            self.steps.push(Step::Grow { pixels: grow });
        }
        if tone.blur > 0.0 {
            self.steps.push(Step::Blur { sigma: tone.blur / 2.0 * self.length_scale() });
        }
        if let Some(noise) = tone.noise {
            self.steps.push(Step::Noise(noise));
        }
    }

    /// `scale` is the size of a pixel in which radii are given as they are.
    fn sharpen(&mut self, sharpening: &Sharpening, scale: f64) {
        if sharpening.simple {
            // The blur of a 3x3 binomial kernel, whose variance is one half.
            let sigma = std::f64::consts::FRAC_1_SQRT_2;
            self.steps.push(Step::Sharpen { amount: 1.0, sigma, threshold: 0.0, mono: false });
        }
        if let Some(usm) = sharpening.usm {
            let sigma = usm.radius * if usm.scaled { self.shrink_ratio.min(1.0) } else { scale };
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
        let fill = fill.map_or(FillColor::NONE, |color| self.to_paint(color));
        self.steps.push(Step::Window { x, y, width: size.0, height: size.1, fill });
        let (width, height) = (f64::from(size.0), f64::from(size.1));
        self.source_transform = self.source_transform.then_scale([x as f64, y as f64, width, height], (width, height));
        (self.size, self.nominal) = (size, size);
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
        let space = self.choose_space();
        self.steps.push(Step::Resize { from, width: size.0, height: size.1, kernel: self.kernel, space });
        (self.size, self.nominal) = (size, size);
        Ok(())
    }

    /// In which values this image is made smaller. Inks are shares of paper, which add up as light does.
    fn choose_space(&self) -> ResampleSpace {
        if self.pixel_type == PixelType::Cmyk { ResampleSpace::Display } else { self.space }
    }

    fn apply_view(
        &mut self,
        recipe: &Recipe,
        header: &ImageHeader,
        context: PlanContext<'_>,
    ) -> Result<(), RenderError> {
        let view = &recipe.view;
        let keeps_alpha = recipe.output.alpha || view.request == RequestKind::Mask;
        let (mut nominal, mut composite_scale) = (self.nominal, self.composite_scale());
        let mut placement = view::place_view(nominal, view)?;
        match view.rect {
            Some(_) => self.limits.check_intermediate(placement.view)?,
            None => self.limits.check_output(placement.view)?,
        }
        if let Some(tolerance) = view.trim {
            self.fit_product(view::frame_view(view, placement.view), tolerance);
            (nominal, composite_scale, placement) = (self.size, (1.0, 1.0), Placement::whole(self.size));
        }
        let background = view.background;
        let fill = (!keeps_alpha).then_some(background);
        match VisibleArea::from_placement(&placement, nominal) {
            Some(visible) => {
                self.fit_visible(&visible.scale_source(composite_scale))?;
                self.scale = (1.0, 1.0);
                self.sharpen(&view.sharpening, 1.0);
                self.convert_to_output();
                if let Some(watermark) = &recipe.watermark {
                    self.paint_watermark(watermark, (&placement, &visible, nominal), recipe, header, context)?;
                }
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

    /// Fits the product into a frame. Which part of the image that is turns out when its pixels are there, so a radius in
    /// pixels of the source (`op_usm`) shrinks as if it were the whole image.
    fn fit_product(&mut self, frame: Frame, tolerance: f64) {
        let space = self.choose_space();
        let (scaled, _) = frame.place_image(self.size);
        self.shrink_ratio *= f64::from(scaled.0) / f64::from(self.size.0);
        self.steps.push(Step::FitProduct { tolerance, frame, kernel: self.kernel, space });
        self.size = (frame.width, frame.height);
        (self.nominal, self.alpha, self.last_window_inside) = (self.size, true, false);
    }

    /// How many pixels the picture has for each pixel of the composite at scale 1.
    fn composite_scale(&self) -> (f64, f64) {
        let ratio = |size: u32, nominal: u32| f64::from(size) / f64::from(nominal);
        (ratio(self.size.0, self.nominal.0), ratio(self.size.1, self.nominal.1))
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

/// Whether the layer has a fill.
fn has_fill(layer: &Layer) -> bool {
    (layer.color.is_some() && !layer.blank) || layer.bg_color.is_some()
}
