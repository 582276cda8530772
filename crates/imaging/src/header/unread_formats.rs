//! Formats that are not read (yet), told from their first bytes, and what people can do with such a file.
//!
//! One table for everybody who refuses a file, so that an upload, a dry run and an item say the same.

use super::avif::read_brands;
use super::markup::{decode_plain_text, find_root_element, is_svg_element};

/// How much of a file's beginning is needed to tell its format, in bytes.
pub const MAX_SIGNATURE_BYTES: u64 = 16 << 10;

/// A format that is not read.
pub struct UnreadFormat {
    /// What such files are called, in the plural.
    name: &'static str,
    remedy: &'static str,
    /// Whether a file begins like this.
    matches: fn(&[u8]) -> bool,
}

const CONVERT: &str = "Convert the file to JPEG, PNG or TIFF and upload it again.";
const DEVELOP: &str = "Export the photo as JPEG or TIFF from your raw converter and upload it again.";
const EXPORT_DRAWING: &str = "Export the drawing as PNG or TIFF, at the size you need, and upload it again.";
const EXPORT_PAGE: &str = "Export the page as PNG or TIFF, at the resolution you need, and upload it again.";
const EXPORT_FRAME: &str = "Export a frame as JPEG or PNG and upload it.";
const FIND_IMAGE: &str = "Upload the image itself.";

/// The table. The first row that matches counts.
const UNREAD_FORMATS: &[UnreadFormat] = &[
    row("HEIC (HEIF) images", CONVERT, is_heif),
    row("JPEG XL images", CONVERT, |start| {
        start.starts_with(b"\xFF\x0A") || start.starts_with(b"\0\0\0\x0CJXL \r\n\x87\n")
    }),
    row("JPEG XR images", CONVERT, |start| start.starts_with(b"II\xBC")),
    row("Icons and cursors (ICO, CUR)", CONVERT, is_icon),
    row("SVG drawings", EXPORT_DRAWING, |start| has_root_element(start, is_svg_element)),
    row("PDF documents (also AI files that contain one)", EXPORT_PAGE, is_pdf),
    row("PostScript files (EPS, AI)", EXPORT_PAGE, |start| {
        start.starts_with(b"%!PS") || start.starts_with(b"\xC5\xD0\xD3\xC6")
    }),
    row("Windows metafiles (WMF)", EXPORT_DRAWING, is_wmf),
    row("Windows metafiles (EMF)", EXPORT_DRAWING, |start| {
        start.starts_with(b"\x01\0\0\0") && start.get(40..44) == Some(b" EMF")
    }),
    row("Camera raw files of Canon (CR3)", DEVELOP, |start| has_brand(start, &[b"crx "])),
    row("Camera raw files of Canon (CRW)", DEVELOP, |start| start.get(6..14) == Some(b"HEAPCCDR")),
    row("Camera raw files of Fujifilm (RAF)", DEVELOP, |start| start.starts_with(b"FUJIFILMCCD-RAW")),
    row("Camera raw files of Sigma (X3F)", DEVELOP, |start| start.starts_with(b"FOVb")),
    row("Camera raw files of Minolta (MRW)", DEVELOP, |start| start.starts_with(b"\0MRM")),
    row("Camera raw files of Olympus (ORF)", DEVELOP, |start| {
        matches!(start.first_chunk(), Some(b"IIRO" | b"IIRS" | b"MMOR"))
    }),
    row("Camera raw files of Panasonic and Leica (RW2, RWL)", DEVELOP, |start| start.starts_with(b"IIU\0")),
    row("GIMP documents (XCF)", CONVERT, |start| start.starts_with(b"gimp xcf")),
    row("OpenEXR images", CONVERT, |start| start.starts_with(b"\x76\x2F\x31\x01")),
    row("Radiance images (HDR)", CONVERT, |start| start.starts_with(b"#?RADIANCE") || start.starts_with(b"#?RGBE")),
    row("DirectDraw textures (DDS)", CONVERT, |start| start.starts_with(b"DDS \x7C\0\0\0")),
    row("QOI images", CONVERT, |start| start.starts_with(b"qoif")),
    row("Netpbm images (PBM, PGM, PPM, PAM)", CONVERT, is_netpbm),
    row("MNG and JNG images", CONVERT, |start| matches!(start.first_chunk(), Some(b"\x8AMNG" | b"\x8BJNG"))),
    row("Icons of macOS (ICNS)", CONVERT, |start| start.starts_with(b"icns")),
    row("DjVu documents", EXPORT_PAGE, |start| start.starts_with(b"AT&TFORM")),
    row("DICOM files", CONVERT, |start| start.get(128..132) == Some(b"DICM")),
    row("InDesign documents", EXPORT_PAGE, |start| {
        start.starts_with(b"\x06\x06\xED\xF5\xD8\x1D\x46\xE5\xBD\x31\xEF\xE7\xFE\x74\xB7\x1D")
    }),
    row("Videos", EXPORT_FRAME, is_video),
    row("Web pages (HTML)", FIND_IMAGE, |start| has_root_element(start, |name| name.eq_ignore_ascii_case("html"))),
    // Their names begin with "._"; macOS writes one beside each file on other systems.
    row("Attributes of a file of macOS (AppleDouble)", FIND_IMAGE, |start| start.starts_with(b"\0\x05\x16\x07\0")),
];

