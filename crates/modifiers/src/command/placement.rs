//! Layer commands: where a layer lies on the canvas, and how it mixes with the layers below.

use super::super::diagnostic::ValueError;
use super::super::recipe::{BlendMode, LayerPoint};
use super::super::value;
use super::{CommandSpec, CommandTarget, RecipeBuilder, Scope, Support};

const fn define_command(name: &'static str, syntax: &'static str, page: &'static str) -> CommandSpec {
    CommandSpec { support: Support::Now, ..CommandSpec::new(name, syntax, Scope::Layer, page) }
}

const PAIR_RANGE: &str = "two numbers up to 2,147,483,648";

/// The largest coordinate that is documented, in pixels.
const MAX_COORDINATE: f64 = 2_147_483_648.0;

pub(super) const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        range: PAIR_RANGE,
        default: "0,0",
        help: "Places the origin of the layer this many pixels right of and below the origin of layer 0, which itself \
               has no position. In an effect, the distance from the layer.",
        accepts: "layer=1&src=shoes/red&pos=120,-80",
        refuses: "pos=left,0",
        setter: Some(set_position),
        ..define_command("pos", "pos=x,y", "r-pos")
    },
    CommandSpec {
        range: PAIR_RANGE,
        default: "0,0",
        slot: "pos",
        help: "The same, as fractions of the size of layer 0.",
        accepts: "layer=1&src=shoes/red&posN=0.4,-0.4",
        refuses: "posN=a,b",
        setter: Some(set_position_n),
        ..define_command("posN", "posN=x,y", "r-pos")
    },
    CommandSpec {
        range: PAIR_RANGE,
        default: "the centre of the source",
        help: "A point of the source, in its pixels: the centre of rotation, and the origin if there is no other.",
        accepts: "layer=1&src=shoes/red&anchor=0,0",
        refuses: "anchor=10",
        setter: Some(set_anchor),
        ..define_command("anchor", "anchor=x,y", "r-anchor")
    },
    CommandSpec {
        range: PAIR_RANGE,
        default: "0,0",
        slot: "anchor",
        help: "The same, as fractions of the size of the source, counted from its centre.",
        accepts: "layer=1&src=shoes/red&anchorN=-0.5,-0.5",
        refuses: "anchorN=0",
        setter: Some(set_anchor_n),
        ..define_command("anchorN", "anchorN=x,y", "r-anchor")
    },
    CommandSpec {
        range: PAIR_RANGE,
        default: "the anchor, else the centre of the layer",
        help: "The point of the layer that pos= places, in pixels from the top left of its final rectangle.",
        accepts: "origin=0,0&layer=1&src=shoes/red&origin=0,0",
        refuses: "origin=x,y",
        setter: Some(set_origin),
        ..define_command("origin", "origin=x,y", "r-origin")
    },
    CommandSpec {
        range: PAIR_RANGE,
        default: "0,0",
        slot: "origin",
        help: "The same, as fractions of the size of the rectangle, counted from its centre.",
        accepts: "originN=0.5,0.5&layer=1&src=shoes/red&originN=0.5,0.5",
        refuses: "originN=0,9999999999",
        setter: Some(set_origin_n),
        ..define_command("originN", "originN=x,y", "r-origin")
    },
    CommandSpec {
        range: "norm, dissolve, lighten, darken, mult or screen",
        default: "norm",
        help: "How the layer or effect mixes with those below; layer 0 has none below it.",
        accepts: "layer=1&bgColor=f1f1f1&blendMode=mult",
        refuses: "layer=1&bgColor=f1f1f1&blendMode=overlay",
        setter: Some(set_blend_mode),
        ..define_command("blendMode", "blendMode=mode", "r-blendmode")
    },
];

fn parse_pair(text: &str) -> Result<[f64; 2], ValueError> {
    let parts: [&str; 2] = value::split_exactly(text, "x,y")?;
    let [x, y] =
        parts.map(|part| value::parse_real(part, -MAX_COORDINATE..=MAX_COORDINATE, "within 2,147,483,648 of 0"));
    Ok([x?, y?])
}

fn place_at(draft: &mut RecipeBuilder<'_>, place: CommandTarget, at: LayerPoint) {
    // Nothing is the same as no distance, and one text of a recipe.
    let at = Some(at).filter(|at| !matches!(at, LayerPoint::Pixels([0.0, 0.0]) | LayerPoint::Fractions([0.0, 0.0])));
    match draft.effect(place) {
        Some(draft) => draft.effect.position = at,
        None => draft.layer(place).layer.position = at,
    }
}

fn set_position(draft: &mut RecipeBuilder<'_>, place: CommandTarget, text: &str) -> Result<(), ValueError> {
    let at = LayerPoint::Pixels(parse_pair(text)?);
    place_at(draft, place, at);
    Ok(())
}

fn set_position_n(draft: &mut RecipeBuilder<'_>, place: CommandTarget, text: &str) -> Result<(), ValueError> {
    let at = LayerPoint::Fractions(parse_pair(text)?);
    place_at(draft, place, at);
    Ok(())
}

fn set_anchor(draft: &mut RecipeBuilder<'_>, place: CommandTarget, text: &str) -> Result<(), ValueError> {
    draft.layer(place).layer.anchor = Some(LayerPoint::Pixels(parse_pair(text)?));
    Ok(())
}

fn set_anchor_n(draft: &mut RecipeBuilder<'_>, place: CommandTarget, text: &str) -> Result<(), ValueError> {
    draft.layer(place).layer.anchor = Some(LayerPoint::Fractions(parse_pair(text)?));
    Ok(())
}

fn set_origin(draft: &mut RecipeBuilder<'_>, place: CommandTarget, text: &str) -> Result<(), ValueError> {
    draft.layer(place).layer.origin = Some(LayerPoint::Pixels(parse_pair(text)?));
    Ok(())
}

fn set_origin_n(draft: &mut RecipeBuilder<'_>, place: CommandTarget, text: &str) -> Result<(), ValueError> {
    draft.layer(place).layer.origin = Some(LayerPoint::Fractions(parse_pair(text)?));
    Ok(())
}

fn set_blend_mode(draft: &mut RecipeBuilder<'_>, place: CommandTarget, text: &str) -> Result<(), ValueError> {
    let words = [
        ("norm", BlendMode::Norm),
        ("dissolve", BlendMode::Dissolve),
        ("lighten", BlendMode::Lighten),
        ("darken", BlendMode::Darken),
        ("mult", BlendMode::Mult),
        ("screen", BlendMode::Screen),
    ];
    let blend = value::parse_keyword(text, &words)?;
    match draft.effect(place) {
        Some(draft) => draft.effect.blend = blend,
        None => draft.layer(place).layer.blend = blend,
    }
    Ok(())
}
