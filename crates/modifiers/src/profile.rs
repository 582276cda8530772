//! Colour profiles by name. Documentation pages: r-icc, r-color-management.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::complaint::Fault;
use super::recipe::PixelType;

/// A profile as a recipe names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileName {
    /// Its name.
    pub name: String,
    /// The components that it is for.
    pub pixel_type: PixelType,
    /// SHA-256 of its bytes, as hexadecimal digits; `None` for one that the engine makes itself.
    pub sha256: Option<String>,
}

/// The profiles that a modifier may name: those that the engine makes itself, and those found in a folder.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProfileNames {
    found: Arc<Vec<(Vec<String>, ProfileName)>>,
}

/// Short name, Photoshop's name, components.
type BuiltIn = (&'static str, &'static str, PixelType);

/// What the engine makes itself.
const BUILT_IN: [BuiltIn; 14] = [
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

/// Documented short names of profiles that cannot be given away freely, and what their files call themselves.
const ELSEWHERE: [(&str, &str); 21] = [
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

impl ProfileNames {
    /// Adds a profile that was found, under any of these names. One that is there already keeps its names.
    pub fn add(&mut self, names: Vec<String>, profile: ProfileName) {
        Arc::make_mut(&mut self.found).push((names, profile));
    }

    /// Every name that can be used, one for each profile. What is found under a name that is taken cannot be had by it.
    pub fn all(&self) -> Vec<&str> {
        let mut names: Vec<&str> = BUILT_IN.iter().map(|(short, ..)| *short).collect();
        for (_, profile) in self.found.iter() {
            if !names.iter().any(|name| name.eq_ignore_ascii_case(&profile.name)) {
                names.push(&profile.name);
            }
        }
        names
    }

    /// The profile of a name, in any case, short or Photoshop's, with or without a file's extension.
    ///
    /// # Errors
    /// There is none; the remedy lists what there is.
    pub fn find(&self, said: &str) -> Result<ProfileName, Fault> {
        let bare = bare(said);
        let same = |name: &str| name.eq_ignore_ascii_case(bare);
        if let Some((name, _, pixel_type)) = BUILT_IN.iter().find(|(short, long, _)| same(short) || same(long)) {
            return Ok(ProfileName { name: (*name).into(), pixel_type: *pixel_type, sha256: None });
        }
        let long = ELSEWHERE.iter().find(|(short, _)| same(short)).map_or(bare, |(_, long)| *long);
        let known = |name: &String| same(name) || name.eq_ignore_ascii_case(long);
        let found = self.found.iter().find(|(names, _)| names.iter().any(known));
        found.map(|(_, profile)| profile.clone()).ok_or_else(|| self.unknown(bare))
    }

    fn unknown(&self, name: &str) -> Fault {
        let all = self.all().join(", ");
        let remedy = format!("There are {all}. OFFPRINT_ICC_DIR names the folder that others are put into.");
        Fault { remedy, ..Fault::invalid(format!("There is no colour profile `{name}`.")) }
    }
}

/// A name without its file's extension.
fn bare(said: &str) -> &str {
    let said = said.trim();
    match said.rsplit_once('.') {
        Some((stem, end)) if ["icc", "icm"].iter().any(|known| end.eq_ignore_ascii_case(known)) => stem,
        _ => said,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_found_by_any_of_their_names() {
        let mut names = ProfileNames::default();
        let swop =
            ProfileName { name: "USWebCoatedSWOP".into(), pixel_type: PixelType::Cmyk, sha256: Some("ab".into()) };
        names.add(vec!["USWebCoatedSWOP".into(), "U.S. Web Coated (SWOP) v2".into()], swop.clone());
        for said in ["WebCoated", "uswebcoatedswop.ICC", "U.S. Web Coated (SWOP) v2", " USWebCoatedSWOP "] {
            assert_eq!(names.find(said), Ok(swop.clone()), "{said}");
        }
        for said in ["srgb", "sRGB IEC61966-2.1", "sRGB.icc"] {
            assert_eq!(names.find(said).unwrap().name, "sRGB", "{said}");
        }
        let fault = names.find("WebUncoated").unwrap_err();
        assert!(fault.remedy.contains("sRGB, AdobeRGB") && fault.remedy.contains("USWebCoatedSWOP"), "{fault:?}");
    }
}
