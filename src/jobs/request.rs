//! The export request, the body of `POST /export-jobs`: what to export, how, and who is notified.
//!
//! The names are those of IPS' ExportJob; what ExportJob does not have is camelCase. Only shapes and defaults are here, the
//! rules are in [`super::validation`], [`super::rendition`] and [`super::schedule`].

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::db::asset::AssetType;
pub use crate::db::enums::{EmailSetting, Fmt, Layout, OnCorrupt, OnMissing, OnUnconvertible, OnUnsupported, Overlap};
use crate::db::metadata_map::MetadataMap;
use crate::id::UserId;
use crate::jobs::destination::{DestinationRequest, OnRemoved};
use crate::jobs::listed_text::ListedText;

/// An export request. The names are those of ExportJob; what ExportJob does not have is camelCase.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExportRequest {
    /// Handles of the assets to export, in the order of the archive. This, `assets` or `assetFilter` is required.
    #[schema(min_items = 1)]
    pub asset_handle_array: Option<Vec<String>>,
    /// Assets with a modifier or parameters of their own, behind those of `assetHandleArray`. The same asset may stand here
    /// several times.
    #[schema(min_items = 1)]
    pub assets: Option<Vec<AssetRequest>>,
    /// Selects the assets by folder, type and name: once, when the job is created, or at each run of a schedule, instead of
    /// `assetHandleArray` and `assets`.
    pub asset_filter: Option<AssetFilter>,
    /// `orig` exports the uploaded files, `convert` renders them. Not to be confused with the command `fmt=` of the modifier.
    pub fmt: Fmt,
    /// The modifier for `convert`: commands of the Image Serving language, with or without a leading `&`.
    #[serde(rename = "is_modifier")]
    #[schema(max_length = 8192, example = "&fmt=png")]
    pub is_modifier: Option<String>,
    /// An image preset for `convert`, as `$name$`. Its commands override those of `is_modifier`.
    #[schema(max_length = 66, example = "$test$")]
    pub r#macro: Option<String>,
    /// When a mail is sent. Default: `None`.
    pub email_setting: Option<EmailSetting>,
    /// IP address of the client that started the export. Stored and shown, never trusted.
    #[schema(max_length = 255)]
    pub client_id: Option<String>,
    /// A name for people, which need not be unique. Default: what is exported and the day, such as `12 assets from
    /// spring/shoes, 29 Nov`.
    #[schema(max_length = 255, example = "spring catalogue")]
    pub job_name: Option<String>,
    /// A text that is stored and shown.
    #[schema(max_length = 2000)]
    pub description: Option<String>,
    /// Language of mails, such as `en` or `fr-BE`.
    #[schema(max_length = 12, example = "en-US")]
    pub locale: Option<String>,
    /// When to start, with a time zone offset. Default: at once.
    pub exec_time: Option<DateTime<Utc>>,
    /// Creates a recurring schedule from a cron expression as in Quartz: `seconds minutes hours day-of-month month
    /// day-of-week [year]`. One of the two days is `?`. Days of the week are SUN to SAT, or 1 (Sunday) to 7. In addition to
    /// `,`, `-`, `*` and `/` there are `L` (last), `W` (nearest weekday) and `#` (`6#3`: third Friday). With five fields it is
    /// read as in Unix: `minutes hours day-of-month month day-of-week`, where days of the week are 0 (Sunday) to 7 (Sunday
    /// again), and a run is on either day when both are given. Cannot be combined with `execTime`.
    #[schema(max_length = 255, example = "0 30 2 ? * MON-FRI")]
    pub exec_schedule: Option<String>,
    /// Time zone of `execSchedule` and of the times in mails, by its IANA name. Default: that of the user for mails, else
    /// `UTC`. A local time that is skipped when clocks change runs at the next instant, one that occurs twice runs once.
    #[schema(max_length = 64, example = "America/New_York")]
    pub time_zone: Option<String>,
    /// What to do with a run of the schedule that is due before the previous one has finished. Default: `skip`.
    pub overlap: Option<Overlap>,
    /// The user of the company who will own the job. Requires `exports:manage-all`. Default: the caller.
    pub user_handle: Option<UserId>,
    /// Several files of each asset, instead of `is_modifier` and `macro`. They share the decoding of the source. At most as many
    /// as OFFPRINT_MAX_RENDITIONS says, 10 by default.
    #[schema(min_items = 1, max_items = 100)]
    pub renditions: Option<Vec<RenditionRequest>>,
    /// How the files are named, such as `{name|before:_}.{name|after:_|map:A=MAIN,B=PT01}`. Placeholders: `name` `fileName`
    /// `folder` `rendition` `width` `height` `n` `n:04` `date` `date:%Y%m%d` `assetHandle` `metadata.KEY` `ext`. Operators:
    /// `after` `afterLast` `before` `beforeLast` `first` `last` `lower` `upper` `replace` `map` `default`. A `/` makes folders. The
    /// extension of the format is added where `{ext}` is not. Default: the name of the original.
    #[schema(max_length = 512, example = "{name|lower}-{width}x{height}")]
    pub name_template: Option<String>,
    /// What to do with damaged images in a convert job. Default: `fail`.
    pub on_corrupt: Option<OnCorrupt>,
    /// Whether converted images keep copyright, creator, credit and terms of use, as a small XMP block. Default: true. All other metadata is
    /// always dropped.
    pub keep_rights: Option<bool>,
    /// URL that a signed webhook is sent to when a run of the job has ended: https, on a public host.
    #[schema(max_length = 2048, example = "https://example.org/hooks/export")]
    pub callback_url: Option<String>,
    /// Stores to which the files are delivered as soon as each is ready. The job has ended when they are delivered.
    #[schema(max_items = 5)]
    pub deliver_to: Option<Vec<DestinationRequest>>,
    /// Whether only files are delivered, and rendered, that changed since the last delivery with the same connection, prefix and
    /// path: other content of the asset, another modifier, or a version of the service that renders differently. An asset
    /// of which nothing changed is left out of the job and its archive. Default: false.
    pub only_changed: Option<bool>,
    /// With `onlyChanged`: what happens to delivered files whose assets are gone from the selection. Default: `keep`.
    pub on_removed: Option<OnRemoved>,
    /// Texts of your own, such as an order number. They are shown with the job and sent in its webhooks and manifest, and
    /// jobs can be listed by them. Jobs of a schedule have the schedule's.
    pub metadata: Option<MetadataMap>,
    /// What to do with handles in `assetHandleArray` whose assets do not exist, or not any more. Default: `fail`.
    pub on_missing: Option<OnMissing>,
    /// What to do with sets, which cannot be exported. Default: `refuse`.
    pub on_unsupported: Option<OnUnsupported>,
    /// What to do with files that are not images in a convert job. Default: `original`.
    pub on_unconvertible: Option<OnUnconvertible>,
    /// Whether warnings about the modifier are errors; notices are not. Default: false.
    pub strict: Option<bool>,
    /// Whether the archive has all files at its top or the folders of their assets. Default: `flat`.
    pub layout: Option<Layout>,
    /// Recipients of the mail, instead of the service's default recipient: users of the company, or addresses of the
    /// domains that the operator allows.
    #[schema(max_items = 5)]
    pub notify_emails: Option<Vec<String>>,
    /// Priority among the jobs of the company: higher ones first. Default: 0.
    #[schema(minimum = -10, maximum = 10)]
    pub priority: Option<i16>,
    /// Seconds that the files are kept after the job has finished. Default: 7 days.
    #[schema(minimum = 60, maximum = 7776000)]
    pub expires_in: Option<i64>,
}

