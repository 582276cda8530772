//! What is wrong with a form: a summary above it, and a sentence at each field.

use std::fmt::Display;

use crate::http::pages::console::explanation::Explanation;
use crate::http::problem::Problem;
use crate::i18n::Language;
use crate::reason::Reason;

/// One mistake.
#[derive(Clone, Debug)]
pub(in crate::http::pages) struct FormError {
    /// The `id` of the field; empty where it is about the whole form.
    pub(in crate::http::pages) field: String,
    pub(in crate::http::pages) told: Explanation,
}

impl FormError {
    /// What a resource found, in the reader's language.
    fn new(language: &Language, field: Option<String>, reason: Reason) -> Self {
        Self { field: field.unwrap_or_default(), told: Explanation::of_mistake(language, &reason) }
    }
}

/// The mistakes of a form, in its order.
#[derive(Clone, Debug, Default)]
pub(in crate::http::pages) struct FormErrors(Vec<FormError>);

impl FormErrors {
    /// Adds a mistake in the reader's language.
    pub(in crate::http::pages) fn push(&mut self, field: &str, text: String) {
        self.0.push(FormError { field: field.to_owned(), told: Explanation { text, detail: None } });
    }

    /// The mistakes that a resource found. `name_field` gives the field of the form for a JSON pointer such as
    /// `/renditions/0/name`, or nothing.
    pub(in crate::http::pages) fn from_problem(
        language: &Language,
        problem: Problem,
        name_field: impl Fn(&str) -> Option<String>,
    ) -> Self {
        let whole = Reason::new(problem.code(), problem.detail());
        let errors = problem.into_errors().into_iter();
        let errors: Vec<FormError> = errors
            .map(|error| {
                let field = name_field(&error.pointer);
                FormError::new(language, field, Reason::new(error.code, error.detail))
            })
            .collect();
        match errors.is_empty() {
            true => Self(vec![FormError::new(language, None, whole)]),
            false => Self(errors),
        }
    }

    pub(in crate::http::pages) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(in crate::http::pages) fn list(&self) -> &[FormError] {
        &self.0
    }

    /// The first mistake of a field.
    pub(in crate::http::pages) fn find(&self, field: &str) -> Option<&FormError> {
        self.0.iter().find(|error| error.field == field)
    }

    /// The first mistake of a field in a row of several.
    pub(in crate::http::pages) fn find_at(&self, field: &str, row: impl Display) -> Option<&FormError> {
        self.find(&format!("{field}-{row}"))
    }
}
