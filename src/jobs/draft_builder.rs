//! The part of drafting that takes processor time: from assets, presets and the request to items with recipes and paths.
//! Pure, on owned data: it runs on the compute pool, asks for the names of other assets that it needs, and looks at the
//! budget in every loop.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use offprint_core::{Code, Digest};
use offprint_modifiers::{AssetSettings, Attributes, Macros, WorkBudget, estimate_units};

use crate::db::asset::AssetRow;
use crate::db::asset_list::NamedAssetRow;
use crate::db::enums::{Fmt, ItemState, OnUnconvertible};
use crate::db::insert_job::RecipeSource;
use crate::db::job::Rendition;
use crate::jobs::RecipeContext;
use crate::jobs::decode_sharing::share_decode;
use crate::jobs::draft::{Draft, DraftError, DraftFile, DraftItem};
use crate::jobs::error_list::ErrorList;
use crate::jobs::explain_unconvertible;
use crate::jobs::file_names::assign_paths;
use crate::jobs::per_asset::ItemTexts;
use crate::jobs::read_asset_settings;
use crate::jobs::references::AssetReferences;
use crate::jobs::remarks::MergedRemarks;
use crate::jobs::remarks::merge_remarks;
use crate::jobs::rendition::list_rendition_specs;
use crate::jobs::rendition_resolver::PinnedRecipe;
use crate::jobs::rendition_resolver::RenditionResolver;
use crate::jobs::rendition_resolver::ResolveScope;
use crate::jobs::rendition_resolver::ResolvedFor;
use crate::jobs::request::ExportRequest;
use crate::jobs::request::RenditionRequest;
use crate::jobs::selection::Selection;
use crate::reason::{Reason, ValidationError};

/// Units of work for the item of one asset: its files, their names, and a plan for each of several renditions.
const ITEM_UNITS: u64 = 100;

/// A draft that is being made.
pub struct DraftBuilder {
    request: ExportRequest,
    macros: Macros,
    attributes: Attributes,
    recipes: RecipeContext,
    assets: Vec<SelectedAsset>,
    resolvers: Vec<RenditionResolver>,
    effective_modifiers: Vec<Option<String>>,
    references: AssetReferences,
    errors: ErrorList,
    warnings: Vec<Reason>,
    budget: Arc<WorkBudget>,
}

/// An asset of the request, with what distinguishes it for modifiers; see [`ResolvedFor`].
struct SelectedAsset {
    pointer: String,
    asset: AssetRow,
    item: ItemTexts,
    own_texts: u32,
    name: u32,
    own_units: u64,
}

/// What comes after resolving.
pub enum DraftStep {
    /// These names have to be looked up, see [`DraftBuilder::add_found`].
    NamesMissing(Box<DraftBuilder>, Vec<String>),
    Done(Box<Result<Draft, DraftError>>),
}

impl SelectedAsset {
    fn as_resolved_for(&self) -> ResolvedFor<'_> {
        let Self { pointer, asset, item, own_texts, name, own_units } = self;
        ResolvedFor { pointer, asset, item, own_texts: *own_texts, name: *name, own_units: *own_units }
    }
}

/// What distinguishes an asset for modifiers, beside its name: its own modifiers and settings, and what the request has for
/// it alone.
type OwnTexts = (String, String, String, ItemTexts);

/// Numbers the own texts and the names of assets, so that they are compared by number from now on.
fn number_assets(assets: Vec<(String, AssetRow)>, mut items: HashMap<String, ItemTexts>) -> Vec<SelectedAsset> {
    let mut texts: HashMap<OwnTexts, u32> = HashMap::from([(OwnTexts::default(), 0)]);
    let mut names = HashMap::new();
    let mut selected = Vec::with_capacity(assets.len());
    for (pointer, asset) in assets {
        let next = texts.len() as u32;
        let item = items.remove(&pointer).unwrap_or_default();
        let (before, after) = (asset.url_modifier.clone(), asset.url_post_apply_modifier.clone());
        // How its files are named makes no difference to what they are.
        let key = item.without_name();
        let own_texts = *texts.entry((before, after, format_settings(&asset), key)).or_insert(next);
        let next = names.len() as u32;
        let name = *names.entry(asset.name.clone()).or_insert(next);
        let own = [asset.url_modifier.as_str(), &asset.url_post_apply_modifier, item.modifier(), item.variables()];
        let own_units = own.into_iter().map(estimate_units).sum();
        selected.push(SelectedAsset { pointer, asset, item, own_texts, name, own_units });
    }
    selected
}

/// The settings that a recipe may depend on, as a text; empty without any.
fn format_settings(asset: &AssetRow) -> String {
    let settings = AssetSettings { user_data: None, ..read_asset_settings(asset) };
    if settings == AssetSettings::default() {
        String::new()
    } else {
        serde_json::to_string(&settings).unwrap_or_default()
    }
}

