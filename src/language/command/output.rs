//! Commands that say how the picture is written.

use super::super::complaint::Fault;
use super::super::{attribute, format, value};
use super::{Command, Draft, Place, Scope, Support};

const fn row(name: &'static str, syntax: &'static str, page: &'static str) -> Command {
    Command { support: Support::Now, ..Command::row(name, syntax, Scope::Global, page) }
}

pub(super) const COMMANDS: &[Command] = &[
    Command {
        range: "jpeg, pjpeg, png, png-alpha, tif, tif-alpha (none, lzw, zip), gif, gif-alpha, webp, webp-alpha (lossy, \
                lossless); rgb, gray where the format has it, cmyk for jpeg, pjpeg and tif",
        default: "jpeg,rgb,none",
        help: "The file's format, its pixel type and how it is compressed.",
        accepts: "fmt=tif,gray,lzw",
        refuses: "fmt=png,cmyk",
        meaning: Some(fmt),
        ..row("fmt", "fmt=format[,[pixelType][,compression]]", "r-is-http-fmt")
    },
    Command {
        range: "quality 1 to 100; chroma 0 or 1",
        default: "attribute JpegQuality",
        help: "Quality of JPEG and WebP; with 1 JPEG keeps colour at full resolution.",
        accepts: "qlt=85,1",
        refuses: "qlt=750",
        meaning: Some(qlt),
        ..row("qlt", "qlt=quality[,chroma]", "r-is-http-qlt")
    },
    Command {
        range: "a profile by its short or its Photoshop name; perceptual, relative, saturation or absolute; 0 or 1; 0 or 1",
        default: "attributes IccProfileRgb, IccProfileGray, IccProfileCmyk; IccRenderIntent; \
                  IccBlackPointCompensation; IccDither",
        help: "The output profile, which also sets the pixel type; how colours are brought into it, whether black becomes \
               black, whether rounding is spread over neighbours.",
        accepts: "icc=sRGB,perceptual,1,0",
        refuses: "icc=NoSuchProfile",
        meaning: Some(icc),
        ..row("icc", "icc=profile[,intent[,bpc[,dither]]]", "r-icc")
    },
    Command {
        range: "0 or 1",
        default: "0",
        help: "Embeds the output profile, where there is one and the format can carry it.",
        accepts: "iccEmbed=1",
        refuses: "iccEmbed=yes",
        meaning: Some(icc_embed),
        ..row("iccEmbed", "iccEmbed=0|1", "r-iccembed")
    },
    Command {
        range: "0 or 1",
        default: "0",
        help: "Copies the source's XMP unchanged, where there is some and the format is JPEG or TIFF.",
        accepts: "xmpEmbed=1",
        refuses: "xmpEmbed=yes",
        meaning: Some(xmp_embed),
        ..row("xmpEmbed", "xmpEmbed=0|1", "r-xmpembed")
    },
    Command {
        range: "number from 1 to 65,535",
        default: "the source's own, else attribute PrintResolution",
        help: "Dots per inch written into the file; pixels do not change.",
        accepts: "printRes=300",
        refuses: "printRes=0",
        meaning: Some(print_res),
        ..row("printRes", "printRes=dpi", "r-printres")
    },
    Command {
        range: "img; mask and tmb are not supported yet, other requests give no picture",
        default: "img",
        help: "The kind of answer. An export is a picture.",
        accepts: "req=img",
        refuses: "req=props",
        meaning: Some(req),
        ..row("req", "req=img", "r-req")
    },
];

fn fmt(draft: &mut Draft, _: Place, text: &str) -> Result<(), Fault> {
    draft.pixel_types = format::read(&mut draft.recipe.output, text)?;
    Ok(())
}

fn qlt(draft: &mut Draft, _: Place, text: &str) -> Result<(), Fault> {
    let (quality, full_chroma) = attribute::quality(text)?;
    draft.recipe.output.quality = quality;
    draft.recipe.output.full_chroma = full_chroma;
    Ok(())
}

fn icc(draft: &mut Draft, _: Place, text: &str) -> Result<(), Fault> {
    let parts = value::parts(text);
    if parts.len() > 4 {
        return Err(Fault::invalid("There are more than four parts."));
    }
    let part = |at: usize| parts.get(at).copied().filter(|part| !part.is_empty());
    draft.profile = Some(draft.attributes.profiles.find(parts[0])?);
    let colors = &mut draft.recipe.colors;
    if let Some(intent) = part(1) {
        colors.intent = value::word(intent, &attribute::INTENTS)?;
    }
    if let Some(flag) = part(2) {
        colors.black_point = value::flag(flag)?;
    }
    if let Some(flag) = part(3) {
        colors.dither = value::flag(flag)?;
    }
    Ok(())
}

fn icc_embed(draft: &mut Draft, _: Place, text: &str) -> Result<(), Fault> {
    draft.recipe.output.icc_embed = value::flag(text)?;
    Ok(())
}

fn xmp_embed(draft: &mut Draft, _: Place, text: &str) -> Result<(), Fault> {
    draft.recipe.output.xmp_embed = value::flag(text)?;
    Ok(())
}

fn print_res(draft: &mut Draft, _: Place, text: &str) -> Result<(), Fault> {
    draft.recipe.output.print_res = Some(value::real(text, 1.0..=65_535.0, "between 1 and 65,535")?);
    Ok(())
}

fn req(_: &mut Draft, _: Place, text: &str) -> Result<(), Fault> {
    match text.trim().to_ascii_lowercase().as_str() {
        "img" => Ok(()),
        "mask" | "tmb" => {
            Err(Fault::later(format!("req={text} is not supported yet."), "Leave it away for a picture."))
        }
        other => Err(Fault::invalid(format!("An export writes a picture, and req={other} asks for something else."))),
    }
}
