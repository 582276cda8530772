//! View commands: how large the result is, and which part of the composite it shows.

use super::super::diagnostic::ValueError;
use super::super::recipe::{Fit, FitMode, Region, Tile};
use super::super::{attribute, colour, value};
use super::{CommandSpec, CommandTarget, RecipeBuilder, Scope, Support};

const fn define_command(name: &'static str, syntax: &'static str, page: &'static str) -> CommandSpec {
    CommandSpec { support: Support::Now, ..CommandSpec::new(name, syntax, Scope::Global, page) }
}

pub(super) const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        range: "whole number above 0",
        help: "Width in pixels. Without hei, the height keeps the aspect ratio; a smaller image is not enlarged.",
        accepts: "wid=400",
        refuses: "wid=0",
        setter: Some(set_width),
        ..define_command("wid", "wid=pixels", "r-is-http-wid")
    },
    CommandSpec {
        range: "whole number above 0",
        help: "Height in pixels. Without wid, the width keeps the aspect ratio; a smaller image is not enlarged.",
        accepts: "hei=300",
        refuses: "hei=tall",
        setter: Some(set_height),
        ..define_command("hei", "hei=pixels", "r-is-http-hei")
    },
    CommandSpec {
        range: "fit, constrain, crop, wrap, stretch, hfit or vfit; upscale 0 or 1",
        default: "fit,0",
        help: "How the image fits into width and height; with upscale 1, a smaller image is enlarged.",
        accepts: "wid=400&hei=400&fit=crop,1",
        refuses: "wid=400&hei=400&fit=squeeze",
        setter: Some(set_fit),
        ..define_command("fit", "fit=mode[,upscale]", "r-fit")
    },
    CommandSpec {
        range: "number above 0",
        help: "Scales by 1/number: 2 halves the size. Overrides fit; wid and hei then crop or pad.",
        accepts: "scl=2",
        refuses: "scl=0",
        setter: Some(set_scale),
        ..define_command("scl", "scl=number", "r-scl")
    },
    CommandSpec {
        range: "whole numbers; width and height above 0, or both 0 for the whole image",
        default: "the whole image",
        help: "Region of interest, in pixels of the image before it is scaled into the view.",
        accepts: "rgn=10,10,100,80",
        refuses: "rgn=10,10,0,80",
        setter: Some(set_region),
        ..define_command("rgn", "rgn=x,y,width,height", "r-rgn")
    },
    CommandSpec {
        range: "whole numbers; width and height above 0; scale above 0",
        help: "A tile of the finished view, for images that are fetched in parts. Its coordinates apply after scale.",
        accepts: "wid=200&rect=0,0,100,50",
        refuses: "rect=0,0,100",
        setter: Some(set_rect),
        ..define_command("rect", "rect=x,y,width,height[,scale]", "r-rect")
    },
    CommandSpec {
        range: "off, or on and a number above 0",
        default: "off",
        help: "Multiplies wid and hei, for high-density screens. MaxPix then limits the size and is no error.",
        accepts: "wid=100&dpr=on,2",
        refuses: "dpr=on,0",
        setter: Some(set_dpr),
        ..define_command("dpr", "dpr=off|on,factor", "r-dpr")
    },
    CommandSpec {
        range: "numbers from -1 to 1",
        default: "0,0",
        help: "Position of the image in the view, or the part that is kept: -1 is left or top, 1 is right or bottom.",
        accepts: "wid=300&hei=300&align=-1,0",
        refuses: "align=2,0",
        setter: Some(set_align),
        ..define_command("align", "align=horizontal,vertical", "r-align")
    },
    CommandSpec {
        range: "any colour; its alpha is ignored",
        default: "attribute BkgColor",
        help: "Background. Shows where the image does not cover the view, or is transparent and the format is not.",
        accepts: "bgc=ff8800",
        refuses: "bgc=orange",
        setter: Some(set_background),
        ..define_command("bgc", "bgc=colour", "r-bgc")
    },
    CommandSpec {
        range: "bilin, bicub, sharp2 or bisharp; also sharp (sharp2), trilin (bilin) and the numbers of attribute ResMode",
        default: "attribute ResMode",
        help: "Resampling method.",
        accepts: "resMode=bicub",
        refuses: "resMode=nearest",
        setter: Some(set_res_mode),
        ..define_command("resMode", "resMode=mode", "r-is-http-resmode")
    },
];

/// Scale factors that are accepted. Wider ones are typing errors, and would overflow sizes in pixels.
pub(super) const FACTOR_RANGE: std::ops::RangeInclusive<f64> = 1e-6..=1e6;

fn set_width(draft: &mut RecipeBuilder<'_>, _: CommandTarget, text: &str) -> Result<(), ValueError> {
    draft.recipe.view.wid = Some(value::parse_pixels(text)?);
    Ok(())
}

