//! Commands that override each other: the last command of a slot and segment has an effect. A slot is usually one
//! command, but pairs such as `crop` and `cropN` share one.

use std::collections::BTreeMap;

use super::asset_reference::{self, AssetReference};
use super::command::{CommandSpec, RecipeBuilder};
use super::diagnostic::{Diagnostic, Origin, ValueError};
use super::grammar::RawToken;
use super::recipe::Recipe;
use super::segment::ModifierSegment;
use super::{Scope, Support};

/// One command, with its variables filled in.
#[derive(Clone, Debug)]
pub(super) struct ParsedCommand<'a> {
    pub(super) spec: &'static CommandSpec,
    pub(super) segment: ModifierSegment,
    pub(super) value: String,
    /// The nested request in its value, resolved.
    pub(super) nested_request: Option<Box<Recipe>>,
    pub(super) raw: RawToken<'a>,
    pub(super) origin: Origin,
}

/// All commands in the order of the texts.
#[derive(Debug, Default)]
pub(super) struct OverrideTable<'a> {
    commands: Vec<ParsedCommand<'a>>,
    last_by_slot: BTreeMap<(&'static str, ModifierSegment), usize>,
}

/// What there is to know about a command that is accepted.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Remark {
    /// The result may differ from what was asked for.
    Warning(ValueError),
    /// It makes no difference.
    Notice(ValueError),
}

/// Whether a command has an effect.
#[derive(Clone, Debug, PartialEq)]
pub enum CommandStatus {
    /// It has an effect, or repeats a default.
    Effective,
    /// A later command overrides it.
    Replaced,
    /// It has no effect, for the reason in this sentence.
    Ignored(String),
}

/// A command of a resolved modifier, for people who ask what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedCommand {
    /// Spelt as in the documentation.
    pub name: &'static str,
    /// Decoded, with variables filled in.
    pub value: String,
    /// What it applies to; `None` for commands of the view and the request.
    pub segment: Option<ModifierSegment>,
    pub origin: Origin,
    /// Bytes from the start of the text `origin` to the command.
    pub offset: usize,
    /// Names of other assets in its value.
    pub assets: Vec<String>,
    pub status: CommandStatus,
}

impl<'a> OverrideTable<'a> {
    pub(super) fn push(&mut self, command: ParsedCommand<'a>) {
        let slot = (command.spec.slot, command.segment);
        self.last_by_slot.insert(slot, self.commands.len());
        self.commands.push(command);
    }

    /// Each command in the order of the texts, with whether it is the last of its slot.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&ParsedCommand<'a>, bool)> {
        self.commands.iter().enumerate().map(|(index, command)| (command, self.is_effective(index)))
    }

    fn is_effective(&self, index: usize) -> bool {
        let command = &self.commands[index];
        self.last_by_slot.get(&(command.spec.slot, command.segment)) == Some(&index)
    }

    /// The last command of a slot.
    pub(super) fn find_effective(&self, slot: &'static str, segment: ModifierSegment) -> Option<&ParsedCommand<'a>> {
        self.last_by_slot.get(&(slot, segment)).map(|index| &self.commands[*index])
    }
}

impl ParsedCommand<'_> {
    /// Applies the command to a recipe.
    pub(super) fn apply(&self, draft: &mut RecipeBuilder<'_>) -> Result<Option<Remark>, ValueError> {
        let mut remark = None;
        if let Some(set) = self.spec.setter {
            draft.nested_request.clone_from(&self.nested_request);
            set(draft, self.segment.target(), &self.value)?;
            remark = draft.remark.take().map(Remark::Warning);
        }
        match self.spec.support {
            Support::Now => Ok(remark),
            Support::Ignored => {
                let detail = format!("`{}` has no effect in an export.", self.spec.name);
                let ignored = ValueError::ignored(detail, "The command was ignored.");
                Ok(Some(if self.spec.warns { Remark::Warning(ignored) } else { Remark::Notice(ignored) }))
            }
            Support::NotYet => Err(ValueError::not_supported(
                format!("`{}` is not supported yet.", self.spec.name),
                "Remove the command.",
            )),
        }
    }

    /// Whether it stands in an effect, which ignores it. Documentation page: r-effect.
    pub(super) fn is_unused_by_effect(&self) -> bool {
        matches!(self.segment, ModifierSegment::Effect(..)) && !self.spec.applies_to_effects()
    }

    pub(super) fn diagnose(&self, error: ValueError) -> Diagnostic {
        error.into_diagnostic(self.spec.name, self.raw, &self.origin)
    }

    pub(super) fn resolve(&self, status: CommandStatus) -> ResolvedCommand {
        ResolvedCommand {
            name: self.spec.name,
            value: self.value.clone(),
            segment: (self.spec.scope != Scope::Global).then_some(self.segment),
            origin: self.origin.clone(),
            offset: self.raw.offset,
            assets: self.asset_names(),
            status,
        }
    }

    /// The assets that the value names itself, and those in its nested request, templates included.
    fn asset_names(&self) -> Vec<String> {
        let own = match self.spec.name {
            name @ ("src" | "mask") if self.nested_request.is_none() => {
                asset_reference::parse_asset_reference(name, &self.value).ok()
            }
            "template" => asset_reference::parse_asset_name(&self.value).ok().map(AssetReference::Named),
            _ => None,
        };
        let name_of = |reference: &AssetReference| match reference {
            AssetReference::Named(name) => Some(name.clone()),
            _ => None,
        };
        let nested = self.nested_request.iter();
        let templates = nested.clone().flat_map(|recipe| recipe.missing_templates().map(str::to_owned));
        let images = nested.flat_map(|recipe| recipe.asset_references()).chain(&own).filter_map(name_of);
        images.chain(templates).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::OutputFormat;
    use crate::test_input::resolve_recipe;

    #[test]
    fn the_last_writer_of_a_slot_wins() {
        assert_eq!(resolve_recipe("wid=50&WID=100"), resolve_recipe("wid=100"));
        assert_eq!(resolve_recipe("crop=0,0,9,9&cropN=0,0,1,.5"), resolve_recipe("cropN=0,0,1,0.5"));
        assert_eq!(resolve_recipe("op_usmR=1,1&op_usm=0.0,0.0,0,0"), resolve_recipe(""));
        assert_eq!(resolve_recipe("size=100,0&scale=0.5&res=2"), resolve_recipe("res=2&size=100,0"));
        assert_eq!(resolve_recipe("scale=0.5&res=2"), resolve_recipe("scale=.5"));
        assert_eq!(resolve_recipe("fmt=gif&fmt=TIF,,LZW").format(), OutputFormat::Tiff);
        assert_eq!(resolve_recipe("layer=0&wid=9&layer=comp&hei=9"), resolve_recipe("wid=9&hei=9"));
        assert_ne!(resolve_recipe("layer=0&flip=lr"), resolve_recipe("flip=lr"));
        assert_eq!(
            resolve_recipe("wid=9&fmt=png").to_canonical_text(),
            resolve_recipe("fmt=png&wid=9").to_canonical_text()
        );
    }
}
