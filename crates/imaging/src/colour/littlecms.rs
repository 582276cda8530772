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
        needs_littlecms: true,
        bytes: bytes.into(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::colour::Conversion;
    use crate::pixels::{Pixels, Raster};
    use offprint_modifiers::Intent;

    /// The entries of a profile's table: signature and offset.
    fn list_tags(profile: &[u8]) -> Vec<([u8; 4], usize, usize)> {
        let number = |at: usize| u32::from_be_bytes(profile[at..at + 4].try_into().unwrap()) as usize;
        let tags = 0..number(128);
        tags.map(|tag| 132 + 12 * tag).map(|at| (profile[at..at + 4].try_into().unwrap(), number(at + 4), at)).collect()
    }

    fn convert(profile: Profile) -> Vec<u8> {
        let to = Profile::default_for(PixelType::Rgb).unwrap();
        let conversion = Conversion { from: profile, to, intent: Intent::Relative, black_point: false, deep: false };
        let colors = Raster::<u8>::new(2, 1, PixelType::Rgb, false, vec![150, 90, 80, 90, 140, 90]);
        match conversion.apply(Pixels::Eight(colors)).unwrap() {
            Pixels::Eight(raster) => raster.data().to_vec(),
            Pixels::Sixteen(_) => panic!("too deep"),
        }
    }

    #[test]
    fn a_garbled_profile_is_used_as_littlecms_reads_it() {
        let sound = Profile::from_built_in("AdobeRGB").unwrap();
        let expected = convert(sound.clone());
        // Type words of an old agency, and a description that lies outside of the profile.
        let mut garbled_types = sound.bytes.to_vec();
        for (name, offset, _) in list_tags(&sound.bytes) {
            if name.ends_with(b"XYZ") {
                garbled_types[offset..offset + 8].copy_from_slice(b"\x17\xA5\x05\xB8\0\x26\xE0\x64");
            }
        }
        let mut lost_text = sound.bytes.to_vec();
        for (_, _, entry) in list_tags(&sound.bytes).into_iter().filter(|(name, ..)| matches!(name, b"desc" | b"cprt"))
        {
            lost_text[entry + 4] = 0x7F;
        }
        for garbled in [garbled_types, lost_text] {
            assert!(Profile::read(garbled.as_slice().into()).is_err());
            let profile = read_with_littlecms(&garbled).unwrap();
            assert_eq!((profile.pixel_type, profile.is_plain), (PixelType::Rgb, false));
            let converted = convert(profile);
            assert!(converted.iter().zip(&expected).all(|(a, b)| a.abs_diff(*b) <= 1), "{converted:?} {expected:?}");
        }
        (0..sound.bytes.len()).for_each(|length| drop(read_with_littlecms(&sound.bytes[..length])));
        assert!(read_with_littlecms(&sound.bytes[..200]).is_none());
    }
}
