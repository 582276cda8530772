//! Other assets that modifiers reference: by name or handle, pinned to the bytes that they have now. Pure: whoever has a
//! database looks up the names that are missing.

use std::collections::{BTreeSet, HashMap};

use offprint_core::{Code, Digest};
use offprint_imaging::{ImageHeader, ObjectHeaders};
use offprint_modifiers::{
    AssetModifierIndex, AssetModifiers, AssetReference, Diagnostic, DiagnosticKind, ResolvedModifier,
};

use crate::db::asset::{AssetRow, NamedAssetRow};
use crate::jobs::read_asset_header;
use crate::jobs::rendition_resolver::to_code;
use crate::reason::Reason;

/// How often the assets that assets reference are looked up. Requests are nested at most four levels deep, so more is
/// never needed.
const MAX_LOOKUPS: usize = 8;
/// How many names of other assets a request may have in all.
const MAX_REFERENCED_NAMES: usize = 20_000;

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
    /// The names that were not looked up yet, each once.
    ///
    /// # Errors
    /// When the request references more assets than it may.
    pub fn list_missing(&mut self, names: impl Iterator<Item = String>) -> Result<Vec<String>, Reason> {
        let missing: BTreeSet<String> = names.filter(|name| !self.matches.contains_key(name)).collect();
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
            if matches!(matched, ReferenceMatch::Unique(_)) {
                let (before, after) = (asset.url_modifier, asset.url_post_apply_modifier);
                has_modifiers |= self
                    .asset_modifiers
                    .insert(wanted.clone(), AssetModifiers { before, after, ..AssetModifiers::default() });
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
        let find = |name: &str| match &own {
            Some((own, found)) if *own == name => Some(found),
            _ => self.matches.get(name).and_then(Option::as_ref),
        };
        let diagnostics: Vec<Diagnostic> = resolved
            .mentions()
            .filter_map(|(command, name)| {
                let (detail, remedy) = describe_lookup_failure(&name, find(&name))?;
                Some(Diagnostic {
                    kind: DiagnosticKind::SourceMissing,
                    origin: command.origin.clone(),
                    command: command.name.to_owned(),
                    offset: command.offset,
                    detail,
                    remedy: remedy.to_owned(),
                })
            })
            .collect();
        if !diagnostics.is_empty() {
            return Err(diagnostics);
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

/// What is wrong with a name, and the remedy; none when it is fine.
fn describe_lookup_failure(name: &str, matched: Option<&ReferenceMatch>) -> Option<(String, &'static str)> {
    match matched {
        Some(ReferenceMatch::Unique(_)) => None,
        Some(ReferenceMatch::Ambiguous(number)) => {
            Some((format!("{number} assets are named {name}."), "Write folder/name, or the handle of the asset."))
        }
        Some(ReferenceMatch::Unreadable) => {
            Some((format!("The asset {name} is not an image that can be read."), "Name an image."))
        }
        None => {
            Some((format!("There is no asset {name}."), "Upload it, or write the name or handle of an existing asset."))
        }
    }
}

/// The diagnostics of one item as the reason why it fails.
pub fn to_failure_reason(diagnostics: &[Diagnostic]) -> Reason {
    let all: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
    let kind = diagnostics.first().map_or(DiagnosticKind::SourceMissing, |diagnostic| diagnostic.kind);
    Reason::new(to_code(kind), all.join(" "))
}
