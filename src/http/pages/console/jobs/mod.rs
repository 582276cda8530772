//! Jobs: the list, and a job with its tabs.

mod actions;
mod batch;
mod deliveries_tab;
mod files_tab;
mod filters;
mod head;
mod items_tab;
mod list;
mod list_stream;
mod log_tab;
mod remark;
mod request_tab;

use actix_web::web;

/// Registers the pages about jobs. The first match counts.
pub(super) fn register_job_routes(config: &mut web::ServiceConfig) {
    config
        .service(list::show_jobs)
        .service(list_stream::stream_jobs)
        .service(batch::change_jobs)
        .service(items_tab::show_job)
        .service(items_tab::show_source_thumbnail)
        .service(files_tab::show_job_files)
        .service(log_tab::show_job_log)
        .service(request_tab::show_job_request)
        .service(deliveries_tab::show_job_deliveries)
        .service(deliveries_tab::send_webhook_again)
        .service(actions::delete_job)
        .service(actions::change_job);
}
