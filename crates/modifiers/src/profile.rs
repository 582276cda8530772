//! Names of colour profiles: which exist, and which file a name means. Knows names and digests, not profile contents.
//! Documentation pages: r-icc, r-color-management.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::diagnostic::{DiagnosticKind, ValueError};
use super::print_profile::{self, PrintProfile};
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

    /// Finds a profile by its short or Photoshop name or its file name, with or without a file extension; capitals,
    /// blanks and punctuation do not count.
    ///
    /// # Errors
    /// Unknown profile; the remedy lists all names. Documented profile that is not installed; the remedy says how to
    /// install it.
    pub fn find(&self, name: &str) -> Result<ProfileName, ValueError> {
        self.find_or_replace(name).map(|(profile, _)| profile)
    }

    /// The same, with a warning where another profile of the same printing condition takes the place of a documented
    /// one.
    pub(super) fn find_or_replace(&self, name: &str) -> Result<(ProfileName, Option<ValueError>), ValueError> {
        let bare = strip_profile_extension(name);
        let is_same = |known: &str| known.eq_ignore_ascii_case(bare);
        if let Some(profile) = find_built_in(is_same).or_else(|| self.find_file(is_same)) {
            return Ok((profile, None));
        }
        if let Some(documented) = print_profile::find_print_profile(bare) {
            return self.find_documented(documented);
        }
        let key = find_file_alias(&print_profile::normalize_profile_name(bare));
        let is_like = |known: &str| !key.is_empty() && print_profile::normalize_profile_name(known) == key;
        let profile = find_built_in(is_like).or_else(|| self.find_file(is_like));
        profile.map(|profile| (profile, None)).ok_or_else(|| self.report_unknown(bare))
    }

    fn find_documented(&self, documented: &PrintProfile) -> Result<(ProfileName, Option<ValueError>), ValueError> {
        let is_among = |names: &[&str], known: &str| {
            let key = print_profile::normalize_profile_name(known);
            names.iter().any(|name| print_profile::normalize_profile_name(name) == key)
        };
        let names: Vec<&str> = documented.names().collect();
        if let Some(profile) = self.find_file(|known| is_among(&names, known)) {
            return Ok((profile, None));
        }
        match self.find_file(|known| is_among(documented.substitutes, known)) {
            Some(profile) => {
                let warning = report_replaced(documented, &profile);
                Ok((profile, Some(warning)))
            }
            None => Err(report_missing(documented)),
        }
    }

    /// The first profile file with such a name.
    fn find_file(&self, is_meant: impl Fn(&str) -> bool) -> Option<ProfileName> {
        let file = self.files.iter().find(|(names, _)| names.iter().any(|name| is_meant(name)));
        file.map(|(_, profile)| profile.clone())
    }

    fn report_unknown(&self, name: &str) -> ValueError {
        let all = self.all().join(", ");
        let remedy = format!("Use one of {all}. Other profiles can be added in the folder OFFPRINT_ICC_DIR.");
        ValueError { remedy, ..ValueError::invalid(format!("Unknown colour profile `{name}`.")) }
    }
}

fn find_built_in(is_meant: impl Fn(&str) -> bool) -> Option<ProfileName> {
    let found = BUILT_IN_PROFILES.iter().find(|(short, long, _)| is_meant(short) || is_meant(long));
    found.map(|(name, _, pixel_type)| ProfileName { name: (*name).into(), pixel_type: *pixel_type, sha256: None })
}

/// Adobe's file names of built-in profiles, as far as they are none of their names.
const FILE_ALIASES: [(&str, &str); 4] =
    [("srgbcolorspaceprofile", "srgb"), ("adobergb1998", "adobergb"), ("ntsc1953", "ntsc"), ("palsecam", "pal")];

fn find_file_alias(key: &str) -> String {
    FILE_ALIASES.iter().find(|(alias, _)| *alias == key).map_or(key, |(_, name)| name).to_owned()
}

fn report_missing(documented: &PrintProfile) -> ValueError {
    ValueError {
        remedy: documented.explain_installation(),
        ..ValueError::invalid(format!("The colour profile `{}` is not installed.", documented.name))
    }
}

