//! Layer commands: which part of the source is used, its size, rotation, distortion and fills.

use super::super::diagnostic::ValueError;
use super::super::recipe::{Crop, Extend, Flip, LayerScale, Perspective, Sampling};
use super::super::{colour, value};
use super::view::{FACTOR_RANGE, asks_for_default, parse_region};
use super::{CommandSpec, CommandTarget, RecipeBuilder, Scope, Support};

const fn define_command(name: &'static str, syntax: &'static str, page: &'static str) -> CommandSpec {
    CommandSpec { support: Support::Now, ..CommandSpec::new(name, syntax, Scope::Layer, page) }
}

pub(super) const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        range: "comp or a number from 0, each with names for it, or such a name",
        default: "comp",
        scope: Scope::Segment,
        help: "The commands that follow apply to this layer, or with comp to the composite of all layers. Layers are \
               drawn in the order of their numbers; layer 0 is the image and the canvas.",
        accepts: "layer=1,badge&src=shoes/red&pos=100,-80&layer=0&extend=0,0,50,0",
        refuses: "layer=badge&src=shoes/red",
        ..define_command("layer", "layer=number|comp[,name], layer=name", "r-layer")
    },
    CommandSpec {
        range: "whole numbers; width and height above 0, or both 0 for the whole source",
        default: "the whole source",
        help: "Part of the source, in source pixels. Area outside the source is transparent, or bgColor.",
        accepts: "crop=10,10,100,80",
        refuses: "crop=10,10,100",
        setter: Some(set_crop),
        ..define_command("crop", "crop=x,y,width,height", "r-crop")
    },
    CommandSpec {
        range: "numbers; width and height above 0, or both 0 for the whole source",
        default: "0,0,1,1",
        slot: "crop",
        help: "Part of the source, as fractions of its size from the top left.",
        accepts: "cropN=0.1,0.1,0.8,0.8",
        refuses: "cropN=0,0,1,0",
        setter: Some(set_crop_n),
        ..define_command("cropN", "cropN=x,y,width,height", "r-crop")
    },
    CommandSpec {
        range: "whole numbers from 0; 0 leaves that side free",
        default: "0,0",
        help: "The largest size with the same aspect ratio inside this box; the exact size of a layer that is a colour. \
               Overrides scale and res.",
        accepts: "size=300,0",
        refuses: "size=-1,300",
        setter: Some(set_size),
        ..define_command("size", "size=width,height", "r-size-reference")
    },
    CommandSpec {
        range: "numbers from 0; 0 leaves that side free; not for layer 0",
        default: "0,0",
        slot: "size",
        help: "The same, as fractions of layer 0. Not allowed for layer 0 itself, except in a watermark.",
        accepts: "layer=1&src=shoes/red&sizeN=0.5,0.5",
        refuses: "sizeN=0.5,0.5",
        setter: Some(set_size_n),
        ..define_command("sizeN", "sizeN=width,height", "r-size-reference")
    },
    CommandSpec {
        range: "number above 0",
        default: "1",
        help: "Scales the layer by this factor. Ignored with size; overrides res.",
        accepts: "scale=0.5",
        refuses: "scale=-1",
        setter: Some(set_scale),
        ..define_command("scale", "scale=factor", "r-is-http-scale")
    },
    CommandSpec {
        range: "number above 0",
        help: "Scales the layer by this number divided by the image's resolution, or by the attribute Resolution if \
               the image has none. Ignored with size or scale.",
        accepts: "res=1",
        refuses: "res=0",
        setter: Some(set_res),
        ..define_command("res", "res=resolution", "r-res")
    },
    CommandSpec {
        range: "lr, ud or lrud",
        scope: Scope::Composite,
        help: "Mirrors: left and right, top and bottom, or both. In the segment layer=0, before rotate.",
        accepts: "flip=lr",
        refuses: "flip=up",
        setter: Some(set_flip),
        ..define_command("flip", "flip=lr|ud|lrud", "r-flip")
    },
    CommandSpec {
        range: "degrees",
        default: "0",
        help: "Rotates clockwise; the layer's rectangle grows to fit. Multiples of 90 degrees are exact.",
        accepts: "rotate=90",
        refuses: "rotate=left",
        setter: Some(set_rotate),
        ..define_command("rotate", "rotate=degrees", "r-rotate")
    },
    CommandSpec {
        range: "eight numbers: top left, top right, bottom right, bottom left; sampling R1, R2, R3 or R3T0 to R3T200",
        help: "Distorts the layer so that its corners are at these points of layer 0. size and res then have no effect.",
        accepts: "perspective=20,0,180,0,200,100,0,100",
        refuses: "perspective=0,0,9,9,9,0,0,9",
        setter: Some(set_perspective),
        ..define_command("perspective", "perspective=x0,y0,x1,y1,x2,y2,x3,y3[,sampling]", "r-perspective")
    },
    CommandSpec {
        range: "as perspective, in fractions of layer 0",
        slot: "perspective",
        help: "Distorts the layer so that its corners are at these points. size and res then have no effect.",
        accepts: "perspectiveN=0.1,0,0.9,0,1,1,0,1,R2",
        refuses: "perspectiveN=0,0,1,0,1,1",
        setter: Some(set_perspective_n),
        ..define_command("perspectiveN", "perspectiveN=x0,y0,x1,y1,x2,y2,x3,y3[,sampling]", "r-perspective")
    },
    CommandSpec {
        range: "whole numbers; negative numbers crop",
        default: "0,0,0,0",
        help: "Moves the edges outwards, after rotation. The new area is transparent, or bgColor.",
        accepts: "extend=10,10,10,10",
        refuses: "extend=10",
        setter: Some(set_extend),
        ..define_command("extend", "extend=left,top,right,bottom", "r-extend")
    },
    CommandSpec {
        range: "numbers; negative numbers crop",
        default: "0,0,0,0",
        slot: "extend",
        help: "Moves the edges outwards, after rotation, by fractions of the rotated rectangle.",
        accepts: "extendN=0.1,0,0.1,0",
        refuses: "extendN=a,b,c,d",
        setter: Some(set_extend_n),
        ..define_command("extendN", "extendN=left,top,right,bottom", "r-extend")
    },
    CommandSpec {
        range: "any colour, with alpha",
        default: "0,0,0,0; black for effects",
        help: "Fills transparent pixels before the layer is rotated and extended. Without src it is what the layer \
               shows; in an effect, the colour of the effect.",
        accepts: "color=ff0000",
        refuses: "color=red",
        setter: Some(set_color),
        ..define_command("color", "color=colour", "r-color-commandref")
    },
    CommandSpec {
        range: "any colour, with alpha",
        default: "0,0,0,0",
        help: "Fills transparent pixels in the layer's rectangle, after everything else. A layer above layer 0 without \
               src, mask and size fills the canvas.",
        accepts: "extend=5,5,5,5&bgColor=255,0,0",
        refuses: "bgColor=300,0,0",
        setter: Some(set_bg_color),
        ..define_command("bgColor", "bgColor=colour", "r-bgcolor")
    },
    CommandSpec {
        range: "whole numbers from 0 to 100",
        default: "100,100",
        scope: Scope::Composite,
        help: "Opacity in percent; a second percentage is multiplied with the first, but not for the layer's effects. \
               Fills of color and bgColor stay opaque.",
        accepts: "opac=50&fmt=png-alpha",
        refuses: "opac=101",
        setter: Some(set_opacity),
        ..define_command("opac", "opac=percent[,percent]", "r-opac")
    },
];

