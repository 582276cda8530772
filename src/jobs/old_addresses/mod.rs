//! Addresses of Scene7 from a log, a sitemap or a list: which images were asked for, how, and how often. Pure: what exists is
//! asked elsewhere.
//!
//! ```text
//! text --log_line--> lines with an address --address--> asset name and query, or why not
//!                                             '--label--> a name for each query
//! ```

mod address;
mod label;
mod log_line;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

pub use self::address::OldAddress;
#[cfg_attr(dead_code_check, expect(unused_imports, reason = "the type of a result, which only tests name"))]
pub use self::address::RejectedAddress;
pub use self::label::Labels;
use self::log_line::LineReader;

/// The most distinct addresses of one migration.
pub const MAX_ADDRESSES: usize = 200_000;
/// The most examples that are kept of one kind.
pub const MAX_EXAMPLES: usize = 5;

/// The addresses of a text, each once, in the order in which they first appear.
#[derive(Debug, Default)]
pub struct AddressList {
    /// Lines or entries that were read.
    pub lines: u64,
    /// Requests for images: the counts of all addresses.
    pub requests: u64,
    pub addresses: Vec<CountedAddress>,
    /// Entries without an address of images, such as pages of a sitemap and requests for scripts.
    pub others: u64,
    /// Requests that failed where they came from (status 400 and above), and examples of them.
    pub failed_there: u64,
    pub failed_examples: Vec<String>,
}

/// An address as it was requested, and how often.
#[derive(Debug)]
pub struct CountedAddress {
    /// Path and query.
    pub text: String,
    pub requests: u64,
}

impl AddressList {
    /// Reads an access log (common, combined or W3C), a sitemap, or a list with an address a line, which a number may precede
    /// (`uniq -c`).
    ///
    /// # Errors
    /// There are too many addresses.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut list = Self::default();
        let mut index: HashMap<String, usize> = HashMap::new();
        let mut reader = LineReader::default();
        let entries: Box<dyn Iterator<Item = log_line::Entry>> = match text.trim_start().starts_with('<') {
            true => Box::new(log_line::read_sitemap(text)),
            false => Box::new(text.lines().filter(|line| !line.trim().is_empty()).filter_map(|line| reader.read(line))),
        };
        for entry in entries {
            list.lines += 1;
            let Some(text) = entry.address else {
                list.others += entry.requests;
                continue;
            };
            if entry.status.is_some_and(|status| status >= 400) {
                list.failed_there += entry.requests;
                if list.failed_examples.len() < MAX_EXAMPLES && !list.failed_examples.contains(&text) {
                    list.failed_examples.push(text);
                }
                continue;
            }
            list.requests += entry.requests;
            match index.get(&text) {
                Some(known) => list.addresses[*known].requests += entry.requests,
                None if index.len() >= MAX_ADDRESSES => {
                    return Err(format!(
                        "There are more than {MAX_ADDRESSES} different addresses. Split the list, for example by the first \
                         letter of the assets."
                    ));
                }
                None => {
                    index.insert(text.clone(), list.addresses.len());
                    list.addresses.push(CountedAddress { text, requests: entry.requests });
                }
            }
        }
        Ok(list)
    }
}
