//! Turns expanded tokens into a recipe: fills in variables, resolves nested requests, and lets the last command of each
//! slot set the recipe.
//!
//! It reads the tokens twice: variables may be used before they are defined, so all definitions are collected first.
//! And commands are only stored while they are read; they set the recipe at the end, when it is known which of them a
//! later one overrides.

use std::collections::BTreeSet;

use super::asset_modifiers::{AssetModifierIndex, ReferencedAsset};
use super::asset_reference::{self, AssetReference};
use super::attribute::Attributes;
use super::command::{self, CommandSpec, RecipeBuilder, Scope, Support};
use super::conflicts;
use super::diagnostic::{Diagnostic, DiagnosticKind, Origin, ValueError};
use super::grammar::{self, ParsedToken};
use super::macros::{ExpandedToken, Expansion, Macros};
use super::modifier::{ModifierInput, find_source_asset, reject_composed_asset};
use super::no_effect;
use super::overrides::{CommandStatus, OverrideTable, ParsedCommand, Remark, ResolvedCommand};
use super::recipe::{ColorManagement, Recipe};
use super::segment::SegmentTracker;
use super::text_mistake;
use super::unknown::{self, UnknownName};
use super::variables::Variables;
use super::work_budget::{UNKNOWN_NAME_UNITS, WorkBudget};

/// How deep requests may be nested.
const MAX_NESTING_DEPTH: usize = 4;

/// How many nested requests a modifier may have in all. The depth alone does not bound the work: each level may hold
/// two requests, in `src=` and `mask=`, and every override of them.
const MAX_NESTED_REQUESTS: usize = 32;

/// Commands of the output file. A nested request writes no file, so it ignores them. Documentation page:
/// r-request-nesting-and-embedding.
const FILE_COMMANDS: [&str; 7] = ["fmt", "qlt", "iccEmbed", "printRes", "quantize", "req", "bgc"];

/// Resolves the tokens of one request; nested requests have a resolver of their own.
pub(super) struct CommandResolver<'a> {
    macros: &'a Macros,
    attributes: &'a Attributes,
    asset_modifiers: &'a AssetModifierIndex,
    budget: &'a WorkBudget,
    /// The name of the asset that the whole modifier is applied to.
    object: &'a str,
    /// How many requests this one is nested in.
    depth: usize,
    /// How many more nested requests are allowed.
    requests_left: usize,
    variables: Variables,
    segments: SegmentTracker,
    overrides: OverrideTable<'a>,
    /// Slots of all commands, also of overridden ones.
    slots: BTreeSet<&'static str>,
    pub(super) errors: Vec<Diagnostic>,
    pub(super) remarks: Remarks,
    pub(super) uses_object: bool,
}

/// What there is to know about a modifier that is accepted.
#[derive(Clone, Debug, Default)]
pub(super) struct Remarks {
    pub(super) warnings: Vec<Diagnostic>,
    pub(super) notices: Vec<Diagnostic>,
}

impl Remarks {
    fn append(&mut self, mut other: Self) {
        self.warnings.append(&mut other.warnings);
        self.notices.append(&mut other.notices);
    }
}

impl<'a> CommandResolver<'a> {
    pub(super) fn new(input: &ModifierInput<'a>, variables: Variables) -> Self {
        Self {
            macros: input.macros,
            attributes: input.attributes,
            asset_modifiers: input.asset_modifiers,
            budget: input.budget,
            object: input.object,
            depth: 0,
            requests_left: MAX_NESTED_REQUESTS,
            variables,
            segments: SegmentTracker::new(),
            overrides: OverrideTable::default(),
            slots: BTreeSet::new(),
            errors: Vec::new(),
            remarks: Remarks::default(),
            uses_object: false,
        }
    }

    /// Resolves all tokens. The result is only of use when `errors` stays empty.
    pub(super) fn resolve_tokens(
        &mut self,
        expansion: &mut Expansion<'a>,
    ) -> (RecipeBuilder<'a>, Vec<ResolvedCommand>) {
        self.errors.append(&mut expansion.diagnostics);
        for token in &expansion.tokens {
            self.survey_token(token);
        }
        for token in &expansion.tokens {
            if self.budget.is_exhausted() {
                self.report_too_complex(token);
                break;
            }
            self.read_command(token);
        }
        self.apply_commands()
    }