/// The images among the assets.
fn iter_images(assets: &[SelectedAsset]) -> impl Iterator<Item = ResolvedFor<'_>> + Clone {
    assets.iter().filter(|selected| selected.asset.kind.is_raster()).map(SelectedAsset::as_resolved_for)
}

impl DraftBuilder {
    /// Begins with what the database knows, and with what was found wrong already.
    pub fn new(
        request: ExportRequest,
        (errors, mut warnings): (Vec<ValidationError>, Vec<Reason>),
        selection: Selection,
        macros: Macros,
        recipes: RecipeContext,
        budget: Arc<WorkBudget>,
    ) -> Box<Self> {
        let mut all_errors = ErrorList::default();
        all_errors.extend(errors);
        all_errors.extend(selection.errors);
        warnings.extend(selection.warnings);
        let attributes =
            Attributes { keep_rights: request.keep_rights.unwrap_or(true), ..recipes.attributes.as_ref().clone() };
        let resolvers = match request.fmt {
            Fmt::Convert => list_rendition_specs(&request).iter().map(|_| RenditionResolver::new(&request)).collect(),
            Fmt::Orig => Vec::new(),
        };
        let mut builder = Box::new(Self {
            assets: number_assets(selection.assets, selection.items),
            resolvers,
            effective_modifiers: Vec::new(),
            references: AssetReferences::default(),
            errors: all_errors,
            warnings,
            request,
            macros,
            attributes,
            recipes,
            budget,
        });
        let mut effective_modifiers = Vec::new();
        builder.for_each_rendition(|resolver, scope, _| effective_modifiers.push(resolver.expand_macros(scope)));
        builder.effective_modifiers = effective_modifiers;
        builder.for_each_rendition(|resolver, scope, _| resolver.check(scope));
        builder
    }

    /// Adds what was found for the names that were missing.
    pub fn add_found(mut self: Box<Self>, names: Vec<String>, found: Vec<NamedAssetRow>) -> Box<Self> {
        if self.references.add_found(names, found) {
            self.for_each_rendition(|resolver, scope, _| {
                resolver.forget_resolved();
                resolver.check(scope);
            });
        }
        self
    }

    /// Resolves the renditions for all images, as far as the assets are known that they reference.
    pub fn advance(mut self: Box<Self>) -> DraftStep {
        match self.resolve() {
            Err(reason) => DraftStep::Done(Box::new(Err(DraftError::Rejected(reason)))),
            Ok(names) if names.is_empty() => DraftStep::Done(Box::new((*self).finish())),
            // A referenced asset has modifiers of its own, which may reference further assets: repeat until there is no
            // new name.
            Ok(names) => DraftStep::NamesMissing(self, names),
        }
    }

