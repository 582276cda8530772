//! Resolves one rendition of an export request for its assets.
//!
//! A modifier can mean something else for each asset: the asset's own modifiers stand around it, and `$object$` is the
//! asset's name. Most assets have no own modifiers, so each distinct question ([`ResolutionKey`]) is answered once, and ten
//! thousand assets usually share one recipe. Where they do not, the work is bounded by a [`WorkBudget`].

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use offprint_core::{Code, Digest};
use offprint_imaging::ObjectHeaders;
use offprint_modifiers::{
    AssetModifierIndex, Attributes, DecodeOptions, Diagnostic, DiagnosticKind, Macros, Origin, OutputFormat, Recipe,
    ResolvedModifier, WorkBudget,
};

use crate::db::asset::AssetRow;
use crate::jobs::error_list::ErrorList;
use crate::jobs::per_asset::ItemTexts;
use crate::jobs::read_asset_settings;
use crate::jobs::references;
use crate::jobs::references::AssetReferences;
use crate::jobs::remarks::RemarkList;
use crate::jobs::rendition::RenditionSpec;
use crate::jobs::request::ExportRequest;
use crate::jobs::request::OnCorrupt;
use crate::reason::{Reason, ValidationError};

/// Units of work for a recipe beside resolving it: it is written as text, hashed and kept.
const RECIPE_UNITS: u64 = 1000;
/// What `$object$` stands for while it is not known which asset it will be, and another name than that.
const STAND_INS: [&str; 2] = ["asset", "another"];

/// A recipe whose other assets are pinned to their bytes. Assets with the same recipe share it.
#[derive(Clone, Debug)]
pub struct PinnedRecipe {
    /// SHA-256 of the recipe's canonical text.
    pub recipe_id: Digest,
    pub recipe: Arc<Recipe>,
    /// Headers of the other assets that it reads.
    pub reference_headers: Arc<ObjectHeaders>,
    /// Output format.
    pub format: OutputFormat,
    /// The warnings about its modifier, as indexes in those of the rendition.
    pub warnings: Arc<Vec<usize>>,
}

/// An asset with what distinguishes it for modifiers.
#[derive(Clone, Copy)]
pub struct ResolvedFor<'a> {
    /// JSON pointer of the asset in the request.
    pub pointer: &'a str,
    pub asset: &'a AssetRow,
    /// What the request has for this asset alone.
    pub item: &'a ItemTexts,
    /// Number of its own texts (modifiers, settings, and what the request has for it alone) among the distinct ones of all
    /// assets; 0 without any.
    pub own_texts: u32,
    /// Number of its name among the distinct ones of all assets.
    pub name: u32,
    /// Units of work that its own modifiers take at least.
    pub own_units: u64,
}

/// What the meaning of a rendition depends on: the asset's own modifiers, and its name if `$object$` is used.
type ResolutionKey = (u32, Option<u32>);

/// The key of an asset without own modifiers.
const NO_OWN_TEXTS: ResolutionKey = (0, None);

/// What a rendition is resolved with.
#[derive(Clone, Copy)]
pub struct ResolveScope<'a> {
    pub rendition: RenditionSpec<'a>,
    /// The company's image presets.
    pub macros: &'a Macros,
    /// Default Image Serving attributes.
    pub attributes: &'a Attributes,
    /// Own modifiers of other assets, which apply where these are referenced.
    pub asset_modifiers: &'a AssetModifierIndex,
    pub budget: &'a WorkBudget,
}

/// Resolves one rendition for one asset after the other, each distinct question once.
#[derive(Default)]
pub struct RenditionResolver {
    strict: bool,
    reading: DecodeOptions,
    resolved: HashMap<ResolutionKey, Option<ResolvedModifier>>,
    pinned_recipes: HashMap<ResolutionKey, Result<Option<PinnedRecipe>, Reason>>,
    shrink_limited: HashMap<(Digest, u8), PinnedRecipe>,
    /// What is wrong with the names in the rendition for an asset of another name, which is given, by the number of its own
    /// texts.
    failures_of_others: HashMap<u32, (String, Vec<Diagnostic>)>,
    uses_object: bool,
    /// The rendition alone, without any asset's own modifiers; none on errors.
    pub alone: Option<ResolvedModifier>,
    /// Units of work that the rendition alone took.
    own_units: u64,
    /// Canonical texts of all recipes so far, by their SHA-256.
    pub recipes: BTreeMap<Digest, String>,
    pub errors: ErrorList,
    pub warnings: RemarkList,
    /// Harmless remarks.
    pub notices: RemarkList,
}

