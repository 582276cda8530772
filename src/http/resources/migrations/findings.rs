//! Groups what was found in addresses by reason.

use std::collections::HashMap;

use offprint_core::Code;

use crate::http::resources::migrations::report::Finding;
use crate::jobs::old_addresses::{AddressList, MAX_EXAMPLES};
use crate::reason::Reason;

/// The most groups that are told.
const MAX_FINDINGS: usize = 200;

/// Findings, each kind once.
#[derive(Default)]
pub(super) struct Findings {
    groups: Vec<Finding>,
    index: HashMap<(String, String), usize>,
}

impl Findings {
    /// Adds an address.
    pub(super) fn add(&mut self, reason: &Reason, address: &str, requests: u64) {
        let key = (reason.code.to_string(), reason.detail.clone());
        let place = *self.index.entry(key).or_insert_with(|| {
            self.groups.push(Finding { reason: reason.clone(), requests: 0, addresses: 0, examples: Vec::new() });
            self.groups.len() - 1
        });
        let group = &mut self.groups[place];
        group.requests += requests;
        group.addresses += 1;
        if group.examples.len() < MAX_EXAMPLES {
            group.examples.push(address.to_owned());
        }
    }

    /// The groups, the most requested first.
    pub(super) fn into_list(mut self) -> Vec<Finding> {
        self.groups.sort_by_key(|group| std::cmp::Reverse(group.requests));
        self.groups.truncate(MAX_FINDINGS);
        self.groups
    }
}

impl Findings {
    /// Adds the groups of others, which have other reasons.
    pub(super) fn append(&mut self, others: Self) {
        self.groups.extend(others.groups);
    }

    /// Adds the addresses that failed where they came from.
    pub(super) fn add_failed_there(&mut self, list: &AddressList) {
        if list.failed_there > 0 {
            let detail = "The log says that the request failed (status 400 or above), so nothing is made of it.";
            self.groups.push(Finding {
                reason: Reason::new(Code::NotFound, detail),
                requests: list.failed_there,
                addresses: list.failed_examples.len() as u64,
                examples: list.failed_examples.clone(),
            });
        }
    }
}