    fn for_each_rendition(&mut self, mut act: impl FnMut(&mut RenditionResolver, &ResolveScope<'_>, &[SelectedAsset])) {
        for (resolver, rendition) in self.resolvers.iter_mut().zip(list_rendition_specs(&self.request)) {
            let scope = ResolveScope {
                rendition,
                macros: &self.macros,
                attributes: &self.attributes,
                asset_modifiers: self.references.asset_modifiers(),
                budget: &self.budget,
            };
            act(resolver, &scope, &self.assets);
        }
    }

    /// Resolves everything that is not resolved yet. Returns the names of other assets that are not known yet.
    fn resolve(&mut self) -> Result<Vec<String>, Reason> {
        // Before it is begun, as far as that can be told: nobody should wait for a refusal.
        let needed: u64 = self
            .resolvers
            .iter()
            .fold(0, |units, resolver| units.saturating_add(resolver.estimate_units(iter_images(&self.assets))));
        if needed > self.budget.remaining() {
            return Err(self.reject_work());
        }
        self.for_each_rendition(|resolver, scope, assets| resolver.resolve_for_assets(scope, iter_images(assets)));
        self.check_budget()?;
        if self.is_refused() {
            return Ok(Vec::new());
        }
        self.references.list_missing(self.resolvers.iter().flat_map(RenditionResolver::referenced_names))
    }

    /// Whether the request is refused with as many errors as are told, so that looking for more is in vain.
    fn is_refused(&self) -> bool {
        self.errors.is_full() || self.resolvers.iter().any(|resolver| resolver.errors.is_full())
    }

    fn check_budget(&self) -> Result<(), Reason> {
        if self.budget.is_exhausted() { Err(self.reject_work()) } else { Ok(()) }
    }

    fn reject_work(&self) -> Reason {
        let images = iter_images(&self.assets).count();
        let texts: usize = self.effective_modifiers.iter().flatten().map(String::len).sum();
        let detail = format!(
            "The request needs more work than one request may take: {images} images, renditions: {}, modifiers of {texts} \
             bytes with macros expanded, resolved for each image that has modifiers of its own or whose name stands for \
             `$object$`. Nothing was created. Split the request, shorten the modifiers, or leave out `$object$`.",
            self.resolvers.len()
        );
        Reason::new(Code::TooComplex, detail)
    }

    /// The draft, when all names are known.
    fn finish(mut self) -> Result<Draft, DraftError> {
        let mut items = self.draft_items().map_err(DraftError::Rejected)?;
        self.check_nothing_left(&items);
        let mut recipes = BTreeMap::new();
        let (mut warning_lists, mut notice_lists) = (Vec::new(), Vec::new());
        let mut resolved_renditions = Vec::new();
        let specs = list_rendition_specs(&self.request);
        for (mut resolver, spec) in std::mem::take(&mut self.resolvers).into_iter().zip(specs) {
            resolver.add_remarks_without_assets();
            let name = spec.rendition.map(|rendition| rendition.name.as_str());
            warning_lists.push((name, resolver.warnings));
            notice_lists.push((name, resolver.notices));
            // An error in an asset's own modifiers is found once for each rendition, and reported once.
            self.errors.append(resolver.errors);
            recipes.extend(resolver.recipes);
            resolved_renditions.extend(resolver.alone);
        }
        if !self.errors.is_empty() {
            return Err(DraftError::Invalid(self.errors.into_errors()));
        }
        let modifier_warnings = merge_remarks(warning_lists);
        let notices = merge_remarks(notice_lists).reasons;
        assign_modifier_warnings(&mut items, &modifier_warnings);
        assign_paths(&self.request, &mut items, &self.recipes, &self.budget)
            .map_err(|()| DraftError::Rejected(self.reject_work()))?;
        let mut effective = self.effective_modifiers.into_iter();
        let renditions = self.request.renditions.as_ref().map(|renditions| {
            renditions
                .iter()
                .zip(effective.by_ref())
                .filter_map(|(rendition, effective)| Some(freeze_rendition(rendition, effective?)))
                .collect()
        });
        Ok(Draft {
            effective_modifier: effective.next().flatten(),
            renditions,
            resolved_renditions,
            recipe_sources: list_recipe_sources(&items),
            items,
            recipes,
            warnings: self.warnings,
            modifier_warnings: modifier_warnings.reasons,
            notices,
            request: self.request,
        })
    }

    fn draft_items(&mut self) -> Result<Vec<DraftItem>, Reason> {
        let specs = list_rendition_specs(&self.request);
        let scopes: Vec<ResolveScope<'_>> = specs
            .into_iter()
            .map(|rendition| ResolveScope {
                rendition,
                macros: &self.macros,
                attributes: &self.attributes,
                asset_modifiers: self.references.asset_modifiers(),
                budget: &self.budget,
            })
            .collect();
        let mut items = Vec::with_capacity(self.assets.len());
        for SelectedAsset { pointer, asset, item, own_texts, name, own_units } in std::mem::take(&mut self.assets) {
            let is_refused = self.resolvers.iter().any(|resolver| resolver.errors.is_full());
            if is_refused || self.errors.is_full() || !self.budget.spend(ITEM_UNITS) {
                break;
            }
            let pin = |asset: &AssetRow| {
                let asset = ResolvedFor { pointer: &pointer, asset, item: &item, own_texts, name, own_units };
                let resolved: Result<Vec<_>, Reason> = (self.resolvers.iter_mut().zip(&scopes))
                    .map(|(resolver, scope)| resolver.pin_for_asset(scope, asset, &self.references))
                    .collect();
                let mut recipes = resolved?;
                share_decode(&mut recipes, &mut self.resolvers, asset.asset, &self.recipes);
                Ok(recipes)
            };
            let drafted = draft_item(&self.request, asset, pin);
            items.push(DraftItem { texts: item, ..drafted });
        }
        self.check_budget()?;
        Ok(items)
    }

    fn check_nothing_left(&mut self, items: &[DraftItem]) {
        if items.is_empty() || items.iter().any(|item| item.state != ItemState::Skipped) {
            return;
        }
        let detail = "All assets would be skipped, so there is nothing to export.";
        // A schedule may find others when it runs.
        match self.request.exec_schedule {
            Some(_) => self.warnings.push(Reason::new(Code::NothingToExport, detail)),
            None => self.errors.add(ValidationError::new("/assetHandleArray", Code::NothingToExport, detail)),
        }
    }
}

/// The originals of other assets that the recipes of the items read.
fn list_recipe_sources(items: &[DraftItem]) -> Vec<RecipeSource> {
    let recipes = items.iter().flat_map(|item| &item.files).filter_map(|file| file.recipe.as_ref());
    // Most items share their recipe, and it is looked at once.
    let distinct: HashMap<Digest, &PinnedRecipe> = recipes.map(|recipe| (recipe.recipe_id, recipe)).collect();
    let list_sources = |recipe: &PinnedRecipe| {
        let recipe_id = recipe.recipe_id;
        let pins = recipe.recipe.pins().filter_map(|pin| pin.parse().ok());
        pins.map(move |sha256| RecipeSource { recipe_id, sha256 }).collect::<Vec<_>>()
    };
    let sources: BTreeSet<RecipeSource> = distinct.into_values().flat_map(list_sources).collect();
    sources.into_iter().collect()
}

/// A rendition as it is stored with the job.
fn freeze_rendition(rendition: &RenditionRequest, effective_modifier: String) -> Rendition {
    Rendition {
        name: rendition.name.clone(),
        is_modifier: rendition.is_modifier.clone(),
        r#macro: rendition.r#macro.clone(),
        suffix: rendition.suffix().to_owned(),
        name_template: rendition.name_template.clone(),
        effective_modifier,
    }
}

/// Drafts the item of one asset: its files, or why there are none. `pin` makes its recipes.
fn draft_item(
    request: &ExportRequest,
    asset: AssetRow,
    pin: impl FnOnce(&AssetRow) -> Result<Vec<Option<PinnedRecipe>>, Reason>,
) -> DraftItem {
    let mut item = DraftItem {
        asset,
        texts: ItemTexts::default(),
        state: ItemState::Waiting,
        failure: None,
        files: Vec::new(),
        warnings: Vec::new(),
    };
    let kind = item.asset.kind;
    let readable = item.asset.header.is_some();
    match request.fmt {
        _ if kind.is_set() => {
            let detail = format!("Assets of type {} cannot be exported.", item.asset.kind.name());
            item.skip(Reason::new(Code::SkippedUnsupported, detail));
        }
        Fmt::Orig => item.add_file(None),
        // An image of an unreadable format fails when it is processed, unless the request says otherwise.
        Fmt::Convert if kind.is_raster() && (readable || request.on_unconvertible.is_none()) => {
            match pin(&item.asset) {
                Ok(recipes) => recipes.into_iter().for_each(|recipe| item.add_file(recipe)),
                Err(reason) => return item.fail(reason),
            }
        }
        Fmt::Convert => item.apply_unconvertible_rule(request.on_unconvertible.unwrap_or(OnUnconvertible::Original)),
    }
    item
}

impl DraftItem {
    /// Adds a file. It gets its path and its modifier's warnings when all files of the job are known.
    fn add_file(&mut self, recipe: Option<PinnedRecipe>) {
        self.files.push(DraftFile {
            recipe,
            path: String::new(),
            path_key: String::new(),
            is_numbered: false,
            modifier_warnings: Vec::new(),
        });
    }

