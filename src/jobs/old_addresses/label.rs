//! Names for queries, as parts of paths: `$pdp$&wid=400` is `pdp-wid400`.

use std::collections::HashMap;

use offprint_core::Digest;

/// Longest label, in bytes.
const MAX_LABEL_BYTES: usize = 60;
/// Digits of the digest behind a label that another query has, too.
const DIGEST_DIGITS: usize = 8;

/// Gives each query a label of its own.
#[derive(Default)]
pub struct Labels {
    owners: HashMap<String, Digest>,
}

impl Labels {
    /// The label of a query. `key` tells queries apart that make different images.
    pub fn choose(&mut self, query: &str, key: Digest) -> String {
        let (label, is_whole) = build_label(query);
        let owner = *self.owners.entry(label.to_ascii_lowercase()).or_insert(key);
        if is_whole && owner == key {
            return label;
        }
        let digits: String = key.to_string().chars().take(DIGEST_DIGITS).collect();
        format!("{label}-{digits}")
    }
}

/// The words of a query, and whether all of it is in them.
fn build_label(query: &str) -> (String, bool) {
    let tokens = query.split('&').filter(|token| !token.is_empty()).map(|token| {
        let word = token.replace('=', "").replace(['$', '%', '{', '}'], "");
        let char = |char: char| if char.is_ascii_alphanumeric() || "._".contains(char) { char } else { '-' };
        word.chars().map(char).collect::<String>().trim_matches(['-', '.']).to_owned()
    });
    let words: Vec<String> = tokens.filter(|word| !word.is_empty()).collect();
    let mut label = words.join("-");
    if label.is_empty() {
        return ("default".to_owned(), true);
    }
    let is_whole = label.len() <= MAX_LABEL_BYTES;
    label.truncate(MAX_LABEL_BYTES);
    (label.trim_end_matches(['-', '.']).to_owned(), is_whole)
}
