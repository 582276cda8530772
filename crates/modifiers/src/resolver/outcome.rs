//! Applies the stored commands, and says what became of each: whether it sets the recipe, is overridden, or has no effect.

use super::{CommandResolver, add_syntax_remedy};
use crate::command::{RecipeBuilder, Support};
use crate::diagnostic::{Origin, ValueError};
use crate::overrides::{CommandStatus, ParsedCommand, Remark, ResolvedCommand};
use crate::{conflicts, no_effect};

impl<'a> CommandResolver<'a> {
    /// Lets the last command of each slot set the recipe. Overridden commands, and those of layers that are not rendered,
    /// are applied to a recipe that is thrown away, so that their errors are found.
    pub(super) fn apply_commands(&mut self) -> (RecipeBuilder<'a>, Vec<ResolvedCommand>) {
        let mut draft = RecipeBuilder::new(self.attributes);
        draft.is_watermark = self.is_watermark;
        self.opened_effects.iter().for_each(|segment| draft.open_effect(segment.target()));
        let mut resolved_commands = Vec::new();
        let overrides = std::mem::take(&mut self.overrides);
        for (command, is_last) in overrides.iter() {
            if command.is_unused_by_effect() {
                resolved_commands
                    .push(command.resolve(CommandStatus::Ignored("Effects do not use this command.".into())));
                continue;
            }
            let outcome = match is_last && command.segment.is_known() {
                true => command.apply(&mut draft),
                false => command.apply(&mut RecipeBuilder::new(self.attributes)),
            };
            let status = self.report_outcome(command, outcome, is_last);
            resolved_commands.push(command.resolve(status));
        }
        for ((command, _), resolved) in overrides.iter().zip(&mut resolved_commands) {
            if resolved.status != CommandStatus::Effective {
                continue;
            }
            if let Some(reason) = no_effect::find_no_effect_reason(command, &overrides, &draft) {
                resolved.status = CommandStatus::Ignored(reason.to_owned());
            }
        }
        self.errors.extend(conflicts::find_conflicts(&overrides, &draft));
        for diagnostics in [&mut self.errors, &mut self.remarks.warnings, &mut self.remarks.notices] {
            diagnostics.sort_by(|a, b| (rank_origin(&a.origin), a.offset).cmp(&(rank_origin(&b.origin), b.offset)));
        }
        (draft, resolved_commands)
    }

    /// Reports what became of a command. An invalid value that a later command overrides has no effect, so it is only a
    /// notice.
    fn report_outcome(
        &mut self,
        command: &ParsedCommand<'_>,
        outcome: Result<Option<Remark>, ValueError>,
        is_last: bool,
    ) -> CommandStatus {
        let remark = match outcome {
            Err(error) if is_last => {
                self.errors.push(command.diagnose(add_syntax_remedy(error, command.spec)));
                None
            }
            Err(error) => {
                let remedy = "The command has no effect, because a later one overrides it.";
                Some(Remark::Notice(ValueError::ignored(error.detail, remedy)))
            }
            Ok(remark) => remark.filter(|_| is_last),
        };
        let is_ignored = command.spec.support == Support::Ignored;
        let status = match &remark {
            _ if !is_last => CommandStatus::Replaced,
            Some(Remark::Warning(found) | Remark::Notice(found)) if is_ignored => {
                CommandStatus::Ignored(found.detail.clone())
            }
            _ => CommandStatus::Effective,
        };
        match remark {
            Some(Remark::Warning(warning)) => self.remarks.warnings.push(command.diagnose(warning)),
            Some(Remark::Notice(notice)) => self.remarks.notices.push(command.diagnose(notice)),
            None => {}
        }
        status
    }
}

/// Sorts diagnostics by text, in the order in which the texts apply.
fn rank_origin(origin: &Origin) -> (u8, &str) {
    match origin {
        Origin::AssetBefore => (0, ""),
        Origin::NamedBefore(name) => (1, name),
        Origin::Modifier => (2, ""),
        Origin::Item => (3, ""),
        Origin::ExportMacro => (4, ""),
        Origin::Parameters => (5, ""),
        Origin::Macro(name) => (6, name),
        Origin::Crop(name) => (7, name),
        Origin::AssetAfter => (8, ""),
        Origin::NamedAfter(name) => (9, name),
        Origin::Watermark => (10, ""),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::test_input::{build_input, resolve_text};
    use crate::{Attributes, Diagnostic, DiagnosticKind, Macros, ModifierInput, resolve_modifier};

    #[test]
    fn all_errors_are_reported_together_with_their_place() {
        let macros = Macros::from_unordered(vec![("m".into(), "x=1& hei=tall".into())]);
        let attributes = Attributes::default();
        let input = ModifierInput {
            after: "&qlt=750",
            ..build_input("wid=0&$m$&scll=3&flup&text=other", &macros, &attributes)
        };
        let found: Vec<_> = resolve_modifier(&input)
            .unwrap_err()
            .into_iter()
            .map(|error| (error.origin.to_string(), error.offset, error.command, error.kind))
            .collect();
        let expected = [
            ("is_modifier", 0, "wid", DiagnosticKind::InvalidModifier),
            ("is_modifier", 10, "scll", DiagnosticKind::UnknownCommand),
            ("is_modifier", 17, "flup", DiagnosticKind::UnknownCommand),
            ("is_modifier", 22, "text", DiagnosticKind::NotSupportedYet),
            ("macro m", 5, "hei", DiagnosticKind::InvalidModifier),
            ("urlPostApplyModifier", 1, "qlt", DiagnosticKind::InvalidModifier),
        ];
        let expected: Vec<_> =
            expected.map(|(origin, at, command, kind)| (origin.to_owned(), at, command.to_owned(), kind)).into();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_may_change_the_result_is_a_warning_and_the_rest_a_notice() {
        let remarks = |modifier| {
            let resolved = resolve_text(modifier).unwrap();
            let commands = |found: &[Diagnostic]| found.iter().map(|one| one.command.clone()).collect::<Vec<_>>();
            (commands(&resolved.warnings), commands(&resolved.notices))
        };
        let names = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
        for (modifier, warnings, notices) in [
            ("fmt=heic&fmt=png&jpegSize=0&wid=9&fit=hfit", &[] as &[&str], &["fmt"] as &[&str]),
            ("banana=1&cache=off&locale=de", &["banana", "locale"], &["cache"]),
            ("wid=9&width=8&ts=1652259588625&id=x&v=2&$$&anchor=1,1", &[], &["width", "ts", "id", "v", "$$"]),
            ("crop=0,0,0,0&cropN=0,0,0,0&rgn=0,0,0,0", &[], &[]),
            ("crop=1,0,0,0", &["crop"], &[]),
            ("src=is(a?banana=1&ts=2)", &["banana"], &["ts"]),
        ] {
            assert_eq!(remarks(modifier), (names(warnings), names(notices)), "{modifier}");
        }
    }
}
