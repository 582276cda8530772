//! JPEG through mozjpeg, which is libjpeg-turbo with its fast settings: it shrinks while it decodes, writes progressive
//! files, chroma subsampling, density and profiles. docs/decisions/0001-codecs.md has the reason.

mod encoder;

use std::cell::Cell;
use std::io::{BufRead, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use mozjpeg::{ColorSpace, Decompress};
use mozjpeg_sys::{jpeg_common_struct, jpeg_error_mgr};

use super::decode::Rows;
use offprint_core::Code;
use offprint_modifiers::PixelType;
use crate::failure::Failure;
use crate::pixels::Raster;

pub(super) use encoder::{encode, flow, inside};

/// About how many bytes of rows are decoded at a time.
const BAND: usize = 64 << 10;

thread_local! {
    /// Warnings of the decoder that works on this thread.
    static WARNINGS: Cell<u32> = const { Cell::new(0) };
}

/// What the decoder unwinds with when a picture is damaged.
struct Damage;

/// Decodes, with sides as much smaller as planned. A decoder that meets the end too early goes on with gray, so what is
/// cut off still has all its rows.
pub(super) fn decode(mut input: impl BufRead + Seek, rows: &mut Rows<'_>) -> Result<(), Failure> {
    let whole = has_end(&mut input)?;
    let damaged = |detail: &str| {
        if whole {
            Failure::new(Code::Corrupt, format!("The JPEG is damaged: {detail}."))
        } else {
            Failure::truncated("The JPEG ends before its picture does.")
        }
    };
    // The codec unwinds on damage; that is its way to report it.
    let decoded = catch_unwind(AssertUnwindSafe(|| read(input, rows)));
    match decoded {
        Ok(Ok(_)) if !whole => Err(damaged("")),
        Ok(Ok(warnings)) if warnings > 0 => Err(damaged("its data does not decode")),
        Ok(Ok(_)) => Ok(()),
        Ok(Err(Broken::File(error))) => Err(damaged(&error.to_string())),
        Ok(Err(Broken::Rows(failure))) => Err(failure),
        Err(unwound) if unwound.is::<Damage>() => Err(damaged("its structure does not hold together")),
        Err(panic) => resume_unwind(panic),
    }
}

/// Why a picture could not be read to its end.
enum Broken {
    File(std::io::Error),
    Rows(Failure),
}

impl From<std::io::Error> for Broken {
    fn from(error: std::io::Error) -> Self {
        Self::File(error)
    }
}

/// Hands over the pixels; says how many times data had to be guessed. Warnings before the pixels are about the header
/// and those after them about bytes that no pixel needs, so neither counts.
fn read(input: impl BufRead, rows: &mut Rows<'_>) -> Result<u32, Broken> {
    let (color, shrink) = (rows.plan().color, rows.plan().shrink);
    let mut jpeg = Decompress::with_err(counting_errors()).from_reader(input)?;
    jpeg.scale(8 / shrink);
    WARNINGS.set(0);
    let mut lines = jpeg.to_colorspace(match color {
        PixelType::Gray => ColorSpace::JCS_GRAYSCALE,
        PixelType::Rgb => ColorSpace::JCS_RGB,
        PixelType::Cmyk => ColorSpace::JCS_CMYK,
    })?;
    let (width, height) = (lines.width(), lines.height());
    let stride = width * color.components();
    let most = (BAND / stride).clamp(1, height);
    let mut left = height;
    while left > 0 {
        let count = left.min(most);
        let mut band = vec![0_u8; count * stride];
        lines.read_scanlines_into(&mut band)?;
        rows.take(Raster::new(width as u32, count as u32, color, false, band)).map_err(Broken::Rows)?;
        left -= count;
    }
    let warnings = WARNINGS.get();
    lines.finish()?;
    Ok(warnings)
}

/// Decodes the first rows of a JPEG that is a piece of another file, which says itself what the components mean: only
/// brightness and differences become RGB. `width` and `samples` must be the piece's own, and it has at most `most` rows.
pub(super) fn piece(
    file: &[u8],
    (width, rows, most): (usize, usize, usize),
    samples: usize,
    ycbcr: bool,
) -> Result<Vec<u8>, Failure> {
    let damaged = |detail: &str| Failure::new(Code::Corrupt, format!("A JPEG inside is damaged: {detail}."));
    let decoded = catch_unwind(AssertUnwindSafe(|| -> std::io::Result<_> {
        let jpeg = Decompress::with_err(counting_errors()).from_mem(file)?;
        let fits = jpeg.width() == width && (rows..=most.max(rows)).contains(&jpeg.height());
        if !fits || jpeg.components().len() != samples {
            return Ok(None);
        }
        let space = match jpeg.color_space() {
            ColorSpace::JCS_YCbCr if ycbcr => ColorSpace::JCS_RGB,
            ColorSpace::JCS_YCCK => ColorSpace::JCS_CMYK,
            as_stored => as_stored,
        };
        WARNINGS.set(0);
        let mut lines = jpeg.to_colorspace(space)?;
        let mut data = vec![0_u8; rows * width * samples];
        lines.read_scanlines_into(&mut data)?;
        Ok((WARNINGS.get() == 0).then_some(data))
    }));
    match decoded {
        Ok(Ok(Some(piece))) => Ok(piece),
        Ok(Ok(None)) => Err(damaged("its size or its data do not fit")),
        Ok(Err(error)) => Err(damaged(&error.to_string())),
        Err(unwound) if unwound.is::<Damage>() => Err(damaged("its structure does not hold together")),
        Err(panic) => resume_unwind(panic),
    }
}

/// Counts warnings, unwinds on errors, says nothing.
fn counting_errors() -> jpeg_error_mgr {
    extern "C-unwind" fn give_up(_: &mut jpeg_common_struct) {
        // Passes the panic hook by: a damaged picture is no news for the log.
        resume_unwind(Box::new(Damage));
    }
    extern "C-unwind" fn count(_: &mut jpeg_common_struct, level: std::os::raw::c_int) {
        if level < 0 {
            WARNINGS.set(WARNINGS.get() + 1);
        }
    }
    extern "C-unwind" fn ignore(_: &mut jpeg_common_struct) {}
    jpeg_error_mgr {
        error_exit: Some(give_up),
        emit_message: Some(count),
        output_message: Some(ignore),
        format_message: None,
        reset_error_mgr: Some(ignore),
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

/// Whether the picture's end marker is there. Usually it is the last thing in the file, but for zeros; else the
/// markers lead to it.
fn has_end(input: &mut (impl BufRead + Seek)) -> Result<bool, Failure> {
    let length = input.seek(SeekFrom::End(0))?;
    input.seek(SeekFrom::Start(length.saturating_sub(4096)))?;
    let mut tail = Vec::new();
    input.read_to_end(&mut tail)?;
    let end = tail.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let found = tail[..end].ends_with(&[0xFF, 0xD9]) || walk(input)?;
    input.rewind()?;
    Ok(found)
}

/// Walks over segments and scans to the end marker.
fn walk(input: &mut (impl BufRead + Seek)) -> Result<bool, Failure> {
    input.seek(SeekFrom::Start(2))?;
    while let Some(marker) = next_marker(input)? {
        match marker {
            0xD9 => return Ok(true),
            // These, and stuffed zeros, stand inside scans.
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
fn next_marker(input: &mut impl BufRead) -> Result<Option<u8>, Failure> {
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
