//! Validates stored modifiers: diagnostics of the modifier language as validation errors of a request.

use offprint_modifiers::{AssetModifierIndex, Attributes, Macros};

use crate::http::problem::ValidationError;
use crate::jobs::rendition_resolver::ModifierSpec;
use crate::jobs::rendition_resolver::to_validation_error;

/// Checks a modifier that will be stored, with the macros that it may call.
///
/// # Errors
/// All its errors, each with its offset in the text. `pointer` is the field that has the modifier.
pub fn check_modifier(
    pointer: &str,
    text: &str,
    macros: &Macros,
    attributes: &Attributes,
) -> Result<(), Vec<ValidationError>> {
    ModifierSpec { modifier: Some(text), export_macro: None, asset: None, macros, attributes }
        .resolve(&AssetModifierIndex::default())
        .map(drop)
        .map_err(|diagnostics| diagnostics.iter().map(|diagnostic| to_validation_error(diagnostic, pointer)).collect())
}
