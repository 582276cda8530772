//! The fields of a form, as they were sent: a name may stand several times.

use serde::Deserialize;

/// The fields in their order.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub(in crate::http::pages) struct FormFields(Vec<(String, String)>);

impl FormFields {
    pub(in crate::http::pages) fn push(&mut self, name: &str, value: impl Into<String>) {
        self.0.push((name.to_owned(), value.into()));
    }

    /// The first value of a field as it was sent; empty without one.
    pub(in crate::http::pages) fn get(&self, name: &str) -> &str {
        let first = self.0.iter().find(|(known, _)| known == name);
        first.map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// All values of a field.
    pub(in crate::http::pages) fn list<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The first value without blanks around it and with plain line ends; none where nothing is left.
    pub(in crate::http::pages) fn text(&self, name: &str) -> Option<String> {
        Some(self.get(name).trim().replace("\r\n", "\n")).filter(|text| !text.is_empty())
    }

    /// Whether a box was ticked.
    pub(in crate::http::pages) fn is_set(&self, name: &str) -> bool {
        self.list(name).next().is_some()
    }
}
