//! A cut-out of one colour stays of one colour, whatever is done to its pixels: laid on that colour it cannot be seen,
//! and laid on another one no pixel lies outside the two.

use offprint_modifiers::{PixelType, ResampleSpace, Sampling};

use super::dispatch::apply_alone;
use crate::pixels::{FillColor, Kernel, Pixels, Raster, Sample};
use crate::step::Step;

const WIDTH: u32 = 48;
const HEIGHT: u32 = 40;

const KERNELS: [Kernel; 5] = [Kernel::Box, Kernel::Triangle, Kernel::CatmullRom, Kernel::Lanczos3, Kernel::SharpCubic];

/// Alpha of a pixel, of 255, by its column and row.
type Shape = fn(u32, u32) -> u8;

const SHAPES: [(&str, Shape); 5] = [
    ("a ring with soft edges", |x, y| {
        let far = ((f64::from(x) - 23.7).powi(2) + (f64::from(y) - 19.2).powi(2)).sqrt();
        (255.0 * (16.0 - far).clamp(0.0, 1.0) * (far - 5.0).clamp(0.0, 3.0) / 3.0) as u8
    }),
    ("hard edges, lines and points", |x, y| {
        let solid = (8..20).contains(&x) && (6..30).contains(&y);
        if solid || x == 30 || y == 35 || (x % 9 == 8 && y % 7 == 3) { 255 } else { 0 }
    }),
    ("any alpha anywhere", |x, y| ((x * 7919 + y * 104_729).wrapping_mul(2_654_435_761) >> 24) as u8),
    ("a faint shade", |x, y| ((x + y) / 9) as u8),
    ("opaque rows, then a cut", |x, y| if y < 25 || x < 17 { 255 } else { 40 }),
];

/// In colours no step can be kept from mixing; inks count like them.
const COLORS: [[u8; 4]; 4] = [[120, 120, 125, 60], [255, 0, 9, 0], [3, 251, 128, 255], [77, 200, 40, 9]];

/// What is done to pixels that mixes or cuts them.
fn list_steps() -> Vec<Vec<Step>> {
    let (w, h) = (f64::from(WIDTH), f64::from(HEIGHT));
    let resize =
        |from, width, height, kernel| Step::Resize { from, width, height, kernel, space: ResampleSpace::Display };
    let sharpen = |amount, sigma, threshold, mono| Step::Sharpen { amount, sigma, threshold, mono };
    let basic_sharpening = sharpen(1.0, std::f64::consts::FRAC_1_SQRT_2, 0.0, false);
    let mut lists = Vec::new();
    for kernel in KERNELS {
        for (from, width, height) in [
            ([0.0, 0.0, w, h], 19, 16),
            ([0.0, 0.0, w, h], 5, 33),
            ([0.0, 0.0, w, h], 71, 90),
            ([3.3, 4.7, 31.2, 20.5], 20, 17),
        ] {
            lists.push(vec![resize(from, width, height, kernel)]);
        }
        let half = resize([0.0, 0.0, w, h], WIDTH / 2, HEIGHT / 2, kernel);
        lists.push(vec![half.clone(), basic_sharpening.clone()]);
        lists.push(vec![half.clone(), sharpen(1.0, 1.0, 6.0, false)]);
        lists.push(vec![
            half,
            sharpen(5.0, 0.5, 0.0, true),
            Step::Window { x: -3, y: 2, width: 40, height: 9, fill: FillColor::NONE },
        ]);
    }
    lists.push(vec![basic_sharpening]);
    for (amount, sigma) in [(0.5, 0.3), (1.75, 1.0), (5.0, 2.5), (5.0, 9.0), (5.0, 250.0)] {
        for threshold in [0.0, 1.0, 6.0, 40.0, 255.0] {
            lists.extend([false, true].map(|mono| vec![sharpen(amount, sigma, threshold, mono)]));
        }
    }
    lists.extend([0.3, 1.0, 3.9, 4.0, 20.0, 50.0].map(|sigma| vec![Step::Blur { sigma }]));
    lists.extend([3.0, 45.0, 200.5].map(|degrees| vec![Step::Rotate { degrees, width: 60, height: 61 }]));
    let back = [1.1, 0.1, -1.0, 0.0, 0.9, 0.5, 0.01, 0.0, 1.0];
    for sampling in [Sampling::Nearest, Sampling::Linear, Sampling::Many(0), Sampling::Many(60)] {
        lists.push(vec![Step::Warp { width: WIDTH, height: HEIGHT, back, sampling, each_way: 3 }]);
    }
    lists.extend([-3, 1, 6].map(|pixels| vec![Step::Grow { pixels }]));
    // A mask that grows shows colours that were hidden, so only shrinking belongs here.
    lists.push(vec![Step::GrowMask { pixels: -2 }]);
    lists.push(vec![
        Step::Fade { opacity: 0.3 },
        Step::Resize {
            from: [0.0, 0.0, w, h],
            width: 9,
            height: 9,
            kernel: Kernel::Lanczos3,
            space: ResampleSpace::Display,
        },
    ]);
    lists
}

