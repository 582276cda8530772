//! The chunks of a WebP. Source: WebP Container Specification. Nothing is decoded here.

use std::io::{self, Read, Seek, SeekFrom};

use offprint_modifiers::PixelType;

use super::bounds::{MAX_EXIF_BYTES, MAX_PROFILE_BYTES, MAX_XMP_BYTES, read_up_to};
use super::decoder_headers::FileReader;
use super::metadata::Metadata;
use super::{ImageHeader, SourceFormat, corrupt_error};
use crate::error::RenderError;

/// Most chunks that are looked at; each frame of an animation is one. Each costs a read of a few kilobytes.
const MAX_CHUNKS: u32 = 8192;

/// Bytes of a chunk's name and length.
const CHUNK_HEADER_BYTES: u64 = 8;

/// Offset of the first chunk.
const FIRST_CHUNK: u64 = 12;

pub(super) fn read_webp_header(input: &mut FileReader) -> Result<ImageHeader, RenderError> {
    let layout = WebpLayout::read(input)?;
    let mut header = ImageHeader::new(SourceFormat::Webp, layout.size, PixelType::Rgb, 8);
    header.alpha = layout.alpha;
    header.frames = layout.frames;
    header.profile = layout.read_profile(input).filter(|profile| !profile.is_empty());
    let mut metadata = Metadata::default();
    if let Some(exif) = layout.read_exif(input) {
        metadata.add_exif(&exif);
    }
    if let Some(xmp) = layout.read_xmp(input) {
        metadata.add_xmp(&xmp);
    }
    layout.report_large_chunks(&mut metadata);
    metadata.apply(&mut header);
    Ok(header)
}

/// What the container says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct WebpLayout {
    /// Width and height, in pixels.
    pub(crate) size: (u32, u32),
    pub(crate) alpha: bool,
    pub(crate) animated: bool,
    /// Number of frames; 1 when it is no animation.
    pub(crate) frames: u32,
    /// Where the data of the image, or of the first frame, ends.
    pub(crate) image_end: u64,
    /// Whether the file ends before its container does.
    pub(crate) ends_early: bool,
    /// Offset and length of the chunks with profile, EXIF and XMP.
    profile: Option<(u64, u32)>,
    exif: Option<(u64, u32)>,
    xmp: Option<(u64, u32)>,
}

impl WebpLayout {
    /// Walks over the chunks.
    ///
    /// # Errors
    /// `truncated` when the file ends before the image begins, `corrupt` when there is none.
    pub(crate) fn read(input: &mut (impl Read + Seek)) -> Result<Self, RenderError> {
        let file_bytes = input.seek(SeekFrom::End(0))?;
        input.rewind()?;
        let mut start = [0; FIRST_CHUNK as usize];
        input.read_exact(&mut start)?;
        let container_end = CHUNK_HEADER_BYTES + u64::from(read_u32(&start[4..]));
        let mut layout = Self { frames: 0, ends_early: file_bytes < container_end, ..Self::default() };
        let mut position = FIRST_CHUNK;
        for number in 0..MAX_CHUNKS {
            let mut header = [0; CHUNK_HEADER_BYTES as usize];
            if position + CHUNK_HEADER_BYTES > container_end || !read_or_end(input, &mut header)? {
                break;
            }
            let (begin, length) = (position + CHUNK_HEADER_BYTES, read_u32(&header[4..]));
            layout.add_chunk(number, &header, (begin, length), input)?;
            position = begin + u64::from(length) + u64::from(length % 2);
            layout.ends_early |= position - u64::from(length % 2) > file_bytes;
            // Only this kind of file has chunks besides its image.
            if number == 0 && !header.starts_with(b"VP8X") {
                break;
            }
            input.seek(SeekFrom::Start(position))?;
        }
        layout.frames = layout.frames.max(1);
        match layout.image_end {
            0 if layout.ends_early => {
                Err(RenderError::for_truncated_file("The WebP ends before its image data begins."))
            }
            0 => Err(corrupt_error("The WebP has no image data.")),
            _ => Ok(layout),
        }
    }