/// A modifier and a macro, for an asset or for none.
#[derive(Clone, Copy)]
pub struct ModifierSpec<'a> {
    /// `is_modifier`.
    pub modifier: Option<&'a str>,
    /// `macro`.
    pub export_macro: Option<&'a str>,
    /// The asset, whose own modifiers stand before and after them.
    pub asset: Option<&'a AssetRow>,
    /// What the request has for this asset alone.
    pub item: Option<&'a ItemTexts>,
    /// The company's image presets.
    pub macros: &'a Macros,
    /// Default Image Serving attributes.
    pub attributes: &'a Attributes,
}

impl ModifierSpec<'_> {
    /// Resolves the modifier. `asset_modifiers` are the own modifiers of other assets, which apply where these are referenced.
    ///
    /// # Errors
    /// Everything that is wrong with it, and with the asset's own modifiers.
    pub fn resolve(
        &self,
        asset_modifiers: &AssetModifierIndex,
        budget: &WorkBudget,
    ) -> Result<ResolvedModifier, Vec<Diagnostic>> {
        let own = |text: fn(&AssetRow) -> &String| self.asset.map_or("", |asset| text(asset).as_str());
        let settings = self.asset.map(read_asset_settings);
        offprint_modifiers::resolve_modifier(&offprint_modifiers::ModifierInput {
            before: own(|asset| &asset.url_modifier),
            export_macro: self.export_macro,
            item_modifier: self.item.map_or("", ItemTexts::modifier),
            parameters: self.item.map_or("", ItemTexts::variables),
            after: own(|asset| &asset.url_post_apply_modifier),
            object: self.asset.map_or(STAND_INS[0], |asset| asset.name.as_str()),
            settings: settings.as_ref(),
            asset_modifiers,
            budget,
            ..offprint_modifiers::ModifierInput::new(self.modifier.unwrap_or_default(), self.macros, self.attributes)
        })
    }
}

impl RenditionResolver {
    /// A resolver for a rendition of this request.
    pub fn new(request: &ExportRequest) -> Self {
        let accepts_damage = request.on_corrupt.unwrap_or_default() == OnCorrupt::Warn;
        Self {
            strict: request.strict.unwrap_or(false),
            reading: DecodeOptions { accepts_damage, most_shrink: None },
            ..Self::default()
        }
    }

    /// The modifier with all macros expanded, as it is frozen and shown; none on errors, which are recorded.
    pub fn expand_macros(&mut self, scope: &ResolveScope<'_>) -> Option<String> {
        let rendition = &scope.rendition;
        match offprint_modifiers::expand_modifier(rendition.modifier, rendition.r#macro, scope.macros) {
            Ok(text) => Some(text),
            Err(diagnostics) => {
                self.report_errors(scope, diagnostics, "/assetHandleArray");
                None
            }
        }
    }

    /// Resolves the rendition alone, without any asset's own modifiers, so that its mistakes are reported even when no asset
    /// is an image.
    pub fn check(&mut self, scope: &ResolveScope<'_>) {
        let spent = scope.budget.spent();
        let resolved = self.resolve(scope, "/assetHandleArray", None, None);
        self.own_units = scope.budget.spent() - spent;
        // An asset without texts of its own gets the same, but for a named crop, which it has not.
        if !resolved.as_ref().is_some_and(|resolved| resolved.awaits_crop) {
            self.resolved.insert(NO_OWN_TEXTS, resolved);
        }
    }

