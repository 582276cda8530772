//! WebP through libwebp, which alone writes it with loss and reads it three times as fast.

use std::io::{BufRead, Read, Seek, SeekFrom, Write};

use image::codecs::webp::WebPDecoder;
use webp::{BitstreamFeatures, Decoder, Encoder, WebPConfig};

use super::decode::{Rows, through_image};
use super::failed;
use offprint_core::Code;
use offprint_modifiers::{Compression, PixelType};
use crate::failure::Failure;
use crate::header::image_failure;
use crate::pixels::Raster;
use crate::plan::Encode;

/// Longest side that the format can say.
const MOST: u32 = 16_383;

/// About how many bytes of rows are handed over at a time.
const BAND: usize = 64 << 10;

/// Decodes, of an animation the first frame.
pub(super) fn decode(mut input: impl BufRead + Seek, rows: &mut Rows<'_>) -> Result<(), Failure> {
    let mut start = [0; 8];
    input.read_exact(&mut start)?;
    // The decoders are content with what there is; the container says how long it should be.
    let said = u64::from(u32::from_le_bytes([start[4], start[5], start[6], start[7]])) + 8;
    let whole = input.seek(SeekFrom::End(0))? >= said;
    let truncated = || Failure::truncated("The WebP is shorter than it says.");
    if !whole && !rows.accepts_damage() {
        return Err(truncated());
    }
    input.rewind()?;
    let mut file = Vec::new();
    input.by_ref().take(said).read_to_end(&mut file)?;
    let features = BitstreamFeatures::new(&file).ok_or_else(damaged)?;
    if features.has_animation() {
        input.rewind()?;
        rows.take(through_image(WebPDecoder::new(input).map_err(image_failure)?)?)?;
    } else {
        let picture = Decoder::new(&file).decode().ok_or_else(damaged)?;
        let (width, alpha) = (picture.width(), picture.is_alpha());
        let stride = width as usize * if alpha { 4 } else { 3 };
        for band in picture.chunks((BAND / stride).max(1) * stride) {
            let height = (band.len() / stride) as u32;
            rows.take(Raster::<u8>::new(width, height, PixelType::Rgb, alpha, band.to_vec()))?;
        }
    }
    if whole { Ok(()) } else { Err(truncated()) }
}

fn damaged() -> Failure {
    Failure::new(Code::Corrupt, "The WebP is damaged.")
}

pub(super) fn encode(encode: &Encode, pixels: &Raster<u8>, out: &mut impl Write) -> Result<(), Failure> {
    let (width, height) = pixels.size();
    if width > MOST || height > MOST {
        return Err(failed("WebP", format!("a side is longer than {MOST} pixels")));
    }
    let encoder = match pixels.channels() {
        4 => Encoder::from_rgba(pixels.data(), width, height),
        _ => Encoder::from_rgb(pixels.data(), width, height),
    };
    let mut config = WebPConfig::new().map_err(|()| failed("WebP", "the encoder refuses its own settings"))?;
    config.quality = f32::from(encode.quality);
    config.method = 4;
    if encode.compression == Compression::Lossless {
        config.lossless = 1;
        // The library's effort for lossless; colours under full transparency are kept.
        config.quality = 75.0;
        config.exact = 1;
    }
    let file = encoder.encode_advanced(&config).map_err(|error| failed("WebP", format!("{error:?}")))?;
    match &encode.xmp {
        Some(xmp) => Ok(out.write_all(&with_xmp(&file, xmp, (width, height), pixels.has_alpha()))?),
        None => Ok(out.write_all(&file)?),
    }
}

/// The file with XMP behind its picture. What else there is than a picture must be announced before it. Source: WebP
/// Container Specification, section "Extended File Format".
fn with_xmp(file: &[u8], xmp: &[u8], (width, height): (u32, u32), alpha: bool) -> Vec<u8> {
    const ALPHA: u8 = 0x10;
    const XMP: u8 = 0x04;
    let mut chunks = file[12..].to_vec();
    if chunks.starts_with(b"VP8X") {
        chunks[8] |= XMP;
    } else {
        let flags = u32::from(if alpha { ALPHA | XMP } else { XMP });
        let [wide, high] = [width - 1, height - 1].map(u32::to_le_bytes);
        let head = [&b"VP8X\x0A\0\0\0"[..], &flags.to_le_bytes(), &wide[..3], &high[..3]].concat();
        chunks.splice(..0, head);
    }
    chunks.extend(b"XMP ");
    chunks.extend((xmp.len() as u32).to_le_bytes());
    chunks.extend(xmp);
    if xmp.len() % 2 == 1 {
        chunks.push(0);
    }
    [b"RIFF", &(chunks.len() as u32 + 4).to_le_bytes()[..], b"WEBP", &chunks].concat()
}
