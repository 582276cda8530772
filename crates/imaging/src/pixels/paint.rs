//! The painter: lays pictures and colours over an image.

use offprint_modifiers::{BlendMode, PixelType};
use serde::Serialize;

use super::blend::blend_component;
use super::fill_color::FillColor;
use super::noise::hash_position;
use super::{Pixels, Raster, Sample};

/// How something is laid over an image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Blend {
    pub(crate) mode: BlendMode,
    /// 0 to 1; multiplied with the alpha of what is laid.
    pub(crate) opacity: f64,
    /// Makes the random choices of `dissolve`: the same in every run, others for each layer.
    pub(crate) seed: u64,
}

impl Pixels {
    /// Lays a picture over the image, its top left at this position. Components must be those of the image; the depth
    /// becomes that of the image.
    pub(crate) fn paint(&mut self, picture: &Self, at: (i64, i64), blend: Blend) {
        match (self, picture) {
            (Self::Eight(image), Self::Eight(picture)) => image.paint(picture, at, blend),
            (Self::Sixteen(image), Self::Sixteen(picture)) => image.paint(picture, at, blend),
            (Self::Eight(image), picture) => image.paint(&picture.clone().into_eight(), at, blend),
            (Self::Sixteen(image), picture) => image.paint(&picture.clone().into_sixteen(), at, blend),
        }
    }

    /// Repeats a picture over the whole image, from this position in all directions.
    pub(crate) fn paint_tiled(&mut self, picture: &Self, at: (i64, i64), blend: Blend) {
        match (self, picture) {
            (Self::Eight(image), Self::Eight(picture)) => image.paint_tiled(picture, at, blend),
            (Self::Sixteen(image), Self::Sixteen(picture)) => image.paint_tiled(picture, at, blend),
            (Self::Eight(image), picture) => image.paint_tiled(&picture.clone().into_eight(), at, blend),
            (Self::Sixteen(image), picture) => image.paint_tiled(&picture.clone().into_sixteen(), at, blend),
        }
    }

    /// Lays a colour over a rectangle of the image: position and size.
    pub(crate) fn paint_color(&mut self, color: FillColor, at: (i64, i64), size: (u32, u32), blend: Blend) {
        match self {
            Self::Eight(image) => image.paint_color(color, at, size, blend),
            Self::Sixteen(image) => image.paint_color(color, at, size, blend),
        }
    }

    /// A transparent image of this one's size, components and depth.
    pub(crate) fn to_transparent(&self) -> Self {
        fn clear<S: Sample>(image: &Raster<S>) -> Raster<S> {
            let (width, height) = image.size();
            let channels = image.pixel_type().components() + 1;
            let data = vec![S::default(); width as usize * height as usize * channels];
            Raster::new(width, height, image.pixel_type(), true, data)
        }
        match self {
            Self::Eight(image) => clear(image).into(),
            Self::Sixteen(image) => clear(image).into(),
        }
    }
}

impl<S: Sample> Raster<S> {
    pub(super) fn paint(&mut self, picture: &Self, at: (i64, i64), blend: Blend) {
        if picture.pixel_type() != self.pixel_type() {
            let converted = picture.clone().recolor(self.pixel_type());
            return self.paint(&converted, at, blend);
        }
        let (colors, channels, alpha) = (self.pixel_type().components(), picture.channels(), picture.has_alpha());
        let stride = picture.width as usize * channels;
        let Some(area) = PaintArea::new(self.size(), at, picture.size()) else { return };
        let source = |x: usize, y: usize, color: &mut [S; 4]| {
            let start = y * stride + x * channels;
            let pixel = &picture.data[start..start + channels];
            color[..colors].copy_from_slice(&pixel[..colors]);
            if alpha { pixel[colors] } else { S::from_u64(S::MAX_VALUE) }
        };
        self.paint_area(area, blend, source);
    }

    pub(super) fn paint_tiled(&mut self, picture: &Self, at: (i64, i64), blend: Blend) {
        if picture.pixel_type() != self.pixel_type() {
            let converted = picture.clone().recolor(self.pixel_type());
            return self.paint_tiled(&converted, at, blend);
        }
        let (colors, channels, alpha) = (self.pixel_type().components(), picture.channels(), picture.has_alpha());
        let (width, height) = (picture.width as usize, picture.height as usize);
        let Some(area) = PaintArea::new(self.size(), (0, 0), self.size()) else { return };
        // Of the picture, the pixel that lies in the top left of the image.
        let first = |at: i64, side: usize| (-at).rem_euclid(side as i64) as usize;
        let (left, top) = (first(at.0, width), first(at.1, height));
        let source = |x: usize, y: usize, color: &mut [S; 4]| {
            let start = ((y + top) % height * width + (x + left) % width) * channels;
            let pixel = &picture.data[start..start + channels];
            color[..colors].copy_from_slice(&pixel[..colors]);
            if alpha { pixel[colors] } else { S::from_u64(S::MAX_VALUE) }
        };
        self.paint_area(area, blend, source);
    }

