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
