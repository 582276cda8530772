//! Pixels of one bit depth.

use offprint_modifiers::{PixelType, Tone};

use super::{Sample, tone};

/// An image whose components all have one depth: rows without padding, alpha last and unassociated, inks from 0, no
/// ink.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Raster<S> {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) pixel_type: PixelType,
    pub(super) alpha: bool,
    pub(super) data: Vec<S>,
}

impl<S: Sample> Raster<S> {
    /// # Panics
    /// When the length of the data does not match size and components.
    pub(crate) fn new(width: u32, height: u32, pixel_type: PixelType, alpha: bool, data: Vec<S>) -> Self {
        let channels = pixel_type.components() + usize::from(alpha);
        assert_eq!(data.len(), width as usize * height as usize * channels, "pixels must match their size");
        Self { width, height, pixel_type, alpha, data }
    }

    pub(crate) fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    pub(crate) fn pixel_type(&self) -> PixelType {
        self.pixel_type
    }

    pub(crate) fn has_alpha(&self) -> bool {
        self.alpha
    }

    /// Components of a pixel, including alpha: 1 to 5.
    pub(crate) fn channels(&self) -> usize {
        self.pixel_type.components() + usize::from(self.alpha)
    }

    /// The components, row by row.
    pub(crate) fn data(&self) -> &[S] {
        &self.data
    }

    pub(crate) fn pixels(&self) -> impl Iterator<Item = &[S]> {
        self.data.chunks_exact(self.channels())
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = &[S]> {
        self.data.chunks_exact(self.width as usize * self.channels())
    }

    pub(super) fn pixels_mut(&mut self) -> impl Iterator<Item = &mut [S]> {
        let channels = self.channels();
        self.data.chunks_exact_mut(channels)
    }

    /// An image of the same size with other pixels.
    pub(super) fn with_data(self, pixel_type: PixelType, alpha: bool, data: Vec<S>) -> Self {
        Self { pixel_type, alpha, data, ..self }
    }

    /// Maps each component, alpha included, on its own.
    pub(super) fn map<T: Sample>(self, value: impl Fn(S) -> T) -> Raster<T> {
        let Self { width, height, pixel_type, alpha, data } = self;
        Raster { width, height, pixel_type, alpha, data: data.into_iter().map(value).collect() }
    }

    /// Adds an opaque alpha channel if there is none.
    pub(crate) fn with_alpha(self) -> Self {
        if self.alpha {
            return self;
        }
        let (channels, top) = (self.channels(), S::from_u64(S::MAX_VALUE));
        let mut data = Vec::with_capacity(self.data.len() / channels * (channels + 1));
        for pixel in self.pixels() {
            data.extend_from_slice(pixel);
            data.push(top);
        }
        let pixel_type = self.pixel_type;
        self.with_data(pixel_type, true, data)
    }

    /// Drops the alpha channel; colours stay as they are.
    pub(crate) fn without_alpha(self) -> Self {
        if !self.alpha {
            return self;
        }
        let colors = self.pixel_type.components();
        let mut data = Vec::with_capacity(self.data.len() / (colors + 1) * colors);
        for pixel in self.pixels() {
            data.extend_from_slice(&pixel[..colors]);
        }
        let pixel_type = self.pixel_type;
        self.with_data(pixel_type, false, data)
    }

    /// Converts to these components by the naive rules.
    pub(crate) fn into_shape(self, pixel_type: PixelType, alpha: bool) -> Self {
        let image = self.recolor(pixel_type);
        if alpha { image.with_alpha() } else { image.without_alpha() }
    }

    /// Inverts each colour component or ink; alpha stays.
    pub(crate) fn invert(mut self) -> Self {
        let colors = self.pixel_type.components();
        for pixel in self.pixels_mut() {
            pixel[..colors].iter_mut().for_each(|value| *value = S::from_u64(S::MAX_VALUE - value.to_u64()));
        }
        self
    }

    pub(crate) fn adjust_tone(self, tone: &Tone) -> Self {
        let mut image = self.recolor(PixelType::Rgb);
        let curves = tone::build_curves::<S>(tone);
        for pixel in image.pixels_mut() {
            for (value, curve) in pixel[..3].iter_mut().zip(&curves) {
                *value = curve[value.to_u64() as usize];
            }
            tone::adjust_saturation(pixel, tone);
        }
        if let Some(colorize) = &tone.colorize {
            let range = tone::measure_brightness(image.pixels(), image.alpha);
            let table = tone::build_colorize_table::<S>(colorize, range);
            image.pixels_mut().for_each(|pixel| tone::colorize_pixel(pixel, &table));
        }
        if tone.invert { image.invert() } else { image }
    }
}
