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
use crate::render::pixels::Pixels;
use crate::render::plan::Decode;

/// Decodes a picture as planned: shrunk where the decoder can, upright, with alpha only where the header had it.
///
/// # Errors
/// `truncated`, `corrupt`, or `original-missing`; `internal` when the file is not the one that was planned.
pub fn decode(plan: &Decode, path: &Path) -> Result<Pixels, Failure> {
    let input = BufReader::with_capacity(64 << 10, File::open(path)?);
    let pixels = match plan.format {
        SourceFormat::Jpeg => jpeg::decode(input, plan.shrink)?,
        SourceFormat::Png => png::decode(input)?,
        SourceFormat::Tiff => tiff::decode(input)?,
        SourceFormat::Webp => webp(input)?,
        SourceFormat::Gif => gif::decode(input)?,
        SourceFormat::Bmp => through_image(BmpDecoder::new(input).map_err(image_failure)?)?,
    };
    let pixels = if plan.premultiplied { pixels.unassociate() } else { pixels };
    let pixels = if plan.alpha { pixels.with_alpha() } else { pixels.without_alpha() };
    let pixels = pixels.turn(plan.orientation)?;
    if pixels.size() != (plan.width, plan.height) {
        let (w, h) = pixels.size();
        let detail = format!("The header said {}x{}, the picture is {w}x{h}.", plan.width, plan.height);
        return Err(Failure::new(Code::Corrupt, detail));
    }
    Ok(pixels)
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