    /// Takes a chunk, at whose content `input` stands.
    fn add_chunk(
        &mut self,
        number: u32,
        header: &[u8],
        (begin, length): (u64, u32),
        input: &mut impl Read,
    ) -> Result<(), RenderError> {
        let is_image = match (&header[..4], number) {
            (b"VP8X", 0) => {
                let mut fields = [0; 10];
                input.read_exact(&mut fields)?;
                let side = |at: usize| 1 + u32::from_le_bytes([fields[at], fields[at + 1], fields[at + 2], 0]);
                (self.size, self.alpha, self.animated) =
                    ((side(4), side(7)), fields[0] & 0x10 != 0, fields[0] & 2 != 0);
                false
            }
            (b"VP8 ", 0) => {
                let mut fields = [0; 10];
                input.read_exact(&mut fields)?;
                let side = |at: usize| u32::from(u16::from_le_bytes([fields[at], fields[at + 1]]) & 0x3FFF);
                self.size = (side(6), side(8));
                true
            }
            (b"VP8L", 0) => {
                let mut fields = [0; 5];
                input.read_exact(&mut fields)?;
                let bits = read_u32(&fields[1..]);
                (self.size, self.alpha) = ((1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)), bits >> 28 & 1 == 1);
                true
            }
            (_, 0) => return Err(corrupt_error("The WebP does not begin with an image.")),
            (b"VP8 " | b"VP8L", _) => !self.animated,
            (b"ANMF", _) => {
                self.frames += u32::from(self.animated);
                self.animated
            }
            (b"ICCP", _) => self.set_chunk(|layout| &mut layout.profile, (begin, length)),
            (b"EXIF", _) => self.set_chunk(|layout| &mut layout.exif, (begin, length)),
            (b"XMP ", _) => self.set_chunk(|layout| &mut layout.xmp, (begin, length)),
            _ => false,
        };
        if is_image && self.image_end == 0 {
            self.image_end = begin + u64::from(length);
        }
        Ok(())
    }

    /// Remembers a chunk that is no image; the first of its kind counts.
    fn set_chunk(&mut self, field: impl Fn(&mut Self) -> &mut Option<(u64, u32)>, chunk: (u64, u32)) -> bool {
        field(self).get_or_insert(chunk);
        false
    }

    /// Notes what is too large to be read.
    fn report_large_chunks(&self, metadata: &mut Metadata) {
        let exceeds = |chunk: Option<(u64, u32)>, max: usize| chunk.is_some_and(|(_, length)| length as usize > max);
        if exceeds(self.exif, MAX_EXIF_BYTES) {
            metadata.leave_out("EXIF");
        }
        if exceeds(self.xmp, MAX_XMP_BYTES) {
            metadata.leave_out("XMP");
        }
        if let Some((_, length)) = self.profile.filter(|profile| exceeds(Some(*profile), MAX_PROFILE_BYTES)) {
            metadata.ignore_profile(length.into());
        }
    }

    pub(crate) fn read_profile(&self, input: &mut (impl Read + Seek)) -> Option<Vec<u8>> {
        read_chunk(input, self.profile?, MAX_PROFILE_BYTES)
    }

    pub(crate) fn read_exif(&self, input: &mut (impl Read + Seek)) -> Option<Vec<u8>> {
        read_chunk(input, self.exif?, MAX_EXIF_BYTES)
    }

    pub(crate) fn read_xmp(&self, input: &mut (impl Read + Seek)) -> Option<Vec<u8>> {
        read_chunk(input, self.xmp?, MAX_XMP_BYTES)
    }
}

/// The content of a chunk; `None` when it is too long or not completely in the file.
fn read_chunk(input: &mut (impl Read + Seek), (begin, length): (u64, u32), max_bytes: usize) -> Option<Vec<u8>> {
    let length = usize::try_from(length).ok().filter(|length| *length <= max_bytes)?;
    input.seek(SeekFrom::Start(begin)).ok()?;
    let data = read_up_to(input, length as u64).ok()?;
    (data.len() == length).then_some(data)
}

/// Fills the buffer; false at the end of the file.
fn read_or_end(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match input.read_exact(buffer) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        read => read.map(|()| true),
    }
}

fn read_u32(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn build_chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let padding = vec![0; content.len() % 2];
        [name, &(content.len() as u32).to_le_bytes()[..], content, &padding].concat()
    }

    fn build_file(chunks: &[Vec<u8>]) -> Vec<u8> {
        let chunks = chunks.concat();
        [b"RIFF", &(chunks.len() as u32 + 4).to_le_bytes()[..], b"WEBP", &chunks].concat()
    }

    fn read(file: &[u8]) -> WebpLayout {
        WebpLayout::read(&mut Cursor::new(file)).unwrap()
    }

    #[test]
    fn an_animation_counts_its_frames_and_ends_with_its_first() {
        let canvas = build_chunk(b"VP8X", &[2, 0, 0, 0, 99, 0, 0, 49, 0, 0]);
        let (animation, frame) = (build_chunk(b"ANIM", &[0; 6]), build_chunk(b"ANMF", &[0; 25]));
        let file = build_file(&[canvas, animation, frame.clone(), frame.clone(), frame, build_chunk(b"XMP ", b"<x/>")]);
        let layout = read(&file);
        assert_eq!((layout.size, layout.frames, layout.animated, layout.ends_early), ((100, 50), 3, true, false));
        assert_eq!(layout.image_end, 12 + 18 + 14 + 8 + 25);
        assert_eq!(layout.read_xmp(&mut Cursor::new(&file)).unwrap(), b"<x/>");
        let cut = read(&file[..file.len() - 30]);
        assert_eq!((cut.frames, cut.ends_early, cut.image_end), (3, true, layout.image_end));
        assert_eq!(cut.read_xmp(&mut Cursor::new(&file[..file.len() - 30])), None);
    }

    #[test]
    fn a_file_without_image_is_damaged_or_truncated() {
        let canvas = build_chunk(b"VP8X", &[0; 10]);
        let whole = build_file(&[canvas, build_chunk(b"EXIF", &[0; 8])]);
        let code = |file: &[u8]| WebpLayout::read(&mut Cursor::new(file)).unwrap_err().code;
        assert_eq!(code(&whole), offprint_core::Code::Corrupt);
        assert_eq!(code(&build_file(&[build_chunk(b"EXIF", &[0; 8])])), offprint_core::Code::Corrupt);
        for length in 0..whole.len() {
            assert_eq!(code(&whole[..length]), offprint_core::Code::Truncated, "{length}");
        }
    }

    #[test]
    fn sizes_are_those_of_the_image() {
        let lossy = build_chunk(b"VP8 ", &[0, 0, 0, 0x9D, 1, 0x2A, 0x40, 0x40, 0x30, 0x80, 7]);
        let lossless = build_chunk(b"VP8L", &[0x2F, 0x3F, 0xC0, 0x0B, 0x10, 0]);
        let file = build_file(&[lossy]);
        assert_eq!((read(&file).size, read(&file).image_end), ((64, 48), file.len() as u64 - 1));
        assert_eq!(
            (
                read(&build_file(&[lossless])).size,
                read(&build_file(&[build_chunk(b"VP8L", &[0x2F, 0x3F, 0xC0, 0x0B, 0x10, 0])])).alpha
            ),
            ((64, 48), true)
        );
    }
}