fn set_crop(draft: &mut RecipeBuilder<'_>, place: CommandTarget, text: &str) -> Result<(), ValueError> {
    let crop = if asks_for_default(draft, text)? { None } else { Some(Crop::Pixels(parse_region(text)?)) };
    draft.layer(place).layer.crop = crop;
    Ok(())
}

fn set_crop_n(draft: &mut RecipeBuilder<'_>, place: CommandTarget, text: &str) -> Result<(), ValueError> {
    if asks_for_default(draft, text)? {
        draft.layer(place).layer.crop = None;
        return Ok(());
    }
    let [x, y, w, h] = value::split_exactly(text, "x,y,width,height")?;
    let start = |part| value::parse_real(part, -1e4..=1e4, "between -10,000 and 10,000");
    let side = |part| value::parse_real(part, 1e-9..=1e4, "above 0 (up to 10,000)");
    draft.layer(place).layer.crop = Some(Crop::Fractions([start(x)?, start(y)?, side(w)?, side(h)?]));
    Ok(())
}

fn set_size(draft: &mut RecipeBuilder<'_>, place: CommandTarget, text: &str) -> Result<(), ValueError> {
    let [w, h] = value::split_exactly(text, "width,height")?;
    let size = (value::parse_pixels_or_zero(w)?, value::parse_pixels_or_zero(h)?);
    draft.layer(place).size = (size != (0, 0)).then_some(LayerScale::Box(size.0, size.1));
    Ok(())
}

