//! The modifier language at the front desk: its complaints as mistakes of a request.

use crate::api::problem::Mistake;
use crate::export::modifier::{Wish, mistake};
use crate::language::{Attributes, Companions, Macros};

/// Checks a modifier that is stored for later, with the macros that it may call.
///
/// # Errors
/// All its mistakes, each with its place in the text. `pointer` is the field it stands in.
pub fn check_modifier(pointer: &str, text: &str, macros: &Macros, attributes: &Attributes) -> Result<(), Vec<Mistake>> {
    Wish { modifier: Some(text), export_macro: None, asset: None, macros, attributes }
        .understood(&Companions::default())
        .map(drop)
        .map_err(|complaints| complaints.iter().map(|complaint| mistake(complaint, pointer)).collect())
}
