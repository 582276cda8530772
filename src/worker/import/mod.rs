//! Imports: a task lists the source ([`list`]), other tasks bring a batch of files each ([`batch`]), and each settles together
//! with what became of its files ([`settle`]).
//!
//! ```text
//!   import ──list──> entries in batches ──> import-batch ──fetch, stage, inspect──> settle: blobs, assets, entries, counts
//! ```
//!
//! Both can be cut off anywhere: listing inserts only what is not there yet, and a batch has nothing until it settles.

mod batch;
mod list;
mod settle;
mod source;

pub(super) use batch::{BatchEnd, perform_import_batch};
pub(super) use list::perform_import;
pub(super) use settle::{settle_import_batch, settle_listing};

use crate::db::task::TaskClaim;

/// Failed tries after which what is left of a task fails: about twenty minutes.
const MAX_TRIES: i32 = 8;
/// Workers that disappear until what they were at fails: the listing, or a file that was brought alone.
const MAX_LOST: i32 = 6;

/// Whether this is the last try of a task.
fn is_last_try(claim: &TaskClaim) -> bool {
    claim.tries + 1 >= MAX_TRIES
}