impl ExportRequest {
    /// Removes the schedule: what remains is the request of one run. Its mails are in the time zone of the schedule.
    pub fn clear_schedule(&mut self) {
        (self.exec_schedule, self.overlap) = (None, None);
    }
}

/// An asset to export, with what holds for it alone.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssetRequest {
    /// Handle of the asset. This or `name` is required.
    #[schema(format = Uuid, example = "00000000-0000-7000-8000-000000000001")]
    pub asset_handle: Option<String>,
    /// Name of the asset: `name`, `folder/name`, its file name or its handle, with a root ID before it or without.
    #[schema(max_length = 1300, example = "shoes/red/12345_A")]
    pub name: Option<String>,
    /// A modifier that follows that of the job or the rendition, before the macro.
    #[serde(rename = "is_modifier")]
    #[schema(max_length = 8192, example = "rotate=90")]
    pub is_modifier: Option<String>,
    /// Values of variables, such as those of a template: they take precedence over all other definitions.
    #[schema(example = json!({"badge": "sale"}))]
    pub parameters: Option<BTreeMap<String, String>>,
    /// How its files are named, instead of `nameTemplate` of the rendition and of the job.
    #[schema(max_length = 512, example = "{name|before:_}.MAIN")]
    pub name_template: Option<String>,
}

