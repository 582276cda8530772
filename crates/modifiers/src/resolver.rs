//! Turns expanded tokens into a recipe: fills in variables, resolves nested requests, and lets the last command of each
//! slot set the recipe.
//!
//! It reads the tokens twice: variables may be used before they are defined, so all definitions are collected first.
//! And commands are only stored while they are read; they set the recipe at the end, when it is known which of them a
//! later one overrides.

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
use super::overrides::{CommandStatus, OverrideTable, ParsedCommand, ResolvedCommand};
use super::recipe::{ColorManagement, Recipe};
use super::segment::SegmentTracker;
use super::variables::Variables;

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
    /// The name of the asset that the whole modifier is applied to.
    object: &'a str,
    /// How many requests this one is nested in.
    depth: usize,
    /// How many more nested requests are allowed.
    requests_left: usize,
    variables: Variables,
    segments: SegmentTracker,
    overrides: OverrideTable<'a>,
    pub(super) errors: Vec<Diagnostic>,
    pub(super) warnings: Vec<Diagnostic>,
    pub(super) uses_object: bool,
}

impl<'a> CommandResolver<'a> {
    pub(super) fn new(input: &ModifierInput<'a>, variables: Variables) -> Self {
        Self {
            macros: input.macros,
            attributes: input.attributes,
            asset_modifiers: input.asset_modifiers,
            object: input.object,
            depth: 0,
            requests_left: MAX_NESTED_REQUESTS,
            variables,
            segments: SegmentTracker::new(),
            overrides: OverrideTable::default(),
            errors: Vec::new(),
            warnings: Vec::new(),
            uses_object: false,
        }
    }

    /// Resolves all tokens. The result is only of use when `errors` stays empty.
    pub(super) fn resolve_tokens(&mut self, expansion: &mut Expansion<'a>) -> (RecipeBuilder, Vec<ResolvedCommand>) {
        self.errors.append(&mut expansion.diagnostics);
        self.collect_variables(&expansion.tokens);
        for token in &expansion.tokens {
            self.read_command(token);
        }
        self.apply_commands()
    }

