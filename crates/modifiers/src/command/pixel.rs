//! Commands that change pixel values: tone, colour, noise, blur and sharpening.

use super::super::diagnostic::ValueError;
use super::super::recipe::{Colorize, Noise, Sharpening, Tone, Usm};
use super::super::{colour, value};
use super::{CommandSpec, CommandTarget, RecipeBuilder, Scope, Support};

const fn define_command(name: &'static str, syntax: &'static str, page: &'static str) -> CommandSpec {
    CommandSpec { support: Support::Now, default: "0", ..CommandSpec::new(name, syntax, Scope::Composite, page) }
}

const USM_RANGE: &str = "amount 0 to 5, radius 0 to 250, threshold 0 to 255, mono 0 or 1";

const PERCENT_RANGE: &str = "whole number from -100 to 100";

pub(super) const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        range: PERCENT_RANGE,
        help: "Makes the image brighter; negative numbers make it darker.",
        accepts: "op_brightness=20",
        refuses: "op_brightness=101",
        setter: Some(set_brightness),
        ..define_command("op_brightness", "op_brightness=percent", "r-op-brightness")
    },
    CommandSpec {
        range: PERCENT_RANGE,
        help: "Raises the contrast around medium brightness; negative numbers lower it.",
        accepts: "op_contrast=-20",
        refuses: "op_contrast=much",
        setter: Some(set_contrast),
        ..define_command("op_contrast", "op_contrast=percent", "r-op-contrast")
    },
    CommandSpec {
        range: "three whole numbers from -100 to 100",
        default: "0,0,0",
        help: "Raises or lowers each colour component.",
        accepts: "op_colorbalance=20,0,-5",
        refuses: "op_colorbalance=20",
        setter: Some(set_balance),
        ..define_command("op_colorbalance", "op_colorbalance=red,green,blue", "r-op-colorbalance")
    },
    CommandSpec {
        range: "whole number from -180 to 180",
        help: "Rotates the hue, in degrees.",
        accepts: "op_hue=90",
        refuses: "op_hue=360",
        setter: Some(set_hue),
        ..define_command("op_hue", "op_hue=degrees", "r-op-hue")
    },
    CommandSpec {
        range: PERCENT_RANGE,
        help: "Raises or lowers the saturation; -100 gives gray.",
        accepts: "op_saturation=-100",
        refuses: "op_saturation=-101",
        setter: Some(set_saturation),
        ..define_command("op_saturation", "op_saturation=percent", "r-op-saturation")
    },
    CommandSpec {
        range: "an RGB colour; norm or off; contrast 0 to 100",
        default: "none,norm,0",
        help: "Tints everything in one colour and keeps light and shadow. norm makes half of the pixels darker than \
               medium; contrast sets the range of brightness, 0 keeps it.",
        accepts: "op_colorize=00ff00,norm,20",
        refuses: "op_colorize=0,0,0,0k",
        setter: Some(set_colorize),
        ..define_command("op_colorize", "op_colorize=colour[,off|norm[,contrast]]", "r-op-colorize")
    },
    CommandSpec {
        range: "0 or 1",
        help: "Inverts each component.",
        accepts: "op_invert=1",
        refuses: "op_invert=yes",
        setter: Some(set_invert),
        ..define_command("op_invert", "op_invert=0|1", "r-op-invert")
    },
    CommandSpec {
        range: PERCENT_RANGE,
        help: "Grows bright areas by this many pixels of the composite; negative numbers grow dark areas. In an effect, \
               the shape of the layer grows or shrinks.",
        accepts: "op_grow=3",
        refuses: "op_grow=2.5",
        setter: Some(set_grow),
        ..define_command("op_grow", "op_grow=pixels", "r-op-grow")
    },
    CommandSpec {
        range: "strength 0 to 100; uniform or gaussian; mono 0 or 1",
        default: "0,uniform,0",
        help: "Adds noise, the same in every run; with mono 1, all components change alike.",
        accepts: "op_noise=10,gaussian,1",
        refuses: "op_noise=10,pink",
        setter: Some(set_noise),
        ..define_command("op_noise", "op_noise=percent[,uniform|gaussian[,mono]]", "r-op-noise")
    },
    CommandSpec {
        range: "number from 0 to 100",
        help: "Blurs; the radius is in pixels of the composite.",
        accepts: "op_blur=3",
        refuses: "op_blur=-1",
        setter: Some(set_blur),
        ..define_command("op_blur", "op_blur=radius", "r-op-blur")
    },
    CommandSpec {
        range: "0 or 1",
        help: "Sharpens slightly, after all scaling.",
        accepts: "op_sharpen=1",
        refuses: "op_sharpen=2",
        setter: Some(set_simple_sharpening),
        ..define_command("op_sharpen", "op_sharpen=0|1", "r-op-sharpen")
    },
    CommandSpec {
        range: USM_RANGE,
        slot: "op_usm",
        help: "Unsharp mask, after all scaling; the radius is in pixels of the full-resolution image.",
        accepts: "wid=400&op_usm=1.75,0.3,2,0",
        refuses: "op_usm=9,1",
        setter: Some(set_usm),
        ..define_command("op_usm", "op_usm=amount[,radius[,threshold[,mono]]]", "r-op-usm")
    },
    CommandSpec {
        range: USM_RANGE,
        slot: "op_usm",
        help: "Unsharp mask, after all scaling; the radius is in pixels of the result.",
        accepts: "op_usmR=1,1,0,0",
        refuses: "op_usmR=1,1,0,5",
        setter: Some(set_usm_r),
        ..define_command("op_usmR", "op_usmR=amount[,radius[,threshold[,mono]]]", "r-op-usmr")
    },
];

