//! What an export request asks for that needs a capability of its own: originals, custom modifiers, schedules.

use offprint_core::Code;
use offprint_imaging::{DecodePlan, PaintContent, RenderPlan, Step, SubPlan};

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

/// Whether an image is only a look at what an export would make: small, and no part of it as sharp as the original that it
/// is from, so that no original can be put together from parts: that of the asset, of a layer or of a mask.
pub fn is_reduced_preview(plan: &RenderPlan) -> bool {
    plan.width.max(plan.height) <= MAX_REDUCED_PREVIEW_SIDE
        && measure_scale(&plan.decode, &plan.steps) <= MAX_REDUCED_PREVIEW_SCALE
}

/// How large a pixel of a decoded file is after the steps, along the longer side: the largest of all files.
fn measure_scale(decode: &DecodePlan, steps: &[Step]) -> f64 {
    let (mut scale, mut size) = (measure_decoded_scale(decode), (decode.width, decode.height));
    for step in steps {
        match step {
            Step::Resize { from: [_, _, from_width, from_height], width, height, .. } => {
                scale *= (f64::from(*width) / from_width).max(f64::from(*height) / from_height);
            }
            // A perspective may enlarge any part, and a product may be a small part of the image.
            Step::Warp { .. } | Step::FitProduct { .. } => scale = f64::INFINITY,
            Step::Mask { decode, .. } => {
                // It is stretched to the image.
                let (long, mask_short) = (size.0.max(size.1), decode.width.min(decode.height).max(1));
                scale = scale.max(measure_decoded_scale(decode) * f64::from(long) / f64::from(mask_short));
            }
            Step::Paint(paint) => {
                if let PaintContent::Picture(SubPlan { decode, steps, .. }) = &paint.content {
                    scale = scale.max(measure_scale(decode, steps));
                }
            }
            _ => {}
        }
        size = match *step {
            Step::Resize { width, height, .. }
            | Step::Window { width, height, .. }
            | Step::Rotate { width, height, .. } => (width, height),
            Step::FitProduct { frame, .. } => (frame.width, frame.height),
            Step::Turn(turn) => turn.size(size),
            _ => size,
        };
    }
    scale
}

/// How large a pixel of a file is once decoded. A colour has none.
fn measure_decoded_scale(decode: &DecodePlan) -> f64 {
    match &decode.inner {
        _ if decode.blank.is_some() => 0.0,
        Some(inner) => measure_scale(&inner.decode, &inner.steps),
        None => 1.0 / f64::from(decode.shrink.max(1)),
    }
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

/// Whether a modifier is nothing but the call of a preset.
fn is_preset_call(text: &str) -> bool {
    let name = text.trim().strip_prefix('$').and_then(|rest| rest.strip_suffix('$'));
    name.is_some_and(|name| crate::jobs::catalog::check_preset_name(name).is_ok())
}

fn check_modifier_right(request: &ExportRequest) -> Vec<ValidationError> {
    let renditions = request.renditions.iter().flatten().enumerate();
    let renditions = renditions
        .map(|(index, rendition)| (format!("/renditions/{index}/is_modifier"), rendition.is_modifier.as_deref()));
    let own = std::iter::once(("/is_modifier".to_owned(), request.is_modifier.as_deref())).chain(renditions);
    let assets = request.assets.iter().flatten().enumerate();
    let assets = assets.map(|(index, asset)| (format!("/assets/{index}/is_modifier"), asset.is_modifier.as_deref()));
    // A preset of an asset alone is written as its call.
    let assets = assets.filter(|(_, text)| !text.is_some_and(is_preset_call));
    own.chain(assets)
        .filter(|(_, text)| text.is_some_and(|text| !offprint_modifiers::is_blank(text)))
        .map(|(pointer, _)| {
            let detail =
                "The API key lacks the capability `exports:custom-modifier`. Use an image preset: send `macro`.";
            ValidationError::new(pointer, Code::ValueForbidden, detail)
        })
        .collect()
}
