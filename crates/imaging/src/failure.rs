//! Why a picture could not be rendered, or what to know about one that was.

use serde::{Deserialize, Serialize};

use offprint_core::Code;

/// Why a picture could not be rendered. Never names a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct Failure {
    /// From the one list of codes.
    pub code: Code,
    /// A sentence for people.
    pub detail: String,
}

impl Failure {
    /// A failure of this code.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }

    /// A file that ends too early, as the sentence says.
    pub fn truncated(sentence: &str) -> Self {
        let remedy = "Upload it whole, or export what there is of it with `onCorrupt: warn`.";
        Self::new(Code::Truncated, format!("{sentence} {remedy}"))
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::UnexpectedEof => Self::truncated("The file ends before its picture does."),
            std::io::ErrorKind::NotFound => Self::new(Code::OriginalMissing, "The source file is not there."),
            std::io::ErrorKind::StorageFull => Self::new(Code::StorageFull, "There is no room for the picture."),
            // Decoders report damage as errors of reading; only the system's own have a number.
            _ if error.raw_os_error().is_none() => {
                Self::new(Code::Corrupt, format!("The picture is damaged: {error}."))
            }
            _ => Self::new(Code::Internal, format!("The file could not be read or written: {error}.")),
        }
    }
}

/// What to know about a picture that is rendered all the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// From the one list of codes.
    pub code: Code,
    /// A sentence for people.
    pub detail: String,
}

impl Warning {
    /// A warning of this code.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}