fn select_tone<'d>(draft: &'d mut RecipeBuilder<'_>, place: CommandTarget) -> &'d mut Tone {
    match place {
        CommandTarget::Composite => &mut draft.recipe.composite.tone,
        _ => &mut draft.layer(place).layer.tone,
    }
}

fn parse_percent(text: &str) -> Result<i32, ValueError> {
    value::parse_integer(text, -100..=100, "between -100 and 100").map(|number| number as i32)
}

fn set_brightness(draft: &mut RecipeBuilder<'_>, place: CommandTarget, text: &str) -> Result<(), ValueError> {
    select_tone(draft, place).brightness = parse_percent(text)?;
    Ok(())
}

fn set_contrast(draft: &mut RecipeBuilder<'_>, place: CommandTarget, text: &str) -> Result<(), ValueError> {
    select_tone(draft, place).contrast = parse_percent(text)?;
    Ok(())
}

fn set_balance(draft: &mut RecipeBuilder<'_>, place: CommandTarget, text: &str) -> Result<(), ValueError> {
    let [r, g, b] = value::split_exactly(text, "red,green,blue")?;
    select_tone(draft, place).balance = [parse_percent(r)?, parse_percent(g)?, parse_percent(b)?];
    Ok(())
}

fn set_hue(draft: &mut RecipeBuilder<'_>, place: CommandTarget, text: &str) -> Result<(), ValueError> {
    select_tone(draft, place).hue = value::parse_integer(text, -180..=180, "between -180 and 180")? as i32;
    Ok(())
}

fn set_saturation(draft: &mut RecipeBuilder<'_>, place: CommandTarget, text: &str) -> Result<(), ValueError> {
    select_tone(draft, place).saturation = parse_percent(text)?;
    Ok(())
}

fn set_invert(draft: &mut RecipeBuilder<'_>, place: CommandTarget, text: &str) -> Result<(), ValueError> {
    select_tone(draft, place).invert = value::parse_flag(text)?;
    Ok(())
}

/// The colour may itself contain commas, so the value is split at the first `off` or `norm` and not by position.
fn set_colorize(draft: &mut RecipeBuilder<'_>, place: CommandTarget, text: &str) -> Result<(), ValueError> {
    let parts = value::split_parts(text);
    let is_word = |part: &&str| ["off", "norm"].iter().any(|word| word.eq_ignore_ascii_case(part));
    let colours = parts.iter().position(is_word).unwrap_or(parts.len());
    let (color, rest) = parts.split_at(colours);
    let (norm, contrast) = match rest[..] {
        [] => (true, 0.0),
        [word] => (word.eq_ignore_ascii_case("norm"), 0.0),
        [word, contrast] => {
            (word.eq_ignore_ascii_case("norm"), value::parse_real(contrast, 0.0..=100.0, "between 0 and 100")?)
        }
        _ => return Err(ValueError::invalid("The value has too many parts.")),
    };
    let color = colour::parse_rgb_colour(&color.join(","))?.to_opaque();
    select_tone(draft, place).colorize = Some(Colorize { color, norm, contrast: if norm { contrast } else { 0.0 } });
    Ok(())
}

