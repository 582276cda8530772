//! Image presets: the list with a form for a new one, a page for each preset to change it beside what it makes of an asset, and
//! the import of files from Scene7 and AEM with its report.

mod editor;
mod import;
mod list;
mod preset;

use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::web;
use offprint_core::Code;

use crate::db::image_preset::PresetWatermark;
use crate::http::pages::console::form_errors::FormErrors;
use crate::http::pages::console::form_fields::FormFields;
use crate::http::pages::console::frame::ConsoleFrame;
use crate::http::problem::Problem;
use crate::http::resources::image_presets::SaveImagePreset;

/// Registers the pages.
pub(super) fn register_preset_routes(config: &mut web::ServiceConfig) {
    config
        .service(list::show_presets)
        .service(list::create_preset)
        .service(import::import_presets)
        .service(preset::show_preset)
        .service(preset::save_preset)
        .service(preset::delete_preset);
}

/// The preset that a form means.
fn build_preset(fields: &FormFields) -> SaveImagePreset {
    let watermark = fields.text("watermark");
    SaveImagePreset {
        url_modifier: fields.text("urlModifier").unwrap_or_default(),
        description: fields.text("description"),
        watermark: watermark.map(|asset| PresetWatermark { asset, tiled: fields.is_set("tiled") }),
    }
}

/// A condition of a form: `If-Match` with the version that it is about, or `If-None-Match` for a new preset.
fn build_condition(name: header::HeaderName, value: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
    headers
}

/// The mistakes of a preset that was refused. `changed` is the message when the condition does not hold.
///
/// # Errors
/// The problem, where the form is not to blame for it.
fn reject_preset(problem: Problem, frame: &ConsoleFrame, changed: &str) -> Result<FormErrors, Problem> {
    match problem.code() {
        Code::PreconditionFailed => {
            let mut errors = FormErrors::default();
            errors.push(if changed == "create-preset-exists" { "name" } else { "" }, frame.text(changed));
            Ok(errors)
        }
        Code::NotFound | Code::Internal | Code::Unavailable => Err(problem),
        _ => Ok(FormErrors::from_problem(frame.language, problem, |pointer| {
            let name = pointer.trim_start_matches('/').split('/').next().unwrap_or_default();
            Some(name.to_owned()).filter(|name| !name.is_empty())
        })),
    }
}
