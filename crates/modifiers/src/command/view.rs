//! View commands: the size of the picture and its place.

use super::super::attribute::RES_MODES;
use super::super::complaint::Fault;
use super::super::recipe::{Fit, FitMode, Region, Tile};
use super::super::{colour, value};
use super::{Command, Draft, Place, Scope, Support};

const fn row(name: &'static str, syntax: &'static str, page: &'static str) -> Command {
    Command { support: Support::Now, ..Command::row(name, syntax, Scope::Global, page) }
}

pub(super) const COMMANDS: &[Command] = &[
    Command {
        range: "whole number above 0",
        help: "Width of the picture in pixels. Alone, the height follows; a small picture is not enlarged.",
        accepts: "wid=400",
        refuses: "wid=0",
        meaning: Some(wid),
        ..row("wid", "wid=pixels", "r-is-http-wid")
    },
    Command {
        range: "whole number above 0",
        help: "Height of the picture in pixels. Alone, the width follows; a small picture is not enlarged.",
        accepts: "hei=300",
        refuses: "hei=tall",
        meaning: Some(hei),
        ..row("hei", "hei=pixels", "r-is-http-hei")
    },
    Command {
        range: "fit, constrain, crop, wrap, stretch, hfit or vfit; upscale 0 or 1",
        default: "fit,0",
        help: "How the picture fits into width and height; with 1 a small picture is enlarged.",
        accepts: "wid=400&hei=400&fit=crop,1",
        refuses: "wid=400&hei=400&fit=squeeze",
        meaning: Some(fit),
        ..row("fit", "fit=mode[,upscale]", "r-fit")
    },
    Command {
        range: "number above 0",
        help: "Scales by one over this number: 2 halves. Beats fit; width and height then cut or pad.",
        accepts: "scl=2",
        refuses: "scl=0",
        meaning: Some(scl),
        ..row("scl", "scl=number", "r-scl")
    },
    Command {
        range: "whole numbers; width and height above 0",
        default: "the whole picture",
        help: "Region of interest, in pixels of the picture before it is scaled into the view.",
        accepts: "rgn=10,10,100,80",
        refuses: "rgn=10,10,0,80",
        meaning: Some(rgn),
        ..row("rgn", "rgn=x,y,width,height", "r-rgn")
    },
    Command {
        range: "whole numbers; width and height above 0; scale above 0",
        help: "A tile of the finished view, for pictures that are fetched in parts. Its place counts after scale.",
        accepts: "wid=200&rect=0,0,100,50",
        refuses: "rect=0,0,100",
        meaning: Some(rect),
        ..row("rect", "rect=x,y,width,height[,scale]", "r-rect")
    },
    Command {
        range: "off, or on and a number above 0",
        default: "off",
        help: "Multiplies width and height, for dense screens. With it MaxPix makes the picture smaller, not a mistake.",
        accepts: "wid=100&dpr=on,2",
        refuses: "dpr=on,0",
        meaning: Some(dpr),
        ..row("dpr", "dpr=off|on,factor", "r-dpr")
    },
    Command {
        range: "numbers from -1 to 1",
        default: "0,0",
        help: "Where the picture lies in the view, or which part is kept: -1 left and top, 1 right and bottom.",
        accepts: "wid=300&hei=300&align=-1,0",
        refuses: "align=2,0",
        meaning: Some(align),
        ..row("align", "align=horizontal,vertical", "r-align")
    },
    Command {
        range: "any colour; its alpha is ignored",
        default: "attribute BkgColor",
        help: "Background: shows where the picture does not cover the view, or is transparent and the format is not.",
        accepts: "bgc=ff8800",
        refuses: "bgc=orange",
        meaning: Some(bgc),
        ..row("bgc", "bgc=colour", "r-bgc")
    },
    Command {
        range: "bilin, bicub, sharp2 or bisharp",
        default: "attribute ResMode",
        help: "The way of scaling.",
        accepts: "resMode=bicub",
        refuses: "resMode=nearest",
        meaning: Some(res_mode),
        ..row("resMode", "resMode=mode", "r-is-http-resmode")
    },
];

