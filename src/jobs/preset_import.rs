//! Imports what the files of an Image Serving catalog have into a company: macros as image presets, records as the modifiers
//! of assets. The HTTP operation and the admin command are two ways to it.

use std::collections::HashMap;

use offprint_core::Code;
use offprint_modifiers::{Attributes, Macros};
use serde::Serialize;
use utoipa::ToSchema;

use crate::db::asset::{self, AssetChange};
use crate::db::{self, DbConnection, asset_list, image_preset};
use crate::id::{AssetId, CompanyId};
use crate::jobs::catalog::{self, PresetImport};
use crate::jobs::catalog_files::{CatalogContent, CatalogRecord};
use crate::jobs::rendition_resolver::to_reason;
use crate::reason::Reason;

/// What became of the files.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CatalogImport {
    /// Whether nothing was saved because the request said so.
    pub dry_run: bool,
    /// Number of presets and templates that were saved, or would be.
    pub imported: usize,
    /// Number of those that lose something here; `loses` says what.
    pub with_losses: usize,
    /// Number of presets and templates that cannot be imported; `mistakes` says why.
    pub refused: usize,
    /// One result for each macro of a macro file and each preset of AEM.
    pub presets: Vec<PresetImport>,
    /// One result for each record of a catalog.
    pub templates: Vec<TemplateImport>,
}

/// The result of importing a record of a catalog: the modifiers of an asset, such as a template.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TemplateImport {
    /// Name of the asset, as in the record.
    pub asset: String,
    /// Handle of the asset; null when there is none.
    pub asset_handle: Option<AssetId>,
    /// Line of the file, from 1.
    pub line: usize,
    /// What the record loses here.
    pub loses: Vec<Reason>,
    /// Why it cannot be imported; empty when it can.
    pub mistakes: Vec<Reason>,
}

/// What records are checked with.
pub struct TemplateContext<'a> {
    pub attributes: &'a Attributes,
    /// Names of presets and their modifiers, those of the import included.
    pub presets: Vec<(String, String)>,
}

impl CatalogImport {
    /// The report of an import.
    pub fn new(dry_run: bool, presets: Vec<PresetImport>, templates: Vec<TemplateImport>) -> Self {
        let results = || {
            let presets = presets.iter().map(|preset| (preset.loses.is_empty(), preset.mistakes.is_empty()));
            presets.chain(templates.iter().map(|template| (template.loses.is_empty(), template.mistakes.is_empty())))
        };
        Self {
            dry_run,
            imported: results().filter(|(_, is_imported)| *is_imported).count(),
            with_losses: results().filter(|(is_whole, is_imported)| !is_whole && *is_imported).count(),
            refused: results().filter(|(_, is_imported)| !is_imported).count(),
            presets,
            templates,
        }
    }
}

/// The presets of a company that are there, as names and modifiers.
pub async fn list_present_presets(
    connection: &mut DbConnection,
    company: CompanyId,
) -> Result<Vec<(String, String)>, db::DbError> {
    let presets = image_preset::list_macros(connection, company).await?;
    Ok(presets.into_iter().map(|preset| (preset.name, preset.url_modifier)).collect())
}

/// Checks the macros of the files as presets. Takes processor time.
pub fn check_presets(
    content: &CatalogContent,
    present: &[(String, String)],
    attributes: &Attributes,
) -> Vec<PresetImport> {
    catalog::check_preset_imports(&content.macros, present, &content.attributes, attributes)
}

/// The presets as they are after the import: those that are there, and those that can be imported.
pub fn merge_presets(
    content: &CatalogContent,
    imports: &[PresetImport],
    present: Vec<(String, String)>,
) -> Vec<(String, String)> {
    let mut merged = present;
    for (definition, _) in (content.macros.iter().zip(imports)).filter(|(_, import)| import.mistakes.is_empty()) {
        merged.retain(|(name, _)| !name.eq_ignore_ascii_case(&definition.name));
        merged.push((definition.name.clone(), definition.text.clone()));
    }
    merged
}

