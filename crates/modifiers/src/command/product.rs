//! Commands that Image Serving does not have. Their names begin with `x_`, so that they stay apart from its own, also from
//! those that it may get.

use super::super::diagnostic::ValueError;
use super::super::value;
use super::{CommandSpec, CommandTarget, RecipeBuilder, Scope, Support};

/// What the names of these commands begin with.
pub(super) const PREFIX: &str = "x_";

const fn define_command(name: &'static str, syntax: &'static str) -> CommandSpec {
    CommandSpec { support: Support::Now, ..CommandSpec::new(name, syntax, Scope::Global, "") }
}

pub(super) const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        range: "off, or a number from 0 to 255; needs wid and hei",
        default: "off",
        help: "Crops to the product on a plain or transparent background and fits it into wid and hei. The tolerance is \
               how far a component may be from the background and still belongs to it. A picture without a plain \
               background, or with nothing on it, is used whole, with the warning nothing-trimmed.",
        accepts: "wid=400&hei=400&x_trim=10",
        refuses: "wid=400&hei=400&x_trim=256",
        setter: Some(set_trim),
        ..define_command("x_trim", "x_trim=off|tolerance")
    },
    CommandSpec {
        range: "number above 0 (0.01) to 1; needs wid and hei",
        default: "1",
        help: "The largest share of wid and hei that the image takes, or with x_trim the product: 0.85 leaves 7.5 % on \
               each side. align places it within this share.",
        accepts: "wid=400&hei=400&x_trim=10&x_pad=0.85",
        refuses: "wid=400&hei=400&x_pad=85",
        setter: Some(set_pad),
        ..define_command("x_pad", "x_pad=share")
    },
];

fn set_trim(draft: &mut RecipeBuilder<'_>, _: CommandTarget, text: &str) -> Result<(), ValueError> {
    draft.recipe.view.trim = match text.trim().eq_ignore_ascii_case("off") {
        true => None,
        false => Some(value::parse_real(text, 0.0..=255.0, "off, or between 0 and 255")?),
    };
    Ok(())
}

fn set_pad(draft: &mut RecipeBuilder<'_>, _: CommandTarget, text: &str) -> Result<(), ValueError> {
    let share = value::parse_real(text, 0.01..=1.0, "between 0.01 and 1 (0.85 is 85 %)")?;
    draft.recipe.view.pad = Some(share).filter(|share| *share < 1.0);
    Ok(())
}
