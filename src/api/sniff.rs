//! What a file is, told from its bytes: names and what clients say of types are not believed.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDateTime, Utc};
use exif::{In, Reader, Tag, Value as ExifValue};
use moxcms::{ColorProfile, ProfileText};
use serde_json::Value;

use crate::db::asset::AssetType;
use crate::render;

/// How much of a file's beginning is looked at.
const BEGINNING: u64 = 16 << 10;
/// The EXIF reader walks through JPEG, PNG and WebP, but takes TIFF and its many kin whole into memory: no further.
const LARGEST_READ_WHOLE: u64 = 64 << 20;

/// What is known of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// What it is.
    pub kind: AssetType,
    /// Its media type.
    pub mime: &'static str,
    /// What the picture's header says, as `asset.header` keeps it.
    pub header: Option<Value>,
    /// When the picture was taken, as its EXIF says; without a zone it counts as UTC.
    pub taken: Option<DateTime<Utc>>,
}

/// Looks at a file on a thread that may block.
///
/// # Errors
/// When the file cannot be read. Damage is no error: anything can be uploaded.
pub async fn facts(path: PathBuf) -> io::Result<Facts> {
    let mut beginning = Vec::new();
    let looked = tokio::task::spawn_blocking(move || {
        File::open(&path)?.take(BEGINNING).read_to_end(&mut beginning)?;
        let (kind, mime) = told_from(&beginning, &path);
        // A decoder that stumbles over a damaged header must not cost the upload.
        let picture = std::panic::catch_unwind(|| match kind.is_picture() {
            true => (header(&path), taken(&path, mime)),
            false => (None, None),
        });
        let (header, taken) = picture.unwrap_or_default();
        Ok(Facts { kind, mime, header, taken })
    });
    looked.await.unwrap_or_else(|broken| Err(io::Error::other(broken)))
}

/// The header as it is kept, with the name of its colour profile beside it.
fn header(path: &Path) -> Option<Value> {
    let header = render::probe(path).ok()?;
    let mut kept = serde_json::to_value(&header).ok()?;
    kept["profileName"] = header.profile.map(|profile| profile_name(&profile)).into();
    Some(kept)
}

/// What a profile calls itself.
fn profile_name(profile: &[u8]) -> String {
    let description = ColorProfile::new_from_slice(profile).ok().and_then(|profile| profile.description);
    let name = match description {
        Some(ProfileText::PlainString(name)) => name,
        Some(ProfileText::Description(name)) => name.ascii_string,
        Some(ProfileText::Localizable(names)) => names.into_iter().next().map(|name| name.value).unwrap_or_default(),
        None => String::new(),
    };
    let name: String = name.chars().filter(|letter| !letter.is_control()).take(100).collect();
    if name.trim().is_empty() { "unnamed".to_owned() } else { name.trim().to_owned() }
}

/// The capture date. Only what cameras and scanners write is asked for.
fn taken(path: &Path, mime: &str) -> Option<DateTime<Utc>> {
    let file = File::open(path).ok()?;
    let walked = matches!(mime, "image/jpeg" | "image/png" | "image/webp");
    if !walked && file.metadata().ok()?.len() > LARGEST_READ_WHOLE {
        return None;
    }
    let exif = Reader::new().read_from_container(&mut BufReader::new(file)).ok()?;
    let text = |tag: Tag| match &exif.get_field(tag, In::PRIMARY)?.value {
        ExifValue::Ascii(parts) => Some(String::from_utf8_lossy(parts.first()?).trim().to_owned()),
        _ => None,
    };
    let said = text(Tag::DateTimeOriginal).or_else(|| text(Tag::DateTimeDigitized))?;
    let local = NaiveDateTime::parse_from_str(&said, "%Y:%m:%d %H:%M:%S").ok()?;
    let zone = text(Tag::OffsetTimeOriginal).and_then(|zone| zone.parse::<chrono::FixedOffset>().ok());
    match zone {
        Some(zone) => local.and_local_timezone(zone).single().map(|time| time.to_utc()),
        None => Some(local.and_utc()),
    }
}