    pub(super) fn paint_color(&mut self, color: FillColor, at: (i64, i64), size: (u32, u32), blend: Blend) {
        let Some(area) = PaintArea::new(self.size(), at, size) else { return };
        let pixel = color.pixel::<S>(self.pixel_type());
        let colors = self.pixel_type().components();
        let blend = Blend { opacity: blend.opacity * f64::from(color.alpha) / 255.0, ..blend };
        self.paint_area(area, blend, |_, _, out| {
            out[..colors].copy_from_slice(&pixel[..colors]);
            S::from_u64(S::MAX_VALUE)
        });
    }

    /// Lays what `source` returns over an area. `source` gets a position in what is laid, writes its colour and returns
    /// its alpha.
    pub(super) fn paint_area(
        &mut self,
        area: PaintArea,
        blend: Blend,
        source: impl Fn(usize, usize, &mut [S; 4]) -> S,
    ) {
        match (self.pixel_type(), self.has_alpha()) {
            (PixelType::Gray, false) => self.paint_channels::<1>(area, blend, source),
            (PixelType::Gray, true) => self.paint_channels::<2>(area, blend, source),
            (PixelType::Rgb, false) => self.paint_channels::<3>(area, blend, source),
            (PixelType::Rgb, true) => self.paint_channels::<4>(area, blend, source),
            (PixelType::Cmyk, false) => self.paint_channels::<4>(area, blend, source),
            (PixelType::Cmyk, true) => self.paint_channels::<5>(area, blend, source),
        }
    }

    fn paint_channels<const N: usize>(
        &mut self,
        area: PaintArea,
        blend: Blend,
        source: impl Fn(usize, usize, &mut [S; 4]) -> S,
    ) {
        let stride = self.width as usize * N;
        let (painter, top) = (Painter::new(self.pixel_type(), self.has_alpha(), blend), S::from_u64(S::MAX_VALUE));
        let mut color = [S::default(); 4];
        let rows = self.data.chunks_exact_mut(stride).skip(area.top).take(area.size.1);
        for (row_index, row) in rows.enumerate() {
            let (pixels, _) = row.as_chunks_mut::<N>();
            for (column, pixel) in pixels[area.left..area.left + area.size.0].iter_mut().enumerate() {
                let (x, y) = (area.skipped.0 + column, area.skipped.1 + row_index);
                let alpha = source(x, y, &mut color);
                if alpha == S::default() {
                    continue;
                }
                if painter.replaces && alpha == top {
                    pixel[..painter.colors].copy_from_slice(&color[..painter.colors]);
                    if painter.alpha {
                        pixel[painter.colors] = top;
                    }
                    continue;
                }
                painter.blend_pixel(pixel, &color, alpha, (area.left + column, area.top + row_index));
            }
        }
    }
}

/// The part of an image that something is laid over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct PaintArea {
    left: usize,
    top: usize,
    size: (usize, usize),
    /// How much of what is laid lies left of and above the image.
    skipped: (usize, usize),
}

impl PaintArea {
    /// None when nothing of it lies in the image.
    pub(super) fn new(image: (u32, u32), at: (i64, i64), size: (u32, u32)) -> Option<Self> {
        let (left, width, skipped_left) = clip_span(at.0, size.0, image.0)?;
        let (top, height, skipped_top) = clip_span(at.1, size.1, image.1)?;
        Some(Self { left, top, size: (width, height), skipped: (skipped_left, skipped_top) })
    }
}

/// Start, length and what is cut off before it, of a span within `0..side`.
fn clip_span(at: i64, length: u32, side: u32) -> Option<(usize, usize, usize)> {
    let end = at.checked_add(i64::from(length))?.min(i64::from(side));
    let start = at.max(0);
    let count = usize::try_from(end - start).ok().filter(|count| *count > 0)?;
    Some((usize::try_from(start).ok()?, count, usize::try_from(start - at).ok()?))
}

/// What is the same for all pixels of one picture that is laid over an image.
struct Painter {
    colors: usize,
    alpha: bool,
    inks: bool,
    mode: BlendMode,
    opacity: f32,
    seed: u64,
    /// Whether opaque pixels replace those below.
    replaces: bool,
}

impl Painter {
    fn new(pixel_type: PixelType, alpha: bool, Blend { mode, opacity, seed }: Blend) -> Self {
        Self {
            colors: pixel_type.components(),
            alpha,
            inks: pixel_type == PixelType::Cmyk,
            mode,
            opacity: opacity as f32,
            seed,
            replaces: mode == BlendMode::Norm && opacity >= 1.0,
        }
    }

