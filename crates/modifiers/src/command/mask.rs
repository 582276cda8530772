//! Layer commands: which asset the pixels come from, and where they are opaque.

use super::super::asset_reference::{self, AssetReference};
use super::super::diagnostic::ValueError;
use super::super::recipe::MaskUse;
use super::super::value;
use super::{CommandSpec, CommandTarget, RecipeBuilder, Scope, Support};

const fn define_command(name: &'static str, syntax: &'static str, page: &'static str) -> CommandSpec {
    CommandSpec { support: Support::Now, ..CommandSpec::new(name, syntax, Scope::Layer, page) }
}

const OBJECT_RANGE: &str = "name, folder/name or handle of one of the company's assets, or is(name?modifier)";

const GROWTH_RANGE: &str = "whole number from -100 to 100";

pub(super) const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        range: OBJECT_RANGE,
        default: "the image itself for layer 0",
        help: "The asset that the layer shows; for layer 0, another asset in place of the image.",
        accepts: "src=is(shoes/red?crop=0,0,50,50&flip=lr)",
        refuses: "src=http://example.com/a.jpg",
        setter: Some(set_source),
        ..define_command("src", "src=object", "r-src")
    },
    CommandSpec {
        range: OBJECT_RANGE,
        default: "the image's own alpha",
        help: "Uses another asset as the mask: its alpha if it has one, otherwise its brightness. The mask is \
               stretched to the size of the image.",
        accepts: "mask=masks/red&fmt=png-alpha",
        refuses: "mask=../red",
        setter: Some(set_mask),
        ..define_command("mask", "mask=object", "r-mask")
    },
    CommandSpec {
        range: "norm, invert or off",
        default: "norm",
        help: "Uses the mask as it is, inverted, or not at all. In an effect, the shape of the layer.",
        accepts: "maskUse=off",
        refuses: "maskUse=on",
        setter: Some(set_mask_use),
        ..define_command("maskUse", "maskUse=norm|invert|off", "r-maskuse")
    },
    CommandSpec {
        range: GROWTH_RANGE,
        default: "0",
        help: "Grows the mask by this many pixels of the source; negative numbers shrink it.",
        accepts: "op_growMask=3",
        refuses: "op_growMask=101",
        setter: Some(set_mask_growth),
        ..define_command("op_growMask", "op_growMask=pixels", "r-op-growmask")
    },
    CommandSpec {
        range: GROWTH_RANGE,
        default: "0",
        slot: "op_growMask",
        help: "Grows the mask by this many pixels of the scaled layer; negative numbers shrink it.",
        accepts: "size=50,0&op_growMaskR=-3",
        refuses: "op_growMaskR=1.5",
        setter: Some(set_layer_mask_growth),
        ..define_command("op_growMaskR", "op_growMaskR=pixels", "r-op-growmaskr")
    },
    CommandSpec {
        range: "0 or 1",
        default: "0",
        help: "Hides the layer with its effects. Layer 0 keeps its size, so that the canvas is empty.",
        accepts: "hide=1&bgc=ff0000",
        refuses: "hide=yes",
        setter: Some(set_hidden),
        ..define_command("hide", "hide=0|1", "r-hide")
    },
];

/// The asset that the value names, or the nested request that the resolver has already turned into a recipe.
fn parse_object(draft: &mut RecipeBuilder<'_>, command: &str, text: &str) -> Result<AssetReference, ValueError> {
    match draft.nested_request.take() {
        Some(recipe) => Ok(AssetReference::Request(recipe)),
        None => asset_reference::parse_asset_reference(command, text),
    }
}

fn set_source(draft: &mut RecipeBuilder<'_>, place: CommandTarget, text: &str) -> Result<(), ValueError> {
    let source = parse_object(draft, "src", text)?;
    draft.layer(place).layer.source = Some(source);
    Ok(())
}

fn set_mask(draft: &mut RecipeBuilder<'_>, place: CommandTarget, text: &str) -> Result<(), ValueError> {
    let mask = parse_object(draft, "mask", text)?;
    draft.layer(place).layer.mask.object = Some(mask);
    Ok(())
}

fn set_mask_use(draft: &mut RecipeBuilder<'_>, place: CommandTarget, text: &str) -> Result<(), ValueError> {
    let words = [("norm", MaskUse::Norm), ("invert", MaskUse::Invert), ("off", MaskUse::Off)];
    let usage = value::parse_keyword(text, &words)?;
    match draft.effect(place) {
        Some(draft) => draft.effect.mask_use = usage,
        None => draft.layer(place).layer.mask.usage = usage,
    }
    Ok(())
}

fn parse_growth(text: &str) -> Result<i32, ValueError> {
    value::parse_integer(text, -100..=100, "between -100 and 100").map(|pixels| pixels as i32)
}

fn set_mask_growth(draft: &mut RecipeBuilder<'_>, place: CommandTarget, text: &str) -> Result<(), ValueError> {
    draft.layer(place).layer.mask.grow = parse_growth(text)?;
    Ok(())
}

fn set_layer_mask_growth(draft: &mut RecipeBuilder<'_>, place: CommandTarget, text: &str) -> Result<(), ValueError> {
    draft.layer(place).layer.mask.grow_layer = parse_growth(text)?;
    Ok(())
}

fn set_hidden(draft: &mut RecipeBuilder<'_>, place: CommandTarget, text: &str) -> Result<(), ValueError> {
    let hidden = value::parse_flag(text)?;
    match draft.effect(place) {
        Some(draft) => draft.hidden = hidden,
        None => draft.layer(place).hidden = hidden,
    }
    Ok(())
}