    /// Fails the item with all of its files.
    fn fail(mut self, reason: Reason) -> Self {
        self.fail_with(reason);
        self
    }

    /// The same in place.
    pub(super) fn fail_with(&mut self, reason: Reason) {
        self.files.clear();
        (self.state, self.failure) = (ItemState::Failed, Some(reason));
    }

    fn skip(&mut self, reason: Reason) {
        self.state = ItemState::Skipped;
        self.warnings.push(reason);
    }

    fn apply_unconvertible_rule(&mut self, rule: OnUnconvertible) {
        let Reason { code, detail } = explain_unconvertible(&self.asset);
        match rule {
            OnUnconvertible::Original => {
                self.add_file(None);
                self.warnings
                    .push(Reason::new(Code::ExportedAsOriginal, format!("{detail} It is exported as uploaded.")));
            }
            OnUnconvertible::Skip => {
                self.skip(Reason::new(Code::SkippedUnsupported, format!("{detail} It was skipped.")))
            }
            OnUnconvertible::Fail => {
                self.state = ItemState::Failed;
                self.failure = Some(Reason { code, detail });
            }
        }
    }
}

/// Gives every rendered file the warnings about its modifier. The files of an item are in the order of the renditions.
fn assign_modifier_warnings(items: &mut [DraftItem], warnings: &MergedRemarks) {
    for file_and_places in items.iter_mut().flat_map(|item| item.files.iter_mut().zip(&warnings.places)) {
        let (file, places) = file_and_places;
        let own = file.recipe.iter().flat_map(|recipe| recipe.warnings.iter());
        file.modifier_warnings = own.filter_map(|index| places.get(*index).copied()).collect();
    }
}
