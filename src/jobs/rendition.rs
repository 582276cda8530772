//! The renditions of an export request: its own modifier and macro, or each of `renditions`.

use offprint_core::Code;

use crate::db::enums::Fmt;
use crate::jobs::request::ExportRequest;
use crate::jobs::request::{AssetRequest, RenditionRequest};
use crate::reason::{Reason, ValidationError};

/// A modifier and a macro that render every image of the job, and their place in the request.
#[derive(Clone, Copy, Debug)]
pub struct RenditionSpec<'a> {
    /// Index in `renditions`; none for the request's own modifier and macro.
    pub number: Option<usize>,
    /// None for the request's own modifier and macro.
    pub rendition: Option<&'a RenditionRequest>,
    pub modifier: Option<&'a str>,
    pub r#macro: Option<&'a str>,
}

impl<'a> RenditionSpec<'a> {
    fn from_rendition(index: usize, rendition: &'a RenditionRequest) -> Self {
        Self {
            number: Some(index),
            rendition: Some(rendition),
            modifier: rendition.is_modifier.as_deref(),
            r#macro: rendition.r#macro.as_deref(),
        }
    }

    /// JSON pointer of one of its fields in the request body.
    pub fn pointer(&self, field: &str) -> String {
        match self.number {
            Some(number) => format!("/renditions/{number}/{field}"),
            None => format!("/{field}"),
        }
    }
}

/// The renditions of a request, in the order of the files of each item.
pub fn list_rendition_specs(request: &ExportRequest) -> Vec<RenditionSpec<'_>> {
    let own = RenditionSpec {
        number: None,
        rendition: None,
        modifier: request.is_modifier.as_deref(),
        r#macro: request.r#macro.as_deref(),
    };
    request.renditions.as_ref().map_or_else(
        || vec![own],
        |renditions| {
            renditions
                .iter()
                .enumerate()
                .map(|(number, rendition)| RenditionSpec::from_rendition(number, rendition))
                .collect()
        },
    )
}

fn has_commands(text: Option<&str>) -> bool {
    text.is_some_and(|text| !offprint_modifiers::is_blank(text))
}

