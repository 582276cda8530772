//! Commands that are documented to have no effect beside certain others. They are ignored without a warning; the
//! modifier check shows the reason.

use super::command::{LayerDraft, RecipeBuilder, Scope};
use super::format::OutputFormat;
use super::overrides::{OverrideTable, ParsedCommand};
use super::recipe::{Compression, FitMode, Output, RequestKind};
use super::segment::ModifierSegment;

/// Why a command has no effect although no later command overrides it.
pub(super) fn find_no_effect_reason(
    command: &ParsedCommand<'_>,
    overrides: &OverrideTable<'_>,
    draft: &RecipeBuilder<'_>,
) -> Option<&'static str> {
    let recipe = &draft.recipe;
    let (view, output) = (&recipe.view, &recipe.output);
    let has = |slot| overrides.find_effective(slot, command.segment).is_some();
    let when = |condition: bool, reason| condition.then_some(reason);
    let number = match command.segment {
        ModifierSegment::Layer(number) => number,
        ModifierSegment::Effect(owner, _) => owner.unwrap_or(0),
        _ => 0,
    };
    let layer = draft.find_layer(number);
    let has_size = layer.is_some_and(|layer| layer.size.is_some());
    let is_layer = command.spec.scope == Scope::Layer || command.segment != ModifierSegment::Composite;
    match command.spec.name {
        name if is_layer && number > 0 && name != "hide" && layer.is_some_and(LayerDraft::is_hidden) => {
            Some("The layer is hidden.")
        }
        "pos" | "posN" | "blendMode" if command.segment == ModifierSegment::Layer(0) => {
            Some("Layer 0 is the canvas: it has no position, and no layer below it.")
        }
        "anchor" | "anchorN" | "origin" | "originN"
            if command.segment == ModifierSegment::Layer(0)
                && draft.layer_numbers().iter().all(|number| *number == 0) =>
        {
            Some("No layer is placed from layer 0.")
        }
        "size" | "res" if layer.is_some_and(|layer| layer.layer.perspective.is_some()) => {
            Some("With perspective, the corners set the layer's size.")
        }
        "align" | "scl" | "rgn" if matches!(view.request, RequestKind::Thumbnail(_)) => {
            Some("Thumbnails have their own size and position.")
        }
        "scale" => when(has_size, "size overrides scale."),
        "res" => when(has_size || has("scale"), "size and scale override res."),
        "fit" => when(view.scale.is_some(), "scl overrides fit."),
        "align" if view.scale.is_none() => {
            let has_box = view.wid.is_some() && view.hei.is_some();
            let filled = matches!(view.fit.mode, FitMode::Constrain | FitMode::Stretch);
            when(!has_box || filled, "The image fills the view, so there is nothing to align.")
        }
        "bgc" => when(
            output.alpha || view.request == RequestKind::Mask,
            "The format keeps transparency, so no background shows.",
        ),
        "qlt" => when(!has_quality(output), "The format or its compression has no quality setting."),
        "iccEmbed" => when(!output.format.can_carry_profile(), "The format cannot carry a profile."),
        "xmpEmbed" => when(!output.format.can_carry_xmp(), "The format cannot carry XMP."),
        "pathEmbed" => when(!output.format.can_carry_paths(), "The format cannot carry paths."),
        "jpegSize" => when(output.format != OutputFormat::Jpeg, "Only the size of JPEG files can be limited."),
        "pscan" => when(!output.progressive, "Only a progressive JPEG has passes."),
        "quantize" => when(output.quantize.is_none(), "The format has no palette."),
        "clipXPath" | "clipXPathE" => when(!has("clipPath") && !has("clipPathE"), "It needs clipPath or clipPathE."),
        _ => None,
    }
}

/// Documentation page: r-is-http-qlt.
fn has_quality(output: &Output) -> bool {
    let always_lossy = output.format == OutputFormat::Jpeg || output.compression == Compression::Jpeg;
    let lossy_by_default = matches!(output.format, OutputFormat::Webp | OutputFormat::Avif | OutputFormat::Jp2)
        && output.compression != Compression::Lossless;
    always_lossy || lossy_by_default
}
