//! Files to pixels. Strict: what ends early or is damaged fails, bytes after the end do not matter.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::Path;

use image::codecs::bmp::BmpDecoder;
use image::codecs::webp::WebPDecoder;
use image::{DynamicImage, ImageDecoder};

use super::{gif, jpeg, png, tiff};
use crate::code::Code;
use crate::render::failure::Failure;
use crate::render::header::{SourceFormat, image_failure};
use crate::render::pixels::{Pixels, Raster, Sample};
use crate::render::plan::Decode;

/// Decodes a picture as planned: shrunk where the decoder can, upright, in the components and the depth that the header
/// had; more than eight bits are sixteen.
///
/// # Errors
/// `truncated`, `corrupt`, or `original-missing`; `internal` when the file is not the one that was planned.
pub fn decode(plan: &Decode, path: &Path) -> Result<Pixels, Failure> {
    let input = BufReader::with_capacity(64 << 10, File::open(path)?);
    let pixels = match plan.format {
        SourceFormat::Jpeg => jpeg::decode(input, plan.color, plan.shrink)?,
        SourceFormat::Png => png::decode(input)?,
        SourceFormat::Tiff => tiff::decode(input, plan.color, plan.alpha)?,
        SourceFormat::Webp => webp(input)?,
        SourceFormat::Gif => gif::decode(input)?,
        SourceFormat::Bmp => through_image(BmpDecoder::new(input).map_err(image_failure)?)?,
    };
    let pixels = match pixels {
        Pixels::Eight(raster) => Pixels::Eight(as_stored(plan, raster)),
        Pixels::Sixteen(raster) => Pixels::Sixteen(as_stored(plan, raster)),
    };
    let pixels = pixels.shaped(plan.color, plan.alpha, plan.bits);
    if pixels.size() != (plan.width, plan.height) {
        let (w, h) = pixels.size();
        let detail = format!("The header said {}x{}, the picture is {w}x{h}.", plan.width, plan.height);
        return Err(Failure::new(Code::Corrupt, detail));
    }
    Ok(pixels)
}

/// Undoes how the file stores its pixels.
fn as_stored<S: Sample>(plan: &Decode, raster: Raster<S>) -> Raster<S> {
    let raster = if plan.premultiplied { raster.unassociate() } else { raster };
    let raster = if plan.inverted { raster.invert() } else { raster };
    raster.turn(plan.orientation)
}

/// Pixels of a decoder of the image crate.
pub(super) fn through_image(decoder: impl ImageDecoder) -> Result<Pixels, Failure> {
    let picture = DynamicImage::from_decoder(decoder).map_err(image_failure)?;
    Ok(Pixels::from_image(picture))
}

/// The decoder is content with what there is; the container says how long it should be.
fn webp(mut input: impl BufRead + Seek) -> Result<Pixels, Failure> {
    let mut start = [0; 8];
    input.read_exact(&mut start)?;
    let said = u64::from(u32::from_le_bytes([start[4], start[5], start[6], start[7]])) + 8;
    if input.seek(SeekFrom::End(0))? < said {
        return Err(Failure::new(Code::Truncated, "The WebP is shorter than it says."));
    }
    input.rewind()?;
    through_image(WebPDecoder::new(input).map_err(image_failure)?)
}
