//! The boxes of an AVIF: the primary image, its tiles, its alpha and its colour. Source: AV1 Image File Format, and
//! ISO/IEC 23008-12. Nothing is decoded here.

use std::io::{BufRead, Read, Seek, SeekFrom};

use offprint_core::Code;
use offprint_modifiers::PixelType;

use super::av1::{Cicp, SequenceHeader};
use super::bounds::{MAX_EXIF_BYTES, MAX_PROFILE_BYTES, MAX_XMP_BYTES, read_up_to};
use super::boxes::{BoxKind, BoxReader, Boxes, read_box_header};
use super::heif_items::{HeifItems, ItemExtent};
use super::metadata::Metadata;
use super::{ImageHeader, SourceFormat, corrupt_error, skip_bytes};
use crate::colour::encode_cicp_profile;
use crate::error::RenderError;
use crate::turn::Turn;

/// Largest `meta` or `moov` box that is read, in bytes.
const MAX_META_BYTES: u64 = MAX_PROFILE_BYTES as u64 + (1 << 20);

/// Most outermost boxes that are looked at.
const MAX_TOP_BOXES: u32 = 8192;

/// Most parts of all tiles of an image. A tile is one part, unless a program wrote it bit by bit.
const MAX_TILE_PARTS: usize = 1 << 16;

/// How deep boxes in `moov` may be nested: track, media, information, table.
const MAX_BOX_DEPTH: u32 = 8;

/// How much of an image is searched for its sequence header, in bytes.
const MAX_SEQUENCE_SCAN_BYTES: u64 = 4096;

