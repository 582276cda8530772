//! The errors of a request while they are found: each once, and not more of them than anybody reads.

use std::collections::HashSet;

use offprint_core::Code;

use crate::reason::ValidationError;

/// Most errors that are told. More usually have one cause, and looking for all of them can take long.
const MAX_TOLD_ERRORS: usize = 100;

/// Errors of a request, each once.
#[derive(Debug, Default)]
pub struct ErrorList {
    errors: Vec<ValidationError>,
    known: HashSet<(String, String)>,
    has_more: bool,
}

impl ErrorList {
    /// Adds an error that is not known yet.
    pub fn add(&mut self, error: ValidationError) {
        if self.is_full() {
            self.has_more = true;
        } else if self.known.insert((error.pointer.clone(), error.detail.clone())) {
            self.errors.push(error);
        }
    }

    pub fn extend(&mut self, errors: impl IntoIterator<Item = ValidationError>) {
        errors.into_iter().for_each(|error| self.add(error));
    }

    pub fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    /// Whether no more errors are told, so that looking for more is in vain.
    pub fn is_full(&self) -> bool {
        self.errors.len() >= MAX_TOLD_ERRORS
    }

    /// The errors; the last one says so when there may be more.
    pub fn into_errors(mut self) -> Vec<ValidationError> {
        if self.has_more || self.is_full() {
            let detail = "There may be more errors; these are the first.";
            self.errors.push(ValidationError::new("", Code::InvalidValue, detail));
        }
        self.errors
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_once_and_not_without_end() {
        let mut list = ErrorList::default();
        let error = |number: usize| ValidationError::new("/a", Code::InvalidValue, number.to_string());
        list.extend([error(1), error(1), error(2)]);
        assert_eq!(list.errors, [error(1), error(2)]);
        list.extend((0..1000).map(error));
        assert!(list.is_full());
        let told = list.into_errors();
        assert_eq!((told.len(), told[100].pointer.as_str()), (101, ""));
    }
}
