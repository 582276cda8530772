//! Turns expanded tokens into a recipe: fills in variables, resolves nested requests, and lets the last command of each
//! slot set the recipe.
//!
//! It reads the tokens twice: variables may be used before they are defined, so all definitions are collected first.
//! And commands are only stored while they are read; they set the recipe at the end, when it is known which of them a
//! later one overrides.

use std::collections::BTreeSet;

use super::asset_modifiers::AssetModifierIndex;
use super::asset_reference::{self, AssetReference};
use super::attribute::Attributes;
use super::command::{self, CommandSpec, CommandTarget, RecipeBuilder, Scope, Support};
use super::conflicts;
use super::diagnostic::{Diagnostic, DiagnosticKind, Origin, ValueError};
use super::grammar::{self, ParsedToken};
use super::macros::{ExpandedToken, Expansion, MacroWatermark, Macros};
use super::modifier::ModifierInput;
use super::no_effect;
use super::overrides::{CommandStatus, OverrideTable, ParsedCommand, Remark, ResolvedCommand};
use super::recipe::{ColorManagement, LayerScale, Recipe, RequestKind, View, Watermark};
use super::segment::{ModifierSegment, SegmentTracker};
use super::surroundings::{self, OwnTexts, RequestText, RequestTexts, Surroundings};
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

    /// What is kept with the assets that layers draw becomes part of these layers: masks, anchors, resolutions.
    fn add_settings(
        &self,
        draft: &mut RecipeBuilder<'_>,
        texts: &RequestTexts<'a>,
        around: &Surroundings<'a>,
        commands: &mut Vec<ResolvedCommand>,
    ) {
        let draws_own = match &draft.layer(CommandTarget::Layer(0)).layer.source {
            Some(AssetReference::Named(name)) => texts.own.is_some_and(|own| own.name.unwrap_or(self.object) == name),
            Some(_) => false,
            None => around.template.is_none(),
        };
        let own = texts.own.filter(|_| draws_own).and_then(|own| {
            let origin = own.name.map_or(Origin::AssetBefore, |name| Origin::NamedBefore(name.to_owned()));
            Some((0, own.settings?, origin))
        });
        let named = around
            .layers
            .iter()
            .map(|(number, asset)| (*number, &asset.modifiers.settings, Origin::NamedBefore(asset.name.to_owned())));
        for (number, settings, origin) in own.into_iter().chain(named) {
            let layer = draft.layer(CommandTarget::Layer(number));
            self.budget.spend(settings.count_bytes() as u64);
            layer.settings = settings.clone();
            let Some(mask) = settings.mask_asset.clone().filter(|_| layer.layer.mask.object.is_none()) else {
                continue;
            };
            commands.push(ResolvedCommand {
                name: "mask",
                value: mask.clone(),
                segment: Some(ModifierSegment::Layer(number)),
                origin,
                offset: 0,
                assets: vec![mask],
                status: CommandStatus::Effective,
            });
        }
        if let Some((name, template)) = &around.template {
            let layer = &mut draft.layer(CommandTarget::Layer(0)).layer;
            layer.blank = layer.source.is_none();
            draft.recipe.template = template.is_none().then(|| name.clone());
        }
    }

    /// Layers that draw nothing are probably a mistake, and are none as far as the result goes.
    fn report_empty_layers(&mut self, draft: &RecipeBuilder<'_>, expansion: &Expansion<'a>) {
        let is_empty = |number: u32| {
            number > 0 && draft.find_layer(number).is_some_and(|draft| !draft.is_hidden() && draft.layer.is_empty())
        };
        let mut told = BTreeSet::new();
        for token in &expansion.tokens {
            let Some(number) = find_opened_layer(token).filter(|number| is_empty(*number)) else { continue };
            if !told.insert(number) {
                continue;
            }
            let detail = format!("Layer {number} has no source, mask or colour, so it draws nothing.");
            let notice = ValueError::ignored(detail, "Give it src=, color= or bgColor=, or remove it.");
            self.remarks.notices.push(notice.into_diagnostic("layer", token.raw, &token.origin));
        }
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
            ParsedToken::Malformed(_) | ParsedToken::Call(_) | ParsedToken::CropCall { .. } => {}
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
        if token.layer != self.text_layer {
            self.text_layer = token.layer;
            self.segments.current = token.layer.map_or(ModifierSegment::Composite, ModifierSegment::Layer);
        }
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
        if command.name == "template"
            && self.depth == 0
            && matches!(token.origin, Origin::AssetBefore | Origin::NamedBefore(_))
        {
            let error = ValueError::invalid("An asset's own modifier cannot name a template.");
            let remedy = "Write template= in the request, or nest it: src=is(name?template=name).".into();
            return self.report_error(command, ValueError { remedy, ..error }, token);
        }
        if token.layer.is_some() && command.scope == Scope::Global {
            let detail = format!("`{}` has no effect in a layer that draws this asset.", command.name);
            let notice = ValueError::ignored(detail, "Nest the asset, as in src=is(name), to use it.");
            return self.remarks.notices.push(notice.into_diagnostic(command.name, token.raw, &token.origin));
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

        let own = match &named {
            Some(AssetReference::Named(name)) => {
                let own = self.asset_modifiers.find_named(name, self.attributes).map(OwnTexts::from);
                // The texts of the asset itself stand around the outermost request already.
                let stands_around = self.own_stands_around && name == self.object;
                own.map(|own| if stands_around { OwnTexts { before: "", after: "", ..own } } else { own })
            }
            _ => None,
        };
        let start = token.raw.offset + start + inside.offset;
        let request = RequestText::Part { text: inside.modifier, origin: &token.origin, start };
        let texts = RequestTexts { own, request, macros: self.macros, budget: self.budget };
        let Some((mut recipe, remarks)) = self.resolve_around(&name, &texts)? else { return Ok(None) };
        self.remarks.append(remarks);
        if recipe.template.is_none() && !recipe.layer.blank {
            recipe.layer.source = recipe.layer.source.or(named);
            recipe.layer.blank = recipe.layer.source.is_none();
            if recipe.layer.blank && recipe.layer.scale.is_none() {
                let remedy = "Write is(name?modifier).".into();
                return Err(ValueError { remedy, ..ValueError::invalid("The nested request names no asset.") });
            }
        }
        Ok(Some(Box::new(recipe)))
    }

    /// Resolves a nested request until the texts of the assets that it names no longer change it. `None` when it has
    /// errors, which are then already in `errors`.
    fn resolve_around<'t>(
        &mut self,
        object: &str,
        texts: &RequestTexts<'t>,
    ) -> Result<Option<(Recipe, Remarks)>, ValueError>
    where
        'a: 't,
    {
        let mut variables = self.variables.clone();
        // A request that names no asset is about that of the request around it.
        if !object.trim().is_empty() {
            variables.define("object", object.to_owned());
        }
        let template = texts.find_template(&variables, self.asset_modifiers, self.attributes);
        let mut around = Surroundings { template, ..Surroundings::default() };
        let Some(mut resolved) = self.resolve_inner(texts, &around, &variables) else { return Ok(None) };
        for _ in 1..surroundings::MAX_PASSES {
            let own = self.own_stands_around.then_some(self.object);
            let (template, recipe) = (around.template.clone(), &resolved.0);
            let found = Surroundings::find(template, recipe, own, self.asset_modifiers, self.attributes);
            if found == around {
                break;
            }
            if let Some((_, name)) = found.find_composed(self.macros, self.budget) {
                return Err(surroundings::reject_composed_asset(name));
            }
            around = found;
            match self.resolve_inner(texts, &around, &variables) {
                Some(again) => resolved = again,
                None => return Ok(None),
            }
        }
        Ok(Some(resolved))
    }

    /// Resolves a nested request into a recipe without output settings, and its remarks. `None` when it has errors,
    /// which are then already in `errors`.
    fn resolve_inner<'t>(
        &mut self,
        texts: &RequestTexts<'t>,
        around: &Surroundings<'t>,
        variables: &Variables,
    ) -> Option<(Recipe, Remarks)>
    where
        'a: 't,
    {
        self.budget.spend(variables.count_bytes() as u64);
        let input = ModifierInput {
            object: self.object,
            asset_modifiers: self.asset_modifiers,
            budget: self.budget,
            ..ModifierInput::new("", self.macros, self.attributes)
        };
        let mut inner: CommandResolver<'t> = CommandResolver::new(&input, variables.clone());
        (inner.depth, inner.requests_left) = (self.depth + 1, self.requests_left.saturating_sub(1));
        (inner.is_watermark, inner.own_stands_around) = (self.is_watermark, self.own_stands_around);
        let (draft, _) = inner.resolve_tokens(&mut texts.expand(around), texts, around);
        self.requests_left = inner.requests_left;
        self.uses_object |= inner.uses_object;
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

    /// The watermark of an image preset or of the attributes, for a recipe that makes a picture. It is composed like a nested request, whose
    /// view has no meaning but for `align=`. Documentation page: r-watermarks.
    pub(super) fn resolve_watermark(&mut self, recipe: &Recipe, named: &MacroWatermark) -> Option<Box<Watermark>> {
        let MacroWatermark { asset: name, tiled } = named;
        if recipe.view.request != RequestKind::Picture {
            return None;
        }
        let own = self.asset_modifiers.find_named(name, self.attributes);
        let request = RequestText::Part { text: "", origin: &Origin::Watermark, start: 0 };
        let texts = RequestTexts { own: own.map(OwnTexts::from), request, macros: self.macros, budget: self.budget };
        self.is_watermark = true;
        let resolved = self.resolve_around(name, &texts);
        self.is_watermark = false;
        let (mut inner, remarks) = match resolved {
            Ok(resolved) => resolved?,
            Err(error) => {
                let token = grammar::RawToken { offset: 0, text: "src" };
                self.errors.push(error.into_diagnostic("src", token, &Origin::Watermark));
                return None;
            }
        };
        self.remarks.append(remarks);
        if !inner.layer.blank && inner.template.is_none() {
            inner.layer.source = inner.layer.source.or_else(|| Some(AssetReference::Named(name.clone())));
        }
        let align = inner.view.align;
        inner.view = View { res_mode: inner.view.res_mode, ..self.attributes.default_recipe().view };
        (inner.view.default_pix, inner.view.max_pix) = ((0, 0), (0, 0));
        let size = match inner.layer.scale {
            Some(LayerScale::Fractions(w, h)) => {
                inner.layer.scale = None;
                Some([w, h])
            }
            _ => None,
        };
        let blend = std::mem::take(&mut inner.layer.blend);
        let image = AssetReference::Request(Box::new(inner));
        Some(Box::new(Watermark { image, size, align, blend, tiled: *tiled }))
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

    /// Lets the last command of each slot set the recipe. Overridden commands, and those of layers that are not rendered,
    /// are applied to a recipe that is thrown away, so that their errors are found.
    fn apply_commands(&mut self) -> (RecipeBuilder<'a>, Vec<ResolvedCommand>) {
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

/// The number of the layer whose segment a token opens.
fn find_opened_layer(token: &ExpandedToken<'_>) -> Option<u32> {
    match grammar::parse_token(&token.raw) {
        ParsedToken::Command { name, value: Some(value) } if name.eq_ignore_ascii_case("layer") => {
            value.split(',').next()?.trim().parse().ok()
        }
        _ => None,
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
