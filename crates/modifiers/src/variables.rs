//! Substitution variables: `$name=value` defines, `$name$` inside a value refers. Documentation page:
//! r-is-http-substitution-variables.

use std::collections::{BTreeMap, HashMap};

use super::diagnostic::ValueError;
use super::grammar::{self, ParsedToken, is_identifier};

/// How long a value may become when variables are filled in, in bytes.
const MAX_VALUE_BYTES: usize = 8 << 10;

/// The variables of one modifier. All definitions are collected first, so a reference may stand before its definition.
#[derive(Clone, Debug, Default)]
pub(super) struct Variables {
    by_name: HashMap<String, String>,
}

impl Variables {
    /// Only the predefined `$object$`: the name of the asset that the modifier is applied to.
    pub(super) fn with_object(object: &str) -> Self {
        let mut variables = Self::default();
        variables.define("object", object.to_owned());
        variables
    }

    /// Defines a variable; the last definition wins.
    pub(super) fn define(&mut self, name: &str, value: String) {
        self.by_name.insert(name.to_ascii_lowercase(), value);
    }

    /// Bytes of all names and values.
    pub(super) fn count_bytes(&self) -> usize {
        self.by_name.iter().map(|(name, value)| name.len() + value.len()).sum()
    }

    /// Replaces references by values, in one pass: values are not searched for references again. References to
    /// undefined variables stay as they are. `used` is called with every name that was replaced. `None` when the value
    /// grows beyond 8 KiB.
    pub(super) fn fill(&self, value: &str, mut used: impl FnMut(&str)) -> Option<String> {
        let mut out = String::with_capacity(value.len());
        let mut rest = value;
        while let Some(start) = rest.find('$') {
            out.push_str(&rest[..start]);
            let after = &rest[start + 1..];
            let name = after.find('$').map(|end| &after[..end]).filter(|name| is_identifier(name));
            let variable = name.and_then(|name| Some((name, self.by_name.get(&name.to_ascii_lowercase())?)));
            rest = match variable {
                Some((name, text)) => {
                    used(name);
                    out.push_str(text);
                    &after[name.len() + 1..]
                }
                None => {
                    out.push('$');
                    after
                }
            };
            if out.len() > MAX_VALUE_BYTES {
                return None;
            }
        }
        out.push_str(rest);
        Some(out)
    }
}

/// The variables that a text defines, with their values: what a template can be given, and its defaults. Names are in the
/// spelling of their last definition, which is the one that counts.
pub fn list_variables(text: &str) -> BTreeMap<String, String> {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for token in grammar::split_tokens(text) {
        if let ParsedToken::Variable { name, value } = grammar::parse_token(&token) {
            found.retain(|known, _| !known.eq_ignore_ascii_case(&name));
            found.insert(name.into_owned(), value);
        }
    }
    found
}

/// The names of the variables that the values of a text refer to, each once, in the spelling of their first use. A value
/// may refer to a variable that another text defines.
pub fn list_variable_uses(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for token in grammar::split_tokens(text) {
        if let ParsedToken::Command { value: Some(value), .. } = grammar::parse_token(&token) {
            let mut rest = value.as_str();
            while let Some(start) = rest.find('$') {
                let after = &rest[start + 1..];
                let name = after.find('$').map(|end| &after[..end]).filter(|name| is_identifier(name));
                rest = name.map_or(after, |name| &after[name.len() + 1..]);
                if let Some(name) = name.filter(|name| !found.iter().any(|known| known.eq_ignore_ascii_case(name))) {
                    found.push(name.to_owned());
                }
            }
        }
    }
    found
}

/// A text that sets these variables, to be added after a modifier.
///
/// # Errors
/// A name that no variable can have.
pub fn format_variables<'a>(values: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<String, ValueError> {
    let tokens = values.into_iter().map(|(name, value)| {
        if !is_identifier(name) {
            let remedy = "Use letters, digits, `-`, `_` and `.`.".to_owned();
            return Err(ValueError {
                remedy,
                ..ValueError::invalid(format!("`{name}` cannot be the name of a variable."))
            });
        }
        Ok(ParsedToken::Variable { name: name.into(), value: value.to_owned() }.to_string())
    });
    tokens.collect::<Result<Vec<_>, _>>().map(|tokens| tokens.join("&"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn fills_once_and_leaves_the_unknown() {
        let mut variables = Variables::with_object("shoe");
        variables.define("A", "1".into());
        variables.define("b", "$a$".into());
        let fill = |value| variables.fill(value, |_| {}).unwrap();
        assert_eq!(fill("$a$,$B$,$c$"), "1,$a$,$c$");
        assert_eq!(fill("my$x$a$y"), "my$x1y");
        assert_eq!(fill("$object$"), "shoe");
        variables.define("long", "x".repeat(5000));
        assert_eq!(variables.fill("$long$$long$", |_| {}), None);
    }

    #[test]
    fn variables_of_a_template_are_listed_and_set() {
        let template = "$c=ff0000&$Text=a+b%26c&size=60,60&color=$c$&layer=1&$C=00ff00&src=$object$";
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let expected = BTreeMap::from([pair("C", "00ff00"), pair("Text", "a b&c")]);
        assert_eq!(list_variables(template), expected);
        assert_eq!(
            list_variable_uses("size=$w$,$h$&layer=1&src=is($object$?wid=$W$)&$test$&text=a$b"),
            ["w", "h", "object"]
        );
        let text = format_variables(expected.iter().map(|(name, value)| (name.as_str(), value.as_str()))).unwrap();
        assert_eq!(list_variables(&text), expected);
        assert!(format_variables([("a b", "1")]).is_err());
    }
}
