//! Other assets that modifiers reference: found by name or handle, and pinned to the bytes that they have now.

use std::collections::HashMap;

use offprint_core::Digest;
use offprint_imaging::{ImageHeader, ObjectHeaders};
use offprint_modifiers::{
    AssetModifierIndex, AssetModifiers, AssetReference, Diagnostic, DiagnosticKind, ResolvedModifier,
};

use crate::db::asset::{self, AssetRow};
use crate::db::{self, DbConnection};
use crate::id::CompanyId;
use crate::jobs::read_asset_header;
use crate::jobs::rendition_resolver::ModifierSpec;
use crate::jobs::rendition_resolver::to_code;
use crate::reason::Reason;

/// The assets behind names. A name without an asset is kept too, as none.
#[derive(Default)]
pub struct AssetReferences(HashMap<String, Option<ReferenceMatch>>);

enum ReferenceMatch {
    Unique(Box<ReferencedImage>),
    /// The name fits this number of assets.
    Ambiguous(usize),
    /// The asset is not an image that can be read.
    Unreadable,
}

struct ReferencedImage {
    sha256: Digest,
    header: ImageHeader,
    modifiers: AssetModifiers,
}

impl AssetReferences {
    /// Looks up all names that were not looked up yet, in one query. Returns whether there were any.
    pub async fn find_missing(
        &mut self,
        connection: &mut DbConnection,
        company: CompanyId,
        mut names: Vec<String>,
    ) -> Result<bool, db::DbError> {
        names.retain(|name| !self.0.contains_key(name));
        names.sort_unstable();
        names.dedup();
        if names.is_empty() {
            return Ok(false);
        }
        let mut found: HashMap<String, (i32, Vec<AssetRow>)> = HashMap::new();
        for named in asset::find_assets_by_name(connection, company, &names).await? {
            let (rank, assets) = found.entry(named.wanted).or_insert((named.rank, Vec::new()));
            // The rows are sorted by rank, and assets of a worse rank do not make the name ambiguous.
            if *rank == named.rank {
                assets.push(named.asset);
            }
        }
        self.0.extend(names.into_iter().map(|name| (name, None)));
        self.0.extend(found.into_iter().map(|(name, (_, assets))| (name, Some(ReferenceMatch::from_assets(&assets)))));
        Ok(true)
    }

    /// The own modifiers of the assets, by name.
    pub fn asset_modifiers(&self) -> AssetModifierIndex {
        let own = |(name, found): (&String, &Option<ReferenceMatch>)| match found {
            Some(ReferenceMatch::Unique(image)) => Some((name.clone(), image.modifiers.clone())),
            _ => None,
        };
        self.0.iter().filter_map(own).collect()
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
        let own = asset
            .filter(|_| resolved.uses_object)
            .map(|own| (own.name.as_str(), ReferenceMatch::from_assets(std::slice::from_ref(own))));
        let find = |name: &str| match &own {
            Some((own, found)) if *own == name => Some(found),
            _ => self.0.get(name).and_then(Option::as_ref),
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
    fn from_assets(assets: &[AssetRow]) -> Self {
        let [asset] = assets else { return Self::Ambiguous(assets.len()) };
        match asset.sha256.zip(read_asset_header(asset)) {
            Some((sha256, header)) => {
                let (before, after) = (asset.url_modifier.clone(), asset.url_post_apply_modifier.clone());
                Self::Unique(Box::new(ReferencedImage {
                    sha256,
                    header,
                    modifiers: AssetModifiers { before, after, ..AssetModifiers::default() },
                }))
            }
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

/// Resolves a modifier and a macro, for an asset or for none, and pins the other assets that they reference.
///
/// # Errors
/// The outer error is the database's; the inner one has everything that is wrong with the modifier.
pub async fn resolve_and_pin(
    connection: &mut DbConnection,
    company: CompanyId,
    spec: ModifierSpec<'_>,
) -> Result<Result<(ResolvedModifier, ObjectHeaders), Vec<Diagnostic>>, db::DbError> {
    let mut references = AssetReferences::default();
    loop {
        let mut resolved = match spec.resolve(&references.asset_modifiers()) {
            Ok(resolved) => resolved,
            Err(diagnostics) => return Ok(Err(diagnostics)),
        };
        let names = resolved.mentions().map(|(_, name)| name).collect();
        // A referenced asset may reference further assets with its own modifiers.
        if !references.find_missing(connection, company, names).await? {
            let pinned = references.pin_references(&mut resolved, spec.asset);
            return Ok(pinned.map(|headers| (resolved, headers)));
        }
    }
}

/// The diagnostics of one item as the reason why it fails.
pub fn to_failure_reason(diagnostics: &[Diagnostic]) -> Reason {
    let all: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
    let kind = diagnostics.first().map_or(DiagnosticKind::SourceMissing, |diagnostic| diagnostic.kind);
    Reason::new(to_code(kind), all.join(" "))
}
