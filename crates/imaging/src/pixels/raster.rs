//! Pixels of one depth.

use super::Sample;
use offprint_modifiers::{PixelType, Tone};
use crate::failure::Failure;
use crate::outline;
use crate::step::Step;
use crate::tone;

/// A picture whose components are all of one depth: rows without gaps; inks count from no ink; alpha comes last and is
/// unassociated.
#[derive(Clone, Debug, PartialEq)]
pub struct Raster<S> {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) pixel_type: PixelType,
    pub(super) alpha: bool,
    pub(super) data: Vec<S>,
}

impl<S: Sample> Raster<S> {
    /// # Panics
    /// When the data is not as long as size and components say.
    pub fn new(width: u32, height: u32, pixel_type: PixelType, alpha: bool, data: Vec<S>) -> Self {
        let channels = pixel_type.components() + usize::from(alpha);
        assert_eq!(data.len(), width as usize * height as usize * channels, "pixels must match their size");
        Self { width, height, pixel_type, alpha, data }
    }

    /// Width and height.
    pub fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// Gray, RGB or CMYK.
    pub fn pixel_type(&self) -> PixelType {
        self.pixel_type
    }

    /// Whether there is alpha.
    pub fn has_alpha(&self) -> bool {
        self.alpha
    }

    /// Components of a pixel, alpha among them: 1 to 5.
    pub fn channels(&self) -> usize {
        self.pixel_type.components() + usize::from(self.alpha)
    }

    /// The components, row by row.
    pub fn data(&self) -> &[S] {
        &self.data
    }

    /// The pixels.
    pub fn pixels(&self) -> impl Iterator<Item = &[S]> {
        self.data.chunks_exact(self.channels())
    }

    /// The rows.
    pub fn rows(&self) -> impl Iterator<Item = &[S]> {
        self.data.chunks_exact(self.width as usize * self.channels())
    }

    pub(super) fn pixels_mut(&mut self) -> impl Iterator<Item = &mut [S]> {
        let channels = self.channels();
        self.data.chunks_exact_mut(channels)
    }

    /// The same picture of other pixels.
    pub(super) fn with(self, pixel_type: PixelType, alpha: bool, data: Vec<S>) -> Self {
        Self { pixel_type, alpha, data, ..self }
    }

    /// Each component on its own.
    pub(super) fn map<T: Sample>(self, value: impl Fn(S) -> T) -> Raster<T> {
        let Self { width, height, pixel_type, alpha, data } = self;
        Raster { width, height, pixel_type, alpha, data: data.into_iter().map(value).collect() }
    }

    pub(super) fn apply(self, step: &Step) -> Result<Self, Failure> {
        match *step {
            Step::Window { x, y, width, height, fill } => Ok(self.window(x, y, (width, height), fill)),
            Step::Resize { from, width, height, kernel } => self.resize(from, (width, height), kernel),
            Step::Turn(turn) => Ok(self.turn(turn)),
            Step::Rotate { degrees, width, height } => Ok(self.rotate(degrees, (width, height))),
            Step::Fade { opacity } => Ok(self.fade(opacity)),
            Step::Fill { color } => Ok(self.fill(color)),
            Step::FillPart { color, part } => Ok(self.fill_part(color, part)),
            Step::Tone(tone) => Ok(self.tone(&tone)),
            Step::Blur { sigma } => Ok(self.blur(sigma)),
            Step::Sharpen { amount, sigma, threshold, mono } => Ok(self.sharpen(amount, sigma, threshold, mono)),
            Step::Flatten { color } => Ok(self.fill(color).without_alpha()),
            Step::Recolor { to } => Ok(self.recolor(to)),
            Step::Unmask => Ok(self.without_alpha()),
            Step::InvertMask { black } => Ok(self.inverted_mask(black)),
            Step::GrowMask { pixels } => Ok(self.grown_mask(pixels)),
            Step::ShowMask => Ok(self.shown_mask()),
            Step::Clip { ref inside, ref outside } => {
                let kept = outline::kept(inside, outside, self.size());
                Ok(self.kept(&kept))
            }
            Step::Warp { ref back, sampling, each_way } => Ok(self.warp(back, sampling, each_way)),
            Step::Grow { pixels } => Ok(self.grow(pixels)),
            Step::Noise(noise) => Ok(self.noise(noise)),
            // Those of depths, profiles and other pictures are done elsewhere.
            Step::Convert(_) | Step::Reduce { .. } | Step::Mask { .. } => Ok(self),
        }
    }

    /// With an alpha channel, opaque where there was none.
    pub fn with_alpha(self) -> Self {
        if self.alpha {
            return self;
        }
        let (channels, top) = (self.channels(), S::narrow(S::TOP));
        let mut data = Vec::with_capacity(self.data.len() / channels * (channels + 1));
        for pixel in self.pixels() {
            data.extend_from_slice(pixel);
            data.push(top);
        }
        let pixel_type = self.pixel_type;
        self.with(pixel_type, true, data)
    }

    /// Without its alpha channel; colours stay as they are.
    pub fn without_alpha(self) -> Self {
        if !self.alpha {
            return self;
        }
        let colors = self.pixel_type.components();
        let mut data = Vec::with_capacity(self.data.len() / (colors + 1) * colors);
        for pixel in self.pixels() {
            data.extend_from_slice(&pixel[..colors]);
        }
        let pixel_type = self.pixel_type;
        self.with(pixel_type, false, data)
    }

    /// With these components, converted without profiles where they are others.
    pub fn shaped(self, pixel_type: PixelType, alpha: bool) -> Self {
        let picture = self.recolor(pixel_type);
        if alpha { picture.with_alpha() } else { picture.without_alpha() }
    }

    /// Each colour component, or ink, turned round.
    pub fn invert(mut self) -> Self {
        let colors = self.pixel_type.components();
        for pixel in self.pixels_mut() {
            pixel[..colors].iter_mut().for_each(|value| *value = S::narrow(S::TOP - value.wide()));
        }
        self
    }

    fn tone(self, tone: &Tone) -> Self {
        let mut picture = self.recolor(PixelType::Rgb);
        let curves = tone::curves::<S>(tone);
        for pixel in picture.pixels_mut() {
            for (value, curve) in pixel[..3].iter_mut().zip(&curves) {
                *value = curve[value.wide() as usize];
            }
            tone::recolor(pixel, tone);
        }
        if let Some(colorize) = &tone.colorize {
            let range = tone::brightness(picture.pixels(), picture.alpha);
            let table = tone::colorized::<S>(colorize, range);
            picture.pixels_mut().for_each(|pixel| tone::look_up(pixel, &table));
        }
        if tone.invert { picture.invert() } else { picture }
    }
}
