//! The console: pages for people who work with the service every day and for those who run it.
//!
//! A page asks the function that the JSON operation calls and chooses words for what it gets; what it may show stands in the
//! operation table, as for every operation. A button is a form: its handler does what the JSON operation does, and sends the
//! browser on to a page that says what came of it. Begin reading at [`frame`], which every page stands in.

mod assets;
mod connections;
mod explanation;
mod file_form;
pub(super) mod form_errors;
mod form_fields;
pub(super) mod frame;
mod jobs;
mod keys;
pub(super) mod message;
mod new_export;
pub(super) mod pager;
mod presets;
mod schedules;
pub(super) mod section;
mod system;
mod usage;
mod users;

use actix_web::{HttpResponse, get, web};

use crate::http::pages::frame::redirect_to;

/// Registers the pages of the console.
pub(super) fn register_console_routes(config: &mut web::ServiceConfig) {
    jobs::register_job_routes(config);
    new_export::register_export_routes(config);
    assets::register_asset_routes(config);
    presets::register_preset_routes(config);
    schedules::register_schedule_routes(config);
    keys::register_key_routes(config);
    config
        .service(redirect_to_console)
        .service(usage::show_usage_page)
        .service(connections::show_connections)
        .service(users::show_users)
        .service(system::show_system);
}

/// `GET /console`.
#[get("/console")]
async fn redirect_to_console() -> HttpResponse {
    redirect_to("/console/jobs")
}
