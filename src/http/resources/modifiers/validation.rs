//! Validates stored modifiers: diagnostics of the modifier language as validation errors of a request.

use crate::app::AppState;
use crate::db::image_preset::MacroRow;
use crate::http::problem::Problem;
use crate::http::problem::ValidationError;
use crate::http::resources::export_jobs::create::convert_refusal;
use crate::id::CompanyId;
use crate::jobs::modifier_resolution::{ModifierRequest, resolve_alone};
use crate::jobs::rendition_resolver::to_validation_error;

/// Checks a modifier that will be stored, with the macros that it may call. Returns all its errors,
/// each with its offset in the text. `pointer` is the field that has the modifier.
///
/// # Errors
/// When it could not be checked.
pub async fn check_modifier(
    state: &AppState,
    company: CompanyId,
    pointer: &str,
    text: &str,
    macros: Vec<MacroRow>,
) -> Result<Vec<ValidationError>, Problem> {
    let request = ModifierRequest {
        modifier: Some(text.to_owned()),
        export_macro: None,
        asset: None,
        macros,
        attributes: state.attributes.clone(),
    };
    let checked = resolve_alone(&state.compute, company, request).await.map_err(convert_refusal)?;
    let diagnostics = checked.err().unwrap_or_default();
    Ok(diagnostics.iter().map(|diagnostic| to_validation_error(diagnostic, pointer)).collect())
}
