//! Names of files and folders that are safe on every operating system, in every zip archive and on every screen.
//!
//! File names are corrected, because uploads come with whatever name a camera or browser gave. Folder names are refused
//! with a suggestion, because people choose them and later look for them.

use std::fmt;

use icu_casemap::CaseMapper;
use unicode_normalization::UnicodeNormalization;

/// Longest name of a file or of one folder, in bytes: the limit of common file systems.
const MAX_NAME_BYTES: usize = 255;
/// Longest path of folders, in bytes.
const MAX_FOLDER_BYTES: usize = 1024;

/// A file name: one path part in Unicode NFC, without characters or words that are special on some system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileName(String);

/// A path of folders as `a/b`, without outer slashes; empty for the top folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folder(String);

/// No usable character is left of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name has no usable characters")]
pub struct InvalidNameError;

impl FileName {
    /// Turns the name that a client sends into the nearest safe one. Browsers send names and some programs send paths;
    /// the last part counts.
    ///
    /// # Errors
    /// No usable character is left.
    pub fn sanitize(text: &str) -> Result<Self, InvalidNameError> {
        let last_part = text.rsplit(['/', '\\']).next().unwrap_or_default();
        let clean: String = last_part.nfc().filter_map(sanitize_char).collect();
        let mut name = trim_name(&clean).to_owned();
        if is_reserved_name(&name) {
            name.insert(0, '_');
        }
        let name = trim_name(&shorten_name(name)).to_owned();
        if name.chars().all(is_joiner) { Err(InvalidNameError) } else { Ok(Self(name)) }
    }