/// What is wrong with modifiers, macros and renditions before they are parsed.
pub fn check_renditions(request: &ExportRequest) -> Vec<ValidationError> {
    let own = [("is_modifier", request.is_modifier.as_deref()), ("macro", request.r#macro.as_deref())];
    let own = own.into_iter().filter(|(_, text)| has_commands(*text)).map(|(name, _)| name);
    let conflict =
        |name: &str, detail: String| ValidationError::new(format!("/{name}"), Code::ConflictingParameters, detail);
    match (request.fmt, &request.renditions) {
        (Fmt::Orig, renditions) => own
            .chain(renditions.as_ref().map(|_| "renditions"))
            .map(|name| {
                conflict(name, format!("`orig` exports the files as uploaded, so `{name}` would have no effect. Send `fmt: convert`, or omit `{name}`."))
            })
            .collect(),
        (Fmt::Convert, None) => check_none_empty(request),
        (Fmt::Convert, Some(renditions)) => own
            .map(|name| {
                conflict(name, format!("`{name}` and `renditions` cannot be combined. Put it into each rendition that needs it."))
            })
            .chain(renditions.iter().enumerate().flat_map(|(number, rendition)| check_rendition_names(number, rendition, renditions)))
            .chain(check_none_empty(request))
            .collect(),
    }
}

/// A job may have a number of renditions that the operator sets.
pub fn check_count(request: &ExportRequest, max_renditions: u32) -> Option<ValidationError> {
    let count = request.renditions.as_ref().map(Vec::len).filter(|count| *count > max_renditions as usize)?;
    let detail = format!(
        "The request has {count} renditions; the limit is {max_renditions} (OFFPRINT_MAX_RENDITIONS). Split them into several jobs."
    );
    Some(ValidationError::new("/renditions", Code::InvalidValue, detail))
}

/// Every file needs commands: those of its rendition, or those of its asset.
fn check_none_empty(request: &ExportRequest) -> Vec<ValidationError> {
    let mut assets = request.assets.iter().flatten().peekable();
    let are_assets_enough = assets.peek().is_some() && request.asset_handle_array.is_none();
    if are_assets_enough && assets.all(AssetRequest::has_commands) {
        return Vec::new();
    }
    list_rendition_specs(request).iter().filter_map(check_not_empty).collect()
}

fn check_not_empty(spec: &RenditionSpec<'_>) -> Option<ValidationError> {
    let subject = if spec.rendition.is_some() { "A rendition" } else { "`convert`" };
    let detail = format!(
        "{subject} needs `is_modifier` or `macro` with at least one command. Send `fmt: orig` for the uploaded files."
    );
    let is_empty = !has_commands(spec.modifier) && !has_commands(spec.r#macro);
    is_empty.then(|| ValidationError::new(spec.pointer("is_modifier"), Code::MissingParameter, detail))
}

/// What is wrong with name and suffix of a rendition, alone and compared with those before it.
fn check_rendition_names(index: usize, rendition: &RenditionRequest, all: &[RenditionRequest]) -> Vec<ValidationError> {
    let to_error = |field: &str, detail: String| {
        ValidationError::new(format!("/renditions/{index}/{field}"), Code::InvalidValue, detail)
    };
    let mut mistakes = Vec::new();
    if let Some(invalid) = find_invalid_char(&rendition.name, "") {
        let detail = format!("A name may contain letters (A to Z), digits, `-` and `_`, but not {invalid:?}.");
        mistakes.push(to_error("name", detail));
    }
    if let Some(invalid) = rendition.suffix.as_deref().and_then(|suffix| find_invalid_char(suffix, "@")) {
        let detail = format!("A suffix may contain letters (A to Z), digits, `-`, `_` and `@`, but not {invalid:?}.");
        mistakes.push(to_error("suffix", detail));
    }
    let find_duplicate = |field: fn(&RenditionRequest) -> &str| {
        all[..index].iter().position(|earlier| field(earlier).eq_ignore_ascii_case(field(rendition)))
    };
    if let Some(other) = find_duplicate(|rendition| &rendition.name) {
        let name = &rendition.name;
        let detail = format!("Duplicate name `{name}` (case-insensitive): rendition {other} has it too.");
        mistakes.push(to_error("name", detail));
    } else if let Some(other) = find_duplicate(RenditionRequest::suffix) {
        let field = if rendition.suffix.is_some() { "suffix" } else { "name" };
        let suffix = rendition.suffix();
        let detail = format!(
            "Duplicate suffix `{suffix}` (case-insensitive): the files of rendition {other} would have the same names. Send \
             another `suffix`."
        );
        mistakes.push(to_error(field, detail));
    }
    mistakes
}

/// The first character that is not an ASCII letter, a digit, `-`, `_` or one of `extra`.
fn find_invalid_char(text: &str, extra: &str) -> Option<char> {
    text.chars().find(|letter| !letter.is_ascii_alphanumeric() && !"-_".contains(*letter) && !extra.contains(*letter))
}

/// The failures of several files of an item as one, given with the names of their renditions; none if there are none. Its
/// sentence has the names in front of each failure; a failure that several renditions share is told once.
pub fn merge_failures<'a>(failures: impl Iterator<Item = (Option<&'a str>, &'a Reason)>) -> Option<Reason> {
    let mut distinct: Vec<(Vec<&str>, &Reason)> = Vec::new();
    for (name, failure) in failures {
        match distinct.iter_mut().find(|(_, known)| *known == failure) {
            Some((names, _)) => names.extend(name),
            None => distinct.push((name.into_iter().collect(), failure)),
        }
    }
    let (_, first) = distinct.first()?;
    let sentences = distinct.iter().map(|(names, failure)| match names.as_slice() {
        [] => failure.detail.clone(),
        names => format!("{}: {}", names.join(", "), failure.detail),
    });
    Some(Reason::new(first.code, sentences.collect::<Vec<_>>().join(" ")))
}
