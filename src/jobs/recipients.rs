//! Who may be sent the mails of a job: they contain links to its files, and would otherwise let anyone with a key send
//! mail in the service's name to strangers.
//!
//! Allowed are the domains of OFFPRINT_MAIL_DOMAINS, users of the company, and the operator's own OFFPRINT_MAIL_TO.

use lettre::Address;
use lettre::message::Mailbox;
use offprint_core::Code;

use crate::db::{DbConnection, DbError, company};
use crate::id::CompanyId;
use crate::jobs::ExportContext;
use crate::reason::ValidationError;

/// All mistakes in the recipients of a request, its `notifyEmails`.
///
/// # Errors
/// When the database fails.
pub(crate) async fn check_recipients(
    connection: &mut DbConnection,
    company: CompanyId,
    recipients: &[String],
    context: &ExportContext<'_>,
) -> Result<Vec<ValidationError>, DbError> {
    let mut errors = Vec::new();
    let mut unlisted = Vec::new();
    let default_recipient = context.mail_to.and_then(|text| text.parse::<Mailbox>().ok()).map(|mailbox| mailbox.email);
    for (index, text) in recipients.iter().enumerate() {
        match parse_mailbox(text) {
            Err(detail) => errors.push((index, Code::InvalidValue, detail)),
            Ok(mailbox)
                if is_allowed_domain(context.mail_domains, mailbox.email.domain())
                    || default_recipient.as_ref().is_some_and(|address| is_same_address(address, &mailbox.email)) => {}
            Ok(mailbox) => unlisted.push((index, mailbox.email)),
        }
    }
    if !unlisted.is_empty() {
        let users: Vec<Address> = company::list_user_emails(connection, company)
            .await?
            .iter()
            .filter_map(|text| Some(text.parse::<Mailbox>().ok()?.email))
            .collect();
        unlisted.retain(|(_, email)| !users.iter().any(|user| is_same_address(user, email)));
    }
    errors.extend(
        unlisted.into_iter().map(|(index, email)| (index, Code::ValueForbidden, describe_refusal(&email, context))),
    );
    errors.sort_by_key(|(index, ..)| *index);
    Ok(errors
        .into_iter()
        .map(|(index, code, detail)| ValidationError::new(format!("/notifyEmails/{index}"), code, detail))
        .collect())
}

/// Parses a mail address, with or without a name in front.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub(crate) fn parse_mailbox(text: &str) -> Result<Mailbox, String> {
    // An address has at most 254 characters (RFC 5321). Checked first: the parser needs more time and stack the longer
    // the text is.
    const MAX_MAILBOX_CHARS: usize = 320;
    let length = text.chars().count();
    if length > MAX_MAILBOX_CHARS {
        return Err(format!("The mail address has {length} characters; the limit is {MAX_MAILBOX_CHARS}."));
    }
    text.parse().map_err(|_| format!("`{text}` is not a mail address."))
}

fn describe_refusal(email: &Address, context: &ExportContext<'_>) -> String {
    let domains = match context.mail_domains {
        [] => "no domain is listed in OFFPRINT_MAIL_DOMAINS".to_owned(),
        domains => format!("allowed domains: {}", domains.join(", ")),
    };
    format!(
        "Mails to {email} are not allowed: it is not the address of a user of the company, and {domains}. Send an address \
         of a user, or have the domain added."
    )
}

/// Mail addresses are compared ignoring case: no provider tells two people apart by it.
fn is_same_address(one: &Address, other: &Address) -> bool {
    one.user().to_lowercase() == other.user().to_lowercase() && one.domain().eq_ignore_ascii_case(other.domain())
}

/// Whether a domain is listed: by name, as a subdomain of one that is listed with `*.`, or by `*`.
fn is_allowed_domain(allowed: &[String], domain: &str) -> bool {
    let domain = domain.to_ascii_lowercase();
    allowed.iter().any(|allowed| match allowed.strip_prefix('*') {
        Some(end) => domain.ends_with(end) && domain.len() > end.len(),
        None => *allowed == domain,
    })
}
