//! Names the files of a job: by name template, or by the name of the original, then each once.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use offprint_core::Code;
use offprint_core::name::fold_path;
use offprint_modifiers::WorkBudget;

use crate::db::enums::Layout;
use crate::jobs::RecipeContext;
use crate::jobs::archive_paths::{self, PathAllocator};
use crate::jobs::draft::{DraftFile, DraftItem};
use crate::jobs::explain::plan_from_header;
use crate::jobs::name_template::{NameTemplate, NameValues, TemplateError};
use crate::jobs::read_asset_header;
use crate::jobs::request::{ExportRequest, RenditionRequest};
use crate::jobs::schedule::{DEFAULT_TIME_ZONE, parse_time_zone};
use crate::reason::{Reason, ValidationError};

/// Units of work to plan the size of one file.
const SIZE_UNITS: u64 = 100;

/// What stands for the name of the rendition where an original is exported instead.
const ORIGINAL: &str = "original";

/// What is wrong with the templates of a request.
pub fn check_name_templates(request: &ExportRequest) -> Vec<ValidationError> {
    let own = request.name_template.as_deref().map(|text| ("/nameTemplate".to_owned(), text));
    let renditions = request.renditions.iter().flatten().enumerate().filter_map(|(index, rendition)| {
        Some((format!("/renditions/{index}/nameTemplate"), rendition.name_template.as_deref()?))
    });
    let assets =
        request.assets.iter().flatten().enumerate().filter_map(|(index, asset)| {
            Some((format!("/assets/{index}/nameTemplate"), asset.name_template.as_deref()?))
        });
    own.into_iter().chain(renditions).chain(assets).flat_map(|(at, text)| check_template(request, &at, text)).collect()
}

fn check_template(request: &ExportRequest, pointer: &str, text: &str) -> Vec<ValidationError> {
    let template = match NameTemplate::parse(text) {
        Ok(template) => template,
        Err(errors) => {
            let to_error = |error: TemplateError| ValidationError {
                offset: Some(error.offset),
                ..ValidationError::new(
                    pointer,
                    Code::InvalidValue,
                    format!("At byte {} of the name template: {}", error.offset, error.detail),
                )
            };
            return errors.into_iter().map(to_error).collect();
        }
    };
    let mut mistakes = Vec::new();
    if template.uses_rendition() && request.renditions.is_none() {
        let detail = "`{rendition}` needs `renditions`, and the request has none. Send `renditions`, or remove it.";
        mistakes.push(ValidationError::new(pointer, Code::ConflictingParameters, detail));
    }
    if template.uses_folder() && request.layout == Some(Layout::Folders) {
        let detail = "`layout: folders` puts the files into the folders of their assets already. Omit `layout`, or remove \
                      `{folder}`.";
        mistakes.push(ValidationError::new(pointer, Code::ConflictingParameters, detail));
    }
    mistakes
}

/// Gives every file its path in the archive. An item whose files get no name fails.
///
/// # Errors
/// The budget is exhausted.
pub(super) fn assign_paths(
    request: &ExportRequest,
    items: &mut [DraftItem],
    recipes: &RecipeContext,
    budget: &WorkBudget,
) -> Result<(), ()> {
    let mut namer = FileNamer::new(request, recipes);
    let mut wanted: Vec<Vec<(String, String)>> = Vec::with_capacity(items.len());
    for (index, item) in items.iter_mut().enumerate() {
        let names: Result<Vec<_>, Reason> = (item.files.iter().enumerate())
            .map(|(number, file)| namer.name_file(item, number, file, index + 1, budget))
            .collect();
        if budget.is_exhausted() {
            return Err(());
        }
        wanted.push(names.unwrap_or_else(|reason| {
            item.fail_with(reason);
            Vec::new()
        }));
    }
    let mut paths = PathAllocator::new(wanted.iter().flatten().map(|(folder, _)| folder.as_str()));
    for (item, names) in items.iter_mut().zip(&wanted) {
        for (file, (folder, name)) in item.files.iter_mut().zip(names) {
            file.path = paths.allocate(folder, name);
            file.path_key = fold_path(&file.path);
            file.is_numbered = !file.path.ends_with(name.as_str());
        }
    }
    Ok(())
}

/// A template whose mistakes were reported by [`check_name_templates`].
fn parse_valid(text: &str) -> Option<Arc<NameTemplate>> {
    NameTemplate::parse(text).ok().map(Arc::new)
}