/// A rendition: one of several ways in which every image of a job is converted.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RenditionRequest {
    /// Name in lists and in the manifest: letters, digits, `-` and `_`. Must be unique, ignoring case.
    #[schema(min_length = 1, max_length = 32, pattern = "^[A-Za-z0-9_-]{1,32}$", example = "web")]
    pub name: String,
    /// The modifier, like `is_modifier` of a job.
    #[serde(rename = "is_modifier")]
    #[schema(max_length = 8192, example = "wid=800&fmt=webp")]
    pub is_modifier: Option<String>,
    /// An image preset as `$name$`, like `macro` of a job.
    #[schema(max_length = 66)]
    pub r#macro: Option<String>,
    /// Suffix of the file names, added to the base name after a `-`: letters, digits, `-`, `_` and `@`. Default: `name`.
    #[schema(min_length = 1, max_length = 32, pattern = "^[A-Za-z0-9_@-]{1,32}$", example = "800")]
    pub suffix: Option<String>,
    /// How its files are named, instead of `nameTemplate` of the job and of `suffix`.
    #[schema(max_length = 512, example = "{rendition}/{name}")]
    pub name_template: Option<String>,
}

impl RenditionRequest {
    /// The suffix of the file names.
    pub fn suffix(&self) -> &str {
        self.suffix.as_deref().unwrap_or(&self.name)
    }
}

/// Selects assets. All given conditions must match.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssetFilter {
    /// Assets in this folder, such as `shoes/summer`. Empty: the top folder. Default: all folders.
    #[schema(max_length = 1024, example = "shoes/summer")]
    pub folder: Option<String>,
    /// Assets in any of these folders, instead of `folder`.
    #[schema(min_items = 1, max_items = 100)]
    pub folders: Option<Vec<ListedText>>,
    /// Whether subfolders are included. Default: false.
    pub recursive: Option<bool>,
    /// Assets of this type.
    pub r#type: Option<AssetType>,
    /// Assets whose name begins with this text.
    #[schema(max_length = 255)]
    pub name: Option<String>,
    /// Assets whose name or file name is one of these. Names of no asset are treated as `onMissing` says.
    #[schema(min_items = 1, max_items = 100_000)]
    pub names: Option<Vec<ListedText>>,
    /// Assets that were uploaded, replaced or changed at this time or later.
    pub updated_since: Option<DateTime<Utc>>,
    /// Assets that have all these tags, ignoring case: the entry `tags` of their `metadata`, separated by commas.
    #[schema(min_items = 1, max_items = 16)]
    pub tags: Option<Vec<ListedText>>,
    /// Assets that have all these entries in their `metadata`.
    pub metadata: Option<MetadataMap>,
}
