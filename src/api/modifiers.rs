//! The modifier language at the front desk: its complaints as mistakes of a request.

use crate::api::problem::Mistake;
use crate::code::Code;
use crate::language::{self, Attributes, Complaint, ComplaintKind, Macros, Order, Origin};

/// Checks a modifier that is stored for later, with the macros that it may call.
///
/// # Errors
/// All its mistakes, each with its place in the text. `pointer` is the field it stands in.
pub fn check_modifier(pointer: &str, text: &str, macros: &Macros) -> Result<(), Vec<Mistake>> {
    let order = Order {
        before: "",
        modifier: text,
        export_macro: None,
        after: "",
        macros,
        object: "",
        attributes: &Attributes::default(),
    };
    match language::recipe(&order) {
        Ok(_) => Ok(()),
        Err(complaints) => Err(complaints.iter().map(|complaint| mistake(pointer, complaint)).collect()),
    }
}

/// A complaint as a mistake of a request. The offset counts in the field's own text; a mistake inside of a macro has
/// none and says which macro it is.
pub fn mistake(pointer: &str, complaint: &Complaint) -> Mistake {
    let code = match complaint.kind {
        ComplaintKind::InvalidModifier => Code::InvalidModifier,
        ComplaintKind::UnknownCommand => Code::UnknownCommand,
        ComplaintKind::IgnoredCommand => Code::IgnoredCommand,
        ComplaintKind::UnknownMacro => Code::UnknownMacro,
        ComplaintKind::NotSupportedYet => Code::NotSupportedYet,
    };
    let place = match &complaint.origin {
        Origin::Macro(name) => format!("In the macro {name}: "),
        _ => String::new(),
    };
    let detail = format!("{place}`{}`: {} {}", complaint.command, complaint.detail, complaint.remedy);
    let mut mistake = Mistake::new(pointer, code, detail.trim_end());
    mistake.offset = (!matches!(complaint.origin, Origin::Macro(_))).then_some(complaint.offset);
    mistake
}
