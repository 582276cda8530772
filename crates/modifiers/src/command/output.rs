//! Commands of the output file: format, quality, palette, colour profile, metadata.

use super::super::diagnostic::ValueError;
use super::super::recipe::{Palette, Quantize, RequestKind};
use super::super::{attribute, format, value};
use super::{CommandSpec, CommandTarget, RecipeBuilder, Scope, Support};

const fn define_command(name: &'static str, syntax: &'static str, page: &'static str) -> CommandSpec {
    CommandSpec { support: Support::Now, ..CommandSpec::new(name, syntax, Scope::Global, page) }
}

pub(super) const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        range: "jpeg, pjpeg, png, png-alpha, png8, png8-alpha, gif, gif-alpha, tif (none, lzw, zip, jpeg), tif-alpha \
                (none, lzw, zip), webp, webp-alpha, avif, avif-alpha, jpeg2000, jpeg2000-alpha (lossy, lossless), \
                pdf (none, zip, jpeg), eps; rgb; gray where the format has it; cmyk for jpeg, pjpeg, tif, pdf and eps",
        default: "jpeg,rgb,none",
        help: "File format, pixel type and compression. jpg, pjpg, web and tiff are jpeg, pjpeg, webp and tif.",
        accepts: "fmt=tif,gray,lzw",
        refuses: "fmt=png,cmyk",
        setter: Some(set_format),
        ..define_command("fmt", "fmt=format[,[pixelType][,compression]]", "r-is-http-fmt")
    },
    CommandSpec {
        range: "quality 1 to 100; chroma 0 or 1",
        default: "attribute JpegQuality",
        help: "Quality of lossy compression: JPEG (also inside TIFF and PDF), WebP, AVIF and JPEG 2000. With chroma 1, \
               JPEG keeps colour at full resolution.",
        accepts: "qlt=85,1",
        refuses: "qlt=750",
        setter: Some(set_quality),
        ..define_command("qlt", "qlt=quality[,chroma]", "r-is-http-qlt")
    },
    CommandSpec {
        range: "whole number from 0 to 4,000,000; 0 is no limit",
        default: "0",
        help: "Maximum size of a JPEG in kilobytes of 1024 bytes: the quality is lowered until the file fits, and the \
               item fails if it never does. Other formats ignore it.",
        accepts: "fmt=jpeg&jpegSize=50",
        refuses: "jpegSize=-1",
        setter: Some(set_jpeg_size),
        ..define_command("jpegSize", "jpegSize=kilobytes", "r-jpegsize")
    },
    CommandSpec {
        range: "auto, 3, 4 or 5",
        default: "auto",
        help: "Number of passes for each component of a progressive JPEG. Other formats ignore it.",
        accepts: "fmt=pjpeg&pscan=4",
        refuses: "pscan=6",
        setter: Some(set_scans),
        ..define_command("pscan", "pscan=auto|3|4|5", "r-pscan")
    },
    CommandSpec {
        range: "adaptive, web or mac (not with alpha); diffuse or off; 2 to 256 colours; forced colours RRGGBB",
        default: "adaptive,diffuse,256",
        help: "How colours are reduced to a palette in GIF and PNG8; forced colours count towards the number. Other \
               formats ignore it.",
        accepts: "fmt=gif&quantize=adaptive,off,16,ffffff",
        refuses: "quantize=adaptive,off,300",
        setter: Some(set_quantize),
        ..define_command("quantize", "quantize=palette[,dither[,colours[,colour…]]]", "r-is-http-quantize")
    },
    CommandSpec {
        range: "short name, Photoshop name or file name of a profile; perceptual, relative, saturation or absolute; bpc 0 or 1; \
                dither 0 or 1",
        default: "attributes IccProfileRgb, IccProfileGray, IccProfileCmyk; IccRenderIntent; \
                  IccBlackPointCompensation; IccDither",
        help: "Output profile, which also sets the pixel type; rendering intent; black point compensation; dithering.",
        accepts: "icc=sRGB,perceptual,1,0",
        refuses: "icc=NoSuchProfile",
        setter: Some(set_icc),
        ..define_command("icc", "icc=profile[,intent[,bpc[,dither]]]", "r-icc")
    },
    CommandSpec {
        range: "0 or 1, or false or true",
        default: "0",
        help: "Embeds the output profile, if there is one and the format can carry it.",
        accepts: "iccEmbed=1",
        refuses: "iccEmbed=yes",
        setter: Some(set_icc_embed),
        ..define_command("iccEmbed", "iccEmbed=0|1", "r-iccembed")
    },
    CommandSpec {
        range: "0 or 1, or false or true",
        default: "0",
        help: "Embeds the source's paths, moved to their position in the result: JPEG, TIFF and EPS. Open paths are \
               left out. Other formats ignore it.",
        accepts: "fmt=tif&pathEmbed=1",
        refuses: "pathEmbed=yes",
        setter: Some(set_path_embed),
        ..define_command("pathEmbed", "pathEmbed=0|1", "r-pathembed")
    },
    CommandSpec {
        range: "0 or 1, or false or true",
        default: "0",
        help: "Copies the source's XMP unchanged, if it has any and the format is JPEG or TIFF.",
        accepts: "xmpEmbed=1",
        refuses: "xmpEmbed=yes",
        setter: Some(set_xmp_embed),
        ..define_command("xmpEmbed", "xmpEmbed=0|1", "r-xmpembed")
    },
    CommandSpec {
        range: "number from 1 to 65,535",
        default: "the source's resolution, else attribute PrintResolution",
        help: "Print resolution in dots per inch, written into the file; pixels do not change.",
        accepts: "printRes=300",
        refuses: "printRes=0",
        setter: Some(set_print_res),
        ..define_command("printRes", "printRes=dpi", "r-printres")
    },
    CommandSpec {
        range: "img, mask or tmb; other requests do not produce an image",
        default: "img",
        help: "What is exported: the image, its mask in gray, or a thumbnail.",
        accepts: "req=img",
        refuses: "req=props",
        setter: Some(set_request),
        ..define_command("req", "req=img|mask|tmb", "r-req")
    },
];

