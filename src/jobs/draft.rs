//! A draft: the job that an export request would create, or everything that is wrong with the request. Writes nothing.

use std::collections::{BTreeMap, BTreeSet};

use offprint_core::{Code, Digest};
use offprint_modifiers::{Attributes, Macros};

use crate::db::asset::AssetRow;
use crate::db::enums::{Fmt, ItemState, OnUnconvertible};
use crate::db::job::Rendition;
use crate::db::{self, DbConnection, image_preset};
use crate::id::CompanyId;
use crate::jobs::ExportContext;
use crate::jobs::archive_paths;
use crate::jobs::archive_paths::PathAllocator;
use crate::jobs::decode_sharing::share_decode;
use crate::jobs::explain_unconvertible;
use crate::jobs::recipients::check_recipients;
use crate::jobs::references::AssetReferences;
use crate::jobs::remarks::MergedRemarks;
use crate::jobs::remarks::merge_remarks;
use crate::jobs::rendition::list_rendition_specs;
use crate::jobs::rendition_resolver::PinnedRecipe;
use crate::jobs::rendition_resolver::RenditionResolver;
use crate::jobs::request::ExportRequest;
use crate::jobs::request::NewRendition;
use crate::jobs::selection::Selection;
use crate::jobs::selection::select_assets;
use crate::jobs::validation::check_request;
use crate::reason::{Reason, ValidationError};

/// A job before it is inserted.
pub struct Draft {
    pub request: ExportRequest,
    /// The modifier with all macros expanded; none for `orig` and for jobs with renditions.
    pub effective_modifier: Option<String>,
    /// The renditions with their effective modifiers; none when the request has no renditions.
    pub renditions: Option<Vec<Rendition>>,
    /// One item for each asset, in request order.
    pub items: Vec<DraftItem>,
    /// Canonical texts of the recipes of all files, by their SHA-256.
    pub recipes: BTreeMap<Digest, String>,
    /// About the request; they concern no item.
    pub warnings: Vec<Reason>,
    /// About the modifiers, each once; files name theirs by index.
    pub modifier_warnings: Vec<Reason>,
    /// Harmless remarks about the modifiers.
    pub notices: Vec<Reason>,
}

impl Draft {
    /// Bytes of the files whose size is known: the originals that are exported unchanged.
    pub fn original_bytes(&self) -> u64 {
        let waiting = self.items.iter().filter(|item| item.state == ItemState::Waiting);
        let originals = waiting
            .flat_map(|item| item.files.iter().filter(|file| file.recipe.is_none()).filter_map(|_| item.asset.size));
        originals.map(i64::unsigned_abs).sum()
    }

    /// Digests of the other assets that the recipes read.
    pub fn pinned_digests(&self) -> Vec<Digest> {
        let recipes = self.items.iter().flat_map(|item| &item.files).filter_map(|file| file.recipe.as_ref());
        let pins: BTreeSet<&str> = recipes.flat_map(|recipe| recipe.recipe.pins()).collect();
        pins.into_iter().filter_map(|pin| pin.parse().ok()).collect()
    }
}

/// One asset of a draft.
pub struct DraftItem {
    pub asset: AssetRow,
    /// `waiting`, or the end where it is already known: `skipped` or `failed`.
    pub state: ItemState,
    /// Why the item fails, where that is already known.
    pub failure: Option<Reason>,
    /// One file for each rendition, or the original; empty when nothing is exported.
    pub files: Vec<DraftFile>,
    pub warnings: Vec<Reason>,
}

/// A file that an item produces.
pub struct DraftFile {
    /// How it is rendered; none for an original.
    pub recipe: Option<PinnedRecipe>,
    /// Path in the archive.
    pub path: String,
    /// The warnings about its modifier, as indexes in those of the draft.
    pub modifier_warnings: Vec<usize>,
}

