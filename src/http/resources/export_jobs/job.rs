//! The representation of an export job, and its entity tag.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::db;
use crate::db::enums::{
    EmailSetting, Fmt, Layout, OnCorrupt, OnMissing, OnUnconvertible, OnUnsupported, Outcome, ShownState,
};
use crate::db::job::Rendition;
use crate::db::metadata_map::MetadataMap;
use crate::http::address::serialize_address;
use crate::http::resources::export_jobs::destinations::Destination;
use crate::id::{JobGroupId, JobId, ScheduleId, UserId};
use crate::reason::Reason;

/// An export job. The results by asset are at `…/items`.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// Handle of the job.
    pub job_handle: JobId,
    /// Owner of the job; null in open mode.
    pub user_handle: Option<UserId>,
    /// The schedule that created the job; null if none did. The schedule may have been deleted.
    pub schedule_handle: Option<ScheduleId>,
    /// The group that the job is a part of; null for a job of its own. Mails and webhooks are then about the group.
    pub group_handle: Option<JobGroupId>,
    /// Name of the job, for people.
    pub job_name: String,
    /// Description from the request.
    pub description: Option<String>,
    /// Current state.
    pub state: ShownState,
    /// Outcome of the current run; null until it ends.
    pub outcome: Option<Outcome>,
    /// Number of items by state. All except `total` and `warnings` add up to `total`.
    pub counts: Counts,
    /// Number of files that can be downloaded, without the archive.
    pub files: i32,
    /// Total size of these files in bytes.
    pub bytes: i64,
    /// Progress of the current run.
    pub progress: Progress,
    /// Number of the current run: 1, or more after retries.
    pub run: i32,
    /// Whether originals are exported or converted.
    pub fmt: Fmt,
    /// Modifier from the request.
    #[serde(rename = "is_modifier")]
    pub is_modifier: Option<String>,
    /// Macro from the request.
    pub r#macro: Option<String>,
    /// The modifier with all macros expanded, as of the creation of the job.
    pub effective_modifier: Option<String>,
    /// The renditions made of every image, instead of the three fields above; null when the job has none.
    pub renditions: Option<Vec<Rendition>>,
    /// On which outcomes a mail is sent.
    pub email_setting: EmailSetting,
    /// Recipients of mail, from the request.
    pub notify_emails: Vec<String>,
    /// URL of the webhook receiver; its deliveries are at `…/deliveries`.
    pub callback_url: Option<String>,
    /// Stores to which the files are delivered, in the order of the request.
    pub deliver_to: Vec<Destination>,
    /// The mail of the current run; null when none is sent.
    pub notification: Option<Notification>,
    /// `clientId` from the request.
    pub client_id: Option<String>,
    /// Language of mails, from the request.
    pub locale: Option<String>,
    /// Layout of folders in the archive.
    pub layout: Layout,
    /// Texts of the client's own, from the request.
    pub metadata: MetadataMap,
    /// How files are named, from the request; null for the names of the originals.
    pub name_template: Option<String>,
    /// How handles of assets that do not exist were handled.
    pub on_missing: OnMissing,
    /// How sets are handled.
    pub on_unsupported: OnUnsupported,
    /// How files that are no images are handled.
    pub on_unconvertible: OnUnconvertible,
    /// How damaged images are handled.
    pub on_corrupt: OnCorrupt,
    /// Whether warnings about the modifier are errors.
    pub strict: bool,
    /// Priority among the company's jobs: higher first.
    pub priority: i16,
    /// Seconds for which files are kept after the end of the job.
    pub expires_in: i64,
    /// When the job starts; null for at once.
    pub exec_time: Option<DateTime<Utc>>,
    /// When the job was created.
    pub created_at: DateTime<Utc>,
    /// When a worker started the first item.
    pub started_at: Option<DateTime<Utc>>,
    /// When the job ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// When its files are deleted.
    pub expires_at: Option<DateTime<Utc>>,
    /// Warnings from the creation of the job. Those about the modifier count for every item that it was applied to, and
    /// stand among the item's warnings too.
    pub warnings: Vec<Reason>,
    /// Harmless remarks about the modifier, such as commands that have no meaning in an export. They count nowhere.
    pub notices: Vec<Reason>,
    /// Related URLs.
    pub links: Links,
}

/// Number of items by state.
#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
#[allow(missing_docs, reason = "the words of an item's state")]
pub struct Counts {
    pub total: i64,
    pub waiting: i64,
    pub running: i64,
    pub succeeded: i64,
    pub failed: i64,
    pub skipped: i64,
    pub stopped: i64,
    /// Items with warnings, of their own or about the modifier, in whatever state except stopped.
    pub warnings: i64,
}

/// Progress of the current run.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// Whole percent. Never decreases within a run; 100 only when the job is finished.
    pub percent: i32,
    /// Estimated remaining seconds; null when unknown.
    pub eta_seconds: Option<i64>,
}

impl Progress {
    pub(super) fn from_row(job: &db::job::JobRow) -> Self {
        Self { percent: job.percent(), eta_seconds: job.eta_seconds() }
    }
}

