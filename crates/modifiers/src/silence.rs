//! Commands that are documented to have no effect beside others: ignored without a warning, and said when somebody asks.

use super::command::Draft;
use super::format::OutputFormat;
use super::recipe::{Compression, FitMode, Output, Request};
use super::slots::{Said, Slots};

/// Why a command has no effect, although it holds its slot.
pub(super) fn reason(said: &Said<'_>, slots: &Slots<'_>, draft: &Draft) -> Option<&'static str> {
    let recipe = &draft.recipe;
    let (view, output) = (&recipe.view, &recipe.output);
    let beside = |slot| slots.holder(slot, said.segment).is_some();
    let silent = |silent: bool, why| silent.then_some(why);
    match said.command.name {
        "size" | "res" if recipe.layer.perspective.is_some() => Some("A layer that is bent has no size of its own."),
        "align" | "scl" | "rgn" if matches!(view.request, Request::Thumbnail(_)) => {
            Some("Thumbnails have a size and a place of their own.")
        }
        "scale" => silent(draft.size.is_some(), "size beats scale."),
        "res" => silent(draft.size.is_some() || beside("scale"), "size and scale beat res."),
        "fit" => silent(view.scale.is_some(), "scl beats fit."),
        "align" if view.scale.is_none() => {
            let placed = view.wid.is_some() && view.hei.is_some();
            let filled = matches!(view.fit.mode, FitMode::Constrain | FitMode::Stretch);
            silent(!placed || filled, "There is nothing to place: the picture fills the view.")
        }
        "bgc" => silent(
            output.alpha || view.request == Request::Mask,
            "The format keeps transparency, so no background shows.",
        ),
        "qlt" => silent(!has_quality(output), "The format, or its compression, has no quality."),
        "iccEmbed" => silent(!output.format.carries_profile(), "The format carries no profile."),
        "xmpEmbed" => silent(!output.format.carries_xmp(), "The format carries no XMP."),
        "pathEmbed" => silent(!output.format.carries_paths(), "The format carries no paths."),
        "jpegSize" => silent(output.format != OutputFormat::Jpeg, "Only JPEG can be made to fit."),
        "pscan" => silent(!output.progressive, "Only a progressive JPEG has passes."),
        "quantize" => silent(output.quantize.is_none(), "The format has no palette."),
        "clipXPath" | "clipXPathE" => silent(!beside("clipPath") && !beside("clipPathE"), "It needs clipPath."),
        _ => None,
    }
}

/// Documentation page: r-is-http-qlt.
fn has_quality(output: &Output) -> bool {
    let lossy_always = output.format == OutputFormat::Jpeg || output.compression == Compression::Jpeg;
    let lossy_unless_said = matches!(output.format, OutputFormat::Webp | OutputFormat::Avif | OutputFormat::Jp2)
        && output.compression != Compression::Lossless;
    lossy_always || lossy_unless_said
}