fn report_replaced(documented: &PrintProfile, used: &ProfileName) -> ValueError {
    ValueError {
        kind: DiagnosticKind::ProfileReplaced,
        detail: format!(
            "The colour profile `{}` is not installed; `{}`, which prints in the same colours with other inks, was used.",
            documented.name, used.name
        ),
        remedy: documented.explain_installation(),
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
        for name in [
            "WebCoated",
            "uswebcoatedswop.ICC",
            "U.S. Web Coated (SWOP) v2",
            " USWebCoatedSWOP ",
            "US Web Coated SWOP v2",
        ] {
            assert_eq!(catalog.find_or_replace(name), Ok((swop.clone(), None)), "{name}");
        }
        for (name, built_in) in [
            ("srgb", "sRGB"),
            ("sRGB IEC61966-2.1", "sRGB"),
            ("sRGB.icc", "sRGB"),
            ("sRGB Color Space Profile.icm", "sRGB"),
            ("AdobeRGB1998.icc", "AdobeRGB"),
            ("Adobe RGB 1998", "AdobeRGB"),
            ("PAL_SECAM.icc", "PAL"),
            ("ProPhoto RGB.icm", "ProPhoto"),
        ] {
            assert_eq!(catalog.find(name).unwrap().name, built_in, "{name}");
        }
        for name in ["", ".icc", "()", "NoSuchProfile"] {
            let error = catalog.find(name).unwrap_err();
            assert!(error.remedy.contains("sRGB, AdobeRGB") && error.remedy.contains("USWebCoatedSWOP"), "{error:?}");
        }
    }

    fn build_catalog(files: &[(&str, &str)]) -> ProfileCatalog {
        let mut catalog = ProfileCatalog::default();
        for (stem, description) in files {
            let profile =
                ProfileName { name: stem.to_string(), pixel_type: PixelType::Cmyk, sha256: Some(stem.to_string()) };
            catalog.add(vec![stem.to_string(), description.to_string()], profile);
        }
        catalog
    }

    #[test]
    fn documented_profiles_are_found_by_name_and_description() {
        for (icc, stem, description) in [
            ("CoatedGraCol", "x", "Coated GRACoL 2006 (ISO 12647-2:2004)"),
            ("CoatedGraCol", "CoatedGRACoL2006", "made elsewhere"),
            ("Coated GRACoL 2006 (ISO 12647-2:2004)", "CoatedGRACoL2006", ""),
            ("JapanColorWebCoated", "x", "Japan Color 2003 Web Coated"),
            ("Web Coated SWOP Grade 5 Paper", "x", "Web Coated SWOP 2006 Grade 5 Paper"),
            ("EuroscaleCoated", "x", "Euroscale Coated"),
            ("WebCoated", "webcoated", "our press"),
        ] {
            let found = build_catalog(&[("other", "Other"), (stem, description)]).find_or_replace(icc).unwrap();
            assert_eq!((found.0.name.as_str(), found.1), (stem, None), "{icc}");
        }
    }

    #[test]
    fn a_profile_of_the_same_condition_takes_the_place_of_a_missing_one() {
        let files = [("default_cmyk", "Artifex CMYK SWOP Profile"), ("FOGRA39L_coated", "FOGRA39L Coated")];
        for (icc, used) in [("WebCoated", "default_cmyk"), ("Coated FOGRA39 (ISO 12647-2:2004)", "FOGRA39L_coated")] {
            let (profile, warning) = build_catalog(&files).find_or_replace(icc).unwrap();
            assert_eq!(
                (profile.name.as_str(), warning.unwrap().kind),
                (used, DiagnosticKind::ProfileReplaced),
                "{icc}"
            );
        }
        let both = build_catalog(&[files[0], ("mine", "U.S. Web Coated (SWOP) v2")]);
        assert_eq!(both.find_or_replace("WebCoated").unwrap().1, None);
    }

    #[test]
    fn what_is_not_installed_says_how_to_install_it() {
        let remedy = |icc| {
            let error = ProfileCatalog::default().find(icc).unwrap_err();
            assert!(error.detail.ends_with("is not installed."), "{error:?}");
            error.remedy
        };
        assert!(
            remedy("WebCoated").contains("Put USWebCoatedSWOP.icc") && remedy("WebCoated").contains("libgs-common")
        );
        assert!(remedy("coatedfogra39").contains("CoatedFOGRA39.icc") && remedy("CoatedFogra39").contains("colord"));
        assert!(remedy("PS5Default.icc").contains("OFFPRINT_ICC_DIR"));
    }
}
