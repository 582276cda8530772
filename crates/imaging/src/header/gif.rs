//! GIF headers. A GIF has no header that tells transparency or the number of frames, so its blocks are walked over.

use std::io::{self, BufRead, ErrorKind, Read};

use offprint_modifiers::PixelType;

use super::{ImageHeader, MAX_FRAME_SCAN_BYTES, SourceFormat, corrupt_error};
use crate::error::RenderError;

const EXTENSION: u8 = 0x21;
const FRAME: u8 = 0x2C;
const TRAILER: u8 = 0x3B;

/// Data of blocks comes in parts of at most this many bytes.
const MAX_SUB_BLOCK_BYTES: usize = 255;

/// Where the first frame lies on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GifScreen {
    /// Width and height of the image, in pixels.
    pub(crate) size: (u32, u32),
    /// Left and top of the frame.
    pub(crate) frame_position: (u32, u32),
    /// Width and height of the frame; what lies beyond the screen is not shown.
    pub(crate) frame_size: (u32, u32),
}

impl GifScreen {
    /// A frame that is larger than its screen, or has a screen without pixels, is the image itself, as in browsers.
    pub(crate) fn place_frame(size: [u16; 2], frame_position: [u16; 2], frame_size: [u16; 2]) -> Self {
        let pair = |[a, b]: [u16; 2]| (u32::from(a), u32::from(b));
        if frame_size[0] > size[0] || frame_size[1] > size[1] {
            return Self { size: pair(frame_size), frame_position: (0, 0), frame_size: pair(frame_size) };
        }
        Self { size: pair(size), frame_position: pair(frame_position), frame_size: pair(frame_size) }
    }

    /// What the frame leaves uncovered is transparent.
    fn is_covered(&self) -> bool {
        self.frame_position == (0, 0) && self.frame_size == self.size
    }
}

/// Reads the blocks up to the first frame, and counts the frames after it.
pub(super) fn read_gif_header(reader: &mut impl BufRead) -> Result<ImageHeader, RenderError> {
    let screen = read_screen(reader)?;
    let mut transparent = false;
    loop {
        match read_byte(reader)? {
            EXTENSION => transparent |= skip_extension(reader)?,
            FRAME => break,
            _ => return Err(corrupt_error("The GIF has no frame.")),
        }
    }
    let mut frame = [0; 9];
    reader.read_exact(&mut frame)?;
    let pair = |at: usize| [0, 2].map(|offset| u16::from_le_bytes([frame[at + offset], frame[at + offset + 1]]));
    let screen = GifScreen::place_frame(screen, pair(0), pair(4));
    let mut header = ImageHeader::new(SourceFormat::Gif, screen.size, PixelType::Rgb, 8);
    header.alpha = transparent || !screen.is_covered();
    // A file that ends here is no error yet; the decoder will report it.
    header.frames = match skip_frame_data(reader, frame[8]) {
        Ok(()) => 1 + walk_frames(reader, MAX_FRAME_SCAN_BYTES).0,
        Err(_) => 1,
    };
    Ok(header)
}

/// How a GIF ends behind a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GifEnd {
    Trailer,
    /// The file ends between two blocks.
    NoTrailer,
    /// The file ends within a later frame or an extension.
    WithinBlock,
    /// What follows is no block.
    NoBlock,
    /// There are more blocks than are looked at.
    NotReached,
}

/// Looks at what follows behind the first frame. The reader stands at the beginning of the file.
pub(crate) fn find_gif_end(reader: &mut impl BufRead) -> GifEnd {
    let skip_first_frame = |reader: &mut _| -> io::Result<bool> {
        read_screen(reader)?;
        loop {
            match read_byte(reader)? {
                EXTENSION => drop(skip_extension(reader)?),
                FRAME => return skip_frame(reader).map(|()| true),
                _ => return Ok(false),
            }
        }
    };
    match skip_first_frame(reader) {
        Ok(true) => walk_frames(reader, MAX_FRAME_SCAN_BYTES).1,
        Ok(false) => GifEnd::NoBlock,
        // The first frame lacks the end of its data, which its pixels may not need.
        Err(_) => GifEnd::NoTrailer,
    }
}

