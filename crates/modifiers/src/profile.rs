//! Names of colour profiles: which exist, and which file a name means. Knows names and digests, not profile contents.
//! Documentation pages: r-icc, r-color-management.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::diagnostic::ValueError;
use super::recipe::PixelType;

/// A profile as a recipe names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileName {
    pub name: String,
    /// The colour components of images that it describes.
    pub pixel_type: PixelType,
    /// SHA-256 of the file in hexadecimal digits; `None` for a built-in profile.
    pub sha256: Option<String>,
}

/// The profiles that a modifier may name: the built-in ones, and those found in a folder.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProfileCatalog {
    files: Arc<Vec<(Vec<String>, ProfileName)>>,
}

/// Short name, Photoshop's name, components.
type BuiltInProfile = (&'static str, &'static str, PixelType);

/// Profiles that the engine computes itself, so they need no file.
const BUILT_IN_PROFILES: [BuiltInProfile; 14] = [
    ("sRGB", "sRGB IEC61966-2.1", PixelType::Rgb),
    ("AdobeRGB", "Adobe RGB (1998)", PixelType::Rgb),
    ("AppleRGB", "Apple RGB", PixelType::Rgb),
    ("CIERGB", "CIE RGB", PixelType::Rgb),
    ("ColorMatchRGB", "ColorMatch RGB", PixelType::Rgb),
    ("NTSC", "NTSC (1953)", PixelType::Rgb),
    ("PAL", "PAL/SECAM", PixelType::Rgb),
    ("ProPhoto", "ProPhoto RGB", PixelType::Rgb),
    ("SMPTE", "SMPTE-C", PixelType::Rgb),
    ("WideGamutRGB", "Wide Gamut RGB", PixelType::Rgb),
    ("DisplayP3", "Display P3", PixelType::Rgb),
    ("sGray", "sGray", PixelType::Gray),
    ("GrayGamma18", "Gray Gamma 1.8", PixelType::Gray),
    ("GrayGamma22", "Gray Gamma 2.2", PixelType::Gray),
];

/// Documented short names of profiles that may not be distributed with this service, and the description inside their
/// files. The operator can provide the files.
const EXTERNAL_PROFILES: [(&str, &str); 21] = [
    ("CoatedFogra27", "Coated FOGRA27 (ISO 12647-2:2004)"),
    ("CoatedFogra39", "Coated FOGRA39 (ISO 12647-2:2004)"),
    ("CoatedGraCol", "Coated GRACoL 2006 (ISO 12647-2:2004)"),
    ("EuropeISOCoated", "Europe ISO Coated FOGRA27"),
    ("EuroscaleCoated", "Euroscale Coated v2"),
    ("EuroscaleUncoated", "Euroscale Uncoated v2"),
    ("JapanColorCoated", "Japan Color 2001 Coated"),
    ("JapanColorNewspaper", "Japan Color 2002 Newspaper"),
    ("JapanColorUncoated", "Japan Color 2001 Uncoated"),
    ("JapanWebCoated", "Japan Web Coated (Ad)"),
    ("NewsprintSNAP2007", "US Newsprint (SNAP 2007)"),
    ("PS4Default", "Photoshop 4 Default CMYK"),
    ("PS5Default", "Photoshop 5 Default CMYK"),
    ("SheetfedCoated", "U.S. Sheetfed Coated v2"),
    ("SheetfedUncoated", "U.S. Sheetfed Uncoated v2"),
    ("UncoatedFogra29", "Uncoated FOGRA29 (ISO 12647-2:2004)"),
    ("WebCoated", "U.S. Web Coated (SWOP) v2"),
    ("WebCoatedFogra28", "Web Coated FOGRA28 (ISO 12647-2:2004)"),
    ("WebCoatedGrade3", "Web Coated SWOP 2006 Grade 3 Paper"),
    ("WebCoatedGrade5", "Web Coated SWOP 2006 Grade 5 Paper"),
    ("WebUncoated", "U.S. Web Uncoated v2"),
];

impl ProfileCatalog {
    /// Adds a profile file under the given names. Profiles added earlier, and built-in ones, win where names are equal.
    pub fn add(&mut self, names: Vec<String>, profile: ProfileName) {
        Arc::make_mut(&mut self.files).push((names, profile));
    }

    /// One usable name for each profile. A file whose name is already taken is left out, because [`find`](Self::find)
    /// would return the earlier profile.
    pub fn all(&self) -> Vec<&str> {
        let mut names: Vec<&str> = BUILT_IN_PROFILES.iter().map(|(short, ..)| *short).collect();
        for (_, profile) in self.files.iter() {
            if !names.iter().any(|name| name.eq_ignore_ascii_case(&profile.name)) {
                names.push(&profile.name);
            }
        }
        names
    }

    /// Finds a profile by its short or Photoshop name, case-insensitive, with or without a file extension.
    ///
    /// # Errors
    /// Unknown profile; the remedy lists all names.
    pub fn find(&self, name: &str) -> Result<ProfileName, ValueError> {
        let bare = strip_profile_extension(name);
        let is_same = |name: &str| name.eq_ignore_ascii_case(bare);
        if let Some((name, _, pixel_type)) =
            BUILT_IN_PROFILES.iter().find(|(short, long, _)| is_same(short) || is_same(long))
        {
            return Ok(ProfileName { name: (*name).into(), pixel_type: *pixel_type, sha256: None });
        }
        let long = EXTERNAL_PROFILES.iter().find(|(short, _)| is_same(short)).map_or(bare, |(_, long)| *long);
        let is_known = |name: &String| is_same(name) || name.eq_ignore_ascii_case(long);
        let file = self.files.iter().find(|(names, _)| names.iter().any(is_known));
        file.map(|(_, profile)| profile.clone()).ok_or_else(|| self.report_unknown(bare))
    }

    fn report_unknown(&self, name: &str) -> ValueError {
        let all = self.all().join(", ");
        let remedy = format!("Use one of {all}. Other profiles can be added in the folder OFFPRINT_ICC_DIR.");
        ValueError { remedy, ..ValueError::invalid(format!("Unknown colour profile `{name}`.")) }
    }
}

/// The name without the extension of profile files.
fn strip_profile_extension(name: &str) -> &str {
    let name = name.trim();
    match name.rsplit_once('.') {
        Some((stem, end)) if ["icc", "icm"].iter().any(|known| end.eq_ignore_ascii_case(known)) => stem,
        _ => name,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_found_by_any_of_their_names() {
        let mut catalog = ProfileCatalog::default();
        let swop =
            ProfileName { name: "USWebCoatedSWOP".into(), pixel_type: PixelType::Cmyk, sha256: Some("ab".into()) };
        catalog.add(vec!["USWebCoatedSWOP".into(), "U.S. Web Coated (SWOP) v2".into()], swop.clone());
        for name in ["WebCoated", "uswebcoatedswop.ICC", "U.S. Web Coated (SWOP) v2", " USWebCoatedSWOP "] {
            assert_eq!(catalog.find(name), Ok(swop.clone()), "{name}");
        }
        for name in ["srgb", "sRGB IEC61966-2.1", "sRGB.icc"] {
            assert_eq!(catalog.find(name).unwrap().name, "sRGB", "{name}");
        }
        let error = catalog.find("WebUncoated").unwrap_err();
        assert!(error.remedy.contains("sRGB, AdobeRGB") && error.remedy.contains("USWebCoatedSWOP"), "{error:?}");
    }
}
