//! The table of commands: for each its name, values, default, help, examples and the function that sets the recipe.
//!
//! It is the only place that knows which commands exist. The parser, `GET /modifier-commands`, docs/MODIFIERS.md and
//! the test that tries every command read it. To add a command, add a row to the file of its group and a setter beside
//! it. Pages are those of the documentation's command reference; commands that it does not have are in `product.rs`.

mod builder;
mod clip;
mod composition;
mod layer;
mod mask;
mod output;
mod pixel;
mod placement;
mod product;
mod unsupported;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod value_tests;
mod view;

use serde::Serialize;

pub(super) use self::builder::{CommandTarget, LayerDraft, RecipeBuilder};
use super::attribute::Attributes;
use super::diagnostic::ValueError;
use super::segment::SegmentTracker;

/// The commands, grouped as in the documentation.
static COMMAND_GROUPS: [&[CommandSpec]; 11] = [
    view::COMMANDS,
    layer::COMMANDS,
    placement::COMMANDS,
    composition::COMMANDS,
    mask::COMMANDS,
    clip::COMMANDS,
    pixel::COMMANDS,
    output::COMMANDS,
    product::COMMANDS,
    unsupported::COMMANDS,
    unsupported::IGNORED_COMMANDS,
];

/// Every documented command.
pub fn list_commands() -> impl Iterator<Item = &'static CommandSpec> {
    COMMAND_GROUPS.iter().copied().flatten()
}

/// One documented command.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CommandSpec {
    /// Case-insensitive when parsed.
    pub name: &'static str,
    /// The command with placeholders for the parts of its value.
    pub syntax: &'static str,
    /// Allowed values of the parts.
    pub range: &'static str,
    /// The value that applies without the command.
    pub default: &'static str,
    pub scope: Scope,
    /// Commands with the same slot override each other; the last one wins.
    pub slot: &'static str,
    pub support: Support,
    /// What it does, in a sentence or two.
    pub help: &'static str,
    /// A page of the documentation; empty for a command of our own.
    pub page: &'static str,
    /// An example modifier. It is accepted, unless the command is not supported yet.
    pub accepts: &'static str,
    /// An example that is refused because of this command; empty when no value is refused.
    pub refuses: &'static str,
    /// `None` when there is nothing to set.
    #[serde(skip)]
    pub(super) setter: Option<RecipeSetter>,
    /// Whether an ignored command could change the result elsewhere, so that ignoring it is worth a warning.
    #[serde(skip)]
    pub(super) warns: bool,
}

/// Parses the value of a command and sets the recipe.
pub(super) type RecipeSetter = fn(&mut RecipeBuilder<'_>, CommandTarget, &str) -> Result<(), ValueError>;

/// What a command applies to. Documentation page: c-specifying-layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Scope {
    /// The request or its view, in whichever segment the command stands.
    Global,
    /// One layer; layer 0 without `layer=`.
    Layer,
    /// The composite without `layer=`, otherwise the layer.
    Composite,
    /// Opens a segment.
    Segment,
}

/// Whether a command is supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Support {
    /// It does what the documentation says.
    Now,
    /// It is refused with `not-supported-yet`.
    NotYet,
    /// It has no effect in an export; it is accepted and ignored. A notice says so, or a warning where it could change
    /// the result elsewhere.
    Ignored,
}

impl CommandSpec {
    /// A row to start from: known, but not supported yet.
    const fn new(name: &'static str, syntax: &'static str, scope: Scope, page: &'static str) -> Self {
        Self {
            name,
            syntax,
            range: "",
            default: "none",
            scope,
            slot: name,
            support: Support::NotYet,
            help: "",
            page,
            accepts: "",
            refuses: "",
            setter: None,
            warns: false,
        }
    }

    /// Whether Image Serving does not have it.
    pub fn is_own(&self) -> bool {
        self.name.starts_with(product::PREFIX)
    }