/// Names single files, without looking at others.
struct FileNamer<'a> {
    layout: Layout,
    renditions: &'a [RenditionRequest],
    template: Option<Arc<NameTemplate>>,
    /// One for each rendition.
    rendition_templates: Vec<Option<Arc<NameTemplate>>>,
    /// Those of single assets, by their text.
    asset_templates: HashMap<String, Option<Arc<NameTemplate>>>,
    date: DateTime<Tz>,
    recipes: &'a RecipeContext,
}

impl<'a> FileNamer<'a> {
    fn new(request: &'a ExportRequest, recipes: &'a RecipeContext) -> Self {
        let parse = |text: Option<&str>| text.and_then(parse_valid);
        let zone = parse_time_zone(request.time_zone.as_deref().unwrap_or(DEFAULT_TIME_ZONE)).unwrap_or(Tz::UTC);
        let renditions = request.renditions.as_deref().unwrap_or_default();
        Self {
            layout: request.layout.unwrap_or_default(),
            renditions,
            template: parse(request.name_template.as_deref()),
            rendition_templates: renditions.iter().map(|rendition| parse(rendition.name_template.as_deref())).collect(),
            asset_templates: HashMap::new(),
            date: Utc::now().with_timezone(&zone),
            recipes,
        }
    }

    /// The folder in the archive and the name that a file should have.
    fn name_file(
        &mut self,
        item: &DraftItem,
        number: usize,
        file: &DraftFile,
        position: usize,
        budget: &WorkBudget,
    ) -> Result<(String, String), Reason> {
        let asset = &item.asset;
        let source_name = asset.file_name.as_deref().unwrap_or(&asset.name);
        // An original is not a rendition and gets no suffix.
        let rendition = file.recipe.as_ref().and_then(|_| self.renditions.get(number));
        let format_extension = file.recipe.as_ref().map(|recipe| recipe.format.extension());
        let path = match self.find_template(item, rendition.map(|_| number)) {
            None => {
                archive_paths::build_output_name(source_name, rendition.map(RenditionRequest::suffix), format_extension)
            }
            Some(template) => {
                let (stem, own_extension) = archive_paths::split_extension(source_name);
                let size = if template.uses_size() { self.find_size(item, file, budget)? } else { None };
                let handle = asset.asset_id.to_string();
                let rendition_name = rendition.map(|rendition| rendition.name.as_str());
                template
                    .fill(&NameValues {
                        name: &asset.name,
                        file_name: stem,
                        folder: &asset.folder,
                        rendition: rendition_name.or(Some(ORIGINAL)),
                        size,
                        number: position,
                        date: self.date,
                        asset_handle: &handle,
                        metadata: &asset.metadata.0.0,
                        extension: format_extension.unwrap_or(own_extension),
                    })
                    .map_err(|detail| Reason::new(Code::InvalidValue, detail))?
            }
        };
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
        let folder = match self.layout {
            Layout::Folders if folder.is_empty() => asset.folder.clone(),
            Layout::Folders if !asset.folder.is_empty() => format!("{}/{folder}", asset.folder),
            _ => folder.to_owned(),
        };
        Ok((folder, name.to_owned()))
    }

    /// The template of the asset, else of the rendition, else of the request.
    fn find_template(&mut self, item: &DraftItem, rendition: Option<usize>) -> Option<Arc<NameTemplate>> {
        if let Some(text) = &item.texts.name_template {
            return self.asset_templates.entry(text.clone()).or_insert_with_key(|text| parse_valid(text)).clone();
        }
        let own = rendition.and_then(|rendition| self.rendition_templates.get(rendition)?.as_ref());
        own.or(self.template.as_ref()).cloned()
    }

    /// Width and height of the file: those of the plan, or of the original.
    fn find_size(&self, item: &DraftItem, file: &DraftFile, budget: &WorkBudget) -> Result<Option<(u32, u32)>, Reason> {
        let Some(header) = read_asset_header(&item.asset) else { return Ok(None) };
        let Some(recipe) = &file.recipe else { return Ok(Some((header.width, header.height))) };
        budget.spend(SIZE_UNITS);
        let plan = plan_from_header(&recipe.recipe, &header, &recipe.reference_headers, self.recipes)?;
        Ok(Some((plan.width, plan.height)))
    }
}
