//! The representation of a migration.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::db::address_migration::MigrationSummaryRow;
use crate::http::address::serialize_address;
use crate::id::{JobId, MigrationId};
use crate::reason::Reason;

/// What was found in a list of old addresses, and what was made of it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Scene7Migration {
    /// Handle of the migration; null after a dry run.
    pub migration_handle: Option<MigrationId>,
    /// Whether nothing was created because the request said so.
    pub dry_run: bool,
    /// Number of lines or entries that were read.
    pub lines: u64,
    /// Number of requests for images among them.
    pub requests: u64,
    /// Number of lines that are no requests for images.
    pub others: u64,
    /// Number of different addresses.
    pub addresses: usize,
    /// Number of different modifiers, after leaving out what changes no image.
    pub modifiers: usize,
    /// Number of assets that were asked for and exist.
    pub assets: usize,
    /// Number of files: pairs of an asset and a modifier, each once.
    pub files: usize,
    /// Number of addresses that have a new path.
    pub redirects: usize,
    /// Addresses that nothing is made of, by reason, the most requested first.
    pub not_understood: Vec<Finding>,
    /// What is made, but may differ from what Scene7 made, by reason, the most requested first.
    pub remarks: Vec<Finding>,
    /// The most requested modifiers.
    pub top_modifiers: Vec<RequestedModifier>,
    /// The jobs that make the files; empty after a dry run.
    pub job_handles: Vec<JobId>,
    /// Related URLs; null after a dry run.
    pub links: Option<MigrationLinks>,
}

/// A migration in a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MigrationSummary {
    /// Handle of the migration.
    pub migration_handle: MigrationId,
    /// Number of different addresses that were read.
    pub addresses: i64,
    /// Number of files: pairs of an asset and a modifier, each once.
    pub files: i64,
    /// Number of addresses that have a new path.
    pub redirects: i64,
    /// The jobs that make the files.
    pub job_handles: Vec<JobId>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// Related URLs.
    pub links: MigrationLinks,
}

impl From<MigrationSummaryRow> for MigrationSummary {
    fn from(row: MigrationSummaryRow) -> Self {
        Self {
            links: MigrationLinks::new(row.migration_id),
            migration_handle: row.migration_id,
            addresses: row.addresses,
            files: row.files,
            redirects: row.redirects,
            job_handles: row.job_handles.0,
            created_at: row.created_at,
        }
    }
}

/// Something that was found in several addresses.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// What it is, and the remedy.
    pub reason: Reason,
    /// Number of requests.
    pub requests: u64,
    /// Number of different addresses.
    pub addresses: u64,
    /// Some of the addresses.
    pub examples: Vec<String>,
}

/// A modifier of the addresses.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RequestedModifier {
    /// The modifier, without what changes no image.
    #[schema(example = "$pdp$&wid=400")]
    pub modifier: String,
    /// What stands for it in paths, as `{rendition}`.
    #[schema(example = "pdp-wid400")]
    pub label: String,
    /// Number of requests.
    pub requests: u64,
    /// Number of files.
    pub files: u64,
}

/// URLs related to a migration.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MigrationLinks {
    /// The migration itself.
    #[serde(rename = "self", serialize_with = "serialize_address")]
    pub own: String,
    /// The redirect map.
    #[serde(serialize_with = "serialize_address")]
    pub redirects: String,
}

impl MigrationLinks {
    /// The URLs of this migration.
    pub fn new(migration: MigrationId) -> Self {
        let own = format!("/migrations/scene7/{migration}");
        Self { redirects: format!("{own}/redirects"), own }
    }
}
