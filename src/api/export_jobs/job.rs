//! A job as it is shown.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::reason::Note;
use crate::db;
use crate::db::job::Rendition;
use crate::db::vocabulary::{
    EmailSetting, Fmt, Layout, OnCorrupt, OnUnconvertible, OnUnsupported, Outcome, ShownState,
};
use crate::id::{JobId, ScheduleId, UserId};

/// An export job. Its assets are not in it: they are `…/items`.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// The job's handle: from creation to deletion, for everything.
    pub job_handle: JobId,
    /// Whose it is; null where the service asks for no keys.
    pub user_handle: Option<UserId>,
    /// The schedule whose run it is; null when somebody ordered it. It may have been deleted since.
    pub schedule_handle: Option<ScheduleId>,
    /// Its name for people.
    pub job_name: String,
    /// As it was sent.
    pub description: Option<String>,
    /// What it is doing.
    pub state: ShownState,
    /// How the current run ended; null until then.
    pub outcome: Option<Outcome>,
    /// Items by how they are. The numbers but `total` and `warnings` add up to `total`.
    pub counts: Counts,
    /// Files that can be fetched. Archives are not counted.
    pub files: i32,
    /// Their size in bytes.
    pub bytes: i64,
    /// How far the current run is.
    pub progress: Progress,
    /// 1, or more after retries.
    pub run: i32,
    /// What is handed out.
    pub fmt: Fmt,
    /// As it was sent.
    #[serde(rename = "is_modifier")]
    pub is_modifier: Option<String>,
    /// As it was sent.
    pub r#macro: Option<String>,
    /// The modifier with every macro in its place, as it was when the job was created.
    pub effective_modifier: Option<String>,
    /// The ways in which every picture is converted, in the place of the three above; null when the job has none.
    pub renditions: Option<Vec<Rendition>>,
    /// When a mail is sent.
    pub email_setting: EmailSetting,
    /// As they were sent.
    pub notify_emails: Vec<String>,
    /// As it was sent; what became of its messages is `…/deliveries`.
    pub callback_url: Option<String>,
    /// The mail of the current run; null when none is due.
    pub notification: Option<Notification>,
    /// As it was sent.
    pub client_id: Option<String>,
    /// As it was sent.
    pub locale: Option<String>,
    /// Where files lie in the archive.
    pub layout: Layout,
    /// What becomes of sets.
    pub on_unsupported: OnUnsupported,
    /// What becomes of files that are no pictures.
    pub on_unconvertible: OnUnconvertible,
    /// What becomes of damaged pictures.
    pub on_corrupt: OnCorrupt,
    /// Whether warnings about the modifier were mistakes.
    pub strict: bool,
    /// Which of the company's jobs comes first: higher before lower.
    pub priority: i16,
    /// Seconds that files are kept after the end.
    pub expires_in: i64,
    /// When it shall begin; null for at once.
    pub exec_time: Option<DateTime<Utc>>,
    /// When it was ordered.
    pub created_at: DateTime<Utc>,
    /// When its first item was taken.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// Until when its files are kept.
    pub expires_at: Option<DateTime<Utc>>,
    /// What there was to know when it was created.
    pub warnings: Vec<Note>,
    /// Where to go from here.
    pub links: Links,
}

/// Items by how they are.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[allow(missing_docs, reason = "the words of an item's state")]
pub struct Counts {
    pub total: i64,
    pub waiting: i64,
    pub running: i64,
    pub succeeded: i64,
    pub failed: i64,
    pub skipped: i64,
    pub stopped: i64,
    /// Items with warnings, whichever of the others they are; stopped ones are left out.
    pub warnings: i64,
}

/// How far the current run is.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// Whole percent; never goes back within a run, 100 only when the job is finished.
    pub percent: i32,
    /// Seconds that it will still take, as far as one can tell.
    pub eta_seconds: Option<i64>,
}

impl Progress {
    pub(super) fn of(job: &db::job::Job) -> Self {
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
    /// Who is told.
    pub to: Vec<String>,
    /// When it was sent, or given up.
    pub at: Option<DateTime<Utc>>,
    /// What the mail server said last, when it refused.
    pub detail: Option<String>,
}

/// Addresses that belong to a job.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Links {
    #[serde(rename = "self")]
    /// The job itself.
    pub own: String,
    /// What became of each asset.
    pub items: String,
    /// The log.
    pub events: String,
    /// The files.
    pub files: String,
    /// The one file, or the archive.
    pub download: String,
    /// The zip of all files.
    pub archive: String,
    /// The list of everything, also inside the zip.
    pub manifest: String,
}

impl Links {
    /// Links of this job, relative to the service.
    pub fn of(job: JobId) -> Self {
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

impl From<db::job::Job> for Job {
    fn from(job: db::job::Job) -> Self {
        Self {
            job_handle: job.job_id,
            state: job.shown(),
            outcome: job.outcome,
            counts: counts(&job),
            files: job.files,
            bytes: job.bytes,
            progress: Progress::of(&job),
            notification: notification(&job),
            links: Links::of(job.job_id),
            run: job.run,
            user_handle: job.user_id,
            schedule_handle: job.schedule_id,
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
            warnings: job.warnings.0,
        }
    }
}

/// Items of a job by how they are.
pub(super) fn counts(job: &db::job::Job) -> Counts {
    Counts {
        total: job.total.into(),
        waiting: job.waiting(),
        running: job.running,
        succeeded: job.succeeded.into(),
        failed: job.failed.into(),
        skipped: job.skipped.into(),
        stopped: job.stopped.into(),
        warnings: job.warned.into(),
    }
}

fn notification(job: &db::job::Job) -> Option<Notification> {
    let recipients = job.notice_recipients.as_ref()?;
    Some(Notification {
        state: job.notice_state.clone()?,
        to: recipients.0.clone(),
        at: job.notice_at,
        detail: job.notice_detail.clone(),
    })
}

/// A weak entity tag that differs whenever what is shown does, but for the guess how long it will take: the log's
/// number counts every end and every order, and the rest is what changes without one.
pub fn etag(job: &db::job::Job) -> String {
    let state = serde_json::to_value(job.shown()).unwrap_or_default();
    let mail = job.notice_state.as_deref().unwrap_or_default();
    let expired = if job.expired { "expired" } else { "" };
    let (seen, running, run) = (job.event_seq, job.running, job.run);
    format!("W/\"{seen}-{running}-{run}-{}{mail}{expired}\"", state.as_str().unwrap_or_default())
}

/// Whether one of the tags in `If-None-Match` is this one, compared weakly as RFC 9110 wants it.
pub fn is_known(said: &str, etag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    said.trim() == "*" || said.split(',').any(|tag| opaque(tag) == opaque(etag))
}
