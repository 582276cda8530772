//! JPEG by mozjpeg with the fast settings of libjpeg-turbo: it can shrink while it decodes, and writes progressive
//! files, chroma subsampling, density and profiles. docs/decisions/0001-codecs.md has the reasons.
//!
//! The codec is C and reports errors by unwinding, so every call is guarded by `catch_unwind`. A decoder that meets
//! damage goes on with guessed data and only emits a warning; `libjpeg.rs` tells which warnings mean that.

mod encoder;
mod scan_progress;
mod structure;

use std::io::{BufRead, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use mozjpeg::{ColorSpace, Decompress};
use offprint_core::Code;
use offprint_modifiers::PixelType;

use self::structure::JpegStructure;
use super::decode::DecodeOutput;
use super::libjpeg::{DecoderPanic, get_damage_count, new_error_manager, reset_damage_count};
use crate::error::RenderError;
use crate::pixels::Raster;

pub(crate) use encoder::has_few_pixels_for_jpeg;
pub(super) use encoder::{encode_bare_jpeg, encode_jpeg, encode_jpeg_rows};

/// Approximate size of a band of rows, in bytes.
const BAND_BYTES: usize = 64 << 10;

/// The end marker of a JPEG.
const END_MARKER: &[u8] = &[0xFF, 0xD9];

/// The start marker of a JPEG.
const START_MARKER: &[u8] = &[0xFF, 0xD8];

/// The start marker, and the marker of Adobe that says that four components are YCCK.
const YCCK_START: &[u8] = b"\xFF\xD8\xFF\xEE\0\x0EAdobe\0\x64\0\0\0\0\x02";

/// Decodes, shrunk as planned. A decoder that reaches the end too early goes on with gray, so a truncated image still
/// has all its rows.
pub(super) fn decode_jpeg(mut input: impl BufRead + Seek, rows: &mut DecodeOutput<'_>) -> Result<(), RenderError> {
    let structure = JpegStructure::read(&mut input)?;
    let damaged = |detail: &str| {
        if structure.has_end_marker {
            RenderError::new(Code::Corrupt, format!("The JPEG is damaged: {detail}."))
        } else {
            RenderError::for_truncated_file("The JPEG ends before its image data does.")
        }
    };
    input.seek(SeekFrom::Start(START_MARKER.len() as u64))?;
    let start = if structure.is_unmarked_ycck { YCCK_START } else { START_MARKER };
    // With an end marker of ours, the decoder notices only a lack of data that pixels need.
    let added_end = if structure.has_end_marker { &[] } else { END_MARKER };
    let input = start.chain(input.take(structure.end - START_MARKER.len() as u64)).chain(added_end);
    // The codec reports damage by unwinding.
    let decoded = catch_unwind(AssertUnwindSafe(|| read_rows(input, rows)));
    match decoded {
        Ok(Ok(damage_count)) if damage_count > 0 => Err(damaged("its data cannot be decoded")),
        Ok(Ok(_)) if !structure.is_complete() => Err(damaged("a part of its data is missing")),
        Ok(Ok(_)) => {
            if !structure.has_end_marker {
                rows.report_irregularity("The JPEG has no end marker.");
            }
            Ok(())
        }
        Ok(Err(ReadError::File(error))) => Err(damaged(&error.to_string())),
        Ok(Err(ReadError::Output(failure))) => Err(failure),
        Err(payload) if payload.is::<DecoderPanic>() => Err(damaged("its structure is inconsistent")),
        Err(panic) => resume_unwind(panic),
    }
}

/// Why rows could not be read to the end.
enum ReadError {
    File(std::io::Error),
    Output(RenderError),
}

impl From<std::io::Error> for ReadError {
    fn from(error: std::io::Error) -> Self {
        Self::File(error)
    }
}

/// Hands over the pixels. Returns how often the decoder met damage meanwhile. What it met before concerns the header,
/// and what it meets after the pixels concerns bytes that no pixel needs, so neither is counted.
fn read_rows(input: impl BufRead, rows: &mut DecodeOutput<'_>) -> Result<u32, ReadError> {
    let (color, shrink) = (rows.plan().color, rows.plan().shrink);
    let mut jpeg = Decompress::with_err(new_error_manager()).from_reader(input)?;
    jpeg.scale(8 / shrink);
    reset_damage_count();
    let mut lines = jpeg.to_colorspace(match color {
        PixelType::Gray => ColorSpace::JCS_GRAYSCALE,
        PixelType::Rgb => ColorSpace::JCS_RGB,
        PixelType::Cmyk => ColorSpace::JCS_CMYK,
    })?;
    let (width, height) = (lines.width(), lines.height());
    let stride = width * color.components();
    let max_rows = (BAND_BYTES / stride).clamp(1, height);
    let mut rows_left = height;
    while rows_left > 0 {
        let count = rows_left.min(max_rows);
        let mut band = vec![0_u8; count * stride];
        lines.read_scanlines_into(&mut band)?;
        rows.push(Raster::new(width as u32, count as u32, color, false, band)).map_err(ReadError::Output)?;
        rows_left -= count;
    }
    let damage_count = get_damage_count();
    lines.finish()?;
    Ok(damage_count)
}

/// Decodes the first `rows` rows of a JPEG that is embedded in another file, which declares what the components mean:
/// with `ycbcr`, YCbCr is converted to RGB; everything else stays as stored. The JPEG must be `width` pixels wide and
/// at most `max_rows` high, with `samples` components.
pub(super) fn decode_jpeg_piece(
    file: &[u8],
    (width, rows, max_rows): (usize, usize, usize),
    samples: usize,
    ycbcr: bool,
) -> Result<Vec<u8>, RenderError> {
    let damaged = |detail: &str| RenderError::new(Code::Corrupt, format!("An embedded JPEG is damaged: {detail}."));
    let decoded = catch_unwind(AssertUnwindSafe(|| -> std::io::Result<_> {
        let jpeg = Decompress::with_err(new_error_manager()).from_mem(file)?;
        let fits = jpeg.width() == width && (rows..=max_rows.max(rows)).contains(&jpeg.height());
        if !fits || jpeg.components().len() != samples {
            return Ok(None);
        }
        let space = match jpeg.color_space() {
            ColorSpace::JCS_YCbCr if ycbcr => ColorSpace::JCS_RGB,
            ColorSpace::JCS_YCCK => ColorSpace::JCS_CMYK,
            as_stored => as_stored,
        };
        reset_damage_count();
        let mut lines = jpeg.to_colorspace(space)?;
        let mut data = vec![0_u8; rows * width * samples];
        lines.read_scanlines_into(&mut data)?;
        Ok((get_damage_count() == 0).then_some(data))
    }));
    match decoded {
        Ok(Ok(Some(piece))) => Ok(piece),
        Ok(Ok(None)) => Err(damaged("its size or its data is wrong")),
        Ok(Err(error)) => Err(damaged(&error.to_string())),
        Err(payload) if payload.is::<DecoderPanic>() => Err(damaged("its structure is inconsistent")),
        Err(panic) => resume_unwind(panic),
    }
}
