//! Camera raws. What a sensor saw is not developed here, but most raws hold a preview that their camera developed: the
//! largest is the image, with a warning, where it is large enough to be of use; otherwise the raw is refused by name.
//!
//! Where to begin reading: [`detect_raw_signature`] and [`read_raw_header`] for raws with a signature of their own, and
//! [`detect_raw_tiff`] for those that look like any TIFF.

mod cr3;
mod names;
mod previews;
mod raf;

use std::io::{BufReader, Read, Seek};

use offprint_core::Code;

use self::names::name_raw_tiff;
use super::tiff::{DirectoryList, TiffFile, tags};
use super::{FilePart, ImageHeader, jpeg};
use crate::error::RenderError;
use crate::file_section::SectionReader;

pub(super) use self::names::detect_raw_signature;
pub(super) use self::previews::read_tiff_preview;

/// How a raw with a signature of its own is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RawContainer {
    /// As a TIFF.
    Tiff,
    /// Fujifilm.
    Raf,
    /// Canon, in ISO's base media format.
    Cr3,
    /// In a way that is not read.
    Other,
}

/// Reads the header of the preview in a raw of this name.
///
/// # Errors
/// `unsupported-format`, which names the raw and what to do, when it has no preview of use.
pub(super) fn read_raw_header(
    input: &mut (impl Read + Seek),
    (container, camera): (RawContainer, &str),
) -> Result<ImageHeader, RenderError> {
    match container {
        RawContainer::Tiff => {
            let mut file = TiffFile::open(input)?;
            let list = DirectoryList::read(&mut file)?;
            read_tiff_preview(&mut file, &list, camera)
        }
        RawContainer::Raf => raf::read_raf_preview(input, camera),
        RawContainer::Cr3 => cr3::read_cr3_preview(input, camera),
        RawContainer::Other => choose_preview(None, None, camera),
    }
}

/// The name of a camera raw that has the signature of any TIFF; `None` when the file is an ordinary TIFF.
pub(super) fn detect_raw_tiff<R: Read + Seek>(file: &mut TiffFile<R>, list: &DirectoryList) -> Option<String> {
    let first = file.read_directory(file.first_directory).ok()?;
    let is_dng = first.has(tags::DNG_VERSION);
    if !is_dng && !list.has_sensor() {
        return None;
    }
    let make = file.find_text(&first, tags::MAKE).unwrap_or_default();
    Some(name_raw_tiff(&make, is_dng))
}

/// The header of a JPEG within another file; `None` when there is none, or one that is not read.
fn read_embedded_jpeg(input: impl Read + Seek, offset: u64, bytes: u64) -> Option<ImageHeader> {
    let section = SectionReader::new(input, offset, bytes).ok()?;
    let mut section = BufReader::new(section);
    let mut start = [0; 2];
    section.read_exact(&mut start).ok()?;
    section.rewind().ok()?;
    if start != [0xFF, 0xD8] {
        return None;
    }
    let mut header = jpeg::read_jpeg_header(&mut section).ok()?;
    header.part = Some(FilePart::Section { offset, bytes });
    Some(header).filter(|header| header.width > 0 && header.height > 0)
}

/// A preview with a longer side of this many pixels is of use, whatever the size of the raw; so is one that is at least
/// half as large as the raw. Smaller ones are icons for lists.
const USEFUL_SIDE: u32 = 1000;

/// The larger of two previews; of two of the same size the second. Only one is kept at a time, because each may come
/// with a profile, and a file may name thousands.
fn keep_larger(best: Option<ImageHeader>, preview: Option<ImageHeader>) -> Option<ImageHeader> {
    let area = |header: &ImageHeader| u64::from(header.width) * u64::from(header.height);
    best.into_iter().chain(preview).max_by_key(area)
}

