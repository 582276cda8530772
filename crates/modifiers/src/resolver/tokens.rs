//! Reads tokens: first the definitions of variables, then the commands, each in the segment in which it stands.

use super::CommandResolver;
use crate::command::{self, CommandSpec, Scope, Support};
use crate::diagnostic::{Diagnostic, Origin, ValueError};
use crate::grammar::{self, ParsedToken};
use crate::macros::ExpandedToken;
use crate::overrides::ParsedCommand;
use crate::segment::ModifierSegment;
use crate::text_mistake;
use crate::unknown::{self, UnknownName};
use crate::work_budget::UNKNOWN_NAME_UNITS;

/// Commands of the output file. A nested request writes no file, so it ignores them. Documentation page:
/// r-request-nesting-and-embedding.
const FILE_COMMANDS: [&str; 7] = ["fmt", "qlt", "iccEmbed", "printRes", "quantize", "req", "bgc"];

impl<'a> CommandResolver<'a> {
    /// Collects all variables first, so that a later text can set one that an earlier text uses, and which commands
    /// there are. Reports what is neither.
    pub(super) fn survey_token(&mut self, token: &ExpandedToken<'a>) {
        match grammar::parse_token(&token.raw) {
            ParsedToken::Variable { name, value } => self.variables.define(&name, value),
            ParsedToken::Command { name, .. } => {
                self.slots.extend(command::find_command(&name).map(|command| command.slot));
            }
            ParsedToken::EmptyCall(text) => {
                let notice = ValueError::ignored("The macro call has no name.", "The call was ignored.");
                self.remarks.notices.push(notice.into_diagnostic(text, token.raw, &token.origin));
            }
            ParsedToken::Malformed(text) if text_mistake::find_text_mistake(text).is_none() => {
                let error = ValueError {
                    remedy: "Write name=value, $macro$ or $variable=value.".into(),
                    ..ValueError::invalid("Not a command, a macro call or a variable.")
                };
                self.errors.push(error.into_diagnostic(text, token.raw, &token.origin));
            }
            ParsedToken::Malformed(_) | ParsedToken::Call(_) | ParsedToken::CropCall { .. } => {}
        }
    }

    /// Stores a command, unless it has no meaning where it stands.
    pub(super) fn read_command(&mut self, token: &ExpandedToken<'a>) {
        self.enter_text(token);
        if let Some(mistake) = text_mistake::find_text_mistake(token.raw.text) {
            return self.report_text_mistake(mistake, token);
        }
        let ParsedToken::Command { name, value } = grammar::parse_token(&token.raw) else { return };
        let Some(command) = command::find_command(&name) else {
            return self.report_unknown(&name, value.as_deref(), token);
        };
        let Some(value) = value.or_else(|| (command.support == Support::Ignored).then(String::new)) else {
            let error = ValueError::invalid(format!("`{}` has no value.", command.name));
            return self.report_error(command, error, token);
        };
        if command.scope == Scope::Segment {
            return self.open_segment(command, &value, token);
        }
        if self.depth > 0 && FILE_COMMANDS.contains(&command.name) {
            return;
        }
        if self.depth == 0 && is_template_of_asset(command, token) {
            let error = ValueError::invalid("An asset's own modifier cannot name a template.");
            let remedy = "Write template= in the request, or nest it: src=is(name?template=name).".into();
            return self.report_error(command, ValueError { remedy, ..error }, token);
        }
        if token.layer.is_some() && command.scope == Scope::Global {
            return self.report_global(command, token);
        }
        self.store_command(command, value, token);
    }

    /// Begins what is kept with another asset in the layer that draws it.
    fn enter_text(&mut self, token: &ExpandedToken<'_>) {
        if token.layer != self.text_layer {
            self.text_layer = token.layer;
            self.segments.current = token.layer.map_or(ModifierSegment::Composite, ModifierSegment::Layer);
        }
    }

    /// Stores a command with its variables filled in and its nested request resolved.
    fn store_command(&mut self, command: &'static CommandSpec, value: String, token: &ExpandedToken<'a>) {
        let filled = match command.name {
            "src" | "mask" if grammar::is_nested(command.name, &value) => match self.resolve_nested(&value, token) {
                Ok(None) => return,
                request => request.map(|request| (value, request)),
            },
            _ => self.fill_variables(&value).map(|value| (value, None)),
        };
        match filled {
            Ok((value, request)) => {
                let segment = self.segments.current.apply_scope(command.scope);
                self.overrides.push(ParsedCommand {
                    spec: command,
                    segment,
                    value,
                    nested_request: request,
                    raw: token.raw,
                    origin: token.origin.clone(),
                });
            }
            Err(error) => self.report_error(command, error, token),
        }
    }

    fn open_segment(&mut self, command: &'static CommandSpec, value: &str, token: &ExpandedToken<'_>) {
        match self.segments.open(command.name, value) {
            // What is kept with an asset knows no other layer than the one that draws it.
            Ok(ModifierSegment::Composite | ModifierSegment::Layer(_)) if token.layer.is_some() => {
                self.segments.current = token.layer.map_or(ModifierSegment::Composite, ModifierSegment::Layer);
            }
            Ok(segment) => {
                self.opened_effects.extend(matches!(segment, ModifierSegment::Effect(..)).then_some(segment))
            }
            Err(_) if self.awaits_template && command.name == "layer" => {}
            Err(error) => self.report_error(command, error, token),
        }
    }

