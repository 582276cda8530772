//! AVIF. Encoding is in this file: planes of our own (`planes.rs`, `hidden_colors.rs`), AV1 by libaom, boxes by
//! avif-serialize. Decoding: `tiles.rs` puts the tiles of an image together, `frame.rs` turns an AV1 frame into pixels.
//! docs/decisions/0031-avif.md has the reasons.

mod frame;
mod hidden_colors;
mod planes;
mod tiles;

use std::io::Write;

use avif_serialize::Aviffy;
use avif_serialize::constants::{ColorPrimaries, MatrixCoefficients, TransferCharacteristics};
use offprint_modifiers::Compression;

use super::encode_error;
use super::libaom::{self, AomSettings};
use crate::error::RenderError;
use crate::pixels::Raster;
use crate::plan::EncodePlan;
use crate::rights::ImageRights;

use self::hidden_colors::fill_hidden_colors;
use self::planes::{extract_plane, split_luma_and_chroma};

pub(super) use tiles::decode_avif;

/// Effort of the encoder, from 0, the most, to 9.
const COLOR_SPEED: u8 = 9;

/// Without the tools that the fastest setting leaves out, the edges of alpha take twice the bytes and are less exact. It
/// costs about as much as the colours do.
const ALPHA_SPEED: u8 = 6;

pub(super) fn encode_avif(encode: &EncodePlan, pixels: &Raster<u8>, out: &mut impl Write) -> Result<(), RenderError> {
    let (width, height) = pixels.size();
    let lossless = encode.compression == Compression::Lossless;
    let quantizer = if lossless { 0 } else { ((100 - u32::from(encode.quality)) * 63 + 50) / 100 };
    let (planes, matrix) = if lossless {
        ([1, 2, 0].map(|channel| extract_plane(pixels, channel)), MatrixCoefficients::Rgb)
    } else {
        (split_luma_and_chroma(&fill_hidden_colors(pixels)), MatrixCoefficients::Bt601)
    };
    let encode_failed = || encode_error("AVIF", "the encoder failed");
    let settings = AomSettings { quantizer, matrix: matrix as u32, lossless, speed: COLOR_SPEED };
    let color = libaom::encode_av1(&planes, &settings).ok_or_else(encode_failed)?;
    let alpha = match pixels.has_alpha() {
        // Alpha has no colours, so its matrix is unspecified.
        true => Some(
            libaom::encode_av1(
                &[extract_plane(pixels, 3)],
                &AomSettings {
                    matrix: MatrixCoefficients::Unspecified as u32,
                    speed: if lossless { COLOR_SPEED } else { ALPHA_SPEED },
                    ..settings
                },
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
