//! From a notice to a MIME message.

use lettre::Message;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};

use super::letter::{Letter, line};
use super::{Notice, SendError};

/// Longest subject, in characters: what mail programs show in a list, with room to spare.
const SUBJECT: usize = 150;

/// The mail for a notice: plain text and HTML with the same content.
/// Errors are [`SendError::Permanent`]: a recipient that is no address stays none.
pub(super) fn message(from: &Mailbox, notice: &Notice) -> Result<Message, SendError> {
    let to: Mailbox = notice.recipient.parse().map_err(|why| {
        SendError::Permanent(format!("`{}` is not a mail address: {why}", line(&notice.recipient, 100)))
    })?;
    let letter = Letter::of(notice);
    Message::builder()
        .from(from.clone())
        .to(to)
        .subject(line(&letter.subject, SUBJECT))
        .message_id(Some(message_id(&notice.message_id)))
        // Asks holiday answers and mailing lists not to reply (RFC 3834).
        .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".into()))
        .multipart(MultiPart::alternative_plain_html(letter.text(), letter.html()))
        .map_err(|why| SendError::Permanent(format!("the mail cannot be built: {why}")))
}

/// The caller's id in angle brackets, of characters that need no quoting.
fn message_id(said: &str) -> String {
    let plain: String = said.chars().filter(|c| c.is_ascii_graphic() && !"<>()[]\\,;:\"".contains(*c)).collect();
    format!("<{plain}>")
}

/// Name of the notice in the mail folder: its id, safe as a file name.
pub(super) fn file_name(notice: &Notice) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.@".contains(c) { c } else { '_' };
    let id: String = message_id(&notice.message_id).trim_matches(['<', '>']).chars().map(plain).take(200).collect();
    format!("{}.eml", id.trim_start_matches('.'))
}
