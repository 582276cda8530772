//! Commands of a layer: its part of the source, its size, its turn, its fills.

use super::super::complaint::Fault;
use super::super::recipe::{Crop, Extend, Flip, LayerScale, Perspective, Sampling};
use super::super::{colour, value};
use super::view::{FACTOR, region};
use super::{Command, Draft, Place, Scope, Support};

const fn row(name: &'static str, syntax: &'static str, page: &'static str) -> Command {
    Command { support: Support::Now, ..Command::row(name, syntax, Scope::Layer, page) }
}

pub(super) const COMMANDS: &[Command] = &[
    Command {
        range: "comp, or a number from 0; this version knows only comp and 0",
        default: "comp",
        scope: Scope::Segment,
        help: "The commands that follow belong to this layer.",
        accepts: "layer=0&flip=lr&extend=0,0,50,0",
        refuses: "layer=1&src=other",
        ..row("layer", "layer=number|comp", "r-layer")
    },
    Command {
        range: "whole numbers; width and height above 0",
        default: "the whole source",
        help: "Part of the source, in its own pixels. What lies outside is transparent, or bgColor.",
        accepts: "crop=10,10,100,80",
        refuses: "crop=10,10,100",
        meaning: Some(crop),
        ..row("crop", "crop=x,y,width,height", "r-crop")
    },
    Command {
        range: "numbers; width and height above 0",
        default: "0,0,1,1",
        slot: "crop",
        help: "Part of the source, in fractions of its size from the top left.",
        accepts: "cropN=0.1,0.1,0.8,0.8",
        refuses: "cropN=0,0,1,0",
        meaning: Some(crop_n),
        ..row("cropN", "cropN=x,y,width,height", "r-crop")
    },
    Command {
        range: "whole numbers from 0; 0 leaves a side free",
        default: "0,0",
        help: "The largest size of the same shape inside this box. Beats scale and res.",
        accepts: "size=300,0",
        refuses: "size=-1,300",
        meaning: Some(size),
        ..row("size", "size=width,height", "r-size-reference")
    },
    Command {
        range: "numbers from 0 to 1; not for layer 0",
        slot: "size",
        help: "Size of a layer in fractions of layer 0; layer 0 itself cannot have it.",
        support: Support::NotYet,
        accepts: "layer=1&sizeN=0.5,0.5",
        refuses: "sizeN=0.5,0.5",
        meaning: Some(size_n),
        ..row("sizeN", "sizeN=width,height", "r-size-reference")
    },
    Command {
        range: "number above 0",
        default: "1",
        help: "Scales the layer by this factor. Ignored with size; beats res.",
        accepts: "scale=0.5",
        refuses: "scale=-1",
        meaning: Some(scale),
        ..row("scale", "scale=factor", "r-is-http-scale")
    },
    Command {
        range: "number above 0",
        help: "Scales the layer by this number over the picture's resolution, or over the attribute Resolution where it \
               has none. Ignored with size or scale.",
        accepts: "res=1",
        refuses: "res=0",
        meaning: Some(res),
        ..row("res", "res=resolution", "r-res")
    },
    Command {
        range: "lr, ud or lrud",
        scope: Scope::Composite,
        help: "Mirrors: left and right, top and bottom, or both. In the segment layer=0 it runs before rotate.",
        accepts: "flip=lr",
        refuses: "flip=up",
        meaning: Some(flip),
        ..row("flip", "flip=lr|ud|lrud", "r-flip")
    },
    Command {
        range: "degrees",
        default: "0",
        help: "Turns clockwise; the rectangle grows with it. Quarter turns are exact.",
        accepts: "rotate=90",
        refuses: "rotate=left",
        meaning: Some(rotate),
        ..row("rotate", "rotate=degrees", "r-rotate")
    },
    Command {
        range: "eight numbers: top left, top right, bottom right, bottom left; R1, R2, R3 or R3T0 to R3T200",
        help: "Bends the layer until its corners are there. size and res have no effect then.",
        accepts: "perspective=20,0,180,0,200,100,0,100",
        refuses: "perspective=0,0,9,9,9,0,0,9",
        meaning: Some(perspective),
        ..row("perspective", "perspective=x0,y0,x1,y1,x2,y2,x3,y3[,sampling]", "r-perspective")
    },
    Command {
        range: "as perspective, in fractions of layer 0",
        slot: "perspective",
        help: "Bends the layer until its corners are there. size and res have no effect then.",
        accepts: "perspectiveN=0.1,0,0.9,0,1,1,0,1,R2",
        refuses: "perspectiveN=0,0,1,0,1,1",
        meaning: Some(perspective_n),
        ..row("perspectiveN", "perspectiveN=x0,y0,x1,y1,x2,y2,x3,y3[,sampling]", "r-perspective")
    },
    Command {
        range: "whole numbers; negative ones cut",
        default: "0,0,0,0",
        help: "Moves the edges outwards, after rotation. New area is transparent, or bgColor.",
        accepts: "extend=10,10,10,10",
        refuses: "extend=10",
        meaning: Some(extend),
        ..row("extend", "extend=left,top,right,bottom", "r-extend")
    },
    Command {
        range: "numbers; negative ones cut",
        default: "0,0,0,0",
        slot: "extend",
        help: "Moves the edges outwards by fractions of the rectangle after rotation.",
        accepts: "extendN=0.1,0,0.1,0",
        refuses: "extendN=a,b,c,d",
        meaning: Some(extend_n),
        ..row("extendN", "extendN=left,top,right,bottom", "r-extend")
    },
    Command {
        range: "any colour, with alpha",
        default: "0,0,0,0",
        help: "Fills what is transparent before the layer is rotated and extended.",
        accepts: "color=ff0000",
        refuses: "color=red",
        meaning: Some(color),
        ..row("color", "color=colour", "r-color-commandref")
    },
    Command {
        range: "any colour, with alpha",
        default: "0,0,0,0",
        help: "Fills what is transparent in the layer's rectangle, after everything else.",
        accepts: "extend=5,5,5,5&bgColor=255,0,0",
        refuses: "bgColor=300,0,0",
        meaning: Some(bg_color),
        ..row("bgColor", "bgColor=colour", "r-bgcolor")
    },
    Command {
        range: "whole numbers from 0 to 100",
        default: "100,100",
        scope: Scope::Composite,
        help: "Opacity in percent; a second number multiplies it.",
        accepts: "opac=50&fmt=png-alpha",
        refuses: "opac=101",
        meaning: Some(opac),
        ..row("opac", "opac=percent[,percent]", "r-opac")
    },
];