fn set_size_n(draft: &mut RecipeBuilder<'_>, place: CommandTarget, text: &str) -> Result<(), ValueError> {
    let sides: [&str; 2] = value::split_exactly(text, "width,height")?;
    let [w, h] = sides.map(|side| value::parse_real(side, 0.0..=1e4, "between 0 and 10,000"));
    let (w, h) = (w?, h?);
    let is_base = matches!(place, CommandTarget::Composite | CommandTarget::Layer(0));
    if is_base && !draft.is_watermark {
        return Err(ValueError {
            remedy: "Use size, in pixels.".into(),
            ..ValueError::invalid("sizeN is not allowed for layer 0.")
        });
    }
    draft.layer(place).size = ((w, h) != (0.0, 0.0)).then_some(LayerScale::Fractions(w, h));
    Ok(())
}

fn set_scale(draft: &mut RecipeBuilder<'_>, place: CommandTarget, text: &str) -> Result<(), ValueError> {
    draft.layer(place).scale =
        Some(LayerScale::Factor(value::parse_real(text, FACTOR_RANGE, "above 0 (0.000001 to 1,000,000)")?));
    Ok(())
}

fn set_res(draft: &mut RecipeBuilder<'_>, place: CommandTarget, text: &str) -> Result<(), ValueError> {
    let asked = value::parse_real(text, f64::MIN_POSITIVE.., "above 0")?;
    let usual = draft.attributes.resolution;
    if !FACTOR_RANGE.contains(&(asked / usual)) {
        return Err(ValueError::invalid(format!("{asked} is too far from the attribute Resolution, {usual}.")));
    }
    draft.layer(place).res = Some(LayerScale::Resolution { asked, usual });
    Ok(())
}

fn set_flip(draft: &mut RecipeBuilder<'_>, place: CommandTarget, text: &str) -> Result<(), ValueError> {
    let flip = Some(value::parse_keyword(text, &[("lr", Flip::Lr), ("ud", Flip::Ud), ("lrud", Flip::Lrud)])?);
    match place {
        CommandTarget::Composite => draft.recipe.composite.flip = flip,
        _ => draft.layer(place).layer.flip = flip,
    }
    Ok(())
}

fn set_rotate(draft: &mut RecipeBuilder<'_>, place: CommandTarget, text: &str) -> Result<(), ValueError> {
    draft.layer(place).layer.rotate =
        value::parse_real(text, -1e6..=1e6, "between -1,000,000 and 1,000,000")?.rem_euclid(360.0);
    Ok(())
}

fn set_perspective(draft: &mut RecipeBuilder<'_>, place: CommandTarget, text: &str) -> Result<(), ValueError> {
    draft.layer(place).layer.perspective = Some(parse_perspective(text, false)?);
    Ok(())
}

fn set_perspective_n(draft: &mut RecipeBuilder<'_>, place: CommandTarget, text: &str) -> Result<(), ValueError> {
    draft.layer(place).layer.perspective = Some(parse_perspective(text, true)?);
    Ok(())
}

/// The documentation leaves quadrilaterals with crossing edges undefined, so they are refused: on the way around the
/// corners, every turn must go in the same direction. `turn` is the cross product of two neighbouring edges; its sign
/// is the direction.
fn parse_perspective(text: &str, fractions: bool) -> Result<Perspective, ValueError> {
    let (numbers, sampling) = match value::split_parts(text).len() {
        9 => text.rsplit_once(',').unwrap_or((text, "R3")),
        _ => (text, "R3"),
    };
    let numbers: [&str; 8] = value::split_exactly(numbers, "x0,y0,x1,y1,x2,y2,x3,y3")?;
    let mut corners = [[0.0; 2]; 4];
    for (at, number) in numbers.into_iter().enumerate() {
        corners[at / 2][at % 2] = value::parse_real(number, -1e6..=1e6, "between -1,000,000 and 1,000,000")?;
    }
    let turn = |at: usize| {
        let ([ax, ay], [bx, by], [cx, cy]) = (corners[at], corners[(at + 1) % 4], corners[(at + 2) % 4]);
        (bx - ax) * (cy - by) - (by - ay) * (cx - bx)
    };
    let turns = [turn(0), turn(1), turn(2), turn(3)];
    if !turns.iter().all(|turn| *turn > 1e-9) && !turns.iter().all(|turn| *turn < -1e-9) {
        return Err(ValueError::invalid("The four corners do not form a convex quadrilateral."));
    }
    Ok(Perspective { corners, fractions, sampling: parse_sampling(sampling.trim())? })
}

