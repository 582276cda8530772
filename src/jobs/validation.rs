//! Checks of an export request that need no database.

use std::net::IpAddr;

use chrono::Utc;
use lettre::message::Mailbox;
use offprint_core::Code;

use crate::jobs::CallbackPolicy;
use crate::jobs::ExportContext;
use crate::jobs::rendition;
use crate::jobs::request::ExportRequest;
use crate::jobs::schedule;
use crate::reason::{Reason, ValidationError};

/// All mistakes of the request, and warnings about it.
pub fn check_request(request: &ExportRequest, context: &ExportContext<'_>) -> (Vec<ValidationError>, Vec<Reason>) {
    let mut mistakes: Vec<ValidationError> = check_asset_selection(request).into_iter().collect();
    mistakes.extend(rendition::check_renditions(request));
    mistakes.extend(check_exec_time(request));
    mistakes.extend(schedule::check_schedule(request, context.min_schedule_interval));
    mistakes.extend(check_mail_fields(request, context.mail_domains));
    mistakes.extend(check_callback_url(request, context.callback_policy));
    (mistakes, check_client_id(request).into_iter().collect())
}

fn check_asset_selection(request: &ExportRequest) -> Option<ValidationError> {
    match (&request.asset_handle_array, &request.asset_filter) {
        (Some(_), Some(_)) => Some(ValidationError::new(
            "/assetFilter",
            Code::ConflictingParameters,
            "`assetHandleArray` and `assetFilter` cannot be combined. Send one of them.",
        )),
        (None, None) => Some(ValidationError::new(
            "/assetHandleArray",
            Code::MissingParameter,
            "`assetHandleArray` is missing. Send the handles of the assets, or `assetFilter`.",
        )),
        _ => None,
    }
}

fn check_exec_time(request: &ExportRequest) -> Option<ValidationError> {
    // A minute of tolerance: clocks differ, and requests take time.
    let past = request.exec_time.filter(|time| *time < Utc::now() - chrono::TimeDelta::seconds(60))?;
    let detail =
        format!("{} is in the past. Send a future time, or omit `execTime` to start at once.", past.to_rfc3339());
    Some(ValidationError::new("/execTime", Code::InvalidValue, detail))
}

fn check_mail_fields(request: &ExportRequest, mail_domains: &[String]) -> Vec<ValidationError> {
    let mut mistakes = Vec::new();
    for (index, address) in request.notify_emails.iter().flatten().enumerate() {
        let (code, detail) = match parse_mailbox(address) {
            Err(detail) => (Code::InvalidValue, detail),
            Ok(mailbox) if !is_allowed_mail_domain(mail_domains, mailbox.email.domain()) => {
                let (domain, allowed) = (mailbox.email.domain(), mail_domains.join(", "));
                (Code::ValueForbidden, format!("Mails to {domain} are not allowed. Allowed domains: {allowed}."))
            }
            Ok(_) => continue,
        };
        mistakes.push(ValidationError::new(format!("/notifyEmails/{index}"), code, detail));
    }
    if let Some(locale) = request.locale.as_deref().filter(|locale| !is_locale(locale)) {
        let detail = format!(
            "`{locale}` is not a locale. Send a language such as `en`, or language and country such as `nl-BE`."
        );
        mistakes.push(ValidationError::new("/locale", Code::InvalidValue, detail));
    }
    mistakes
}

/// Parses a mail address, with or without a name in front.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn parse_mailbox(text: &str) -> Result<Mailbox, String> {
    // An address has at most 254 characters (RFC 5321). Checked first: the parser needs more time and stack the longer
    // the text is.
    const MAX_MAILBOX_CHARS: usize = 320;
    let length = text.chars().count();
    if length > MAX_MAILBOX_CHARS {
        return Err(format!("The mail address has {length} characters; the limit is {MAX_MAILBOX_CHARS}."));
    }
    text.parse().map_err(|_| format!("`{text}` is not a mail address."))
}

fn check_callback_url(request: &ExportRequest, callbacks: &CallbackPolicy) -> Option<ValidationError> {
    let detail = callbacks.check_url(request.callback_url.as_deref()?).err()?;
    Some(ValidationError::new("/callbackUrl", Code::InvalidValue, detail))
}

/// Whether mails may be sent to a domain: it is listed, or is a subdomain of one listed with `*.`, or the list is empty.
fn is_allowed_mail_domain(allowed: &[String], domain: &str) -> bool {
    let domain = domain.to_ascii_lowercase();
    let matches = |allowed: &String| match allowed.strip_prefix('*') {
        Some(end) => domain.ends_with(end) && domain.len() > end.len(),
        None => *allowed == domain,
    };
    allowed.is_empty() || allowed.iter().any(matches)
}

/// `ll` or `ll-CC`, as IPS writes them.
fn is_locale(text: &str) -> bool {
    let (language, country) =
        text.split_once(['-', '_']).map_or((text, None), |(language, country)| (language, Some(country)));
    let letters = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphabetic());
    (2..=3).contains(&language.len())
        && letters(language)
        && country.is_none_or(|country| country.len() == 2 && letters(country))
}

fn check_client_id(request: &ExportRequest) -> Option<Reason> {
    let client_id = request.client_id.as_deref().filter(|client_id| client_id.parse::<IpAddr>().is_err())?;
    Some(Reason::new(
        Code::ClientIdNotAnAddress,
        format!("`clientId` should be an IP address. `{client_id}` is kept unchanged."),
    ))
}
