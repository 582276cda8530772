//! A failure, warning or notice, with what helps.

use crate::http::address::write_address;
use crate::i18n::Language;
use crate::reason::Reason;

/// Why something failed, or what is to be known about it.
pub(super) struct Remark {
    /// In the reader's language.
    pub(super) text: String,
    /// What exactly, and the remedy. English; none where `text` says it already.
    pub(super) detail: Option<String>,
    pub(super) code: String,
    /// Address of the page about the code.
    pub(super) address: String,
}

impl Remark {
    pub(super) fn new(language: &Language, reason: &Reason) -> Self {
        let text = language.format_reason(reason);
        let code = reason.code.to_kebab_case();
        Self {
            detail: (text != reason.detail).then(|| reason.detail.clone()),
            text,
            address: write_address(&format!("/problems/{code}")),
            code,
        }
    }

    pub(super) fn list(language: &Language, reasons: &[Reason]) -> Vec<Self> {
        reasons.iter().map(|reason| Self::new(language, reason)).collect()
    }
}
