//! A code with a sentence, as API and database hold it: [`Reason`] for items and jobs, [`ValidationError`] for
//! requests.
//!
//! Lives here and not in `offprint-core`, because that crate knows nothing of OpenAPI.

use std::borrow::Cow;

use offprint_core::Code;
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// The OpenAPI schema of a [`Code`].
pub struct CodeSchema;

impl PartialSchema for CodeSchema {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::String))
            .description(Some(
                "Identifies a problem, failure, warning or notice. An open list: codes are never renamed, but later versions \
                 have more of them.",
            ))
            .examples(Code::ALL.iter().map(|code| code.to_kebab_case()))
            .into()
    }
}

impl ToSchema for CodeSchema {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Code")
    }
}

/// A code with a sentence: why an item failed, or a warning or notice about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reason {
    /// Why, as a code.
    #[schema(value_type = CodeSchema)]
    pub code: Code,
    /// What happened, where, and what to do about it.
    pub detail: String,
}

impl Reason {
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}

/// One error in a request, with its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ValidationError {
    /// JSON pointer into the body, or the name of a query parameter or header.
    #[schema(example = "/assetHandleArray/0")]
    pub pointer: String,
    /// What kind of error it is.
    #[schema(value_type = CodeSchema)]
    pub code: Code,
    /// What is wrong and how to correct it.
    pub detail: String,
    /// Bytes from the start of the modifier to the command with the error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<usize>,
}

/// Longest `pointer` and `detail` of an error: both can quote what the client sent.
const MAX_POINTER_CHARS: usize = 512;
const MAX_DETAIL_CHARS: usize = 2048;

impl ValidationError {
    pub fn new(pointer: impl Into<String>, code: Code, detail: impl Into<String>) -> Self {
        let (pointer, detail) = (pointer.into(), detail.into());
        Self {
            pointer: clip_to(pointer, MAX_POINTER_CHARS),
            code,
            detail: clip_to(detail, MAX_DETAIL_CHARS),
            offset: None,
        }
    }
}

fn clip_to(mut text: String, max_chars: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(max_chars) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// The errors of one request. The first ones are kept, the others are only counted: more usually have one cause, and the
/// answer must not become many times as large as the request.
#[derive(Clone, Debug, Default)]
pub struct ValidationErrors {
    first: Vec<ValidationError>,
    total: usize,
}

/// Most errors that one answer reports.
pub const MAX_VALIDATION_ERRORS: usize = 100;

impl ValidationErrors {
    pub fn push(&mut self, error: ValidationError) {
        self.push_with(|| error);
    }

    /// Counts an error; it is built only if there is room for it.
    pub fn push_with(&mut self, build: impl FnOnce() -> ValidationError) {
        if self.first.len() < MAX_VALIDATION_ERRORS {
            self.first.push(build());
        }
        self.total += 1;
    }

    /// Adds all errors of others, as far as there is room for them.
    pub fn append(&mut self, others: Self) {
        let (total, first) = others.into_parts();
        let uncounted = total - first.len();
        self.extend(first);
        self.count_others(uncounted);
    }

    /// Counts errors that nobody looked at.
    pub fn count_others(&mut self, count: usize) {
        self.total += count;
    }

    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// How many errors there were, and the first of them.
    pub fn into_parts(self) -> (usize, Vec<ValidationError>) {
        (self.total, self.first)
    }
}

impl Extend<ValidationError> for ValidationErrors {
    fn extend<I: IntoIterator<Item = ValidationError>>(&mut self, errors: I) {
        errors.into_iter().for_each(|error| self.push(error));
    }
}

impl FromIterator<ValidationError> for ValidationErrors {
    fn from_iter<I: IntoIterator<Item = ValidationError>>(errors: I) -> Self {
        let mut all = Self::default();
        all.extend(errors);
        all
    }
}

impl From<Vec<ValidationError>> for ValidationErrors {
    fn from(errors: Vec<ValidationError>) -> Self {
        errors.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_and_long_errors_are_counted_and_cut() {
        let error = ValidationError::new("/a".repeat(9000), Code::InvalidValue, "ä".repeat(9000));
        assert_eq!(error.pointer.chars().count(), MAX_POINTER_CHARS + 1);
        assert_eq!(error.detail.chars().count(), MAX_DETAIL_CHARS + 1);
        let (total, first) = ValidationErrors::from(vec![error; 5000]).into_parts();
        assert_eq!((total, first.len()), (5000, MAX_VALIDATION_ERRORS));
    }
}
