//! JPEG by mozjpeg with the fast settings of libjpeg-turbo: it can shrink while it decodes, and writes progressive
//! files, chroma subsampling, density and profiles. docs/decisions/0001-codecs.md has the reasons.
//!
//! The codec is C and reports errors by unwinding, so every call is guarded by `catch_unwind`. A decoder that meets
//! damage goes on with guessed data and only counts a warning: warnings while pixels are decoded are what tells damage.

mod encoder;

use std::cell::Cell;
use std::io::{BufRead, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use mozjpeg::{ColorSpace, Decompress};
use mozjpeg_sys::{jpeg_common_struct, jpeg_error_mgr};

use super::decode::DecodeOutput;
use crate::error::RenderError;
use crate::pixels::Raster;
use offprint_core::Code;
use offprint_modifiers::PixelType;

pub(super) use encoder::{encode_bare_jpeg, encode_jpeg, encode_jpeg_rows};

/// Approximate size of a band of rows, in bytes.
const BAND_BYTES: usize = 64 << 10;

thread_local! {
    /// Number of warnings of the decoder that runs on this thread.
    static DECODER_WARNINGS: Cell<u32> = const { Cell::new(0) };
}

/// Payload with which the decoder unwinds when an image is damaged.
struct DecoderPanic;

/// Decodes, shrunk as planned. A decoder that reaches the end too early goes on with gray, so a truncated image still
/// has all its rows.
pub(super) fn decode_jpeg(mut input: impl BufRead + Seek, rows: &mut DecodeOutput<'_>) -> Result<(), RenderError> {
    let is_complete = has_end_marker(&mut input)?;
    let damaged = |detail: &str| {
        if is_complete {
            RenderError::new(Code::Corrupt, format!("The JPEG is damaged: {detail}."))
        } else {
            RenderError::for_truncated_file("The JPEG ends before its image data does.")
        }
    };
    // The codec reports damage by unwinding.
    let decoded = catch_unwind(AssertUnwindSafe(|| read_rows(input, rows)));
    match decoded {
        Ok(Ok(_)) if !is_complete => Err(damaged("")),
        Ok(Ok(warnings)) if warnings > 0 => Err(damaged("its data cannot be decoded")),
        Ok(Ok(_)) => Ok(()),
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

/// Hands over the pixels. Returns how many warnings the decoder had meanwhile. Warnings before the pixels concern the
/// header, and warnings after them bytes that no pixel needs, so neither are counted.
fn read_rows(input: impl BufRead, rows: &mut DecodeOutput<'_>) -> Result<u32, ReadError> {
    let (color, shrink) = (rows.plan().color, rows.plan().shrink);
    let mut jpeg = Decompress::with_err(new_error_manager()).from_reader(input)?;
    jpeg.scale(8 / shrink);
    DECODER_WARNINGS.set(0);
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
    let warnings = DECODER_WARNINGS.get();
    lines.finish()?;
    Ok(warnings)
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
        DECODER_WARNINGS.set(0);
        let mut lines = jpeg.to_colorspace(space)?;
        let mut data = vec![0_u8; rows * width * samples];
        lines.read_scanlines_into(&mut data)?;
        Ok((DECODER_WARNINGS.get() == 0).then_some(data))
    }));
    match decoded {
        Ok(Ok(Some(piece))) => Ok(piece),
        Ok(Ok(None)) => Err(damaged("its size or its data is wrong")),
        Ok(Err(error)) => Err(damaged(&error.to_string())),
        Err(payload) if payload.is::<DecoderPanic>() => Err(damaged("its structure is inconsistent")),
        Err(panic) => resume_unwind(panic),
    }
}

/// Counts warnings, unwinds on errors, and prints nothing.
fn new_error_manager() -> jpeg_error_mgr {
    extern "C-unwind" fn unwind_on_error(_: &mut jpeg_common_struct) {
        // Does not call the panic hook: a damaged image needs no entry in the log.
        resume_unwind(Box::new(DecoderPanic));
    }
    extern "C-unwind" fn count_warning(_: &mut jpeg_common_struct, level: std::os::raw::c_int) {
        if level < 0 {
            DECODER_WARNINGS.set(DECODER_WARNINGS.get() + 1);
        }
    }
    extern "C-unwind" fn ignore_message(_: &mut jpeg_common_struct) {}
    jpeg_error_mgr {
        error_exit: Some(unwind_on_error),
        emit_message: Some(count_warning),
        output_message: Some(ignore_message),
        format_message: None,
        reset_error_mgr: Some(ignore_message),
        msg_code: 0,
        msg_parm: Default::default(),
        trace_level: 0,
        num_warnings: 0,
        jpeg_message_table: std::ptr::null(),
        last_jpeg_message: 0,
        addon_message_table: std::ptr::null(),
        first_addon_message: 0,
        last_addon_message: 0,
    }
}

/// Whether the file has its end marker. Usually that is the last thing in the file, except for zeros; otherwise the
/// file is walked over from marker to marker.
fn has_end_marker(input: &mut (impl BufRead + Seek)) -> Result<bool, RenderError> {
    let length = input.seek(SeekFrom::End(0))?;
    input.seek(SeekFrom::Start(length.saturating_sub(4096)))?;
    let mut tail = Vec::new();
    input.read_to_end(&mut tail)?;
    let end = tail.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let found = tail[..end].ends_with(&[0xFF, 0xD9]) || find_end_marker(input)?;
    input.rewind()?;
    Ok(found)
}

/// Walks over segments and scans to the end marker; false at the end of the file.
fn find_end_marker(input: &mut (impl BufRead + Seek)) -> Result<bool, RenderError> {
    input.seek(SeekFrom::Start(2))?;
    while let Some(marker) = read_next_marker(input)? {
        match marker {
            0xD9 => return Ok(true),
            // Restart markers and stuffed zeros occur within scans and have no length.
            0x00 | 0x01 | 0xD0..=0xD8 => {}
            _ => {
                let mut length = [0; 2];
                if input.read_exact(&mut length).is_err() {
                    return Ok(false);
                }
                input.seek_relative(i64::from(u16::from_be_bytes(length)).saturating_sub(2))?;
            }
        }
    }
    Ok(false)
}

/// The byte after the next 0xFF; `None` at the end of the file.
fn read_next_marker(input: &mut impl BufRead) -> Result<Option<u8>, RenderError> {
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(None);
        }
        let Some(at) = buffer.iter().position(|byte| *byte == 0xFF) else {
            let length = buffer.len();
            input.consume(length);
            continue;
        };
        input.consume(at + 1);
        let mut byte = [0xFF];
        while byte[0] == 0xFF {
            if input.read_exact(&mut byte).is_err() {
                return Ok(None);
            }
        }
        return Ok(Some(byte[0]));
    }
}