/// Types of an auxiliary image that is alpha.
const ALPHA_URNS: [&[u8]; 2] = [b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1"];

/// What the decoder needs besides the header.
pub(crate) struct AvifLayout {
    pub(crate) color: TiledImage,
    pub(crate) alpha: Option<TiledImage>,
    pub(crate) cicp: Cicp,
    /// Whether the file ends within a box.
    pub(crate) ends_early: bool,
}

/// An image made of tiles; most have a single one.
pub(crate) struct TiledImage {
    pub(crate) size: (u32, u32),
    /// Size of each tile, in pixels; those at the right and at the bottom may reach beyond the image.
    pub(crate) tile_size: (u32, u32),
    pub(crate) columns: usize,
    /// Where each tile lies in the file, row by row.
    pub(crate) tiles: Vec<Vec<ItemExtent>>,
}

/// Whether a file that begins with these bytes is an AVIF, according to its major or compatible brands.
pub fn is_avif(start: &[u8]) -> bool {
    read_brands(start).any(|brand| matches!(brand, b"avif" | b"avis"))
}

/// The major and the compatible brands of a file that begins with a box `ftyp`.
pub(super) fn read_brands(start: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut boxes = start;
    let brands = match read_box_header(&mut boxes) {
        Ok((kind, Some(length))) if &kind == b"ftyp" => &boxes[..(length as usize).min(boxes.len())],
        _ => &[],
    };
    // The second word is the version of the major brand.
    brands.chunks_exact(4).enumerate().filter(|(number, _)| *number != 1).map(|(_, brand)| brand)
}

pub(crate) fn read_avif_header(input: &mut (impl BufRead + Seek)) -> Result<(ImageHeader, AvifLayout), RenderError> {
    let TopBoxes { meta, meta_begin, frames, ends_early } = TopBoxes::read(input)?;
    let items = HeifItems::read(&meta, meta_begin)?;
    let properties = ImageProperties::read(&items, items.primary)?;
    let color = locate_tiles(input, &items, items.primary)?;
    let alpha = find_alpha_item(&items)?;
    let alpha_image = match alpha {
        Some(alpha) => Some(locate_tiles(input, &items, alpha)?),
        None => None,
    };
    if alpha_image.as_ref().is_some_and(|alpha| alpha.size != color.size) {
        return Err(unsupported_avif_error("whose alpha has another size than its image"));
    }
    let start = read_extents(input, &color.tiles[0], MAX_SEQUENCE_SCAN_BYTES, false)?;
    let sequence = SequenceHeader::read(&start)?;
    if sequence.size != color.tile_size {
        return Err(corrupt_error("The size of the AVIF image does not match its boxes."));
    }
    let cicp = properties.cicp.unwrap_or(sequence.cicp);
    let pixel_type = if sequence.gray { PixelType::Gray } else { PixelType::Rgb };
    let mut header = ImageHeader::new(SourceFormat::Avif, color.size, pixel_type, sequence.bits);
    header.alpha = alpha_image.is_some();
    header.premultiplied = alpha.is_some_and(|alpha| items.find_referenced(items.primary, b"prem").contains(&alpha));
    header.frames = frames;
    let mut metadata = read_metadata(input, &items);
    header.profile = match properties.profile {
        Some(profile) if profile.len() > MAX_PROFILE_BYTES => {
            metadata.ignore_profile(profile.len() as u64);
            None
        }
        Some(profile) => Some(profile.to_vec()),
        None => encode_cicp_profile(cicp.primaries, cicp.transfer)?,
    };
    metadata.apply(&mut header);
    header.orientation = properties.orientation;
    Ok((header, AvifLayout { color, alpha: alpha_image, cicp, ends_early }))
}

/// Reads the metadata of any image in the container of AVIF, such as HEIC, whose pixels are not read.
pub(super) fn read_heif_metadata(input: &mut (impl Read + Seek)) -> Result<Metadata, RenderError> {
    let TopBoxes { meta, meta_begin, .. } = TopBoxes::read(input)?;
    let items = HeifItems::read(&meta, meta_begin)?;
    Ok(read_metadata(input, &items))
}

/// What the outermost boxes contain.
struct TopBoxes {
    /// The content of `meta`.
    meta: Vec<u8>,
    /// Offset of that content in the file.
    meta_begin: u64,
    /// Number of frames of the image sequence in `moov`; 1 without one.
    frames: u32,
    /// Whether the file ends within a box.
    ends_early: bool,
}

impl TopBoxes {
    /// Walks over the boxes. What is damaged behind `meta` does not matter here: reading the image will fail if it does.
    fn read(input: &mut (impl Read + Seek)) -> Result<Self, RenderError> {
        let file_bytes = input.seek(SeekFrom::End(0))?;
        input.rewind()?;
        let (mut meta, mut sequence_frames, mut ends_early) = (None, None, false);
        for _ in 0..MAX_TOP_BOXES {
            if input.stream_position()? >= file_bytes {
                break;
            }
            let (kind, length) = match read_box_header(input) {
                Err(_) if meta.is_some() => {
                    ends_early = true;
                    break;
                }
                header => header?,
            };
            let (begin, Some(length)) = (input.stream_position()?, length) else { break };
            ends_early |= begin.saturating_add(length) > file_bytes;
            match &kind {
                b"meta" if length > MAX_META_BYTES => {
                    return Err(unsupported_avif_error("with a metadata box that is too large"));
                }
                b"meta" if meta.is_none() => {
                    let content = read_up_to(input, length)?;
                    if content.len() as u64 != length {
                        return Err(RenderError::for_truncated_file("The AVIF ends within its `meta` box."));
                    }
                    meta = Some((content, begin));
                }
                b"moov" if length <= MAX_META_BYTES => {
                    let content = read_up_to(input, length)?;
                    sequence_frames = Some(count_frames(Boxes(&content), 0).ok().flatten().unwrap_or(1));
                }
                _ => skip_bytes(input, length)?,
            }
        }
        match meta {
            Some((meta, meta_begin)) => {
                Ok(Self { meta, meta_begin, frames: sequence_frames.unwrap_or(1).max(1), ends_early })
            }
            None if sequence_frames.is_some() => {
                Err(unsupported_avif_error("that is an image sequence without a still image"))
            }
            None => Err(RenderError::for_truncated_file("The AVIF ends before its `meta` box.")),
        }
    }
}

/// Number of samples of the longest track.
fn count_frames(mut boxes: Boxes<'_>, depth: u32) -> Result<Option<u32>, RenderError> {
    let mut max_frames = None;
    while let Some((kind, mut fields)) = boxes.next()? {
        let frames = match &kind {
            b"trak" | b"mdia" | b"minf" | b"stbl" if depth < MAX_BOX_DEPTH => count_frames(Boxes(fields.0), depth + 1)?,
            b"stsz" => {
                fields.read_version()?;
                fields.read_u32()?;
                Some(fields.read_u32()?)
            }
            _ => None,
        };
        max_frames = max_frames.max(frames);
    }
    Ok(max_frames)
}

/// The properties of an image item.
struct ImageProperties<'a> {
    size: Option<(u32, u32)>,
    orientation: Turn,
    profile: Option<&'a [u8]>,
    cicp: Option<Cicp>,
    is_alpha: bool,
}

