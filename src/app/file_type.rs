//! Detects the type of an uploaded file from its bytes. File names and the client's `Content-Type` are ignored.
//!
//! Everything here reads untrusted bytes within fixed bounds; begin reading at [`inspect_file`].

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDateTime, Utc};
use offprint_core::Code;
use offprint_imaging::{
    CaptureTime, ImageHeader, MAX_SIGNATURE_BYTES, UnreadFormat, decode_plain_text, find_root_element, is_svg_element,
    read_capture_time, read_image_header, read_profile_description,
};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::db::asset::AssetType;
use crate::reason::Reason;

/// How many files are inspected at once. A header takes up to a few tens of megabytes while it is read, and no upload
/// shall wait long for another: most take a millisecond.
const MAX_CONCURRENT_INSPECTIONS: usize = 8;
static INSPECTIONS: Semaphore = Semaphore::const_new(MAX_CONCURRENT_INSPECTIONS);

/// What was detected in a file.
#[derive(Clone, Debug, PartialEq)]
pub struct FileFacts {
    pub kind: AssetType,
    pub mime: &'static str,
    /// The image header as the column `asset.header` stores it, or why the file cannot be converted.
    pub header: Result<Value, Reason>,
    /// Capture time from EXIF; without a zone it is taken as UTC.
    pub captured_at: Option<DateTime<Utc>>,
}

