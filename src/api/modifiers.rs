//! The modifier language at the front desk: its complaints as mistakes of a request.

use crate::api::problem::Mistake;
use crate::export::modifier::{mistake, understand};
use crate::language::{Attributes, Macros};

/// Checks a modifier that is stored for later, with the macros that it may call.
///
/// # Errors
/// All its mistakes, each with its place in the text. `pointer` is the field it stands in.
pub fn check_modifier(pointer: &str, text: &str, macros: &Macros, attributes: &Attributes) -> Result<(), Vec<Mistake>> {
    understand(Some(text), None, None, macros, attributes)
        .map(drop)
        .map_err(|complaints| complaints.iter().map(|complaint| mistake(complaint, pointer)).collect())
}
