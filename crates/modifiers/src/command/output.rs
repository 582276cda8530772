//! Commands that say how the picture is written.

use super::super::complaint::Fault;
use super::super::recipe::{Palette, Quantize, Request};
use super::super::{attribute, format, value};
use super::{Command, Draft, Place, Scope, Support};

const fn row(name: &'static str, syntax: &'static str, page: &'static str) -> Command {
    Command { support: Support::Now, ..Command::row(name, syntax, Scope::Global, page) }
}

pub(super) const COMMANDS: &[Command] = &[
    Command {
        range: "jpeg, pjpeg, png, png-alpha, png8, png8-alpha, gif, gif-alpha, tif (none, lzw, zip, jpeg), tif-alpha \
                (none, lzw, zip), webp, webp-alpha, avif, avif-alpha, jpeg2000, jpeg2000-alpha (lossy, lossless), \
                pdf (none, zip, jpeg), eps; rgb; gray where the format has it; cmyk for jpeg, pjpeg, tif, pdf and eps",
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
        help: "Quality where something is lost: JPEG, also inside TIFF and PDF, WebP, AVIF and JPEG 2000; with 1 JPEG \
               keeps colour at full resolution.",
        accepts: "qlt=85,1",
        refuses: "qlt=750",
        meaning: Some(qlt),
        ..row("qlt", "qlt=quality[,chroma]", "r-is-http-qlt")
    },
    Command {
        range: "whole number from 0 to 4,000,000; 0 is no limit",
        default: "0",
        help: "Most kilobytes (of 1024 bytes) that a JPEG may have: quality is lowered until it fits, and the picture \
               fails when it never does. Other formats pass it over.",
        accepts: "fmt=jpeg&jpegSize=50",
        refuses: "jpegSize=-1",
        meaning: Some(jpeg_size),
        ..row("jpegSize", "jpegSize=kilobytes", "r-jpegsize")
    },
    Command {
        range: "auto, 3, 4 or 5",
        default: "auto",
        help: "In how many passes each component of a progressive JPEG comes. Other formats pass it over.",
        accepts: "fmt=pjpeg&pscan=4",
        refuses: "pscan=6",
        meaning: Some(pscan),
        ..row("pscan", "pscan=auto|3|4|5", "r-pscan")
    },
    Command {
        range: "adaptive, web or mac (not with alpha); diffuse or off; 2 to 256 colours; forced colours RRGGBB",
        default: "adaptive,diffuse,256",
        help: "How colours become a palette in GIF and PNG8; forced colours count towards the number. Other formats \
               pass it over.",
        accepts: "fmt=gif&quantize=adaptive,off,16,ffffff",
        refuses: "quantize=adaptive,off,300",
        meaning: Some(quantize),
        ..row("quantize", "quantize=palette[,dither[,colours[,colour…]]]", "r-is-http-quantize")
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
        help: "Keeps the paths that are embedded in the source, where they are in the result: JPEG, TIFF and EPS. Open \
               paths are left out. Other formats pass it over.",
        accepts: "fmt=tif&pathEmbed=1",
        refuses: "pathEmbed=yes",
        meaning: Some(path_embed),
        ..row("pathEmbed", "pathEmbed=0|1", "r-pathembed")
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
        range: "img, mask or tmb; other requests give no picture",
        default: "img",
        help: "The picture, its mask in gray, or a thumbnail of one size for all. An export is a picture.",
        accepts: "req=img",
        refuses: "req=props",
        meaning: Some(req),
        ..row("req", "req=img|mask|tmb", "r-req")
    },
];

fn fmt(draft: &mut Draft, _: Place, text: &str) -> Result<(), Fault> {
    draft.typed = value::parts(text).get(1).is_some_and(|pixel_type| !pixel_type.is_empty());
    draft.pixel_types = format::read(&mut draft.recipe.output, text)?;
    Ok(())
}

fn qlt(draft: &mut Draft, _: Place, text: &str) -> Result<(), Fault> {
    let (quality, full_chroma) = attribute::quality(text)?;
    draft.recipe.output.quality = quality;
    draft.recipe.output.full_chroma = full_chroma;
    Ok(())
}

fn jpeg_size(draft: &mut Draft, _: Place, text: &str) -> Result<(), Fault> {
    let kilobytes = value::whole(text, 0..=4_000_000, "between 0 and 4,000,000")?;
    draft.recipe.output.jpeg_size = (kilobytes > 0).then_some(kilobytes.unsigned_abs());
    Ok(())
}

fn pscan(draft: &mut Draft, _: Place, text: &str) -> Result<(), Fault> {
    draft.recipe.output.scans = value::word(text, &[("auto", None), ("3", Some(3)), ("4", Some(4)), ("5", Some(5))])?;
    Ok(())
}

fn quantize(draft: &mut Draft, _: Place, text: &str) -> Result<(), Fault> {
    let parts = value::parts(text);
    let mut read = Quantize::default();
    let palettes = [("adaptive", Palette::Adaptive), ("web", Palette::Web), ("mac", Palette::Mac)];
    read.palette = value::word(parts[0], &palettes)?;
    if let Some(dither) = parts.get(1) {
        read.diffuse = value::word(dither, &[("diffuse", true), ("off", false)])?;
    }
    if let Some(colors) = parts.get(2) {
        read.colors = value::whole(colors, 2..=256, "between 2 and 256 colours")? as u16;
    }
    for forced in parts.iter().skip(3) {
        read.forced.push(six_digits(forced)?);
    }
    if read.forced.len() > usize::from(read.colors) {
        let detail = format!("{} colours are forced into a palette of {}.", read.forced.len(), read.colors);
        return Err(Fault::invalid(detail));
    }
    draft.quantize = Some(read);
    Ok(())
}

/// Forced colours have this form only.
fn six_digits(text: &str) -> Result<[u8; 3], Fault> {
    let plain = text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = u32::from_str_radix(text, 16).ok().filter(|_| plain);
    let [_, r, g, b] = number.ok_or_else(|| Fault::invalid(format!("`{text}` is not RRGGBB.")))?.to_be_bytes();
    Ok([r, g, b])
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

fn path_embed(draft: &mut Draft, _: Place, text: &str) -> Result<(), Fault> {
    draft.recipe.output.path_embed = value::flag(text)?;
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

fn req(draft: &mut Draft, _: Place, text: &str) -> Result<(), Fault> {
    draft.recipe.view.request = match text.trim().to_ascii_lowercase().as_str() {
        "img" => Request::Picture,
        "mask" => Request::Mask,
        "tmb" => Request::Thumbnail(draft.attributes.thumbnail),
        other => {
            let detail = format!("An export writes a picture, and req={other} asks for something else.");
            return Err(Fault::invalid(detail));
        }
    };
    Ok(())
}
