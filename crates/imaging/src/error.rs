//! Why an image could not be rendered, and warnings about one that was.

use offprint_core::Code;
use serde::{Deserialize, Serialize};

use super::header::BoundsExceeded;

/// Why an image could not be rendered. Contains no path: the detail is shown to clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct RenderError {
    pub code: Code,
    /// Plain sentences: what is wrong and what to do.
    pub detail: String,
}

impl RenderError {
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }

    /// The code `truncated`, with the remedy after the given sentence.
    pub(crate) fn for_truncated_file(sentence: &str) -> Self {
        let remedy = "Upload the complete file, or export the readable part with `onCorrupt: warn`.";
        Self::new(Code::Truncated, format!("{sentence} {remedy}"))
    }
}

impl From<std::io::Error> for RenderError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::UnexpectedEof => {
                Self::for_truncated_file("The file ends before the image is complete.")
            }
            std::io::ErrorKind::NotFound => Self::new(Code::OriginalMissing, "The source file is missing."),
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                Self::new(Code::StorageFull, "There is not enough disk space to write the image.")
            }
            _ if error.get_ref().is_some_and(|inner| inner.is::<BoundsExceeded>()) => Self::new(
                Code::SourceTooLarge,
                "The file has more parts before its image than are read. Save it anew with an image editor, without \
                 metadata, and upload it again.",
            ),
            // Decoders report damage as I/O errors too; only those of the operating system carry an error number.
            _ if error.raw_os_error().is_none() => Self::new(Code::Corrupt, format!("The image is damaged: {error}.")),
            _ => Self::new(Code::Internal, format!("The file could not be read or written: {error}.")),
        }
    }
}

/// Something that may change a result against what was asked for or stored. The image is rendered all the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenderWarning {
    pub code: Code,
    /// Plain sentences: what is wrong and what to do.
    pub detail: String,
}

impl RenderWarning {
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}
