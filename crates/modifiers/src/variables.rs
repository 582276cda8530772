//! Substitution variables: `$name=value` defines, `$name$` inside a value refers. Documentation page:
//! r-is-http-substitution-variables.

use std::collections::HashMap;

use super::grammar::is_identifier;

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
}
