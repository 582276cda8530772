//! Any recipe on any header: nothing panics, and a plan is consistent: each step starts from the size that the step before
//! left, no intermediate or final size is beyond the limits, and the last size is the plan's.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use offprint_imaging::{
    DecodePlan, ImageHeader, ObjectHeaders, PaintContent, ProfileBytes, RenderLimits, RenderPlan, ShapeEffect,
    SourceFormat, Step, SubPlan, Turn,
};
use offprint_modifiers::{
    AssetReference, Attributes, Macros, ModifierInput, PixelType, list_commands, resolve_modifier,
};
use serde_json::json;

#[derive(Arbitrary, Debug)]
struct PlanInput<'a> {
    /// A command of the table by its index, and numbers that replace those of its example.
    commands: Vec<(u8, [Number; 4])>,
    /// Any other text.
    text: &'a str,
    default_pix: (u16, u16),
    max_pix: (u16, u16),
    header: FuzzedHeader<'a>,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Number {
    Unchanged,
    Small(i8),
    Whole(i32),
    Thousandths(i32),
    Exact(f32),
}

#[derive(Arbitrary, Debug)]
struct FuzzedHeader<'a> {
    format: u8,
    width: Side,
    height: Side,
    orientation: u8,
    color: u8,
    alpha: bool,
    premultiplied: bool,
    inverted: bool,
    bits: u8,
    frames: u8,
    progressive: bool,
    dpi: Option<u16>,
    profile: Option<&'a [u8]>,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Side {
    Usual(u16),
    Any(u32),
}

impl Side {
    fn pixels(self) -> u32 {
        match self {
            Self::Usual(side) => u32::from(side).max(1),
            Self::Any(side) => side.max(1),
        }
    }
}

impl FuzzedHeader<'_> {
    fn to_header(&self) -> ImageHeader {
        let colors = [PixelType::Gray, PixelType::Rgb, PixelType::Rgb, PixelType::Cmyk];
        let bits = [1, 2, 4, 8, 8, 16, 32];
        // As the service reads it from its database.
        let mut header: ImageHeader = serde_json::from_value(json!({
            "format": SourceFormat::ALL[usize::from(self.format) % SourceFormat::ALL.len()],
            "width": self.width.pixels(),
            "height": self.height.pixels(),
            "orientation": Turn::from_exif(u32::from(self.orientation % 9)),
            "color": colors[usize::from(self.color % 4)],
            "alpha": self.alpha,
            "premultiplied": self.premultiplied,
            "inverted": self.inverted,
            "bits": bits[usize::from(self.bits % 7)],
            "frames": u32::from(self.frames).max(1),
            "progressive": self.progressive,
            "dpi": self.dpi.map(f64::from),
        }))
        .expect("a stored header");
        header.profile = self.profile.map(<[u8]>::to_vec);
        header
    }
}

/// A command's example with its numbers replaced.
fn vary_example(example: &str, numbers: &[Number]) -> String {
    let mut numbers = numbers.iter();
    let mut out = String::new();
    let mut rest = example;
    while let Some(start) = rest.find(|letter: char| letter.is_ascii_digit()) {
        let (plain, number) = rest.split_at(start);
        let end = number.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(number.len());
        out += plain;
        match numbers.next().unwrap_or(&Number::Unchanged) {
            Number::Unchanged => out += &number[..end],
            Number::Small(value) => out += &value.to_string(),
            Number::Whole(value) => out += &value.to_string(),
            Number::Thousandths(value) => out += &(f64::from(*value) / 1000.0).to_string(),
            Number::Exact(value) => out += &value.to_string(),
        }
        rest = &number[end..];
    }
    out + rest
}

fuzz_target!(|input: PlanInput<'_>| {
    let table: Vec<_> = list_commands().collect();
    let mut modifier = String::new();
    for (index, numbers) in input.commands.iter().take(12) {
        modifier += &vary_example(table[usize::from(*index) % table.len()].accepts, numbers);
        modifier.push('&');
    }
    modifier += input.text;
    let pair = |(w, h): (u16, u16)| (u32::from(w), u32::from(h));
    let attributes =
        Attributes { default_pix: pair(input.default_pix), max_pix: pair(input.max_pix), ..Attributes::default() };
    let macros = Macros::default();
    let modifier_input = ModifierInput { object: "shoe", ..ModifierInput::new(&modifier, &macros, &attributes) };
    let Ok(mut resolved) = resolve_modifier(&modifier_input) else { return };
    let (header, limits) = (input.header.to_header(), RenderLimits::default());
    // Every other asset that the modifier names has the same header.
    let pinned = || AssetReference::Pinned("other".into());
    resolved.recipe.asset_references_mut().for_each(|reference| *reference = pinned());
    let object_headers = ObjectHeaders::from([("other".to_owned(), header.clone())]);
    let plan = RenderPlan::new(&resolved.recipe, &header, &object_headers, &limits, &ProfileBytes::default());
    if let Ok(plan) = plan {
        assert_plan_holds(&plan, &header, &limits, &modifier);
    }
});

