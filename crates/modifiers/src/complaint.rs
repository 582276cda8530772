//! What is wrong with a text, where, and what to do about it.

use std::fmt;

use serde::{Serialize, Serializer};

use super::grammar::Piece;

/// What sort of mistake, or remark, a [`Complaint`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ComplaintKind {
    /// A value that cannot be used, or commands that contradict each other.
    InvalidModifier,
    /// A command that the documentation does not know.
    UnknownCommand,
    /// A command that has no meaning in an export, or not in this place; it was ignored.
    IgnoredCommand,
    /// A macro that is not defined, or not where it is called.
    UnknownMacro,
    /// Another asset that is named and cannot be had.
    SourceMissing,
    /// A documented command or value that this version does not offer yet.
    NotSupportedYet,
}

/// The text that a complaint's offset counts in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The order's own modifier, `is_modifier`.
    Modifier,
    /// The order's `macro`.
    ExportMacro,
    /// The definition of the macro with this name.
    Macro(String),
    /// The modifier that the asset puts before the order's.
    AssetBefore,
    /// The modifier that the asset puts after the order's.
    AssetAfter,
    /// The modifier that the asset of this name, which is named in the order, puts before what is asked for.
    NamedBefore(String),
    /// The one that it puts after it.
    NamedAfter(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Modifier => out.write_str("is_modifier"),
            Self::ExportMacro => out.write_str("macro"),
            Self::Macro(name) => write!(out, "macro {name}"),
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

/// One mistake in a modifier, or one thing to know about it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Complaint {
    /// What sort it is.
    #[serde(rename = "code")]
    pub kind: ComplaintKind,
    /// The text it was found in.
    pub origin: Origin,
    /// The command, macro call or variable as it was written, without its value.
    pub command: String,
    /// Where the command begins: bytes from the start of the original text.
    pub offset: usize,
    /// What is wrong.
    pub detail: String,
    /// What to write instead.
    pub remedy: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} at byte {} of {}: {} {}", self.command, self.offset, self.origin, self.detail, self.remedy)
    }
}

/// Why a value cannot be used; becomes a [`Complaint`] where its place is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// What sort it is.
    pub kind: ComplaintKind,
    /// What is wrong, as a sentence.
    pub detail: String,
    /// What to write instead; empty where the command's syntax says it.
    pub remedy: String,
}

impl Fault {
    /// A value that cannot be used.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self { kind: ComplaintKind::InvalidModifier, detail: detail.into(), remedy: String::new() }
    }

    /// The complaint of a command that stands at this place.
    pub(super) fn at(self, command: &str, piece: Piece<'_>, origin: &Origin) -> Complaint {
        Complaint {
            kind: self.kind,
            origin: origin.clone(),
            command: command.to_owned(),
            offset: piece.offset,
            detail: self.detail,
            remedy: self.remedy,
        }
    }

    /// A documented value that this version does not offer yet.
    pub fn later(detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { kind: ComplaintKind::NotSupportedYet, detail: detail.into(), remedy: remedy.into() }
    }
}
