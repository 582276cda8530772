//! What an export request asks for that needs a capability of its own: originals, custom modifiers, schedules.

use offprint_core::Code;

use crate::db::capability::Capability::{self, ExportsCreateOriginal, ExportsCustomModifier, Schedules};
use crate::db::enums::{Fmt, OnUnconvertible};
use crate::jobs::ExportRequest;
use crate::reason::ValidationError;

/// All parts of the request that need a capability that the caller lacks. For a caller who may not export originals the
/// default for files that cannot be converted becomes `fail`, since the usual default exports their originals.
pub fn enforce_rights(
    request: &mut ExportRequest,
    has_capability: impl Fn(Capability) -> bool,
) -> Vec<ValidationError> {
    let mut errors = Vec::new();
    if !has_capability(ExportsCreateOriginal) {
        errors.extend(check_original_right(request));
    }
    if !has_capability(ExportsCustomModifier) {
        errors.extend(check_modifier_right(request));
    }
    if request.exec_schedule.is_some() && !has_capability(Schedules) {
        let detail = "`execSchedule` creates a schedule, and the API key lacks the capability `schedules`.";
        errors.push(ValidationError::new("/execSchedule", Code::ValueForbidden, detail));
    }
    errors
}

fn check_original_right(request: &mut ExportRequest) -> Option<ValidationError> {
    let reason = "the API key lacks the capability `exports:create-original`";
    if request.fmt == Fmt::Orig {
        let detail = format!("`orig` exports uploaded files, and {reason}.");
        return Some(ValidationError::new("/fmt", Code::ValueForbidden, detail));
    }
    match request.on_unconvertible {
        Some(OnUnconvertible::Original) => {
            let detail = format!("`original` exports uploaded files, and {reason}.");
            Some(ValidationError::new("/onUnconvertible", Code::ValueForbidden, detail))
        }
        None => {
            request.on_unconvertible = Some(OnUnconvertible::Fail);
            None
        }
        _ => None,
    }
}

fn check_modifier_right(request: &ExportRequest) -> Vec<ValidationError> {
    let renditions = request.renditions.iter().flatten().enumerate();
    let renditions = renditions
        .map(|(index, rendition)| (format!("/renditions/{index}/is_modifier"), rendition.is_modifier.as_deref()));
    let own = std::iter::once(("/is_modifier".to_owned(), request.is_modifier.as_deref())).chain(renditions);
    own.filter(|(_, text)| text.is_some_and(|text| !offprint_modifiers::is_blank(text)))
        .map(|(pointer, _)| {
            let detail =
                "The API key lacks the capability `exports:custom-modifier`. Use an image preset: send `macro`.";
            ValidationError::new(pointer, Code::ValueForbidden, detail)
        })
        .collect()
}
