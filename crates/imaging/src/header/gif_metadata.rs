//! Metadata of a GIF: XMP in an application extension. Source: XMP Specification, part 3, section 1.1.2.

use std::io::{Read, Seek, SeekFrom};

use super::ImageHeader;
use super::bounds::{MAX_XMP_BYTES, read_up_to};
use super::metadata::Metadata;

/// What the extension begins with: the length of its name, and the name.
const XMP_EXTENSION: &[u8; 12] = b"\x0BXMP DataXMP";

/// What follows the XMP, so that readers of blocks find the end: descending bytes.
const TRAILER_START: [u8; 3] = [0x01, 0xFF, 0xFE];

/// How far into a file XMP is looked for, in bytes.
const MAX_XMP_OFFSET: u64 = 64 << 20;

/// Reads the metadata of a GIF into its header. Ends silently at damage.
pub(super) fn read_gif_metadata(input: &mut (impl Read + Seek), header: &mut ImageHeader) {
    let mut metadata = Metadata::default();
    find_xmp(input, &mut metadata);
    metadata.apply(header);
}

fn find_xmp(input: &mut (impl Read + Seek), metadata: &mut Metadata) -> Option<()> {
    let mut screen = [0; 13];
    input.seek(SeekFrom::Start(0)).ok()?;
    input.read_exact(&mut screen).ok()?;
    skip_palette(input, screen[10])?;
    while input.stream_position().ok()? < MAX_XMP_OFFSET {
        match read_byte(input)? {
            0x21 => {
                let label = read_byte(input)?;
                let mut name = [0; 12];
                input.read_exact(&mut name[..1]).ok()?;
                let length = usize::from(name[0]);
                if (label, length) == (0xFF, 11) {
                    input.read_exact(&mut name[1..]).ok()?;
                } else {
                    input.seek(SeekFrom::Current(length as i64)).ok()?;
                }
                if &name == XMP_EXTENSION {
                    return read_xmp(input, metadata);
                }
                // An empty block has no others behind it.
                if length > 0 {
                    skip_blocks(input)?;
                }
            }
            0x2C => {
                let mut frame = [0; 9];
                input.read_exact(&mut frame).ok()?;
                skip_palette(input, frame[8])?;
                read_byte(input)?;
                skip_blocks(input)?;
            }
            _ => return None,
        }
    }
    None
}

/// XMP is not stored in blocks: their lengths are its letters.
fn read_xmp(input: &mut impl Read, metadata: &mut Metadata) -> Option<()> {
    let max_bytes = MAX_XMP_BYTES + TRAILER_START.len();
    let data = read_up_to(input, max_bytes as u64).ok()?;
    match data.windows(TRAILER_START.len()).position(|part| part == TRAILER_START) {
        Some(end) => metadata.add_xmp(&data[..end]),
        None if data.len() == max_bytes => metadata.leave_out("XMP"),
        None => {}
    }
    Some(())
}

fn read_byte(input: &mut impl Read) -> Option<u8> {
    let mut byte = [0];
    input.read_exact(&mut byte).ok()?;
    Some(byte[0])
}

fn skip_palette(input: &mut impl Seek, flags: u8) -> Option<()> {
    if flags & 0x80 != 0 {
        input.seek(SeekFrom::Current(3 << ((flags & 7) + 1))).ok()?;
    }
    Some(())
}

fn skip_blocks(input: &mut (impl Read + Seek)) -> Option<()> {
    loop {
        match read_byte(input)? {
            0 => return Some(()),
            length => input.seek(SeekFrom::Current(i64::from(length))).ok()?,
        };
    }
}
