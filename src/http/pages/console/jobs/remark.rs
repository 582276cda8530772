//! A failure, warning or notice, with what helps.

use crate::http::address::write_address;
use crate::http::pages::console::explanation::Explanation;
use crate::i18n::Language;
use crate::reason::Reason;

/// Why something failed, or what is to be known about it.
pub(super) struct Remark {
    pub(super) told: Explanation,
    pub(super) code: String,
    /// Address of the page about the code.
    pub(super) address: String,
}

impl Remark {
    pub(super) fn new(language: &Language, reason: &Reason) -> Self {
        let code = reason.code.to_kebab_case();
        let address = write_address(&format!("/problems/{code}"));
        Self { told: Explanation::of_reason(language, reason), code, address }
    }

    pub(super) fn list(language: &Language, reasons: &[Reason]) -> Vec<Self> {
        reasons.iter().map(|reason| Self::new(language, reason)).collect()
    }
}
