//! The mail with a link to sign in, as plain text and as HTML.

use lettre::Message;
use lettre::message::Mailbox;

use super::mail_content::{
    BODY_STYLE, BRAND_STYLE, BUTTON_STYLE, FOOTER_STYLE, HEADLINE_STYLE, escape_html, to_single_line,
};
use super::mail_message::assemble_message;
use super::{SendError, SignInMail};

const MAX_NAME_CHARS: usize = 120;

/// The message of a mail.
///
/// # Errors
/// [`SendError::Permanent`]: an invalid recipient stays invalid.
pub(super) fn build_message(from: &Mailbox, mail: &SignInMail) -> Result<Message, SendError> {
    let text = |name: &str| mail.language.format(name, &[]);
    let who = to_single_line(&mail.user_name, MAX_NAME_CHARS);
    let company = to_single_line(&mail.company_name, MAX_NAME_CHARS);
    let headline =
        mail.language.format("mail-sign-in-headline", &[("who", (&who).into()), ("name", (&company).into())]);
    let (button, about, footer) = (text("mail-sign-in-button"), text("mail-sign-in-text"), text("mail-sign-in-footer"));
    let url = to_single_line(&mail.url, 2000);
    let plain = format!("{headline}:\n{url}\n\n{about}\n\n-- \n{footer}\n");
    let html = format!(
        "<!DOCTYPE html>\n<html lang=\"{}\">\n<head><meta charset=\"utf-8\"><meta name=\"color-scheme\" content=\"light \
         dark\"></head>\n<body style=\"{BODY_STYLE}\">\n<p style=\"{BRAND_STYLE}\">Offprint</p>\n<h1 \
         style=\"{HEADLINE_STYLE}\">{}</h1>\n<p><a href=\"{}\" style=\"{BUTTON_STYLE}\">{}</a></p>\n<p>{}</p>\n<p \
         style=\"{FOOTER_STYLE}\">{}</p>\n</body>\n</html>\n",
        mail.language.tag(),
        escape_html(&headline),
        escape_html(&url),
        escape_html(&button),
        escape_html(&about),
        escape_html(&footer)
    );
    assemble_message((from, mail.recipient.as_str()), &mail.message_id, &text("mail-sign-in-subject"), plain, html)
}
