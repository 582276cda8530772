//! Commands that change pixels.

use super::super::complaint::Fault;
use super::super::recipe::{Sharpening, Usm};
use super::super::value;
use super::{Command, Draft, Place, Scope, Support};

const fn row(name: &'static str, syntax: &'static str, page: &'static str) -> Command {
    Command { support: Support::Now, default: "0", ..Command::row(name, syntax, Scope::Composite, page) }
}

const USM: &str = "amount 0 to 5, radius 0 to 250, threshold 0 to 255, mono 0 or 1";

pub(super) const COMMANDS: &[Command] = &[
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

fn sharpening(draft: &mut Draft, place: Place) -> &mut Sharpening {
    match place {
        Place::Composite => &mut draft.recipe.view.sharpening,
        Place::LayerZero => &mut draft.recipe.layer.sharpening,
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
