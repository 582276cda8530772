//! Names of camera raws, by signature and by maker. Sources: exiftool's tables of file types and of makers.

use super::RawContainer;

/// Recognises a raw that has a signature of its own, by the first 32 bytes of its file.
pub(in crate::header) fn detect_raw_signature(start: &[u8]) -> Option<(RawContainer, &'static str)> {
    use RawContainer::*;
    let is_tiff = matches!(start, [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..]);
    Some(match start {
        start if is_tiff && start.get(8..10) == Some(b"CR") => (Tiff, "Canon CR2"),
        start if is_tiff && matches!(start.get(8..12), Some(b"IIII" | b"MMMM")) => (Tiff, "Phase One IIQ"),
        [b'I', b'I', b'R', b'O' | b'S', ..] | [b'M', b'M', b'O', b'R', ..] => (Tiff, "Olympus ORF"),
        [b'I', b'I', b'U', 0, ..] => (Tiff, "Panasonic RW2"),
        start if start.starts_with(b"FUJIFILMCCD-RAW") => (Raf, "Fujifilm RAF"),
        start if start.get(4..12) == Some(b"ftypcrx ") => (Cr3, "Canon CR3"),
        start if start.get(6..14) == Some(b"HEAPCCDR") => (Other, "Canon CRW"),
        start if start.starts_with(b"FOVb") => (Other, "Sigma X3F"),
        start if start.starts_with(b"\0MRM") => (Other, "Minolta MRW"),
        _ => return None,
    })
}

/// What the maker tag begins with, the maker, and the name of its raws.
const MAKERS: &[(&str, &str, &str)] = &[
    ("APPLE", "Apple", "raw"),
    ("CANON", "Canon", "CR2"),
    ("EPSON", "Epson", "ERF"),
    ("SEIKO EPSON", "Epson", "ERF"),
    ("EASTMAN KODAK", "Kodak", "DCR"),
    ("FUJI", "Fujifilm", "RAF"),
    ("GOPRO", "GoPro", "GPR"),
    ("GOOGLE", "Google", "raw"),
    ("HASSELBLAD", "Hasselblad", "3FR"),
    ("KODAK", "Kodak", "DCR"),
    ("LEAF", "Leaf", "MOS"),
    ("LEICA", "Leica", "RWL"),
    ("MAMIYA", "Mamiya", "MEF"),
    ("MINOLTA", "Minolta", "MRW"),
    ("KONICA MINOLTA", "Minolta", "MRW"),
    ("NIKON", "Nikon", "NEF"),
    ("OLYMPUS", "Olympus", "ORF"),
    ("OM DIGITAL", "OM System", "ORF"),
    ("PANASONIC", "Panasonic", "RW2"),
    ("PENTAX", "Pentax", "PEF"),
    ("PHASE ONE", "Phase One", "IIQ"),
    ("RICOH", "Ricoh", "PEF"),
    ("SAMSUNG", "Samsung", "SRW"),
    ("SONY", "Sony", "ARW"),
];

/// The name of a raw that looks like any TIFF: maker and kind, as far as they are known.
pub(super) fn name_raw_tiff(make: &[u8], is_dng: bool) -> String {
    let make = String::from_utf8_lossy(make).trim().to_uppercase();
    let maker = MAKERS.iter().find(|(prefix, ..)| make.starts_with(prefix));
    match (maker, is_dng) {
        (Some((_, maker, _)), true) => format!("{maker} DNG"),
        (None, true) => "DNG".to_owned(),
        (Some((_, maker, kind)), false) => format!("{maker} {kind}"),
        (None, false) => "of an unknown maker".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raws_are_named_by_signature_and_by_maker() {
        let signatures: [(&[u8], &str); 10] = [
            (b"II*\0\x10\0\0\0CR\x02\0", "Canon CR2"),
            (b"II*\0\x10\0\0\0IIII", "Phase One IIQ"),
            (b"IIRO\x08\0\0\0", "Olympus ORF"),
            (b"MMOR\0\0\0\x08", "Olympus ORF"),
            (b"IIU\0\x18\0\0\0", "Panasonic RW2"),
            (b"FUJIFILMCCD-RAW 0201", "Fujifilm RAF"),
            (b"\0\0\0\x18ftypcrx \0\0\0\x01", "Canon CR3"),
            (b"II\x1A\0\0\0HEAPCCDR", "Canon CRW"),
            (b"FOVb\0\0\x02\0", "Sigma X3F"),
            (b"\0MRM\0\0\x01\0", "Minolta MRW"),
        ];
        for (start, name) in signatures {
            assert_eq!(detect_raw_signature(start).map(|(_, name)| name), Some(name), "{start:?}");
        }
        for other in [&b"II*\0\x08\0\0\0"[..], b"\0\0\0\x18ftypheic", b"", b"II"] {
            assert_eq!(detect_raw_signature(other), None, "{other:?}");
        }
        let makers: [(&[u8], bool, &str); 6] = [
            (b"NIKON CORPORATION", false, "Nikon NEF"),
            (b"SONY", false, "Sony ARW"),
            (b"PENTAX Corporation ", false, "Pentax PEF"),
            (b"LEICA CAMERA AG", true, "Leica DNG"),
            (b"", true, "DNG"),
            (b"Nobody", false, "of an unknown maker"),
        ];
        for (make, is_dng, name) in makers {
            assert_eq!(name_raw_tiff(make, is_dng), name);
        }
    }
}
