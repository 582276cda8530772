//! EPS, output only: uncompressed binary pixels, sized by the resolution. Sources: PostScript Language Reference,
//! Encapsulated PostScript File Format Specification 3.0.

use std::io::Write;

use offprint_modifiers::PixelType;

use super::photoshop_paths;
use crate::error::RenderError;
use crate::pixels::Raster;
use crate::plan::EncodePlan;

pub(super) fn encode_eps(
    encode: &EncodePlan,
    pixels: &Raster<u8>,
    profile: Option<&[u8]>,
    out: &mut impl Write,
) -> Result<(), RenderError> {
    let (width, height) = pixels.size();
    let points = |side: u32| f64::from(side) * 72.0 / encode.dpi;
    let (w, h) = (points(width), points(height));
    let (space, decode) = match pixels.pixel_type() {
        PixelType::Gray => ("DeviceGray", "0 1"),
        PixelType::Rgb => ("DeviceRGB", "0 1 0 1 0 1"),
        PixelType::Cmyk => ("DeviceCMYK", "0 1 0 1 0 1 0 1"),
    };
    let data = pixels.data();
    write!(
        out,
        "%!PS-Adobe-3.0 EPSF-3.0\n%%Creator: Offprint\n%%BoundingBox: 0 0 {} {}\n%%HiResBoundingBox: 0 0 {w:.4} {h:.4}\n\
         %%LanguageLevel: 2\n%%DocumentData: Binary\n%%Pages: 1\n%%EndComments\n%%Page: 1 1\n",
        w.ceil(),
        h.ceil()
    )?;
    photoshop_paths::write_comment(&encode.paths, out)?;
    if let Some(profile) = profile {
        write_profile(profile, out)?;
    }
    write!(
        out,
        "gsave\n{w:.4} {h:.4} scale\n/{space} setcolorspace\n<< /ImageType 1 /Width {width} /Height {height}\n\
         /BitsPerComponent 8 /Decode [{decode}]\n/ImageMatrix [{width} 0 0 -{height} 0 {height}]\n\
         /DataSource currentfile >>\n%%BeginBinary: {}\nimage\n",
        data.len() + "image\n".len()
    )?;
    out.write_all(data)?;
    Ok(out.write_all(b"\n%%EndBinary\ngrestore\nshowpage\n%%EOF\n")?)
}

/// PostScript has no ICC profiles. Programs that use them read these comments, which Photoshop writes.
fn write_profile(profile: &[u8], out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "%%BeginICCProfile: (Photoshop Profile) -1 Hex")?;
    for line in profile.chunks(32) {
        writeln!(out, "%{}", hex::encode_upper(line))?;
    }
    writeln!(out, "%%EndICCProfile")
}
