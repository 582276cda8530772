//! Errors, warnings and notices of modifiers: what is wrong, where in which text, and the remedy.
//!
//! A function that parses a value knows nothing of its place and returns a [`ValueError`]; whoever knows the token
//! turns it into a [`Diagnostic`].

use std::fmt;

use serde::{Serialize, Serializer};

use super::grammar::RawToken;

/// What kind of error, warning or notice a [`Diagnostic`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiagnosticKind {
    /// A value that cannot be used, or commands that contradict each other.
    InvalidModifier,
    /// A name that is no command, but looks like one that was misspelt or is named otherwise elsewhere.
    UnknownCommand,
    /// A name that is no command and has no known meaning elsewhere; it was ignored.
    UnknownParameter,
    /// A command that has no effect in an export, or not where it stands; it was ignored.
    IgnoredCommand,
    /// A macro that is not defined, or that may not be called from where it is called.
    UnknownMacro,
    /// A modifier names another asset that does not exist or cannot be used.
    SourceMissing,
    /// The colour profile is not installed; another one for the same printing condition was used.
    ProfileReplaced,
    /// A documented command or value that this version does not offer yet.
    NotSupportedYet,
    /// Resolving takes more work than is allowed.
    TooComplex,
}

/// The text that the offset of a diagnostic refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The field `is_modifier` of the export request.
    Modifier,
    /// The modifier that the export request has for this asset alone.
    Item,
    /// The parameters that the export request has for this asset alone.
    Parameters,
    /// The field `macro` of the export request.
    ExportMacro,
    /// The definition of the macro with this name.
    Macro(String),
    /// The asset's named crop.
    Crop(String),
    /// The own modifier of the asset that is the watermark: of an image preset, or of the attribute Watermark.
    Watermark,
    /// The asset's own modifier that is applied before the request's.
    AssetBefore,
    /// The asset's own modifier that is applied after the request's.
    AssetAfter,
    /// The own modifier, applied before, of another asset that the request names.
    NamedBefore(String),
    /// The own modifier, applied after, of another asset that the request names.
    NamedAfter(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Modifier => out.write_str("is_modifier"),
            Self::Item => out.write_str("the asset's is_modifier"),
            Self::Parameters => out.write_str("the asset's parameters"),
            Self::ExportMacro => out.write_str("macro"),
            Self::Macro(name) => write!(out, "macro {name}"),
            Self::Crop(name) => write!(out, "crop {name}"),
            Self::Watermark => out.write_str("watermark"),
            Self::AssetBefore => out.write_str("urlModifier"),
            Self::AssetAfter => out.write_str("urlPostApplyModifier"),
            Self::NamedBefore(name) => write!(out, "urlModifier of {name}"),
            Self::NamedAfter(name) => write!(out, "urlPostApplyModifier of {name}"),
        }
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

/// One error in a modifier, or one warning or notice about it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Diagnostic {
    #[serde(rename = "code")]
    pub kind: DiagnosticKind,
    pub origin: Origin,
    /// The command, macro call or variable as it was written, without its value.
    pub command: String,
    /// Bytes from the start of the text `origin` to the command.
    pub offset: usize,
    /// What is wrong, as a sentence.
    pub detail: String,
    /// What to do about it, as a sentence.
    pub remedy: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} at byte {} of {}: {} {}", self.command, self.offset, self.origin, self.detail, self.remedy)
    }
}

/// Why a value cannot be used, or what there is to know about it. Becomes a [`Diagnostic`] where the command is known.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueError {
    pub kind: DiagnosticKind,
    /// What is wrong, as a sentence.
    pub detail: String,
    /// What to do about it, as a sentence. If empty, the syntax of the command takes its place.
    pub remedy: String,
}

impl ValueError {
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self { kind: DiagnosticKind::InvalidModifier, detail: detail.into(), remedy: String::new() }
    }

    /// Something that was ignored.
    pub(super) fn ignored(detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { kind: DiagnosticKind::IgnoredCommand, detail: detail.into(), remedy: remedy.into() }
    }

    pub(super) fn into_diagnostic(self, command: &str, token: RawToken<'_>, origin: &Origin) -> Diagnostic {
        Diagnostic {
            kind: self.kind,
            origin: origin.clone(),
            command: command.to_owned(),
            offset: token.offset,
            detail: self.detail,
            remedy: self.remedy,
        }
    }

    /// The work that resolving may take is used up.
    pub(super) fn too_complex() -> Self {
        Self {
            kind: DiagnosticKind::TooComplex,
            detail: "Resolving the modifier takes more work than is allowed.".into(),
            remedy: "Use fewer or shorter commands, macros and nested requests.".into(),
        }
    }

    /// A documented value that this version does not offer yet.
    pub(super) fn not_supported(detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { kind: DiagnosticKind::NotSupportedYet, detail: detail.into(), remedy: remedy.into() }
    }
}
