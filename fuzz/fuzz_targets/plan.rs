//! Any recipe on any header: nothing panics, and a plan keeps its own promises: each step starts from the picture that
//! the one before left, nothing on the way or at the end is larger than the limits, and the size is the one that is
//! said.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use offprint_modifiers::{Attributes, Macros, Object, Order, PixelType, commands, recipe};
use offprint_imaging::{Header, Headers, Limits, Plan, ProfileBytes, Rights, SourceFormat, Step, Turn};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    /// Which command of the table, and other numbers for its example.
    commands: Vec<(u8, [Number; 4])>,
    /// Whatever else is said.
    text: &'a str,
    default_pix: (u16, u16),
    max_pix: (u16, u16),
    header: Picture<'a>,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Number {
    Kept,
    Small(i8),
    Whole(i32),
    Thousandths(i32),
    Exact(f32),
}

#[derive(Arbitrary, Debug)]
struct Picture<'a> {
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

impl Picture<'_> {
    fn header(&self) -> Header {
        let colors = [PixelType::Gray, PixelType::Rgb, PixelType::Rgb, PixelType::Cmyk];
        Header {
            format: SourceFormat::ALL[usize::from(self.format) % SourceFormat::ALL.len()],
            width: self.width.pixels(),
            height: self.height.pixels(),
            orientation: Turn::from_exif(u32::from(self.orientation % 9)),
            color: colors[usize::from(self.color % 4)],
            alpha: self.alpha,
            premultiplied: self.premultiplied,
            inverted: self.inverted,
            bits: [1, 2, 4, 8, 8, 16, 32][usize::from(self.bits % 7)],
            frames: u32::from(self.frames).max(1),
            progressive: self.progressive,
            dpi: self.dpi.map(f64::from),
            paths: Vec::new(),
            profile: self.profile.map(<[u8]>::to_vec),
            xmp: None,
            rights: Rights::default(),
            profile_name: None,
        }
    }
}

/// The example of a command with other numbers in the places of its own.
fn varied(example: &str, numbers: &[Number]) -> String {
    let mut numbers = numbers.iter();
    let mut out = String::new();
    let mut rest = example;
    while let Some(start) = rest.find(|letter: char| letter.is_ascii_digit()) {
        let (plain, number) = rest.split_at(start);
        let end = number.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(number.len());
        out += plain;
        match numbers.next().unwrap_or(&Number::Kept) {
            Number::Kept => out += &number[..end],
            Number::Small(value) => out += &value.to_string(),
            Number::Whole(value) => out += &value.to_string(),
            Number::Thousandths(value) => out += &(f64::from(*value) / 1000.0).to_string(),
            Number::Exact(value) => out += &value.to_string(),
        }
        rest = &number[end..];
    }
    out + rest
}

fuzz_target!(|input: Input<'_>| {
    let table: Vec<_> = commands().collect();
    let mut modifier = String::new();
    for (which, numbers) in input.commands.iter().take(12) {
        modifier += &varied(table[usize::from(*which) % table.len()].accepts, numbers);
        modifier.push('&');
    }
    modifier += input.text;
    let pair = |(w, h): (u16, u16)| (u32::from(w), u32::from(h));
    let attributes =
        Attributes { default_pix: pair(input.default_pix), max_pix: pair(input.max_pix), ..Attributes::default() };
    let macros = Macros::default();
    let order = Order { object: "shoe", ..Order::new(&modifier, &macros, &attributes) };
    let Ok(mut understood) = recipe(&order) else { return };
    let (header, limits) = (input.header.header(), Limits::default());
    // Other pictures are as large as this one.
    understood.recipe.objects_mut().for_each(|object| *object = Object::Pinned("other".into()));
    let others = Headers::from([("other".to_owned(), header.clone())]);
    if let Ok(plan) = Plan::of(&understood.recipe, &header, &others, &limits, &ProfileBytes::default()) {
        follow(&plan, &header, &limits, &modifier);
    }
});

fn follow(plan: &Plan, header: &Header, limits: &Limits, modifier: &str) {
    let decode = &plan.decode;
    assert!([1, 2, 4, 8].contains(&decode.shrink));
    let by = u32::from(decode.shrink);
    let stored = (header.width.div_ceil(by), header.height.div_ceil(by));
    let mut now = (decode.width, decode.height);
    if decode.inner.is_none() {
        assert_eq!(now, stored, "{modifier}");
    }
    let pixels = limits.source_pixels.max(limits.output_pixels);
    for step in &plan.steps {
        match *step {
            Step::Window { width, height, .. } => now = (width, height),
            Step::Resize { from: [x, y, w, h], width, height, .. } => {
                assert!(x >= -1e-6 && y >= -1e-6 && w > 0.0 && h > 0.0, "{step:?} of {now:?}: {modifier}");
                let (right, bottom) = (f64::from(now.0) + 1e-6, f64::from(now.1) + 1e-6);
                assert!(x + w <= right && y + h <= bottom, "{step:?} of {now:?}: {modifier}");
                now = (width, height);
            }
            Step::Turn(turn) => now = turn.size(now),
            Step::Rotate { degrees, width, height } => {
                assert!(degrees.is_finite());
                now = (width, height);
            }
            Step::Blur { sigma } => assert!(sigma.is_finite() && sigma > 0.0, "{step:?}: {modifier}"),
            Step::Sharpen { amount, sigma, threshold, .. } => {
                assert!(amount.is_finite() && sigma.is_finite() && threshold.is_finite(), "{step:?}: {modifier}");
                assert!(sigma >= 0.0, "{step:?}: {modifier}");
            }
            _ => {}
        }
        assert!(now.0 > 0 && now.1 > 0, "{step:?}: {modifier}");
        assert!(u64::from(now.0) * u64::from(now.1) <= pixels, "{step:?}: {modifier}");
    }
    assert_eq!(now, (plan.width, plan.height), "{modifier}");
    assert!(limits.check_output(now).is_ok(), "{modifier}");
    assert!(plan.peak_bytes >= u64::from(now.0) * u64::from(now.1));
    assert!(plan.encode.dpi.is_finite());
}