    /// Whether it changes something: neither ignored nor without a value to check.
    pub(super) fn has_effect(&self) -> bool {
        self.support != Support::Ignored || self.setter.is_some()
    }

    /// Whether effects use it; they ignore all other commands of layers. Documentation page: r-effect.
    pub(super) fn applies_to_effects(&self) -> bool {
        EFFECT_COMMANDS.contains(&self.name)
    }

    /// Whether a command with this value would be accepted.
    pub(super) fn accepts_value(&self, attributes: &Attributes, text: &str) -> bool {
        let mut discarded = RecipeBuilder::new(attributes);
        match self.setter {
            Some(set) => set(&mut discarded, CommandTarget::Composite, text).is_ok(),
            None if self.scope == Scope::Segment => SegmentTracker::new().open(self.name, text).is_ok(),
            None => true,
        }
    }
}

/// What effects use of the commands of layers. `hide` is not documented for them, but templates have it.
const EFFECT_COMMANDS: [&str; 10] =
    ["blendMode", "color", "maskUse", "opac", "op_grow", "op_blur", "op_noise", "pos", "posN", "hide"];

/// Former names of commands, which the examples of the documentation still use.
const OLD_NAMES: [(&str, &str); 1] = [("colorize", "op_colorize")];

/// Finds a command by its name, case-insensitive.
pub(super) fn find_command(name: &str) -> Option<&'static CommandSpec> {
    let renamed = OLD_NAMES.iter().find(|(old, _)| old.eq_ignore_ascii_case(name));
    let name = renamed.map_or(name, |(_, current)| current);
    list_commands().find(|command| command.name.eq_ignore_ascii_case(name))
}

/// Commands that change something and whose name is at most so many edits away, the nearest first. Names longer than 32
/// bytes are not compared, which bounds the work.
pub(super) fn find_similar_commands(name: &str, edits: usize) -> Vec<&'static CommandSpec> {
    if name.len() > 32 {
        return Vec::new();
    }
    let typed = name.to_ascii_lowercase();
    let mut similar: Vec<_> = list_commands()
        .filter(|command| command.has_effect() && command.name.len().abs_diff(typed.len()) <= edits)
        .map(|command| (count_edits(&typed, &command.name.to_ascii_lowercase()), command))
        .filter(|(count, _)| *count <= edits)
        .collect();
    similar.sort_by_key(|(count, command)| (*count, command.support != Support::Now));
    similar.into_iter().map(|(_, command)| command).collect()
}

/// How many letters must be inserted, removed, replaced, or swapped with their neighbour (optimal string alignment
/// distance).
pub(super) fn count_edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0usize; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let moved = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                let swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                if swapped { moved.min(rows[i - 2][j - 2] + 1) } else { moved }
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_complete_and_names_unique() {
        let mut names = std::collections::HashSet::new();
        for command in list_commands() {
            assert!(names.insert(command.name.to_ascii_lowercase()), "{} stands twice", command.name);
            for (what, text) in [("syntax", command.syntax), ("range", command.range), ("help", command.help)] {
                assert!(!text.is_empty(), "{} has no {what}", command.name);
            }
            assert_eq!(command.page.starts_with("r-"), !command.is_own(), "{}", command.name);
            assert!(!command.accepts.is_empty(), "{}", command.name);
            assert!(command.support == Support::Ignored || !command.refuses.is_empty(), "{}", command.name);
        }
    }

    #[test]
    fn misspelt_commands_are_recognised() {
        let first = |typed, edits| find_similar_commands(typed, edits).first().map(|command| command.name);
        assert_eq!(first("WDI", 1), Some("wid"));
        assert_eq!(first("op_sharp", 1), None);
        assert_eq!(first("op_sharp", 2), Some("op_sharpen"));
        assert_eq!(first("opsharpen", 1), Some("op_sharpen"));
        assert_eq!(first("foo", 1), None);
        // What an export ignores cannot be misspelt with a consequence.
        assert_eq!(first("cach", 1), None);
    }
}
