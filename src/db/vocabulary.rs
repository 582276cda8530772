//! The words that columns hold: one enum each, spelled the same in Postgres, on the wire and in the document.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a job hands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum Fmt {
    /// The uploaded files.
    Orig,
    /// Pictures rendered by a modifier.
    Convert,
}

/// When a mail is sent (`types/c-data-types/r-exportjob`, constants of *Email Settings*).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[sqlx(type_name = "text")]
pub enum EmailSetting {
    /// At every end.
    All,
    /// When the outcome is `partiallyFailed` or `failed`.
    Error,
    /// As `Error`, and when it is `succeededWithWarnings`.
    ErrorAndWarning,
    /// At every end but `stopped`.
    JobCompletion,
    /// Never.
    #[default]
    None,
}

/// What becomes of sets, which cannot be exported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum OnUnsupported {
    /// The whole request is refused.
    #[default]
    Refuse,
    /// They are left out, each with a warning.
    Skip,
}

/// What becomes of a schedule's run that is due while the one before is not finished.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Overlap {
    /// It is left out, and noted.
    #[default]
    Skip,
    /// It runs beside the other.
    Allow,
}

/// What was last told to a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum ScheduleState {
    /// It runs when it is due.
    Active,
    /// It does not, until it is resumed.
    Paused,
    /// No run is to come.
    Completed,
}

/// What a schedule is doing, as it is shown (`string-constants/…/r-job-trigger-states`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ShownScheduleState {
    /// It runs when it is due: `Normal` in IPS.
    Active,
    /// It does not, until it is resumed.
    Paused,
    /// No run is to come: `Complete` in IPS.
    Completed,
    /// It runs when it is due; the last time no job could be made. `lastError` says why.
    Error,
    /// A job of it is not finished; a run that is due meanwhile is skipped.
    Blocked,
}

/// What became of a run of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum RunOutcome {
    /// It is a job.
    Started,
    /// The one before was not finished.
    Skipped,
    /// No job could be made.
    Refused,
}

/// What becomes of damaged pictures in a convert job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum OnCorrupt {
    /// Their items fail.
    #[default]
    Fail,
    /// What decodes of them is rendered, with the warning `corrupt-source`.
    Warn,
}

/// What becomes of files that are no pictures in a convert job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum OnUnconvertible {
    /// They are handed out as uploaded, each with a warning.
    Original,
    /// They are left out, each with a warning.
    Skip,
    /// Their items fail.
    Fail,
}

/// Where files lie in the archive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum Layout {
    /// All side by side.
    #[default]
    Flat,
    /// In the folders of their assets.
    Folders,
}

/// What a job is doing, as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum JobState {
    /// Waits for its `execTime`.
    Scheduled,
    /// Its items are worked on as slots become free.
    Active,
    /// Nothing new is begun.
    Paused,
    /// Stopped by order; what runs ends.
    Stopping,
    /// Over: sealed, with an outcome.
    Finished,
}

/// What a job is doing, as it is shown: an active job is queued until its first item is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the words of JobState")]
pub enum ShownState {
    Scheduled,
    Queued,
    Running,
    Paused,
    Stopping,
    Finished,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "camelCase")]
#[sqlx(type_name = "text", rename_all = "camelCase")]
pub enum Outcome {
    /// Every item worked.
    Succeeded,
    /// Nothing failed; some items have warnings or were skipped.
    SucceededWithWarnings,
    /// Some items failed, some did not.
    PartiallyFailed,
    /// Nothing worked.
    Failed,
    /// Somebody stopped the job before it was done.
    Stopped,
}

impl Outcome {
    /// The word for it.
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

/// What an item is doing, or how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum ItemState {
    /// Not taken yet.
    Waiting,
    /// A worker has it.
    Running,
    /// Its file is there.
    Succeeded,
    /// It did not work; the failure says why.
    Failed,
    /// Left out, as the job asked for.
    Skipped,
    /// Not done, because the job was stopped.
    Stopped,
}

/// Whether a file's bytes are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum FileState {
    /// Not yet.
    Waiting,
    /// They can be fetched.
    Ready,
    /// They will not be: the item ended without.
    Absent,
}
