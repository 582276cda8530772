//! The mail about an import that has ended, as plain text and as HTML.

use std::fmt::Write;

use lettre::Message;
use lettre::message::Mailbox;

use super::mail_content::{
    BODY_STYLE, BRAND_STYLE, BUTTON_STYLE, FOOTER_STYLE, HEADLINE_STYLE, MAX_NAME_CHARS, escape_html, format_failure,
    to_single_line,
};
use super::mail_message::assemble_message;
use super::{ImportMail, SendError};

/// The message of a mail.
///
/// # Errors
/// [`SendError::Permanent`]: an invalid recipient stays invalid.
pub(super) fn build_message(from: &Mailbox, mail: &ImportMail) -> Result<Message, SendError> {
    let language = mail.language;
    let name = to_single_line(&mail.name, MAX_NAME_CHARS);
    let headline = language.format(
        &format!("mail-import-headline-{}", mail.outcome.name()),
        &[("name", (&name).into()), ("imported", mail.imported.into())],
    );
    let numbers = [
        ("mail-import-found", mail.found),
        ("mail-import-imported", mail.imported),
        ("mail-skipped", mail.skipped),
        ("mail-failed", mail.failed),
        ("mail-stopped", mail.stopped),
    ];
    let rows: Vec<(String, String)> = (numbers.into_iter().enumerate())
        .filter(|(index, (_, count))| *index < 2 || *count > 0)
        .map(|(_, (label, count))| (language.format(label, &[]), language.format_number(count)))
        .collect();
    let failures: Vec<_> = mail.failures.iter().map(|failure| format_failure(language, failure)).collect();
    let url = to_single_line(&mail.url, 2000);
    let (link, footer) = (language.format("mail-import-link", &[]), language.format("mail-import-footer", &[]));

    let mut plain = format!("{headline}\n\n");
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"{}\">\n<head><meta charset=\"utf-8\"><meta name=\"color-scheme\" content=\"light \
         dark\"></head>\n<body style=\"{BODY_STYLE}\">\n<p style=\"{BRAND_STYLE}\">Offprint</p>\n<h1 \
         style=\"{HEADLINE_STYLE}\">{}</h1>\n<table>\n",
        language.tag(),
        escape_html(&headline)
    );
    for (label, value) in &rows {
        let _ = writeln!(plain, "  {label:<14} {value}");
        let _ = writeln!(html, "<tr><td>{}</td><td>{}</td></tr>", escape_html(label), escape_html(value));
    }
    html.push_str("</table>\n");
    if !failures.is_empty() {
        html.push_str("<ul>\n");
        plain.push('\n');
    }
    for (file, reason) in &failures {
        let _ = writeln!(plain, "  {file}\n    {reason}");
        let _ = writeln!(html, "<li><strong>{}</strong><br>{}</li>", escape_html(file), escape_html(reason));
    }
    if !failures.is_empty() {
        html.push_str("</ul>\n");
    }
    let _ = write!(plain, "\n{link}:\n{url}\n\n-- \n{footer}\n");
    let _ = write!(
        html,
        "<p><a href=\"{}\" style=\"{BUTTON_STYLE}\">{}</a></p>\n<p style=\"{FOOTER_STYLE}\">{}</p>\n</body>\n</html>\n",
        escape_html(&url),
        escape_html(&link),
        escape_html(&footer)
    );
    assemble_message((from, mail.recipient.as_str()), &mail.message_id, &headline, plain, html)
}