/// Type and media type. Our own signatures come first, where the library knows none or is too easily content.
fn told_from(bytes: &[u8], path: &Path) -> (AssetType, &'static str) {
    use AssetType::*;
    if let Some(known) = own_signature(bytes) {
        return known;
    }
    let Some(found) = infer::get(bytes) else { return text(bytes).unwrap_or((Other, "application/octet-stream")) };
    match (found.mime_type(), found.extension()) {
        ("image/gif", _) if has_second_frame(path) => (AnimatedGif, "image/gif"),
        // Two letters are no proof: the size of the header that follows must be one that exists.
        ("image/bmp", _) if !matches!(bytes.get(14), Some(12 | 16 | 40 | 52 | 56 | 64 | 108 | 124)) => {
            text(bytes).unwrap_or((Other, "application/octet-stream"))
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
        ("text/xml" | "text/html", _) => text(bytes).unwrap_or((Xml, "application/xml")),
        (mime, "rtf") => (Document, mime),
        (mime, _) if matches!(found.matcher_type(), infer::MatcherType::Doc | infer::MatcherType::Book) => {
            (Document, mime)
        }
        (mime, _) => (Other, mime),
    }
}

fn own_signature(bytes: &[u8]) -> Option<(AssetType, &'static str)> {
    use AssetType::*;
    if bytes.get(36..40) == Some(b"acsp") {
        return Some((IccProfile, "application/vnd.iccprofile"));
    }
    match bytes {
        // BigTIFF; and JPEG 2000 without its box.
        [b'I', b'I', 43, 0, ..] | [b'M', b'M', 0, 43, ..] => Some((Image, "image/tiff")),
        [0xff, 0x4f, 0xff, 0x51, ..] => Some((Image, "image/j2c")),
        bytes if render::is_avif(bytes) => Some((Image, "image/avif")),
        [b't', b't', b'c', b'f', ..] => Some((Font, "font/collection")),
        // EPS with a preview for Windows.
        [0xc5, 0xd0, 0xd3, 0xc6, ..] => Some((PostScript, "application/postscript")),
        [b'%', b'!', b'P', b'S', ..] if contains(bytes, b"%%Creator: Adobe Illustrator") => {
            Some((Illustrator, "application/postscript"))
        }
        [b'%', b'!', b'P', b'S', ..] => Some((PostScript, "application/postscript")),
        _ => None,
    }
}

/// SVG, XML, a web page or plain text; none when it is not text in UTF-8.
fn text(bytes: &[u8]) -> Option<(AssetType, &'static str)> {
    let whole = match std::str::from_utf8(bytes) {
        Ok(whole) => whole,
        // The beginning may end within a character.
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&bytes[..error.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    if whole.chars().any(|letter| letter.is_control() && !matches!(letter, '\t' | '\n' | '\r' | '\u{c}')) {
        return None;
    }
    let start = whole.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
    Some(match root(start) {
        Some(name) if name == "svg" || name.ends_with(":svg") => (AssetType::Svg, "image/svg+xml"),
        Some(name) if name.eq_ignore_ascii_case("html") => (AssetType::Document, "text/html"),
        Some(_) if start.starts_with("<?xml") => (AssetType::Xml, "application/xml"),
        _ if infer::is_mime(bytes, "text/html") => (AssetType::Document, "text/html"),
        _ if start.starts_with("<?xml") => (AssetType::Xml, "application/xml"),
        _ => (AssetType::Document, "text/plain"),
    })
}

/// The name of a mark-up text's first element.
fn root(mut text: &str) -> Option<&str> {
    loop {
        text = text.trim_start();
        let end = if text.starts_with("<!--") {
            text.find("-->")? + 3
        } else if text.starts_with("<!") && text.contains('[') && text.find('[') < text.find('>') {
            // A document type with declarations of its own.
            let inner = text.find("]")?;
            inner + text[inner..].find('>')? + 1
        } else if text.starts_with("<?") || text.starts_with("<!") {
            text.find('>')? + 1
        } else {
            let name = text.strip_prefix('<')?;
            return name.split(|letter: char| letter.is_whitespace() || letter == '>' || letter == '/').next();
        };
        text = &text[end..];
    }
}

fn has_second_frame(path: &Path) -> bool {
    let read = || {
        let mut options = gif::DecodeOptions::new();
        options.skip_frame_decoding(true);
        let mut frames = options.read_info(BufReader::new(File::open(path).ok()?)).ok()?;
        frames.next_frame_info().ok()??;
        frames.next_frame_info().ok()?.map(|_| ())
    };
    read().is_some()
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(bytes: &[u8]) -> (AssetType, &'static str) {
        told_from(bytes, Path::new("/nowhere"))
    }

    #[test]
    fn texts_are_told_apart() {
        assert_eq!(told(b"<svg xmlns='http://www.w3.org/2000/svg'/>").0, AssetType::Svg);
        assert_eq!(
            told(b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- a > b -->\n<!DOCTYPE svg [<!ENTITY a 'b'>]>\n<s:svg>").0,
            AssetType::Svg
        );
        assert_eq!(told(b"<?xml version='1.0'?><catalogue>svg</catalogue>").0, AssetType::Xml);
        assert_eq!(told(b"<!DOCTYPE html><html><svg></svg></html>"), (AssetType::Document, "text/html"));
        assert_eq!(told("BMW is a car, naïve".as_bytes()), (AssetType::Document, "text/plain"));
        assert_eq!(told(b"a,b\r\n1,2\r\n").1, "text/plain");
        assert_eq!(told(b"\x00\x01\x02nothing").0, AssetType::Other);
    }

    #[test]
    fn signatures_are_known() {
        assert_eq!(told(b"%PDF-1.7\n").0, AssetType::Pdf);
        assert_eq!(told(b"%!PS-Adobe-3.0 EPSF-3.0\n").0, AssetType::PostScript);
        assert_eq!(told(b"%!PS-Adobe-3.0\n%%Creator: Adobe Illustrator(R) 8\n").0, AssetType::Illustrator);
        assert_eq!(told(b"PK\x03\x04\x14\x00\x00\x00\x08\x00").0, AssetType::Zip);
        assert_eq!(told(b"8BPS\x00\x01\x00\x00\x00\x00").1, "image/vnd.adobe.photoshop");
        assert_eq!(told(b"\x00\x01\x00\x00\x00\x0f\x00\x80\x00\x03").1, "font/ttf");
        assert_eq!(told(b"OggS\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00").0, AssetType::Audio);
        assert_eq!(told(b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41").0, AssetType::Video);
        assert_eq!(told(b"\x00\x00\x00\x18ftypmif1\x00\x00\x00\x00mif1avif").1, "image/avif");
        assert_eq!(told(b"\x00\x00\x00\x18ftypmif1\x00\x00\x00\x00mif1heic").1, "image/heif");
        assert_eq!(told(b"RIFF\x24\x00\x00\x00WEBPVP8 ").1, "image/webp");
        let mut profile = [0; 128];
        profile[36..40].copy_from_slice(b"acsp");
        assert_eq!(told(&profile).0, AssetType::IccProfile);
    }
}