fn crop(draft: &mut Draft, _: Place, text: &str) -> Result<(), Fault> {
    draft.recipe.layer.crop = Some(Crop::Pixels(region(text)?));
    Ok(())
}

fn crop_n(draft: &mut Draft, _: Place, text: &str) -> Result<(), Fault> {
    let [x, y, w, h] = value::exactly(text, "x,y,width,height")?;
    let place = |part| value::real(part, -1e4..=1e4, "between -10,000 and 10,000");
    let side = |part| value::real(part, 1e-9..=1e4, "above 0 (up to 10,000)");
    draft.recipe.layer.crop = Some(Crop::Fractions([place(x)?, place(y)?, side(w)?, side(h)?]));
    Ok(())
}

fn size(draft: &mut Draft, _: Place, text: &str) -> Result<(), Fault> {
    let [w, h] = value::exactly(text, "width,height")?;
    let size = (value::pixels_or_none(w)?, value::pixels_or_none(h)?);
    draft.size = (size != (0, 0)).then_some(LayerScale::Box(size.0, size.1));
    Ok(())
}

fn size_n(_: &mut Draft, place: Place, text: &str) -> Result<(), Fault> {
    let sides: [&str; 2] = value::exactly(text, "width,height")?;
    sides.into_iter().try_for_each(|side| value::real(side, 0.0..=1.0, "between 0 and 1").map(drop))?;
    match place {
        Place::Layer => Ok(()),
        _ => Err(Fault { remedy: "Use size, in pixels.".into(), ..Fault::invalid("Layer 0 cannot have sizeN.") }),
    }
}

fn scale(draft: &mut Draft, _: Place, text: &str) -> Result<(), Fault> {
    draft.scale = Some(LayerScale::Factor(value::real(text, FACTOR, "above 0 (0.000001 to 1,000,000)")?));
    Ok(())
}

fn res(draft: &mut Draft, _: Place, text: &str) -> Result<(), Fault> {
    let asked = value::real(text, f64::MIN_POSITIVE.., "above 0")?;
    let usual = draft.attributes.resolution;
    if !FACTOR.contains(&(asked / usual)) {
        return Err(Fault::invalid(format!("{asked} is too far from the resolution {usual}.")));
    }
    draft.res = Some(LayerScale::Resolution { asked, usual });
    Ok(())
}

fn flip(draft: &mut Draft, place: Place, text: &str) -> Result<(), Fault> {
    let flip = Some(value::word(text, &[("lr", Flip::Lr), ("ud", Flip::Ud), ("lrud", Flip::Lrud)])?);
    match place {
        Place::Composite => draft.recipe.composite.flip = flip,
        _ => draft.recipe.layer.flip = flip,
    }
    Ok(())
}

