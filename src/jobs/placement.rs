//! Creates the job of an export request: drafts it and inserts its rows, within the limits of the company.

use chrono::Utc;
use offprint_core::Code;

use crate::db::asset::AssetRow;
use crate::db::company::UserRow;
use crate::db::delivered_file::keep_delivered_files;
use crate::db::enums::{EmailSetting, OnUnconvertible};
use crate::db::insert_job::{NewFile, NewItem, NewJob};
use crate::db::limits::CompanyLimitsRow;
use crate::db::metadata_map::MetadataMap;
use crate::db::{self, DbConnection, insert_job, limits};
use crate::id::{CompanyId, JobId, ScheduleId};
use crate::jobs::Draft;
use crate::jobs::DraftError;
use crate::jobs::DraftFile;
use crate::jobs::DraftItem;
use crate::jobs::ExportContext;
use crate::jobs::ExportRequest;
use crate::jobs::changes::leave_out_unchanged;
use crate::jobs::destination::{PrefixValues, build_destinations};
use crate::jobs::prepare_draft;
use crate::reason::Reason;
use crate::settings::Settings;

/// Seconds that files are kept when the request does not set `expiresIn`.
const DEFAULT_FILES_TTL_SECONDS: i64 = 7 * 24 * 3600;

/// The owner of the new job, and its limits.
#[derive(Clone, Copy)]
pub struct JobPlacement<'a> {
    pub company: CompanyId,
    /// The job's owner.
    pub user: Option<&'a UserRow>,
    /// The schedule that the job is a run of.
    pub schedule: Option<ScheduleId>,
    /// Maximum number of unfinished jobs of the company; 0: no limit.
    pub max_jobs: u32,
    pub settings: &'a Settings,
    pub context: &'a ExportContext<'a>,
}

impl JobPlacement<'_> {
    /// Inserts the job of an export request. The caller must call [`JobPlacement::check_queue_room`] again directly before the
    /// commit: only that call takes the lock, and a lock from the start would let each company create one job at a time.
    ///
    /// # Errors
    /// All mistakes of the request, or the limit that it exceeds.
    pub async fn create_job(&self, connection: &mut DbConnection, request: ExportRequest) -> Result<JobId, DraftError> {
        self.check_queue_room(connection, false).await?;
        let draft = prepare_draft(connection, self.company, request, self.settings.max_items, self.context).await?;
        check_archive_size(&draft, self.settings)?;
        let job = JobId::new();
        self.insert_draft(connection, job, draft).await?;
        Ok(job)
    }

    /// Checks that the company may have one more unfinished job. `inserted`: this transaction has inserted the job already.
    ///
    /// # Errors
    /// `queue-full`.
    pub async fn check_queue_room(&self, connection: &mut DbConnection, inserted: bool) -> Result<(), DraftError> {
        if self.max_jobs == 0 {
            return Ok(());
        }
        if inserted {
            limits::lock_quota(connection, self.company, "jobs").await?;
        }
        let max_jobs = i64::from(self.max_jobs);
        let open = limits::count_unfinished_jobs(connection, self.company, max_jobs + 1).await? - i64::from(inserted);
        if open < max_jobs {
            return Ok(());
        }
        let detail = format!(
            "The company has {open} unfinished jobs, and {max_jobs} are allowed. No job was created. Wait until some have \
             finished, or stop or delete some."
        );
        Err(DraftError::Rejected(Reason::new(Code::QueueFull, detail)))
    }

    async fn insert_draft(
        &self,
        connection: &mut DbConnection,
        job_id: JobId,
        mut draft: Draft,
    ) -> Result<(), db::DbError> {
        let user = self.user;
        let time_zone = draft.request.time_zone.clone().or_else(|| user.and_then(|user| user.time_zone.clone()));
        let time_zone = time_zone.as_deref();
        let job_name = draft.choose_job_name(time_zone);
        let time = draft.request.exec_time.map_or_else(Utc::now, |time| time.max(Utc::now()));
        let prefix_values =
            PrefixValues { time, time_zone, job_name: &job_name, job: Some(job_id), keeps_variables: false };
        let mut destinations = build_destinations(&draft.request, &prefix_values);
        let left_out = leave_out_unchanged(connection, self.company, &mut draft, &mut destinations).await?;
        let request = &draft.request;
        let mut warnings = draft.warnings.clone();
        warnings.extend(check_recipient(self.settings, request, user));
        let no_metadata = MetadataMap::default();
        let job = NewJob {
            job_id,
            user_id: user.map(|user| user.user_id),
            schedule_id: self.schedule,
            job_name: &job_name,
            description: request.description.as_deref(),
            client_id: request.client_id.as_deref(),
            locale: request.locale.as_deref().or(user.and_then(|user| user.locale.as_deref())),
            time_zone,
            fmt: request.fmt,
            is_modifier: request.is_modifier.as_deref(),
            r#macro: request.r#macro.as_deref(),
            effective_modifier: draft.effective_modifier.as_deref(),
            renditions: draft.renditions.as_deref(),
            email_setting: request.email_setting.unwrap_or_default(),
            notify_emails: request.notify_emails.as_deref().unwrap_or_default(),
            callback_url: request.callback_url.as_deref(),
            metadata: request.metadata.as_ref().unwrap_or(&no_metadata),
            name_template: request.name_template.as_deref(),
            on_missing: request.on_missing.unwrap_or_default(),
            on_unsupported: request.on_unsupported.unwrap_or_default(),
            on_unconvertible: request.on_unconvertible.unwrap_or(OnUnconvertible::Original),
            on_corrupt: request.on_corrupt.unwrap_or_default(),
            layout: request.layout.unwrap_or_default(),
            strict: request.strict.unwrap_or(false),
            priority: request.priority.unwrap_or(0),
            exec_time: request.exec_time,
            expires_in: request.expires_in.unwrap_or(DEFAULT_FILES_TTL_SECONDS),
            warnings: &warnings,
            modifier_warnings: &draft.modifier_warnings,
            notices: &draft.notices,
            recipes: &draft.recipes,
            recipe_sources: draft.recipe_sources,
            items: draft.items.iter().map(to_new_item).collect(),
            destinations,
        };
        insert_job::insert_job(connection, self.company, &job).await?;
        let paths: Vec<&str> = left_out.paths.iter().map(String::as_str).collect();
        for destination in job.destinations.iter().filter(|destination| destination.removes && !paths.is_empty()) {
            let target = destination.target.as_deref().unwrap_or_default();
            keep_delivered_files(connection, self.company, job_id, target, &paths).await?;
        }
        Ok(())
    }
}

