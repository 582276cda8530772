//! Checks the downloaded files independently of the service: another library reads the zip.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::Path;

use image::ImageReader;
use offprint_core::{Code, Digest};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use zip::ZipArchive;

use super::to_demo_error;
use crate::cli::CliError;

/// A file as the service lists it.
#[derive(Deserialize)]
pub struct ListedFile {
    pub path: String,
    pub size: Option<u64>,
    pub mime: Option<String>,
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub sha256: Option<Digest>,
}

/// The checks so far, and those that failed.
#[derive(Default)]
pub struct CheckList {
    count: usize,
    failed: Vec<String>,
}

impl CheckList {
    /// Records and prints the result of one check. `what` is the statement that should be true.
    pub fn expect(&mut self, is_true: bool, what: &str) {
        self.count += 1;
        if is_true {
            println!("  ok      {what}");
        } else {
            println!("  FAILED  {what}");
            self.failed.push(what.to_owned());
        }
    }

    pub fn count(&self) -> usize {
        self.count
    }

    /// An error when a check failed.
    pub fn to_result(&self) -> Result<(), CliError> {
        if self.failed.is_empty() {
            return Ok(());
        }
        let detail = format!("{} of {} checks failed: {}.", self.failed.len(), self.count, self.failed.join("; "));
        Err(CliError::new(Code::Internal, detail))
    }

    /// Checks the bytes of a file against the service's list: size, SHA-256, and for images format and dimensions.
    pub fn expect_file(&mut self, bytes: &[u8], listed: &ListedFile, what: &str) {
        let mismatches = find_mismatches(bytes, listed);
        let statement = format!("{what} is as the service lists it{}", format_reasons(&mismatches));
        self.expect(mismatches.is_empty(), &statement);
    }
}

fn format_reasons(mismatches: &[String]) -> String {
    if mismatches.is_empty() { String::new() } else { format!(" ({})", mismatches.join(", ")) }
}

fn find_mismatches(bytes: &[u8], listed: &ListedFile) -> Vec<String> {
    let mut wrong = Vec::new();
    if listed.size != Some(bytes.len() as u64) {
        wrong.push(format!("{} has {} bytes instead of {:?}", listed.path, bytes.len(), listed.size));
    }
    if listed.sha256.is_some_and(|sha256| sha256 != Digest::compute(bytes)) {
        wrong.push(format!("the SHA-256 of {} differs", listed.path));
    }
    let (Some(width), Some(height)) = (listed.width, listed.height) else { return wrong };
    match ImageReader::new(Cursor::new(bytes)).with_guessed_format() {
        Ok(reader) => {
            let format = reader.format().map(|format| format.to_mime_type());
            if format != listed.mime.as_deref() {
                wrong.push(format!("{} is {format:?} instead of {:?}", listed.path, listed.mime));
            }
            match reader.into_dimensions() {
                Ok(size) if size == (width, height) => {}
                size => wrong.push(format!("{} has {size:?} pixels instead of {width} x {height}", listed.path)),
            }
        }
        Err(error) => wrong.push(format!("{}: {error}", listed.path)),
    }
    wrong
}

/// Checks each file of a zip against the list, and that the zip contains these files, the manifests and nothing else.
/// Reading a file to its end compares its CRC.
pub fn check_zip(path: &Path, listed: &[ListedFile], checks: &mut CheckList) -> Result<(), CliError> {
    let mut missing: BTreeMap<&str, &ListedFile> = listed.iter().map(|file| (file.path.as_str(), file)).collect();
    let (mut wrong, mut others) = (Vec::new(), Vec::new());
    for_each_entry(path, |name, bytes| match missing.remove(name.as_str()) {
        Some(file) => wrong.extend(find_mismatches(&bytes, file)),
        None => others.push(name),
    })?;
    let what = format!(
        "size, CRC, format and dimensions of all {} files in the zip are right{}",
        listed.len(),
        format_reasons(&wrong)
    );
    checks.expect(wrong.is_empty() && !listed.is_empty(), &what);
    checks.expect(missing.is_empty(), "no file is missing in the zip");
    others.sort();
    checks.expect(others == ["manifest.csv", "manifest.json"], "the zip also contains the manifest, as JSON and CSV");
    Ok(())
}

/// Checks that a zip has every one of these files, byte for byte.
pub fn check_originals(path: &Path, originals: &BTreeSet<Digest>, checks: &mut CheckList) -> Result<(), CliError> {
    let mut found = BTreeSet::new();
    for_each_entry(path, |_, bytes| {
        found.insert(Digest::compute(&bytes));
    })?;
    let missing = originals.difference(&found).count();
    let what = format!("the zip of originals contains all {} files, byte for byte", originals.len());
    checks.expect(missing == 0, &what);
    Ok(())
}

fn for_each_entry(path: &Path, mut visit: impl FnMut(String, Vec<u8>)) -> Result<(), CliError> {
    let to_error = |error: &dyn std::fmt::Display| to_demo_error(&format!("read {}", path.display()), error);
    let file = File::open(path).map_err(|error| to_error(&error))?;
    let mut zip = ZipArchive::new(io::BufReader::new(file)).map_err(|error| to_error(&error))?;
    for number in 0..zip.len() {
        let mut entry = zip.by_index(number).map_err(|error| to_error(&error))?;
        let name = entry.name().map_err(|error| to_error(&error))?.into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(|error| to_error(&error))?;
        visit(name, bytes);
    }
    Ok(())
}

/// SHA-256 and size of a file that may be larger than memory.
pub fn hash_file(path: &Path) -> Result<(Digest, u64), CliError> {
    let mut hash = Sha256::new();
    let copied = File::open(path).and_then(|mut file| io::copy(&mut file, &mut HashWriter(&mut hash)));
    let size = copied.map_err(|error| to_demo_error(&format!("read {}", path.display()), error))?;
    Ok((Digest(hash.finalize().into()), size))
}

struct HashWriter<'a>(&'a mut Sha256);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
