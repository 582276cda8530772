//! How two colours mix: the blend modes, and the formula that is common to all of them.
//!
//! The documentation refers to Photoshop for the modes. This is the model of separable blend modes of PDF (ISO
//! 32000-2, 11.3): with the backdrop `b`, the colour `s` laid on it, and their opacities,
//!
//! ```text
//! opacity = ab + as - ab * as
//! colour  = ((1 - as) * ab * b  +  (1 - ab) * as * s  +  as * ab * B(b, s)) / opacity
//! ```
//!
//! Values are as they are stored, with their gamma. Inks are inverted meanwhile, so that a mode that darkens RGB darkens
//! CMYK as well. Documentation page: r-blendmode.

use offprint_modifiers::BlendMode;

/// `B(b, s)` of one component; both from 0, dark, to 1.
fn mix_component(mode: BlendMode, below: f32, above: f32) -> f32 {
    match mode {
        BlendMode::Norm | BlendMode::Dissolve => above,
        BlendMode::Lighten => below.max(above),
        BlendMode::Darken => below.min(above),
        BlendMode::Mult => below * above,
        BlendMode::Screen => below + above - below * above,
    }
}

/// One component laid over another; opacities from 0 to 1, `opacity` is that of the result and above 0. `inks` says
/// whether much is dark.
pub(super) fn blend_component(
    mode: BlendMode,
    (below, below_opacity): (f32, f32),
    (above, above_opacity): (f32, f32),
    opacity: f32,
    inks: bool,
) -> f32 {
    let mixed =
        if inks { 1.0 - mix_component(mode, 1.0 - below, 1.0 - above) } else { mix_component(mode, below, above) };
    let sum = (1.0 - above_opacity) * below_opacity * below
        + (1.0 - below_opacity) * above_opacity * above
        + above_opacity * below_opacity * mixed;
    sum / opacity
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_those_of_the_model() {
        let over = |mode, below, above| blend_component(mode, (below, 1.0), (above, 1.0), 1.0, false);
        for (mode, expected) in [
            (BlendMode::Norm, 0.5),
            (BlendMode::Lighten, 0.8),
            (BlendMode::Darken, 0.5),
            (BlendMode::Mult, 0.4),
            (BlendMode::Screen, 0.9),
        ] {
            assert!((over(mode, 0.8, 0.5) - expected).abs() < 1e-6, "{mode:?}");
            // Inks do to paper what light does to a screen.
            let inks = blend_component(mode, (0.2, 1.0), (0.5, 1.0), 1.0, true);
            assert!((1.0 - inks - expected).abs() < 1e-6, "{mode:?}");
        }
    }

    #[test]
    fn nothing_below_leaves_the_colour_and_half_of_it_is_between() {
        for mode in [BlendMode::Norm, BlendMode::Mult, BlendMode::Screen, BlendMode::Darken, BlendMode::Lighten] {
            assert!((blend_component(mode, (0.3, 0.0), (0.7, 0.5), 0.5, false) - 0.7).abs() < 1e-6, "{mode:?}");
            let half = blend_component(mode, (0.2, 1.0), (0.6, 0.5), 1.0, false);
            let whole = blend_component(mode, (0.2, 1.0), (0.6, 1.0), 1.0, false);
            assert!((half - (0.2 + whole) / 2.0).abs() < 1e-6, "{mode:?}");
        }
    }
}