/// Why there is no draft.
#[derive(Debug)]
pub enum DraftError {
    /// All mistakes of the request.
    Invalid(Vec<ValidationError>),
    /// A limit of the company is exceeded.
    Rejected(Reason),
    /// The database failed.
    Db(db::DbError),
}

impl From<db::DbError> for DraftError {
    fn from(error: db::DbError) -> Self {
        Self::Db(error)
    }
}

/// Drafts the job of an export request, of at most `max_items` items. Writes nothing.
///
/// # Errors
/// All mistakes of the request at once.
pub async fn prepare_draft(
    connection: &mut DbConnection,
    company: CompanyId,
    request: ExportRequest,
    max_items: usize,
    context: &ExportContext<'_>,
) -> Result<Draft, DraftError> {
    let (mut errors, mut warnings) = check_request(&request, context);
    errors.extend(check_recipients(connection, company, &request, context).await?);
    let selection = select_assets(connection, company, &request, max_items).await?;
    let macros = match request.fmt {
        Fmt::Convert => Macros::from_unordered(image_preset::list_macros(connection, company).await?),
        Fmt::Orig => Macros::default(),
    };
    let attributes = Attributes { keep_rights: request.keep_rights.unwrap_or(true), ..context.attributes.clone() };
    let mut modifiers: Vec<RenditionResolver<'_>> = match request.fmt {
        Fmt::Convert => list_rendition_specs(&request)
            .into_iter()
            .map(|rendition| RenditionResolver::new(rendition, &request, &macros, &attributes))
            .collect(),
        Fmt::Orig => Vec::new(),
    };
    let effective_modifiers: Vec<Option<String>> = modifiers.iter_mut().map(RenditionResolver::expand_macros).collect();
    modifiers.iter_mut().for_each(RenditionResolver::check);
    let Selection { assets, errors: selection_errors, warnings: selection_warnings } = selection;
    errors.extend(selection_errors);
    warnings.extend(selection_warnings);

    let images = assets.iter().filter(|(_, asset)| asset.kind.is_raster());
    let images = images.map(|(pointer, asset)| (pointer.as_str(), asset));
    let mut references = AssetReferences::default();
    loop {
        modifiers.iter_mut().for_each(|modifier| modifier.resolve_for_assets(images.clone()));
        let names = modifiers.iter().flat_map(RenditionResolver::referenced_names).collect();
        // A referenced asset has modifiers of its own, which may reference further assets: repeat until there is no new name.
        if !references.find_missing(connection, company, names).await? {
            break;
        }
        let asset_modifiers = references.asset_modifiers();
        modifiers.iter_mut().for_each(|modifier| modifier.set_asset_modifiers(asset_modifiers.clone()));
    }
    let mut items: Vec<DraftItem> = Vec::with_capacity(assets.len());
    for (pointer, asset) in assets {
        items.push(draft_item(&request, &mut modifiers, &references, context, &pointer, asset));
    }
    if !items.is_empty() && items.iter().all(|item| item.state == ItemState::Skipped) {
        let detail = "All assets would be skipped, so there is nothing to export.";
        // A schedule may find others when it runs.
        match request.exec_schedule {
            Some(_) => warnings.push(Reason::new(Code::NothingToExport, detail)),
            None => errors.push(ValidationError::new("/assetHandleArray", Code::NothingToExport, detail)),
        }
    }
    let mut recipes = BTreeMap::new();
    let (mut warning_lists, mut notice_lists) = (Vec::new(), Vec::new());
    for mut modifier in modifiers {
        modifier.add_remarks_without_assets();
        let name = modifier.rendition.rendition.map(|rendition| rendition.name.as_str());
        warning_lists.push((name, modifier.warnings));
        notice_lists.push((name, modifier.notices));
        // An error in an asset's own modifiers is found once for each rendition, and reported once.
        let new_errors: Vec<_> = modifier.errors.into_iter().filter(|error| !errors.contains(error)).collect();
        errors.extend(new_errors);
        recipes.extend(modifier.recipes);
    }
    if !errors.is_empty() {
        return Err(DraftError::Invalid(errors));
    }
    let modifier_warnings = merge_remarks(warning_lists);
    let notices = merge_remarks(notice_lists).reasons;
    assign_modifier_warnings(&mut items, &modifier_warnings);
    let modifier_warnings = modifier_warnings.reasons;
    assign_paths(&request, &mut items);
    let mut effective = effective_modifiers.into_iter();
    let renditions = request.renditions.as_ref().map(|renditions| {
        renditions
            .iter()
            .zip(effective.by_ref())
            .filter_map(|(rendition, effective)| Some(freeze_rendition(rendition, effective?)))
            .collect()
    });
    let effective_modifier = effective.next().flatten();
    Ok(Draft { effective_modifier, renditions, items, recipes, warnings, modifier_warnings, notices, request })
}

