//! Enums stored as text. Each value has the same spelling in Postgres, in JSON and in the OpenAPI document.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a job exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum Fmt {
    /// The originals, as uploaded.
    Orig,
    /// Images converted by a modifier.
    Convert,
}

/// When mail is sent at the end of a run. Documentation page: `types/c-data-types/r-exportjob`, constants of *Email
/// Settings*.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[sqlx(type_name = "text")]
pub enum EmailSetting {
    /// Always.
    All,
    /// When the outcome is `partiallyFailed` or `failed`.
    Error,
    /// As `Error`, and when it is `succeededWithWarnings`.
    ErrorAndWarning,
    /// Always, unless the outcome is `stopped`.
    JobCompletion,
    /// Never.
    #[default]
    None,
}

/// What happens to sets, which cannot be exported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum OnUnsupported {
    /// The whole request is rejected.
    #[default]
    Refuse,
    /// They are skipped, each with a warning.
    Skip,
}

/// What happens to handles of assets that do not exist, or not any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum OnMissing {
    /// The whole request is rejected.
    #[default]
    Fail,
    /// They are left out, each with a warning of the job.
    Skip,
}

/// What happens when a run of a schedule is due while the job of an earlier run is not finished.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Overlap {
    /// The run is skipped and recorded as skipped.
    #[default]
    Skip,
    /// It starts anyway.
    Allow,
}

/// State of a schedule as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum ScheduleState {
    Active,
    /// No runs until it is resumed.
    Paused,
    /// No further run will come.
    Completed,
}

/// State of a schedule as it is shown. Documentation page: `string-constants/…/r-job-trigger-states`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ShownScheduleState {
    /// It runs when it is due: `Normal` in IPS.
    Active,
    /// No runs until it is resumed.
    Paused,
    /// No further run will come: `Complete` in IPS.
    Completed,
    /// It runs when it is due, but the last run could not create a job. `lastError` says why.
    Error,
    /// One of its jobs is not finished; a run that is due meanwhile is skipped.
    Blocked,
}

/// Result of a run of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum RunOutcome {
    /// It created a job.
    Started,
    /// The job of an earlier run was not finished.
    Skipped,
    /// The job could not be created.
    Refused,
}

/// What happens to damaged images in a convert job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum OnCorrupt {
    /// Their items fail.
    #[default]
    Fail,
    /// They are rendered as far as they can be decoded, with the warning `corrupt-source`.
    Warn,
}

/// What happens to files that are not images in a convert job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum OnUnconvertible {
    /// They are exported as uploaded, each with a warning.
    Original,
    /// They are skipped, each with a warning.
    Skip,
    /// Their items fail.
    Fail,
}

/// Folders in the archive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum Layout {
    /// All files in one folder.
    #[default]
    Flat,
    /// In the folders of their assets.
    Folders,
}

/// State of a job as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum JobState {
    /// Waits for its `execTime`.
    Scheduled,
    /// Its items are processed as slots become free.
    Active,
    /// No further item is started.
    Paused,
    /// Stop was requested; running items are being ended.
    Stopping,
    /// Sealed, with an outcome.
    Finished,
}

/// State of a job as it is shown: an active job is queued until its first item is claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ShownState {
    Scheduled,
    Queued,
    Running,
    Paused,
    Stopping,
    Finished,
}

impl ShownState {
    /// Every state, in the order in which a job goes through them.
    pub const ALL: [Self; 6] =
        [Self::Scheduled, Self::Queued, Self::Running, Self::Paused, Self::Stopping, Self::Finished];

    /// The name as it is serialized.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopping => "stopping",
            Self::Finished => "finished",
        }
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "camelCase")]
#[sqlx(type_name = "text", rename_all = "camelCase")]
pub enum Outcome {
    /// Every item succeeded.
    Succeeded,
    /// No item failed; some have warnings or were skipped.
    SucceededWithWarnings,
    /// Some items failed, others did not.
    PartiallyFailed,
    /// No item succeeded.
    Failed,
    /// The job was stopped before it was done.
    Stopped,
}

impl Outcome {
    /// Every outcome, best first.
    pub const ALL: [Self; 5] =
        [Self::Succeeded, Self::SucceededWithWarnings, Self::PartiallyFailed, Self::Failed, Self::Stopped];

    /// The name as it is serialized, and a metrics label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::SucceededWithWarnings => "succeededWithWarnings",
            Self::PartiallyFailed => "partiallyFailed",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }
}

/// State of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum ImportState {
    /// Nothing has begun yet.
    Queued,
    /// Its source is being listed, or its files are being brought.
    Running,
    /// It was stopped, and ends.
    Stopping,
    /// It has ended, with an outcome.
    Finished,
}

/// State of a file of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum ImportEntryState {
    /// Not done yet, or to be tried again.
    Waiting,
    /// It is an asset.
    Imported,
    /// Unchanged, or left out because of its name; `reason` says which.
    Skipped,
    /// `reason` says why.
    Failed,
    /// Not done, because the import was stopped.
    Stopped,
}

/// What an import does where there is an asset of the name already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum OnExisting {
    /// The file is left out.
    #[default]
    Skip,
    /// The asset gets the file as its new content. Names, metadata and handle stay.
    Replace,
    /// The file becomes a new asset, with a number behind its name: `shoe (2).jpg`.
    Rename,
}

/// State of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum ItemState {
    /// Not claimed by a worker yet, or to be tried again.
    Waiting,
    /// A worker has claimed it.
    Running,
    /// Its files are ready.
    Succeeded,
    /// It failed for good; `failure` says why.
    Failed,
    /// Left out, as the request asked for.
    Skipped,
    /// Not done, because the job was stopped.
    Stopped,
}

impl ItemState {
    /// Every state.
    pub const ALL: [Self; 6] =
        [Self::Waiting, Self::Running, Self::Succeeded, Self::Failed, Self::Skipped, Self::Stopped];

    /// The name as it is serialized.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Stopped => "stopped",
        }
    }
}

/// State of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum FileState {
    /// Not produced yet.
    Waiting,
    /// It can be downloaded.
    Ready,
    /// It will not be produced, or has expired.
    Absent,
}
