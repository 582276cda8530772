//! `Upload-Metadata`: what a client says of its file, as words with values in base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};

use crate::api::asset_change::safe_folder;
use crate::api::problem::{Mistake, Problem};
use crate::api::upload::date;
use crate::code::Code;
use crate::digest::Digest;
use crate::name::FileName;

/// Longest header, in bytes.
const MOST: usize = 4096;

/// What the service wants to know of a file.
#[derive(Debug)]
pub(super) struct Metadata {
    pub(super) file_name: String,
    pub(super) folder: String,
    pub(super) last_modified: Option<DateTime<Utc>>,
    pub(super) sha256: Option<Digest>,
}

/// Reads the header. Words that are not known are kept with the upload and mean nothing.
///
/// # Errors
/// 400 when it cannot be read, 422 with everything that cannot be used.
pub(super) fn read(said: &str) -> Result<Metadata, Problem> {
    let pairs = pairs(said).map_err(|detail| Problem::parameter("Upload-Metadata", detail))?;
    let value = |word: &str| pairs.iter().find(|(name, _)| *name == word).map(|(_, value)| value.as_str());
    let mut mistakes = Vec::new();
    let folder = safe_folder("Upload-Metadata/folder", value("folder").unwrap_or_default(), &mut mistakes);
    let said = value("lastModified").unwrap_or_default();
    let last_modified = date("Upload-Metadata/lastModified", said, &mut mistakes);
    let mut wrong = |word: &str, code, detail: String| {
        mistakes.push(Mistake::new(format!("Upload-Metadata/{word}"), code, detail));
    };
    // What the clients of tus call it.
    let file_name = match value("filename").or(value("name")) {
        None | Some("") => {
            let detail = "The file has no name. Send `Upload-Metadata: filename` with the name in base64.";
            wrong("filename", Code::MissingParameter, detail.into());
            None
        }
        Some(said) => FileName::made_of(said)
            .map_err(|nothing| {
                wrong("filename", Code::InvalidValue, format!("{said:?} cannot be a file name: {nothing}."))
            })
            .ok(),
    };
    let sha256 = value("sha256").filter(|said| !said.is_empty()).and_then(|said| {
        let digest = said.parse().map_err(|why| wrong("sha256", Code::InvalidValue, format!("{said:?}: {why}.")));
        digest.ok()
    });
    match (file_name, folder) {
        (Some(file_name), Some(folder)) if mistakes.is_empty() => {
            Ok(Metadata { file_name: file_name.to_string(), folder, last_modified, sha256 })
        }
        _ => Err(Problem::refused(mistakes)),
    }
}

fn pairs(said: &str) -> Result<Vec<(&str, String)>, String> {
    if said.len() > MOST {
        return Err(format!("It has {} bytes; at most {MOST} are allowed.", said.len()));
    }
    let mut pairs: Vec<(&str, String)> = Vec::new();
    for pair in said.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (word, value) = pair.split_once(' ').unwrap_or((pair, ""));
        let text = STANDARD.decode(value.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let text = text.ok_or_else(|| format!("The value of `{word}` is not UTF-8 in base64."))?;
        if text.contains('\0') {
            return Err(format!("The value of `{word}` holds a NUL character. Take it out."));
        }
        if pairs.iter().any(|(name, _)| *name == word) {
            return Err(format!("`{word}` stands twice."));
        }
        pairs.push((word, text));
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_values_in_base64_or_none() {
        assert_eq!(pairs("a Yg==,c, d  ZQ==").unwrap(), [("a", "b".into()), ("c", String::new()), ("d", "e".into())]);
        for wrong in ["a b", "a /w==", "a AA==", "a Yg==,a Yg=="] {
            assert!(pairs(wrong).is_err(), "{wrong}");
        }
        assert!(pairs(&"a".repeat(5000)).unwrap_err().contains("4096"));
    }

    #[test]
    fn everything_that_cannot_be_used_is_told_at_once() {
        let said = format!("folder {},lastModified {},sha256 YWI=", STANDARD.encode("../up"), STANDARD.encode("today"));
        let problem = read(&said).unwrap_err();
        assert_eq!(problem.code(), Code::ValidationFailed);
        assert!(problem.to_string().contains("4 mistakes"), "{problem}");
    }
}
