//! The operators behind a placeholder: small changes of its value, from left to right.

/// The names of all operators, for errors.
pub(super) const OPERATORS: &str =
    "`after` `afterLast` `before` `beforeLast` `first` `last` `lower` `upper` `replace` `map` `default`";

/// A change of a value. `None` is what an asset does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    /// What follows the first occurrence; nothing without one.
    After(String),
    /// What follows the last occurrence; nothing without one.
    AfterLast(String),
    /// What precedes the first occurrence; everything without one.
    Before(String),
    /// What precedes the last occurrence; everything without one.
    BeforeLast(String),
    /// The first characters.
    First(usize),
    /// The last characters.
    Last(usize),
    Lower,
    Upper,
    /// Every occurrence of the first text becomes the second.
    Replace(String, String),
    /// The value of the first pair whose key the whole text is. `*` is every text; others stay as they are.
    Map(Vec<(String, String)>),
    /// What stands for an empty value.
    Default(String),
}

impl Operator {
    pub(super) fn apply(&self, value: Option<String>) -> Option<String> {
        if let Self::Default(text) = self {
            return value.filter(|value| !value.is_empty()).or_else(|| Some(text.clone()));
        }
        let text = value?;
        Some(match self {
            Self::After(mark) => text.split_once(mark.as_str()).map_or("", |(_, after)| after).to_owned(),
            Self::AfterLast(mark) => text.rsplit_once(mark.as_str()).map_or("", |(_, after)| after).to_owned(),
            Self::Before(mark) => text.split_once(mark.as_str()).map_or(text.as_str(), |(before, _)| before).to_owned(),
            Self::BeforeLast(mark) => {
                text.rsplit_once(mark.as_str()).map_or(text.as_str(), |(before, _)| before).to_owned()
            }
            Self::First(count) => text.chars().take(*count).collect(),
            Self::Last(count) => text.chars().skip(text.chars().count().saturating_sub(*count)).collect(),
            Self::Lower => text.to_lowercase(),
            Self::Upper => text.to_uppercase(),
            Self::Replace(from, to) => text.replace(from.as_str(), to),
            Self::Map(pairs) => {
                pairs.iter().find(|(key, _)| key == "*" || *key == text).map_or(text, |(_, value)| value.clone())
            }
            Self::Default(_) => text,
        })
    }
}
