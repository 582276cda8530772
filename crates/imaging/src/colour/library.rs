//! The installed profiles: those of a folder, and the bytes of those that recipes name.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use offprint_core::{Code, Digest};
use offprint_modifiers::{ProfileCatalog, ProfileName, Recipe};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::profile::{Profile, profile_missing_error};
use crate::error::RenderError;

/// Levels of folders that are searched below the given one.
const MAX_FOLDER_DEPTH: u32 = 4;
const MAX_PROFILES: usize = 1000;
/// Larger files are skipped.
const MAX_PROFILE_BYTES: u64 = 16 << 20;

/// The profiles of a folder, by the SHA-256 of their bytes. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct ProfileLibrary {
    names: ProfileCatalog,
    paths: Arc<HashMap<String, PathBuf>>,
}

impl ProfileLibrary {
    /// Reads the `.icc` and `.icm` files of a folder and its subfolders. Skips files that are no profile for gray, RGB
    /// or CMYK that colours can be converted to. A missing folder counts as an empty one.
    pub fn read(folder: &Path) -> Self {
        let (mut names, mut paths, mut files) = (ProfileCatalog::default(), HashMap::new(), Vec::new());
        collect_profile_paths(folder, MAX_FOLDER_DEPTH, &mut files);
        files.sort();
        for path in files {
            let Some(bytes) = read_profile_file(&path) else { continue };
            let sha256 = Digest::compute(&bytes).to_string();
            let Some(profile) = Profile::read(bytes.into()).ok().filter(|profile| profile.is_writable) else {
                continue;
            };
            let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            let profile_name =
                ProfileName { name: stem.clone(), pixel_type: profile.pixel_type, sha256: Some(sha256.clone()) };
            names.add(vec![stem, profile.name], profile_name);
            paths.insert(sha256, path);
        }
        Self { names, paths: Arc::new(paths) }
    }

    /// The names that modifiers may use.
    pub fn names(&self) -> &ProfileCatalog {
        &self.names
    }

    /// The bytes that recipes need.
    ///
    /// # Errors
    /// `profile-missing` when a file was removed or changed since the folder was read.
    pub fn fetch<'r>(&self, recipes: impl IntoIterator<Item = &'r Recipe>) -> Result<ProfileBytes, RenderError> {
        let mut fetched = ProfileBytes::default();
        for name in recipes.into_iter().flat_map(Recipe::profiles) {
            let Some(sha256) = name.sha256.as_ref().filter(|sha256| !fetched.0.contains_key(*sha256)) else { continue };
            let bytes = self.paths.get(sha256).and_then(|path| read_profile_file(path));
            let bytes = bytes
                .filter(|bytes| Digest::compute(bytes).to_string() == *sha256)
                .ok_or_else(|| profile_missing_error(&name.name))?;
            fetched.0.insert(sha256.clone(), Base64Bytes(bytes.into()));
        }
        Ok(fetched)
    }
}

fn read_profile_file(path: &Path) -> Option<Vec<u8>> {
    fs::metadata(path).ok().filter(|metadata| metadata.len() <= MAX_PROFILE_BYTES).and_then(|_| fs::read(path).ok())
}

fn collect_profile_paths(folder: &Path, depth: u32, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_profile =
            |extension: &std::ffi::OsStr| ["icc", "icm"].iter().any(|known| extension.eq_ignore_ascii_case(known));
        if path.is_dir() && depth > 0 {
            collect_profile_paths(&path, depth - 1, files);
        } else if path.extension().is_some_and(is_profile) && files.len() < MAX_PROFILES {
            files.push(path);
        }
    }
}

/// Bytes of profiles by their SHA-256. They are sent to render processes together with the recipes that name them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ProfileBytes(HashMap<String, Base64Bytes>);

impl ProfileBytes {
    /// A profile that a recipe names.
    ///
    /// # Errors
    /// `profile-missing` when its bytes were not sent, `unsupported-color` when they are no usable profile.
    pub(crate) fn profile(&self, name: &ProfileName) -> Result<Profile, RenderError> {
        let Some(sha256) = &name.sha256 else { return Profile::from_built_in(&name.name) };
        let Base64Bytes(bytes) = self.0.get(sha256).ok_or_else(|| profile_missing_error(&name.name))?;
        let unusable = |detail| {
            RenderError::new(
                Code::UnsupportedColor,
                format!("The colour profile {} cannot be used. {detail}", name.name),
            )
        };
        Profile::read(bytes.clone()).map_err(unusable)
    }
}

#[derive(Clone, Debug)]
struct Base64Bytes(Arc<[u8]>);

impl Serialize for Base64Bytes {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64Bytes {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = String::deserialize(input)?;
        STANDARD.decode(text).map(|bytes| Self(bytes.into())).map_err(serde::de::Error::custom)
    }
}
