//! Documented colour profiles of printing conditions. Their files may not be distributed with this service, so the
//! operator installs them. Documentation page: r-color-management.

/// A documented profile.
pub(super) struct PrintProfile {
    /// The identifier.
    pub(super) name: &'static str,
    /// The name in Photoshop, which is the description inside of the file.
    description: &'static str,
    /// The name of Adobe's file, without its extension.
    file: &'static str,
    /// Further names of it in the documentation.
    aliases: &'static [&'static str],
    /// File names and descriptions of free profiles that were made from the same measurements, or from those of the
    /// same printing condition. Inks are mixed differently in them, but print in the same colours.
    pub(super) substitutes: &'static [&'static str],
    /// The package that has a substitute.
    package: Option<&'static str>,
}

/// Where most substitutes are.
const COLORD_PACKAGES: &str = "package colord-extra-profiles or colord-data, depending on the distribution";

const fn define_profile(name: &'static str, description: &'static str, file: &'static str) -> PrintProfile {
    PrintProfile { name, description, file, aliases: &[], substitutes: &[], package: None }
}

#[rustfmt::skip]
const PRINT_PROFILES: [PrintProfile; 22] = [
    PrintProfile { substitutes: &["FOGRA27L_coated"], ..define_profile("CoatedFogra27", "Coated FOGRA27 (ISO 12647-2:2004)", "CoatedFOGRA27") },
    PrintProfile {
        substitutes: &["FOGRA39L_coated", "ISOcoated_v2_eci", "ISO Coated v2 (ECI)", "ISOcoated_v2_300_eci", "ISO Coated v2 300% (ECI)", "ISOcoated_v2_bas", "Coated_Fogra39L_VIGC_300"],
        ..define_profile("CoatedFogra39", "Coated FOGRA39 (ISO 12647-2:2004)", "CoatedFOGRA39")
    },
    PrintProfile { substitutes: &["GRACoL_TR006_coated", "GRACoL2006_Coated1v2"], ..define_profile("CoatedGraCol", "Coated GRACoL 2006 (ISO 12647-2:2004)", "CoatedGRACoL2006") },
    PrintProfile { substitutes: &["FOGRA27L_coated"], ..define_profile("EuropeISOCoated", "Europe ISO Coated FOGRA27", "EuropeISOCoatedFOGRA27") },
    PrintProfile { aliases: &["Euroscale Coated"], ..define_profile("EuroscaleCoated", "Euroscale Coated v2", "EuroscaleCoated") },
    define_profile("EuroscaleUncoated", "Euroscale Uncoated v2", "EuroscaleUncoated"),
    define_profile("JapanColorCoated", "Japan Color 2001 Coated", "JapanColor2001Coated"),
    define_profile("JapanColorNewspaper", "Japan Color 2002 Newspaper", "JapanColor2002Newspaper"),
    define_profile("JapanColorUncoated", "Japan Color 2001 Uncoated", "JapanColor2001Uncoated"),
    define_profile("JapanColorWebCoated", "Japan Color 2003 Web Coated", "JapanColor2003WebCoated"),
    define_profile("JapanWebCoated", "Japan Web Coated (Ad)", "JapanWebCoated"),
    PrintProfile { substitutes: &["SNAP_TR002_newsprint"], ..define_profile("NewsprintSNAP2007", "US Newsprint (SNAP 2007)", "USNewsprintSNAP2007") },
    define_profile("PS4Default", "Photoshop 4 Default CMYK", "Photoshop4DefaultCMYK"),
    define_profile("PS5Default", "Photoshop 5 Default CMYK", "Photoshop5DefaultCMYK"),
    define_profile("SheetfedCoated", "U.S. Sheetfed Coated v2", "USSheetfedCoated"),
    define_profile("SheetfedUncoated", "U.S. Sheetfed Uncoated v2", "USSheetfedUncoated"),
    PrintProfile { substitutes: &["FOGRA29L_uncoated", "ISOuncoated", "ISO Uncoated"], ..define_profile("UncoatedFogra29", "Uncoated FOGRA29 (ISO 12647-2:2004)", "UncoatedFOGRA29") },
    PrintProfile { substitutes: &["Artifex CMYK SWOP Profile"], package: Some("package libgs-common"), ..define_profile("WebCoated", "U.S. Web Coated (SWOP) v2", "USWebCoatedSWOP") },
    PrintProfile { substitutes: &["FOGRA28L_webcoated", "ISOwebcoated", "ISO Web Coated"], ..define_profile("WebCoatedFogra28", "Web Coated FOGRA28 (ISO 12647-2:2004)", "WebCoatedFOGRA28") },
    PrintProfile {
        aliases: &["Web Coated SWOP Grade 3 Paper"],
        substitutes: &["SWOP_TR003_coated_3", "SWOP2006_Coated3v2"],
        ..define_profile("WebCoatedGrade3", "Web Coated SWOP 2006 Grade 3 Paper", "WebCoatedSWOP2006Grade3")
    },
    PrintProfile {
        aliases: &["Web Coated SWOP Grade 5 Paper"],
        substitutes: &["SWOP_TR005_coated_5", "SWOP2006_Coated5v2"],
        ..define_profile("WebCoatedGrade5", "Web Coated SWOP 2006 Grade 5 Paper", "WebCoatedSWOP2006Grade5")
    },
    define_profile("WebUncoated", "U.S. Web Uncoated v2", "USWebUncoated"),
];

impl PrintProfile {
    /// All its names.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        [self.name, self.description, self.file].into_iter().chain(self.aliases.iter().copied())
    }

    /// How to install it.
    pub(super) fn explain_installation(&self) -> String {
        let mut remedy = format!(
            "Put {}.icc, one of Adobe's ICC profiles for end users, into the folder OFFPRINT_ICC_DIR \
             (/usr/share/color/icc unless it is set) and restart the service.",
            self.file
        );
        if !self.substitutes.is_empty() {
            let (free, package) = (self.substitutes.join(", "), self.package.unwrap_or(COLORD_PACKAGES));
            remedy.push_str(&format!(" A free profile that prints in the same colours will do: {free} ({package})."));
        }
        remedy
    }
}

/// Finds a documented profile by any of its names.
pub(super) fn find_print_profile(name: &str) -> Option<&'static PrintProfile> {
    let key = normalize_profile_name(name);
    PRINT_PROFILES.iter().find(|profile| profile.names().any(|known| normalize_profile_name(known) == key))
}

/// Letters and digits only, in lower case: names are written with and without blanks, dots and underscores.
pub(super) fn normalize_profile_name(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|char| char.to_ascii_lowercase()).collect()
}
