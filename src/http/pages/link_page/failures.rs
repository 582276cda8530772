//! What failed, and why, in the reader's language.

use crate::app::AppState;
use crate::db::enums::ItemState;
use crate::db::item_view::{self, ItemView};
use crate::db::job::JobRow;
use crate::http::problem::Problem;
use crate::http::resources::shared_links::opened_link::OpenedLink;
use crate::i18n::Language;

/// Failures that a page lists.
const MAX_FAILURES: i64 = 50;

pub(super) struct PageFailure {
    pub(super) name: String,
    pub(super) reason: String,
}

impl PageFailure {
    fn from_item(item: ItemView, language: &Language) -> Option<Self> {
        let failure = item.failure?.0;
        Some(Self { name: item.file_name.unwrap_or(item.asset_name), reason: language.format_reason(&failure) })
    }
}

/// The first failures, and a sentence about how many more there are.
pub(super) async fn load_failures(
    state: &AppState,
    link: &OpenedLink,
    job: &JobRow,
    language: &Language,
) -> Result<(Vec<PageFailure>, Option<String>), Problem> {
    if job.failed == 0 {
        return Ok((Vec::new(), None));
    }
    let failed = Some(ItemState::Failed);
    let items = item_view::list_item_views(&state.db, link.company, job.job_id, failed, 0, MAX_FAILURES).await?;
    let more = i64::from(job.failed) - items.len() as i64;
    let failures = items.into_iter().filter_map(|item| PageFailure::from_item(item, language)).collect();
    Ok((failures, (more > 0).then(|| language.format("page-more-failures", &[("count", more.into())]))))
}

/// Why the item at this position failed, if it did.
pub(super) async fn load_failure_of(
    state: &AppState,
    link: &OpenedLink,
    job: &JobRow,
    position: i32,
    language: &Language,
) -> Result<Vec<PageFailure>, Problem> {
    let items = item_view::list_item_views(&state.db, link.company, job.job_id, None, position, 1).await?;
    let own = items.into_iter().filter(|item| item.position == position);
    Ok(own.filter_map(|item| PageFailure::from_item(item, language)).collect())
}