/// Unlike other keywords, those of the sampling are case-sensitive. Documentation page: r-perspective.
fn parse_sampling(word: &str) -> Result<Sampling, ValueError> {
    match word {
        "R1" => Ok(Sampling::Nearest),
        "R2" => Ok(Sampling::Linear),
        "R3" => Ok(Sampling::Many(0)),
        other => match other.strip_prefix("R3T") {
            Some(percent) => Ok(Sampling::Many(value::parse_integer(percent, 0..=200, "between 0 and 200")? as u8)),
            None => {
                Err(ValueError::invalid(format!("`{other}` is not R1, R2, R3 or R3T0 to R3T200 (case-sensitive).")))
            }
        },
    }
}

fn set_extend(draft: &mut RecipeBuilder<'_>, place: CommandTarget, text: &str) -> Result<(), ValueError> {
    let sides: [&str; 4] = value::split_exactly(text, "left,top,right,bottom")?;
    let [l, t, r, b] = sides.map(value::parse_coordinate);
    draft.layer(place).layer.extend =
        Some(Extend::Pixels([l?, t?, r?, b?])).filter(|extend| *extend != Extend::Pixels([0; 4]));
    Ok(())
}

fn set_extend_n(draft: &mut RecipeBuilder<'_>, place: CommandTarget, text: &str) -> Result<(), ValueError> {
    let sides: [&str; 4] = value::split_exactly(text, "left,top,right,bottom")?;
    let [l, t, r, b] = sides.map(|part| value::parse_real(part, -1e4..=1e4, "between -10,000 and 10,000"));
    let sides = [l?, t?, r?, b?];
    draft.layer(place).layer.extend = sides.iter().any(|side| *side != 0.0).then_some(Extend::Fractions(sides));
    Ok(())
}

fn set_color(draft: &mut RecipeBuilder<'_>, place: CommandTarget, text: &str) -> Result<(), ValueError> {
    let color = colour::parse_colour(text)?;
    match draft.effect(place) {
        Some(draft) => draft.effect.color = Some(color),
        None => draft.layer(place).layer.color = Some(color).filter(|colour| colour.alpha > 0),
    }
    Ok(())
}

fn set_bg_color(draft: &mut RecipeBuilder<'_>, place: CommandTarget, text: &str) -> Result<(), ValueError> {
    draft.layer(place).layer.bg_color = Some(colour::parse_colour(text)?).filter(|colour| colour.alpha > 0);
    Ok(())
}

fn set_opacity(draft: &mut RecipeBuilder<'_>, place: CommandTarget, text: &str) -> Result<(), ValueError> {
    let percent = |part| value::parse_integer(part, 0..=100, "between 0 and 100");
    let (opacity, fill) = match value::split_parts(text)[..] {
        [opacity] => (percent(opacity)?, 100),
        [opacity, fill] => (percent(opacity)?, percent(fill)?),
        _ => return Err(ValueError::invalid("The value has more than two parts.")),
    };
    let share = |part: i64, whole: f64| Some(part as f64 / whole).filter(|share| *share < 1.0);
    let (own, shared) = (share(opacity * fill, 10_000.0), share(opacity, 100.0));
    if let Some(draft) = draft.effect(place) {
        // The fill belongs to what is drawn in the layer, so effects have none.
        draft.effect.opacity = shared;
        return Ok(());
    }
    let (layer_opacity, effect_opacity) = match place {
        CommandTarget::Composite => (&mut draft.recipe.composite.opacity, &mut draft.recipe.composite.effect_opacity),
        _ => {
            let layer = &mut draft.layer(place).layer;
            (&mut layer.opacity, &mut layer.effect_opacity)
        }
    };
    (*layer_opacity, *effect_opacity) = (own, shared);
    Ok(())
}
