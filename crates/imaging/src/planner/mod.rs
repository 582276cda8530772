//! Builds the list of steps: follows the picture's size from command to command. Numbers only.

mod place;
mod shape;
mod shrink;
mod source;
mod visible;

use self::place::Place;
pub(super) use self::source::{Desk, Source};
use self::visible::Visible;
use super::colour::{Colors, Profile};
use super::failure::Failure;
use super::header::Header;
use super::limits::Limits;
use super::plan::depth;
use super::step::{Kernel, Paint, Step};
use super::turn::Turn;
use super::view::{self, round};
use offprint_core::Code;
use offprint_modifiers::{
    Colour, Composite, Crop, Extend, Flip, LayerScale, PixelType, Recipe, Request, ResMode, Sharpening, Tile, Tone,
    View,
};

/// The list of steps while it grows, and what the picture is after them.
pub(super) struct Planner<'a> {
    steps: Vec<Step>,
    /// The size of the picture now.
    pub size: (u32, u32),
    alpha: bool,
    pixel_type: PixelType,
    /// What its numbers mean, where that is known.
    profile: Option<Profile>,
    bits: u8,
    colors: &'a Colors,
    kernel: Kernel,
    /// How much smaller than the source the picture has become, at most 1; radii in source pixels shrink with it.
    shrunk: f64,
    /// Where the source lies in the picture.
    place: Place,
    /// Whether the last window showed nothing but the picture.
    cut: bool,
    limits: &'a Limits,
}

impl<'a> Planner<'a> {
    pub fn new(header: &Header, recipe: &Recipe, limits: &'a Limits, colors: &'a Colors) -> Self {
        let kernel = match recipe.view.res_mode {
            ResMode::Bilin => Kernel::Triangle,
            ResMode::Bicub => Kernel::CatmullRom,
            ResMode::Sharp2 => Kernel::Lanczos3,
            ResMode::Bisharp => Kernel::SharpCubic,
        };
        Self {
            steps: Vec::new(),
            size: header.upright(),
            alpha: header.alpha,
            pixel_type: header.color,
            profile: colors.source.clone(),
            bits: depth(header),
            colors,
            kernel,
            shrunk: 1.0,
            place: Place::of(header.upright(), header.orientation),
            cut: false,
            limits,
        }
    }

    /// Follows a recipe from its source to its view.
    pub fn follow(&mut self, recipe: &Recipe, header: &Header, desk: Desk<'_>) -> Result<(), Failure> {
        self.layer(recipe, header, desk)?;
        self.composite(&recipe.composite, header)?;
        self.view(&recipe.view, recipe.output.alpha)
    }