/// Walks over the blocks behind a frame, at most this many bytes. Returns the number of frames there.
fn walk_frames(reader: &mut impl Read, max_bytes: u64) -> (u32, GifEnd) {
    let mut input = reader.take(max_bytes);
    let mut frames = 0;
    let mut walk = || -> io::Result<GifEnd> {
        loop {
            let block = match read_byte(&mut input) {
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(GifEnd::NoTrailer),
                block => block?,
            };
            match block {
                // One zero too many at the end of a block.
                0 => {}
                EXTENSION => drop(skip_extension(&mut input)?),
                FRAME => {
                    frames += 1;
                    skip_frame(&mut input)?;
                }
                TRAILER => return Ok(GifEnd::Trailer),
                _ => return Ok(GifEnd::NoBlock),
            }
        }
    };
    match walk().unwrap_or(GifEnd::WithinBlock) {
        GifEnd::NoTrailer | GifEnd::WithinBlock if input.limit() == 0 => (frames, GifEnd::NotReached),
        end => (frames, end),
    }
}

/// Reads width and height of the screen, and skips its palette.
fn read_screen(reader: &mut impl Read) -> io::Result<[u16; 2]> {
    let mut start = [0; 13];
    reader.read_exact(&mut start)?;
    skip_palette(reader, start[10])?;
    Ok([6, 8].map(|at| u16::from_le_bytes([start[at], start[at + 1]])))
}

fn read_byte(reader: &mut impl Read) -> io::Result<u8> {
    let mut byte = [0];
    reader.read_exact(&mut byte)?;
    Ok(byte[0])
}

fn skip_frame(reader: &mut impl Read) -> io::Result<()> {
    let mut frame = [0; 9];
    reader.read_exact(&mut frame)?;
    skip_frame_data(reader, frame[8])
}

/// Skips a frame's palette and data.
fn skip_frame_data(reader: &mut impl Read, flags: u8) -> io::Result<()> {
    skip_palette(reader, flags)?;
    read_byte(reader)?;
    let mut buffer = [0; MAX_SUB_BLOCK_BYTES];
    while !read_sub_block(reader, &mut buffer)?.is_empty() {}
    Ok(())
}

fn skip_palette(reader: &mut impl Read, flags: u8) -> io::Result<()> {
    if flags & 0x80 != 0 {
        let mut palette = vec![0; 3 << ((flags & 7) + 1)];
        reader.read_exact(&mut palette)?;
    }
    Ok(())
}

/// Skips an extension. Returns whether it makes a colour transparent.
fn skip_extension(reader: &mut impl Read) -> io::Result<bool> {
    let is_graphic_control = read_byte(reader)? == 0xF9;
    let (mut transparent, mut buffer) = (false, [0; MAX_SUB_BLOCK_BYTES]);
    loop {
        match read_sub_block(reader, &mut buffer)? {
            [] => return Ok(transparent),
            [flags, ..] => transparent |= is_graphic_control && flags & 1 == 1,
        }
    }
}

/// Reads a part of a block's data; the last part is empty.
fn read_sub_block<'a>(reader: &mut impl Read, buffer: &'a mut [u8; MAX_SUB_BLOCK_BYTES]) -> io::Result<&'a [u8]> {
    let data = &mut buffer[..usize::from(read_byte(reader)?)];
    reader.read_exact(data)?;
    Ok(data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    #[test]
    fn a_frame_larger_than_its_screen_is_the_image() {
        let place = |screen, position, frame| {
            let GifScreen { size, frame_position, .. } = GifScreen::place_frame(screen, position, frame);
            (size, frame_position)
        };
        assert_eq!(place([64, 48], [0, 0], [64, 48]), ((64, 48), (0, 0)));
        assert_eq!(place([64, 48], [32, 24], [64, 48]), ((64, 48), (32, 24)));
        assert_eq!(place([0, 0], [3, 4], [64, 48]), ((64, 48), (0, 0)));
        assert_eq!(place([64, 0], [0, 0], [64, 48]), ((64, 48), (0, 0)));
        assert_eq!(place([32, 24], [5, 5], [64, 48]), ((64, 48), (0, 0)));
        assert_eq!(place([64, 48], [0, 0], [64, 49]), ((64, 49), (0, 0)));
    }

    #[test]
    fn counting_frames_has_a_budget_of_bytes() {
        let frame = [FRAME, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 1, 0];
        let mut many = Cursor::new(frame.repeat(1000));
        assert_eq!(walk_frames(&mut many, 15 * 600), (600, GifEnd::NotReached));
        let mut all = Cursor::new([frame.repeat(1000), vec![TRAILER]].concat());
        assert_eq!(walk_frames(&mut all, 1 << 20), (1000, GifEnd::Trailer));
    }
}
