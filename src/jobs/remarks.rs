//! Warnings and notices about the modifiers of a job: each is kept once, however many items and renditions it concerns.

use std::collections::HashMap;

use offprint_modifiers::Diagnostic;

use crate::jobs::rendition_resolver::to_reason;
use crate::reason::Reason;

/// Remarks about one rendition, each once, in the order in which they came up.
#[derive(Debug, Default)]
pub struct RemarkList {
    reasons: Vec<Reason>,
    /// By their sentence. A job of many assets may have as many remarks, if they have modifiers of their own.
    indexes: HashMap<String, usize>,
}

impl RemarkList {
    /// Adds remarks that are not known yet. Returns their indexes.
    pub fn add_diagnostics(&mut self, diagnostics: &[Diagnostic]) -> Vec<usize> {
        diagnostics.iter().map(|diagnostic| self.add(to_reason(diagnostic))).collect()
    }

    fn add(&mut self, reason: Reason) -> usize {
        let next = self.reasons.len();
        let index = *self.indexes.entry(reason.detail.clone()).or_insert(next);
        if index == next {
            self.reasons.push(reason);
        }
        index
    }
}

/// The remarks of all renditions of a job, and where those of each rendition are among them.
#[derive(Debug)]
pub struct MergedRemarks {
    pub reasons: Vec<Reason>,
    /// For each rendition, the index of each of its remarks in `reasons`.
    pub places: Vec<Vec<usize>>,
}

/// Merges the remarks of renditions, given by their names. One that several of them share is told once: after the names
/// of those renditions, or without names if it concerns all.
pub fn merge_remarks(lists: Vec<(Option<&str>, RemarkList)>) -> MergedRemarks {
    let rendition_count = lists.len();
    let (mut merged, mut names, mut places) = (RemarkList::default(), Vec::<Vec<&str>>::new(), Vec::new());
    for (name, list) in lists {
        let indexes: Vec<usize> = list.reasons.into_iter().map(|reason| merged.add(reason)).collect();
        names.resize(merged.reasons.len(), Vec::new());
        for index in &indexes {
            names[*index].extend(name);
        }
        places.push(indexes);
    }
    let add_names = |(reason, names): (Reason, Vec<&str>)| match names.len() {
        0 => reason,
        count if count == rendition_count => reason,
        _ => Reason::new(reason.code, format!("{}: {}", names.join(", "), reason.detail)),
    };
    MergedRemarks { reasons: merged.reasons.into_iter().zip(names).map(add_names).collect(), places }
}

#[cfg(test)]
mod tests {
    use offprint_core::Code;

    use super::*;

    fn list_remarks(details: &[&str]) -> RemarkList {
        let mut list = RemarkList::default();
        for detail in details {
            list.add(Reason::new(Code::UnknownCommand, *detail));
        }
        list
    }

    #[test]
    fn what_renditions_share_is_told_once() {
        // What each rendition remarks, what is told, and which of it concerns each rendition.
        type Case<'a> = (&'a [(Option<&'a str>, &'a [&'a str])], &'a [&'a str], &'a [&'a [usize]]);
        let cases: [Case<'_>; 3] = [
            (&[(None, &["x", "y", "x"])], &["x", "y"], &[&[0, 1]]),
            (&[(Some("a"), &["x"]), (Some("b"), &["y", "x"])], &["x", "b: y"], &[&[0], &[1, 0]]),
            (
                &[(Some("a"), &["x"]), (Some("b"), &[]), (Some("c"), &["z", "x"])],
                &["a, c: x", "c: z"],
                &[&[0], &[], &[1, 0]],
            ),
        ];
        for (lists, details, places) in cases {
            let merged = merge_remarks(lists.iter().map(|(name, details)| (*name, list_remarks(details))).collect());
            assert_eq!(merged.reasons.iter().map(|reason| reason.detail.as_str()).collect::<Vec<_>>(), details);
            assert_eq!(merged.places, places);
        }
    }
}