    /// Layer 0, in the order of the documentation page r-layer-transforms.
    fn layer(&mut self, recipe: &Recipe, header: &Header, desk: Desk<'_>) -> Result<(), Failure> {
        self.mask(recipe, header, desk)?;
        let layer = &recipe.layer;
        if let Some(crop) = layer.crop {
            self.crop(crop)?;
        }
        self.crop_paths(&layer.crop_paths, header)?;
        if let Some(scale) = layer.scale {
            self.layer_scale(scale, header.dpi)?;
        }
        self.grow_mask(layer.mask.grow_layer);
        self.clip(&layer.clip, header);
        self.flip(layer.flip);
        self.tone(layer.tone);
        self.sharpen(&layer.sharpening);
        self.fade(layer.opacity);
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

    fn composite(&mut self, composite: &Composite, header: &Header) -> Result<(), Failure> {
        self.crop_paths(&composite.crop_paths, header)?;
        self.clip(&composite.clip, header);
        self.flip(composite.flip);
        self.tone(composite.tone);
        self.fade(composite.opacity);
        Ok(())
    }

    fn crop(&mut self, crop: Crop) -> Result<(), Failure> {
        let (x, y, size) = match crop {
            Crop::Pixels(region) => (i64::from(region.x), i64::from(region.y), (region.w, region.h)),
            Crop::Fractions([x, y, w, h]) => {
                let (width, height) = (f64::from(self.size.0), f64::from(self.size.1));
                let place = |value: f64| (value + 0.5).floor() as i64;
                (place(x * width), place(y * height), (round(w * width), round(h * height)))
            }
        };
        self.window(x, y, size, None)
    }

    fn layer_scale(&mut self, scale: LayerScale, dpi: Option<f64>) -> Result<(), Failure> {
        let (w, h) = (f64::from(self.size.0), f64::from(self.size.1));
        let factor = match scale {
            LayerScale::Factor(factor) => factor,
            LayerScale::Resolution { asked, usual } => asked / dpi.unwrap_or(usual),
            LayerScale::Box(bw, bh) => {
                let side = |most: u32, side: f64| if most > 0 { f64::from(most) / side } else { f64::INFINITY };
                side(bw, w).min(side(bh, h))
            }
        };
        self.resize([0.0, 0.0, w, h], (round(w * factor), round(h * factor)))
    }

    fn flip(&mut self, flip: Option<Flip>) {
        let Some(flip) = flip else { return };
        let (flip_x, flip_y) = (flip != Flip::Ud, flip != Flip::Lr);
        self.turn(Turn { transpose: false, flip_x, flip_y });
    }

    fn turn(&mut self, turn: Turn) {
        self.size = turn.size(self.size);
        self.place = self.place.turned(turn, (f64::from(self.size.0), f64::from(self.size.1)));
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

    fn rotate(&mut self, degrees: f64) -> Result<(), Failure> {
        if degrees % 90.0 == 0.0 {
            self.turn(Turn::quarters((degrees / 90.0) as u32));
            return Ok(());
        }
        let (sin, cos) = degrees.to_radians().sin_cos();
        let (w, h) = (f64::from(self.size.0), f64::from(self.size.1));
        // A hair less, so that rounding errors do not add an empty row.
        let bound = |value: f64| (value - 1e-6).ceil().clamp(1.0, f64::from(u32::MAX)) as u32;
        let size = (bound(w * cos.abs() + h * sin.abs()), bound(w * sin.abs() + h * cos.abs()));
        self.limits.check_between(size)?;
        self.steps.push(Step::Rotate { degrees, width: size.0, height: size.1 });
        self.place = self.place.rotated(degrees, self.size, size);
        self.size = size;
        self.alpha = true;
        Ok(())
    }

    fn extend(&mut self, extend: Extend) -> Result<(), Failure> {
        let (w, h) = (f64::from(self.size.0), f64::from(self.size.1));
        let [l, t, r, b] = match extend {
            Extend::Pixels(sides) => sides.map(i64::from),
            Extend::Fractions([l, t, r, b]) => [l * w, t * h, r * w, b * h].map(|side| (side + 0.5).floor() as i64),
        };
        let side =
            |size: u32, one: i64, other: i64| u32::try_from(i64::from(size) + one + other).ok().filter(|s| *s > 0);
        let (Some(width), Some(height)) = (side(self.size.0, l, r), side(self.size.1, t, b)) else {
            let detail = format!("extend leaves nothing of a picture of {}x{} pixels.", self.size.0, self.size.1);
            return Err(Failure::new(Code::InvalidModifier, detail));
        };
        self.window(-l, -t, (width, height), None)
    }

    fn fade(&mut self, opacity: Option<f64>) {
        if let Some(opacity) = opacity {
            self.steps.push(Step::Fade { opacity });
            self.alpha = true;
        }
    }

    /// Fills lie in the output's colours, so the picture must be in them before.
    fn fill(&mut self, color: Option<Colour>) {
        let Some(color) = color.filter(|_| self.alpha) else { return };
        self.convert_to_output();
        self.steps.push(Step::Fill { color: self.paint(color) });
        self.alpha = color.alpha < 255;
    }

    /// Fills what the source covers: where a crop reached out of it only the fill after everything else comes. Documentation
    /// pages: r-color-commandref, r-restrictions-and-known-issues.
    fn fill_source(&mut self, color: Option<Colour>) {
        let (width, height) = (f64::from(self.size.0), f64::from(self.size.1));
        let [left, top, right, bottom] = self.place.bounds([0.0, 0.0, 1.0, 1.0]);
        let covers = left < 0.5 && top < 0.5 && right > width - 0.5 && bottom > height - 0.5;
        let Some(said) = color.filter(|_| self.alpha && !covers) else { return self.fill(color) };
        self.convert_to_output();
        let side = |value: f64, most: f64| value.round().clamp(0.0, most) as u32;
        let part = [side(left, width), side(top, height), side(right, width), side(bottom, height)];
        self.steps.push(Step::FillPart { color: self.paint(said), part });
    }

    /// A colour in the output's components.
    fn paint(&self, color: Colour) -> Paint {
        Paint { color: self.colors.paint(color), alpha: color.alpha }
    }

    /// Makes the picture one of the output's colours.
    fn convert_to_output(&mut self) {
        let (pixel_type, output) = (self.colors.pixel_type, self.colors.output.clone());
        if self.pixel_type != pixel_type && self.profile.is_some() != output.is_some() {
            // One side knows nothing of its inks: the naive rules lead from and to sRGB.
            self.convert_to_rgb();
            self.profile = output.is_some().then(|| self.colors.srgb.clone());
        }
        self.convert(pixel_type, output);
    }

    /// Makes the picture one of RGB, for steps that only know that.
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

    /// Goes to these components and this profile; naively where one of the profiles is not known.
    fn convert(&mut self, pixel_type: PixelType, to: Option<Profile>) {
        if let (Some(from), Some(to)) = (self.profile.take(), &to)
            && from != *to
            && !self.colors.is_same_curve(&from, to)
        {
            // A gray picture may have a profile of RGB.
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

    /// What every encoder takes: the output's components, eight bits each.
    pub fn output(&mut self) {
        self.convert_to_output();
        if self.bits > 8 {
            self.steps.push(Step::Reduce { dither: self.colors.dither });
        }
    }

    fn tone(&mut self, tone: Tone) {
        if (Tone { grow: 0, blur: 0.0, noise: None, ..tone }) != Tone::default() {
            // These are operations on RGB.
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
            // The blur of a 3x3 binomial, whose variance is one half.
            let sigma = std::f64::consts::FRAC_1_SQRT_2;
            self.steps.push(Step::Sharpen { amount: 1.0, sigma, threshold: 0.0, mono: false });
        }
        if let Some(usm) = sharpening.usm {
            let sigma = usm.radius * if usm.scaled { self.shrunk.min(1.0) } else { 1.0 };
            let (amount, threshold) = (usm.amount, usm.threshold);
            self.steps.push(Step::Sharpen { amount, sigma, threshold, mono: usm.mono });
        }
    }

    fn window(&mut self, x: i64, y: i64, size: (u32, u32), fill: Option<Colour>) -> Result<(), Failure> {
        self.limits.check_between(size)?;
        let (w, h) = (i64::from(self.size.0), i64::from(self.size.1));
        let inside = x >= 0 && y >= 0 && x + i64::from(size.0) <= w && y + i64::from(size.1) <= h;
        if (x, y) == (0, 0) && size == self.size {
            return Ok(());
        }
        if !inside && fill.is_some() {
            self.convert_to_output();
        }
        let fill = fill.map_or(Paint::NONE, |color| self.paint(color));
        self.steps.push(Step::Window { x, y, width: size.0, height: size.1, fill });
        let (width, height) = (f64::from(size.0), f64::from(size.1));
        self.place = self.place.scaled([x as f64, y as f64, width, height], (width, height));
        self.size = size;
        self.cut = inside;
        self.alpha |= !inside && !fill.is_opaque();
        Ok(())
    }

    /// A cut before it, and a resize of the same picture that made it no smaller, become one with it: one resampling
    /// is faster and sharper than two.
    fn resize(&mut self, from: [f64; 4], size: (u32, u32)) -> Result<(), Failure> {
        self.limits.check_between(size)?;
        let [x, y, w, h] = from;
        let (full_w, full_h) = (f64::from(self.size.0), f64::from(self.size.1));
        if size == self.size && from == [0.0, 0.0, full_w, full_h] {
            return Ok(());
        }
        let down = f64::from(size.0) <= w && f64::from(size.1) <= h;
        self.place = self.place.scaled(from, (f64::from(size.0), f64::from(size.1)));
        self.shrunk *= (f64::from(size.0) / w).min(f64::from(size.1) / h);
        let from = match self.steps.last().cloned() {
            Some(Step::Window { x: left, y: top, .. }) if self.cut => {
                self.steps.pop();
                [x + left as f64, y + top as f64, w, h]
            }
            Some(Step::Resize { from: [left, top, sw, sh], width, height, .. }) if down => {
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

    fn view(&mut self, view: &View, keeps_alpha: bool) -> Result<(), Failure> {
        let keeps_alpha = keeps_alpha || view.request == Request::Mask;
        let placement = view::place(self.size, view)?;
        match view.rect {
            Some(_) => self.limits.check_between(placement.view)?,
            None => self.limits.check_output(placement.view)?,
        }
        let background = view.background;
        let fill = (!keeps_alpha).then_some(background);
        match Visible::of(&placement, self.size) {
            Some(visible) => {
                self.show(&visible)?;
                self.sharpen(&view.sharpening);
                self.convert_to_output();
                self.window(-visible.left, -visible.top, placement.view, fill)?;
            }
            None => {
                let far = i64::from(self.size.0);
                self.window(far, 0, placement.view, fill)?;
            }
        }
        // Cut out of the whole view, so that tiles meet without a seam.
        if let Some(Tile { region, scale }) = view.rect {
            let (w, h) = (f64::from(self.size.0), f64::from(self.size.1));
            self.resize([0.0, 0.0, w, h], (round(w * scale), round(h * scale)))?;
            self.window(i64::from(region.x), i64::from(region.y), (region.w, region.h), fill)?;
        }
        if view.request == Request::Mask {
            self.steps.push(Step::ShowMask);
            (self.alpha, self.pixel_type) = (false, PixelType::Gray);
            // A mask has no colours that could be converted.
            self.recolor(self.colors.pixel_type);
            self.profile = self.colors.output.clone();
            return Ok(());
        }
        if self.alpha && !keeps_alpha {
            self.convert_to_output();
            self.steps.push(Step::Flatten { color: self.paint(background) });
        }
        Ok(())
    }

    /// Cuts or scales what is visible to its size in the view.
    fn show(&mut self, visible: &Visible) -> Result<(), Failure> {
        let [x, y, w, h] = visible.from;
        let whole = [x, y, w, h].iter().all(|value| value.fract() == 0.0);
        if whole && (w, h) == (f64::from(visible.size.0), f64::from(visible.size.1)) {
            return self.window(x as i64, y as i64, visible.size, None);
        }
        self.resize(visible.from, visible.size)
    }
}