/// Maximum number of unfinished jobs of a company; 0: no limit.
pub fn get_max_jobs(settings: &Settings, own: &CompanyLimitsRow) -> u32 {
    own.max_jobs.map_or(settings.max_jobs, i32::unsigned_abs)
}

/// Checks the size of the archive as far as it is known: that of the originals. Rendered files are known only later.
///
/// # Errors
/// `archive-too-large` when the originals alone exceed the limit.
pub fn check_archive_size(draft: &Draft, settings: &Settings) -> Result<(), DraftError> {
    let original_bytes = draft.original_bytes();
    if settings.max_archive == 0 || original_bytes <= settings.max_archive {
        return Ok(());
    }
    let detail = format!(
        "The originals of this export have {original_bytes} bytes together, and an archive may have {}. No job was created. \
         Split it into several export jobs.",
        settings.max_archive
    );
    Err(DraftError::Rejected(Reason::new(Code::ArchiveTooLarge, detail)))
}

/// A warning when a mail is requested and there is no recipient.
pub fn check_recipient(settings: &Settings, request: &ExportRequest, user: Option<&UserRow>) -> Option<Reason> {
    let is_mail_wanted = request.email_setting.unwrap_or_default() != EmailSetting::None;
    let has_no_recipient = request.notify_emails.iter().flatten().next().is_none()
        && user.is_none_or(|user| user.email.is_none())
        && settings.mail_to.is_none();
    (is_mail_wanted && has_no_recipient).then(|| {
        Reason::new(
            Code::NoRecipient,
            "`emailSetting` requests a mail, but there is no recipient. Send `notifyEmails`, or set OFFPRINT_MAIL_TO.",
        )
    })
}

fn to_new_item(item: &DraftItem) -> NewItem<'_> {
    let asset = &item.asset;
    NewItem {
        asset_id: asset.asset_id,
        asset_name: &asset.name,
        asset_type: asset.kind,
        folder: &asset.folder,
        file_name: asset.file_name.as_deref(),
        sha256: asset.sha256,
        size: asset.size,
        entry_time: asset.entry_time,
        is_modifier: item.texts.is_modifier.as_deref(),
        parameters: item.texts.parameters.as_ref(),
        metadata: &asset.metadata.0,
        state: item.state,
        failure: item.failure.as_ref(),
        warnings: &item.warnings,
        files: item.files.iter().map(|file| to_new_file(asset, file)).collect(),
    }
}

fn to_new_file<'a>(asset: &'a AssetRow, file: &'a DraftFile) -> NewFile<'a> {
    // The dimensions of an original are in its header; those of a rendered file are known after rendering.
    let original = file.recipe.is_none().then_some(asset);
    let side =
        |name: &str| original.and_then(|asset| asset.header.as_ref()?.get(name)?.as_i64()).map(|side| side as i32);
    NewFile {
        recipe_id: file.recipe.as_ref().map(|recipe| recipe.recipe_id),
        modifier_warnings: &file.modifier_warnings,
        path: &file.path,
        path_key: &file.path_key,
        mime: original.and_then(|asset| asset.mime.as_deref()),
        width: side("width"),
        height: side("height"),
    }
}
