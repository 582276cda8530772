//! The files that pictures are made of: the source itself, and other assets that recipes name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::failure::Failure;
use super::header::{Header, probe};
use offprint_core::Code;
use offprint_modifiers::Object;

/// Headers of other assets, by the SHA-256 that recipes pin.
pub type Headers = BTreeMap<String, Header>;

/// Where the files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The source.
    pub source: PathBuf,
    /// Other assets, by the SHA-256 that recipes pin.
    pub objects: BTreeMap<String, PathBuf>,
}

impl Files {
    /// A source and nothing beside it.
    pub fn only(source: impl Into<PathBuf>) -> Self {
        Self { source: source.into(), objects: BTreeMap::new() }
    }

    /// The headers of the other assets, of those that can be read.
    pub fn headers(&self) -> Headers {
        self.objects.iter().filter_map(|(pin, path)| Some((pin.clone(), probe(path).ok()?))).collect()
    }

    /// The file of another asset, or the source.
    pub(super) fn path(&self, object: Option<&str>) -> Result<&Path, Failure> {
        let Some(pin) = object else { return Ok(&self.source) };
        self.objects.get(pin).map(PathBuf::as_path).ok_or_else(missing)
    }
}

/// The pin and the header of another asset.
pub(super) fn find<'a>(object: &'a Object, headers: &'a Headers) -> Result<(&'a str, &'a Header), Failure> {
    match object {
        Object::Pinned(pin) => {
            headers.get_key_value(pin).map(|(pin, header)| (pin.as_str(), header)).ok_or_else(missing)
        }
        Object::Named(name) => Err(Failure::new(Code::SourceMissing, format!("There is no asset {name}."))),
        Object::Request(_) => Err(Failure::new(Code::Internal, "A request inside of the request is no file.")),
    }
}

fn missing() -> Failure {
    let detail = "Another asset that the modifier names is not there, or is no picture that can be read.";
    Failure::new(Code::SourceMissing, detail)
}
