//! Effects: a colour in the shape of a picture. Outer ones lie behind it (shadows, glows, borders), inner ones within
//! it.
//!
//! ```text
//! shape -> (complement) -> grow -> blur -> shift -> cut by the shape -> noise -> colour and opacity
//! ```
//!
//! Inner effects begin with the complement of the shape, so that `op_grow=3` is a border on either side. What the
//! documentation leaves open is decided in docs/decisions/0069-layers.md. Documentation pages: r-effect,
//! r-layer-effects.

use offprint_modifiers::{MaskUse, Noise};
use serde::Serialize;

use super::fill_color::FillColor;
use super::morphology::{Extreme, grow_values};
use super::noise::{compute_noise, hash_position};
use super::paint::{Blend, PaintArea};
use super::row_blur;
use super::{Pixels, Raster, Sample};

/// One effect, in pixels of the image that it is drawn on.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShapeEffect {
    /// Whether it lies within the shape; otherwise behind it.
    pub inner: bool,
    pub mask_use: MaskUse,
    /// Radius by which the shape grows; negative shrinks it. Between two whole radii it is a mixture of both.
    pub grow: f64,
    /// Standard deviation of a Gaussian blur.
    pub sigma: f64,
    pub noise: Option<Noise>,
    /// Distance from the shape.
    pub offset: (i64, i64),
    pub color: FillColor,
    /// Whether an outer effect is left out where the shape is opaque.
    pub masked: bool,
    #[serde(flatten)]
    pub(crate) blend: Blend,
}

impl Pixels {
    /// The alpha of the image; opaque without one.
    pub(crate) fn to_shape(&self) -> Self {
        match self {
            Self::Eight(image) => image.to_shape().into(),
            Self::Sixteen(image) => image.to_shape().into(),
        }
    }

    /// Draws an effect of a shape that lies at this position.
    pub(crate) fn paint_effect(&mut self, shape: &Self, at: (i64, i64), effect: &ShapeEffect) {
        match (self, shape) {
            (Self::Eight(image), Self::Eight(shape)) => image.paint_effect(shape, at, effect),
            (Self::Sixteen(image), Self::Sixteen(shape)) => image.paint_effect(shape, at, effect),
            (Self::Eight(image), shape) => image.paint_effect(&shape.clone().into_eight(), at, effect),
            (Self::Sixteen(image), shape) => image.paint_effect(&shape.clone().into_sixteen(), at, effect),
        }
    }
}

impl ShapeEffect {
    /// How far the effect reaches beyond the shape, in pixels.
    fn reach(&self) -> i64 {
        // Wide blurs are three boxes, which end a little further out than a Gaussian.
        self.grow.abs().ceil() as i64 + (3.0 * self.sigma).ceil() as i64 + 4
    }
}

impl<S: Sample> Raster<S> {
    fn paint_effect(&mut self, shape: &Self, at: (i64, i64), effect: &ShapeEffect) {
        let (image, size) = (self.size(), shape.size());
        let reach = effect.reach();
        // Inner effects lie within the shape, outer ones as far around it as they reach. Only what is seen is computed.
        let (around, offset) = if effect.inner { (0, (0, 0)) } else { (reach, effect.offset) };
        let left = (at.0 + offset.0 - around).max(0);
        let top = (at.1 + offset.1 - around).max(0);
        let right = (at.0 + offset.0 + i64::from(size.0) + around).min(i64::from(image.0));
        let bottom = (at.1 + offset.1 + i64::from(size.1) + around).min(i64::from(image.1));
        if right <= left || bottom <= top {
            return;
        }
        let seen = ((right - left) as u32, (bottom - top) as u32);
        let shape = PlacedShape { matte: shape, at };
        // The mask is needed where it is seen, shifted back, and around that as far as growing and blurring reach.
        let origin = (left - effect.offset.0 - reach, top - effect.offset.1 - reach);
        let (width, height) = (seen.0 as usize + 2 * reach as usize, seen.1 as usize + 2 * reach as usize);
        let mask = build_mask(&shape, effect, origin, (width, height));
        let (top_value, pixel) = (S::MAX_VALUE as f32, effect.color.pixel::<S>(self.pixel_type()));
        let colors = self.pixel_type().components();
        let Some(area) = PaintArea::new(image, (left, top), seen) else { return };
        let blend = Blend { opacity: effect.blend.opacity * f64::from(effect.color.alpha) / 255.0, ..effect.blend };
        self.paint_area(area, blend, |x, y, color| {
            let masked = mask[(y + reach as usize) * width + x + reach as usize].to_u64() as f32;
            if masked == 0.0 {
                return S::default();
            }
            let (x, y) = (left + x as i64, top + y as i64);
            let covered = || shape.value(x, y).to_u64() as f32 / top_value;
            let share = match (effect.inner, effect.masked) {
                (true, _) => covered(),
                (false, true) => 1.0 - covered(),
                (false, false) => 1.0,
            };
            let noise = effect.noise.map_or(1.0, |noise| compute_grain(noise, effect.blend.seed, x, y));
            color[..colors].copy_from_slice(&pixel[..colors]);
            S::from_u64((masked * share * noise + 0.5).clamp(0.0, top_value) as u64)
        });
    }
}