fn assert_plan_holds(plan: &RenderPlan, header: &ImageHeader, limits: &RenderLimits, modifier: &str) {
    let size = assert_steps_hold(&plan.decode, &plan.steps, header, limits, modifier);
    assert_eq!(size, (plan.width, plan.height), "{modifier}");
    assert!(limits.check_output(size).is_ok(), "{modifier}");
    assert!(plan.peak_bytes >= u64::from(size.0) * u64::from(size.1));
    assert!(plan.encode.dpi.is_finite());
}

/// Checks the steps of a picture, and those of the pictures that it is made of. Returns its size.
fn assert_steps_hold(
    decode: &DecodePlan,
    steps: &[Step],
    header: &ImageHeader,
    limits: &RenderLimits,
    modifier: &str,
) -> (u32, u32) {
    assert!([1, 2, 4, 8].contains(&decode.shrink));
    let shrink = u32::from(decode.shrink);
    let stored = (header.width.div_ceil(shrink), header.height.div_ceil(shrink));
    let mut size = (decode.width, decode.height);
    match &decode.inner {
        Some(inner) => assert_eq!(assert_sub_plan_holds(inner, header, limits, modifier), size, "{modifier}"),
        None if decode.blank.is_some() => {}
        None => assert_eq!(size, stored, "{modifier}"),
    }
    let pixels = limits.source_pixels.max(limits.output_pixels);
    for step in steps {
        match *step {
            Step::Window { width, height, .. } => size = (width, height),
            Step::Resize { from: [x, y, w, h], width, height, .. } => {
                assert!(x >= -1e-6 && y >= -1e-6 && w > 0.0 && h > 0.0, "{step:?} of {size:?}: {modifier}");
                let (right, bottom) = (f64::from(size.0) + 1e-6, f64::from(size.1) + 1e-6);
                assert!(x + w <= right && y + h <= bottom, "{step:?} of {size:?}: {modifier}");
                size = (width, height);
            }
            Step::FitProduct { tolerance, frame, .. } => {
                assert!((0.0..=255.0).contains(&tolerance) && frame.share > 0.0 && frame.share <= 1.0, "{modifier}");
                size = (frame.width, frame.height);
            }
            Step::Turn(turn) => size = turn.size(size),
            Step::Rotate { degrees, width, height } => {
                assert!(degrees.is_finite());
                size = (width, height);
            }
            Step::Warp { width, height, .. } => size = (width, height),
            Step::Paint(ref paint) => {
                assert_effects_hold(&paint.effects, modifier);
                let picture = match &paint.content {
                    PaintContent::Picture(plan) => Some(plan),
                    PaintContent::Color { .. } => None,
                };
                for plan in picture.into_iter().chain(&paint.shape) {
                    assert_sub_plan_holds(plan, header, limits, modifier);
                }
            }
            Step::AddEffects { ref effects, opacity, ref shape } => {
                assert!((0.0..=1.0).contains(&opacity), "{modifier}");
                assert_effects_hold(effects, modifier);
                if let Some(plan) = shape {
                    assert_eq!(assert_sub_plan_holds(plan, header, limits, modifier), size, "{modifier}");
                }
            }
            Step::Blur { sigma } => assert!(sigma.is_finite() && sigma > 0.0, "{step:?}: {modifier}"),
            Step::Sharpen { amount, sigma, threshold, .. } => {
                assert!(amount.is_finite() && sigma.is_finite() && threshold.is_finite(), "{step:?}: {modifier}");
                assert!(sigma >= 0.0, "{step:?}: {modifier}");
            }
            _ => {}
        }
        assert!(size.0 > 0 && size.1 > 0, "{step:?}: {modifier}");
        assert!(u64::from(size.0) * u64::from(size.1) <= pixels, "{step:?}: {modifier}");
    }
    size
}

fn assert_sub_plan_holds(plan: &SubPlan, header: &ImageHeader, limits: &RenderLimits, modifier: &str) -> (u32, u32) {
    let size = assert_steps_hold(&plan.decode, &plan.steps, header, limits, modifier);
    assert!(plan.peak_bytes >= u64::from(size.0) * u64::from(size.1), "{modifier}");
    size
}

fn assert_effects_hold(effects: &[ShapeEffect], modifier: &str) {
    for effect in effects {
        assert!(effect.sigma.is_finite() && effect.sigma >= 0.0 && effect.grow.is_finite(), "{modifier}");
    }
}