    fn blend_pixel<S: Sample>(&self, pixel: &mut [S], color: &[S; 4], alpha: S, at: (usize, usize)) {
        let unit = 1.0 / S::MAX_VALUE as f32;
        let to_unit = |value: S| value.to_u64() as f32 * unit;
        let to_sample =
            |value: f32| S::from_u64((value * S::MAX_VALUE as f32 + 0.5).clamp(0.0, S::MAX_VALUE as f32) as u64);
        let mut above = to_unit(alpha) * self.opacity;
        if self.mode == BlendMode::Dissolve {
            above = if hash_position(self.seed, at.0 as u64, at.1 as u64) < f64::from(above) { 1.0 } else { 0.0 };
        }
        let below = if self.alpha { to_unit(pixel[self.colors]) } else { 1.0 };
        let opacity = above + below - above * below;
        if above <= 0.0 || opacity <= 0.0 {
            return;
        }
        for (value, color) in pixel[..self.colors].iter_mut().zip(color) {
            let blended =
                blend_component(self.mode, (to_unit(*value), below), (to_unit(*color), above), opacity, self.inks);
            *value = to_sample(blended);
        }
        if self.alpha {
            pixel[self.colors] = to_sample(opacity);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(size: (u32, u32), pixel_type: PixelType, alpha: bool, pixel: &[u8]) -> Raster<u8> {
        Raster::new(size.0, size.1, pixel_type, alpha, pixel.repeat(size.0 as usize * size.1 as usize))
    }

    fn plain(mode: BlendMode, opacity: f64) -> Blend {
        Blend { mode, opacity, seed: 7 }
    }

    #[test]
    fn an_opaque_picture_replaces_and_nothing_around_it_changes() {
        for (pixel_type, below, above) in [
            (PixelType::Gray, &[10_u8][..], &[200_u8][..]),
            (PixelType::Rgb, &[1, 2, 3], &[200, 100, 0]),
            (PixelType::Cmyk, &[1, 2, 3, 4], &[9, 8, 7, 6]),
        ] {
            let mut image = flat((5, 4), pixel_type, false, below);
            image.paint(&flat((2, 9), pixel_type, false, above), (4, -3), plain(BlendMode::Norm, 1.0));
            let expected: Vec<u8> = (0..20).flat_map(|at| if at % 5 == 4 { above } else { below }).copied().collect();
            assert_eq!(image.data(), expected);
            image.paint(&flat((2, 2), pixel_type, false, above), (5, 0), plain(BlendMode::Norm, 1.0));
            image.paint(&flat((2, 2), pixel_type, false, above), (i64::MAX, i64::MIN), plain(BlendMode::Norm, 1.0));
            assert_eq!(image.data(), expected);
        }
    }

    #[test]
    fn modes_follow_the_formula_with_and_without_alpha() {
        let modes = [BlendMode::Norm, BlendMode::Lighten, BlendMode::Darken, BlendMode::Mult, BlendMode::Screen];
        for mode in modes {
            for (below, ab) in [([10.0, 128.0, 250.0], 255.0), ([200.0, 0.0, 77.0], 90.0)] {
                for (above, alpha, opacity) in [([70.0, 200.0, 3.0], 255.0, 1.0), ([70.0, 200.0, 3.0], 130.0, 0.4)] {
                    let pixel =
                        |color: [f64; 3], alpha: f64| [color[0] as u8, color[1] as u8, color[2] as u8, alpha as u8];
                    let mut image = flat((1, 1), PixelType::Rgb, true, &pixel(below, ab));
                    image.paint(
                        &flat((1, 1), PixelType::Rgb, true, &pixel(above, alpha)),
                        (0, 0),
                        plain(mode, opacity),
                    );
                    let (ab, at) = (ab / 255.0, alpha / 255.0 * opacity);
                    let whole = ab + at - ab * at;
                    for channel in 0..3 {
                        let (b, s) = (below[channel] / 255.0, above[channel] / 255.0);
                        let mixed = match mode {
                            BlendMode::Lighten => b.max(s),
                            BlendMode::Darken => b.min(s),
                            BlendMode::Mult => b * s,
                            BlendMode::Screen => 1.0 - (1.0 - b) * (1.0 - s),
                            _ => s,
                        };
                        let expected = ((1.0 - at) * ab * b + (1.0 - ab) * at * s + at * ab * mixed) / whole * 255.0;
                        assert!((f64::from(image.data()[channel]) - expected).abs() <= 0.51, "{mode:?}");
                    }
                    assert!((f64::from(image.data()[3]) - whole * 255.0).abs() <= 0.51, "{mode:?}");
                }
            }
        }
    }

    #[test]
    fn dissolve_takes_a_share_of_the_pixels_and_always_the_same() {
        let draw = |seed| {
            let mut image = flat((100, 100), PixelType::Gray, false, &[0]);
            let blend = Blend { mode: BlendMode::Dissolve, opacity: 0.3, seed };
            image.paint_color(FillColor { color: [255, 0, 0, 0], alpha: 255 }, (0, 0), (100, 100), blend);
            image
        };
        let first = draw(1);
        assert!(first.data().iter().all(|value| [0, 255].contains(value)));
        let white = first.data().iter().filter(|value| **value == 255).count();
        assert!((2800..3200).contains(&white), "{white}");
        assert_eq!(first, draw(1));
        assert_ne!(first, draw(2));
    }

    #[test]
    fn a_gray_picture_is_laid_over_colours() {
        let mut image = flat((1, 1), PixelType::Rgb, false, &[1, 2, 3]);
        image.paint(&flat((1, 1), PixelType::Gray, true, &[90, 255]), (0, 0), plain(BlendMode::Norm, 1.0));
        assert_eq!(image.data(), [90, 90, 90]);
    }
}