/// Checks that the largest preview is of use. `raw_side` is the longer side of the raw image, where it is known.
fn choose_preview(
    largest: Option<ImageHeader>,
    raw_side: Option<u32>,
    camera: &str,
) -> Result<ImageHeader, RenderError> {
    let what = match largest {
        Some(preview) => {
            let side = preview.width.max(preview.height);
            if side >= USEFUL_SIDE || raw_side.is_some_and(|raw_side| side >= raw_side.div_ceil(2)) {
                return Ok(ImageHeader { camera_raw: Some(camera.to_owned()), ..preview });
            }
            format!(", and the largest preview in it has only {}x{} pixels", preview.width, preview.height)
        }
        None => ", and there is no preview in it that can be used".to_owned(),
    };
    let remedy = "Convert it to TIFF or JPEG with a raw converter and upload the result.";
    let detail = format!("The file is a camera raw ({camera}), which is not developed here{what}. {remedy}");
    Err(RenderError::new(Code::UnsupportedFormat, detail))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Cursor;

    use super::super::tiff::read_tiff_header;
    use super::super::tiff::samples::{Kind, SampleEntry, TiffSample};
    use super::*;
    use crate::header::SourceFormat;
    use crate::turn::Turn;

    fn encode_jpeg((width, height): (u32, u32)) -> Vec<u8> {
        let mut file = Vec::new();
        let pixels = vec![128; (width * height * 3) as usize];
        let encoder = image::codecs::jpeg::JpegEncoder::new(&mut file);
        image::ImageEncoder::write_image(encoder, &pixels, width, height, image::ExtendedColorType::Rgb8).unwrap();
        file
    }

    fn letters(text: &str) -> Vec<u64> {
        text.bytes().chain([0]).map(u64::from).collect()
    }

    /// A raw whose sensor has 400 pixels across, with a JPEG in a sub-directory, as Nikon's.
    fn build_raw(make: &str, jpeg_size: Option<(u32, u32)>, thumbnail: u32, more: &[SampleEntry<'_>]) -> Vec<u8> {
        let mut sample = TiffSample::default();
        let sensor: [SampleEntry<'_>; 1] = [(262, Kind::Short, &[32_803])];
        let mut children = vec![sample.add_gray_sub_image((400, 300), &sensor)];
        if let Some(size) = jpeg_size {
            let jpeg = encode_jpeg(size);
            let (offset, bytes) = ([sample.add_data(&jpeg)], [jpeg.len() as u64]);
            children.push(sample.add_sub_directory(&[(513, Kind::Long, &offset), (514, Kind::Long, &bytes)]));
        }
        let make = letters(make);
        let first: [SampleEntry<'_>; 4] =
            [(254, Kind::Long, &[1]), (271, Kind::Text, &make), (274, Kind::Short, &[6]), (330, Kind::Long, &children)];
        sample.add_gray_page((thumbnail, thumbnail), &[&first[..], more].concat());
        sample.finish()
    }

    #[test]
    fn the_largest_preview_of_a_raw_is_the_image() {
        let read = |file: Vec<u8>| read_tiff_header(Cursor::new(file)).unwrap();
        let jpeg = read(build_raw("NIKON", Some((300, 200)), 20, &[]));
        assert_eq!((jpeg.format, jpeg.width, jpeg.height), (SourceFormat::Jpeg, 300, 200));
        assert_eq!((jpeg.camera_raw.as_deref(), jpeg.orientation), (Some("Nikon NEF"), Turn::CLOCKWISE));
        assert!(matches!(jpeg.part, Some(FilePart::Section { .. })));
        // A reduced image that is no JPEG.
        let plain = read(build_raw("SONY", Some((100, 100)), 250, &[]));
        assert_eq!((plain.format, plain.width), (SourceFormat::Tiff, 250));
        assert_eq!(plain.camera_raw.as_deref(), Some("Sony ARW"));
    }

    #[test]
    fn a_raw_without_a_preview_of_use_is_refused_by_name() {
        let dng: SampleEntry<'_> = (50_706, Kind::Long, &[1]);
        let cases = [
            (build_raw("NIKON", Some((80, 60)), 20, &[]), "Nikon NEF"),
            (build_raw("Canon", None, 20, &[dng]), "Canon DNG"),
            (build_raw("", None, 20, &[]), "unknown maker"),
        ];
        for (file, name) in cases {
            let failure = read_tiff_header(Cursor::new(file)).unwrap_err();
            assert_eq!(failure.code, Code::UnsupportedFormat);
            assert!(failure.detail.contains(name) && failure.detail.contains("Convert it"), "{failure}");
        }
        for (start, name) in
            [(&b"FOVb"[..], "Sigma X3F"), (b"\0\0\0\x18ftypcrx ", "Canon CR3"), (b"IIU\0\x08\0\0\0", "RW2")]
        {
            let file = [start, &[0; 200]].concat();
            let failure = read_raw_header(&mut Cursor::new(&file), detect_raw_signature(&file).unwrap()).unwrap_err();
            assert!(failure.code != Code::UnsupportedFormat || failure.detail.contains(name), "{failure}");
        }
    }

    #[test]
    fn previews_in_files_of_other_structure_are_found() {
        let jpeg = encode_jpeg((1200, 800));
        let mut raf = b"FUJIFILMCCD-RAW 0201".to_vec();
        raf.resize(84, 0);
        raf.extend(100_u32.to_be_bytes());
        raf.extend((jpeg.len() as u32).to_be_bytes());
        raf.resize(100, 0);
        raf.extend(&jpeg);
        let mut panasonic = TiffSample::default();
        let values: Vec<u64> = jpeg.iter().copied().map(u64::from).collect();
        panasonic.add_directory(&[(0x2E, Kind::Text, &values)]);
        let mut panasonic = panasonic.finish();
        panasonic[2] = 0x55;
        let cr3 = build_cr3(&jpeg);
        for (file, name) in [(raf, "Fujifilm RAF"), (panasonic, "Panasonic RW2"), (cr3, "Canon CR3")] {
            let header = read_raw_header(&mut Cursor::new(&file), detect_raw_signature(&file).unwrap()).unwrap();
            assert_eq!((header.width, header.height, header.camera_raw.as_deref()), (1200, 800, Some(name)));
            let Some(FilePart::Section { offset, bytes }) = header.part else { panic!("{header:?}") };
            assert_eq!(&file[offset as usize..][..bytes as usize], &jpeg[..], "{name}");
        }
    }

    fn build_box(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        [&(content.len() as u32 + 8).to_be_bytes()[..], kind, content].concat()
    }

    fn build_cr3(jpeg: &[u8]) -> Vec<u8> {
        let build = |offset: u32| {
            let sizes = [&[0; 12][..4], &0_u32.to_be_bytes(), &1_u32.to_be_bytes(), &(jpeg.len() as u32).to_be_bytes()];
            let offsets = [&[0; 4][..], &1_u32.to_be_bytes(), &offset.to_be_bytes()].concat();
            let table = [build_box(b"stsz", &sizes.concat()), build_box(b"stco", &offsets)].concat();
            let track = build_box(b"mdia", &build_box(b"minf", &build_box(b"stbl", &table)));
            let movie = build_box(b"moov", &build_box(b"trak", &track));
            [build_box(b"ftyp", b"crx \0\0\0\x01crx isom"), movie, build_box(b"mdat", jpeg)].concat()
        };
        let offset = build(0).len() - jpeg.len();
        build(offset as u32)
    }
}
