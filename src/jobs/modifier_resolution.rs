//! Resolves one modifier, for previews and checks: like drafting, with the database and the compute pool taking turns.

use std::sync::Arc;

use offprint_imaging::ObjectHeaders;
use offprint_modifiers::{AssetModifierIndex, Attributes, Diagnostic, Macros, ResolvedModifier, WorkBudget};

use crate::compute_pool::ComputePool;
use crate::db::asset::AssetRow;
use crate::db::asset_list;
use crate::db::image_preset::MacroRow;
use crate::db::{DbError, PgPool};
use crate::id::CompanyId;
use crate::jobs::DraftError;
use crate::jobs::build_macros;
use crate::jobs::references::AssetReferences;
use crate::jobs::rendition_resolver::ModifierSpec;
use crate::reason::Reason;

/// Units of work that one modifier may take, about a tenth of a second.
const MAX_MODIFIER_UNITS: u64 = 10_000_000;

/// A modifier and a macro to resolve, for an asset or for none.
pub struct ModifierRequest {
    /// `is_modifier`.
    pub modifier: Option<String>,
    /// `macro`.
    pub export_macro: Option<String>,
    /// The asset, whose own modifiers stand before and after them.
    pub asset: Option<AssetRow>,
    /// The company's image presets.
    pub macros: Vec<MacroRow>,
    /// Default Image Serving attributes.
    pub attributes: Arc<Attributes>,
}

/// A modifier that was resolved, and the headers of the other assets that it references.
pub struct PinnedModifier {
    pub asset: Option<AssetRow>,
    pub resolved: ResolvedModifier,
    pub reference_headers: ObjectHeaders,
}

/// All errors of a modifier, or what it became.
pub type ModifierOutcome<T> = Result<T, Vec<Diagnostic>>;

/// What is passed on from one turn of the compute pool to the next.
struct ModifierState {
    request: ModifierRequest,
    macros: Macros,
    references: AssetReferences,
    budget: WorkBudget,
}

enum ModifierStep {
    NamesMissing(Box<ModifierState>, Vec<String>),
    Done(Box<ModifierOutcome<PinnedModifier>>),
    TooComplex(Reason),
}

/// Resolves a modifier and pins the other assets that it references. Holds no connection while it waits for the compute
/// pool.
///
/// # Errors
/// The outer error is that of the database or a limit; the inner one has everything that is wrong with the modifier.
pub async fn resolve_and_pin(
    pool: &PgPool,
    compute: &ComputePool,
    company: CompanyId,
    mut request: ModifierRequest,
) -> Result<ModifierOutcome<PinnedModifier>, DraftError> {
    let macros = std::mem::take(&mut request.macros);
    let mut step = compute
        .run(company, move || {
            let (macros, references) = (build_macros(macros), AssetReferences::default());
            ModifierState { request, macros, references, budget: WorkBudget::new(MAX_MODIFIER_UNITS) }.advance()
        })
        .await?;
    loop {
        match step {
            ModifierStep::Done(outcome) => return Ok(*outcome),
            ModifierStep::TooComplex(reason) => return Err(DraftError::Rejected(reason)),
            ModifierStep::NamesMissing(mut state, names) => {
                let mut connection = pool.acquire().await.map_err(DbError::from)?;
                let root_ids = &state.request.attributes.root_ids;
                let found = asset_list::find_assets_by_name(&mut connection, company, root_ids, &names).await?;
                drop(connection);
                let next = move || {
                    state.references.add_found(names, found);
                    state.advance()
                };
                step = compute.run(company, next).await?;
            }
        }
    }
}

impl ModifierRequest {
    /// The request with these presets.
    fn as_spec<'a>(&'a self, macros: &'a Macros) -> ModifierSpec<'a> {
        ModifierSpec {
            modifier: self.modifier.as_deref(),
            export_macro: self.export_macro.as_deref(),
            asset: self.asset.as_ref(),
            item: None,
            macros,
            attributes: &self.attributes,
        }
    }
}

impl ModifierState {
    fn advance(mut self) -> ModifierStep {
        let spec = self.request.as_spec(&self.macros);
        let mut resolved = match spec.resolve(self.references.asset_modifiers(), &self.budget) {
            Ok(resolved) => resolved,
            Err(diagnostics) => return ModifierStep::Done(Box::new(Err(diagnostics))),
        };
        // A referenced asset may reference further assets with its own modifiers.
        match self.references.list_missing(resolved.mentions().map(|(_, name)| name)) {
            Err(reason) => ModifierStep::TooComplex(reason),
            Ok(names) if names.is_empty() => {
                let pinned = self.references.pin_references(&mut resolved, self.request.asset.as_ref());
                let asset = self.request.asset;
                ModifierStep::Done(Box::new(pinned.map(|reference_headers| PinnedModifier {
                    asset,
                    resolved,
                    reference_headers,
                })))
            }
            Ok(names) => ModifierStep::NamesMissing(Box::new(self), names),
        }
    }
}

/// Resolves a modifier without looking at other assets: for texts that will be stored, and for those who may not read
/// assets.
///
/// # Errors
/// As [`resolve_and_pin`].
pub async fn resolve_alone(
    compute: &ComputePool,
    company: CompanyId,
    mut request: ModifierRequest,
) -> Result<ModifierOutcome<ResolvedModifier>, DraftError> {
    let work = move || {
        let macros = build_macros(std::mem::take(&mut request.macros));
        let budget = WorkBudget::new(MAX_MODIFIER_UNITS);
        request.as_spec(&macros).resolve(&AssetModifierIndex::default(), &budget)
    };
    Ok(compute.run(company, work).await?)
}
