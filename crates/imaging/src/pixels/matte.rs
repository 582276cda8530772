//! Steps on alpha: masks from other pictures, masks turned round, grown and cut.

use super::grow::{Extreme, grown};
use super::{Raster, Sample};
use offprint_modifiers::PixelType;

impl<S: Sample> Raster<S> {
    /// Takes brightness as alpha, row by row, in the place of what was there.
    pub fn masked(self, matte: &[S]) -> Self {
        let mut picture = self.with_alpha();
        let colors = picture.pixel_type.components();
        picture.pixels_mut().zip(matte).for_each(|(pixel, alpha)| pixel[colors] = *alpha);
        picture
    }

    /// What the picture is as a mask: its alpha where it has some, else its brightness.
    pub(super) fn matte(self) -> Self {
        if !self.alpha {
            return self.recolor(PixelType::Gray);
        }
        let data = self.alphas().collect();
        self.with(PixelType::Gray, false, data)
    }

    /// The mask alone, as a gray picture; white where nothing is transparent.
    pub(super) fn shown_mask(self) -> Self {
        let data = if self.alpha {
            self.alphas().collect()
        } else {
            vec![S::narrow(S::TOP); self.width as usize * self.height as usize]
        };
        self.with(PixelType::Gray, false, data)
    }

    fn alphas(&self) -> impl Iterator<Item = S> {
        let colors = self.pixel_type.components();
        self.pixels().map(move |pixel| pixel[colors])
    }

    /// What was transparent is opaque, and the other way round; in black where the colours there mean nothing.
    pub(super) fn inverted_mask(mut self, black: bool) -> Self {
        let colors = self.pixel_type.components();
        if !self.alpha {
            return self;
        }
        for pixel in self.pixels_mut() {
            pixel[colors] = S::narrow(S::TOP - pixel[colors].wide());
            if black {
                pixel[..colors].fill(S::default());
                if colors == PixelType::Cmyk.components() {
                    pixel[colors - 1] = S::narrow(S::TOP);
                }
            }
        }
        self
    }

    /// Alpha grown by so many pixels, or shrunk.
    pub(super) fn grown_mask(self, pixels: i32) -> Self {
        if !self.alpha {
            return self;
        }
        let alphas: Vec<S> = self.alphas().collect();
        let grown = grown(&alphas, self.width as usize, 1, pixels.unsigned_abs(), Extreme::of(pixels));
        self.masked(&grown)
    }

    /// Alpha multiplied by how much of each pixel is kept, of 255.
    pub(super) fn kept(self, kept: &[u8]) -> Self {
        let mut picture = self.with_alpha();
        let colors = picture.pixel_type.components();
        for (pixel, kept) in picture.pixels_mut().zip(kept) {
            pixel[colors] = S::narrow((pixel[colors].wide() * u64::from(*kept) + 127) / 255);
        }
        picture
    }

    /// Every component grown by so many pixels of brightness, or of darkness.
    pub(super) fn grow(self, pixels: i32) -> Self {
        // Much ink is little light.
        let inks = self.pixel_type == PixelType::Cmyk;
        let mut picture = if inks { self.invert() } else { self }.associate();
        let (width, channels) = (picture.width as usize, picture.channels());
        picture.data = grown(&picture.data, width, channels, pixels.unsigned_abs(), Extreme::of(pixels));
        let picture = picture.unassociate();
        if inks { picture.invert() } else { picture }
    }
}
