//! Looks at what came back, with eyes that are not the service's: the zip is read by another library.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::Path;

use image::ImageReader;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use zip::ZipArchive;

use super::failed;
use crate::cli::Refusal;
use crate::code::Code;
use crate::digest::Digest;

/// A file as the service lists it.
#[derive(Deserialize)]
pub struct Listed {
    pub path: String,
    pub size: Option<u64>,
    pub mime: Option<String>,
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub sha256: Option<Digest>,
}

/// What was checked so far.
#[derive(Default)]
pub struct Checks {
    count: usize,
    wrong: Vec<String>,
}

impl Checks {
    /// Says how one check went.
    pub fn expect(&mut self, fine: bool, what: &str) {
        self.count += 1;
        if fine {
            println!("  ok     {what}");
        } else {
            println!("  WRONG  {what}: no");
            self.wrong.push(what.to_owned());
        }
    }

    /// How many checks there were.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Fails when one of them did.
    pub fn verdict(&self) -> Result<(), Refusal> {
        if self.wrong.is_empty() {
            return Ok(());
        }
        let detail = format!("{} of {} checks failed: {}.", self.wrong.len(), self.count, self.wrong.join("; "));
        Err(Refusal::new(Code::Internal, detail))
    }

    /// Whether bytes are what the service says of a file: length, hash, format and, for pictures, pixels.
    pub fn picture(&mut self, bytes: &[u8], listed: &Listed, what: &str) {
        let wrong = mistakes(bytes, listed);
        self.expect(wrong.is_empty(), &format!("{what} is what the service says{}", because(&wrong)));
    }
}

fn because(wrong: &[String]) -> String {
    if wrong.is_empty() { String::new() } else { format!(" ({})", wrong.join(", ")) }
}

fn mistakes(bytes: &[u8], listed: &Listed) -> Vec<String> {
    let mut wrong = Vec::new();
    if listed.size != Some(bytes.len() as u64) {
        wrong.push(format!("{} has {} bytes and not {:?}", listed.path, bytes.len(), listed.size));
    }
    if listed.sha256.is_some_and(|said| said != Digest::of(bytes)) {
        wrong.push(format!("{} has another SHA-256", listed.path));
    }
    let (Some(width), Some(height)) = (listed.width, listed.height) else { return wrong };
    match ImageReader::new(Cursor::new(bytes)).with_guessed_format() {
        Ok(reader) => {
            let format = reader.format().map(|format| format.to_mime_type());
            if format != listed.mime.as_deref() {
                wrong.push(format!("{} is {format:?} and not {:?}", listed.path, listed.mime));
            }
            match reader.into_dimensions() {
                Ok(size) if size == (width, height) => {}
                other => wrong.push(format!("{} has {other:?} pixels and not {width} x {height}", listed.path)),
            }
        }
        Err(error) => wrong.push(format!("{}: {error}", listed.path)),
    }
    wrong
}

/// Checks each file of a zip against the list, and that the zip has these files and the manifests and nothing else.
/// Reading a file to its end compares its CRC.
pub fn check_zip(path: &Path, listed: &[Listed], checks: &mut Checks) -> Result<(), Refusal> {
    let mut missing: BTreeMap<&str, &Listed> = listed.iter().map(|file| (file.path.as_str(), file)).collect();
    let (mut wrong, mut others) = (Vec::new(), Vec::new());
    each_entry(path, |name, bytes| match missing.remove(name.as_str()) {
        Some(file) => wrong.extend(mistakes(&bytes, file)),
        None => others.push(name),
    })?;
    let what = format!("sizes, CRCs, formats and pixels of all {} files in the zip{}", listed.len(), because(&wrong));
    checks.expect(wrong.is_empty() && !listed.is_empty(), &what);
    checks.expect(missing.is_empty(), "no file is missing in the zip");
    others.sort();
    checks.expect(others == ["manifest.csv", "manifest.json"], "beside them the zip has its manifest, as JSON and CSV");
    Ok(())
}

/// Checks that a zip has every one of these files, byte for byte.
pub fn check_originals(path: &Path, originals: &BTreeSet<Digest>, checks: &mut Checks) -> Result<(), Refusal> {
    let mut found = BTreeSet::new();
    each_entry(path, |_, bytes| {
        found.insert(Digest::of(&bytes));
    })?;
    let missing = originals.difference(&found).count();
    let what = format!("the zip of originals has all {} files, byte for byte as on the disk", originals.len());
    checks.expect(missing == 0, &what);
    Ok(())
}

fn each_entry(path: &Path, mut look: impl FnMut(String, Vec<u8>)) -> Result<(), Refusal> {
    let broken = |error: &dyn std::fmt::Display| failed(&format!("read {}", path.display()), error);
    let file = File::open(path).map_err(|error| broken(&error))?;
    let mut zip = ZipArchive::new(io::BufReader::new(file)).map_err(|error| broken(&error))?;
    for number in 0..zip.len() {
        let mut entry = zip.by_index(number).map_err(|error| broken(&error))?;
        let name = entry.name().map_err(|error| broken(&error))?.into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(|error| broken(&error))?;
        look(name, bytes);
    }
    Ok(())
}

/// SHA-256 and length of a file that may be larger than memory.
pub fn digest_of(path: &Path) -> Result<(Digest, u64), Refusal> {
    let mut hash = Sha256::new();
    let copied = File::open(path).and_then(|mut file| io::copy(&mut file, &mut HashWriter(&mut hash)));
    let size = copied.map_err(|error| failed(&format!("read {}", path.display()), error))?;
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
