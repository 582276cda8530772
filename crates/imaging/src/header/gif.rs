//! GIF headers. A GIF has no header that tells transparency or the number of frames, so its blocks are walked over.

use std::io::{self, ErrorKind, Read, Seek};

use offprint_modifiers::PixelType;

use super::bounds::BoundsExceeded;
use super::{ImageHeader, SourceFormat, corrupt_error};
use crate::error::RenderError;

const EXTENSION: u8 = 0x21;
const FRAME: u8 = 0x2C;
const TRAILER: u8 = 0x3B;

/// Most parts of blocks that are walked over when frames are counted: of up to 255 bytes each, so that the walk goes
/// through 50 MB of ordinary frames. It takes milliseconds, whatever the parts are.
const MAX_PARTS: u32 = 200_000;

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
pub(super) fn read_gif_header(reader: &mut (impl Read + Seek)) -> Result<ImageHeader, RenderError> {
    let screen = read_screen(reader)?;
    let (mut transparent, mut parts) = (false, PartBudget::default());
    loop {
        match read_byte(reader)? {
            EXTENSION => transparent |= skip_extension(reader, &mut parts)?,
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
    header.frames = match skip_frame_data(reader, frame[8], &mut parts) {
        Ok(()) => 1 + walk_frames(reader, &mut parts).0,
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
pub(crate) fn find_gif_end(reader: &mut (impl Read + Seek)) -> GifEnd {
    let mut parts = PartBudget::default();
    let mut skip_first_frame = |reader: &mut _| -> io::Result<bool> {
        read_screen(reader)?;
        loop {
            match read_byte(reader)? {
                EXTENSION => drop(skip_extension(reader, &mut parts)?),
                FRAME => return skip_frame(reader, &mut parts).map(|()| true),
                _ => return Ok(false),
            }
        }
    };
    match skip_first_frame(reader) {
        Ok(true) => walk_frames(reader, &mut parts).1,
        Ok(false) => GifEnd::NoBlock,
        Err(_) if parts.is_spent() => GifEnd::NotReached,
        // The first frame lacks the end of its data, which its pixels may not need.
        Err(_) => GifEnd::NoTrailer,
    }
}

/// How many parts of blocks may still be walked over.
struct PartBudget(u32);

impl Default for PartBudget {
    fn default() -> Self {
        Self(MAX_PARTS)
    }
}

impl PartBudget {
    fn take(&mut self) -> io::Result<()> {
        self.0 = self.0.checked_sub(1).ok_or_else(|| io::Error::other(BoundsExceeded))?;
        Ok(())
    }

    fn is_spent(&self) -> bool {
        self.0 == 0
    }
}

/// Walks over the blocks behind a frame. Returns the number of frames there, as far as the budget goes.
fn walk_frames(input: &mut (impl Read + Seek), parts: &mut PartBudget) -> (u32, GifEnd) {
    let mut frames = 0;
    let mut walk = || -> io::Result<GifEnd> {
        loop {
            parts.take()?;
            let block = match read_byte(input) {
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(GifEnd::NoTrailer),
                block => block?,
            };
            match block {
                // One zero too many at the end of a block.
                0 => {}
                EXTENSION => drop(skip_extension(input, parts)?),
                FRAME => {
                    frames += 1;
                    skip_frame(input, parts)?;
                }
                TRAILER => return Ok(GifEnd::Trailer),
                _ => return Ok(GifEnd::NoBlock),
            }
        }
    };
    match walk().unwrap_or(GifEnd::WithinBlock) {
        GifEnd::NoTrailer | GifEnd::WithinBlock if parts.is_spent() => (frames, GifEnd::NotReached),
        end => (frames, end),
    }
}

/// Reads width and height of the screen, and skips its palette.
fn read_screen(reader: &mut (impl Read + Seek)) -> io::Result<[u16; 2]> {
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

fn skip_frame(reader: &mut (impl Read + Seek), parts: &mut PartBudget) -> io::Result<()> {
    let mut frame = [0; 9];
    reader.read_exact(&mut frame)?;
    skip_frame_data(reader, frame[8], parts)
}

/// Skips a frame's palette and data.
fn skip_frame_data(reader: &mut (impl Read + Seek), flags: u8, parts: &mut PartBudget) -> io::Result<()> {
    skip_palette(reader, flags)?;
    read_byte(reader)?;
    loop {
        parts.take()?;
        match read_byte(reader)? {
            0 => return Ok(()),
            length => reader.seek_relative(i64::from(length))?,
        }
    }
}

fn skip_palette(reader: &mut impl Seek, flags: u8) -> io::Result<()> {
    if flags & 0x80 != 0 {
        reader.seek_relative(3 << ((flags & 7) + 1))?;
    }
    Ok(())
}

/// Skips an extension. Returns whether it makes a colour transparent.
fn skip_extension(reader: &mut (impl Read + Seek), parts: &mut PartBudget) -> io::Result<bool> {
    let is_graphic_control = read_byte(reader)? == 0xF9;
    let mut transparent = false;
    loop {
        parts.take()?;
        match read_byte(reader)? {
            0 => return Ok(transparent),
            length => {
                transparent |= is_graphic_control && read_byte(reader)? & 1 == 1;
                reader.seek_relative(i64::from(length) - i64::from(is_graphic_control))?;
            }
        }
    }
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
    fn counting_frames_has_a_budget_of_parts() {
        // The frame itself, its data, and the end of its data.
        let frame = [FRAME, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 1, 0];
        let mut many = Cursor::new(frame.repeat(1000));
        assert_eq!(walk_frames(&mut many, &mut PartBudget(3 * 600)), (600, GifEnd::NotReached));
        let mut all = Cursor::new([frame.repeat(1000), vec![TRAILER]].concat());
        assert_eq!(walk_frames(&mut all, &mut PartBudget(3001)), (1000, GifEnd::Trailer));
        // However many zeros or extensions stand between frames.
        for filler in [&[0][..], &[EXTENSION, 0xFE, 0], &[EXTENSION, 0xFE, 1, 7, 0]] {
            let mut endless = Cursor::new(filler.repeat(10_000));
            assert_eq!(walk_frames(&mut endless, &mut PartBudget(100)), (0, GifEnd::NotReached));
        }
    }
}
