//! Names that are no commands but that modifiers contain: what they mean where they come from. Data only; `unknown.rs`
//! decides what follows from it.
//!
//! Names are compared in lower case and without `-` and `_`, so that `no-cache`, `no_cache` and `noCache` are one.

use super::command;

/// What a name means elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ForeignName {
    /// What this command does, whatever the value is.
    Means(&'static str),
    /// What this command does, if the value suits it: the name is too short or too common to be sure.
    MayMean(&'static str),
    /// Nothing for the image: caches, statistics, delivery, the pages that it is shown on.
    Harmless,
}

/// The parameters of HTML, CSS and other image services for what a command does, and how they are usually misspelt. A
/// single misspelt letter need not stand here.
const MEANINGS: [(&str, &[&str]); 24] = [
    ("wid", &["width", "widht", "wdith", "witdh", "maxwidth", "imagewidth", "imgwidth", "imwidth"]),
    ("hei", &["height", "hight", "heigth", "hieght", "heigh", "maxheight", "imageheight", "imgheight", "imheight"]),
    ("fmt", &["format", "fromat", "fileformat", "filetype", "outputformat", "imformat"]),
    ("qlt", &["quality", "qualtiy", "qualiy", "imquality", "jpegquality", "jpgquality", "chrss"]),
    ("fit", &["fitmode", "objectfit", "resizemode", "upscale"]),
    ("bgc", &["background", "backgroundcolor", "backgroundcolour", "bgcolour"]),
    ("rotate", &["rotation"]),
    ("flip", &["mirror"]),
    ("opac", &["opacity"]),
    ("dpr", &["devicepixelratio", "pixelratio", "imdensity"]),
    ("printRes", &["dpi", "ppi"]),
    ("resMode", &["resample", "resampling", "resamplemode", "interpolation"]),
    ("icc", &["iccprofile", "colorprofile", "colourprofile", "colorspace", "colourspace"]),
    ("op_sharpen", &["sharp", "sharpen", "sharpening", "opsharp"]),
    ("op_usm", &["usm", "unsharp", "unsharpmask"]),
    ("op_blur", &["blur"]),
    ("op_brightness", &["brightness"]),
    ("op_contrast", &["contrast"]),
    ("op_saturation", &["saturation", "grayscale", "greyscale"]),
    ("op_hue", &["hue"]),
    ("op_invert", &["invert", "negate"]),
    ("op_noise", &["noise"]),
    ("jpegSize", &["maxfilesize", "filesize"]),
    ("x_trim", &["trim", "autotrim", "autocrop"]),
];

/// The same for names that have other meanings as well.
const POSSIBLE_MEANINGS: [(&str, &[&str]); 15] = [
    ("wid", &["w", "sw", "odnwidth"]),
    ("hei", &["h", "sh", "odnheight"]),
    ("fmt", &["f", "fm", "ext", "extension"]),
    ("qlt", &["q", "qual", "compression"]),
    ("fit", &["mode", "sm"]),
    ("bgc", &["bg", "odnbg", "fill", "matte"]),
    ("rotate", &["rot", "angle"]),
    ("scl", &["zoom"]),
    ("size", &["resize", "dimensions"]),
    ("rgn", &["region", "roi"]),
    ("align", &["gravity", "position"]),
    ("extend", &["padding", "border", "margin"]),
    ("x_pad", &["pad"]),
    ("icc", &["profile", "cs"]),
    ("printRes", &["resolution"]),
];

/// Parameters that change no image. The groups only help to find them again.
#[rustfmt::skip]
const HARMLESS: [&[&str]; 5] = [
    // Time stamps, versions and random numbers that keep caches from answering.
    &[
        "ts", "tm", "time", "timestamp", "date", "datetime", "dt", "now", "modified", "lastmodified", "lm", "mod",
        "modtime", "mtime", "updated", "updatedat", "ver", "vers", "version", "rev", "revision", "release", "build",
        "iv", "imgver", "imgversion", "hash", "digest", "checksum", "md5", "sha", "sha1", "sha256", "crc", "etag",
        "ck", "cb", "cachebuster", "cachebust", "cachekey", "cachebreaker", "bust", "buster", "nocache", "uncache",
        "nc", "nonce", "rnd", "rand", "random", "seed", "refresh", "reload", "fresh", "stamp",
    ],
    // Numbers of things, and signatures.
    &[
        "aid", "bid", "cid", "did", "eid", "fid", "gid", "iid", "jid", "kid", "lid", "mid", "nid", "oid", "pid", "qid",
        "rid", "sid", "tid", "uid", "vid", "xid", "zid", "uuid", "guid", "imgid", "imageid", "assetid", "mediaid",
        "itemid", "productid", "prodid", "skuid", "sku", "upc", "ean", "gtin", "qty", "index", "idx", "token", "key",
        "sig", "sign", "signature", "expires", "hdnts", "hdnea",
    ],
    // Statistics and campaigns.
    &[
        "gclid", "fbclid", "msclkid", "dclid", "gbraid", "wbraid", "yclid", "ttclid", "twclid", "igshid", "srsltid",
        "ref", "referrer", "referer", "campaign", "cmp", "cmpid", "icid", "ecid", "affid", "aff", "medium", "tracking",
    ],
    // Delivery networks and viewers.
    &[
        "impolicy", "imbypass", "cdn", "edge", "akamai", "download", "dl", "attachment", "disposition", "filename",
        "rp", "param", "params", "callback", "xhr", "viewer", "viewport", "context", "config", "handler",
    ],
    // The page that the image stands on.
    &[
        "alt", "title", "caption", "lang", "language", "country", "cc", "site", "siteid", "store", "brand", "shop",
        "page", "view", "user", "client", "app", "device", "platform", "os", "browser", "test", "debug", "demo", "env",
        "product", "category", "lazy", "loading", "srcset", "sizes",
    ],
];

/// Families of such parameters.
const HARMLESS_PREFIXES: [&str; 8] = ["utm_", "mtm_", "pk_", "hsa_", "mc_", "ga_", "x-amz-", "x-goog-"];

/// What a name means elsewhere; `None` when that is not known.
pub(super) fn find_foreign_name(name: &str) -> Option<ForeignName> {
    let lower = name.to_ascii_lowercase();
    // Libraries mark their own parameters with an underscore.
    if lower.starts_with('_') || HARMLESS_PREFIXES.iter().any(|prefix| lower.starts_with(prefix)) {
        return Some(ForeignName::Harmless);
    }
    let plain = normalize_name(&lower);
    let find = |table: &[(&'static str, &[&str])]| {
        table.iter().find(|(_, names)| names.contains(&plain.as_str())).map(|(command, _)| *command)
    };
    if let Some(command) = find(&MEANINGS) {
        return Some(ForeignName::Means(command));
    }
    if let Some(command) = find(&POSSIBLE_MEANINGS) {
        return Some(ForeignName::MayMean(command));
    }
    HARMLESS.iter().any(|names| names.contains(&plain.as_str())).then_some(ForeignName::Harmless)
}

/// Whether a parameter of an address changes no image wherever it is known: caches, statistics, campaigns.
pub fn is_harmless_parameter(name: &str) -> bool {
    find_foreign_name(name) == Some(ForeignName::Harmless)
}

/// The commands that a name means elsewhere, but for one wrong letter. Only long names leave no doubt.
pub(super) fn find_misspelt_names(name: &str) -> Vec<&'static str> {
    let plain = normalize_name(&name.to_ascii_lowercase());
    if plain.len() > 32 {
        return Vec::new();
    }
    let is_near = |known: &&str| known.len() >= 5 && command::count_edits(&plain, known) == 1;
    MEANINGS.iter().filter(|(_, names)| names.iter().any(is_near)).map(|(command, _)| *command).collect()
}

fn normalize_name(lower: &str) -> String {
    lower.chars().filter(|char| !matches!(char, '-' | '_')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::find_command;

    #[test]
    fn meanings_are_commands_and_no_name_is_one() {
        let tables = MEANINGS.iter().chain(&POSSIBLE_MEANINGS);
        for (command, names) in tables {
            assert!(find_command(command).is_some_and(|found| found.name == *command), "{command}");
            for name in *names {
                assert_eq!(*name, normalize_name(name), "never found");
            }
        }
        let mut seen = std::collections::HashSet::new();
        let all = MEANINGS.iter().chain(&POSSIBLE_MEANINGS).map(|(_, names)| *names).chain(HARMLESS);
        for name in all.flatten() {
            assert!(seen.insert(*name), "{name} stands twice");
            assert!(find_command(name).is_none(), "{name} is a command");
        }
    }

    #[test]
    fn names_of_elsewhere_are_found_in_any_spelling() {
        for (name, meaning) in [
            ("Width", Some(ForeignName::Means("wid"))),
            ("max-width", Some(ForeignName::Means("wid"))),
            ("hight", Some(ForeignName::Means("hei"))),
            ("q", Some(ForeignName::MayMean("qlt"))),
            ("noCache", Some(ForeignName::Harmless)),
            ("no-cache", Some(ForeignName::Harmless)),
            ("utm_source", Some(ForeignName::Harmless)),
            ("_tparam_layer_1_src", Some(ForeignName::Harmless)),
            ("banana", None),
        ] {
            assert_eq!(find_foreign_name(name), meaning, "{name}");
        }
        assert_eq!(find_misspelt_names("widhth").first().copied(), Some("wid"));
        assert_eq!(find_misspelt_names("formt").first().copied(), Some("fmt"));
        assert_eq!(find_misspelt_names("banana").first(), None);
    }
}