/// Inspects a file on a blocking thread.
///
/// # Errors
/// When the file cannot be read. A damaged image is no error: anything can be uploaded.
pub async fn inspect_file(path: PathBuf) -> io::Result<FileFacts> {
    let permit = INSPECTIONS.acquire().await.map_err(io::Error::other)?;
    let inspection = tokio::task::spawn_blocking(move || {
        // Held until the thread is done, also when nobody waits for it any more.
        let _permit = permit;
        inspect_bytes(&path)
    });
    inspection.await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

fn inspect_bytes(path: &Path) -> io::Result<FileFacts> {
    let mut beginning = Vec::new();
    File::open(path)?.take(MAX_SIGNATURE_BYTES).read_to_end(&mut beginning)?;
    let (kind, mime) = detect_type(&beginning);
    if !kind.is_raster() {
        let header = Err(explain_unread_type(&beginning, kind));
        return Ok(FileFacts { kind, mime, header, captured_at: None });
    }
    match read_header(path)? {
        Ok(header) => {
            let kind = if mime == "image/gif" && header.frames > 1 { AssetType::AnimatedGif } else { kind };
            let captured_at = header.captured.as_ref().and_then(convert_capture_time);
            Ok(FileFacts { kind, mime, header: Ok(encode_header(&header)?), captured_at })
        }
        Err(reason) => {
            let captured_at = read_capture_time(path).as_ref().and_then(convert_capture_time);
            Ok(FileFacts { kind, mime, header: Err(reason), captured_at })
        }
    }
}

/// Reads the image header; or why the image cannot be converted, in the words with which an item would fail.
fn read_header(path: &Path) -> io::Result<Result<ImageHeader, Reason>> {
    match read_image_header(path) {
        Ok(header) => Ok(Ok(header)),
        // Our disk's fault says nothing about the file.
        Err(error) if matches!(error.code, Code::Internal | Code::OriginalMissing | Code::StorageFull) => {
            Err(io::Error::other(error.detail))
        }
        Err(error) => Ok(Err(Reason::new(error.code, error.detail))),
    }
}

/// The image header as JSON, with the name of the colour profile added.
fn encode_header(header: &ImageHeader) -> io::Result<Value> {
    let mut stored = serde_json::to_value(header)?;
    stored["profileName"] = header.profile.as_deref().map(read_profile_name).into();
    Ok(stored)
}

/// Why a file that is no raster image cannot be converted.
fn explain_unread_type(beginning: &[u8], kind: AssetType) -> Reason {
    let sentence = match UnreadFormat::detect(beginning) {
        Some(format) => format.explain(),
        None => format!("Assets of type {} cannot be converted.", kind.name()),
    };
    Reason::new(Code::UnsupportedFormat, sentence)
}

/// The description of a colour profile.
fn read_profile_name(profile: &[u8]) -> String {
    let name = read_profile_description(profile).unwrap_or_default();
    let name: String = name.chars().filter(|letter| !letter.is_control()).take(100).collect();
    if name.trim().is_empty() { "unnamed".to_owned() } else { name.trim().to_owned() }
}

/// The capture time that cameras and scanners write; none when it is no time.
fn convert_capture_time(captured: &CaptureTime) -> Option<DateTime<Utc>> {
    let local = NaiveDateTime::parse_from_str(&captured.local, "%Y:%m:%d %H:%M:%S").ok()?;
    match captured.zone.as_ref().and_then(|zone| zone.parse::<chrono::FixedOffset>().ok()) {
        Some(zone) => local.and_local_timezone(zone).single().map(|time| time.to_utc()),
        None => Some(local.and_utc()),
    }
}

/// Asset type and media type. Our own signatures come first: for formats that `infer` does not know or detects too loosely.
fn detect_type(bytes: &[u8]) -> (AssetType, &'static str) {
    use AssetType::*;
    if let Some(known) = match_signature(bytes) {
        return known;
    }
    let Some(inferred) = infer::get(bytes) else {
        return detect_text_type(bytes).unwrap_or((Other, "application/octet-stream"));
    };
    match (inferred.mime_type(), inferred.extension()) {
        // The signature is only two letters, so the header size that follows must be a known one, too.
        ("image/bmp", _) if !matches!(bytes.get(14), Some(12 | 16 | 40 | 52 | 56 | 64 | 108 | 124)) => {
            detect_text_type(bytes).unwrap_or((Other, "application/octet-stream"))
        }
        ("image/vnd.dwg", _) => (Other, "image/vnd.dwg"),
        ("image/vnd.djvu", _) => (Document, "image/vnd.djvu"),
        (mime, _) if mime.starts_with("image/") => (Image, mime),
        (mime, _) if mime.starts_with("video/") => (Video, mime),
        (mime, _) if mime.starts_with("audio/") => (Audio, mime),
        (_, "ttf") => (Font, "font/ttf"),
        (_, "otf") => (Font, "font/otf"),
        (_, "woff") => (Font, "font/woff"),
        (_, "woff2") => (Font, "font/woff2"),
        (_, "eot") => (Font, "application/vnd.ms-fontobject"),
        ("application/pdf", _) => (Pdf, "application/pdf"),
        ("application/zip", _) => (Zip, "application/zip"),
        ("text/xml" | "text/html", _) => detect_text_type(bytes).unwrap_or((Xml, "application/xml")),
        (mime, "rtf") => (Document, mime),
        (mime, _) if matches!(inferred.matcher_type(), infer::MatcherType::Doc | infer::MatcherType::Book) => {
            (Document, mime)
        }
        (mime, _) => (Other, mime),
    }
}

fn match_signature(bytes: &[u8]) -> Option<(AssetType, &'static str)> {
    use AssetType::*;
    if bytes.get(36..40) == Some(b"acsp") {
        return Some((IccProfile, "application/vnd.iccprofile"));
    }
    match bytes {
        // BigTIFF, and a raw JPEG 2000 codestream without its box.
        [b'I', b'I', 43, 0, ..] | [b'M', b'M', 0, 43, ..] => Some((Image, "image/tiff")),
        [0xff, 0x4f, 0xff, 0x51, ..] => Some((Image, "image/j2c")),
        bytes if offprint_imaging::is_avif(bytes) => Some((Image, "image/avif")),
        [b't', b't', b'c', b'f', ..] => Some((Font, "font/collection")),
        // EPS with a preview for Windows.
        [0xc5, 0xd0, 0xd3, 0xc6, ..] => Some((PostScript, "application/postscript")),
        [b'%', b'!', b'P', b'S', ..] if has_bytes(bytes, b"%%Creator: Adobe Illustrator") => {
            Some((Illustrator, "application/postscript"))
        }
        [b'%', b'!', b'P', b'S', ..] => Some((PostScript, "application/postscript")),
        _ => None,
    }
}

/// SVG, XML, HTML or plain text; none when the bytes are not UTF-8 text.
fn detect_text_type(bytes: &[u8]) -> Option<(AssetType, &'static str)> {
    let start = decode_plain_text(bytes)?;
    Some(match find_root_element(start) {
        Some(name) if is_svg_element(name) => (AssetType::Svg, "image/svg+xml"),
        Some(name) if name.eq_ignore_ascii_case("html") => (AssetType::Document, "text/html"),
        Some(_) if start.starts_with("<?xml") => (AssetType::Xml, "application/xml"),
        _ if infer::is_mime(bytes, "text/html") => (AssetType::Document, "text/html"),
        _ if start.starts_with("<?xml") => (AssetType::Xml, "application/xml"),
        _ => (AssetType::Document, "text/plain"),
    })
}

fn has_bytes(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect_type_of_bytes(bytes: &[u8]) -> (AssetType, &'static str) {
        detect_type(bytes)
    }

    #[test]
    fn a_broken_entry_does_not_cost_the_capture_time() {
        let entry = |tag: u16, kind: u16, count: u32, value: u32| {
            let fields = [tag.to_be_bytes(), kind.to_be_bytes()].concat();
            [fields, count.to_be_bytes().to_vec(), value.to_be_bytes().to_vec()].concat()
        };
        // A text that lies outside, the EXIF directory at 38, and a next directory that leads nowhere.
        let main = [vec![0, 2], entry(0x0131, 2, 99, 0x7FFF_0000), entry(0x8769, 4, 1, 38), vec![0x7F; 4]].concat();
        let sub = [vec![0, 1], entry(0x9003, 2, 20, 56), vec![0; 4]].concat();
        let exif = [&b"Exif\0\0MM\0*\0\0\0\x08"[..], &main, &sub, b"2031:02:03 04:05:06\0"].concat();
        let length = (exif.len() as u16 + 2).to_be_bytes();
        let file = [&[0xFF, 0xD8, 0xFF, 0xE1][..], &length, &exif, &[0xFF, 0xD9]].concat();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jpg");
        std::fs::write(&path, file).unwrap();
        // It has no frame, so its header cannot be read, but its time can.
        let facts = inspect_bytes(&path).unwrap();
        assert!(facts.header.is_err());
        assert_eq!(facts.captured_at.unwrap().to_rfc3339(), "2031-02-03T04:05:06+00:00");
    }

    #[test]
    fn text_types_are_detected() {
        assert_eq!(detect_type_of_bytes(b"<svg xmlns='http://www.w3.org/2000/svg'/>").0, AssetType::Svg);
        assert_eq!(
            detect_type_of_bytes(
                b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- a > b -->\n<!DOCTYPE svg [<!ENTITY a 'b'>]>\n<s:svg>"
            )
            .0,
            AssetType::Svg
        );
        assert_eq!(detect_type_of_bytes(b"<?xml version='1.0'?><catalogue>svg</catalogue>").0, AssetType::Xml);
        assert_eq!(
            detect_type_of_bytes(b"<!DOCTYPE html><html><svg></svg></html>"),
            (AssetType::Document, "text/html")
        );
        assert_eq!(detect_type_of_bytes("BMW is a car, naïve".as_bytes()), (AssetType::Document, "text/plain"));
        assert_eq!(detect_type_of_bytes(b"a,b\r\n1,2\r\n").1, "text/plain");
        assert_eq!(detect_type_of_bytes(b"\x00\x01\x02nothing").0, AssetType::Other);
    }

    #[test]
    fn binary_types_are_detected() {
        assert_eq!(detect_type_of_bytes(b"%PDF-1.7\n").0, AssetType::Pdf);
        assert_eq!(detect_type_of_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n").0, AssetType::PostScript);
        assert_eq!(
            detect_type_of_bytes(b"%!PS-Adobe-3.0\n%%Creator: Adobe Illustrator(R) 8\n").0,
            AssetType::Illustrator
        );
        assert_eq!(detect_type_of_bytes(b"PK\x03\x04\x14\x00\x00\x00\x08\x00").0, AssetType::Zip);
        assert_eq!(detect_type_of_bytes(b"8BPS\x00\x01\x00\x00\x00\x00").1, "image/vnd.adobe.photoshop");
        assert_eq!(detect_type_of_bytes(b"\x00\x01\x00\x00\x00\x0f\x00\x80\x00\x03").1, "font/ttf");
        assert_eq!(detect_type_of_bytes(b"OggS\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00").0, AssetType::Audio);
        assert_eq!(
            detect_type_of_bytes(b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41").0,
            AssetType::Video
        );
        assert_eq!(detect_type_of_bytes(b"\x00\x00\x00\x18ftypmif1\x00\x00\x00\x00mif1avif").1, "image/avif");
        assert_eq!(detect_type_of_bytes(b"\x00\x00\x00\x18ftypmif1\x00\x00\x00\x00mif1heic").1, "image/heif");
        assert_eq!(detect_type_of_bytes(b"RIFF\x24\x00\x00\x00WEBPVP8 ").1, "image/webp");
        let mut profile = [0; 128];
        profile[36..40].copy_from_slice(b"acsp");
        assert_eq!(detect_type_of_bytes(&profile).0, AssetType::IccProfile);
    }
}
