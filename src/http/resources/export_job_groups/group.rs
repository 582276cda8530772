//! The representation of a group of export jobs: one status, and an index of its archives.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::db::enums::{EmailSetting, Outcome, ShownState};
use crate::db::job::JobRow;
use crate::db::job_group::{JobGroupRow, combine_outcomes};
use crate::db::metadata_map::MetadataMap;
use crate::http::address::serialize_address;
use crate::http::resources::export_jobs::job::{Counts, count_items};
use crate::id::{JobGroupId, JobId, UserId};
use crate::reason::Reason;

/// Export jobs that were created by one request.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExportJobGroup {
    /// Handle of the group.
    pub group_handle: JobGroupId,
    /// Owner of the jobs; null in open mode.
    user_handle: Option<UserId>,
    /// Name of the group and of its jobs, for people.
    #[schema(example = "everything for the marketplace")]
    group_name: String,
    /// `finished` when all jobs are; otherwise what the jobs that are not do.
    pub state: ShownState,
    /// How all jobs ended together; null before.
    outcome: Option<Outcome>,
    /// Number of items by state, over all jobs.
    counts: Counts,
    /// Number of files that can be downloaded.
    files: i64,
    /// Total size of these files in bytes.
    bytes: i64,
    /// Whole percent over all items of all jobs; 100 only when the group is finished.
    #[schema(minimum = 0, maximum = 100)]
    percent: i32,
    /// On which outcomes of the group a mail is sent: one, when the last job has ended.
    email_setting: EmailSetting,
    /// URL of the webhook receiver: it gets one message, when the last job has ended.
    callback_url: Option<String>,
    /// Texts of the client's own, from the request.
    metadata: MetadataMap,
    /// Warnings about the selection, such as assets that do not exist. Those about single jobs are theirs.
    warnings: Vec<Reason>,
    /// When it was created.
    created_at: DateTime<Utc>,
    /// When its last job ended; null before.
    finished_at: Option<DateTime<Utc>>,
    /// Its jobs in the order of the assets: the index of its archives.
    jobs: Vec<ExportJobGroupPart>,
    /// Related URLs.
    links: ExportJobGroupLinks,
}

/// A job of a group, with its archive.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExportJobGroupPart {
    /// Handle of the job.
    job_handle: JobId,
    /// Current state of the job.
    state: ShownState,
    /// How it ended; null before.
    outcome: Option<Outcome>,
    /// Number of its items by state.
    counts: Counts,
    /// Number of its files.
    files: i32,
    /// Total size of its files in bytes.
    bytes: i64,
    /// Size of its archive in bytes; null before it is finished, and once its files have expired.
    archive_bytes: Option<i64>,
    /// When its files are deleted; null before it is finished.
    expires_at: Option<DateTime<Utc>>,
    /// Related URLs.
    links: ExportJobGroupPartLinks,
}

/// URLs related to a job of a group.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ExportJobGroupPartLinks {
    /// The job itself.
    #[serde(rename = "self", serialize_with = "serialize_address")]
    own: String,
    /// The zip with its files.
    #[serde(serialize_with = "serialize_address")]
    archive: String,
    /// Its manifest.
    #[serde(serialize_with = "serialize_address")]
    manifest: String,
}

/// URLs related to a group.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ExportJobGroupLinks {
    /// The group itself.
    #[serde(rename = "self", serialize_with = "serialize_address")]
    pub own: String,
}

impl ExportJobGroup {
    pub fn new(group: JobGroupRow, jobs: &[JobRow]) -> Self {
        let state = combine_states(jobs);
        let is_finished = state == ShownState::Finished;
        let counts = jobs.iter().map(count_items).fold(Counts::default(), add_counts);
        let percents: i64 = jobs.iter().map(|job| i64::from(job.percent()) * i64::from(job.total.max(1))).sum();
        let weights: i64 = jobs.iter().map(|job| i64::from(job.total.max(1))).sum();
        let percent = if is_finished { 100 } else { (percents / weights.max(1)).min(99) as i32 };
        let outcomes: Vec<Outcome> = jobs.iter().filter_map(|job| job.outcome).collect();
        Self {
            links: ExportJobGroupLinks { own: format!("/export-job-groups/{}", group.group_id) },
            group_handle: group.group_id,
            user_handle: group.user_id,
            group_name: group.group_name,
            state,
            outcome: is_finished.then(|| combine_outcomes(&outcomes)),
            counts,
            files: jobs.iter().map(|job| i64::from(job.files)).sum(),
            bytes: jobs.iter().map(|job| job.bytes).sum(),
            percent,
            email_setting: group.email_setting,
            callback_url: group.callback_url,
            metadata: group.metadata.0,
            warnings: group.warnings.0,
            created_at: group.created_at,
            finished_at: jobs.iter().filter_map(|job| job.finished_at).max().filter(|_| is_finished),
            jobs: jobs.iter().map(ExportJobGroupPart::from).collect(),
        }
    }
}

impl From<&JobRow> for ExportJobGroupPart {
    fn from(job: &JobRow) -> Self {
        let own = format!("/export-jobs/{}", job.job_id);
        Self {
            job_handle: job.job_id,
            state: job.shown_state(),
            outcome: job.outcome,
            counts: count_items(job),
            files: job.files,
            bytes: job.bytes,
            archive_bytes: job.archive_size.filter(|_| !job.expired),
            expires_at: job.expires_at,
            links: ExportJobGroupPartLinks {
                archive: format!("{own}/archive"),
                manifest: format!("{own}/manifest"),
                own,
            },
        }
    }
}

/// What the jobs that are not finished do: the one that does most stands for all.
fn combine_states(jobs: &[JobRow]) -> ShownState {
    let states: Vec<ShownState> = jobs.iter().map(JobRow::shown_state).collect();
    let activity =
        [ShownState::Running, ShownState::Stopping, ShownState::Queued, ShownState::Paused, ShownState::Scheduled];
    let most_active = activity.into_iter().find(|state| states.contains(state));
    match most_active {
        // Some are done, others have not begun.
        Some(ShownState::Queued) if states.contains(&ShownState::Finished) => ShownState::Running,
        Some(state) => state,
        None => ShownState::Finished,
    }
}

fn add_counts(sum: Counts, counts: Counts) -> Counts {
    Counts {
        total: sum.total + counts.total,
        waiting: sum.waiting + counts.waiting,
        running: sum.running + counts.running,
        succeeded: sum.succeeded + counts.succeeded,
        failed: sum.failed + counts.failed,
        skipped: sum.skipped + counts.skipped,
        stopped: sum.stopped + counts.stopped,
        warnings: sum.warnings + counts.warnings,
    }
}
