//! Placing an order: from what was asked for to a job that is written down, within the company's limits.

use chrono::Utc;

use crate::code::Code;
use crate::reason::Note;
use crate::db::asset::Asset;
use crate::db::company::User;
use crate::db::creation::{NewFile, NewItem, NewJob};
use crate::db::limits::OwnLimits;
use crate::db::vocabulary::{EmailSetting, OnUnconvertible};
use crate::db::{self, Connection, creation, limits};
use crate::export::{Desk, Draft, DraftFile, DraftItem, Order, Refusal, draft, names};
use crate::id::{CompanyId, JobId, ScheduleId};
use crate::settings::Settings;

/// Seconds that files are kept when the order does not say.
const KEPT: i64 = 7 * 24 * 3600;

/// Whose job it becomes, and within what.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// The company.
    pub company: CompanyId,
    /// Whose job it is.
    pub user: Option<&'a User>,
    /// The schedule whose run it is.
    pub schedule: Option<ScheduleId>,
    /// Jobs that the company may have unfinished; 0 means any number.
    pub most_jobs: u32,
    /// What the service was told.
    pub settings: &'a Settings,
    /// What orders are drafted with.
    pub desk: &'a Desk<'a>,
}

impl Place<'_> {
    /// Writes the job of an order down. [`Place::has_room`] must be asked again as the last thing before the commit.
    ///
    /// # Errors
    /// Every mistake of the order, or the limit that it is beyond.
    pub async fn order(&self, connection: &mut Connection, order: Order) -> Result<JobId, Refusal> {
        self.has_room(connection, false).await?;
        let draft = draft(connection, self.company, order, self.settings.max_items, self.desk).await?;
        fits_an_archive(&draft, self.settings)?;
        let job = JobId::new();
        self.write(connection, job, draft).await?;
        Ok(job)
    }

    /// Whether the company's queue has room for one job more, beside the one that this transaction has written.
    ///
    /// # Errors
    /// `queue-full`.
    pub async fn has_room(&self, connection: &mut Connection, written: bool) -> Result<(), Refusal> {
        if self.most_jobs == 0 {
            return Ok(());
        }
        if written {
            limits::take_turns(connection, self.company, "jobs").await?;
        }
        let most = i64::from(self.most_jobs);
        let open = limits::unfinished_jobs(connection, self.company, most + 1).await? - i64::from(written);
        if open < most {
            return Ok(());
        }
        let detail = format!(
            "The company has {open} unfinished jobs, and may have {most}. Nothing was created. Wait until some have ended, \
             or stop or delete some."
        );
        Err(Refusal::Beyond(Note::new(Code::QueueFull, detail)))
    }

    async fn write(&self, connection: &mut Connection, job_id: JobId, draft: Draft) -> Result<(), db::Error> {
        let (order, user) = (&draft.order, self.user);
        let objects = draft.objects();
        let mut warnings = draft.warnings;
        warnings.extend(no_recipient(self.settings, order, user));
        let generated = format!("export {}", Utc::now().format("%Y-%m-%d %H:%M:%S"));
        let job = NewJob {
            job_id,
            user_id: user.map(|user| user.user_id),
            schedule_id: self.schedule,
            job_name: order.job_name.as_deref().filter(|name| !name.trim().is_empty()).unwrap_or(&generated),
            description: order.description.as_deref(),
            client_id: order.client_id.as_deref(),
            locale: order.locale.as_deref().or(user.and_then(|user| user.locale.as_deref())),
            fmt: order.fmt,
            is_modifier: order.is_modifier.as_deref(),
            r#macro: order.r#macro.as_deref(),
            effective_modifier: draft.effective_modifier.as_deref(),
            renditions: draft.renditions.as_deref(),
            email_setting: order.email_setting.unwrap_or_default(),
            notify_emails: order.notify_emails.as_deref().unwrap_or_default(),
            callback_url: order.callback_url.as_deref(),
            on_unsupported: order.on_unsupported.unwrap_or_default(),
            on_unconvertible: order.on_unconvertible.unwrap_or(OnUnconvertible::Original),
            on_corrupt: order.on_corrupt.unwrap_or_default(),
            layout: order.layout.unwrap_or_default(),
            strict: order.strict.unwrap_or(false),
            priority: order.priority.unwrap_or(0),
            exec_time: order.exec_time,
            expires_in: order.expires_in.unwrap_or(KEPT),
            warnings: &warnings,
            recipes: &draft.recipes,
            objects,
            items: draft.items.iter().map(new_item).collect(),
        };
        creation::create(connection, self.company, &job).await
    }
}

/// Jobs that a company may have unfinished; 0 means any number.
pub fn most_jobs(settings: &Settings, own: &OwnLimits) -> u32 {
    own.max_jobs.map_or(settings.max_jobs, i32::unsigned_abs)
}

/// Whether the archive of this draft may be handed out, as far as its size is known: originals are what they are.
///
/// # Errors
/// `archive-too-large` when they alone are too much.
pub fn fits_an_archive(draft: &Draft, settings: &Settings) -> Result<(), Refusal> {
    let known: u64 = draft.known_bytes();
    if settings.max_archive == 0 || known <= settings.max_archive {
        return Ok(());
    }
    let detail = format!(
        "The originals of this export have {known} bytes together, and an archive may have {}. Nothing was created. Split it \
         into several.",
        settings.max_archive
    );
    Err(Refusal::Beyond(Note::new(Code::ArchiveTooLarge, detail)))
}

/// A warning when a mail is asked for and nobody is known who could get it.
pub fn no_recipient(settings: &Settings, order: &Order, user: Option<&User>) -> Option<Note> {
    let wanted = order.email_setting.unwrap_or_default() != EmailSetting::None;
    let nobody = order.notify_emails.iter().flatten().next().is_none()
        && user.is_none_or(|user| user.email.is_none())
        && settings.mail_to.is_none();
    (wanted && nobody).then(|| {
        Note::new(
            Code::NoRecipient,
            "A mail is asked for, but nobody is known who could get it. Send `notifyEmails`, or set OFFPRINT_MAIL_TO.",
        )
    })
}

fn new_item(item: &DraftItem) -> NewItem<'_> {
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
        state: item.state,
        failure: item.failure.as_ref(),
        warnings: &item.warnings,
        files: item.files.iter().map(|file| new_file(asset, file)).collect(),
    }
}

fn new_file<'a>(asset: &'a Asset, file: &'a DraftFile) -> NewFile<'a> {
    // What an original is stands in its header; what a rendered picture is, its plan will say.
    let original = file.meaning.is_none().then_some(asset);
    let side =
        |name: &str| original.and_then(|asset| asset.header.as_ref()?.get(name)?.as_i64()).map(|side| side as i32);
    NewFile {
        recipe_id: file.meaning.as_ref().map(|meaning| meaning.recipe_id),
        path: &file.path,
        path_key: names::key(&file.path),
        mime: original.and_then(|asset| asset.mime.as_deref()),
        width: side("width"),
        height: side("height"),
    }
}
