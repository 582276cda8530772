//! A draft: the job that an export request would create, or everything that is wrong with the request. Writes nothing.
//!
//! Fetching and resolving are apart: this file asks the database, and [`DraftBuilder`] does what takes processor time, on
//! the compute pool.
//!
//! ```text
//! request, assets, presets --> advance --> names of other assets --> database
//!                                 ^------------- their rows ------------'
//!                                 '--> no new names: the draft, or what is wrong
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::Utc;
use offprint_core::Digest;
use offprint_modifiers::{ResolvedModifier, WorkBudget};

use crate::compute_pool::ComputeError;
use crate::db::asset::AssetRow;
use crate::db::asset_list;
use crate::db::enums::{Fmt, ItemState};
use crate::db::insert_job::RecipeSource;
use crate::db::job::Rendition;
use crate::db::{self, DbConnection, image_preset};
use crate::id::CompanyId;
use crate::jobs::ExportContext;
use crate::jobs::build_macros;
use crate::jobs::default_name::build_default_name;
use crate::jobs::destination::check_destinations;
use crate::jobs::draft_builder::{DraftBuilder, DraftStep};
use crate::jobs::per_asset::ItemTexts;
use crate::jobs::recipients::check_recipients;
use crate::jobs::rendition_resolver::PinnedRecipe;
use crate::jobs::request::ExportRequest;
use crate::jobs::selection::select_assets;
use crate::jobs::validation::check_request;
use crate::reason::{Reason, ValidationErrors};

/// Units of work that one request may take, about a second of one processor. Ten thousand assets with ten renditions that
/// use no `$object$` take hardly any of them; with it, the modifiers of all renditions together may have about 2 KiB.
const MAX_DRAFT_UNITS: u64 = 100_000_000;

/// A job before it is inserted.
pub struct Draft {
    pub request: ExportRequest,
    /// The modifier with all macros expanded; none for `orig` and for jobs with renditions.
    pub effective_modifier: Option<String>,
    /// The renditions with their effective modifiers; none when the request has no renditions.
    pub renditions: Option<Vec<Rendition>>,
    /// What each modifier of the request means without an asset's own modifiers; empty for `orig`.
    pub resolved_renditions: Vec<ResolvedModifier>,
    /// One item for each asset, in request order.
    pub items: Vec<DraftItem>,
    /// Canonical texts of the recipes of all files, by their SHA-256.
    pub recipes: BTreeMap<Digest, String>,
    /// The originals of other assets that the recipes read.
    pub recipe_sources: Vec<RecipeSource>,
    /// About the request; they concern no item.
    pub warnings: Vec<Reason>,
    /// About the modifiers, each once; files name theirs by index.
    pub modifier_warnings: Vec<Reason>,
    /// Harmless remarks about the modifiers.
    pub notices: Vec<Reason>,
}

impl Draft {
    /// The name of the job: that of the request, or what it exports and the day in this time zone.
    pub fn choose_job_name(&self, time_zone: Option<&str>) -> String {
        let sent = self.request.job_name.as_deref().filter(|name| !name.trim().is_empty());
        sent.map_or_else(|| build_default_name(&self.items, time_zone, Utc::now()), str::to_owned)
    }

    /// Bytes of the files whose size is known: the originals that are exported unchanged.
    pub fn original_bytes(&self) -> u64 {
        let waiting = self.items.iter().filter(|item| item.state == ItemState::Waiting);
        let originals = waiting
            .flat_map(|item| item.files.iter().filter(|file| file.recipe.is_none()).filter_map(|_| item.asset.size));
        originals.map(i64::unsigned_abs).sum()
    }
}

/// One asset of a draft.
pub struct DraftItem {
    pub asset: AssetRow,
    /// What the request has for this asset alone.
    pub texts: ItemTexts,
    /// `waiting`, or the end where it is already known: `skipped` or `failed`.
    pub state: ItemState,
    /// Why the item fails, where that is already known.
    pub failure: Option<Reason>,
    /// One file for each rendition, or the original; empty when nothing is exported.
    pub files: Vec<DraftFile>,
    pub warnings: Vec<Reason>,
}

/// A file that an item produces.
pub struct DraftFile {
    /// How it is rendered; none for an original.
    pub recipe: Option<PinnedRecipe>,
    /// Path in the archive.
    pub path: String,
    /// The path as it is compared with others.
    pub path_key: String,
    /// Whether the path has a number because another file has the name.
    pub is_numbered: bool,
    /// The warnings about its modifier, as indexes in those of the draft.
    pub modifier_warnings: Vec<usize>,
}

/// Why there is no draft.
#[derive(Debug)]
pub enum DraftError {
    /// All mistakes of the request.
    Invalid(ValidationErrors),
    /// A limit of the company is exceeded.
    Rejected(Reason),
    /// The database failed.
    Db(db::DbError),
    /// Resolving panicked.
    Compute(ComputeError),
}

impl From<ComputeError> for DraftError {
    fn from(error: ComputeError) -> Self {
        Self::Compute(error)
    }
}

impl From<db::DbError> for DraftError {
    fn from(error: db::DbError) -> Self {
        Self::Db(error)
    }
}

/// Ends the work that shares a budget when the request is given up: its deadline has passed, or the client went away.
struct CancelOnDrop(Arc<WorkBudget>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Drafts the job of an export request, of at most `max_items` items. Writes nothing.
///
/// # Errors
/// All mistakes of the request at once, or that it needs too much work.
pub async fn prepare_draft(
    connection: &mut DbConnection,
    company: CompanyId,
    request: ExportRequest,
    max_items: usize,
    context: &ExportContext<'_>,
) -> Result<Draft, DraftError> {
    let (mut errors, warnings) = check_request(&request, context);
    let recipients = request.notify_emails.as_deref().unwrap_or_default();
    errors.extend(check_recipients(connection, company, recipients, context).await?);
    errors.extend(check_destinations(connection, company, &request, context).await?);
    let root_ids = &context.recipes.attributes.root_ids;
    let selection = select_assets(connection, company, &request, max_items, root_ids).await?;
    let macros = match request.fmt {
        Fmt::Convert => image_preset::list_macros(connection, company).await?,
        Fmt::Orig => Vec::new(),
    };
    let budget = Arc::new(WorkBudget::new(MAX_DRAFT_UNITS));
    let _cancel = CancelOnDrop(budget.clone());
    let recipes = context.recipes.clone();
    let mut step = context
        .compute
        .run(company, move || {
            let macros = build_macros(macros);
            DraftBuilder::new(request, (errors, warnings), selection, macros, recipes, budget).advance()
        })
        .await?;
    loop {
        match step {
            DraftStep::Done(draft) => return *draft,
            DraftStep::NamesMissing(builder, names) => {
                let root_ids = &context.recipes.attributes.root_ids;
                let found = asset_list::find_assets_by_name(connection, company, root_ids, &names).await?;
                step = context.compute.run(company, move || builder.add_found(names, found).advance()).await?;
            }
        }
    }
}
