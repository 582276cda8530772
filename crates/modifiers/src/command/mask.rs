//! Commands of a layer: where its pixels come from, and where it is opaque.

use super::super::complaint::Fault;
use super::super::object::{self, Object};
use super::super::recipe::MaskUse;
use super::super::value;
use super::{Command, Draft, Place, Scope, Support};

const fn row(name: &'static str, syntax: &'static str, page: &'static str) -> Command {
    Command { support: Support::Now, ..Command::row(name, syntax, Scope::Layer, page) }
}

const OBJECT: &str = "name, folder/name or handle of an asset of the company, or is(name?modifier)";

const GROWTH: &str = "whole number from -100 to 100";

pub(super) const COMMANDS: &[Command] = &[
    Command {
        range: OBJECT,
        default: "the picture itself",
        help: "Takes another picture in the place of the picture itself.",
        accepts: "src=is(shoes/red?crop=0,0,50,50&flip=lr)",
        refuses: "src=http://example.com/a.jpg",
        meaning: Some(src),
        ..row("src", "src=object", "r-src")
    },
    Command {
        range: OBJECT,
        default: "the picture's own alpha",
        help: "Takes another picture as the mask: its alpha where it has some, else its brightness. It is stretched to \
               the size of the picture.",
        accepts: "mask=masks/red&fmt=png-alpha",
        refuses: "mask=../red",
        meaning: Some(mask),
        ..row("mask", "mask=object", "r-mask")
    },
    Command {
        range: "norm, invert or off",
        default: "norm",
        help: "Uses the mask as it is, turned round, or not at all.",
        accepts: "maskUse=off",
        refuses: "maskUse=on",
        meaning: Some(mask_use),
        ..row("maskUse", "maskUse=norm|invert|off", "r-maskuse")
    },
    Command {
        range: GROWTH,
        default: "0",
        help: "Grows the mask by pixels of the source, or shrinks it.",
        accepts: "op_growMask=3",
        refuses: "op_growMask=101",
        meaning: Some(grow),
        ..row("op_growMask", "op_growMask=pixels", "r-op-growmask")
    },
    Command {
        range: GROWTH,
        default: "0",
        slot: "op_growMask",
        help: "Grows the mask by pixels of the scaled layer, or shrinks it.",
        accepts: "size=50,0&op_growMaskR=-3",
        refuses: "op_growMaskR=1.5",
        meaning: Some(grow_layer),
        ..row("op_growMaskR", "op_growMaskR=pixels", "r-op-growmaskr")
    },
    Command {
        range: "0 or 1",
        default: "0",
        help: "Hides the layer. Layer 0 keeps its room, and only the background shows.",
        accepts: "hide=1&bgc=ff0000",
        refuses: "hide=yes",
        meaning: Some(hide),
        ..row("hide", "hide=0|1", "r-hide")
    },
];

/// An asset, or what the request that the value holds makes of one.
fn object(draft: &mut Draft, command: &str, text: &str) -> Result<Object, Fault> {
    match draft.request.take() {
        Some(recipe) => Ok(Object::Request(recipe)),
        None => object::read(command, text),
    }
}

fn src(draft: &mut Draft, _: Place, text: &str) -> Result<(), Fault> {
    draft.recipe.layer.source = Some(object(draft, "src", text)?);
    Ok(())
}

fn mask(draft: &mut Draft, _: Place, text: &str) -> Result<(), Fault> {
    draft.recipe.layer.mask.object = Some(object(draft, "mask", text)?);
    Ok(())
}

fn mask_use(draft: &mut Draft, _: Place, text: &str) -> Result<(), Fault> {
    let words = [("norm", MaskUse::Norm), ("invert", MaskUse::Invert), ("off", MaskUse::Off)];
    draft.recipe.layer.mask.usage = value::word(text, &words)?;
    Ok(())
}

fn growth(text: &str) -> Result<i32, Fault> {
    value::whole(text, -100..=100, "between -100 and 100").map(|pixels| pixels as i32)
}

fn grow(draft: &mut Draft, _: Place, text: &str) -> Result<(), Fault> {
    draft.recipe.layer.mask.grow = growth(text)?;
    Ok(())
}

fn grow_layer(draft: &mut Draft, _: Place, text: &str) -> Result<(), Fault> {
    draft.recipe.layer.mask.grow_layer = growth(text)?;
    Ok(())
}

fn hide(draft: &mut Draft, _: Place, text: &str) -> Result<(), Fault> {
    draft.recipe.layer.hidden = value::flag(text)?;
    Ok(())
}