fn set_grow(draft: &mut RecipeBuilder<'_>, place: CommandTarget, text: &str) -> Result<(), ValueError> {
    let grow = parse_percent(text)?;
    match draft.effect(place) {
        Some(draft) => draft.effect.grow = grow,
        None => select_tone(draft, place).grow = grow,
    }
    Ok(())
}

fn set_noise(draft: &mut RecipeBuilder<'_>, place: CommandTarget, text: &str) -> Result<(), ValueError> {
    let kinds = [("uniform", false), ("gaussian", true)];
    let (strength, kind, mono) = match value::split_parts(text)[..] {
        [strength] => (strength, "uniform", "0"),
        [strength, kind] => (strength, kind, "0"),
        [strength, kind, mono] => (strength, kind, mono),
        _ => return Err(ValueError::invalid("The value has more than three parts.")),
    };
    let percent = value::parse_integer(strength, 0..=100, "between 0 and 100")? as i32;
    let noise = Noise { percent, gaussian: value::parse_keyword(kind, &kinds)?, mono: value::parse_flag(mono)? };
    let noise = (percent > 0).then_some(noise);
    match draft.effect(place) {
        Some(draft) => draft.effect.noise = noise,
        None => select_tone(draft, place).noise = noise,
    }
    Ok(())
}

fn set_blur(draft: &mut RecipeBuilder<'_>, place: CommandTarget, text: &str) -> Result<(), ValueError> {
    let blur = value::parse_real(text, 0.0..=100.0, "between 0 and 100")?;
    match draft.effect(place) {
        Some(draft) => draft.effect.blur = blur,
        None => select_tone(draft, place).blur = blur,
    }
    Ok(())
}

fn select_sharpening<'d>(draft: &'d mut RecipeBuilder<'_>, place: CommandTarget) -> &'d mut Sharpening {
    match place {
        CommandTarget::Composite => &mut draft.recipe.view.sharpening,
        _ => &mut draft.layer(place).layer.sharpening,
    }
}

fn set_simple_sharpening(draft: &mut RecipeBuilder<'_>, place: CommandTarget, text: &str) -> Result<(), ValueError> {
    select_sharpening(draft, place).simple = value::parse_flag(text)?;
    Ok(())
}

fn set_usm(draft: &mut RecipeBuilder<'_>, place: CommandTarget, text: &str) -> Result<(), ValueError> {
    select_sharpening(draft, place).usm = parse_usm(text, true)?;
    Ok(())
}

fn set_usm_r(draft: &mut RecipeBuilder<'_>, place: CommandTarget, text: &str) -> Result<(), ValueError> {
    select_sharpening(draft, place).usm = parse_usm(text, false)?;
    Ok(())
}

/// Many presets always contain this command. With amount or radius 0 it does nothing and counts as absent, so that such
/// a preset gives the same recipe as one without it.
fn parse_usm(text: &str, scaled: bool) -> Result<Option<Usm>, ValueError> {
    let parts = value::split_parts(text);
    if parts.len() > 4 {
        return Err(ValueError::invalid("The value has more than four parts."));
    }
    let part = |at: usize| parts.get(at).copied().unwrap_or("0");
    let usm = Usm {
        amount: value::parse_real(part(0), 0.0..=5.0, "between 0 and 5 (amount)")?,
        radius: value::parse_real(part(1), 0.0..=250.0, "between 0 and 250 (radius)")?,
        threshold: value::parse_real(part(2), 0.0..=255.0, "between 0 and 255 (threshold)")?,
        mono: value::parse_flag(part(3))?,
        scaled,
    };
    Ok((usm.amount > 0.0 && usm.radius > 0.0).then_some(usm))
}
