//! The files that an image is made of: the source itself, and other assets that the recipe names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use offprint_core::Code;
use offprint_modifiers::AssetReference;

use super::error::RenderError;
use super::header::{ImageHeader, read_header_for_render};

/// Headers of other assets, by the SHA-256 of their files, which recipes pin.
pub type ObjectHeaders = BTreeMap<String, ImageHeader>;

/// Where the files are on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFiles {
    pub source: PathBuf,
    /// Other assets, by the SHA-256 of their files.
    pub objects: BTreeMap<String, PathBuf>,
}

impl SourceFiles {
    /// A source without other assets.
    pub fn from_source(source: impl Into<PathBuf>) -> Self {
        Self { source: source.into(), objects: BTreeMap::new() }
    }

    /// The headers of the other assets. Those that cannot be read are left out: planning then fails for the recipes
    /// that need them, and only for those. Calls C code: only in a render process.
    pub fn read_headers(&self) -> ObjectHeaders {
        self.objects.iter().filter_map(|(pin, path)| Some((pin.clone(), read_header_for_render(path).ok()?))).collect()
    }

    /// The file with this SHA-256, or the source.
    ///
    /// # Errors
    /// `source-missing` when there is no such file.
    pub(super) fn path(&self, object: Option<&str>) -> Result<&Path, RenderError> {
        let Some(pin) = object else { return Ok(&self.source) };
        self.objects.get(pin).map(PathBuf::as_path).ok_or_else(source_missing_error)
    }
}

/// The SHA-256 and the header of another asset.
pub(super) fn find_header<'a>(
    object: &AssetReference,
    headers: &'a ObjectHeaders,
) -> Result<(&'a str, &'a ImageHeader), RenderError> {
    match object {
        AssetReference::Pinned(pin) => {
            headers.get_key_value(pin).map(|(pin, header)| (pin.as_str(), header)).ok_or_else(source_missing_error)
        }
        AssetReference::Named(name) => Err(RenderError::new(Code::SourceMissing, format!("There is no asset {name}."))),
        AssetReference::Request(_) => Err(RenderError::new(Code::Internal, "A nested request is not a file.")),
    }
}

fn source_missing_error() -> RenderError {
    let detail = "An asset that the modifier names is missing or is not a readable image.";
    RenderError::new(Code::SourceMissing, detail)
}
