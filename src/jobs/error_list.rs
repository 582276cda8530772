//! The errors of a request while they are found: each once, and not more of them than anybody reads.

use std::collections::HashSet;

use crate::reason::{MAX_VALIDATION_ERRORS, ValidationError, ValidationErrors};

/// Errors of a request, each of the first hundred once; the others are counted.
#[derive(Debug, Default)]
pub struct ErrorList {
    errors: ValidationErrors,
    known: HashSet<(String, String)>,
}

impl ErrorList {
    /// Adds an error that is not known yet.
    pub fn add(&mut self, error: ValidationError) {
        if self.is_full() || self.known.insert((error.pointer.clone(), error.detail.clone())) {
            self.errors.push(error);
        }
    }

    pub fn extend(&mut self, errors: impl IntoIterator<Item = ValidationError>) {
        errors.into_iter().for_each(|error| self.add(error));
    }

    /// Adds those of another list, with the number of those that it only counted.
    pub fn append(&mut self, other: Self) {
        let (total, first) = other.errors.into_parts();
        let uncounted = total - first.len();
        self.extend(first);
        self.errors.count_others(uncounted);
    }

    pub fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    /// Whether no more errors are told, so that looking for more is in vain.
    pub fn is_full(&self) -> bool {
        self.known.len() >= MAX_VALIDATION_ERRORS
    }

    pub fn into_errors(self) -> ValidationErrors {
        self.errors
    }
}

#[cfg(test)]
mod tests {
    use offprint_core::Code;

    use super::*;

    #[test]
    fn errors_are_told_once_and_not_without_end() {
        let mut list = ErrorList::default();
        let error = |number: usize| ValidationError::new("/a", Code::InvalidValue, number.to_string());
        list.extend([error(1), error(1), error(2)]);
        list.extend((0..1000).map(error));
        assert!(list.is_full());
        let mut all = ErrorList::default();
        all.add(ValidationError::new("/b", Code::InvalidValue, "another"));
        all.append(list);
        let (total, told) = all.into_errors().into_parts();
        // Two were known, and one came from elsewhere.
        assert_eq!((total, told.len()), (1001, MAX_VALIDATION_ERRORS));
    }
}
