//! AVIF. Encoding is in this file: planes of our own, AV1 by libaom, boxes by avif-serialize. Decoding: `tiles.rs` puts
//! the tiles of an image together, `frame.rs` turns an AV1 frame into pixels. docs/decisions/0031-avif.md has the
//! reasons.

mod frame;
mod tiles;

use std::io::Write;

use avif_serialize::Aviffy;
use avif_serialize::constants::{ColorPrimaries, MatrixCoefficients, TransferCharacteristics};
use offprint_modifiers::Compression;

use super::encode_error;
use super::libaom::{self, AomSettings, Plane};
use crate::error::RenderError;
use crate::pixels::Raster;
use crate::plan::EncodePlan;
use crate::rights::ImageRights;

pub(super) use tiles::decode_avif;

pub(super) fn encode_avif(encode: &EncodePlan, pixels: &Raster<u8>, out: &mut impl Write) -> Result<(), RenderError> {
    let (width, height) = pixels.size();
    let lossless = encode.compression == Compression::Lossless;
    let quantizer = if lossless { 0 } else { ((100 - u32::from(encode.quality)) * 63 + 50) / 100 };
    let (planes, matrix) = if lossless {
        ([1, 2, 0].map(|channel| extract_plane(pixels, channel)), MatrixCoefficients::Rgb)
    } else {
        (split_luma_and_chroma(pixels), MatrixCoefficients::Bt601)
    };
    let encode_failed = || encode_error("AVIF", "the encoder failed");
    let settings = AomSettings { quantizer, matrix: matrix as u32, lossless };
    let color = libaom::encode_av1(&planes, &settings).ok_or_else(encode_failed)?;
    let alpha = match pixels.has_alpha() {
        // Alpha has no colours, so its matrix is unspecified.
        true => Some(
            libaom::encode_av1(
                &[extract_plane(pixels, 3)],
                &AomSettings { matrix: MatrixCoefficients::Unspecified as u32, ..settings },
            )
            .ok_or_else(encode_failed)?,
        ),
        false => None,
    };
    let mut file = Aviffy::new();
    file.set_width(width).set_height(height).set_bit_depth(8);
    file.set_color_primaries(ColorPrimaries::Bt709).set_transfer_characteristics(TransferCharacteristics::Srgb);
    file.set_matrix_coefficients(matrix).set_full_color_range(true);
    file.set_chroma_subsampling((!lossless, !lossless)).set_seq_profile(u8::from(lossless));
    // avif-serialize can write EXIF but not XMP, so rights are written as EXIF.
    if let Some(exif) = encode.xmp.as_ref().and_then(|xmp| ImageRights::from_xmp(xmp).to_exif()) {
        file.set_exif(exif);
    }
    file.write_slice(&mut *out, &color, alpha.as_deref())?;
    Ok(())
}

fn extract_plane(pixels: &Raster<u8>, channel: usize) -> Plane {
    let (width, height) = pixels.size();
    let data = pixels.pixels().map(|pixel| pixel[channel]).collect();
    Plane { width: width as usize, height: height as usize, data }
}

/// Luma of each pixel, and chroma averaged over 2x2 pixels (4:2:0), with the coefficients of BT.601 in full range, as
/// JPEG has them. Fixed-point arithmetic with 16 bits behind the point.
fn split_luma_and_chroma(pixels: &Raster<u8>) -> [Plane; 3] {
    let (width, height) = (pixels.size().0 as usize, pixels.size().1 as usize);
    let channels = pixels.channels();
    let weigh = |pixel: &[u8], weights: [i32; 3]| -> i32 {
        pixel.iter().zip(weights).map(|(value, weight)| i32::from(*value) * weight).sum()
    };
    let luma = pixels.pixels().map(|pixel| ((weigh(pixel, [19_595, 38_470, 7_471]) + 32_768) >> 16) as u8).collect();
    let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
    let mut blue = Vec::with_capacity(half_width * half_height);
    let mut red = Vec::with_capacity(half_width * half_height);
    for y in 0..half_height {
        for x in 0..half_width {
            let (mut b, mut r) = (0, 0);
            // At an odd edge the last column or row counts twice.
            for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                let (column, row) = ((2 * x + dx).min(width - 1), (2 * y + dy).min(height - 1));
                let pixel = &pixels.data()[(row * width + column) * channels..][..3];
                b += weigh(pixel, [-11_058, -21_710, 32_768]);
                r += weigh(pixel, [32_768, -27_439, -5_329]);
            }
            let average = |sum: i32| ((sum / 4 + 32_768 + (128 << 16)) >> 16).clamp(0, 255) as u8;
            blue.push(average(b));
            red.push(average(r));
        }
    }
    let half = |data| Plane { width: half_width, height: half_height, data };
    [Plane { width, height, data: luma }, half(blue), half(red)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use offprint_modifiers::PixelType;

    #[test]
    fn planes_follow_the_weights_of_bt_601() {
        // Red, green, blue and white, and a column of gray beside them.
        let data = [255, 0, 0, 0, 255, 0, 90, 90, 90, 0, 0, 255, 255, 255, 255, 90, 90, 90];
        let [luma, blue, red] = split_luma_and_chroma(&Raster::new(3, 2, PixelType::Rgb, false, data.to_vec()));
        assert_eq!(luma.data, [76, 150, 90, 29, 255, 90]);
        // 128 and the mean of -43, -85, 128 and 0; of 128, -107, -21 and 0.
        assert_eq!((blue.width, blue.height, blue.data), (2, 1, vec![128, 128]));
        assert_eq!(red.data, [128, 128]);
    }
}