    /// Collects all definitions first, so that a later text can set a variable that an earlier text uses.
    fn collect_variables(&mut self, tokens: &[ExpandedToken<'a>]) {
        for token in tokens {
            match grammar::parse_token(&token.raw) {
                ParsedToken::Variable { name, value } => self.variables.define(name, value),
                ParsedToken::Malformed(text) => {
                    let error = ValueError {
                        remedy: "Write name=value, $macro$ or $variable=value.".into(),
                        ..ValueError::invalid("Not a command, a macro call or a variable.")
                    };
                    self.errors.push(error.into_diagnostic(text, token.raw, &token.origin));
                }
                _ => {}
            }
        }
    }

    fn read_command(&mut self, token: &ExpandedToken<'a>) {
        let ParsedToken::Command { name, value } = grammar::parse_token(&token.raw) else { return };
        let Some(command) = command::find_command(name) else { return self.report_unknown(name, token) };
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
        let (macros, origin) = (self.macros, &token.origin);
        let expand = |assets: &[ReferencedAsset<'a>]| {
            let mut expansion = Expansion::new(macros);
            assets.iter().for_each(|asset| asset.add_before(&mut expansion));
            expansion.add_part(inside.modifier, origin, token.raw.offset + start + inside.offset);
            assets.iter().for_each(|asset| asset.add_after(&mut expansion));
            expansion
        };
        let assets = named_asset.into_iter().collect::<Vec<_>>();
        let Some(mut resolved) = self.resolve_inner(&name, expand(&assets)) else { return Ok(None) };
        if let Some(source_asset) = find_source_asset(&resolved.0, self.asset_modifiers) {
            if source_asset.has_references(self.macros) {
                return Err(reject_composed_asset(source_asset.name));
            }
            match self.resolve_inner(&name, expand(&[assets, vec![source_asset]].concat())) {
                Some(again) => resolved = again,
                None => return Ok(None),
            }
        }
        let (mut recipe, warnings) = resolved;
        self.warnings.extend(warnings);
        recipe.layer.source = recipe.layer.source.or(named);
        if recipe.layer.source.is_none() {
            let remedy = "Write is(name?modifier).".into();
            return Err(ValueError { remedy, ..ValueError::invalid("The nested request names no asset.") });
        }
        Ok(Some(Box::new(recipe)))
    }

    /// Resolves a nested request into a recipe without output settings, and its warnings. `None` when it has errors,
    /// which are then already in `errors`.
    fn resolve_inner(&mut self, object: &str, mut expansion: Expansion<'a>) -> Option<(Recipe, Vec<Diagnostic>)> {
        let mut variables = self.variables.clone();
        variables.define("object", object.to_owned());
        let input = ModifierInput {
            object: self.object,
            asset_modifiers: self.asset_modifiers,
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
        Some((recipe, inner.warnings))
    }

    fn report_error(&mut self, command: &CommandSpec, error: ValueError, token: &ExpandedToken<'_>) {
        self.errors.push(add_syntax_remedy(error, command).into_diagnostic(command.name, token.raw, &token.origin));
    }

    /// A command that looks misspelt is an error; any other unknown command is ignored with a warning.
    fn report_unknown(&mut self, name: &str, token: &ExpandedToken<'_>) {
        let error = ValueError {
            kind: DiagnosticKind::UnknownCommand,
            detail: format!("Unknown command `{name}`."),
            remedy: "The command was ignored.".into(),
        };
        match command::find_similar_command(name) {
            Some(near) => {
                let error = ValueError { remedy: format!("Did you mean `{}`?", near.name), ..error };
                self.errors.push(error.into_diagnostic(name, token.raw, &token.origin));
            }
            None => self.warnings.push(error.into_diagnostic(name, token.raw, &token.origin)),
        }
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

    /// Lets the last command of each slot set the recipe. An invalid value that a later command overrides has no
    /// effect, so it is only a warning. Overridden commands, and those of layers that are not rendered, are applied to
    /// a recipe that is thrown away, so that their errors are found.
    fn apply_commands(&mut self) -> (RecipeBuilder, Vec<ResolvedCommand>) {
        let attributes = self.attributes;
        let mut draft = RecipeBuilder::new(attributes);
        let mut resolved_commands = Vec::new();
        for (command, is_last) in self.overrides.iter() {
            let mut discarded = RecipeBuilder::new(attributes);
            let counts = is_last && command.segment.is_drawn();
            let remark = match command.apply(if counts { &mut draft } else { &mut discarded }) {
                Err(error) if is_last => {
                    self.errors.push(command.diagnose(add_syntax_remedy(error, command.spec)));
                    None
                }
                Err(error) => {
                    let remedy = "The command has no effect, because a later one overrides it.".into();
                    Some(ValueError { kind: DiagnosticKind::IgnoredCommand, remedy, ..error })
                }
                Ok(remark) => remark.filter(|_| is_last),
            };
            let status = match &remark {
                _ if !is_last => CommandStatus::Replaced,
                Some(remark) => CommandStatus::Ignored(remark.detail.clone()),
                None => CommandStatus::Effective,
            };
            resolved_commands.push(command.resolve(status));
            self.warnings.extend(remark.map(|remark| command.diagnose(remark)));
        }
        for ((command, _), resolved) in self.overrides.iter().zip(&mut resolved_commands) {
            if resolved.status != CommandStatus::Effective {
                continue;
            }
            if let Some(reason) = no_effect::find_no_effect_reason(command, &self.overrides, &draft) {
                resolved.status = CommandStatus::Ignored(reason.to_owned());
            }
        }
        self.errors.extend(conflicts::find_conflicts(&self.overrides, &draft));
        for diagnostics in [&mut self.errors, &mut self.warnings] {
            diagnostics.sort_by(|a, b| (rank_origin(&a.origin), a.offset).cmp(&(rank_origin(&b.origin), b.offset)));
        }
        (draft, resolved_commands)
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