/// Factors that can be meant.
pub(super) const FACTOR: std::ops::RangeInclusive<f64> = 1e-6..=1e6;

fn wid(draft: &mut Draft, _: Place, text: &str) -> Result<(), Fault> {
    draft.recipe.view.wid = Some(value::pixels(text)?);
    Ok(())
}

fn hei(draft: &mut Draft, _: Place, text: &str) -> Result<(), Fault> {
    draft.recipe.view.hei = Some(value::pixels(text)?);
    Ok(())
}

fn fit(draft: &mut Draft, _: Place, text: &str) -> Result<(), Fault> {
    let modes = [
        ("fit", FitMode::Fit),
        ("constrain", FitMode::Constrain),
        ("crop", FitMode::Crop),
        ("wrap", FitMode::Wrap),
        ("stretch", FitMode::Stretch),
        ("hfit", FitMode::Hfit),
        ("vfit", FitMode::Vfit),
    ];
    let (mode, upscale) = match value::parts(text)[..] {
        [mode] => (mode, false),
        [mode, upscale] => (mode, value::flag(upscale)?),
        _ => return Err(Fault::invalid("There are more than two parts.")),
    };
    draft.recipe.view.fit = Fit { mode: value::word(mode, &modes)?, upscale };
    Ok(())
}

fn scl(draft: &mut Draft, _: Place, text: &str) -> Result<(), Fault> {
    let inverse = value::real(text, FACTOR, "above 0 (0.000001 to 1,000,000)")?;
    draft.recipe.view.scale = Some(1.0 / inverse);
    Ok(())
}

fn rgn(draft: &mut Draft, _: Place, text: &str) -> Result<(), Fault> {
    draft.recipe.view.rgn = Some(region(text)?);
    Ok(())
}

/// `x,y,width,height` in whole pixels.
pub(super) fn region(text: &str) -> Result<Region, Fault> {
    let [x, y, w, h] = value::exactly(text, "x,y,width,height")?;
    Ok(Region { x: value::place(x)?, y: value::place(y)?, w: value::pixels(w)?, h: value::pixels(h)? })
}

fn rect(draft: &mut Draft, _: Place, text: &str) -> Result<(), Fault> {
    let (tile, scale) = match value::parts(text).len() {
        5 => text.rsplit_once(',').unwrap_or((text, "1")),
        _ => (text, "1"),
    };
    let scale = value::real(scale, FACTOR, "above 0 (0.000001 to 1,000,000)")?;
    draft.recipe.view.rect = Some(Tile { region: region(tile)?, scale });
    Ok(())
}

fn dpr(draft: &mut Draft, _: Place, text: &str) -> Result<(), Fault> {
    let lower = text.to_ascii_lowercase();
    draft.recipe.view.dpr = match value::parts(&lower)[..] {
        ["off"] => None,
        ["on", factor] => Some(value::real(factor, FACTOR, "above 0 (0.000001 to 1,000,000)")?),
        _ => return Err(Fault::invalid(format!("`{text}` is neither off nor on and a factor."))),
    }
    .filter(|factor| *factor != 1.0);
    Ok(())
}

fn align(draft: &mut Draft, _: Place, text: &str) -> Result<(), Fault> {
    let [h, v] = value::exactly(text, "horizontal,vertical")?;
    let side = |part| value::real(part, -1.0..=1.0, "between -1 and 1");
    draft.recipe.view.align = (side(h)?, side(v)?);
    Ok(())
}

fn bgc(draft: &mut Draft, _: Place, text: &str) -> Result<(), Fault> {
    draft.background = Some(colour::read(text)?.opaque());
    Ok(())
}

fn res_mode(draft: &mut Draft, _: Place, text: &str) -> Result<(), Fault> {
    draft.recipe.view.res_mode = value::word(text, &RES_MODES)?;
    Ok(())
}
