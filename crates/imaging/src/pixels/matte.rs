//! Steps on alpha: masks from other images, masks inverted, grown and clipped.

use offprint_modifiers::PixelType;

use super::morphology::{Extreme, grow_values};
use super::{FillColor, Raster, Sample};

impl<S: Sample> Raster<S> {
    /// Replaces alpha by these values, one per pixel.
    pub(crate) fn with_mask(self, matte: &[S]) -> Self {
        let mut image = self.with_alpha();
        let colors = image.pixel_type.components();
        image.pixels_mut().zip(matte).for_each(|(pixel, alpha)| pixel[colors] = *alpha);
        image
    }

    /// The image as a mask for another one: its alpha, or its brightness when it has none.
    pub(crate) fn into_matte(self) -> Self {
        if !self.alpha {
            return self.recolor(PixelType::Gray);
        }
        let data = self.alphas().collect();
        self.with_data(PixelType::Gray, false, data)
    }

    /// A colour in the shape of the image: its alpha, or its brightness (times alpha, where there is any), becomes the
    /// alpha of the colour.
    pub(crate) fn into_stencil(self, color: FillColor, to: PixelType, by_brightness: bool) -> Self {
        let (width, height) = self.size();
        let mut pixel = color.pixel::<S>(to);
        let colors = to.components();
        let alpha = u64::from(color.alpha);
        let alphas: Vec<u64> = match (by_brightness, self.alpha) {
            (false, true) => self.alphas().map(S::to_u64).collect(),
            (false, false) => vec![S::MAX_VALUE; width as usize * height as usize],
            (true, _) => {
                let gray = self.recolor(PixelType::Gray);
                let share = |pixel: &[S]| match *pixel {
                    [value, alpha] => (value.to_u64() * alpha.to_u64() + S::MAX_VALUE / 2) / S::MAX_VALUE,
                    [value, ..] => value.to_u64(),
                    [] => 0,
                };
                gray.pixels().map(share).collect()
            }
        };
        let mut data = Vec::with_capacity(alphas.len() * (colors + 1));
        for value in alphas {
            pixel[colors] = S::from_u64((value * alpha + 127) / 255);
            data.extend_from_slice(&pixel[..=colors]);
        }
        Self::new(width, height, to, true, data)
    }

    /// The alpha channel as a gray image; white when there is none.
    pub(crate) fn to_shape(&self) -> Self {
        let (width, height) = self.size();
        let data = match self.alpha {
            true => self.alphas().collect(),
            false => vec![S::from_u64(S::MAX_VALUE); width as usize * height as usize],
        };
        Self::new(width, height, PixelType::Gray, false, data)
    }

    fn alphas(&self) -> impl Iterator<Item = S> {
        let colors = self.pixel_type.components();
        self.pixels().map(move |pixel| pixel[colors])
    }

    /// Inverts alpha: transparent becomes opaque and opaque transparent. `black` also makes all colours black, for
    /// images whose transparent pixels have no colour.
    pub(crate) fn invert_mask(mut self, black: bool) -> Self {
        let colors = self.pixel_type.components();
        if !self.alpha {
            return self;
        }
        for pixel in self.pixels_mut() {
            pixel[colors] = S::from_u64(S::MAX_VALUE - pixel[colors].to_u64());
            if black {
                pixel[..colors].fill(S::default());
                if colors == PixelType::Cmyk.components() {
                    pixel[colors - 1] = S::from_u64(S::MAX_VALUE);
                }
            }
        }
        self
    }

    /// Grows opaque areas by this many pixels, or shrinks them when negative.
    pub(crate) fn grow_mask(self, pixels: i32) -> Self {
        if !self.alpha {
            return self;
        }
        let alphas: Vec<S> = self.alphas().collect();
        let grown = grow_values(&alphas, self.width as usize, 1, pixels.unsigned_abs(), Extreme::for_growth(pixels));
        self.with_mask(&grown)
    }

    /// Multiplies alpha by a coverage per pixel, of 255.
    pub(crate) fn apply_coverage(self, coverage: &[u8]) -> Self {
        let mut image = self.with_alpha();
        let colors = image.pixel_type.components();
        for (pixel, kept) in image.pixels_mut().zip(coverage) {
            pixel[colors] = S::from_u64((pixel[colors].to_u64() * u64::from(*kept) + 127) / 255);
        }
        image
    }

    /// Grows bright areas by this many pixels, or dark ones when negative; each component on its own.
    pub(crate) fn grow(self, pixels: i32) -> Self {
        // Much ink is little light, so inks are inverted meanwhile.
        let inks = self.pixel_type == PixelType::Cmyk;
        let image = if inks { self.invert() } else { self };
        let image = if image.has_transparency() {
            // Eight bits do not hold a colour multiplied by little alpha.
            let deep = image.map(S::to_sixteen_bits).associate().grow_components(pixels).unassociate();
            deep.map(|value| S::from_sixteen_bits(f32::from(value)))
        } else {
            image.grow_components(pixels)
        };
        if inks { image.invert() } else { image }
    }

    fn grow_components(mut self, pixels: i32) -> Self {
        let (width, channels) = (self.width as usize, self.channels());
        self.data = grow_values(&self.data, width, channels, pixels.unsigned_abs(), Extreme::for_growth(pixels));
        self
    }
}
