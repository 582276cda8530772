//! BMP by the image crate.

use std::io::{BufRead, Seek};

use image::codecs::bmp::BmpDecoder;

use super::decode::{DecodeOutput, decode_with_image_crate};
use crate::error::RenderError;
use crate::header::bmp::BmpFile;
use crate::header::map_image_error;
use crate::pixels::{Pixels, Raster};

pub(super) fn decode_bmp(input: impl BufRead + Seek, rows: &mut DecodeOutput<'_>) -> Result<(), RenderError> {
    let decoder = BmpDecoder::new(BmpFile::open(input)?).map_err(map_image_error)?;
    match decode_with_image_crate(decoder)? {
        Pixels::Eight(raster) if is_clear_everywhere(&raster) => rows.push(raster.without_alpha().with_alpha()),
        pixels => rows.push(pixels),
    }
}

/// Whether all alpha is 0. Then the program that wrote the file had no alpha: nobody stores an image that cannot be seen.
fn is_clear_everywhere(raster: &Raster<u8>) -> bool {
    raster.has_alpha() && raster.pixels().all(|pixel| pixel.last() == Some(&0))
}