fn rotate(draft: &mut Draft, _: Place, text: &str) -> Result<(), Fault> {
    draft.recipe.layer.rotate = value::real(text, -1e6..=1e6, "between -1,000,000 and 1,000,000")?.rem_euclid(360.0);
    Ok(())
}

fn perspective(draft: &mut Draft, _: Place, text: &str) -> Result<(), Fault> {
    draft.recipe.layer.perspective = Some(bent(text, false)?);
    Ok(())
}

fn perspective_n(draft: &mut Draft, _: Place, text: &str) -> Result<(), Fault> {
    draft.recipe.layer.perspective = Some(bent(text, true)?);
    Ok(())
}

/// What corners that cross each other would mean is documented as undefined, so they are refused.
fn bent(text: &str, fractions: bool) -> Result<Perspective, Fault> {
    let (numbers, sampling) = match value::parts(text).len() {
        9 => text.rsplit_once(',').unwrap_or((text, "R3")),
        _ => (text, "R3"),
    };
    let numbers: [&str; 8] = value::exactly(numbers, "x0,y0,x1,y1,x2,y2,x3,y3")?;
    let mut corners = [[0.0; 2]; 4];
    for (at, number) in numbers.into_iter().enumerate() {
        corners[at / 2][at % 2] = value::real(number, -1e6..=1e6, "between -1,000,000 and 1,000,000")?;
    }
    let turn = |at: usize| {
        let ([ax, ay], [bx, by], [cx, cy]) = (corners[at], corners[(at + 1) % 4], corners[(at + 2) % 4]);
        (bx - ax) * (cy - by) - (by - ay) * (cx - bx)
    };
    let turns = [turn(0), turn(1), turn(2), turn(3)];
    if !turns.iter().all(|turn| *turn > 1e-9) && !turns.iter().all(|turn| *turn < -1e-9) {
        return Err(Fault::invalid("The four corners make no quadrangle whose corners all point outwards."));
    }
    Ok(Perspective { corners, fractions, sampling: sampling_of(sampling.trim())? })
}

/// The words of a perspective mind their case.
fn sampling_of(word: &str) -> Result<Sampling, Fault> {
    match word {
        "R1" => Ok(Sampling::Nearest),
        "R2" => Ok(Sampling::Linear),
        "R3" => Ok(Sampling::Many(0)),
        other => match other.strip_prefix("R3T") {
            Some(percent) => Ok(Sampling::Many(value::whole(percent, 0..=200, "between 0 and 200")? as u8)),
            None => Err(Fault::invalid(format!("`{other}` is none of R1, R2, R3 and R3T0 to R3T200."))),
        },
    }
}

fn extend(draft: &mut Draft, _: Place, text: &str) -> Result<(), Fault> {
    let sides: [&str; 4] = value::exactly(text, "left,top,right,bottom")?;
    let [l, t, r, b] = sides.map(value::place);
    draft.recipe.layer.extend = Some(Extend::Pixels([l?, t?, r?, b?])).filter(|it| *it != Extend::Pixels([0; 4]));
    Ok(())
}

fn extend_n(draft: &mut Draft, _: Place, text: &str) -> Result<(), Fault> {
    let sides: [&str; 4] = value::exactly(text, "left,top,right,bottom")?;
    let [l, t, r, b] = sides.map(|part| value::real(part, -1e4..=1e4, "between -10,000 and 10,000"));
    let sides = [l?, t?, r?, b?];
    draft.recipe.layer.extend = sides.iter().any(|side| *side != 0.0).then_some(Extend::Fractions(sides));
    Ok(())
}

fn color(draft: &mut Draft, _: Place, text: &str) -> Result<(), Fault> {
    draft.recipe.layer.color = Some(colour::read(text)?).filter(|colour| colour.alpha > 0);
    Ok(())
}

fn bg_color(draft: &mut Draft, _: Place, text: &str) -> Result<(), Fault> {
    draft.recipe.layer.bg_color = Some(colour::read(text)?).filter(|colour| colour.alpha > 0);
    Ok(())
}

fn opac(draft: &mut Draft, place: Place, text: &str) -> Result<(), Fault> {
    let percent = |part| value::whole(part, 0..=100, "between 0 and 100");
    let (opacity, fill) = match value::parts(text)[..] {
        [opacity] => (percent(opacity)?, 100),
        [opacity, fill] => (percent(opacity)?, percent(fill)?),
        _ => return Err(Fault::invalid("There are more than two parts.")),
    };
    let opacity = Some((opacity * fill) as f64 / 10_000.0).filter(|opacity| *opacity < 1.0);
    match place {
        Place::Composite => draft.recipe.composite.opacity = opacity,
        _ => draft.recipe.layer.opacity = opacity,
    }
    Ok(())
}