    /// Units of work that resolving the rendition for these assets takes at least.
    pub fn estimate_units<'p>(&self, assets: impl Iterator<Item = ResolvedFor<'p>>) -> u64 {
        let open_questions: HashMap<ResolutionKey, u64> = assets
            .map(|asset| (self.resolution_key(asset), asset.own_units))
            .filter(|(key, _)| !self.resolved.contains_key(key))
            .collect();
        open_questions.values().map(|own_units| self.own_units + own_units).sum()
    }

    /// Resolves the rendition for all images, so that the names of other assets are known before these are looked up
    /// together. Ends early when the work is used up, or when no more errors are told.
    pub fn resolve_for_assets<'p>(
        &mut self,
        scope: &ResolveScope<'_>,
        assets: impl Iterator<Item = ResolvedFor<'p>> + Clone,
    ) {
        let uses_object = self.uses_object;
        for asset in assets.clone() {
            if scope.budget.is_exhausted() || self.errors.is_full() {
                return;
            }
            if !self.resolved.contains_key(&self.resolution_key(asset)) {
                let resolved = self.resolve(scope, asset.pointer, Some(asset.asset), Some(asset.item));
                // Built again: resolving may have found `$object$`.
                self.resolved.insert(self.resolution_key(asset), resolved);
            }
        }
        // One of them uses `$object$`, so from now on the name is part of the key and each asset is its own question.
        if self.uses_object != uses_object {
            self.resolve_for_assets(scope, assets);
        }
    }

    /// Forgets what was resolved, because the own modifiers of referenced assets have changed.
    pub fn forget_resolved(&mut self) {
        self.resolved.clear();
    }

    /// The names of other assets in everything resolved so far.
    pub fn referenced_names(&self) -> impl Iterator<Item = String> {
        self.resolved.values().flatten().flat_map(|resolved| resolved.mentions().map(|(_, name)| name))
    }

    /// The recipe for an asset. `None` when the rendition cannot be resolved for it; `errors` has the reasons.
    ///
    /// # Errors
    /// Why this asset alone fails: with its name in place of `$object$`, the modifier names an asset that does not exist. A
    /// name that is missing for any asset is an error of the request.
    pub fn pin_for_asset(
        &mut self,
        scope: &ResolveScope<'_>,
        asset: ResolvedFor<'_>,
        references: &AssetReferences,
    ) -> Result<Option<PinnedRecipe>, Reason> {
        let key = self.resolution_key(asset);
        if let Some(known) = self.pinned_recipes.get(&key) {
            return known.clone();
        }
        let resolved = match self.resolved.remove(&key) {
            Some(resolved) => resolved,
            None => self.resolve(scope, asset.pointer, Some(asset.asset), Some(asset.item)),
        };
        let pinned = match resolved {
            Some(resolved) => self.pin_references(scope, asset, resolved, references),
            None => Ok(None),
        };
        self.pinned_recipes.insert(key, pinned.clone());
        pinned
    }

    fn pin_references(
        &mut self,
        scope: &ResolveScope<'_>,
        asset: ResolvedFor<'_>,
        mut resolved: ResolvedModifier,
        references: &AssetReferences,
    ) -> Result<Option<PinnedRecipe>, Reason> {
        scope.budget.spend(RECIPE_UNITS);
        let warnings = Arc::new(self.add_remarks(&resolved));
        match references.pin_references(&mut resolved, Some(asset.asset)) {
            Ok(headers) => Ok(Some(PinnedRecipe { warnings, ..self.add_recipe(resolved.recipe, Arc::new(headers)) })),
            Err(diagnostics) if resolved.uses_object => {
                let (of_request, of_asset) = self.split_failures(scope, asset, diagnostics, references);
                if of_request.is_empty() {
                    return Err(references::to_failure_reason(&of_asset));
                }
                self.report_missing(scope, asset, of_request);
                Ok(None)
            }
            Err(diagnostics) => {
                self.report_missing(scope, asset, diagnostics);
                Ok(None)
            }
        }
    }

    /// Parts what is wrong with any asset as `$object$` from what is wrong with this one: the modifier is resolved for an
    /// asset of another name, too.
    fn split_failures(
        &mut self,
        scope: &ResolveScope<'_>,
        asset: ResolvedFor<'_>,
        diagnostics: Vec<Diagnostic>,
        references: &AssetReferences,
    ) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
        let known = self.failures_of_others.entry(asset.own_texts).or_insert_with(|| {
            let name = STAND_INS.into_iter().find(|name| *name != asset.asset.name).unwrap_or_default().to_owned();
            let other = AssetRow { name: name.clone(), ..asset.asset.clone() };
            let spec = ModifierSpec { asset: Some(&other), item: Some(asset.item), ..scope.as_spec() };
            let resolved = spec.resolve(scope.asset_modifiers, scope.budget);
            let failures = resolved.map(|mut resolved| references.pin_references(&mut resolved, Some(&other)).err());
            (name, failures.ok().flatten().unwrap_or_default())
        });
        let (other, failures) = known;
        // For an asset that has the other's name the two cannot be told apart.
        let is_of_request = |diagnostic: &Diagnostic| {
            *other != asset.asset.name
                && failures.iter().any(|of_other| {
                    (&of_other.origin, &of_other.command, &of_other.detail)
                        == (&diagnostic.origin, &diagnostic.command, &diagnostic.detail)
                })
        };
        diagnostics.into_iter().partition(is_of_request)
    }

    /// Reports the assets that a modifier names and that cannot be used, with the name at fault where the request has it.
    fn report_missing(&mut self, scope: &ResolveScope<'_>, asset: ResolvedFor<'_>, diagnostics: Vec<Diagnostic>) {
        let has_texts = !asset.item.modifier().is_empty() || !asset.item.variables().is_empty();
        for diagnostic in diagnostics {
            let pointer = match diagnostic.origin {
                // A template names what the parameters of the asset say.
                Origin::NamedBefore(_) | Origin::NamedAfter(_) if has_texts => asset.pointer.to_owned(),
                _ => scope.pointer(&diagnostic.origin, asset.pointer),
            };
            self.errors.add(to_validation_error(&diagnostic, &pointer));
        }
    }

    fn resolution_key(&self, asset: ResolvedFor<'_>) -> ResolutionKey {
        (asset.own_texts, self.uses_object.then_some(asset.name))
    }

    fn resolve(
        &mut self,
        scope: &ResolveScope<'_>,
        pointer: &str,
        asset: Option<&AssetRow>,
        item: Option<&ItemTexts>,
    ) -> Option<ResolvedModifier> {
        let spec = ModifierSpec { asset, item, ..scope.as_spec() };
        match spec.resolve(scope.asset_modifiers, scope.budget) {
            Ok(mut resolved) => {
                resolved.recipe.reading = self.reading;
                self.uses_object |= resolved.uses_object;
                if self.strict {
                    self.refuse_warnings(scope, &resolved.warnings, pointer);
                }
                if asset.is_none() {
                    self.alone = Some(resolved.clone());
                }
                // Kept for each asset, so only what is needed later.
                resolved.commands.retain(|command| !command.assets.is_empty());
                resolved.commands.shrink_to_fit();
                resolved.effective_modifier = String::new();
                Some(resolved)
            }
            Err(diagnostics) => {
                self.report_errors(scope, diagnostics, pointer);
                None
            }
        }
    }

    /// The same recipe, with a limit for how many times smaller the decoder may make the source.
    pub fn limit_shrink(&mut self, recipe: &PinnedRecipe, max_shrink: u8) -> PinnedRecipe {
        // Assets with different warnings may have the same recipe.
        let warnings = recipe.warnings.clone();
        if let Some(known) = self.shrink_limited.get(&(recipe.recipe_id, max_shrink)) {
            return PinnedRecipe { warnings, ..known.clone() };
        }
        let reading = DecodeOptions { most_shrink: Some(max_shrink), ..recipe.recipe.reading };
        let shrunk =
            self.add_recipe(Recipe { reading, ..recipe.recipe.as_ref().clone() }, recipe.reference_headers.clone());
        self.shrink_limited.insert((recipe.recipe_id, max_shrink), shrunk.clone());
        PinnedRecipe { warnings, ..shrunk }
    }

    fn add_recipe(&mut self, recipe: Recipe, reference_headers: Arc<ObjectHeaders>) -> PinnedRecipe {
        let text = recipe.to_canonical_text();
        let recipe_id = Digest::compute(text.as_bytes());
        self.recipes.insert(recipe_id, text);
        let (format, recipe) = (recipe.format(), Arc::new(recipe));
        PinnedRecipe { recipe_id, format, recipe, reference_headers, warnings: Arc::default() }
    }

    fn report_errors(&mut self, scope: &ResolveScope<'_>, diagnostics: Vec<Diagnostic>, pointer: &str) {
        for diagnostic in diagnostics {
            self.errors.add(to_validation_error(&diagnostic, &scope.pointer(&diagnostic.origin, pointer)));
        }
    }

    /// Makes errors of warnings, as `strict` asks for.
    fn refuse_warnings(&mut self, scope: &ResolveScope<'_>, warnings: &[Diagnostic], pointer: &str) {
        let errors = warnings.iter().map(|warning| {
            let remedy = format!("{} With `strict` this warning is an error.", warning.remedy);
            Diagnostic { remedy, ..warning.clone() }
        });
        self.report_errors(scope, errors.collect(), pointer);
    }

    /// Keeps the warnings and notices about a modifier. Returns the indexes of the warnings.
    fn add_remarks(&mut self, resolved: &ResolvedModifier) -> Vec<usize> {
        self.notices.add_diagnostics(&resolved.notices);
        self.warnings.add_diagnostics(&resolved.warnings)
    }

    /// Keeps the remarks about the rendition alone if no asset is converted: otherwise nobody would see them.
    pub fn add_remarks_without_assets(&mut self) {
        if let Some(Some(resolved)) = self.resolved.remove(&NO_OWN_TEXTS).filter(|_| self.pinned_recipes.is_empty()) {
            self.add_remarks(&resolved);
        }
    }
}

