//! Names of files and folders that are safe everywhere: on every system, in every zip, on every screen.

use std::fmt;

use unicode_normalization::UnicodeNormalization;

/// Longest name of a file or of one folder, in bytes: what common file systems take.
const LONGEST_NAME: usize = 255;
/// Longest path of folders, in bytes.
const LONGEST_FOLDER: usize = 1024;

/// A file's name: one path part, NFC, without characters or words that some system gives a meaning to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileName(String);

/// A path of folders as `a/b`, without outer slashes; empty for the top.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folder(String);

/// Nothing is left of the text that could be a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it has no character that may stand in a name")]
pub struct NotAName;

impl FileName {
    /// The safe name that is nearest to what a client calls its file. Browsers send names, some programs paths: the
    /// last part counts.
    ///
    /// # Errors
    /// When nothing is left.
    pub fn made_of(said: &str) -> Result<Self, NotAName> {
        let last = said.rsplit(['/', '\\']).next().unwrap_or_default();
        let clean: String = last.nfc().filter_map(safe).collect();
        let mut name = trimmed(&clean).to_owned();
        if is_reserved(&name) {
            name.insert(0, '_');
        }
        let name = trimmed(&shortened(name)).to_owned();
        if name.is_empty() { Err(NotAName) } else { Ok(Self(name)) }
    }

    /// The name without its extension: what the asset is called.
    pub fn stem(&self) -> &str {
        split(&self.0).0
    }

    /// The name.
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
    /// A folder as a client writes it: slashes at its ends and doubled ones do not count.
    ///
    /// # Errors
    /// A sentence that says which part cannot be a folder and why.
    pub fn parse(said: &str) -> Result<Self, String> {
        if said.contains('\\') {
            return Err("Separate folders by `/`, not by a backslash.".to_owned());
        }
        let mut parts = Vec::new();
        for part in said.split('/').filter(|part| !part.is_empty()) {
            if part == "." || part == ".." {
                return Err(format!("`{part}` is no folder; write the path from the top."));
            }
            match FileName::made_of(part) {
                Ok(name) if name.0.chars().eq(part.nfc()) => parts.push(name.0),
                Ok(name) => return Err(format!("{:?} is not safe everywhere; `{name}` would be.", part)),
                Err(NotAName) => return Err(format!("{part:?} is no name for a folder.")),
            }
        }
        let path = parts.join("/");
        if path.len() > LONGEST_FOLDER {
            return Err(format!("The path has {} bytes; at most {LONGEST_FOLDER} are allowed.", path.len()));
        }
        Ok(Self(path))
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The character, `_` where a system would give it a meaning, or nothing where it cannot be seen.
fn safe(letter: char) -> Option<char> {
    match letter {
        '<' | '>' | ':' | '"' | '|' | '?' | '*' => Some('_'),
        letter if letter.is_control() => None,
        // Marks that turn the direction of text around, so that `gpj.exe` reads as `exe.jpg`; and invisible ones.
        '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => None,
        letter => Some(letter),
    }
}

/// Without blanks around it and without dots at its end, which Windows drops.
fn trimmed(name: &str) -> &str {
    name.trim_start().trim_end_matches(|letter: char| letter == '.' || letter.is_whitespace())
}

/// Names of devices on Windows, with any extension.
fn is_reserved(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_uppercase();
    let numbered = |device: &str| {
        stem.strip_prefix(device).is_some_and(|rest| {
            matches!(rest, "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "\u{b9}" | "\u{b2}" | "\u{b3}")
        })
    };
    matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$") || numbered("COM") || numbered("LPT")
}

/// Stem and extension with its dot; a name that begins with its only dot has no extension.
fn split(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(dot) if dot > 0 => name.split_at(dot),
        _ => (name, ""),
    }
}

/// The name cut to what file systems take. The extension stays unless it is itself too long.
fn shortened(name: String) -> String {
    if name.len() <= LONGEST_NAME {
        return name;
    }
    let (stem, extension) = match split(&name) {
        (stem, extension) if extension.len() <= 32 => (stem, extension),
        _ => (name.as_str(), ""),
    };
    let end = stem.floor_char_boundary(LONGEST_NAME - extension.len());
    format!("{}{extension}", stem[..end].trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(said: &str) -> String {
        FileName::made_of(said).map_or_else(|error| error.to_string(), |name| name.0)
    }

    #[test]
    fn good_names_stay_as_they_are() {
        for name in
            ["a.jpg", "Ünï çode 日本.png", "a b (2).tar.gz", ".htaccess", "no extension", "COM.jpg", "console.jpg"]
        {
            assert_eq!(made(name), name);
        }
    }

    #[test]
    fn naughty_names_become_safe() {
        for (said, safe) in [
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
            assert_eq!(made(said), safe, "{said:?}");
        }
        for nothing in ["", "/", "..", "...", " ", "\u{202e}", "a/"] {
            assert!(FileName::made_of(nothing).is_err(), "{nothing:?}");
        }
    }

    #[test]
    fn long_names_are_cut_before_their_extension() {
        let name = made(&format!("{}.jpeg", "ä".repeat(200)));
        assert!(name.len() <= 255 && name.ends_with("ä.jpeg"), "{name}");
        assert!(made(&format!("a.{}", "b".repeat(400))).len() <= 255);
        assert!(made(&format!("{}con.jpg", "x".repeat(300))).len() <= 255);
    }

    #[test]
    fn a_stem_is_a_name_without_its_extension() {
        let stem = |name: &str| FileName::made_of(name).unwrap().stem().to_owned();
        assert_eq!(stem("fileToExport.jpg"), "fileToExport");
        assert_eq!(stem("a.tar.gz"), "a.tar");
        assert_eq!(stem(".htaccess"), ".htaccess");
    }

    #[test]
    fn folders_are_normalised_or_refused() {
        let parsed = |said: &str| Folder::parse(said).map(|folder| folder.0);
        assert_eq!(parsed("/a//b/").unwrap(), "a/b");
        assert_eq!(parsed("").unwrap(), "");
        assert_eq!(parsed("/").unwrap(), "");
        assert_eq!(parsed("e\u{301}te\u{301}").unwrap(), "\u{e9}t\u{e9}");
        for bad in ["a/../b", ".", "a\\b", "a\u{7}b", "con", "a./b", " a", "x\u{202e}y"] {
            assert!(Folder::parse(bad).is_err(), "{bad:?}");
        }
        assert!(Folder::parse(&"a/".repeat(600)).is_err());
    }
}
