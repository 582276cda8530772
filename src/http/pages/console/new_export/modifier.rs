//! What the modifiers of the form mean, for the button that checks them. With scripts the page asks the same operation while
//! somebody writes.

use offprint_core::Code;
use serde_json::{Map, Value};

use crate::app::AppState;
use crate::http::operations::Route;
use crate::http::pages::console::frame::ConsoleFrame;
use crate::http::problem::Problem;
use crate::http::resources::modifiers::language::{CheckModifier, check_for_caller};
use crate::jobs::explain::ModifierMeaning;
use crate::reason::ValidationErrors;

/// The meaning of one modifier.
pub(super) struct CheckedRendition {
    /// None for a job without renditions.
    pub(super) name: Option<String>,
    pub(super) meaning: ModifierMeaning,
    /// Size of the image that it makes of the first ticked asset.
    pub(super) size: Option<String>,
}

/// Checks that the caller may have modifiers checked.
///
/// # Errors
/// 403 with the capability that is missing.
pub(super) fn check_access(frame: &ConsoleFrame) -> Result<(), Problem> {
    match Route::find("POST", "/modifier-check") {
        Route::Operation(operation) => operation.access.check(&frame.caller),
        _ => Err(Problem::internal("there is no operation that checks modifiers")),
    }
}

/// Checks the modifier and macro of a request, or those of each rendition.
///
/// # Errors
/// 422 with everything that is wrong with them.
pub(super) async fn check_modifiers(
    state: &AppState,
    frame: &ConsoleFrame,
    request: &Map<String, Value>,
    picked: Vec<&str>,
) -> Result<Vec<CheckedRendition>, Problem> {
    let whole = Value::Object(request.clone());
    let renditions = request.get("renditions").and_then(Value::as_array);
    let specs: Vec<(String, &Value)> = match renditions {
        Some(renditions) => {
            renditions.iter().enumerate().map(|(index, one)| (format!("/renditions/{index}"), one)).collect()
        }
        None => vec![(String::new(), &whole)],
    };
    let asset_handle = picked.first().and_then(|handle| handle.parse().ok()).filter(|_| frame.can("GET", "/assets"));
    let mut checked = Vec::with_capacity(specs.len());
    let mut errors = ValidationErrors::default();
    for (pointer, spec) in specs {
        let text = |name: &str| spec[name].as_str().map(str::to_owned);
        let body = CheckModifier { is_modifier: text("is_modifier"), r#macro: text("macro"), asset_handle };
        match check_for_caller(state, &frame.caller, body).await {
            Ok(meaning) => {
                let name = renditions.and(text("name"));
                let picture = meaning.picture.as_ref();
                let size = picture.and_then(|picture| Some(format!("{} × {}", picture.width?, picture.height?)));
                checked.push(CheckedRendition { name, meaning, size });
            }
            Err(problem) if problem.code() == Code::ValidationFailed => {
                for mut error in problem.into_errors() {
                    error.pointer = format!("{pointer}{}", error.pointer);
                    errors.push(error);
                }
            }
            Err(problem) => return Err(problem),
        }
    }
    if errors.is_empty() { Ok(checked) } else { Err(Problem::from_errors(errors)) }
}
