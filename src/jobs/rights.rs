//! What an export request asks for that needs a capability of its own: originals, custom modifiers, schedules.

use offprint_core::Code;
use offprint_imaging::{DecodePlan, RenderPlan, Step};

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

/// Longest side in pixels of a preview for a caller who may not export.
pub const MAX_REDUCED_PREVIEW_SIDE: u32 = 512;
/// How large a pixel of the original may be in such a preview, in pixels of the preview.
const MAX_REDUCED_PREVIEW_SCALE: f64 = 0.5;

/// Whether an image is only a look at what an export would make: small, and no part of it as sharp as the original, so that
/// the original cannot be put together from parts.
pub fn is_reduced_preview(plan: &RenderPlan) -> bool {
    plan.width.max(plan.height) <= MAX_REDUCED_PREVIEW_SIDE
        && measure_scale(&plan.decode, &plan.steps) <= MAX_REDUCED_PREVIEW_SCALE
}

/// How large a pixel of the decoded file is after the steps, along the longer side.
fn measure_scale(decode: &DecodePlan, steps: &[Step]) -> f64 {
    let decoded = match &decode.inner {
        Some(inner) => measure_scale(&inner.decode, &inner.steps),
        None => 1.0 / f64::from(decode.shrink.max(1)),
    };
    steps.iter().fold(decoded, |scale, step| match step {
        Step::Resize { from: [_, _, from_width, from_height], width, height, .. } => {
            scale * (f64::from(*width) / from_width).max(f64::from(*height) / from_height)
        }
        // A perspective may enlarge any part.
        Step::Warp { .. } => f64::INFINITY,
        _ => scale,
    })
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