    /// Makes sure that what was given up halfway is an error.
    fn report_too_complex(&mut self, token: &ExpandedToken<'a>) {
        if !self.errors.iter().any(|error| error.kind == DiagnosticKind::TooComplex) {
            let name = token.raw.text.split('=').next().unwrap_or_default();
            self.errors.push(ValueError::too_complex().into_diagnostic(name, token.raw, &token.origin));
        }
    }

    /// Collects all variables first, so that a later text can set one that an earlier text uses, and which commands
    /// there are. Reports what is neither.
    fn survey_token(&mut self, token: &ExpandedToken<'a>) {
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
            ParsedToken::Malformed(_) | ParsedToken::Call(_) => {}
        }
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

    fn read_command(&mut self, token: &ExpandedToken<'a>) {
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

    /// Fills in variables, and notes whether `$object$` is one of them.
    fn fill_variables(&mut self, value: &str) -> Result<String, ValueError> {
        let uses_object = &mut self.uses_object;
        let filled = self.variables.fill(value, |name| *uses_object |= name.eq_ignore_ascii_case("object"));
        self.budget.spend(filled.as_ref().map_or(0, String::len) as u64);
        filled.ok_or_else(|| ValueError::invalid("Variables expand the value beyond 8 KiB."))
    }

    /// Resolves the nested request in the value of a command. It sees the variables of this request and may define its
    /// own. As with the outermost request, own modifiers of the assets that it names are known only after a first pass,
    /// so it may be resolved twice. `None` when it has errors, which are then already in `errors`.
    fn resolve_nested(&mut self, value: &str, token: &ExpandedToken<'a>) -> Result<Option<Box<Recipe>>, ValueError> {
        if self.depth == MAX_NESTING_DEPTH || self.requests_left == 0 {
            let detail = format!(
                "Requests may be nested at most {MAX_NESTING_DEPTH} levels, and at most {MAX_NESTED_REQUESTS} in all."
            );
            return Err(ValueError { remedy: "Nest fewer requests.".into(), ..ValueError::invalid(detail) });
        }
        let start = token.raw.text.len() - value.len();
        let inside = asset_reference::parse_nested_request(&token.raw.text[start..])?;
        let name = self.fill_variables(&grammar::decode_value(inside.name))?;
        let named =
            if name.trim().is_empty() { None } else { Some(asset_reference::parse_asset_reference("src", &name)?) };

        let named_asset = match &named {
            Some(AssetReference::Named(name)) if name != self.object => self.asset_modifiers.find(name),
            _ => None,
        };
        let (macros, budget, origin) = (self.macros, self.budget, &token.origin);
        let expand = |assets: &[ReferencedAsset<'a>]| {
            let mut expansion = Expansion::new(macros, budget);
            assets.iter().for_each(|asset| asset.add_before(&mut expansion));
            expansion.add_part(inside.modifier, origin, token.raw.offset + start + inside.offset);
            assets.iter().for_each(|asset| asset.add_after(&mut expansion));
            expansion
        };
        let assets = named_asset.into_iter().collect::<Vec<_>>();
        let Some(mut resolved) = self.resolve_inner(&name, expand(&assets)) else { return Ok(None) };
        if let Some(source_asset) = find_source_asset(&resolved.0, self.asset_modifiers) {
            if source_asset.has_references(self.macros, self.budget) {
                return Err(reject_composed_asset(source_asset.name));
            }
            match self.resolve_inner(&name, expand(&[assets, vec![source_asset]].concat())) {
                Some(again) => resolved = again,
                None => return Ok(None),
            }
        }
        let (mut recipe, remarks) = resolved;
        self.remarks.append(remarks);
        recipe.layer.source = recipe.layer.source.or(named);
        if recipe.layer.source.is_none() {
            let remedy = "Write is(name?modifier).".into();
            return Err(ValueError { remedy, ..ValueError::invalid("The nested request names no asset.") });
        }
        Ok(Some(Box::new(recipe)))
    }

    /// Resolves a nested request into a recipe without output settings, and its remarks. `None` when it has errors,
    /// which are then already in `errors`.
    fn resolve_inner(&mut self, object: &str, mut expansion: Expansion<'a>) -> Option<(Recipe, Remarks)> {
        self.budget.spend(self.variables.count_bytes() as u64);
        let mut variables = self.variables.clone();
        variables.define("object", object.to_owned());
        let input = ModifierInput {
            object: self.object,
            asset_modifiers: self.asset_modifiers,
            budget: self.budget,
            ..ModifierInput::new("", self.macros, self.attributes)
        };
        let mut inner = CommandResolver::new(&input, variables);
        (inner.depth, inner.requests_left) = (self.depth + 1, self.requests_left.saturating_sub(1));
        let (draft, _) = inner.resolve_tokens(&mut expansion);
        self.requests_left = inner.requests_left;
        if !inner.errors.is_empty() {
            self.errors.append(&mut inner.errors);
            return None;
        }
        let defaults = self.attributes.default_recipe();
        let profile = draft.profile.clone();
        let mut recipe = draft.build();
        recipe.output = defaults.output;
        recipe.view.background = defaults.view.background;
        (recipe.view.default_pix, recipe.view.max_pix) = ((0, 0), (0, 0));
        // Colours of a nested request pass through the profile that it names itself. The profile of the attributes is
        // meant for the output file, so it does not apply here.
        match profile {
            Some(profile) => recipe.output.pixel_type = profile.pixel_type,
            None => recipe.colors = ColorManagement { output: None, ..defaults.colors },
        }
        Some((recipe, inner.remarks))
    }

    fn report_error(&mut self, command: &CommandSpec, error: ValueError, token: &ExpandedToken<'_>) {
        self.errors.push(add_syntax_remedy(error, command).into_diagnostic(command.name, token.raw, &token.origin));
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

    fn open_segment(&mut self, command: &'static CommandSpec, value: &str, token: &ExpandedToken<'_>) {
        match self.segments.open(command.name, value) {
            Ok(segment) if segment.is_drawn() => {}
            Ok(_) => {
                let detail = format!("`{}={value}` is not supported yet.", command.name);
                let error = ValueError::not_supported(detail, "Use only the image itself: layer=comp or layer=0.");
                self.report_error(command, error, token);
            }
            Err(error) => self.report_error(command, error, token),
        }
    }

    /// Lets the last command of each slot set the recipe. Overridden commands, and those of layers that are not rendered,
    /// are applied to a recipe that is thrown away, so that their errors are found.
    fn apply_commands(&mut self) -> (RecipeBuilder<'a>, Vec<ResolvedCommand>) {
        let mut draft = RecipeBuilder::new(self.attributes);
        let mut resolved_commands = Vec::new();
        let overrides = std::mem::take(&mut self.overrides);
        for (command, is_last) in overrides.iter() {
            let outcome = match is_last && command.segment.is_drawn() {
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

/// Completes an error without a remedy: its command's syntax, range and example.
fn add_syntax_remedy(error: ValueError, command: &CommandSpec) -> ValueError {
    if !error.remedy.is_empty() {
        return error;
    }
    ValueError {
        remedy: format!("Write {} ({}), for example {}.", command.syntax, command.range, command.accepts),
        ..error
    }
}

/// Sorts diagnostics by text, in the order in which the texts apply.
fn rank_origin(origin: &Origin) -> (u8, &str) {
    match origin {
        Origin::AssetBefore => (0, ""),
        Origin::NamedBefore(name) => (1, name),
        Origin::Modifier => (2, ""),
        Origin::ExportMacro => (3, ""),
        Origin::Macro(name) => (4, name),
        Origin::AssetAfter => (5, ""),
        Origin::NamedAfter(name) => (6, name),
    }
}