impl<'a> ImageProperties<'a> {
    fn read(items: &HeifItems<'a>, item: u32) -> Result<Self, RenderError> {
        let mut properties = Self { size: None, orientation: Turn::NONE, profile: None, cicp: None, is_alpha: false };
        for property in items.properties(item) {
            let mut fields = property.fields;
            match &property.kind {
                b"ispe" => {
                    fields.read_version()?;
                    properties.size = Some((fields.read_u32()?, fields.read_u32()?));
                }
                b"colr" => properties.read_color(fields)?,
                // Quarter turns counterclockwise.
                b"irot" => {
                    properties.orientation =
                        properties.orientation.then(Turn::from_quarters(4 - u32::from(fields.read_u8()? & 3)))
                }
                b"imir" => {
                    let flip_x = fields.read_u8()? & 1 == 1;
                    properties.orientation =
                        properties.orientation.then(Turn { transpose: false, flip_x, flip_y: !flip_x });
                }
                b"auxC" => {
                    fields.read_version()?;
                    properties.is_alpha = ALPHA_URNS.contains(&fields.read_text());
                }
                b"av1C" | b"pixi" | b"pasp" => {}
                b"clap" => return Err(unsupported_avif_error("with a clean aperture (an embedded crop)")),
                b"a1op" if fields.read_u8()? == 0 => {}
                unknown if property.essential => {
                    let name = String::from_utf8_lossy(unknown).into_owned();
                    return Err(unsupported_avif_error(&format!("with the property `{}`", name.escape_default())));
                }
                _ => {}
            }
        }
        Ok(properties)
    }

    fn read_color(&mut self, mut fields: BoxReader<'a>) -> Result<(), RenderError> {
        match &fields.read_kind()? {
            b"nclx" => {
                let [primaries, transfer, matrix] = [fields.read_u16()?, fields.read_u16()?, fields.read_u16()?];
                self.cicp = Some(Cicp { primaries, transfer, matrix, full_range: fields.read_u8()? & 0x80 != 0 });
            }
            b"prof" | b"rICC" => self.profile = Some(fields.0),
            _ => {}
        }
        Ok(())
    }
}

/// The alpha image of the primary image.
fn find_alpha_item(items: &HeifItems<'_>) -> Result<Option<u32>, RenderError> {
    for item in items.find_referencing(items.primary, b"auxl") {
        if ImageProperties::read(items, item)?.is_alpha {
            return Ok(Some(item));
        }
    }
    Ok(None)
}

