//! Pages for people: HTML that is rendered on the server from templates, with one stylesheet and a few scripts that make it
//! better and that it does not need.
//!
//! A page calls the same functions as the JSON resources and decides nothing by itself: it chooses words. Text is in
//! `src/i18n`, HTML in `templates/`, files that browsers fetch in `static/`; all of them are in the binary. Every page stands
//! in the same [`frame`], and has a policy that forbids inline scripts and styles. Begin reading at [`frame`] and
//! [`link_page`].
//!
//! Who gets a page: browsers, which ask for `text/html` ([`prefers_page`](crate::http::extract::accept::prefers_page)).
//! Programs get what they always got.

pub(crate) mod code_page;
mod console;
pub(crate) mod error_page;
mod file_words;
pub(crate) mod frame;
pub(crate) mod job_status;
pub(crate) mod link_page;
mod sign_in;
pub(crate) mod start_page;
pub(crate) mod static_files;
mod swagger_files;

use actix_web::web;

/// Registers what only browsers ask for.
pub(crate) fn register_page_routes(config: &mut web::ServiceConfig) {
    console::register_console_routes(config);
    config
        .service(start_page::show_start_page)
        .service(static_files::show_static_file)
        .service(static_files::show_icon)
        .service(static_files::show_robots)
        // The first match counts.
        .service(static_files::show_swagger_initializer)
        .service(swagger_files::show_swagger_file)
        .service(sign_in::show_sign_in)
        .service(sign_in::sign_out)
        .service(sign_in::by_key::sign_in_by_key)
        .service(sign_in::by_mail::request_sign_in_mail)
        .service(sign_in::by_mail::show_sign_in_link)
        .service(sign_in::by_mail::sign_in_by_mail)
        .service(sign_in::by_oidc::begin_oidc_sign_in)
        .service(sign_in::by_oidc::finish_oidc_sign_in);
}