fn set_format(draft: &mut RecipeBuilder<'_>, _: CommandTarget, text: &str) -> Result<(), ValueError> {
    draft.has_pixel_type = value::split_parts(text).get(1).is_some_and(|pixel_type| !pixel_type.is_empty());
    draft.pixel_types = format::parse_format(&mut draft.recipe.output, text)?;
    Ok(())
}

fn set_quality(draft: &mut RecipeBuilder<'_>, _: CommandTarget, text: &str) -> Result<(), ValueError> {
    let (quality, full_chroma) = attribute::parse_quality(text)?;
    draft.recipe.output.quality = quality;
    draft.recipe.output.full_chroma = full_chroma;
    Ok(())
}

fn set_jpeg_size(draft: &mut RecipeBuilder<'_>, _: CommandTarget, text: &str) -> Result<(), ValueError> {
    let kilobytes = value::parse_integer(text, 0..=4_000_000, "between 0 and 4,000,000")?;
    draft.recipe.output.jpeg_size = (kilobytes > 0).then_some(kilobytes.unsigned_abs());
    Ok(())
}

fn set_scans(draft: &mut RecipeBuilder<'_>, _: CommandTarget, text: &str) -> Result<(), ValueError> {
    draft.recipe.output.scans =
        value::parse_keyword(text, &[("auto", None), ("3", Some(3)), ("4", Some(4)), ("5", Some(5))])?;
    Ok(())
}

