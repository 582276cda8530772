//! Commands that change pixels.

use super::super::complaint::Fault;
use super::super::recipe::{Colorize, Noise, Sharpening, Tone, Usm};
use super::super::{colour, value};
use super::{Command, Draft, Place, Scope, Support};

const fn row(name: &'static str, syntax: &'static str, page: &'static str) -> Command {
    Command { support: Support::Now, default: "0", ..Command::row(name, syntax, Scope::Composite, page) }
}

const USM: &str = "amount 0 to 5, radius 0 to 250, threshold 0 to 255, mono 0 or 1";

const PERCENT: &str = "whole number from -100 to 100";

pub(super) const COMMANDS: &[Command] = &[
    Command {
        range: PERCENT,
        help: "Brighter or darker.",
        accepts: "op_brightness=20",
        refuses: "op_brightness=101",
        meaning: Some(brightness),
        ..row("op_brightness", "op_brightness=percent", "r-op-brightness")
    },
    Command {
        range: PERCENT,
        help: "Moves pixels away from medium brightness, or towards it.",
        accepts: "op_contrast=-20",
        refuses: "op_contrast=much",
        meaning: Some(contrast),
        ..row("op_contrast", "op_contrast=percent", "r-op-contrast")
    },
    Command {
        range: "three whole numbers from -100 to 100",
        default: "0,0,0",
        help: "More or less of each component.",
        accepts: "op_colorbalance=20,0,-5",
        refuses: "op_colorbalance=20",
        meaning: Some(balance),
        ..row("op_colorbalance", "op_colorbalance=red,green,blue", "r-op-colorbalance")
    },
    Command {
        range: "whole number from -180 to 180",
        help: "Turns the hue, in degrees.",
        accepts: "op_hue=90",
        refuses: "op_hue=360",
        meaning: Some(hue),
        ..row("op_hue", "op_hue=degrees", "r-op-hue")
    },
    Command {
        range: PERCENT,
        help: "More or less colour; -100 leaves none.",
        accepts: "op_saturation=-100",
        refuses: "op_saturation=-101",
        meaning: Some(saturation),
        ..row("op_saturation", "op_saturation=percent", "r-op-saturation")
    },
    Command {
        range: "an RGB colour; norm or off; contrast 0 to 100",
        default: "none,norm,0",
        help: "All in one colour; light and shadow stay. norm makes half of the pixels darker than medium; contrast \
               sets the range of brightness, 0 keeps it.",
        accepts: "op_colorize=00ff00,norm,20",
        refuses: "op_colorize=0,0,0,0k",
        meaning: Some(colorize),
        ..row("op_colorize", "op_colorize=colour[,off|norm[,contrast]]", "r-op-colorize")
    },
    Command {
        range: "0 or 1",
        help: "Turns each component round.",
        accepts: "op_invert=1",
        refuses: "op_invert=yes",
        meaning: Some(invert),
        ..row("op_invert", "op_invert=0|1", "r-op-invert")
    },
    Command {
        range: PERCENT,
        help: "Grows bright areas by pixels of the composite; below 0 dark ones.",
        accepts: "op_grow=3",
        refuses: "op_grow=2.5",
        meaning: Some(grow),
        ..row("op_grow", "op_grow=pixels", "r-op-grow")
    },
    Command {
        range: "strength 0 to 100; uniform or gaussian; mono 0 or 1",
        default: "0,uniform,0",
        help: "Adds noise, the same each time; with 1 all components differ alike.",
        accepts: "op_noise=10,gaussian,1",
        refuses: "op_noise=10,pink",
        meaning: Some(noise),
        ..row("op_noise", "op_noise=percent[,uniform|gaussian[,mono]]", "r-op-noise")
    },
    Command {
        range: "number from 0 to 100",
        help: "Blurs; the radius counts pixels of the composite.",
        accepts: "op_blur=3",
        refuses: "op_blur=-1",
        meaning: Some(blur),
        ..row("op_blur", "op_blur=radius", "r-op-blur")
    },
    Command {
        range: "0 or 1",
        help: "Sharpens a little, after all scaling.",
        accepts: "op_sharpen=1",
        refuses: "op_sharpen=2",
        meaning: Some(sharpen),
        ..row("op_sharpen", "op_sharpen=0|1", "r-op-sharpen")
    },
    Command {
        range: USM,
        slot: "op_usm",
        help: "Unsharp mask, after all scaling; the radius counts pixels of the full-resolution picture.",
        accepts: "wid=400&op_usm=1.75,0.3,2,0",
        refuses: "op_usm=9,1",
        meaning: Some(usm),
        ..row("op_usm", "op_usm=amount[,radius[,threshold[,mono]]]", "r-op-usm")
    },
    Command {
        range: USM,
        slot: "op_usm",
        help: "Unsharp mask, after all scaling; the radius counts pixels of the result.",
        accepts: "op_usmR=1,1,0,0",
        refuses: "op_usmR=1,1,0,5",
        meaning: Some(usm_r),
        ..row("op_usmR", "op_usmR=amount[,radius[,threshold[,mono]]]", "r-op-usmr")
    },
];

fn tone(draft: &mut Draft, place: Place) -> &mut Tone {
    match place {
        Place::Composite => &mut draft.recipe.composite.tone,
        _ => &mut draft.recipe.layer.tone,
    }
}

