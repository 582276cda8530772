//! Turns expanded tokens into a recipe: fills in variables, resolves nested requests, and lets the last command of each
//! slot set the recipe.
//!
//! It reads the tokens twice: variables may be used before they are defined, so all definitions are collected first.
//! And commands are only stored while they are read; they set the recipe at the end, when it is known which of them a
//! later one overrides.
//!
//! ```text
//! tokens           reads each token: a definition, a segment, or a command that is stored
//! nested_request   resolves a request in the value of a command, with a resolver of its own
//! outcome          applies the stored commands, and says what became of each
//! layers           adds what is kept with the assets that layers draw
//! watermark        resolves the watermark of the finished picture
//! ```

mod layers;
mod nested_request;
mod outcome;
mod tokens;
mod watermark;

use std::collections::BTreeSet;

use self::nested_request::MAX_NESTED_REQUESTS;
use super::asset_modifiers::AssetModifierIndex;
use super::attribute::Attributes;
use super::command::{CommandSpec, RecipeBuilder};
use super::diagnostic::{Diagnostic, DiagnosticKind, ValueError};
use super::macros::{ExpandedToken, Expansion, Macros};
use super::modifier::ModifierInput;
use super::overrides::{OverrideTable, ResolvedCommand};
use super::segment::{ModifierSegment, SegmentTracker};
use super::surroundings::{RequestTexts, Surroundings};
use super::variables::Variables;
use super::work_budget::WorkBudget;

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
    /// The layer that the current token belongs to, if it is kept with the asset that this layer draws.
    text_layer: Option<u32>,
    /// The effects whose segments were opened: they are drawn even without a command of their own.
    opened_effects: BTreeSet<ModifierSegment>,
    /// Whether it is the watermark that is resolved.
    is_watermark: bool,
    /// Whether the template is not known yet: names of layers that it defines are then unknown.
    awaits_template: bool,
    /// Whether the own texts of the asset that is exported stand around the outermost request; a template takes their
    /// place.
    own_stands_around: bool,
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
            text_layer: None,
            opened_effects: BTreeSet::new(),
            is_watermark: false,
            awaits_template: false,
            own_stands_around: true,
            errors: Vec::new(),
            remarks: Remarks::default(),
            uses_object: false,
        }
    }

    /// Resolves all tokens. The result is only of use when `errors` stays empty.
    pub(super) fn resolve_tokens(
        &mut self,
        expansion: &mut Expansion<'a>,
        texts: &RequestTexts<'a>,
        around: &Surroundings<'a>,
    ) -> (RecipeBuilder<'a>, Vec<ResolvedCommand>) {
        self.errors.append(&mut expansion.diagnostics);
        self.own_stands_around &= self.depth > 0 || around.template.is_none();
        self.awaits_template = matches!(around.template, Some((_, None)));
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
        let (mut draft, mut commands) = self.apply_commands();
        self.add_settings(&mut draft, texts, around, &mut commands);
        self.report_empty_layers(&draft, expansion);
        (draft, commands)
    }

    /// Makes sure that what was given up halfway is an error.
    fn report_too_complex(&mut self, token: &ExpandedToken<'a>) {
        if !self.errors.iter().any(|error| error.kind == DiagnosticKind::TooComplex) {
            let name = token.raw.text.split('=').next().unwrap_or_default();
            self.errors.push(ValueError::too_complex().into_diagnostic(name, token.raw, &token.origin));
        }
    }

    fn report_error(&mut self, command: &CommandSpec, error: ValueError, token: &ExpandedToken<'_>) {
        self.errors.push(add_syntax_remedy(error, command).into_diagnostic(command.name, token.raw, &token.origin));
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