/// The mail of a run.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Notification {
    /// `waiting`, `sent` or `failed`.
    #[schema(example = "sent")]
    pub state: String,
    /// Recipients.
    pub to: Vec<String>,
    /// When it was sent or given up; null until then.
    pub at: Option<DateTime<Utc>>,
    /// Last response of the mail server when it refused the mail.
    pub detail: Option<String>,
}

/// URLs related to a job.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Links {
    /// The job itself.
    #[serde(rename = "self", serialize_with = "serialize_address")]
    pub own: String,
    /// The results by asset.
    #[serde(serialize_with = "serialize_address")]
    pub items: String,
    /// The events.
    #[serde(serialize_with = "serialize_address")]
    pub events: String,
    /// The files.
    #[serde(serialize_with = "serialize_address")]
    pub files: String,
    /// The file, if there is exactly one, else the archive.
    #[serde(serialize_with = "serialize_address")]
    pub download: String,
    /// The zip with all files.
    #[serde(serialize_with = "serialize_address")]
    pub archive: String,
    /// The manifest, which is also in the archive.
    #[serde(serialize_with = "serialize_address")]
    pub manifest: String,
}

impl Links {
    /// The URLs of this job, relative to the service.
    pub fn for_job(job: JobId) -> Self {
        let own = format!("/export-jobs/{job}");
        let below = |name: &str| format!("{own}/{name}");
        Self {
            items: below("items"),
            events: below("events"),
            files: below("files"),
            download: below("download"),
            archive: below("archive"),
            manifest: below("manifest"),
            own,
        }
    }
}

impl From<db::job::JobRow> for Job {
    fn from(job: db::job::JobRow) -> Self {
        Self {
            job_handle: job.job_id,
            state: job.shown_state(),
            outcome: job.outcome,
            counts: count_items(&job),
            files: job.files,
            bytes: job.bytes,
            progress: Progress::from_row(&job),
            notification: build_notification(&job),
            deliver_to: job.list_destinations().iter().map(Destination::from).collect(),
            links: Links::for_job(job.job_id),
            run: job.run,
            user_handle: job.user_id,
            schedule_handle: job.schedule_id,
            group_handle: job.group_id,
            job_name: job.job_name,
            description: job.description,
            fmt: job.fmt,
            is_modifier: job.is_modifier,
            r#macro: job.r#macro,
            effective_modifier: job.effective_modifier,
            renditions: job.renditions.map(|renditions| renditions.0),
            email_setting: job.email_setting,
            notify_emails: job.notify_emails.0,
            callback_url: job.callback_url,
            client_id: job.client_id,
            locale: job.locale,
            layout: job.layout,
            metadata: job.metadata.0,
            name_template: job.name_template,
            on_missing: job.on_missing,
            on_unsupported: job.on_unsupported,
            on_unconvertible: job.on_unconvertible,
            on_corrupt: job.on_corrupt,
            strict: job.strict,
            priority: job.priority,
            expires_in: job.expires_in,
            exec_time: job.exec_time,
            created_at: job.created_at,
            started_at: job.started_at,
            finished_at: job.finished_at,
            expires_at: job.expires_at,
            warnings: [job.warnings.0, job.modifier_warnings.0].concat(),
            notices: job.notices.0,
        }
    }
}

pub(in crate::http) fn count_items(job: &db::job::JobRow) -> Counts {
    Counts {
        total: job.total.into(),
        waiting: job.count_waiting(),
        running: job.running,
        succeeded: job.succeeded.into(),
        failed: job.failed.into(),
        skipped: job.skipped.into(),
        stopped: job.stopped.into(),
        warnings: job.warned.into(),
    }
}

fn build_notification(job: &db::job::JobRow) -> Option<Notification> {
    let recipients = job.mail_recipients.as_ref()?;
    Some(Notification {
        state: job.mail_state.clone()?,
        to: recipients.0.clone(),
        at: job.mail_ended_at,
        detail: job.mail_detail.clone(),
    })
}

/// A weak entity tag that changes whenever the representation does, except for the estimated time. The number of the last
/// event covers every end of an item and every job action; the other parts change without an event.
pub fn compute_job_etag(job: &db::job::JobRow) -> String {
    let state = serde_json::to_value(job.shown_state()).unwrap_or_default();
    let mail = job.mail_state.as_deref().unwrap_or_default();
    let expired = if job.expired { "expired" } else { "" };
    let (seq, running, run) = (job.event_seq, job.running, job.run);
    let handled: i64 = job.list_destinations().iter().map(|destination| i64::from(destination.count_handled())).sum();
    let delivered = if job.destinations.is_some() { format!("-{handled}") } else { String::new() };
    format!("W/\"{seq}-{running}-{run}-{}{mail}{expired}{delivered}\"", state.as_str().unwrap_or_default())
}

/// Whether `If-None-Match` lists this tag, by the weak comparison of RFC 9110.
pub fn is_etag_listed(if_none_match: &str, etag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    if_none_match.trim() == "*" || if_none_match.split(',').any(|tag| opaque(tag) == opaque(etag))
}
