//! Other assets that modifiers reference: by name or handle, pinned to the bytes that they have now. Pure: whoever has a
//! database looks up the names that are missing.

use std::collections::{BTreeSet, HashMap};

use offprint_core::{Code, Digest};
use offprint_imaging::{ImageHeader, ObjectHeaders};
use offprint_modifiers::{
    AssetModifierIndex, AssetReference, Diagnostic, DiagnosticKind, ResolvedCommand, ResolvedModifier,
};

use crate::db::asset::AssetRow;
use crate::db::asset_list::NamedAssetRow;
use crate::jobs::rendition_resolver::to_code;
use crate::jobs::{read_asset_header, read_asset_modifiers};
use crate::reason::Reason;

/// How often the assets that assets reference are looked up. Requests are nested at most four levels deep, so more is
/// never needed.
const MAX_LOOKUPS: usize = 8;
/// How many names of other assets a request may have in all.
const MAX_REFERENCED_NAMES: usize = 20_000;

/// How many other assets one picture may be made of: each is a file that is open while it is rendered.
const MAX_ASSETS_PER_PICTURE: usize = 64;

/// The assets behind names. A name without an asset is kept too, as none.
#[derive(Default)]
pub struct AssetReferences {
    matches: HashMap<String, Option<ReferenceMatch>>,
    /// The own modifiers of the assets, by name.
    asset_modifiers: AssetModifierIndex,
    lookups: usize,
}

enum ReferenceMatch {
    Unique(Box<ReferencedImage>),
    /// The name fits this number of assets.
    Ambiguous(i64),
    /// The asset is not an image that can be read.
    Unreadable,
}

struct ReferencedImage {
    sha256: Digest,
    header: ImageHeader,
}

impl AssetReferences {
    /// The names that were not looked up yet, each once. A name with a colon may be that of a crop of the asset before it,
    /// so that one is looked up as well.
    ///
    /// # Errors
    /// When the request references more assets than it may.
    pub fn list_missing(&mut self, names: impl Iterator<Item = String>) -> Result<Vec<String>, Reason> {
        let mut missing: BTreeSet<String> = names.filter(|name| !self.matches.contains_key(name)).collect();
        let stems: Vec<String> = missing.iter().filter_map(|name| Some(split_crop(name)?.0.to_owned())).collect();
        missing.extend(stems.into_iter().filter(|stem| !self.matches.contains_key(stem)));
        if missing.is_empty() {
            return Ok(Vec::new());
        }
        self.lookups += 1;
        let count = self.matches.len() + missing.len();
        if count > MAX_REFERENCED_NAMES {
            let detail = format!(
                "The modifiers name {count} other assets; a request may name {MAX_REFERENCED_NAMES}. Nothing was created. \
                 Split the request into several."
            );
            return Err(Reason::new(Code::TooComplex, detail));
        }
        if self.lookups > MAX_LOOKUPS {
            let detail = format!(
                "The assets that the modifiers name are composed of other assets over more than {MAX_LOOKUPS} levels. \
                 Nothing was created. Name assets without `src` and `mask` of their own."
            );
            return Err(Reason::new(Code::TooComplex, detail));
        }
        Ok(missing.into_iter().collect())
    }

    /// Adds what was found for names. Returns whether own modifiers are among it, so that everything has to be resolved
    /// again.
    pub fn add_found(&mut self, names: Vec<String>, found: Vec<NamedAssetRow>) -> bool {
        self.matches.extend(names.into_iter().map(|name| (name, None)));
        let mut has_modifiers = false;
        for NamedAssetRow { wanted, count, asset } in found {
            let matched = ReferenceMatch::from_asset(count, &asset);
            // A template need not be an image: only its modifier is used.
            if !matches!(matched, ReferenceMatch::Ambiguous(_)) {
                has_modifiers |= self.asset_modifiers.insert(wanted.clone(), read_asset_modifiers(&asset));
            }
            self.matches.insert(wanted, Some(matched));
        }
        has_modifiers
    }

    /// The own modifiers of the assets, by name.
    pub fn asset_modifiers(&self) -> &AssetModifierIndex {
        &self.asset_modifiers
    }