fn percent(text: &str) -> Result<i32, Fault> {
    value::whole(text, -100..=100, "between -100 and 100").map(|number| number as i32)
}

fn brightness(draft: &mut Draft, place: Place, text: &str) -> Result<(), Fault> {
    tone(draft, place).brightness = percent(text)?;
    Ok(())
}

fn contrast(draft: &mut Draft, place: Place, text: &str) -> Result<(), Fault> {
    tone(draft, place).contrast = percent(text)?;
    Ok(())
}

fn balance(draft: &mut Draft, place: Place, text: &str) -> Result<(), Fault> {
    let [r, g, b] = value::exactly(text, "red,green,blue")?;
    tone(draft, place).balance = [percent(r)?, percent(g)?, percent(b)?];
    Ok(())
}

fn hue(draft: &mut Draft, place: Place, text: &str) -> Result<(), Fault> {
    tone(draft, place).hue = value::whole(text, -180..=180, "between -180 and 180")? as i32;
    Ok(())
}

fn saturation(draft: &mut Draft, place: Place, text: &str) -> Result<(), Fault> {
    tone(draft, place).saturation = percent(text)?;
    Ok(())
}

fn invert(draft: &mut Draft, place: Place, text: &str) -> Result<(), Fault> {
    tone(draft, place).invert = value::flag(text)?;
    Ok(())
}

/// The colour may have commas of its own, so the word behind it is looked for.
fn colorize(draft: &mut Draft, place: Place, text: &str) -> Result<(), Fault> {
    let parts = value::parts(text);
    let is_word = |part: &&str| ["off", "norm"].iter().any(|word| word.eq_ignore_ascii_case(part));
    let colours = parts.iter().position(is_word).unwrap_or(parts.len());
    let (color, rest) = parts.split_at(colours);
    let (norm, contrast) = match rest[..] {
        [] => (true, 0.0),
        [word] => (word.eq_ignore_ascii_case("norm"), 0.0),
        [word, contrast] => {
            (word.eq_ignore_ascii_case("norm"), value::real(contrast, 0.0..=100.0, "between 0 and 100")?)
        }
        _ => return Err(Fault::invalid("There are too many parts.")),
    };
    let color = colour::read_rgb(&color.join(","))?.opaque();
    tone(draft, place).colorize = Some(Colorize { color, norm, contrast: if norm { contrast } else { 0.0 } });
    Ok(())
}

fn grow(draft: &mut Draft, place: Place, text: &str) -> Result<(), Fault> {
    tone(draft, place).grow = percent(text)?;
    Ok(())
}

fn noise(draft: &mut Draft, place: Place, text: &str) -> Result<(), Fault> {
    let kinds = [("uniform", false), ("gaussian", true)];
    let (strength, kind, mono) = match value::parts(text)[..] {
        [strength] => (strength, "uniform", "0"),
        [strength, kind] => (strength, kind, "0"),
        [strength, kind, mono] => (strength, kind, mono),
        _ => return Err(Fault::invalid("There are more than three parts.")),
    };
    let percent = value::whole(strength, 0..=100, "between 0 and 100")? as i32;
    let noise = Noise { percent, gaussian: value::word(kind, &kinds)?, mono: value::flag(mono)? };
    tone(draft, place).noise = (percent > 0).then_some(noise);
    Ok(())
}

fn blur(draft: &mut Draft, place: Place, text: &str) -> Result<(), Fault> {
    tone(draft, place).blur = value::real(text, 0.0..=100.0, "between 0 and 100")?;
    Ok(())
}

fn sharpening(draft: &mut Draft, place: Place) -> &mut Sharpening {
    match place {
        Place::Composite => &mut draft.recipe.view.sharpening,
        _ => &mut draft.recipe.layer.sharpening,
    }
}

fn sharpen(draft: &mut Draft, place: Place, text: &str) -> Result<(), Fault> {
    sharpening(draft, place).simple = value::flag(text)?;
    Ok(())
}

fn usm(draft: &mut Draft, place: Place, text: &str) -> Result<(), Fault> {
    sharpening(draft, place).usm = read_usm(text, true)?;
    Ok(())
}

fn usm_r(draft: &mut Draft, place: Place, text: &str) -> Result<(), Fault> {
    sharpening(draft, place).usm = read_usm(text, false)?;
    Ok(())
}

/// Presets always carry this command; without amount or radius it does nothing and counts as absent.
fn read_usm(text: &str, scaled: bool) -> Result<Option<Usm>, Fault> {
    let parts = value::parts(text);
    if parts.len() > 4 {
        return Err(Fault::invalid("There are more than four parts."));
    }
    let part = |at: usize| parts.get(at).copied().unwrap_or("0");
    let usm = Usm {
        amount: value::real(part(0), 0.0..=5.0, "an amount between 0 and 5")?,
        radius: value::real(part(1), 0.0..=250.0, "a radius between 0 and 250")?,
        threshold: value::real(part(2), 0.0..=255.0, "a threshold between 0 and 255")?,
        mono: value::flag(part(3))?,
        scaled,
    };
    Ok((usm.amount > 0.0 && usm.radius > 0.0).then_some(usm))
}
