//! Schedules: list, pause, resume, run now, delete. New ones are made as new exports.

mod actions;
mod list;
mod words;

use actix_web::web;

/// Registers the pages about schedules.
pub(super) fn register_schedule_routes(config: &mut web::ServiceConfig) {
    config
        .service(list::show_schedules)
        .service(actions::run_schedule_by_form)
        .service(actions::pause_schedule_by_form)
        .service(actions::resume_schedule_by_form)
        .service(actions::delete_schedule_by_form);
}
