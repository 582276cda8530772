//! The blocks of a GIF.

use std::io::{BufRead, Read, Seek};

use super::{COUNTED, Header, SourceFormat, corrupt};
use offprint_modifiers::PixelType;
use crate::failure::Failure;

/// Reads blocks up to the first frame, and counts those after it.
pub(super) fn read(reader: &mut (impl BufRead + Seek)) -> Result<Header, Failure> {
    let mut start = [0; 13];
    reader.read_exact(&mut start)?;
    let side = |at: usize| u32::from(u16::from_le_bytes([start[at], start[at + 1]]));
    let mut header = Header::new(SourceFormat::Gif, (side(6), side(8)), PixelType::Rgb, 8);
    skip_palette(reader, start[10])?;
    let mut block = [0];
    loop {
        reader.read_exact(&mut block)?;
        match block[0] {
            0x21 => header.alpha |= extension(reader)?,
            0x2C => break,
            _ => return Err(corrupt("The GIF has no frame.")),
        }
    }
    let mut frame = [0; 8];
    reader.read_exact(&mut frame)?;
    let at = |at: usize| u32::from(u16::from_le_bytes([frame[at], frame[at + 1]]));
    // What the first frame leaves uncovered is transparent.
    header.alpha |= (at(0), at(2)) != (0, 0) || at(4) < header.width || at(6) < header.height;
    let mut last = [0];
    reader.read_exact(&mut last)?;
    // Whether the file is whole is the decoder's to say.
    let _ = count(reader, last[0], &mut header.frames);
    Ok(header)
}

/// Counts frames, from behind the head of the first, whose flags are these. An error is the end of the file.
fn count(reader: &mut (impl BufRead + Seek), flags: u8, frames: &mut u32) -> Result<(), Failure> {
    let mut block = [0];
    skip_frame(reader, flags)?;
    while reader.stream_position()? < COUNTED {
        reader.read_exact(&mut block)?;
        match block[0] {
            0x21 => drop(extension(reader)?),
            0x2C => {
                let mut head = [0; 9];
                reader.read_exact(&mut head)?;
                *frames += 1;
                skip_frame(reader, head[8])?;
            }
            _ => break,
        }
    }
    Ok(())
}

/// Passes over a frame's palette and data.
fn skip_frame(reader: &mut (impl BufRead + Seek), flags: u8) -> Result<(), Failure> {
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

fn skip_palette(reader: &mut impl Read, flags: u8) -> Result<(), Failure> {
    if flags & 0x80 != 0 {
        let mut palette = vec![0; 3 << ((flags & 7) + 1)];
        reader.read_exact(&mut palette)?;
    }
    Ok(())
}

/// Passes over an extension; says whether it makes a colour transparent.
fn extension(reader: &mut impl Read) -> Result<bool, Failure> {
    let mut byte = [0];
    reader.read_exact(&mut byte)?;
    let control = byte[0] == 0xF9;
    let mut transparent = false;
    loop {
        reader.read_exact(&mut byte)?;
        if byte[0] == 0 {
            return Ok(transparent);
        }
        let mut data = vec![0; usize::from(byte[0])];
        reader.read_exact(&mut data)?;
        transparent |= control && data[0] & 1 == 1;
    }
}
