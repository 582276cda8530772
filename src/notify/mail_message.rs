//! Builds the MIME message of a mail.

use lettre::Message;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};

use super::mail_content::{MailContent, to_single_line};
use super::{JobMail, SendError};

/// Longest subject, in characters: more than mail programs show in a list.
const MAX_SUBJECT_CHARS: usize = 150;

/// The message of a mail: plain text and HTML with the same content.
///
/// # Errors
/// [`SendError::Permanent`]: an invalid recipient stays invalid.
pub(super) fn build_message(from: &Mailbox, mail: &JobMail) -> Result<Message, SendError> {
    let content = MailContent::for_mail(mail);
    let addresses = (from, mail.recipient.as_str());
    assemble_message(addresses, &mail.message_id, &content.subject, content.to_text(), content.to_html())
}

/// A message with the same content as text and as HTML.
///
/// # Errors
/// [`SendError::Permanent`]: an invalid recipient stays invalid.
pub(super) fn assemble_message(
    (from, to): (&Mailbox, &str),
    message_id: &str,
    subject: &str,
    text: String,
    html: String,
) -> Result<Message, SendError> {
    let to: Mailbox = to.parse().map_err(|error| {
        SendError::Permanent(format!("`{}` is not a mail address: {error}", to_single_line(to, 100)))
    })?;
    Message::builder()
        .from(from.clone())
        .to(to)
        .subject(to_single_line(subject, MAX_SUBJECT_CHARS))
        .message_id(Some(format_message_id(message_id)))
        // Asks automatic responders and mailing lists not to reply (RFC 3834).
        .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".into()))
        .multipart(MultiPart::alternative_plain_html(text, html))
        .map_err(|error| SendError::Permanent(format!("the mail cannot be built: {error}")))
}

/// The message ID in angle brackets, reduced to characters that need no quoting.
fn format_message_id(id: &str) -> String {
    let plain: String = id.chars().filter(|c| c.is_ascii_graphic() && !"<>()[]\\,;:\"".contains(*c)).collect();
    format!("<{plain}>")
}

/// Name of the mail in the mail folder: its message ID, safe as a file name.
pub(super) fn build_file_name(message_id: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.@".contains(c) { c } else { '_' };
    let id: String = format_message_id(message_id).trim_matches(['<', '>']).chars().map(plain).take(200).collect();
    format!("{}.eml", id.trim_start_matches('.'))
}