/// The alpha of a picture, where it lies.
struct PlacedShape<'a, S> {
    matte: &'a Raster<S>,
    at: (i64, i64),
}

impl<S: Sample> PlacedShape<'_, S> {
    /// Alpha at a point of the image; transparent outside.
    fn value(&self, x: i64, y: i64) -> S {
        let (x, y) = (x - self.at.0, y - self.at.1);
        let (width, height) = self.matte.size();
        if x < 0 || y < 0 || x >= i64::from(width) || y >= i64::from(height) {
            return S::default();
        }
        self.matte.data()[y as usize * width as usize + x as usize]
    }

    fn covers(&self, x: i64, y: i64) -> bool {
        let (x, y) = (x - self.at.0, y - self.at.1);
        let (width, height) = self.matte.size();
        x >= 0 && y >= 0 && x < i64::from(width) && y < i64::from(height)
    }
}

/// The mask of an effect before it is shifted and cut, from this point of the image on.
fn build_mask<S: Sample>(
    shape: &PlacedShape<'_, S>,
    effect: &ShapeEffect,
    origin: (i64, i64),
    (width, height): (usize, usize),
) -> Vec<S> {
    let top = S::MAX_VALUE;
    let complement = (effect.mask_use == MaskUse::Invert) != effect.inner;
    let value = |x: i64, y: i64| match effect.mask_use {
        MaskUse::Off => S::from_u64(if shape.covers(x, y) { top } else { 0 }),
        _ if complement => S::from_u64(top - shape.value(x, y).to_u64()),
        _ => shape.value(x, y),
    };
    let mut mask = Vec::with_capacity(width * height);
    for y in 0..height as i64 {
        mask.extend((0..width as i64).map(|x| value(origin.0 + x, origin.1 + y)));
    }
    let mut mask = grow_mask(mask, width, effect.grow);
    if effect.sigma >= 0.05 {
        row_blur::blur_rows(&mut mask, (width, 1), effect.sigma, row_blur::load_components, |row, soft| {
            row.iter_mut().zip(soft).for_each(|(value, soft)| *value = S::from_sixteen_bits(f32::from(*soft)));
        });
    }
    mask
}

/// Grows a mask by a radius that need not be whole.
fn grow_mask<S: Sample>(mask: Vec<S>, width: usize, radius: f64) -> Vec<S> {
    if radius == 0.0 {
        return mask;
    }
    let extreme = if radius < 0.0 { Extreme::Smallest } else { Extreme::Largest };
    let (whole, part) = (radius.abs().floor() as u32, radius.abs().fract());
    let grown = if whole == 0 { mask.clone() } else { grow_values(&mask, width, 1, whole, extreme) };
    if part < 1e-3 {
        return grown;
    }
    let more = grow_values(&mask, width, 1, whole + 1, extreme);
    let mix = |less: &S, more: S| less.to_u64() as f64 * (1.0 - part) + more.to_u64() as f64 * part;
    grown.iter().zip(more).map(|(less, more)| S::from_u64((mix(less, more) + 0.5) as u64)).collect()
}

