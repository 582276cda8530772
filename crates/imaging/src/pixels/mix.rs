//! Steps that mix colours: opacity, fills, and other components without profiles.

use super::{Raster, Sample};
use offprint_modifiers::PixelType;
use crate::step::Paint;

impl<S: Sample> Raster<S> {
    pub(super) fn fade(self, opacity: f64) -> Self {
        let mut picture = self.with_alpha();
        let colors = picture.pixel_type.components();
        for pixel in picture.pixels_mut() {
            pixel[colors] = S::narrow((pixel[colors].wide() as f64 * opacity).round() as u64);
        }
        picture
    }

    pub(super) fn fill(mut self, paint: Paint) -> Self {
        if !self.alpha {
            return self;
        }
        let (colors, under) = (self.pixel_type.components(), paint.pixel::<S>(self.pixel_type));
        for pixel in self.pixels_mut().filter(|pixel| pixel[colors].wide() < S::TOP) {
            lay_over(pixel, &under[..=colors]);
        }
        if paint.is_opaque() { self.without_alpha() } else { self }
    }

    pub(super) fn fill_part(mut self, paint: Paint, [left, top, right, bottom]: [u32; 4]) -> Self {
        if !self.alpha {
            return self;
        }
        let (colors, under) = (self.pixel_type.components(), paint.pixel::<S>(self.pixel_type));
        let (channels, stride) = (self.channels(), self.width as usize * self.channels());
        let rows = self.data.chunks_exact_mut(stride).take(bottom as usize).skip(top as usize);
        for row in rows {
            for pixel in row.chunks_exact_mut(channels).take(right as usize).skip(left as usize) {
                lay_over(pixel, &under[..=colors]);
            }
        }
        self
    }

    /// Multiplies colours by alpha.
    pub(super) fn associate(mut self) -> Self {
        if self.alpha {
            self.pixels_mut().for_each(multiply);
        }
        self
    }

    /// Takes the multiplication by alpha back.
    pub fn unassociate(mut self) -> Self {
        if self.alpha {
            self.pixels_mut().for_each(divide);
        }
        self
    }

    /// Other components, without profiles. Documentation page: r-color-management.
    pub(super) fn recolor(self, to: PixelType) -> Self {
        let (from, alpha) = (self.pixel_type, self.alpha);
        if from == to {
            return self;
        }
        let (before, after) = (from.components(), to.components());
        let mut data = Vec::with_capacity(self.data.len() / self.channels() * (after + usize::from(alpha)));
        for pixel in self.pixels() {
            data.extend_from_slice(&recolored(&pixel[..before], to)[..after]);
            data.extend_from_slice(&pixel[before..]);
        }
        self.with(to, alpha, data)
    }
}

/// A colour in other components. The naive way to inks takes as much black as it can; that back multiplies.
pub(in crate) fn recolored<S: Sample>(color: &[S], to: PixelType) -> [S; 4] {
    let none = S::default();
    let rest = |value: S| S::narrow(S::TOP - value.wide());
    match (color, to) {
        (&[v], PixelType::Rgb) => [v, v, v, none],
        (&[v], PixelType::Cmyk) => [none, none, none, rest(v)],
        (&[_, _, _], PixelType::Gray) => [luma(color), none, none, none],
        (&[r, g, b], PixelType::Cmyk) => {
            let most = r.wide().max(g.wide()).max(b.wide());
            let ink = |value: S| S::narrow(((most - value.wide()) * S::TOP + most / 2).checked_div(most).unwrap_or(0));
            [ink(r), ink(g), ink(b), S::narrow(S::TOP - most)]
        }
        (&[c, m, y, k], PixelType::Rgb) => {
            let light = |ink: S| S::narrow((rest(ink).wide() * rest(k).wide() + S::TOP / 2) / S::TOP);
            [light(c), light(m), light(y), none]
        }
        (&[_, _, _, _], PixelType::Gray) => {
            let [r, g, b, _] = recolored(color, PixelType::Rgb);
            [luma(&[r, g, b]), none, none, none]
        }
        (same, _) => std::array::from_fn(|at| same.get(at).copied().unwrap_or_default()),
    }
}

/// Brightness of red, green and blue, with the weights of sRGB's own definition of luma.
pub(in crate) fn luma<S: Sample>(pixel: &[S]) -> S {
    S::narrow((pixel[0].wide() * 2126 + pixel[1].wide() * 7152 + pixel[2].wide() * 722 + 5000) / 10_000)
}

pub(super) fn multiply<S: Sample>(pixel: &mut [S]) {
    let Some((alpha, colors)) = pixel.split_last_mut() else { return };
    let alpha = alpha.wide();
    colors.iter_mut().for_each(|value| *value = S::narrow((value.wide() * alpha + S::TOP / 2) / S::TOP));
}

pub(super) fn divide<S: Sample>(pixel: &mut [S]) {
    let Some((alpha, colors)) = pixel.split_last_mut() else { return };
    let alpha = alpha.wide();
    if alpha > 0 && alpha < S::TOP {
        let whole = |value: S| S::narrow(((value.wide() * S::TOP + alpha / 2) / alpha).min(S::TOP));
        colors.iter_mut().for_each(|value| *value = whole(*value));
    }
}

/// A pixel laid over a colour; both with unassociated alpha.
fn lay_over<S: Sample>(pixel: &mut [S], under: &[S]) {
    let (Some((over, colors)), Some((below, under))) = (pixel.split_last_mut(), under.split_last()) else { return };
    let alpha = over.wide();
    let below = below.wide() * (S::TOP - alpha);
    let total = alpha * S::TOP + below;
    if total == 0 {
        return;
    }
    for (value, under) in colors.iter_mut().zip(under) {
        *value = S::narrow((value.wide() * alpha * S::TOP + under.wide() * below + total / 2) / total);
    }
    *over = S::narrow((total + S::TOP / 2) / S::TOP);
}
