//! The name of a colour profile, without reading the profile: uploads need no more, and a profile from anywhere can
//! make a parser of all its tables work for minutes. Source: ICC.1, sections 7.3 (tags) and 10 (their types).

/// Most tags that are looked at. Real profiles have fewer than forty.
const MAX_TAGS: usize = 200;

/// Longest name that is read, in bytes.
const MAX_NAME_BYTES: usize = 1000;

/// The description of an ICC profile; `None` when it has none, or is no profile.
pub fn read_profile_description(profile: &[u8]) -> Option<String> {
    let count = read_u32(profile, 128)?;
    let tags = profile.get(132..)?.chunks_exact(12).take(count.min(MAX_TAGS));
    let entry = tags.into_iter().find(|entry| entry.starts_with(b"desc"))?;
    let data = profile.get(read_u32(entry, 4)?..)?;
    let data = &data[..data.len().min(read_u32(entry, 8)?)];
    let name = match data.first_chunk::<4>()? {
        b"desc" => decode_letters(get_part(data, 12, read_u32(data, 8)?)?),
        b"text" => decode_letters(data.get(8..)?),
        // Length and offset of the first of several languages.
        b"mluc" => decode_utf16(get_part(data, read_u32(data, 24)?, read_u32(data, 20)?)?),
        _ => return None,
    };
    let name = name.trim_matches(|letter: char| letter.is_whitespace() || letter == '\0');
    (!name.is_empty()).then(|| name.to_owned())
}

fn read_u32(data: &[u8], at: usize) -> Option<usize> {
    let bytes = data.get(at..)?.first_chunk()?;
    usize::try_from(u32::from_be_bytes(*bytes)).ok()
}

/// A part of the data, or what there is of it.
fn get_part(data: &[u8], at: usize, length: usize) -> Option<&[u8]> {
    let part = data.get(at..)?;
    Some(&part[..part.len().min(length)])
}

/// Letters up to the first zero.
fn decode_letters(bytes: &[u8]) -> String {
    let bytes = &bytes[..bytes.len().min(MAX_NAME_BYTES)];
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

fn decode_utf16(bytes: &[u8]) -> String {
    let bytes = &bytes[..bytes.len().min(2 * MAX_NAME_BYTES)];
    let units: Vec<u16> = bytes.chunks_exact(2).map(|unit| u16::from_be_bytes([unit[0], unit[1]])).collect();
    String::from_utf16_lossy(&units)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn build_profile(tags: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let mut profile = vec![0; 128];
        profile.extend((tags.len() as u32).to_be_bytes());
        let (mut offset, mut values) = (132 + 12 * tags.len(), Vec::new());
        for (name, value) in tags {
            profile.extend([&name[..], &(offset as u32).to_be_bytes(), &(value.len() as u32).to_be_bytes()].concat());
            offset += value.len();
            values.extend_from_slice(value);
        }
        [profile, values].concat()
    }

    #[test]
    fn a_name_is_found_in_each_of_its_types() {
        let described = b"desc\0\0\0\0\0\0\0\x04Ink\0rest";
        let plain = b"text\0\0\0\0Ink\0";
        let languages = b"mluc\0\0\0\0\0\0\0\x01\0\0\0\x0CenUS\0\0\0\x06\0\0\0\x1C\0I\0n\0k";
        for value in [&described[..], plain, languages] {
            let profile = build_profile(&[(b"cprt", b"text\0\0\0\0Us"), (b"desc", value)]);
            assert_eq!(read_profile_description(&profile).as_deref(), Some("Ink"), "{value:?}");
            (0..profile.len()).for_each(|end| drop(read_profile_description(&profile[..end])));
        }
        assert_eq!(read_profile_description(&build_profile(&[(b"cprt", plain)])), None);
        assert_eq!(read_profile_description(&build_profile(&[(b"desc", b"text\0\0\0\0 \0")])), None);
        let srgb = moxcms::ColorProfile::new_srgb().encode().unwrap();
        assert!(read_profile_description(&srgb).unwrap().contains("sRGB"), "as encoders write it");
    }
}
