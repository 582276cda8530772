//! The values of a field of a form that has files: which file each value is for.
//!
//! A value is for the files that follow it, until the next one. When a form has only one value and it stands behind the last
//! file, it is for all files: many clients send the fields in the order of their names. A value that would be for no file at
//! all is a mistake of the client, and never dropped.

/// The values that one field has in a form, in their order.
#[derive(Debug)]
pub(super) struct PartValues<T> {
    /// The number of files before each value, and the value.
    values: Vec<(usize, T)>,
}

/// A value that is for no file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UnusedValue {
    /// Another one follows before the next file.
    Replaced,
    /// It stands behind the last file.
    Last,
}

impl UnusedValue {
    /// What is wrong, and the remedy.
    pub(super) fn explain(self, name: &str) -> String {
        match self {
            Self::Replaced => format!("`{name}` occurs twice before the same file. Send one of them."),
            Self::Last => {
                format!("The last `{name}` stands behind all files. Send it before the files that it is for.")
            }
        }
    }
}

impl<T> Default for PartValues<T> {
    fn default() -> Self {
        Self { values: Vec::new() }
    }
}

impl<T: Clone> PartValues<T> {
    /// Adds the next value; `file_count` is the number of files before it.
    pub(super) fn push(&mut self, file_count: usize, value: T) {
        self.values.push((file_count, value));
    }

    /// The first value that is for no file, in a form with so many files.
    pub(super) fn find_unused(&self, file_count: usize) -> Option<UnusedValue> {
        let replaced = self.values.windows(2).any(|pair| pair[0].0 == pair[1].0);
        let is_last = self.values.len() > 1 && self.values.last().is_some_and(|(before, _)| *before == file_count);
        if replaced { Some(UnusedValue::Replaced) } else { is_last.then_some(UnusedValue::Last) }
    }

    /// The value for a file by its index, in a form with so many files.
    pub(super) fn find(&self, index: usize, file_count: usize) -> Option<T> {
        match self.values.as_slice() {
            [(before, only)] if *before == file_count => Some(only.clone()),
            values => values.iter().rev().find(|(before, _)| *before <= index).map(|(_, value)| value.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a form such as `a f b f`: values, and files `f`.
    fn read(form: &str) -> Result<Vec<String>, UnusedValue> {
        let (mut values, mut count) = (PartValues::default(), 0);
        for part in form.split(' ') {
            match part {
                "f" => count += 1,
                value => values.push(count, value.to_owned()),
            }
        }
        match values.find_unused(count) {
            Some(unused) => Err(unused),
            None => Ok((0..count).map(|index| values.find(index, count).unwrap_or("-".into())).collect()),
        }
    }

    #[test]
    fn every_value_counts_or_is_refused() {
        for (form, expected) in [
            ("f f", Ok("- -")),
            ("a f f", Ok("a a")),
            ("a f b f", Ok("a b")),
            ("f a f", Ok("- a")),
            ("f a", Ok("a")),
            ("f f a", Ok("a a")),
            ("a b f", Err(UnusedValue::Replaced)),
            ("f a b", Err(UnusedValue::Replaced)),
            ("a f b", Err(UnusedValue::Last)),
            ("f a f b", Err(UnusedValue::Last)),
        ] {
            assert_eq!(read(form).map(|values| values.join(" ")), expected.map(str::to_owned), "{form}");
        }
    }
}