fn set_height(draft: &mut RecipeBuilder<'_>, _: CommandTarget, text: &str) -> Result<(), ValueError> {
    draft.recipe.view.hei = Some(value::parse_pixels(text)?);
    Ok(())
}

fn set_fit(draft: &mut RecipeBuilder<'_>, _: CommandTarget, text: &str) -> Result<(), ValueError> {
    let modes = [
        ("fit", FitMode::Fit),
        ("constrain", FitMode::Constrain),
        ("crop", FitMode::Crop),
        ("wrap", FitMode::Wrap),
        ("stretch", FitMode::Stretch),
        ("hfit", FitMode::Hfit),
        ("vfit", FitMode::Vfit),
    ];
    let (mode, upscale) = match value::split_parts(text)[..] {
        [mode] => (mode, false),
        [mode, upscale] => (mode, value::parse_flag(upscale)?),
        _ => return Err(ValueError::invalid("The value has more than two parts.")),
    };
    draft.recipe.view.fit = Fit { mode: value::parse_keyword(mode, &modes)?, upscale };
    Ok(())
}

fn set_scale(draft: &mut RecipeBuilder<'_>, _: CommandTarget, text: &str) -> Result<(), ValueError> {
    let inverse = value::parse_real(text, FACTOR_RANGE, "above 0 (0.000001 to 1,000,000)")?;
    draft.recipe.view.scale = Some(1.0 / inverse);
    Ok(())
}

fn set_region(draft: &mut RecipeBuilder<'_>, _: CommandTarget, text: &str) -> Result<(), ValueError> {
    draft.recipe.view.rgn = if asks_for_default(draft, text)? { None } else { Some(parse_region(text)?) };
    Ok(())
}

/// Whether width and height of `x,y,width,height` are both 0, which stands for the default, the whole image.
/// Documentation page: r-size.
pub(super) fn asks_for_default(draft: &mut RecipeBuilder<'_>, text: &str) -> Result<bool, ValueError> {
    let parts: [&str; 4] = value::split_exactly(text, "x,y,width,height")?;
    let [x, y, w, h] = parts.map(value::parse_decimal);
    let is_default = [w, h] == [Some(0.0); 2] && x.is_some() && y.is_some();
    if is_default && [x, y] != [Some(0.0); 2] {
        draft.remark = Some(ValueError::ignored(
            "Width and height are 0, so the whole image is used.",
            "Write a width and a height above 0, or 0,0,0,0.",
        ));
    }
    Ok(is_default)
}

/// `x,y,width,height` in whole pixels.
pub(super) fn parse_region(text: &str) -> Result<Region, ValueError> {
    let [x, y, w, h] = value::split_exactly(text, "x,y,width,height")?;
    Ok(Region {
        x: value::parse_coordinate(x)?,
        y: value::parse_coordinate(y)?,
        w: value::parse_pixels(w)?,
        h: value::parse_pixels(h)?,
    })
}

fn set_rect(draft: &mut RecipeBuilder<'_>, _: CommandTarget, text: &str) -> Result<(), ValueError> {
    let (tile, scale) = match value::split_parts(text).len() {
        5 => text.rsplit_once(',').unwrap_or((text, "1")),
        _ => (text, "1"),
    };
    let scale = value::parse_real(scale, FACTOR_RANGE, "above 0 (0.000001 to 1,000,000)")?;
    draft.recipe.view.rect = Some(Tile { region: parse_region(tile)?, scale });
    Ok(())
}

fn set_dpr(draft: &mut RecipeBuilder<'_>, _: CommandTarget, text: &str) -> Result<(), ValueError> {
    let lower = text.to_ascii_lowercase();
    draft.recipe.view.dpr = match value::split_parts(&lower)[..] {
        ["off"] => None,
        ["on", factor] => Some(value::parse_real(factor, FACTOR_RANGE, "above 0 (0.000001 to 1,000,000)")?),
        _ => return Err(ValueError::invalid(format!("`{text}` is not `off` or `on,factor`."))),
    }
    .filter(|factor| *factor != 1.0);
    Ok(())
}

fn set_align(draft: &mut RecipeBuilder<'_>, _: CommandTarget, text: &str) -> Result<(), ValueError> {
    let [h, v] = value::split_exactly(text, "horizontal,vertical")?;
    let position = |part| value::parse_real(part, -1.0..=1.0, "between -1 and 1");
    draft.recipe.view.align = (position(h)?, position(v)?);
    Ok(())
}

fn set_background(draft: &mut RecipeBuilder<'_>, _: CommandTarget, text: &str) -> Result<(), ValueError> {
    draft.background = Some(colour::parse_colour(text)?.to_opaque());
    Ok(())
}

fn set_res_mode(draft: &mut RecipeBuilder<'_>, _: CommandTarget, text: &str) -> Result<(), ValueError> {
    draft.recipe.view.res_mode = attribute::parse_res_mode(text)?;
    Ok(())
}