/// The factor by which noise changes the opacity of an effect at a point: no point outside of the effect appears.
fn compute_grain(noise: Noise, seed: u64, x: i64, y: i64) -> f32 {
    let bits = (hash_position(seed, x as u64, y as u64) * (1u64 << 52) as f64) as u64;
    (1.0 + compute_noise(bits, 0, noise.gaussian) * f64::from(noise.percent) / 100.0).max(0.0) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use offprint_modifiers::{BlendMode, PixelType};

    /// A square of 6 pixels with a margin of 2, opaque, at 10,10 of a white canvas of 30.
    fn draw(effect: ShapeEffect) -> Vec<u8> {
        let inside = |at: usize| (2..8).contains(&(at % 10)) && (2..8).contains(&(at / 10));
        let shape = (0..100).map(|at| if inside(at) { 255 } else { 0 }).collect();
        let shape = Raster::<u8>::new(10, 10, PixelType::Gray, false, shape);
        let mut canvas = Raster::<u8>::new(30, 30, PixelType::Gray, false, vec![255; 900]);
        canvas.paint_effect(&shape, (10, 10), &effect);
        canvas.data().to_vec()
    }

    fn effect(inner: bool) -> ShapeEffect {
        ShapeEffect {
            inner,
            mask_use: MaskUse::Norm,
            grow: 0.0,
            sigma: 0.0,
            noise: None,
            offset: (0, 0),
            color: FillColor { color: [0; 4], alpha: 255 },
            masked: true,
            blend: Blend { mode: BlendMode::Norm, opacity: 1.0, seed: 1 },
        }
    }

    fn count_dark(canvas: &[u8]) -> usize {
        canvas.iter().filter(|value| **value < 128).count()
    }

    #[test]
    fn borders_lie_outside_or_inside() {
        assert_eq!(count_dark(&draw(effect(false))), 0);
        let outer = draw(ShapeEffect { grow: 2.0, ..effect(false) });
        let inner = draw(ShapeEffect { grow: 2.0, ..effect(true) });
        // A disc of radius 2 around a square of 6 adds 4 sides of 2 by 6 and round corners; inside 4 of 36 remain.
        assert_eq!((outer[15 * 30 + 11], outer[15 * 30 + 9], outer[15 * 30 + 15]), (0, 255, 255));
        assert_eq!(
            (inner[15 * 30 + 12], inner[15 * 30 + 13], inner[15 * 30 + 14], inner[15 * 30 + 11]),
            (0, 0, 255, 255)
        );
        assert_eq!(count_dark(&inner), 32);
        let unmasked = draw(ShapeEffect { grow: 2.0, masked: false, ..effect(false) });
        assert_eq!(count_dark(&unmasked), count_dark(&outer) + 36);
        let half = draw(ShapeEffect { grow: 0.5, ..effect(false) });
        assert!((126..=129).contains(&half[15 * 30 + 11]), "{}", half[15 * 30 + 11]);
    }

    #[test]
    fn shadows_are_shifted_and_cut_by_the_shape_and_the_canvas() {
        let shadow = draw(ShapeEffect { offset: (3, 0), ..effect(false) });
        assert_eq!(count_dark(&shadow), 18);
        assert_eq!((shadow[15 * 30 + 18], shadow[15 * 30 + 20], shadow[15 * 30 + 21]), (0, 0, 255));
        assert_eq!(count_dark(&draw(ShapeEffect { offset: (15, 0), ..effect(false) })), 18);
        assert_eq!(count_dark(&draw(ShapeEffect { offset: (400, -9000), ..effect(false) })), 0);
        let inner = draw(ShapeEffect { offset: (2, 0), ..effect(true) });
        assert_eq!((count_dark(&inner), inner[15 * 30 + 12], inner[15 * 30 + 14]), (12, 0, 255));
    }

    #[test]
    fn mask_use_changes_the_shape() {
        assert_eq!(count_dark(&draw(ShapeEffect { mask_use: MaskUse::Off, ..effect(true) })), 36);
        assert_eq!(count_dark(&draw(ShapeEffect { mask_use: MaskUse::Off, ..effect(false) })), 64);
        assert_eq!(count_dark(&draw(ShapeEffect { mask_use: MaskUse::Invert, ..effect(true) })), 36);
        assert!(count_dark(&draw(ShapeEffect { mask_use: MaskUse::Invert, offset: (1, 0), ..effect(false) })) > 0);
    }

    #[test]
    fn a_blur_keeps_the_amount_of_colour() {
        for sigma in [0.8, 5.0] {
            let soft = draw(ShapeEffect { sigma, masked: false, ..effect(false) });
            let dark: u32 = soft.iter().map(|value| u32::from(255 - value)).sum();
            assert!(dark.abs_diff(36 * 255) < 36 * 255 / 20, "{sigma}: {dark}");
        }
    }

    #[test]
    fn noise_changes_only_the_effect_itself() {
        let noise = Noise { percent: 60, gaussian: false, mono: true };
        let plain = ShapeEffect { offset: (15, 0), ..effect(false) };
        let plain = ShapeEffect { blend: Blend { opacity: 0.5, ..plain.blend }, ..plain };
        let (smooth, grainy) = (draw(plain.clone()), draw(ShapeEffect { noise: Some(noise), ..plain }));
        assert_ne!(smooth, grainy);
        assert!(smooth.iter().zip(&grainy).all(|(smooth, grainy)| *smooth < 255 || *grainy == 255));
    }
}