/// A rendition as it is stored with the job.
fn freeze_rendition(rendition: &NewRendition, effective_modifier: String) -> Rendition {
    Rendition {
        name: rendition.name.clone(),
        is_modifier: rendition.is_modifier.clone(),
        r#macro: rendition.r#macro.clone(),
        suffix: rendition.suffix().to_owned(),
        effective_modifier,
    }
}

/// Drafts the item of one asset: its files, or why there are none.
fn draft_item(
    request: &ExportRequest,
    modifiers: &mut [RenditionResolver<'_>],
    references: &AssetReferences,
    context: &ExportContext<'_>,
    pointer: &str,
    asset: AssetRow,
) -> DraftItem {
    let mut item =
        DraftItem { asset, state: ItemState::Waiting, failure: None, files: Vec::new(), warnings: Vec::new() };
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
            let resolved: Result<Vec<_>, Reason> =
                modifiers.iter_mut().map(|modifier| modifier.pin_for_asset(pointer, &item.asset, references)).collect();
            let mut recipes = match resolved {
                Ok(recipes) => recipes,
                Err(reason) => return item.fail(reason),
            };
            share_decode(&mut recipes, modifiers, &item.asset, context);
            recipes.into_iter().for_each(|recipe| item.add_file(recipe));
        }
        Fmt::Convert => item.apply_unconvertible_rule(request.on_unconvertible.unwrap_or(OnUnconvertible::Original)),
    }
    item
}

impl DraftItem {
    /// Adds a file. It gets its path and its modifier's warnings when all files of the job are known.
    fn add_file(&mut self, recipe: Option<PinnedRecipe>) {
        self.files.push(DraftFile { recipe, path: String::new(), modifier_warnings: Vec::new() });
    }

    /// Fails the item with all of its files.
    fn fail(mut self, reason: Reason) -> Self {
        self.files.clear();
        (self.state, self.failure) = (ItemState::Failed, Some(reason));
        self
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
        let own = file.recipe.iter().flat_map(|recipe| &recipe.warnings);
        file.modifier_warnings = own.filter_map(|index| places.get(*index).copied()).collect();
    }
}

/// Gives every file its path in the archive.
fn assign_paths(request: &ExportRequest, items: &mut [DraftItem]) {
    let folders: Vec<String> =
        items.iter().filter(|item| !item.files.is_empty()).map(|item| item.asset.folder.clone()).collect();
    let mut names = PathAllocator::new(request.layout.unwrap_or_default(), folders.iter().map(String::as_str));
    let renditions = request.renditions.as_deref().unwrap_or_default();
    for DraftItem { asset, files, .. } in items {
        for (number, file) in files.iter_mut().enumerate() {
            let format = file.recipe.as_ref().map(|recipe| recipe.format);
            // An original is not a rendition and gets no suffix.
            let suffix = format.and_then(|_| renditions.get(number)).map(NewRendition::suffix);
            let file_name = archive_paths::build_output_name(
                asset.file_name.as_deref().unwrap_or(&asset.name),
                suffix,
                format.map(|format| format.extension()),
            );
            file.path = names.allocate(&asset.folder, &file_name);
        }
    }
}
