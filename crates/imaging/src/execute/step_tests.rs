//! Every step does the same at both depths, and depths and components convert as they should.

use offprint_modifiers::{Noise, PixelType, ResampleSpace, Sampling, Tone};

use super::dispatch::apply_alone;
use crate::frame::Frame;
use crate::pixels::{FillColor, Kernel, Pixels, Raster, recolor_naively};
use crate::step::Step;
use crate::turn::Turn;

/// An image of every component and opacity, with smooth and hard edges.
fn draw_raster(pixel_type: PixelType, alpha: bool) -> Raster<u8> {
    let channels = pixel_type.components() + usize::from(alpha);
    let value = |at: usize| {
        let (pixel, channel) = (at / channels, at % channels);
        let (x, y) = (pixel % 24, pixel / 24);
        if channel == pixel_type.components() && x < 6 { 255 } else { ((x * 7 + y * 13) * (channel + 2) % 256) as u8 }
    };
    Raster::new(24, 16, pixel_type, alpha, (0..24 * 16 * channels).map(value).collect())
}

fn draw_each_shape() -> impl Iterator<Item = Raster<u8>> {
    let types = [PixelType::Gray, PixelType::Rgb, PixelType::Cmyk];
    types.into_iter().flat_map(|pixel_type| [false, true].map(|alpha| draw_raster(pixel_type, alpha)))
}

/// Colours of transparent pixels do not count: 8 bits lose them.
fn associate_alpha(raster: Raster<u8>) -> Raster<u8> {
    raster.associate()
}

#[test]
fn every_step_does_the_same_at_both_depths() {
    let paint = FillColor { color: [10, 200, 30, 40], alpha: 90 };
    // A kernel that does not overshoot: with 8 bits the overshoot is cut off between the two passes.
    let kernel = Kernel::Triangle;
    let frame = Frame { width: 31, height: 17, share: 0.8, align: (0.5, 0.0), upscale: true };
    let steps = [
        Step::Window { x: -3, y: 2, width: 20, height: 20, fill: FillColor::NONE },
        Step::Resize { from: [1.0, 2.0, 20.0, 13.0], width: 9, height: 31, kernel, space: ResampleSpace::Display },
        Step::Turn(Turn::from_exif(7)),
        Step::FitProduct { tolerance: 3.0, frame, kernel, space: ResampleSpace::Display },
        Step::Rotate { degrees: 31.0, width: 29, height: 27 },
        Step::Fade { opacity: 0.4 },
        Step::Fill { color: paint },
        Step::FillPart { color: paint, part: [3, 2, 20, 9] },
        Step::Tone(Tone { brightness: 10, contrast: -20, balance: [5, 0, -9], ..Tone::default() }),
        Step::Blur { sigma: 1.3 },
        Step::Sharpen { amount: 1.0, sigma: 1.0, threshold: 0.0, mono: false },
        Step::Flatten { color: FillColor { alpha: 255, ..paint } },
        Step::InvertMask { black: true },
        Step::GrowMask { pixels: -2 },
        Step::Grow { pixels: 2 },
        Step::ShowMask,
        Step::Stencil { color: paint, to: PixelType::Rgb, by_brightness: true },
        Step::Warp {
            width: 24,
            height: 16,
            back: [1.1, 0.1, -1.0, 0.0, 0.9, 0.5, 0.01, 0.0, 1.0],
            sampling: Sampling::Many(0),
            each_way: 2,
        },
        Step::Noise(Noise { percent: 10, gaussian: true, mono: false }),
    ];
    for image in draw_each_shape() {
        for step in &steps {
            let eight = apply_alone(step, image.clone().into()).unwrap().into_eight();
            let deep = Pixels::from(Pixels::from(image.clone()).into_sixteen());
            let sixteen = apply_alone(step, deep).unwrap().into_eight();
            assert_eq!(eight.size(), sixteen.size(), "{step:?}");
            let (eight, sixteen) = (associate_alpha(eight), associate_alpha(sixteen));
            let apart = eight.data().iter().zip(sixteen.data()).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(apart.unwrap() <= 3, "{step:?} of {:?}: {apart:?}", (image.pixel_type(), image.has_alpha()));
        }
    }
}

#[test]
fn depths_go_there_and_back() {
    for image in draw_each_shape() {
        assert_eq!(Pixels::from(Pixels::from(image.clone()).into_sixteen()).into_eight(), image);
    }
}

#[test]
fn components_without_profiles_follow_the_naive_rules() {
    assert_eq!(recolor_naively(&[0_u8, 255, 255, 0], PixelType::Rgb), [255, 0, 0, 0]);
    assert_eq!(recolor_naively(&[51_u8, 0, 0, 128], PixelType::Rgb), [102, 127, 127, 0]);
    assert_eq!(recolor_naively(&[255_u8, 0, 0], PixelType::Cmyk), [0, 255, 255, 0]);
    assert_eq!(recolor_naively(&[102_u8, 51, 0], PixelType::Cmyk), [0, 128, 255, 153]);
    assert_eq!(recolor_naively(&[0_u8, 0, 0], PixelType::Cmyk), [0, 0, 0, 255]);
    assert_eq!(recolor_naively(&[77_u8], PixelType::Cmyk), [0, 0, 0, 178]);
    assert_eq!(recolor_naively(&[0_u16, 0, 0, 0], PixelType::Gray), [65_535, 0, 0, 0]);
    for image in draw_each_shape().filter(|image| image.pixel_type() == PixelType::Rgb) {
        let back = image.clone().recolor(PixelType::Cmyk).recolor(PixelType::Rgb);
        assert!(image.data().iter().zip(back.data()).all(|(a, b)| a.abs_diff(*b) <= 1));
    }
}
