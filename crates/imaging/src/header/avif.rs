//! The boxes of an AVIF: which picture it shows, of which parts, and what its numbers mean. Source: AV1 Image File
//! Format, and ISO/IEC 23008-12.

use std::io::{BufRead, Read, Seek, SeekFrom};

use super::av1::{Meaning, Sequence};
use super::boxes::{Boxes, Fields, Kind, open};
use super::items::{Items, Part};
use super::{Header, MAX_PROFILE, MAX_XMP, SourceFormat, corrupt, exif, skip};
use offprint_core::Code;
use offprint_modifiers::PixelType;
use crate::colour::coded;
use crate::failure::Failure;
use crate::turn::Turn;

/// Most bytes of a box that says what is in the file.
const MOST: u64 = MAX_PROFILE as u64 + (1 << 20);

/// How far into a picture its sequence header is looked for, in bytes.
const START: u64 = 4096;

/// What a picture that is alpha calls itself.
const ALPHA: [&[u8]; 2] = [b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1"];

/// What the decoder needs to know beside the header.
pub(in crate) struct Layout {
    pub color: Picture,
    pub alpha: Option<Picture>,
    pub meaning: Meaning,
}

/// A picture of tiles side by side; most are one tile.
pub(in crate) struct Picture {
    pub size: (u32, u32),
    /// Size of each tile; those at the right and at the bottom may reach out of the picture.
    pub tile: (u32, u32),
    pub columns: usize,
    /// Where each lies in the file.
    pub tiles: Vec<Vec<Part>>,
}

/// Whether a file that begins so is an AVIF: its brands say it, the first or another.
pub fn is_avif(start: &[u8]) -> bool {
    let mut boxes = start;
    let Ok((kind, Some(length))) = open(&mut boxes) else { return false };
    let brands = boxes.get(..(length as usize).min(boxes.len())).unwrap_or_default();
    let mut words = brands.chunks_exact(4).enumerate().filter(|(number, _)| *number != 1);
    &kind == b"ftyp" && words.any(|(_, brand)| matches!(brand, b"avif" | b"avis"))
}

pub(in crate) fn read(input: &mut (impl BufRead + Seek)) -> Result<(Header, Layout), Failure> {
    let (meta, begin, frames) = top(input)?;
    let items = Items::read(&meta, begin)?;
    let said = Said::of(&items, items.primary)?;
    let color = picture(input, &items, items.primary)?;
    let alpha = alpha(&items)?;
    let layout = match alpha {
        Some(alpha) => Some(picture(input, &items, alpha)?),
        None => None,
    };
    if layout.as_ref().is_some_and(|alpha| alpha.size != color.size) {
        return Err(unsupported("whose transparency has another size"));
    }
    let start = bytes(input, &color.tiles[0], START, false)?;
    let sequence = Sequence::read(&start)?;
    if sequence.size != color.tile {
        return Err(corrupt("The AVIF's picture has another size than its boxes say."));
    }
    let meaning = said.meaning.unwrap_or(sequence.color);
    let pixel_type = if sequence.gray { PixelType::Gray } else { PixelType::Rgb };
    let mut header = Header::new(SourceFormat::Avif, color.size, pixel_type, sequence.bits);
    header.alpha = layout.is_some();
    header.premultiplied = alpha.is_some_and(|alpha| items.linked_from(items.primary, b"prem").contains(&alpha));
    header.frames = frames;
    header.profile = match said.profile {
        Some(profile) => Some(profile),
        None => coded(meaning.primaries, meaning.transfer)?,
    };
    describe(input, &items, &mut header)?;
    header.orientation = said.turn;
    Ok((header, Layout { color, alpha: layout, meaning }))
}

/// The inside of `meta`, where it begins, and how many frames the film beside it has.
fn top(input: &mut (impl BufRead + Seek)) -> Result<(Vec<u8>, u64, u32), Failure> {
    let (mut meta, mut film) = (None, None);
    while !input.fill_buf()?.is_empty() {
        let (kind, length) = open(input)?;
        let begin = input.stream_position()?;
        match (&kind, length) {
            (b"meta" | b"moov", Some(length)) if length > MOST => {
                return Err(unsupported("that says more of itself than can be read"));
            }
            (b"meta", Some(length)) => {
                let mut inside = vec![0; length as usize];
                input.read_exact(&mut inside)?;
                meta = Some((inside, begin));
            }
            (b"moov", Some(length)) => {
                let mut inside = vec![0; length as usize];
                input.read_exact(&mut inside)?;
                film = frames(Boxes(&inside))?;
            }
            (_, Some(length)) => skip(input, length)?,
            (_, None) => break,
        }
    }
    match meta {
        Some((meta, begin)) => Ok((meta, begin, film.unwrap_or(1).max(1))),
        None if film.is_some() => Err(unsupported("that is a film without a picture of its own")),
        None => Err(Failure::truncated("The AVIF ends before it says what is in it.")),
    }
}

/// The number of samples of the longest track.
fn frames(mut boxes: Boxes<'_>) -> Result<Option<u32>, Failure> {
    let mut most = None;
    while let Some((kind, mut fields)) = boxes.next()? {
        let found = match &kind {
            b"trak" | b"mdia" | b"minf" | b"stbl" => frames(Boxes(fields.0))?,
            b"stsz" => {
                fields.version()?;
                fields.long()?;
                Some(fields.long()?)
            }
            _ => None,
        };
        most = most.max(found);
    }
    Ok(most)
}

/// What the properties of a picture say.
struct Said {
    size: Option<(u32, u32)>,
    turn: Turn,
    profile: Option<Vec<u8>>,
    meaning: Option<Meaning>,
    is_alpha: bool,
}

impl Said {
    fn of(items: &Items<'_>, item: u32) -> Result<Self, Failure> {
        let mut said = Self { size: None, turn: Turn::NONE, profile: None, meaning: None, is_alpha: false };
        for property in items.properties(item) {
            let mut fields = property.fields;
            match &property.kind {
                b"ispe" => {
                    fields.version()?;
                    said.size = Some((fields.long()?, fields.long()?));
                }
                b"colr" => said.color(fields)?,
                // Quarters against the clock.
                b"irot" => said.turn = said.turn.then(Turn::quarters(4 - u32::from(fields.byte()? & 3))),
                b"imir" => {
                    let across = fields.byte()? & 1 == 1;
                    said.turn = said.turn.then(Turn { transpose: false, flip_x: across, flip_y: !across });
                }
                b"auxC" => {
                    fields.version()?;
                    said.is_alpha = ALPHA.contains(&fields.text());
                }
                b"av1C" | b"pixi" | b"pasp" => {}
                b"clap" => return Err(unsupported("with a clean aperture, a crop of its own,")),
                b"a1op" if fields.byte()? == 0 => {}
                other if property.essential => {
                    let name = String::from_utf8_lossy(other).into_owned();
                    return Err(unsupported(&format!("with the property `{}`", name.escape_default())));
                }
                _ => {}
            }
        }
        Ok(said)
    }

    fn color(&mut self, mut fields: Fields<'_>) -> Result<(), Failure> {
        match &fields.word()? {
            b"nclx" => {
                let [primaries, transfer, matrix] = [fields.short()?, fields.short()?, fields.short()?];
                self.meaning = Some(Meaning { primaries, transfer, matrix, full_range: fields.byte()? & 0x80 != 0 });
            }
            b"prof" | b"rICC" if fields.0.len() <= MAX_PROFILE => self.profile = Some(fields.0.to_vec()),
            _ => {}
        }
        Ok(())
    }
}

/// The picture that is the primary one's alpha.
fn alpha(items: &Items<'_>) -> Result<Option<u32>, Failure> {
    for item in items.linking_to(items.primary, b"auxl") {
        if Said::of(items, item)?.is_alpha {
            return Ok(Some(item));
        }
    }
    Ok(None)
}

/// The tiles of a picture.
fn picture(input: &mut (impl Read + Seek), items: &Items<'_>, item: u32) -> Result<Picture, Failure> {
    let size = size(items, item)?;
    let kind: Kind = items.kind(item)?;
    match &kind {
        b"av01" => Ok(Picture { size, tile: size, columns: 1, tiles: vec![items.places(item)?.to_vec()] }),
        b"grid" => {
            let data = bytes(input, items.places(item)?, 16, true)?;
            let mut fields = Fields(&data);
            let flags = fields.short()? & 1;
            let (rows, columns) = (usize::from(fields.byte()?) + 1, usize::from(fields.byte()?) + 1);
            let side = if flags == 1 { 4 } else { 2 };
            let whole = (fields.number(side)? as u32, fields.number(side)? as u32);
            let parts = items.linked_from(item, b"dimg");
            let tile = parts.first().map(|part| self::size(items, *part)).transpose()?.unwrap_or_default();
            let covers = |side: u32, tile: u32, count: usize| {
                let all = u64::from(tile) * count as u64;
                (1..=all).contains(&u64::from(side)) && all - u64::from(side) < u64::from(tile)
            };
            let fits = parts.len() == rows * columns && covers(size.0, tile.0, columns) && covers(size.1, tile.1, rows);
            if whole != size || !fits {
                return Err(corrupt("The tiles of the AVIF do not make its picture."));
            }
            let mut tiles = Vec::new();
            for part in parts {
                if self::size(items, *part)? != tile || &items.kind(*part)? != b"av01" {
                    return Err(corrupt("The tiles of the AVIF are not alike."));
                }
                tiles.push(items.places(*part)?.to_vec());
            }
            Ok(Picture { size, tile, columns, tiles })
        }
        other => Err(unsupported(&format!("of the kind `{}`", String::from_utf8_lossy(other).escape_default()))),
    }
}

fn size(items: &Items<'_>, item: u32) -> Result<(u32, u32), Failure> {
    Said::of(items, item)?.size.ok_or_else(|| corrupt("The AVIF does not say how large its picture is."))
}

/// Resolution and rights; damage in them is passed over.
fn describe(input: &mut (impl Read + Seek), items: &Items<'_>, header: &mut Header) -> Result<(), Failure> {
    let mut data = |kind: &Kind, media: &[u8]| {
        let item = items.describing(items.primary, kind, media)?;
        bytes(input, items.places(item).ok()?, MAX_XMP as u64, true).ok()
    };
    let (xmp, exif) = (data(b"mime", b"application/rdf+xml"), data(b"Exif", b""));
    header.take_xmp(xmp);
    // Before the data stands how much of it is to be passed over.
    let start = exif.as_deref().and_then(|data| Some(u32::from_be_bytes(*data.first_chunk()?) as usize));
    if let (Some(exif), Some(start)) = (exif, start)
        && let Some(raw) = exif.get(start.saturating_add(4)..)
    {
        exif::apply(header, raw.to_vec());
    }
    Ok(())
}

/// What lies in the file in these parts: the whole, or of what is longer than `most` the beginning.
///
/// # Errors
/// When the whole is wanted and longer than `most`, or `truncated` when the file is shorter.
pub(in crate) fn bytes(
    input: &mut (impl Read + Seek),
    parts: &[Part],
    most: u64,
    whole: bool,
) -> Result<Vec<u8>, Failure> {
    let mut data = Vec::new();
    for (start, length) in parts {
        let left = most - data.len() as u64;
        let wanted = length.unwrap_or(u64::MAX);
        if wanted > left && whole && length.is_some() {
            return Err(unsupported("with a part that is longer than can be read"));
        }
        input.seek(SeekFrom::Start(*start))?;
        let read = input.take(wanted.min(left)).read_to_end(&mut data)? as u64;
        if read < wanted.min(left) && length.is_some() && whole {
            return Err(Failure::truncated("The AVIF ends before its picture does."));
        }
    }
    Ok(data)
}

fn unsupported(what: &str) -> Failure {
    Failure::new(Code::UnsupportedFormat, format!("An AVIF {what} cannot be read."))
}