fn set_quantize(draft: &mut RecipeBuilder<'_>, _: CommandTarget, text: &str) -> Result<(), ValueError> {
    let parts = value::split_parts(text);
    let mut quantize = Quantize::default();
    let palettes = [("adaptive", Palette::Adaptive), ("web", Palette::Web), ("mac", Palette::Mac)];
    quantize.palette = value::parse_keyword(parts[0], &palettes)?;
    if let Some(dither) = parts.get(1) {
        quantize.diffuse = value::parse_keyword(dither, &[("diffuse", true), ("off", false)])?;
    }
    if let Some(colors) = parts.get(2) {
        quantize.colors = value::parse_integer(colors, 2..=256, "between 2 and 256 colours")? as u16;
    }
    for forced in parts.iter().skip(3) {
        quantize.forced.push(parse_hex_color(forced)?);
    }
    if quantize.forced.len() > usize::from(quantize.colors) {
        let detail =
            format!("{} forced colours do not fit into a palette of {}.", quantize.forced.len(), quantize.colors);
        return Err(ValueError::invalid(detail));
    }
    draft.quantize = Some(quantize);
    Ok(())
}

/// Forced colours of `quantize=` have only the form RRGGBB; other commands accept more. Documentation page:
/// r-is-http-quantize.
fn parse_hex_color(text: &str) -> Result<[u8; 3], ValueError> {
    let plain = text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = u32::from_str_radix(text, 16).ok().filter(|_| plain);
    let number = number.ok_or_else(|| ValueError::invalid(format!("`{text}` is not a colour in the form RRGGBB.")))?;
    let [_, r, g, b] = number.to_be_bytes();
    Ok([r, g, b])
}

fn set_icc(draft: &mut RecipeBuilder<'_>, _: CommandTarget, text: &str) -> Result<(), ValueError> {
    let parts = value::split_parts(text);
    if parts.len() > 4 {
        return Err(ValueError::invalid("The value has more than four parts."));
    }
    let part = |at: usize| parts.get(at).copied().filter(|part| !part.is_empty());
    let (profile, remark) = draft.attributes.profiles.find_or_replace(parts[0])?;
    (draft.profile, draft.remark) = (Some(profile), remark);
    let colors = &mut draft.recipe.colors;
    if let Some(intent) = part(1) {
        colors.intent = value::parse_keyword(intent, &attribute::INTENTS)?;
    }
    if let Some(flag) = part(2) {
        colors.black_point = value::parse_flag(flag)?;
    }
    if let Some(flag) = part(3) {
        colors.dither = value::parse_flag(flag)?;
    }
    Ok(())
}

fn set_icc_embed(draft: &mut RecipeBuilder<'_>, _: CommandTarget, text: &str) -> Result<(), ValueError> {
    draft.recipe.output.icc_embed = value::parse_embedding(text)?;
    Ok(())
}

fn set_path_embed(draft: &mut RecipeBuilder<'_>, _: CommandTarget, text: &str) -> Result<(), ValueError> {
    draft.recipe.output.path_embed = value::parse_embedding(text)?;
    Ok(())
}

fn set_xmp_embed(draft: &mut RecipeBuilder<'_>, _: CommandTarget, text: &str) -> Result<(), ValueError> {
    draft.recipe.output.xmp_embed = value::parse_embedding(text)?;
    Ok(())
}

fn set_print_res(draft: &mut RecipeBuilder<'_>, _: CommandTarget, text: &str) -> Result<(), ValueError> {
    draft.recipe.output.print_res = Some(value::parse_real(text, 1.0..=65_535.0, "between 1 and 65,535")?);
    Ok(())
}

fn set_request(draft: &mut RecipeBuilder<'_>, _: CommandTarget, text: &str) -> Result<(), ValueError> {
    draft.recipe.view.request = match text.trim().to_ascii_lowercase().as_str() {
        "img" => RequestKind::Picture,
        "mask" => RequestKind::Mask,
        "tmb" => RequestKind::Thumbnail(draft.attributes.thumbnail),
        other => {
            let detail = format!("`req={other}` does not produce an image.");
            return Err(ValueError::invalid(detail));
        }
    };
    Ok(())
}
