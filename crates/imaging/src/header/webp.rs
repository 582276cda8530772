//! WebP headers: size and alpha by the image crate, the rest by a walk over the chunks. Source: WebP Container
//! Specification.

use std::io::{Read, Seek, SeekFrom};

use image::ImageDecoder;
use image::codecs::webp::WebPDecoder;
use offprint_modifiers::PixelType;

use super::decoder_headers::{FileReader, map_image_error};
use super::metadata::Metadata;
use super::{ImageHeader, MAX_FRAME_SCAN_BYTES, MAX_PROFILE_BYTES, MAX_XMP_BYTES, SourceFormat};
use crate::error::RenderError;

/// What the chunks of an extended file say.
#[derive(Default)]
struct WebpChunks {
    frames: u32,
    profile: Option<Vec<u8>>,
    metadata: Metadata,
}

pub(super) fn read_webp_header(mut input: FileReader) -> Result<ImageHeader, RenderError> {
    let mut chunks = WebpChunks::default();
    // An error means the end of the file; whether that is too early is the decoder's business.
    let _ = chunks.read(&mut input);
    input.rewind()?;
    let decoder = WebPDecoder::new(input).map_err(map_image_error)?;
    let mut header = ImageHeader::new(SourceFormat::Webp, decoder.dimensions(), PixelType::Rgb, 8);
    header.alpha = decoder.color_type().has_alpha();
    header.frames = chunks.frames.max(1);
    header.profile = chunks.profile;
    chunks.metadata.apply(&mut header);
    Ok(header)
}

impl WebpChunks {
    /// Walks over the chunks. Those of metadata count only behind a chunk that announces an extended file.
    fn read(&mut self, input: &mut FileReader) -> std::io::Result<()> {
        let mut head = [0; 8];
        let mut is_extended = false;
        input.seek(SeekFrom::Start(12))?;
        while input.stream_position()? < MAX_FRAME_SCAN_BYTES && input.read_exact(&mut head).is_ok() {
            let [kind @ .., l0, l1, l2, l3] = head;
            let length = u32::from_le_bytes([l0, l1, l2, l3]);
            let padded = i64::from(length) + i64::from(length % 2);
            let limit = match &kind {
                b"ICCP" if is_extended => MAX_PROFILE_BYTES,
                b"EXIF" | b"XMP " if is_extended => MAX_XMP_BYTES,
                _ => 0,
            };
            is_extended |= &kind == b"VP8X";
            self.frames += u32::from(&kind == b"ANMF");
            if length == 0 || length as usize > limit {
                input.seek_relative(padded)?;
                continue;
            }
            let mut data = Vec::new();
            input.by_ref().take(u64::from(length)).read_to_end(&mut data)?;
            input.seek_relative(padded - i64::from(length))?;
            match &kind {
                b"ICCP" if data.len() == length as usize => self.profile = self.profile.take().or(Some(data)),
                b"EXIF" => self.metadata.add_exif(&data),
                b"XMP " => self.metadata.add_xmp(data),
                _ => {}
            }
        }
        Ok(())
    }
}