/// A shape of one colour. Transparent pixels have another colour, which nobody may see.
fn draw_cutout(shape: Shape, color: FillColor, pixel_type: PixelType) -> Raster<u8> {
    let colors = pixel_type.components();
    let mut data = Vec::new();
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            let alpha = shape(x, y);
            data.extend(color.color[..colors].iter().map(|value| if alpha > 0 { *value } else { 255 - value }));
            data.push(alpha);
        }
    }
    Raster::new(WIDTH, HEIGHT, pixel_type, true, data)
}

fn apply_steps(image: Pixels, steps: &[Step]) -> Pixels {
    steps.iter().fold(image, |image, step| apply_alone(step, image).unwrap())
}

/// The largest distance of a component from the range between two colours, of 255.
fn measure_distance<S: Sample>(image: &Raster<S>, one: FillColor, other: FillColor) -> f64 {
    let (one, other) = (one.pixel::<S>(image.pixel_type()), other.pixel::<S>(image.pixel_type()));
    let colors = image.pixel_type().components();
    let mut farthest = 0;
    for pixel in image.pixels().filter(|pixel| pixel.get(colors).is_none_or(|alpha| *alpha != S::default())) {
        for (at, value) in pixel[..colors].iter().enumerate() {
            let (a, b) = (one[at].to_u64(), other[at].to_u64());
            farthest = farthest.max(value.to_u64().abs_diff(value.to_u64().clamp(a.min(b), a.max(b))));
        }
    }
    farthest as f64 * 255.0 / S::MAX_VALUE as f64
}

fn measure_either(image: &Pixels, one: FillColor, other: FillColor) -> f64 {
    match image {
        Pixels::Eight(raster) => measure_distance(raster, one, other),
        Pixels::Sixteen(raster) => measure_distance(raster, one, other),
    }
}

#[test]
fn a_cutout_of_one_colour_stays_of_one_colour() {
    let steps = list_steps();
    for pixel_type in [PixelType::Gray, PixelType::Rgb, PixelType::Cmyk] {
        for (color, (name, shape)) in COLORS.iter().flat_map(|color| SHAPES.iter().map(move |shape| (color, shape))) {
            let color = FillColor { color: *color, alpha: 255 };
            let eight = Pixels::from(draw_cutout(*shape, color, pixel_type));
            for image in [Pixels::from(eight.clone().into_sixteen()), eight] {
                for steps in &steps {
                    let result = apply_steps(image.clone(), steps);
                    let bits = if matches!(result, Pixels::Eight(_)) { 8 } else { 16 };
                    let case = format!("{name}, {:?}, {pixel_type:?} with {bits} bits: {steps:?}", color.color);
                    let distance = measure_either(&result, color, color);
                    assert!(distance <= 1.0, "its own colour is {distance} off: {case}");
                    let black = FillColor::black(pixel_type);
                    for under in [color, black, FillColor { color: [255, 255, 255, 0], alpha: 255 }] {
                        let laid = apply_steps(result.clone(), &[Step::Flatten { color: under }]);
                        let distance = measure_either(&laid, color, under);
                        assert!(distance <= 1.0, "laid on {:?} it is {distance} off: {case}", under.color);
                    }
                }
            }
        }
    }
}

#[test]
fn alpha_that_is_opaque_throughout_changes_nothing() {
    for pixel_type in [PixelType::Gray, PixelType::Rgb, PixelType::Cmyk] {
        let size = WIDTH as usize * HEIGHT as usize * pixel_type.components();
        let data: Vec<u8> = (0..size).map(|at| (at * at / 7 + at * 13) as u8).collect();
        let plain = Raster::new(WIDTH, HEIGHT, pixel_type, false, data);
        let eight = [plain.clone(), plain.clone().with_alpha()].map(Pixels::from);
        let sixteen = [plain.clone(), plain.with_alpha()].map(|image| Pixels::from(Pixels::from(image).into_sixteen()));
        for [plain, opaque] in [eight, sixteen] {
            for steps in list_steps() {
                let [plain, opaque] = [&plain, &opaque].map(|image| {
                    let flat = Step::Flatten { color: FillColor::black(pixel_type) };
                    apply_steps(apply_steps(image.clone(), &steps), &[flat])
                });
                assert!(plain == opaque, "{pixel_type:?}: {steps:?}");
            }
        }
    }
}