/// Finds the tiles of an image: itself, or those of its grid.
fn locate_tiles(input: &mut (impl Read + Seek), items: &HeifItems<'_>, item: u32) -> Result<TiledImage, RenderError> {
    let size = read_item_size(items, item)?;
    let kind: BoxKind = items.kind(item)?;
    match &kind {
        b"av01" => Ok(TiledImage { size, tile_size: size, columns: 1, tiles: vec![items.extents(item)?.to_vec()] }),
        b"grid" => {
            let data = read_extents(input, items.extents(item)?, 16, true)?;
            let mut fields = BoxReader(&data);
            let has_large_fields = fields.read_u16()? & 1 == 1;
            let (rows, columns) = (usize::from(fields.read_u8()?) + 1, usize::from(fields.read_u8()?) + 1);
            let field_bytes = if has_large_fields { 4 } else { 2 };
            let grid_size = (fields.read_uint(field_bytes)? as u32, fields.read_uint(field_bytes)? as u32);
            let parts = items.find_referenced(item, b"dimg");
            let tile = parts.first().map(|part| read_item_size(items, *part)).transpose()?.unwrap_or_default();
            let covers = |side: u32, tile: u32, count: usize| {
                let all = u64::from(tile) * count as u64;
                (1..=all).contains(&u64::from(side)) && all - u64::from(side) < u64::from(tile)
            };
            let fits = parts.len() == rows * columns && covers(size.0, tile.0, columns) && covers(size.1, tile.1, rows);
            if grid_size != size || !fits {
                return Err(corrupt_error("The tiles of the AVIF image do not cover it exactly."));
            }
            let (mut tiles, mut tile_parts) = (Vec::new(), 0);
            for part in parts {
                if read_item_size(items, *part)? != tile || &items.kind(*part)? != b"av01" {
                    return Err(corrupt_error("The tiles of the AVIF image differ in size or kind."));
                }
                // Many tiles may be the same item: what is copied is bounded, not only what the file says.
                let extents = items.extents(*part)?;
                tile_parts += extents.len();
                if tile_parts > MAX_TILE_PARTS {
                    return Err(unsupported_avif_error("whose tiles consist of too many parts"));
                }
                tiles.push(extents.to_vec());
            }
            Ok(TiledImage { size, tile_size: tile, columns, tiles })
        }
        unknown => {
            let name = String::from_utf8_lossy(unknown).into_owned();
            Err(unsupported_avif_error(&format!("with an image of the kind `{}`", name.escape_default())))
        }
    }
}

fn read_item_size(items: &HeifItems<'_>, item: u32) -> Result<(u32, u32), RenderError> {
    ImageProperties::read(items, item)?.size.ok_or_else(|| corrupt_error("The AVIF image has no size."))
}

/// Resolution and rights; damaged metadata is ignored.
fn read_metadata(input: &mut (impl Read + Seek), items: &HeifItems<'_>) -> Metadata {
    let mut metadata = Metadata::default();
    let mut data = |kind: &BoxKind, media: &[u8], max_bytes: usize, name| {
        let item = items.find_description(items.primary, kind, media)?;
        let extents = items.extents(item).ok()?;
        let length = extents.iter().fold(0, |sum: u64, (_, length)| sum.saturating_add(length.unwrap_or(0)));
        if length > max_bytes as u64 {
            metadata.leave_out(name);
            return None;
        }
        read_extents(input, extents, max_bytes as u64, true).ok()
    };
    let xmp = data(b"mime", b"application/rdf+xml", MAX_XMP_BYTES, "XMP");
    let exif = data(b"Exif", b"", MAX_EXIF_BYTES, "EXIF");
    if let Some(xmp) = xmp {
        metadata.add_xmp(&xmp);
    }
    if let Some(exif) = exif {
        // The data begins with the number of bytes to skip before the EXIF.
        let start = exif.first_chunk().map(|start| u32::from_be_bytes(*start) as usize).unwrap_or_default();
        metadata.add_exif(exif.get(start.saturating_add(4)..).unwrap_or_default());
    }
    metadata
}

/// Reads the extents of an item: all of it when `whole`, else at most its first `max_bytes` bytes.
///
/// # Errors
/// With `whole`: `unsupported-format` when it is longer than `max_bytes`, `truncated` when the file is shorter.
pub(crate) fn read_extents(
    input: &mut (impl Read + Seek),
    extents: &[ItemExtent],
    max_bytes: u64,
    whole: bool,
) -> Result<Vec<u8>, RenderError> {
    let mut data = Vec::new();
    for (start, length) in extents {
        let left = max_bytes - data.len() as u64;
        let extent_bytes = length.unwrap_or(u64::MAX);
        if extent_bytes > left && whole && length.is_some() {
            return Err(unsupported_avif_error("with an item that is too large"));
        }
        input.seek(SeekFrom::Start(*start))?;
        let read = input.by_ref().take(extent_bytes.min(left)).read_to_end(&mut data)? as u64;
        if read < extent_bytes.min(left) && length.is_some() && whole {
            return Err(RenderError::for_truncated_file("The AVIF ends before its image data does."));
        }
    }
    Ok(data)
}

fn unsupported_avif_error(what: &str) -> RenderError {
    RenderError::new(Code::UnsupportedFormat, format!("An AVIF {what} cannot be read."))
}
