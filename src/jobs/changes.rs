//! What changed since the last delivery: for requests with `onlyChanged`.
//!
//! A file is unchanged when a store has it under the same path, made from the same original by the same recipe and engine. An
//! item of which every file is unchanged at every destination is left out of the job, so it is neither rendered nor delivered.
//! Of other items the unchanged files are found again when they are delivered.

use std::collections::{HashMap, HashSet};

use offprint_core::{Code, Digest};
use offprint_imaging::ENGINE_VERSION;

use crate::db::delivered_file::{self, DeliveredFileRow};
use crate::db::destination::NewDestination;
use crate::db::enums::ItemState;
use crate::db::{DbConnection, DbError};
use crate::id::CompanyId;
use crate::jobs::{Draft, DraftFile, DraftItem};
use crate::reason::Reason;

/// Files of a draft compared with what a destination has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChangeCounts {
    /// New or changed files.
    pub changed: usize,
    pub unchanged: usize,
    /// Files that the destination has and the draft has not.
    pub removed: usize,
}

/// What a destination has, by path.
type DeliveredFiles = HashMap<String, DeliveredFileRow>;

/// What left out items had.
pub struct LeftOut {
    /// Paths of their files.
    pub paths: Vec<String>,
}

/// Loads what each destination has; empty where everything is delivered.
async fn load_delivered(
    connection: &mut DbConnection,
    company: CompanyId,
    destinations: &[NewDestination],
) -> Result<Vec<DeliveredFiles>, DbError> {
    let mut delivered = Vec::new();
    for destination in destinations {
        let files = match &destination.target {
            Some(target) => delivered_file::list_delivered_files(connection, company, target).await?,
            None => Vec::new(),
        };
        delivered.push(files.into_iter().map(|file| (file.path.clone(), file)).collect());
    }
    Ok(delivered)
}

fn is_unchanged(delivered: &DeliveredFiles, source: Option<Digest>, file: &DraftFile) -> bool {
    let recipe_id = file.recipe.as_ref().map(|recipe| recipe.recipe_id);
    delivered.get(&file.path).is_some_and(|earlier| {
        Some(earlier.source_sha256) == source
            && earlier.recipe_id == recipe_id
            && (recipe_id.is_none() || earlier.engine_version == ENGINE_VERSION)
    })
}

/// Counts for each destination what changed.
///
/// # Errors
/// When the database fails.
pub async fn count_changes(
    connection: &mut DbConnection,
    company: CompanyId,
    draft: &Draft,
    destinations: &[NewDestination],
) -> Result<Vec<ChangeCounts>, DbError> {
    let delivered = load_delivered(connection, company, destinations).await?;
    Ok(delivered.iter().map(|delivered| count_changes_to(draft, delivered)).collect())
}

fn count_changes_to(draft: &Draft, delivered: &DeliveredFiles) -> ChangeCounts {
    let mut counts = ChangeCounts::default();
    let mut paths = HashSet::new();
    for item in &draft.items {
        for file in &item.files {
            paths.insert(file.path.as_str());
            match is_unchanged(delivered, item.asset.sha256, file) {
                true => counts.unchanged += 1,
                false => counts.changed += 1,
            }
        }
    }
    counts.removed = delivered.keys().filter(|path| !paths.contains(path.as_str())).count();
    counts
}

/// Leaves out of a draft the items of which nothing changed, and notes how many files that are for each destination.
///
/// # Errors
/// When the database fails.
pub async fn leave_out_unchanged(
    connection: &mut DbConnection,
    company: CompanyId,
    draft: &mut Draft,
    destinations: &mut [NewDestination],
) -> Result<LeftOut, DbError> {
    let mut left_out = LeftOut { paths: Vec::new() };
    if !draft.request.only_changed.unwrap_or(false) || destinations.is_empty() {
        return Ok(left_out);
    }
    let delivered = load_delivered(connection, company, destinations).await?;
    let is_left_out = |item: &DraftItem| {
        let is_whole = item.state == ItemState::Waiting && !item.files.is_empty();
        is_whole
            && item.files.iter().all(|file| delivered.iter().all(|known| is_unchanged(known, item.asset.sha256, file)))
    };
    let (unchanged, changed): (Vec<DraftItem>, Vec<DraftItem>) =
        std::mem::take(&mut draft.items).into_iter().partition(is_left_out);
    draft.items = changed;
    if unchanged.is_empty() {
        return Ok(left_out);
    }
    let detail = format!(
        "Assets that were left out, because their files are unchanged since they were delivered: {}.",
        unchanged.len()
    );
    draft.notices.push(Reason::new(Code::Unchanged, detail));
    left_out.paths = unchanged.into_iter().flat_map(|item| item.files).map(|file| file.path).collect();
    destinations.iter_mut().for_each(|destination| destination.left_out = left_out.paths.len() as i32);
    Ok(left_out)
}