const fn row(name: &'static str, remedy: &'static str, matches: fn(&[u8]) -> bool) -> UnreadFormat {
    UnreadFormat { name, remedy, matches }
}

impl UnreadFormat {
    /// Finds the format of a file by its beginning, of which [`MAX_SIGNATURE_BYTES`] are enough.
    pub fn detect(start: &[u8]) -> Option<&'static Self> {
        UNREAD_FORMATS.iter().find(|format| (format.matches)(start))
    }

    /// Names the format, and says what to do.
    pub fn explain(&self) -> String {
        format!("{} cannot be read. {}", self.name, self.remedy)
    }
}

/// Whether the box `ftyp` at the beginning lists one of these brands.
fn has_brand(start: &[u8], brands: &[&[u8; 4]]) -> bool {
    read_brands(start).any(|brand| brands.iter().any(|known| known.as_slice() == brand))
}

fn is_heif(start: &[u8]) -> bool {
    const BRANDS: [&[u8; 4]; 14] = [
        b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"mif2", b"msf1", b"avci",
        b"avcs", b"vvic",
    ];
    has_brand(start, &BRANDS)
}

/// A file in ISO's base media format that is no image and not only sound, or one of the older containers.
fn is_video(start: &[u8]) -> bool {
    const SOUND: [&[u8; 4]; 3] = [b"M4A ", b"M4B ", b"M4P "];
    // WMV and other files of Windows Media.
    const ASF: &[u8] = b"\x30\x26\xB2\x75\x8E\x66\xCF\x11";
    let is_base_media = read_brands(start).next().is_some() && !has_brand(start, &SOUND);
    let is_quicktime = matches!(start.get(4..8), Some(b"moov" | b"mdat" | b"wide"));
    let is_riff = start.starts_with(b"RIFF") && start.get(8..12) == Some(b"AVI ");
    let is_mpeg = matches!(start.first_chunk(), Some(b"\0\0\x01\xBA" | b"\0\0\x01\xB3"));
    let is_matroska = start.starts_with(b"\x1A\x45\xDF\xA3");
    let is_other = start.starts_with(ASF) || start.starts_with(b"FLV\x01");
    is_base_media || is_quicktime || is_riff || is_mpeg || is_matroska || is_other
}

/// A directory of images: two zeros, the kind, and the number of images, each with a reserved zero.
fn is_icon(start: &[u8]) -> bool {
    matches!(start, [0, 0, 1 | 2, 0, count, 0, _, _, _, 0, ..] if *count > 0)
}

/// The signature may follow some bytes of a mail or a web server.
fn is_pdf(start: &[u8]) -> bool {
    let start = &start[..start.len().min(1024)];
    start.windows(5).any(|window| window == b"%PDF-") && !start.starts_with(b"%!PS") && !start.starts_with(b"<")
}

fn is_wmf(start: &[u8]) -> bool {
    // With the header for placing it, or without: type, words of the header, version.
    start.starts_with(b"\xD7\xCD\xC6\x9A") || matches!(start, [1 | 2, 0, 9, 0, 0, 1 | 3, ..])
}

/// "P" and a digit are no proof: a number or a comment follows.
fn is_netpbm(start: &[u8]) -> bool {
    let Some((b"P", [kind @ b'1'..=b'7', rest @ ..])) = start.split_at_checked(1) else { return false };
    let next = rest.trim_ascii_start();
    next.len() < rest.len() && matches!((kind, next), (b'7', [b'W', ..]) | (_, [b'#' | b'0'..=b'9', ..]))
}

