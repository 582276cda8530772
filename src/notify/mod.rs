//! Sends notifications: mail (lettre) and webhooks (reqwest). The rows of both are inserted when a job finishes, and the
//! worker claims and retries them; this module only sends one message, and knows neither the database nor HTTP handlers.
//!
//! Begin reading at [`Mailer::send`] and [`webhook::WebhookSender::send`].

pub mod fetch;
mod import_mail;
mod mail_content;
mod mail_message;
mod sign_in_mail;
mod smtp;
pub mod webhook;

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use lettre::message::Mailbox;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use offprint_core::Code;

pub use crate::db::enums::Outcome;
use crate::i18n::Language;
use crate::id::JobId;
use crate::reason::Reason;

/// Numbers of a run's items by their end. `warnings` counts items with at least one warning, whatever their end.
#[derive(Clone, Copy, Debug, Default)]
pub struct MailCounts {
    pub total: i64,
    pub succeeded: i64,
    pub failed: i64,
    pub skipped: i64,
    /// Items that were not processed because the job was stopped.
    pub stopped: i64,
    pub warnings: i64,
}

/// One item that failed.
#[derive(Clone, Debug)]
pub struct MailFailure {
    /// File name of the asset.
    pub name: String,
    pub code: Code,
    /// The reason in a sentence.
    pub reason: String,
}

/// Absolute URLs in a mail.
#[derive(Clone, Debug)]
pub struct MailLinks {
    /// The page of the files: the zip, or the file when there is only one. Works without an account. None when the job was
    /// deleted meanwhile.
    pub page: Option<String>,
    /// Whether the page has something to download, by programs too.
    pub can_download: bool,
    /// The job, for recipients who may see it.
    pub job: Option<String>,
    /// The manifest, for recipients who may see it, where there is one.
    pub manifest: Option<String>,
}

/// A mail to send, with everything that it says.
#[derive(Clone, Debug)]
pub struct JobMail {
    /// The same for every try to send this mail, so that mail programs show it once: `<job handle.run@host>`.
    pub message_id: String,
    /// One mail address, with or without a display name.
    pub recipient: String,
    pub language: &'static Language,
    /// The job's name, as in the export request: untrusted text.
    pub job_name: String,
    pub job_handle: JobId,
    /// The user who created the job, where that is known.
    pub requester: Option<String>,
    pub outcome: Outcome,
    pub counts: MailCounts,
    /// Number of exported files, without the archive.
    pub files: i64,
    /// Bytes of these files together.
    pub bytes: i64,
    /// The first failed items, in request order. The mail lists ten at most.
    pub failures: Vec<MailFailure>,
    /// The warnings about the modifier. The mail lists ten at most.
    pub modifier_warnings: Vec<Reason>,
    /// When the files will be deleted, if that is known.
    pub expires_at: Option<DateTime<Utc>>,
    /// Of the recipient.
    pub time_zone: Tz,
    pub links: MailLinks,
    /// Pages of the files of each job, when the mail is about a group of jobs.
    pub archives: Vec<String>,
}

/// A mail about an import that has ended.
#[derive(Clone, Debug)]
pub struct ImportMail {
    /// The same for every try to send this mail.
    pub message_id: String,
    /// One mail address, with or without a display name.
    pub recipient: String,
    pub language: &'static Language,
    /// The import's name, as in the request: untrusted text.
    pub name: String,
    pub outcome: Outcome,
    pub found: i64,
    pub imported: i64,
    pub skipped: i64,
    pub failed: i64,
    pub stopped: i64,
    /// The first files that failed, by path.
    pub failures: Vec<MailFailure>,
    /// Address of the import.
    pub url: String,
}

/// A mail with a link by which a user signs in.
#[derive(Clone, Debug)]
pub struct SignInMail {
    /// The same for every try to send this mail.
    pub message_id: String,
    /// One mail address, with or without a display name.
    pub recipient: String,
    pub language: &'static Language,
    pub user_name: String,
    pub company_name: String,
    /// A credential.
    pub url: String,
}

