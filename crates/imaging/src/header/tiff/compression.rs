//! How pixels are compressed in a TIFF: what is read, and the names of what is not. Sources: TIFF 6.0; Adobe's TIFF
//! Technical Notes; libtiff's tiff.h.

use offprint_core::Code;

use crate::error::RenderError;

/// A compression that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TiffCompression {
    None,
    Lzw,
    Deflate,
    PackBits,
    Jpeg,
    Fax(FaxCoding),
}

/// How a facsimile is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaxCoding {
    /// Runs; each row begins at a byte.
    Bytes,
    /// Runs; each row begins at a word of two bytes.
    Words,
    /// Group 3, one-dimensional.
    Group3,
    /// Group 3, two-dimensional.
    Group3TwoDimensional,
    /// Group 4.
    Group4,
}

impl TiffCompression {
    /// `t4_options` is the tag T4Options, which tells the two codings of Group 3 apart.
    ///
    /// # Errors
    /// `unsupported-format`, which names the compression and what to do.
    pub(crate) fn from_tag(number: u64, t4_options: u64) -> Result<Self, RenderError> {
        Ok(match number {
            1 => Self::None,
            2 => Self::Fax(FaxCoding::Bytes),
            3 if t4_options & 1 != 0 => Self::Fax(FaxCoding::Group3TwoDimensional),
            3 => Self::Fax(FaxCoding::Group3),
            4 => Self::Fax(FaxCoding::Group4),
            5 => Self::Lzw,
            7 => Self::Jpeg,
            8 | 32_946 => Self::Deflate,
            32_771 => Self::Fax(FaxCoding::Words),
            32_773 => Self::PackBits,
            other => {
                let name = name_compression(other);
                let name = name.map_or_else(|| format!("an unknown method (number {other})"), str::to_owned);
                let remedy = "Save it with LZW, ZIP (Deflate) or no compression and upload it again.";
                let detail = format!("This TIFF is compressed with {name}, which cannot be read. {remedy}");
                return Err(RenderError::new(Code::UnsupportedFormat, detail));
            }
        })
    }
}

/// The name of a compression that is not read.
fn name_compression(number: u64) -> Option<&'static str> {
    Some(match number {
        6 => "old-style JPEG (of TIFF 6.0)",
        9 | 10 | 34_661 => "JBIG",
        32_766 => "NeXT's compression",
        32_809 => "ThunderScan",
        32_895..=32_898 => "a prepress compression (IT8)",
        32_908 | 32_909 => "a Pixar compression",
        33_003 | 33_005 | 34_712 => "JPEG 2000",
        34_927 | 50_001 => "WebP",
        34_676 | 34_677 => "SGI LogLuv",
        34_718..=34_720 => "Microsoft Document Imaging",
        34_887 => "LERC",
        34_925 => "LZMA",
        34_933 => "PNG",
        34_934 | 22_610 => "JPEG XR",
        34_926 | 50_000 => "Zstandard (ZSTD)",
        50_002 | 52_546 => "JPEG XL",
        number if is_raw_compression(number) => "a camera's raw compression",
        _ => return None,
    })
}

/// Whether only camera raws have this compression: Sony, Epson, Samsung, Nikon, Kodak, Pentax.
pub(super) fn is_raw_compression(number: u64) -> bool {
    matches!(number, 32_767 | 32_769 | 32_770 | 32_772 | 34_713 | 34_892 | 65_000 | 65_535)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_read_is_named_with_the_remedy() {
        let cases = [
            (6, "old-style JPEG"),
            (34_661, "JBIG"),
            (32_766, "NeXT"),
            (32_809, "ThunderScan"),
            (34_712, "JPEG 2000"),
            (34_925, "LZMA"),
            (50_000, "ZSTD"),
            (50_001, "WebP"),
            (50_002, "JPEG XL"),
            (52_546, "JPEG XL"),
            (34_887, "LERC"),
            (65_535, "camera's raw"),
            (12_345, "number 12345"),
        ];
        for (number, name) in cases {
            let failure = TiffCompression::from_tag(number, 0).unwrap_err();
            assert_eq!(failure.code, Code::UnsupportedFormat);
            assert!(failure.detail.contains(name) && failure.detail.contains("Save it with LZW"), "{failure}");
        }
    }
}
