//! Commands that crop or clip along paths: path data in the modifier, and paths embedded in the source.

use super::super::diagnostic::ValueError;
use super::super::recipe::Clip;
use super::super::{path, value};
use super::{CommandSpec, CommandTarget, RecipeBuilder, Scope, Support};

const fn define_command(name: &'static str, syntax: &'static str, page: &'static str) -> CommandSpec {
    CommandSpec { support: Support::Now, ..CommandSpec::new(name, syntax, Scope::Composite, page) }
}

const PATH_RANGE: &str = "M m L l C c Z z with coordinates in pixels, separated by commas";

const NAMES_RANGE: &str = "names of paths embedded in the source; unknown names are ignored";

pub(super) const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        range: NAMES_RANGE,
        help: "Crops to the bounds of embedded paths, one after the other.",
        accepts: "cropPathE=Path 1",
        refuses: "cropPathE=",
        setter: Some(set_crop_paths),
        ..define_command("cropPathE", "cropPathE=name[,name]", "r-croppath")
    },
    CommandSpec {
        range: PATH_RANGE,
        help: "Makes everything outside the path transparent.",
        accepts: "clipPath=M0,0L99,0,99,99Z&fmt=png-alpha",
        refuses: "clipPath=0,0,99,99",
        setter: Some(set_clip_inside),
        ..define_command("clipPath", "clipPath=path", "r-clippath")
    },
    CommandSpec {
        range: NAMES_RANGE,
        help: "Makes everything outside embedded paths transparent; with several, everything outside any of them.",
        accepts: "clipPathE=Path 1",
        refuses: "clipPathE=a,,b",
        setter: Some(set_clip_inside_names),
        ..define_command("clipPathE", "clipPathE=name[,name]", "r-clippath")
    },
    CommandSpec {
        range: PATH_RANGE,
        help: "Makes everything inside the path transparent. Ignored without clipPath or clipPathE.",
        accepts: "clipPath=M0,0L99,0,99,99Z&clipXPath=m9,9l9,0,0,9z",
        refuses: "clipXPath=M0,0Q1,1,2,2",
        setter: Some(set_clip_outside),
        ..define_command("clipXPath", "clipXPath=path", "r-clipxpath")
    },
    CommandSpec {
        range: NAMES_RANGE,
        help: "Makes everything inside embedded paths transparent. Ignored without clipPath or clipPathE.",
        accepts: "clipPath=M0,0L99,0,99,99Z&clipXPathE=Path 1",
        refuses: "clipXPathE=,",
        setter: Some(set_clip_outside_names),
        ..define_command("clipXPathE", "clipXPathE=name[,name]", "r-clipxpath")
    },
];

fn select_clip<'d>(draft: &'d mut RecipeBuilder<'_>, place: CommandTarget) -> &'d mut Clip {
    match place {
        CommandTarget::Composite => &mut draft.recipe.composite.clip,
        _ => &mut draft.layer(place).layer.clip,
    }
}

fn parse_names(text: &str) -> Result<Vec<String>, ValueError> {
    let names = value::split_parts(text);
    if names.iter().any(|name| name.is_empty()) {
        return Err(ValueError::invalid("A path name is empty."));
    }
    Ok(names.into_iter().map(str::to_owned).collect())
}

fn set_crop_paths(draft: &mut RecipeBuilder<'_>, place: CommandTarget, text: &str) -> Result<(), ValueError> {
    let names = parse_names(text)?;
    match place {
        CommandTarget::Composite => draft.recipe.composite.crop_paths = names,
        _ => draft.layer(place).layer.crop_paths = names,
    }
    Ok(())
}

fn set_clip_inside(draft: &mut RecipeBuilder<'_>, place: CommandTarget, text: &str) -> Result<(), ValueError> {
    select_clip(draft, place).inside = Some(path::parse_outline(text)?);
    Ok(())
}

fn set_clip_inside_names(draft: &mut RecipeBuilder<'_>, place: CommandTarget, text: &str) -> Result<(), ValueError> {
    select_clip(draft, place).inside_names = parse_names(text)?;
    Ok(())
}

fn set_clip_outside(draft: &mut RecipeBuilder<'_>, place: CommandTarget, text: &str) -> Result<(), ValueError> {
    select_clip(draft, place).outside = Some(path::parse_outline(text)?);
    Ok(())
}

fn set_clip_outside_names(draft: &mut RecipeBuilder<'_>, place: CommandTarget, text: &str) -> Result<(), ValueError> {
    select_clip(draft, place).outside_names = parse_names(text)?;
    Ok(())
}
