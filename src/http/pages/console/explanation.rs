//! Sentences of the API for people who read another language: what it is about in theirs, then the sentence itself, which says
//! exactly what and the remedy, in English.

use crate::i18n::Language;
use crate::reason::Reason;

/// Why something failed or is refused, or what is to be known about it.
#[derive(Clone, Debug)]
pub(in crate::http::pages) struct Explanation {
    /// In the reader's language, where it has words for the code; else the sentence.
    pub(in crate::http::pages) text: String,
    /// The sentence, in English; none where `text` is it.
    pub(in crate::http::pages) detail: Option<String>,
}

impl Explanation {
    /// About an item or a job.
    pub(in crate::http::pages) fn of_reason(language: &Language, reason: &Reason) -> Self {
        Self::new(language.format_reason(reason), reason)
    }

    /// About a mistake in a request.
    pub(in crate::http::pages) fn of_mistake(language: &Language, reason: &Reason) -> Self {
        Self::new(language.format_mistake(reason), reason)
    }

    fn new(text: String, reason: &Reason) -> Self {
        Self { detail: (text != reason.detail).then(|| reason.detail.clone()), text }
    }
}
