//! An order as it is sent: what to export, how, and whom to tell.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::db::asset::AssetType;
pub use crate::db::vocabulary::{EmailSetting, Fmt, Layout, OnCorrupt, OnUnconvertible, OnUnsupported, Overlap};
use crate::id::UserId;

/// An order to export assets. The names are those of ExportJob; what it does not have is camelCase.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = NewExportJob)]
pub struct Order {
    /// Handles of the assets to export, in the order in which they shall stand in the archive. Either this or `assetFilter`.
    #[schema(min_items = 1)]
    pub asset_handle_array: Option<Vec<String>>,
    /// Chooses the assets by where and what they are: now and once, or at each run of a schedule. Either this or
    /// `assetHandleArray`.
    pub asset_filter: Option<AssetFilter>,
    /// `orig` hands out the uploaded files, `convert` renders them. Not the command `fmt=` of the modifier.
    pub fmt: Fmt,
    /// The modifier for `convert`: commands of the Image Serving language, with or without a leading `&`.
    #[serde(rename = "is_modifier")]
    #[schema(max_length = 8192, example = "&fmt=png")]
    pub is_modifier: Option<String>,
    /// An image preset for `convert`, as `$name$`. It wins over `is_modifier` in every command that it has.
    #[schema(max_length = 66, example = "$test$")]
    pub r#macro: Option<String>,
    /// When a mail is sent. `None` when absent.
    #[schema(inline)]
    pub email_setting: Option<EmailSetting>,
    /// IP address of whoever started the export. Kept and shown, never trusted.
    #[schema(max_length = 255)]
    pub client_id: Option<String>,
    /// A name for people; need not be unique. Made from the time when absent.
    #[schema(max_length = 255, example = "spring catalogue")]
    pub job_name: Option<String>,
    /// Kept and shown.
    #[schema(max_length = 2000)]
    pub description: Option<String>,
    /// Language of mails, such as `en` or `nl-BE`.
    #[schema(max_length = 12, example = "en-US")]
    pub locale: Option<String>,
    /// When to begin, with a zone. At once when absent.
    pub exec_time: Option<DateTime<Utc>>,
    /// Makes it recur: `seconds minutes hours day-of-month month day-of-week [year]`, as Quartz writes it. One of the two
    /// days is `?`; days of the week are SUN to SAT, or 1 (Sunday) to 7. Beside `,`, `-`, `*` and `/` there are `L` (last),
    /// `W` (nearest weekday) and `#` (`6#3`: third Friday). Excludes `execTime`.
    #[schema(max_length = 255, example = "0 30 2 ? * MON-FRI")]
    pub exec_schedule: Option<String>,
    /// Whose clocks `execSchedule` goes by: a name of IANA. `UTC` when absent. A time that the clocks skip runs at the next
    /// instant, one that they show twice runs once.
    #[schema(max_length = 64, example = "Europe/Amsterdam")]
    pub time_zone: Option<String>,
    /// What becomes of a run of the schedule that is due while the one before is not finished: `skip` when absent.
    #[schema(inline)]
    pub overlap: Option<Overlap>,
    /// Whose job it shall be: somebody of the company. Needs `exports:manage-all`; whoever sends it when absent.
    pub user_handle: Option<UserId>,
    /// Several pictures of each asset, in the place of `is_modifier` and `macro`. They share what they can of the work.
    #[schema(min_items = 1, max_items = 10)]
    pub renditions: Option<Vec<NewRendition>>,
    /// What becomes of damaged pictures in a convert job: `fail` when absent.
    #[schema(inline)]
    pub on_corrupt: Option<OnCorrupt>,
    /// Whether copyright, creator and credit stay in converted pictures, as a small XMP: true when absent. All other
    /// metadata is dropped anyhow.
    pub keep_rights: Option<bool>,
    /// Where a signed message (webhook) is sent when a run of the job has ended: a URL with https of a public host.
    #[schema(max_length = 2048, example = "https://example.org/hooks/export")]
    pub callback_url: Option<String>,
    /// What becomes of sets, which cannot be exported: `refuse` when absent.
    #[schema(inline)]
    pub on_unsupported: Option<OnUnsupported>,
    /// What becomes of files that are no pictures in a convert job: `original` when absent.
    #[schema(inline)]
    pub on_unconvertible: Option<OnUnconvertible>,
    /// Whether warnings about the modifier are mistakes.
    pub strict: Option<bool>,
    /// Whether files lie side by side in the archive or in the folders of their assets: `flat` when absent.
    #[schema(inline)]
    pub layout: Option<Layout>,
    /// Who gets the mail, instead of the service's default recipient.
    #[schema(max_items = 5)]
    pub notify_emails: Option<Vec<String>>,
    /// Which of a company's jobs comes first: higher before lower, 0 when absent.
    #[schema(minimum = -10, maximum = 10)]
    pub priority: Option<i16>,
    /// Seconds that the files are kept after the end: 7 days when absent.
    #[schema(minimum = 60, maximum = 7776000)]
    pub expires_in: Option<i64>,
}

impl Order {
    /// Takes away when it recurs: what is left is the order of one run.
    pub fn once(&mut self) {
        (self.exec_schedule, self.time_zone, self.overlap) = (None, None, None);
    }
}

/// One of the ways in which every picture of a job is converted.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewRendition {
    /// What it is called in lists and manifest: letters, digits, `-` and `_`. No two names may differ in case only.
    #[schema(min_length = 1, max_length = 32, pattern = "^[A-Za-z0-9_-]{1,32}$", example = "web")]
    pub name: String,
    /// The modifier, as that of a job.
    #[serde(rename = "is_modifier")]
    #[schema(max_length = 8192, example = "wid=800&fmt=webp")]
    pub is_modifier: Option<String>,
    /// An image preset as `$name$`, as that of a job.
    #[schema(max_length = 66)]
    pub r#macro: Option<String>,
    /// What stands behind the base name of its files, after a `-`: letters, digits, `-`, `_` and `@`. The name when absent.
    #[schema(min_length = 1, max_length = 32, pattern = "^[A-Za-z0-9_@-]{1,32}$", example = "800")]
    pub suffix: Option<String>,
}

impl NewRendition {
    /// What stands behind the base name of its files.
    pub fn suffix(&self) -> &str {
        self.suffix.as_deref().unwrap_or(&self.name)
    }
}

/// Which assets, by where and what they are. Every part that is sent must fit.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssetFilter {
    /// Assets in this folder, such as `shoes/summer`; the empty text is the top.
    #[schema(max_length = 1024, example = "shoes/summer")]
    pub folder: Option<String>,
    /// Also assets in the folders below it. False when absent.
    pub recursive: Option<bool>,
    /// Assets of this type.
    #[schema(inline)]
    pub r#type: Option<AssetType>,
    /// Assets whose name begins with this.
    #[schema(max_length = 255)]
    pub name: Option<String>,
}