    /// The name without its extension, which becomes the name of the asset.
    pub fn stem(&self) -> &str {
        split_extension(&self.0).0
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl Folder {
    /// Parses a folder path. Outer and doubled slashes are ignored.
    ///
    /// # Errors
    /// A sentence that says which part is not allowed and why.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.contains('\\') {
            return Err("Separate folders with `/`, not with a backslash.".to_owned());
        }
        let mut parts = Vec::new();
        for part in text.split('/').filter(|part| !part.is_empty()) {
            if part == "." || part == ".." {
                return Err(format!("`{part}` is not allowed; write the path from the top folder."));
            }
            match FileName::sanitize(part) {
                Ok(name) if name.0.chars().eq(part.nfc()) => parts.push(name.0),
                Ok(name) => return Err(format!("{part:?} is not a safe folder name on every system; use `{name}`.")),
                Err(InvalidNameError) => return Err(format!("{part:?} cannot be a folder name.")),
            }
        }
        let path = parts.join("/");
        if path.len() > MAX_FOLDER_BYTES {
            return Err(format!("The path has {} bytes; at most {MAX_FOLDER_BYTES} are allowed.", path.len()));
        }
        Ok(Self(path))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The character itself, `_` if it is special on some system, or `None` if it is invisible.
fn sanitize_char(letter: char) -> Option<char> {
    match letter {
        '<' | '>' | ':' | '"' | '|' | '?' | '*' => Some('_'),
        letter if letter.is_control() => None,
        // Marks that change the direction of text, with which `photo\u{202e}gpj.exe` is displayed as `photoexe.jpg`;
        // and other invisible characters. The joiners U+200C and U+200D are spelling: in Persian, in Indic scripts and
        // in emoji.
        '\u{061c}'
        | '\u{200b}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}' => None,
        letter => Some(letter),
    }
}

/// Joiners are invisible by themselves; between letters they are spelling.
fn is_joiner(letter: char) -> bool {
    matches!(letter, '\u{200c}' | '\u{200d}')
}

/// A name or part of one in Unicode NFC, as all names are stored: whoever searches for a name compares with this.
pub fn normalize_name(text: &str) -> String {
    text.nfc().collect()
}

/// A path as it is compared: two paths with one key cannot be in one folder on every system. Full case folding, of
/// compatible characters in one form (Unicode's NFKC_Casefold, section 5.18 of the standard); joiners do not count.
pub fn fold_path(path: &str) -> String {
    let visible: String = path.nfkd().filter(|letter| !is_joiner(*letter)).collect();
    CaseMapper::new().fold_string(&visible).nfkc().collect()
}

/// Removes white space at both ends and dots at the end, which Windows drops.
fn trim_name(name: &str) -> &str {
    name.trim_start().trim_end_matches(|letter: char| letter == '.' || letter.is_whitespace())
}

/// Whether Windows reserves the name for a device, such as `CON`, `LPT1` or `con.jpg`.
fn is_reserved_name(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_uppercase();
    let numbered = |device: &str| {
        stem.strip_prefix(device).is_some_and(|rest| {
            matches!(rest, "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "\u{b9}" | "\u{b2}" | "\u{b3}")
        })
    };
    matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$") || numbered("COM") || numbered("LPT")
}

/// Splits into stem and extension, the dot with the extension. A name such as `.htaccess` has no extension.
fn split_extension(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(dot) if dot > 0 => name.split_at(dot),
        _ => (name, ""),
    }
}

/// Shortens the name to [`MAX_NAME_BYTES`]. An extension of at most 32 bytes is kept.
fn shorten_name(name: String) -> String {
    if name.len() <= MAX_NAME_BYTES {
        return name;
    }
    let (stem, extension) = match split_extension(&name) {
        (stem, extension) if extension.len() <= 32 => (stem, extension),
        _ => (name.as_str(), ""),
    };
    let end = stem.floor_char_boundary(MAX_NAME_BYTES - extension.len());
    format!("{}{extension}", stem[..end].trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sanitize_name(text: &str) -> String {
        FileName::sanitize(text).map_or_else(|error| error.to_string(), |name| name.0)
    }

    #[test]
    fn good_names_stay_as_they_are() {
        for name in
            ["a.jpg", "Ünï çode 日本.png", "a b (2).tar.gz", ".htaccess", "no extension", "COM.jpg", "console.jpg"]
        {
            assert_eq!(sanitize_name(name), name);
        }
    }

    #[test]
    fn joiners_are_spelling() {
        for name in ["\u{645}\u{6cc}\u{200c}\u{62e}\u{648}\u{627}\u{647}\u{645}.png", "\u{1f469}\u{200d}\u{1f680}.jpg"]
        {
            assert_eq!(sanitize_name(name), name);
            assert_eq!(Folder::parse(name).unwrap().as_str(), name);
        }
        assert!(FileName::sanitize("\u{200d}\u{200c}").is_err());
    }

    #[test]
    fn paths_that_one_folder_cannot_hold_have_one_key() {
        for (one, other) in [
            ("A.JPG", "a.jpg"),
            ("\u{394}\u{3a1}\u{39f}\u{39c}\u{39f}\u{3a3}", "\u{3b4}\u{3c1}\u{3bf}\u{3bc}\u{3bf}\u{3c2}"),
            ("\u{3b4}\u{3c1}\u{3bf}\u{3bc}\u{3bf}\u{3c3}", "\u{3b4}\u{3c1}\u{3bf}\u{3bc}\u{3bf}\u{3c2}"),
            ("Stra\u{df}e", "STRASSE"),
            ("\u{130}", "i\u{307}"),
            ("e\u{301}", "\u{c9}"),
            ("\u{fb01}n", "FIN"),
            ("\u{ff21}", "a"),
            ("K", "\u{212a}"),
            ("\u{645}\u{200c}\u{62e}", "\u{645}\u{62e}"),
            ("\u{13a0}", "\u{ab70}"),
        ] {
            assert_eq!(fold_path(one), fold_path(other), "{one} {other}");
        }
        for (one, other) in [("a", "b"), ("o", "\u{f6}"), ("a/b", "a"), ("\u{131}", "i")] {
            assert_ne!(fold_path(one), fold_path(other), "{one} {other}");
        }
    }

    #[test]
    fn unsafe_names_become_safe() {
        for (name, safe) in [
            ("../../etc/passwd", "passwd"),
            ("C:\\Users\\me\\photo.jpg", "photo.jpg"),
            ("a\u{0}b\r\n.jpg", "ab.jpg"),
            ("photo\u{202e}gpj.exe", "photogpj.exe"),
            ("con.jpg", "_con.jpg"),
            ("LPT\u{b9}", "_LPT\u{b9}"),
            ("name. . ", "name"),
            ("  a.jpg ", "a.jpg"),
            ("what?<>:\"|*.png", "what_______.png"),
            ("e\u{301}.jpg", "\u{e9}.jpg"),
        ] {
            assert_eq!(sanitize_name(name), safe, "{name:?}");
        }
        for nothing in ["", "/", "..", "...", " ", "\u{202e}", "a/"] {
            assert!(FileName::sanitize(nothing).is_err(), "{nothing:?}");
        }
    }

    #[test]
    fn long_names_are_cut_before_their_extension() {
        let name = sanitize_name(&format!("{}.jpeg", "ä".repeat(200)));
        assert!(name.len() <= 255 && name.ends_with("ä.jpeg"), "{name}");
        assert!(sanitize_name(&format!("a.{}", "b".repeat(400))).len() <= 255);
        assert!(sanitize_name(&format!("{}con.jpg", "x".repeat(300))).len() <= 255);
    }

    #[test]
    fn a_stem_is_a_name_without_its_extension() {
        let stem = |name: &str| FileName::sanitize(name).unwrap().stem().to_owned();
        assert_eq!(stem("fileToExport.jpg"), "fileToExport");
        assert_eq!(stem("a.tar.gz"), "a.tar");
        assert_eq!(stem(".htaccess"), ".htaccess");
    }

    #[test]
    fn folders_are_normalised_or_refused() {
        let parsed = |text: &str| Folder::parse(text).map(|folder| folder.0);
        assert_eq!(parsed("/a//b/").unwrap(), "a/b");
        assert_eq!(parsed("").unwrap(), "");
        assert_eq!(parsed("/").unwrap(), "");
        assert_eq!(parsed("e\u{301}te\u{301}").unwrap(), "\u{e9}t\u{e9}");
        for bad in ["a/../b", ".", "a\\b", "a\u{7}b", "con", "a./b", " a", "x\u{202e}y", "\u{200d}"] {
            assert!(Folder::parse(bad).is_err(), "{bad:?}");
        }
        assert!(Folder::parse(&"a/".repeat(600)).is_err());
    }
}
