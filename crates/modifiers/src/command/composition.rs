//! Commands of pictures that are composed: effects and templates.

use super::super::asset_reference;
use super::super::diagnostic::ValueError;
use super::super::value;
use super::{CommandSpec, CommandTarget, RecipeBuilder, Scope, Support};

const fn define_command(name: &'static str, syntax: &'static str, scope: Scope, page: &'static str) -> CommandSpec {
    CommandSpec { support: Support::Now, ..CommandSpec::new(name, syntax, scope, page) }
}

pub(super) const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        range: "whole number other than 0: below 0 behind the layer, above 0 inside it",
        help: "The commands that follow apply to this effect of the layer, or of the composite. An effect is a colour in \
               the shape of the layer; it uses color, opac, blendMode, maskUse, pos, op_grow, op_blur and op_noise. \
               `effect=-1&$shadow$` and `effect=-1&$glow$` are usual.",
        accepts: "layer=1&src=shoes/red&effect=-1&op_blur=8&pos=6,6&opac=60",
        refuses: "effect=0",
        ..define_command("effect", "effect=number", Scope::Segment, "r-effect")
    },
    CommandSpec {
        range: "0 or 1",
        default: "attribute ApplyEffectMask",
        help: "Whether outer effects are left out where the layer itself is opaque.",
        accepts: "effectMask=0",
        refuses: "effectMask=yes",
        setter: Some(set_effect_mask),
        ..define_command("effectMask", "effectMask=0|1", Scope::Global, "r-effectmask")
    },
    CommandSpec {
        range: "name, folder/name or handle of an asset whose own modifier is a template",
        help: "Composes the picture as the template says. The image itself is `$object$` there, and variables of the \
               template are set with `$name=value`.",
        accepts: "template=shoes/red&$headline=Sale",
        refuses: "template=is(card?wid=9)",
        setter: Some(set_template),
        ..define_command("template", "template=object", Scope::Global, "r-template")
    },
];

fn set_effect_mask(draft: &mut RecipeBuilder<'_>, _: CommandTarget, text: &str) -> Result<(), ValueError> {
    draft.recipe.composite.effects_unmasked = !value::parse_flag(text)?;
    Ok(())
}

fn set_template(draft: &mut RecipeBuilder<'_>, _: CommandTarget, text: &str) -> Result<(), ValueError> {
    draft.template = Some(asset_reference::parse_asset_name(text)?);
    Ok(())
}