/// Why a mail was not sent, and whether another try makes sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The same mail will never be accepted: an invalid address, or the server refused it for good.
    #[error("will not be sent: {0}")]
    Permanent(String),
    /// Another try may work: no connection, a busy server, wrong credentials, a full disk.
    #[error("could not be sent yet: {0}")]
    Temporary(String),
}

/// An invalid setting for mails.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting} {reason}")]
pub struct MailerError {
    /// The setting's environment variable.
    pub setting: &'static str,
    /// What is wrong with its value, and the remedy. Never contains the value itself, which may be a secret.
    pub reason: String,
}

/// Sends mails by SMTP, or writes them as `.eml` files where no mail server is set.
#[derive(Clone)]
pub struct Mailer {
    from: Mailbox,
    transport: MailTransport,
}

#[derive(Clone)]
enum MailTransport {
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
    Folder(PathBuf),
}

impl Mailer {
    /// A mailer for the settings `OFFPRINT_SMTP_URL` and `OFFPRINT_MAIL_FROM`. Without a URL mails become files in `outbox`,
    /// which is created with the first mail.
    ///
    /// Must be called inside a tokio runtime, which drives the connections. Does not connect yet.
    pub fn new(smtp_url: Option<&str>, from: &str, outbox: PathBuf) -> Result<Self, MailerError> {
        let from = from.parse().map_err(|error| MailerError {
            setting: "OFFPRINT_MAIL_FROM",
            reason: format!("is not a mail address ({error}); write `name@host` or `Name <name@host>`"),
        })?;
        let transport = match smtp_url {
            Some(url) => MailTransport::Smtp(
                smtp::build_transport(url).map_err(|reason| MailerError { setting: "OFFPRINT_SMTP_URL", reason })?,
            ),
            None => MailTransport::Folder(outbox),
        };
        Ok(Self { from, transport })
    }

    /// Connects to the mail server, greets it and logs in, without sending a mail. False without a mail server.
    ///
    /// # Errors
    /// Why the server cannot be used.
    pub async fn check_server(&self) -> Result<bool, String> {
        match &self.transport {
            MailTransport::Smtp(server) => match server.test_connection().await {
                Ok(true) => Ok(true),
                Ok(false) => Err("it does not answer after the greeting".to_owned()),
                Err(error) => Err(error.to_string()),
            },
            MailTransport::Folder(_) => Ok(false),
        }
    }

    /// Sends one mail. Returns when the server has accepted it, or the file is written.
    pub async fn send(&self, mail: &JobMail) -> Result<(), SendError> {
        let message = mail_message::build_message(&self.from, mail)?;
        self.deliver(message, &mail.message_id).await
    }

    /// Sends a mail about an import.
    pub async fn send_import(&self, mail: &ImportMail) -> Result<(), SendError> {
        self.deliver(import_mail::build_message(&self.from, mail)?, &mail.message_id).await
    }

    /// Sends a mail with a link to sign in.
    pub async fn send_sign_in(&self, mail: &SignInMail) -> Result<(), SendError> {
        self.deliver(sign_in_mail::build_message(&self.from, mail)?, &mail.message_id).await
    }

    async fn deliver(&self, message: Message, message_id: &str) -> Result<(), SendError> {
        match &self.transport {
            MailTransport::Smtp(server) => server.send(message).await.map(drop).map_err(smtp::to_send_error),
            MailTransport::Folder(folder) => {
                write_mail_file(folder, &mail_message::build_file_name(message_id), &message)
                    .await
                    .map_err(|error| SendError::Temporary(format!("the mail folder cannot be written: {error}")))
            }
        }
    }
}

/// Writes the mail into the folder. Its name is made from the message ID, so a repeated mail replaces itself; the rename makes
/// it appear complete or not at all.
async fn write_mail_file(folder: &Path, name: &str, message: &Message) -> std::io::Result<()> {
    tokio::fs::create_dir_all(folder).await?;
    let part = folder.join(format!(".{name}.part"));
    tokio::fs::write(&part, message.formatted()).await?;
    tokio::fs::rename(&part, folder.join(name)).await
}
