//! GIF headers. A GIF has no header that tells transparency or the number of frames, so its blocks are walked over.

use std::io::{BufRead, Read, Seek};

use super::{ImageHeader, MAX_FRAME_SCAN_BYTES, SourceFormat, corrupt_error};
use crate::error::RenderError;
use offprint_modifiers::PixelType;

/// Reads the blocks up to the first frame, and counts the frames after it.
pub(super) fn read_gif_header(reader: &mut (impl BufRead + Seek)) -> Result<ImageHeader, RenderError> {
    let mut start = [0; 13];
    reader.read_exact(&mut start)?;
    let side = |at: usize| u32::from(u16::from_le_bytes([start[at], start[at + 1]]));
    let mut header = ImageHeader::new(SourceFormat::Gif, (side(6), side(8)), PixelType::Rgb, 8);
    skip_palette(reader, start[10])?;
    let mut block = [0];
    loop {
        reader.read_exact(&mut block)?;
        match block[0] {
            0x21 => header.alpha |= skip_extension(reader)?,
            0x2C => break,
            _ => return Err(corrupt_error("The GIF has no frame.")),
        }
    }
    let mut frame = [0; 8];
    reader.read_exact(&mut frame)?;
    let at = |at: usize| u32::from(u16::from_le_bytes([frame[at], frame[at + 1]]));
    // What the first frame leaves uncovered is transparent.
    header.alpha |= (at(0), at(2)) != (0, 0) || at(4) < header.width || at(6) < header.height;
    let mut last = [0];
    reader.read_exact(&mut last)?;
    // A truncated file is no error here; the decoder will report it.
    let _ = count_frames(reader, last[0], &mut header.frames);
    Ok(header)
}

/// Counts frames. The reader stands behind the header of the first frame, which has these flags. An error means the end
/// of the file.
fn count_frames(reader: &mut (impl BufRead + Seek), flags: u8, frames: &mut u32) -> Result<(), RenderError> {
    let mut block = [0];
    skip_frame(reader, flags)?;
    while reader.stream_position()? < MAX_FRAME_SCAN_BYTES {
        reader.read_exact(&mut block)?;
        match block[0] {
            0x21 => drop(skip_extension(reader)?),
            0x2C => {
                let mut frame = [0; 9];
                reader.read_exact(&mut frame)?;
                *frames += 1;
                skip_frame(reader, frame[8])?;
            }
            _ => break,
        }
    }
    Ok(())
}

/// Skips a frame's palette and data.
fn skip_frame(reader: &mut (impl BufRead + Seek), flags: u8) -> Result<(), RenderError> {
    let mut byte = [0];
    skip_palette(reader, flags)?;
    reader.read_exact(&mut byte)?;
    loop {
        reader.read_exact(&mut byte)?;
        match byte[0] {
            0 => return Ok(()),
            length => reader.seek_relative(i64::from(length))?,
        }
    }
}

fn skip_palette(reader: &mut impl Read, flags: u8) -> Result<(), RenderError> {
    if flags & 0x80 != 0 {
        let mut palette = vec![0; 3 << ((flags & 7) + 1)];
        reader.read_exact(&mut palette)?;
    }
    Ok(())
}

/// Skips an extension. Returns whether it makes a colour transparent.
fn skip_extension(reader: &mut impl Read) -> Result<bool, RenderError> {
    let mut byte = [0];
    reader.read_exact(&mut byte)?;
    let is_graphic_control = byte[0] == 0xF9;
    let mut transparent = false;
    loop {
        reader.read_exact(&mut byte)?;
        if byte[0] == 0 {
            return Ok(transparent);
        }
        let mut data = vec![0; usize::from(byte[0])];
        reader.read_exact(&mut data)?;
        transparent |= is_graphic_control && data[0] & 1 == 1;
    }
}
