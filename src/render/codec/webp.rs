//! WebP through libwebp, which alone writes it with loss.

use std::io::Write;

use webp::{Encoder, WebPConfig};

use super::failed;
use crate::language::Compression;
use crate::render::failure::Failure;
use crate::render::pixels::Raster;
use crate::render::plan::Encode;

/// Longest side that the format can say.
const MOST: u32 = 16_383;

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
    Ok(out.write_all(&file)?)
}
