//! The manifest of a backup: what belongs to it, and with which checksums.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use chrono::{DateTime, Utc};
use offprint_core::{Code, Digest};
use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use crate::cli::CliError;

/// Version of the format. It grows when older versions could not restore a backup completely.
pub(super) const MANIFEST_FORMAT: u32 = 1;

const MANIFEST_NAME: &str = "manifest.json";

/// The content of `manifest.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BackupManifest {
    pub(super) format: u32,
    pub(super) created_at: DateTime<Utc>,
    pub(super) offprint_version: String,
    /// Of the server that was dumped.
    pub(super) postgres_version: String,
    /// Numbers of the migrations that the database had.
    pub(super) schema: Vec<i64>,
    pub(super) database: BackupFile,
    pub(super) blobs: BlobSection,
}

/// A file in the folder of the backup.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct BackupFile {
    pub(super) name: String,
    /// In bytes.
    pub(super) size: u64,
    pub(super) sha256: Digest,
}

/// The blobs that the database names.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct BlobSection {
    /// The file that lists them.
    pub(super) list: BackupFile,
    pub(super) count: u64,
    pub(super) bytes: u64,
    /// Whether they are in the backup.
    pub(super) included: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<String>,
    /// Blobs that were missing or damaged already, so that they are not in the backup.
    pub(super) lost: Vec<Digest>,
}

impl BackupManifest {
    /// The manifest in a folder, if there is one.
    ///
    /// # Errors
    /// When it cannot be read, or was written by a version with another format.
    pub(super) fn find(folder: &Path) -> Result<Option<Self>, CliError> {
        let path = folder.join(MANIFEST_NAME);
        let to_error = |detail: String| CliError::new(Code::InvalidValue, format!("{}: {detail}", path.display()));
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(to_error(format!("the manifest cannot be read: {error}."))),
        };
        #[derive(Deserialize)]
        struct FormatOnly {
            format: u32,
        }
        let format = serde_json::from_str::<FormatOnly>(&text).map(|manifest| manifest.format);
        match format {
            Ok(MANIFEST_FORMAT) => {}
            Ok(other) => {
                return Err(to_error(format!(
                    "the backup has format {other}, and this version reads format {MANIFEST_FORMAT}. Use the version that \
                     made it, or a later one."
                )));
            }
            Err(error) => return Err(to_error(format!("this is no manifest of a backup: {error}."))),
        }
        serde_json::from_str(&text).map(Some).map_err(|error| to_error(format!("the manifest is damaged: {error}.")))
    }

    /// Writes the manifest; the backup is complete with it.
    pub(super) fn write(&self, folder: &Path) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer_pretty(&mut file, self)?;
        writeln!(file)?;
        file.as_file().sync_all()?;
        file.persist(folder.join(MANIFEST_NAME)).map_err(|error| error.error)?;
        File::open(folder)?.sync_all()
    }
}

impl BackupFile {
    /// Describes a file that was written completely, and syncs it to the disk.
    pub(super) fn from_file(folder: &Path, name: &str) -> io::Result<Self> {
        let mut file = File::open(folder.join(name))?;
        file.sync_all()?;
        let (sha256, size) = hash_file(&mut file)?;
        Ok(Self { name: name.to_owned(), size, sha256 })
    }

    /// Checks that the file is as it was written.
    pub(super) fn verify(&self, folder: &Path) -> Result<(), CliError> {
        let path = folder.join(&self.name);
        let invalid = |detail: String| CliError::new(Code::InvalidValue, format!("{} {detail}", path.display()));
        // The name comes from a file that anybody may have written.
        if self.name.contains(['/', '\\']) || self.name.starts_with('.') {
            return Err(invalid("is not the name of a file of a backup.".to_owned()));
        }
        let hashed = File::open(&path).and_then(|mut file| hash_file(&mut file));
        match hashed {
            Ok(found) if found == (self.sha256, self.size) => Ok(()),
            Ok((sha256, size)) => Err(invalid(format!(
                "is damaged: it has {size} bytes with SHA-256 {sha256}, and the manifest says {} bytes with {}. Take \
                 another backup.",
                self.size, self.sha256
            ))),
            Err(error) => Err(invalid(format!("cannot be read: {error}. Take another backup."))),
        }
    }
}

fn hash_file(file: &mut File) -> io::Result<(Digest, u64)> {
    let mut sha256 = sha2::Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut size = 0;
    loop {
        match io::Read::read(file, &mut buffer)? {
            0 => return Ok((Digest(sha256.finalize().into()), size)),
            read => {
                sha256.update(&buffer[..read]);
                size += read as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_changed_is_found() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("database-1.dump"), "dump").unwrap();
        let mut described = BackupFile::from_file(folder.path(), "database-1.dump").unwrap();
        assert_eq!((described.size, described.sha256), (4, Digest::compute(b"dump")));
        described.verify(folder.path()).unwrap();
        std::fs::write(folder.path().join("database-1.dump"), "dumb").unwrap();
        assert!(described.verify(folder.path()).unwrap_err().detail.contains("is damaged"));
        described.name = "../secret".to_owned();
        assert!(described.verify(folder.path()).unwrap_err().detail.contains("not the name"));
    }

    #[test]
    fn other_formats_and_other_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(BackupManifest::find(folder.path()).unwrap().is_none());
        for (text, word) in [("{\"format\": 2}", "format 2"), ("[]", "no manifest"), ("{\"format\": 1}", "damaged")] {
            std::fs::write(folder.path().join(MANIFEST_NAME), text).unwrap();
            let error = BackupManifest::find(folder.path()).unwrap_err();
            assert!(error.detail.contains(word), "{text}: {}", error.detail);
        }
    }
}
