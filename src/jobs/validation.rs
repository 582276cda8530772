//! Checks of an export request that need no database.

use std::net::IpAddr;

use chrono::Utc;
use offprint_core::Code;

use crate::jobs::CallbackPolicy;
use crate::jobs::ExportContext;
use crate::jobs::file_names;
use crate::jobs::per_asset;
use crate::jobs::rendition;
use crate::jobs::request::ExportRequest;
use crate::jobs::schedule;
use crate::reason::{Reason, ValidationError};

/// All mistakes of the request, and warnings about it.
pub fn check_request(request: &ExportRequest, context: &ExportContext<'_>) -> (Vec<ValidationError>, Vec<Reason>) {
    let mut mistakes: Vec<ValidationError> = check_asset_selection(request).into_iter().collect();
    mistakes.extend(per_asset::check_assets(request));
    match rendition::check_count(request, context.max_renditions) {
        Some(too_many) => mistakes.push(too_many),
        None => mistakes.extend(rendition::check_renditions(request)),
    }
    mistakes.extend(file_names::check_name_templates(request));
    mistakes.extend(check_exec_time(request));
    mistakes.extend(schedule::check_schedule(request, context.min_schedule_interval));
    mistakes.extend(check_locale(request));
    mistakes.extend(check_callback_url(request, context.callback_policy));
    mistakes.extend(check_metadata(request));
    (mistakes, check_client_id(request).into_iter().collect())
}

fn check_asset_selection(request: &ExportRequest) -> Option<ValidationError> {
    let listed = [("assetHandleArray", request.asset_handle_array.is_some()), ("assets", request.assets.is_some())];
    let listed = listed.into_iter().find(|(_, is_sent)| *is_sent).map(|(name, _)| name);
    match (listed, &request.asset_filter) {
        (Some(name), Some(_)) => Some(ValidationError::new(
            "/assetFilter",
            Code::ConflictingParameters,
            format!("`{name}` and `assetFilter` cannot be combined. Send one of them."),
        )),
        (None, None) => Some(ValidationError::new(
            "/assetHandleArray",
            Code::MissingParameter,
            "`assetHandleArray` is missing. Send the handles of the assets, or `assets` or `assetFilter`.",
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

fn check_locale(request: &ExportRequest) -> Option<ValidationError> {
    let locale = request.locale.as_deref().filter(|locale| !is_locale(locale))?;
    let detail =
        format!("`{locale}` is not a locale. Send a language such as `en`, or language and country such as `nl-BE`.");
    Some(ValidationError::new("/locale", Code::InvalidValue, detail))
}

fn check_callback_url(request: &ExportRequest, callbacks: &CallbackPolicy) -> Option<ValidationError> {
    let detail = callbacks.check_url(request.callback_url.as_deref()?).err()?;
    Some(ValidationError::new("/callbackUrl", Code::InvalidValue, detail))
}

fn check_metadata(request: &ExportRequest) -> Vec<ValidationError> {
    let of_request = request.metadata.iter().flat_map(|metadata| metadata.check("/metadata"));
    let of_filter = request.asset_filter.iter().filter_map(|filter| filter.metadata.as_ref());
    of_request.chain(of_filter.flat_map(|metadata| metadata.check("/assetFilter/metadata"))).collect()
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
