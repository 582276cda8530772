//! The profiles that there are: which ones a folder has, and the bytes of those that recipes name.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::profile::{Profile, missing};
use offprint_core::Code;
use offprint_core::Digest;
use offprint_modifiers::{ProfileName, ProfileNames, Recipe};
use crate::failure::Failure;

/// Folders below the one that is looked through.
const DEEP: u32 = 4;
/// Most profiles that are kept.
const MANY: usize = 1000;
/// Largest profile, in bytes.
const LARGE: u64 = 16 << 20;

/// The profiles of a folder, by the SHA-256 of their bytes. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Library {
    names: ProfileNames,
    paths: Arc<HashMap<String, PathBuf>>,
}

impl Library {
    /// Looks through a folder and those in it. What is no profile of gray, RGB or CMYK that colours can be brought into is
    /// passed over; a folder that is not there is an empty one.
    pub fn read(folder: &Path) -> Self {
        let (mut names, mut paths, mut files) = (ProfileNames::default(), HashMap::new(), Vec::new());
        collect(folder, DEEP, &mut files);
        files.sort();
        for path in files {
            let Some(bytes) = small(&path) else { continue };
            let sha256 = Digest::of(&bytes).to_string();
            let Some(profile) = Profile::read(bytes.into()).ok().filter(|profile| profile.writes) else { continue };
            let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            let known =
                ProfileName { name: stem.clone(), pixel_type: profile.pixel_type, sha256: Some(sha256.clone()) };
            names.add(vec![stem, profile.name], known);
            paths.insert(sha256, path);
        }
        Self { names, paths: Arc::new(paths) }
    }

    /// What modifiers may call them.
    pub fn names(&self) -> &ProfileNames {
        &self.names
    }

    /// The bytes that recipes need.
    ///
    /// # Errors
    /// `profile-missing` when a file is not there any more, or is another one now.
    pub fn fetch<'r>(&self, recipes: impl IntoIterator<Item = &'r Recipe>) -> Result<ProfileBytes, Failure> {
        let mut fetched = ProfileBytes::default();
        for name in recipes.into_iter().flat_map(Recipe::profiles) {
            let Some(sha256) = name.sha256.as_ref().filter(|sha256| !fetched.0.contains_key(*sha256)) else { continue };
            let bytes = self.paths.get(sha256).and_then(|path| small(path));
            let bytes =
                bytes.filter(|bytes| Digest::of(bytes).to_string() == *sha256).ok_or_else(|| missing(&name.name))?;
            fetched.0.insert(sha256.clone(), Bytes(bytes.into()));
        }
        Ok(fetched)
    }
}

fn small(path: &Path) -> Option<Vec<u8>> {
    fs::metadata(path).ok().filter(|it| it.len() <= LARGE).and_then(|_| fs::read(path).ok())
}

fn collect(folder: &Path, deep: u32, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let named = |end: &std::ffi::OsStr| ["icc", "icm"].iter().any(|known| end.eq_ignore_ascii_case(known));
        if path.is_dir() && deep > 0 {
            collect(&path, deep - 1, files);
        } else if path.extension().is_some_and(named) && files.len() < MANY {
            files.push(path);
        }
    }
}

/// Bytes of profiles by their SHA-256; they travel beside the recipes that name them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ProfileBytes(HashMap<String, Bytes>);

impl ProfileBytes {
    /// A profile that a recipe names.
    ///
    /// # Errors
    /// `profile-missing` when its bytes are not here, `unsupported-color` when they are no profile.
    pub fn profile(&self, name: &ProfileName) -> Result<Profile, Failure> {
        let Some(sha256) = &name.sha256 else { return Profile::built_in(&name.name) };
        let Bytes(bytes) = self.0.get(sha256).ok_or_else(|| missing(&name.name))?;
        let unusable = |detail| Failure::new(Code::UnsupportedColor, format!("The profile {}: {detail}", name.name));
        Profile::read(bytes.clone()).map_err(unusable)
    }
}

#[derive(Clone, Debug)]
struct Bytes(Arc<[u8]>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = String::deserialize(input)?;
        STANDARD.decode(text).map(|bytes| Self(bytes.into())).map_err(serde::de::Error::custom)
    }
}
