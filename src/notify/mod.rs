//! Telling people and programs: mail through lettre, webhooks through reqwest. A notice is written down when its job
//! finishes; this room only sends it.

mod letter;
mod mail;
mod smtp;
pub mod webhook;

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use lettre::message::Mailbox;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

use crate::code::Code;
pub use crate::db::vocabulary::Outcome;
use crate::id::JobId;
use crate::words::Language;

/// Items of the run, by how they ended. `warnings` counts items that have at least one, whatever else they are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// All items of the job.
    pub total: i64,
    /// Items that handed out their files.
    pub succeeded: i64,
    /// Items that did not work.
    pub failed: i64,
    /// Items left out on request.
    pub skipped: i64,
    /// Items that a stop left undone.
    pub stopped: i64,
    /// Items with warnings.
    pub warnings: i64,
}

/// One item that did not work.
#[derive(Clone, Debug)]
pub struct Failure {
    /// File name of the asset.
    pub name: String,
    /// What went wrong, from the one list.
    pub code: Code,
    /// The same in a sentence.
    pub reason: String,
}

/// Absolute addresses for the reader to follow.
#[derive(Clone, Debug)]
pub struct Links {
    /// The job itself.
    pub job: String,
    /// Where the zip is, or the file where it is one; works without a key. None where there is nothing to fetch.
    pub download: Option<String>,
    /// The list of all items with their results, where there is one.
    pub manifest: Option<String>,
}

/// A mail that is to be sent: all it says, and nothing to look up.
#[derive(Clone, Debug)]
pub struct Notice {
    /// Stays the same when a mail is sent again, so that mail programs show it once: `<notice handle.run@host>`.
    pub message_id: String,
    /// One address, with or without a name.
    pub recipient: String,
    /// The language that it is written in.
    pub language: &'static Language,
    /// The job's name, as its creator wrote it.
    pub job_name: String,
    /// The job's handle.
    pub job_handle: JobId,
    /// Who asked for the export, where that is known.
    pub requester: Option<String>,
    /// How the run ended.
    pub outcome: Outcome,
    /// How its items ended.
    pub counts: Counts,
    /// Number of files that the job hands out; the archive is not counted.
    pub files: i64,
    /// Size of those files together, in bytes.
    pub bytes: i64,
    /// The first items that failed, in request order. The mail shows ten at most.
    pub failures: Vec<Failure>,
    /// When the files will be deleted, where they will be.
    pub expires_at: Option<DateTime<Utc>>,
    /// Where to go from here.
    pub links: Links,
}

/// Why a mail did not leave, and whether another try makes sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The same mail will never be taken: a bad address, or the server refused it for good.
    #[error("will not be sent: {0}")]
    Permanent(String),
    /// The world is at fault: no connection, a busy server, wrong credentials, a full disk.
    #[error("could not be sent yet: {0}")]
    Later(String),
}

/// Why there can be no mailer: a setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting} {reason}")]
pub struct MailerError {
    /// The setting's environment name.
    pub setting: &'static str,
    /// What is wrong with its value, and the remedy. Never holds the value itself, which may be a secret.
    pub reason: String,
}

/// Sends notices by SMTP, or writes them as `.eml` files where no mail server is set.
#[derive(Clone)]
pub struct Mailer {
    from: Mailbox,
    way: Way,
}

#[derive(Clone)]
enum Way {
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
    Folder(PathBuf),
}

impl Mailer {
    /// A mailer for the settings `OFFPRINT_SMTP_URL` and `OFFPRINT_MAIL_FROM`. Without a URL mails become files in
    /// `outbox`, which is made when the first is written.
    ///
    /// Must be called inside a tokio runtime, which then looks after the connections. Connects to nothing yet.
    pub fn new(smtp_url: Option<&str>, from: &str, outbox: PathBuf) -> Result<Self, MailerError> {
        let from = from.parse().map_err(|why| MailerError {
            setting: "OFFPRINT_MAIL_FROM",
            reason: format!("is not a mail address ({why}); write `name@host` or `Name <name@host>`"),
        })?;
        let way = match smtp_url {
            Some(url) => {
                Way::Smtp(smtp::transport(url).map_err(|reason| MailerError { setting: "OFFPRINT_SMTP_URL", reason })?)
            }
            None => Way::Folder(outbox),
        };
        Ok(Self { from, way })
    }

    /// Sends one notice; returns when the server has taken it, or the file is written.
    pub async fn send(&self, notice: &Notice) -> Result<(), SendError> {
        let message = mail::message(&self.from, notice)?;
        match &self.way {
            Way::Smtp(server) => server.send(message).await.map(drop).map_err(smtp::why),
            Way::Folder(folder) => write(folder, &mail::file_name(notice), &message)
                .await
                .map_err(|why| SendError::Later(format!("the mail folder cannot be written: {why}"))),
        }
    }
}

/// Puts the mail into the folder under a name of its own: sent again, it replaces itself. A reader never sees half.
async fn write(folder: &Path, name: &str, message: &Message) -> std::io::Result<()> {
    tokio::fs::create_dir_all(folder).await?;
    let part = folder.join(format!(".{name}.part"));
    tokio::fs::write(&part, message.formatted()).await?;
    tokio::fs::rename(&part, folder.join(name)).await
}
