//! The files that an image is made of: the source itself, and other assets that the recipe names.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use offprint_core::Code;
use offprint_modifiers::AssetReference;

use super::error::RenderError;
use super::header::{ImageHeader, read_header_for_render};

/// Headers of other assets, by the SHA-256 of their files, which recipes pin.
pub type ObjectHeaders = BTreeMap<String, ImageHeader>;

/// A file to read: its path, or the open file, where the process that reads it may open none.
#[derive(Clone, Debug)]
pub enum SourceFile {
    Path(PathBuf),
    Open(Arc<File>),
}

impl SourceFile {
    /// Opens the file, unless it is open already.
    ///
    /// # Errors
    /// Those of opening it; none for an open file.
    pub fn open(&self) -> io::Result<Arc<File>> {
        match self {
            Self::Path(path) => File::open(path).map(Arc::new),
            Self::Open(file) => Ok(file.clone()),
        }
    }

    /// Opens the file and reads it from its beginning, whoever else reads it.
    pub(super) fn read(&self) -> io::Result<SourceReader> {
        SourceReader::new(self.open()?)
    }
}

impl From<PathBuf> for SourceFile {
    fn from(path: PathBuf) -> Self {
        Self::Path(path)
    }
}

impl From<&PathBuf> for SourceFile {
    fn from(path: &PathBuf) -> Self {
        Self::Path(path.clone())
    }
}

impl From<&Path> for SourceFile {
    fn from(path: &Path) -> Self {
        Self::Path(path.to_owned())
    }
}

impl From<File> for SourceFile {
    fn from(file: File) -> Self {
        Self::Open(Arc::new(file))
    }
}

/// Reads a file at a position of its own. An open file is read several times, also on several threads: header, pixels,
/// the same asset as a mask; its own position is never used.
#[derive(Clone, Debug)]
pub(super) struct SourceReader {
    file: Arc<File>,
    length: u64,
    position: u64,
}

impl SourceReader {
    fn new(file: Arc<File>) -> io::Result<Self> {
        // Not its metadata: a render process may not ask for it, because that call also takes paths.
        let length = (&*file).seek(SeekFrom::End(0))?;
        Ok(Self { file, length, position: 0 })
    }

    /// Fills the buffer from this offset.
    pub(super) fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }
}

impl Read for SourceReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for SourceReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(distance) => self.position.checked_add_signed(distance),
            SeekFrom::End(distance) => self.length.checked_add_signed(distance),
        };
        // The system's own limit of offsets, and its error.
        let target = target.filter(|target| i64::try_from(*target).is_ok());
        self.position = target.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

/// The files of an image.
#[derive(Clone, Debug)]
pub struct SourceFiles {
    pub source: SourceFile,
    /// Other assets, by the SHA-256 of their files.
    pub objects: BTreeMap<String, SourceFile>,
}

impl SourceFiles {
    /// A source without other assets.
    pub fn from_source(source: impl Into<SourceFile>) -> Self {
        Self { source: source.into(), objects: BTreeMap::new() }
    }

    /// The headers of the other assets. Those that cannot be read are left out: planning then fails for the recipes
    /// that need them, and only for those. Calls C code: only in a render process.
    pub fn read_headers(&self) -> ObjectHeaders {
        self.objects.iter().filter_map(|(pin, file)| Some((pin.clone(), read_header_for_render(file).ok()?))).collect()
    }

    /// The file with this SHA-256, or the source.
    ///
    /// # Errors
    /// `source-missing` when there is no such file.
    pub(super) fn find_file(&self, object: Option<&str>) -> Result<&SourceFile, RenderError> {
        let Some(pin) = object else { return Ok(&self.source) };
        self.objects.get(pin).ok_or_else(source_missing_error)
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
