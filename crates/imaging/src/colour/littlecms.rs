//! Profiles that the reader in Rust gives up: old ones with garbled texts or types. littlecms has read such profiles for
//! twenty years, so it decides whether they can be used.

use lcms2::{ColorSpaceSignature, Intent, Locale, PixelFormat, ProfileClassSignature, Transform};
use offprint_modifiers::PixelType;

use super::profile::Profile;

/// The profile as littlecms reads it, if it can convert colours from it. Calls C code with bytes from anywhere: only in
/// a render process.
pub(crate) fn read_with_littlecms(bytes: &[u8]) -> Option<Profile> {
    let profile = lcms2::Profile::new_icc(bytes).ok()?;
    let (pixel_type, format) = match profile.color_space() {
        ColorSpaceSignature::GrayData => (PixelType::Gray, PixelFormat::GRAY_8),
        ColorSpaceSignature::RgbData => (PixelType::Rgb, PixelFormat::RGB_8),
        ColorSpaceSignature::CmykData => (PixelType::Cmyk, PixelFormat::CMYK_8),
        _ => return None,
    };
    use ProfileClassSignature::{ColorSpaceClass, DisplayClass, InputClass, OutputClass};
    if !matches!(profile.device_class(), InputClass | DisplayClass | OutputClass | ColorSpaceClass) {
        return None;
    }
    let (srgb, intent) = (lcms2::Profile::new_srgb(), Intent::RelativeColorimetric);
    let reads: Result<Transform<u8, u8>, _> = Transform::new(&profile, format, &srgb, PixelFormat::RGB_8, intent);
    let writes: Result<Transform<u8, u8>, _> = Transform::new(&srgb, PixelFormat::RGB_8, &profile, format, intent);
    reads.ok()?;
    let name = profile.info(lcms2::InfoType::Description, Locale::none()).unwrap_or_default();
    let name = name.trim_matches(|char: char| char.is_control() || char.is_whitespace()).to_owned();
    Some(Profile {
        name: if name.is_empty() { "embedded".into() } else { name },
        pixel_type,
        // littlecms converts, too.
        is_plain: false,
        is_writable: writes.is_ok(),
        is_hdr: false,
        bytes: bytes.into(),
    })
}
