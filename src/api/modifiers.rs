//! The modifier language at the front desk: its complaints as mistakes of a request.

use crate::api::problem::Mistake;
use crate::export::modifier::mistake;
use crate::language::{self, Attributes, Macros, Order};

/// Checks a modifier that is stored for later, with the macros that it may call.
///
/// # Errors
/// All its mistakes, each with its place in the text. `pointer` is the field it stands in.
pub fn check_modifier(pointer: &str, text: &str, macros: &Macros, attributes: &Attributes) -> Result<(), Vec<Mistake>> {
    let order = Order {
        before: "",
        modifier: text,
        export_macro: None,
        after: "",
        macros,
        object: "",
        attributes,
    };
    match language::recipe(&order) {
        Ok(_) => Ok(()),
        Err(complaints) => Err(complaints.iter().map(|complaint| mistake(complaint, pointer)).collect()),
    }
}