    /// Fills in variables, and notes whether `$object$` is one of them.
    pub(super) fn fill_variables(&mut self, value: &str) -> Result<String, ValueError> {
        let uses_object = &mut self.uses_object;
        let filled = self.variables.fill(value, |name| *uses_object |= name.eq_ignore_ascii_case("object"));
        self.budget.spend(filled.as_ref().map_or(0, String::len) as u64);
        filled.ok_or_else(|| ValueError::invalid("Variables expand the value beyond 8 KiB."))
    }

    /// Reports a text that is no modifier, once for each mistake.
    fn report_text_mistake(&mut self, mistake: ValueError, token: &ExpandedToken<'_>) {
        self.budget.spend(self.errors.len() as u64);
        let is_told = |error: &Diagnostic| error.detail == mistake.detail && error.origin == token.origin;
        if !self.errors.iter().any(is_told) {
            let name = token.raw.text.split(['=', '?']).next().unwrap_or_default();
            self.errors.push(mistake.into_diagnostic(name, token.raw, &token.origin));
        }
    }

    fn report_global(&mut self, command: &CommandSpec, token: &ExpandedToken<'_>) {
        let detail = format!("`{}` has no effect in a layer that draws this asset.", command.name);
        let notice = ValueError::ignored(detail, "Nest the asset, as in src=is(name), to use it.");
        self.remarks.notices.push(notice.into_diagnostic(command.name, token.raw, &token.origin));
    }

    fn report_unknown(&mut self, name: &str, value: Option<&str>, token: &ExpandedToken<'_>) {
        self.budget.spend(UNKNOWN_NAME_UNITS);
        let filled = value.map(|value| self.variables.fill(value, |_| {}).unwrap_or_default());
        let stands_too = |command: &CommandSpec| self.slots.contains(command.slot);
        let (found, list) = match unknown::judge_unknown_name(name, filled.as_deref(), self.attributes, stands_too) {
            UnknownName::Refused(error) => (error, &mut self.errors),
            UnknownName::Warning(warning) => (warning, &mut self.remarks.warnings),
            UnknownName::Notice(notice) => (notice, &mut self.remarks.notices),
        };
        list.push(found.into_diagnostic(name, token.raw, &token.origin));
    }
}

/// Whether the own modifier of the asset that is exported names a template.
fn is_template_of_asset(command: &CommandSpec, token: &ExpandedToken<'_>) -> bool {
    command.name == "template" && matches!(token.origin, Origin::AssetBefore | Origin::NamedBefore(_))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::test_input::{build_input, resolve_text};
    use crate::{Attributes, Flip, Macros, ModifierInput, resolve_modifier};

    #[test]
    fn macros_are_called_in_every_spelling() {
        let macros = Macros::from_unordered(vec![("m".into(), "wid=7".into())]);
        for modifier in ["$m$", "%24m%24", "$m$=", "$M$=1", "fmt=jpg&%24m%24=&$$"] {
            let resolved = resolve_modifier(&build_input(modifier, &macros, &Attributes::default())).unwrap();
            assert_eq!((resolved.recipe.view.wid, resolved.warnings.len()), (Some(7), 0), "{modifier}");
        }
    }

    #[test]
    fn texts_that_are_no_modifier_are_refused_once() {
        let told = |modifier| {
            resolve_text(modifier).unwrap_err().into_iter().map(|error| error.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(
            told("https://cdn.example/is/image/Company/asset?wid=60&fmt=png"),
            ["https://cdn.example/is/image/Company/asset at byte 0 of is_modifier: This is a whole address, not a \
             modifier. Write only what follows its question mark, such as `wid=400&fmt=png`."]
        );
        assert_eq!(
            told("wid=60&amp;hei=40&amp;fmt=png"),
            ["amp;hei at byte 7 of is_modifier: The text is escaped for HTML. Write `&` in place of `&amp;`."]
        );
    }

    #[test]
    fn variables_reach_values_and_nothing_else() {
        assert_eq!(resolve_text("$f=png&fmt=$f$&wid=$w$&$w=7").unwrap().recipe.view.wid, Some(7));
        assert!(resolve_text("wid=$nothing$").is_err());
        assert!(resolve_text("wid=$object$").is_err());
        let attributes = Attributes::default();
        let macros = Macros::default();
        let numbered = ModifierInput { object: "12", ..build_input("wid=$Object$", &macros, &attributes) };
        assert!(resolve_modifier(&numbered).unwrap().uses_object);
    }

    #[test]
    fn errors_in_other_layers_are_reported_too() {
        let errors = |modifier| -> Vec<(String, usize)> {
            resolve_text(modifier).unwrap_err().into_iter().map(|error| (error.command, error.offset)).collect()
        };
        let layer = |offset| ("layer".to_owned(), offset);
        assert_eq!(errors("layer=1,badge&size=x,1&layer=badge&rotate=9"), [("size".into(), 14)]);
        assert_eq!(errors("layer=nobody&wid=0"), [layer(0), ("wid".into(), 13)]);
        assert_eq!(errors("effect=-1&opac=101"), [("opac".to_owned(), 10)]);
        assert_eq!(errors("layer=2,a&layer=3,a"), [layer(10)]);
        // Variables are not filled in into layer= and effect=.
        assert_eq!(errors("$n=0&layer=$n$"), [layer(5)]);
        assert_eq!(resolve_text("layer=0,back&layer=back&flip=lr").unwrap().recipe.layer.flip, Some(Flip::Lr));
    }
}
