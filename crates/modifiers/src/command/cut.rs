//! Commands that cut along outlines: those in the text, and those embedded in the source.

use super::super::complaint::Fault;
use super::super::recipe::Clip;
use super::super::{path, value};
use super::{Command, Draft, Place, Scope, Support};

const fn row(name: &'static str, syntax: &'static str, page: &'static str) -> Command {
    Command { support: Support::Now, ..Command::row(name, syntax, Scope::Composite, page) }
}

const PATH: &str = "M m L l C c Z z with places in pixels, commas between them";

const NAMES: &str = "names of paths embedded in the source; those that are not there are ignored";

pub(super) const COMMANDS: &[Command] = &[
    Command {
        range: NAMES,
        help: "Cuts to the bounds of embedded paths, one after the other.",
        accepts: "cropPathE=Path 1",
        refuses: "cropPathE=",
        meaning: Some(crop_path),
        ..row("cropPathE", "cropPathE=name[,name]", "r-croppath")
    },
    Command {
        range: PATH,
        help: "Makes what lies outside transparent.",
        accepts: "clipPath=M0,0L99,0,99,99Z&fmt=png-alpha",
        refuses: "clipPath=0,0,99,99",
        meaning: Some(clip),
        ..row("clipPath", "clipPath=path", "r-clippath")
    },
    Command {
        range: NAMES,
        help: "Makes what lies outside of embedded paths transparent; of several, outside of any.",
        accepts: "clipPathE=Path 1",
        refuses: "clipPathE=a,,b",
        meaning: Some(clip_names),
        ..row("clipPathE", "clipPathE=name[,name]", "r-clippath")
    },
    Command {
        range: PATH,
        help: "Makes what lies inside transparent. Ignored without clipPath.",
        accepts: "clipPath=M0,0L99,0,99,99Z&clipXPath=m9,9l9,0,0,9z",
        refuses: "clipXPath=M0,0Q1,1,2,2",
        meaning: Some(clip_out),
        ..row("clipXPath", "clipXPath=path", "r-clipxpath")
    },
    Command {
        range: NAMES,
        help: "Makes what lies inside of embedded paths transparent. Ignored without clipPath.",
        accepts: "clipPath=M0,0L99,0,99,99Z&clipXPathE=Path 1",
        refuses: "clipXPathE=,",
        meaning: Some(clip_out_names),
        ..row("clipXPathE", "clipXPathE=name[,name]", "r-clipxpath")
    },
];

fn clips(draft: &mut Draft, place: Place) -> &mut Clip {
    match place {
        Place::Composite => &mut draft.recipe.composite.clip,
        _ => &mut draft.recipe.layer.clip,
    }
}

fn names(text: &str) -> Result<Vec<String>, Fault> {
    let names = value::parts(text);
    if names.iter().any(|name| name.is_empty()) {
        return Err(Fault::invalid("A name is missing."));
    }
    Ok(names.into_iter().map(str::to_owned).collect())
}

fn crop_path(draft: &mut Draft, place: Place, text: &str) -> Result<(), Fault> {
    let names = names(text)?;
    match place {
        Place::Composite => draft.recipe.composite.crop_paths = names,
        _ => draft.recipe.layer.crop_paths = names,
    }
    Ok(())
}

fn clip(draft: &mut Draft, place: Place, text: &str) -> Result<(), Fault> {
    clips(draft, place).inside = Some(path::read(text)?);
    Ok(())
}

fn clip_names(draft: &mut Draft, place: Place, text: &str) -> Result<(), Fault> {
    clips(draft, place).inside_names = names(text)?;
    Ok(())
}

fn clip_out(draft: &mut Draft, place: Place, text: &str) -> Result<(), Fault> {
    clips(draft, place).outside = Some(path::read(text)?);
    Ok(())
}

fn clip_out_names(draft: &mut Draft, place: Place, text: &str) -> Result<(), Fault> {
    clips(draft, place).outside_names = names(text)?;
    Ok(())
}