impl<'a> ResolveScope<'a> {
    /// The rendition, for no asset in particular.
    fn as_spec(&self) -> ModifierSpec<'a> {
        let ResolveScope { rendition, macros, attributes, .. } = *self;
        let (modifier, export_macro) = (rendition.modifier, rendition.r#macro);
        ModifierSpec { modifier, export_macro, asset: None, item: None, macros, attributes }
    }

    /// JSON pointer of the text that a diagnostic is about. `asset` is the pointer for the asset's own modifiers.
    fn pointer(&self, origin: &Origin, asset: &str) -> String {
        match origin {
            Origin::Modifier => self.rendition.pointer("is_modifier"),
            Origin::ExportMacro | Origin::Macro(_) => self.rendition.pointer("macro"),
            Origin::Item => format!("{asset}/is_modifier"),
            Origin::Parameters => format!("{asset}/parameters"),
            Origin::AssetBefore | Origin::AssetAfter | Origin::Crop(_) => asset.to_owned(),
            // Where the other asset is named is not known here; usually that is in the modifier.
            Origin::NamedBefore(_) | Origin::NamedAfter(_) | Origin::Watermark => self.rendition.pointer("is_modifier"),
        }
    }
}

/// A diagnostic as an error of the request. The offset counts in the text at the pointer; a mistake inside an image preset
/// or an asset's own modifier has no offset there, and names its text instead.
pub fn to_validation_error(diagnostic: &Diagnostic, pointer: &str) -> ValidationError {
    let (place, is_in_request) = match &diagnostic.origin {
        Origin::Modifier | Origin::Item | Origin::ExportMacro => (String::new(), true),
        Origin::Parameters => (String::new(), false),
        Origin::Macro(name) => (format!(" of image preset {name}"), false),
        Origin::AssetBefore => (" of the asset's urlModifier".to_owned(), false),
        Origin::AssetAfter => (" of the asset's urlPostApplyModifier".to_owned(), false),
        Origin::NamedBefore(_) | Origin::NamedAfter(_) | Origin::Crop(_) | Origin::Watermark => {
            (format!(" of the {}", diagnostic.origin), false)
        }
    };
    let detail = format!(
        "`{}` at byte {}{place}: {} {}",
        diagnostic.command, diagnostic.offset, diagnostic.detail, diagnostic.remedy
    );
    ValidationError {
        offset: is_in_request.then_some(diagnostic.offset),
        ..ValidationError::new(pointer, to_code(diagnostic.kind), detail.trim_end())
    }
}

/// A warning or notice about a modifier.
pub fn to_reason(diagnostic: &Diagnostic) -> Reason {
    Reason::new(to_code(diagnostic.kind), diagnostic.to_string())
}

/// The code of a kind of diagnostic.
pub fn to_code(kind: DiagnosticKind) -> Code {
    match kind {
        DiagnosticKind::InvalidModifier => Code::InvalidModifier,
        DiagnosticKind::UnknownCommand => Code::UnknownCommand,
        DiagnosticKind::UnknownParameter => Code::UnknownParameter,
        DiagnosticKind::IgnoredCommand => Code::IgnoredCommand,
        DiagnosticKind::UnknownMacro => Code::UnknownMacro,
        DiagnosticKind::SourceMissing => Code::SourceMissing,
        DiagnosticKind::ProfileReplaced => Code::ProfileReplaced,
        DiagnosticKind::NotSupportedYet => Code::NotSupportedYet,
        DiagnosticKind::TooComplex => Code::TooComplex,
    }
}