    /// Pins the other assets of a resolved modifier. `asset` is the one that it is resolved for: `$object$` always means this
    /// one, also when another asset has the same name.
    ///
    /// # Errors
    /// A diagnostic for each asset that cannot be used.
    pub fn pin_references(
        &self,
        resolved: &mut ResolvedModifier,
        asset: Option<&AssetRow>,
    ) -> Result<ObjectHeaders, Vec<Diagnostic>> {
        let own =
            asset.filter(|_| resolved.uses_object).map(|own| (own.name.as_str(), ReferenceMatch::from_asset(1, own)));
        let find_whole = |name: &str| match &own {
            Some((own, found)) if *own == name => Some(found),
            _ => self.matches.get(name).and_then(Option::as_ref),
        };
        let find = |name: &str| {
            let stem = || split_crop(name).filter(|_| self.asset_modifiers.has_crop(name)).map(|(stem, _)| stem);
            find_whole(name).or_else(|| find_whole(stem()?))
        };
        let missing_templates: BTreeSet<&str> = resolved.recipe.missing_templates().collect();
        let diagnose = |(command, name): (&ResolvedCommand, String)| {
            let is_template = command.name == "template" || missing_templates.contains(name.as_str());
            let (detail, remedy) = match is_template {
                true => describe_template_failure(&name, find_whole(&name), missing_templates.contains(name.as_str()))?,
                false => describe_lookup_failure(&name, find(&name), &find_whole)?,
            };
            Some(Diagnostic {
                kind: DiagnosticKind::SourceMissing,
                origin: command.origin.clone(),
                command: command.name.to_owned(),
                offset: command.offset,
                detail,
                remedy,
            })
        };
        let diagnostics: Vec<Diagnostic> = resolved.mentions().filter_map(diagnose).collect();
        if !diagnostics.is_empty() {
            return Err(diagnostics);
        }
        if let Some(diagnostic) = check_asset_count(resolved) {
            return Err(vec![diagnostic]);
        }
        let mut headers = ObjectHeaders::new();
        for object in resolved.recipe.asset_references_mut() {
            if let AssetReference::Named(name) = object
                && let Some(ReferenceMatch::Unique(image)) = find(name)
            {
                let pin = image.sha256.to_string();
                headers.insert(pin.clone(), image.header.clone());
                *object = AssetReference::Pinned(pin);
            }
        }
        Ok(headers)
    }
}

/// What is wrong with a picture that is made of more assets than one may be.
fn check_asset_count(resolved: &ResolvedModifier) -> Option<Diagnostic> {
    let mentions: BTreeSet<String> = resolved.mentions().map(|(_, name)| name).collect();
    let (command, _) = resolved.mentions().last().filter(|_| mentions.len() > MAX_ASSETS_PER_PICTURE)?;
    Some(Diagnostic {
        kind: DiagnosticKind::TooComplex,
        origin: command.origin.clone(),
        command: command.name.to_owned(),
        offset: command.offset,
        detail: format!(
            "The picture is made of {} other assets; at most {MAX_ASSETS_PER_PICTURE} are possible.",
            mentions.len()
        ),
        remedy: "Use fewer layers, or assets that show several of them.".into(),
    })
}

impl ReferenceMatch {
    /// The first of `count` assets that a name fits equally well.
    fn from_asset(count: i64, asset: &AssetRow) -> Self {
        if count > 1 {
            return Self::Ambiguous(count);
        }
        match asset.sha256.zip(read_asset_header(asset)) {
            Some((sha256, header)) => Self::Unique(Box::new(ReferencedImage { sha256, header })),
            None => Self::Unreadable,
        }
    }
}

/// The name of an asset and that of a crop, in a name such as `shoe:Large`.
fn split_crop(name: &str) -> Option<(&str, &str)> {
    name.rsplit_once(':').filter(|(stem, crop)| !stem.is_empty() && !crop.is_empty())
}

/// What is wrong with a name, and the remedy; none when it is fine.
fn describe_lookup_failure<'a>(
    name: &str,
    matched: Option<&ReferenceMatch>,
    find_whole: &dyn Fn(&str) -> Option<&'a ReferenceMatch>,
) -> Option<(String, String)> {
    match matched {
        Some(ReferenceMatch::Unique(_)) => None,
        Some(ReferenceMatch::Ambiguous(number)) => Some((
            format!("{number} assets are named {name}."),
            "Write folder/name, or the handle of the asset.".into(),
        )),
        Some(ReferenceMatch::Unreadable) => {
            Some((format!("The asset {name} is not an image that can be read."), "Name an image.".into()))
        }
        None => match split_crop(name).filter(|(stem, _)| find_whole(stem).is_some()) {
            Some((stem, crop)) => {
                let remedy = format!("Define it with PATCH /assets/… (`crops`), or write {stem}.");
                Some((format!("The asset {stem} has no crop named {crop}."), remedy))
            }
            None => Some(describe_missing_asset(name)),
        },
    }
}

/// What is wrong with the name of a template, and the remedy; none when it is fine.
fn describe_template_failure(
    name: &str,
    matched: Option<&ReferenceMatch>,
    is_missing: bool,
) -> Option<(String, String)> {
    match matched {
        Some(ReferenceMatch::Ambiguous(_)) => describe_lookup_failure(name, matched, &|_| None),
        Some(_) if is_missing => Some((
            format!("The asset {name} is no template: it has no modifier of its own."),
            "Set its `urlModifier` to the layers of the template, or name another asset.".into(),
        )),
        Some(_) => None,
        None => Some(describe_missing_asset(name)),
    }
}

fn describe_missing_asset(name: &str) -> (String, String) {
    let mut remedy = "Upload it, or write the name or handle of an existing asset.".to_owned();
    if let Some((root, rest)) = name.split_once('/') {
        remedy += &format!(
            " If `{root}` is the root ID of the company in Image Serving, so that {rest} is meant, have the operator add \
             it: `offprint admin set-root-ids`."
        );
    }
    (format!("There is no asset {name}."), remedy)
}

/// The diagnostics of one item as the reason why it fails.
pub fn to_failure_reason(diagnostics: &[Diagnostic]) -> Reason {
    let all: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
    let kind = diagnostics.first().map_or(DiagnosticKind::SourceMissing, |diagnostic| diagnostic.kind);
    Reason::new(to_code(kind), all.join(" "))
}
