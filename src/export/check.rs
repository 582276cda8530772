//! Checks of an order that need nothing but the order.

use std::net::IpAddr;

use chrono::Utc;
use lettre::message::Mailbox;

use crate::code::Code;
use crate::reason::{Mistake, Note};
use crate::export::order::Order;
use crate::export::{Callbacks, Desk, rendition, schedule};

/// Everything that is wrong with the order by itself at this desk, and what there is to know about it.
pub fn check(order: &Order, desk: &Desk<'_>) -> (Vec<Mistake>, Vec<Note>) {
    let mut mistakes: Vec<Mistake> = assets(order).into_iter().collect();
    mistakes.extend(rendition::check(order));
    mistakes.extend(time(order));
    mistakes.extend(schedule::check(order, desk.shortest_interval));
    mistakes.extend(people(order, desk.mail_domains));
    mistakes.extend(callback(order, desk.callbacks));
    (mistakes, client(order).into_iter().collect())
}

fn assets(order: &Order) -> Option<Mistake> {
    match (&order.asset_handle_array, &order.asset_filter) {
        (Some(_), Some(_)) => Some(Mistake::new(
            "/assetFilter",
            Code::ConflictingParameters,
            "`assetHandleArray` and `assetFilter` exclude each other. Send one of them.",
        )),
        (None, None) => Some(Mistake::new(
            "/assetHandleArray",
            Code::MissingParameter,
            "`assetHandleArray` is missing. Send the handles of the assets, or `assetFilter`.",
        )),
        _ => None,
    }
}

fn time(order: &Order) -> Option<Mistake> {
    // A minute of grace: clocks differ, and a request takes its time.
    let late = order.exec_time.filter(|time| *time < Utc::now() - chrono::TimeDelta::seconds(60))?;
    let detail = format!("{} has passed. Send a time to come, or leave it out to begin at once.", late.to_rfc3339());
    Some(Mistake::new("/execTime", Code::InvalidValue, detail))
}

fn people(order: &Order, mail_domains: &[String]) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for (index, address) in order.notify_emails.iter().flatten().enumerate() {
        let (code, detail) = match address.parse::<Mailbox>() {
            Err(_) => (Code::InvalidValue, format!("`{address}` is not a mail address.")),
            Ok(mailbox) if !takes_mail(mail_domains, mailbox.email.domain()) => {
                let (domain, allowed) = (mailbox.email.domain(), mail_domains.join(", "));
                (Code::ValueForbidden, format!("The service sends no mail to {domain}. Allowed: {allowed}."))
            }
            Ok(_) => continue,
        };
        mistakes.push(Mistake::new(format!("/notifyEmails/{index}"), code, detail));
    }
    if let Some(locale) = order.locale.as_deref().filter(|locale| !is_locale(locale)) {
        let detail = format!("`{locale}` is not a language such as `en`, or a language and a country such as `nl-BE`.");
        mistakes.push(Mistake::new("/locale", Code::InvalidValue, detail));
    }
    mistakes
}

fn callback(order: &Order, callbacks: &Callbacks) -> Option<Mistake> {
    let why = callbacks.check_url(order.callback_url.as_deref()?).err()?;
    Some(Mistake::new("/callbackUrl", Code::InvalidValue, why))
}

/// Whether mails may be sent to a domain: it is named, or stands below one that is named with `*.`, or none is named.
fn takes_mail(allowed: &[String], domain: &str) -> bool {
    let domain = domain.to_ascii_lowercase();
    let fits = |allowed: &String| match allowed.strip_prefix('*') {
        Some(end) => domain.ends_with(end) && domain.len() > end.len(),
        None => *allowed == domain,
    };
    allowed.is_empty() || allowed.iter().any(fits)
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

fn client(order: &Order) -> Option<Note> {
    let said = order.client_id.as_deref().filter(|said| said.parse::<IpAddr>().is_err())?;
    Some(Note::new(
        Code::ClientIdNotAnAddress,
        format!("`clientId` is documented as an IP address; `{said}` is kept as it is."),
    ))
}