fn has_root_element(start: &[u8], matches: fn(&str) -> bool) -> bool {
    decode_plain_text(start).and_then(find_root_element).is_some_and(matches)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The beginning of a file in ISO's base media format.
    fn build_brands(brands: &str) -> Vec<u8> {
        let (major, others) = brands.split_at(4);
        let length = (16 + others.len() as u32).to_be_bytes();
        [&length[..], b"ftyp", major.as_bytes(), &[0; 4], others.as_bytes()].concat()
    }

    #[test]
    fn every_format_is_named_with_its_remedy() {
        let cases: Vec<(Vec<u8>, &str)> = vec![
            (build_brands("heicmif1heic"), "HEIC (HEIF) images"),
            (build_brands("mif1mif1heix"), "HEIC (HEIF) images"),
            (build_brands("crx crx isom"), "Camera raw files of Canon (CR3)"),
            (build_brands("isomiso2avc1mp41"), "Videos"),
            (build_brands("qt  qt  "), "Videos"),
            (b"\0\0\0\x08wide\0\0\0\0mdat".to_vec(), "Videos"),
            (b"\x1A\x45\xDF\xA3\x01".to_vec(), "Videos"),
            (b"RIFF\0\0\0\0AVI LIST".to_vec(), "Videos"),
            (b"\xFF\x0A\xFA\x7F".to_vec(), "JPEG XL images"),
            (b"\0\0\0\x0CJXL \r\n\x87\n\0\0\0\x14ftypjxl ".to_vec(), "JPEG XL images"),
            (b"II\xBC\x01\x20\0\0\0".to_vec(), "JPEG XR images"),
            (b"\0\0\x01\0\x01\0\x10\x10\0\0\x01\0".to_vec(), "Icons and cursors (ICO, CUR)"),
            (b"\0\0\x02\0\x01\0\x20\x20\0\0\x01\0".to_vec(), "Icons and cursors (ICO, CUR)"),
            (b"<?xml version='1.0'?><!-- x --><svg/>".to_vec(), "SVG drawings"),
            (b"%PDF-1.7\n".to_vec(), "PDF documents"),
            (b"\r\n%PDF-1.4\n".to_vec(), "PDF documents"),
            (b"%!PS-Adobe-3.0 EPSF-3.0\n".to_vec(), "PostScript files (EPS, AI)"),
            (b"\xC5\xD0\xD3\xC6\x20\0\0\0".to_vec(), "PostScript files (EPS, AI)"),
            (b"II\x1A\0\0\0HEAPCCDR".to_vec(), "Camera raw files of Canon (CRW)"),
            (b"FUJIFILMCCD-RAW 0201".to_vec(), "Camera raw files of Fujifilm"),
            (b"FOVb\0\0\x03\0".to_vec(), "Camera raw files of Sigma"),
            (b"\0MRM\0\0\0\0".to_vec(), "Camera raw files of Minolta"),
            (b"IIRO\x08\0\0\0".to_vec(), "Camera raw files of Olympus"),
            (b"IIU\0\x18\0\0\0".to_vec(), "Camera raw files of Panasonic"),
            (b"\xD7\xCD\xC6\x9A\0\0".to_vec(), "Windows metafiles (WMF)"),
            (b"\x01\0\x09\0\0\x03\x10\0".to_vec(), "Windows metafiles (WMF)"),
            ([&b"\x01\0\0\0"[..], &[0; 36], b" EMF"].concat(), "Windows metafiles (EMF)"),
            (b"P6\n640 480\n255\n".to_vec(), "Netpbm images"),
            (b"P5 # a comment".to_vec(), "Netpbm images"),
            (b"<!doctype html><HTML>".to_vec(), "Web pages (HTML)"),
            (b"\0\x05\x16\x07\0\x02\0\0Mac OS X".to_vec(), "Attributes of a file of macOS"),
        ];
        for (start, name) in cases {
            let format = UnreadFormat::detect(&start).unwrap_or_else(|| panic!("{name}"));
            let sentence = format.explain();
            assert!(sentence.starts_with(name) && sentence.ends_with('.'), "{sentence}");
        }
    }

    #[test]
    fn other_files_are_not_named() {
        for other in [
            &b""[..],
            b"P",
            b"P4",
            b"PK\x03\x04",
            b"P6 is a chair",
            b"plain text",
            b"<catalogue/>",
            b"\0\0\x01\0",
            b"II",
            b"\0\0\x01\0\0\0\0\0\0\0\0\0",
            b"OggS\0\x02",
            b"ID3\x03",
            b"a text about %PDF",
            &build_brands("M4A M4A "),
        ] {
            assert!(UnreadFormat::detect(other).is_none(), "{other:?}");
        }
    }
}
