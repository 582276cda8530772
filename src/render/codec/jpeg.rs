//! JPEG through mozjpeg, which is libjpeg-turbo with its fast settings: it shrinks while it decodes, writes progressive
//! files, chroma subsampling, density and profiles. docs/decisions/0001-codecs.md has the reason.

use std::cell::Cell;
use std::io::{BufRead, Seek, SeekFrom, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use mozjpeg::{ColorSpace, Compress, Decompress, Marker, PixelDensity, PixelDensityUnit};
use mozjpeg_sys::{jpeg_common_struct, jpeg_error_mgr};

use super::failed;
use crate::code::Code;
use crate::language::PixelType;
use crate::render::failure::Failure;
use crate::render::header::JPEG_XMP;
use crate::render::pixels::{Pixels, Raster};
use crate::render::plan::Encode;

thread_local! {
    /// Warnings of the decoder that works on this thread.
    static WARNINGS: Cell<u32> = const { Cell::new(0) };
}

/// Decodes, with sides `shrink` times smaller.
pub(super) fn decode(mut input: impl BufRead + Seek, color: PixelType, shrink: u8) -> Result<Pixels, Failure> {
    let whole = has_end(&mut input)?;
    let damaged = |detail: &str| {
        if whole {
            Failure::new(Code::Corrupt, format!("The JPEG is damaged: {detail}."))
        } else {
            Failure::new(Code::Truncated, "The JPEG ends before its picture does.")
        }
    };
    // The codec unwinds on damage; that is its way to report it.
    let decoded = catch_unwind(AssertUnwindSafe(|| read(input, color, shrink)));
    match decoded {
        Ok(Ok(_)) if !whole => Err(damaged("")),
        Ok(Ok((_, warnings))) if warnings > 0 => Err(damaged("its data does not decode")),
        Ok(Ok((pixels, _))) => Ok(pixels),
        Ok(Err(error)) => Err(damaged(&error.to_string())),
        Err(_) => Err(damaged("its structure does not hold together")),
    }
}

/// The pixels, and how many times data had to be guessed. Warnings before the pixels are about the header and those
/// after them about bytes that no pixel needs, so neither counts.
fn read(input: impl BufRead, color: PixelType, shrink: u8) -> std::io::Result<(Pixels, u32)> {
    let mut jpeg = Decompress::with_err(counting_errors()).from_reader(input)?;
    jpeg.scale(8 / shrink);
    WARNINGS.set(0);
    let mut rows = jpeg.to_colorspace(match color {
        PixelType::Gray => ColorSpace::JCS_GRAYSCALE,
        PixelType::Rgb => ColorSpace::JCS_RGB,
        PixelType::Cmyk => ColorSpace::JCS_CMYK,
    })?;
    let (width, height) = (rows.width(), rows.height());
    let data: Vec<u8> = rows.read_scanlines()?;
    let warnings = WARNINGS.get();
    rows.finish()?;
    Ok((Raster::new(width as u32, height as u32, color, false, data).into(), warnings))
}

/// Counts warnings, unwinds on errors, says nothing.
fn counting_errors() -> jpeg_error_mgr {
    extern "C-unwind" fn give_up(_: &mut jpeg_common_struct) {
        // Passes the panic hook by: a damaged picture is no news for the log.
        std::panic::resume_unwind(Box::new("damaged JPEG"));
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

/// Encodes with the settings of libjpeg-turbo: no trellis, which costs forty times as much for a sixth of the bytes.
pub(super) fn encode(
    encode: &Encode,
    pixels: &Raster<u8>,
    profile: Option<&[u8]>,
    out: &mut impl Write,
) -> Result<(), Failure> {
    if pixels.size().0 > 65_500 || pixels.size().1 > 65_500 {
        return Err(failed("JPEG", "a side is longer than 65,500 pixels"));
    }
    let written = catch_unwind(AssertUnwindSafe(|| write(encode, pixels, profile, out)));
    match written {
        Ok(done) => Ok(done?),
        Err(_) => Err(failed("JPEG", "the encoder gave up")),
    }
}

fn write(encode: &Encode, pixels: &Raster<u8>, profile: Option<&[u8]>, out: &mut impl Write) -> std::io::Result<()> {
    let pixel_type = pixels.pixel_type();
    let mut jpeg = Compress::new(match pixel_type {
        PixelType::Gray => ColorSpace::JCS_GRAYSCALE,
        PixelType::Rgb => ColorSpace::JCS_RGB,
        PixelType::Cmyk => ColorSpace::JCS_CMYK,
    });
    jpeg.set_fastest_defaults();
    jpeg.set_size(pixels.size().0 as usize, pixels.size().1 as usize);
    jpeg.set_quality(f32::from(encode.quality));
    if pixel_type == PixelType::Rgb {
        let sampling = if encode.full_chroma { (1, 1) } else { (2, 2) };
        jpeg.set_chroma_sampling_pixel_sizes(sampling, sampling);
    }
    if encode.progressive {
        jpeg.set_progressive_mode();
    }
    let dpi = encode.dpi.round().clamp(1.0, 65_535.0) as u16;
    jpeg.set_pixel_density(PixelDensity { unit: PixelDensityUnit::Inches, x: dpi, y: dpi });
    let mut started = jpeg.start_compress(out)?;
    if let Some(xmp) = &encode.xmp {
        started.write_marker(Marker::APP(1), &[JPEG_XMP, xmp].concat());
    }
    if let Some(profile) = profile {
        started.write_icc_profile(profile);
    }
    if pixel_type == PixelType::Cmyk {
        // The library marks it as Adobe's, whose inks are the other way round.
        started.write_scanlines(pixels.clone().invert().data())?;
    } else {
        started.write_scanlines(pixels.data())?;
    }
    started.finish()?;
    Ok(())
}