/// Saves the presets that can be imported. The company's presets must be locked.
pub async fn save_presets(
    connection: &mut DbConnection,
    company: CompanyId,
    content: &CatalogContent,
    imports: &[PresetImport],
) -> Result<(), db::DbError> {
    for (definition, import) in content.macros.iter().zip(imports) {
        if import.mistakes.is_empty() {
            let (name, text) = (&definition.name, &definition.text);
            image_preset::save_image_preset(connection, company, name, text, None, None).await?;
        }
    }
    Ok(())
}

/// Checks the modifiers of records. Takes processor time.
pub fn check_records(records: &[CatalogRecord], context: &TemplateContext<'_>) -> Vec<TemplateImport> {
    let macros = Macros::from_unordered(context.presets.clone());
    records.iter().map(|record| check_record(record, &macros, context.attributes)).collect()
}

fn check_record(record: &CatalogRecord, macros: &Macros, attributes: &Attributes) -> TemplateImport {
    let (mut loses, mut mistakes) = (Vec::new(), Vec::new());
    if record.id.is_empty() {
        mistakes.push(Reason::new(Code::MissingParameter, "The record has no Id, which names its asset."));
    }
    for (column, text) in [("Modifier", &record.modifier), ("PostModifier", &record.post_modifier)] {
        if text.len() > catalog::MAX_PRESET_BYTES {
            let detail = format!("{column} is longer than {} bytes.", catalog::MAX_PRESET_BYTES);
            mistakes.push(Reason::new(Code::InvalidValue, detail));
        } else if !text.is_empty() {
            match catalog::resolve_preset(text, macros, attributes) {
                Ok(resolved) => loses.extend(resolved.warnings.iter().chain(&resolved.notices).map(to_reason)),
                Err(diagnostics) => mistakes.extend(diagnostics.iter().map(to_reason)),
            }
        }
    }
    for column in &record.other_columns {
        let detail = format!("The column {column} is not imported. Set it with PATCH /assets.");
        loses.push(Reason::new(Code::IgnoredCommand, detail));
    }
    TemplateImport { asset: record.id.clone(), asset_handle: None, line: record.line, loses, mistakes }
}

/// Finds the assets of the records, and saves what can be imported unless `dry_run` is set.
pub async fn save_records(
    connection: &mut DbConnection,
    company: CompanyId,
    root_ids: &[String],
    records: &[CatalogRecord],
    imports: &mut [TemplateImport],
    dry_run: bool,
) -> Result<(), db::DbError> {
    let names: Vec<String> = records.iter().map(|record| record.id.clone()).filter(|id| !id.is_empty()).collect();
    if names.is_empty() {
        return Ok(());
    }
    let found = asset_list::find_assets_by_name(connection, company, root_ids, &names).await?;
    let found: HashMap<String, _> = found.into_iter().map(|found| (found.wanted.clone(), found)).collect();
    let mut changes: Vec<(AssetId, AssetChange)> = Vec::new();
    for (record, import) in records.iter().zip(imports) {
        match found.get(&record.id) {
            Some(found) if found.count > 1 => import.mistakes.push(Reason::new(
                Code::InvalidValue,
                format!("{} assets are named {}. Write folder/name as Id.", found.count, record.id),
            )),
            Some(found) => import.asset_handle = Some(found.asset.asset_id),
            None if record.id.is_empty() => {}
            None => import.mistakes.push(Reason::new(
                Code::AssetNotFound,
                format!(
                    "There is no asset {}. Upload its image, and import the record again. Of a template only the modifier is \
                     used, so any small image will do.",
                    record.id
                ),
            )),
        }
        if let (Some(handle), true) = (import.asset_handle, import.mistakes.is_empty()) {
            // The last record of an asset counts, as in a catalog.
            changes.retain(|(other, _)| *other != handle);
            let text = |text: &String| Some(text.clone());
            let (url_modifier, url_post_apply_modifier) = (text(&record.modifier), text(&record.post_modifier));
            changes.push((handle, AssetChange { url_modifier, url_post_apply_modifier, ..AssetChange::default() }));
        }
    }
    if dry_run || changes.is_empty() {
        return Ok(());
    }
    asset::update_assets(connection, company, &changes).await
}
