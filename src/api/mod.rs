//! HTTP: the only room that knows status codes.
//!
//! A handler takes what it needs as typed parameters, asks one question of another room and answers. [`routes`] is the
//! one list of them; the OpenAPI document is made from it, so the two cannot drift apart.

pub mod accept;
pub mod access;
pub mod api_keys;
pub mod asset_change;
pub mod asset_content;
pub mod asset_sets;
pub mod assets;
pub mod audit;
pub mod audit_log;
pub mod body;
pub mod caller;
pub mod cors;
pub mod document;
pub mod download;
pub mod downloads;
pub mod export_jobs;
pub mod export_schedules;
pub mod guard;
pub mod idempotency;
pub mod image_presets;
pub mod json;
pub mod limits;
pub mod modifier_language;
pub mod modifiers;
pub mod pace;
pub mod page;
pub mod peer;
pub mod preview;
pub mod problem;
pub mod range;
pub mod rate;
pub mod reader;
pub mod responses;
pub mod schema;
pub mod sniff;
pub mod system;
pub mod trace;
pub mod upload;
pub mod uploads;
pub mod usage;
pub mod webhook_secret;
pub mod workers;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::error::QueryPayloadError;
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data, PathConfig, QueryConfig, get, route};
use actix_web::{App, Error, HttpRequest};
use utoipa_actix_web::AppExt;
use utoipa_actix_web::service_config::ServiceConfig;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::api::problem::Problem;
use crate::settings::Role;
use crate::state::State;

/// Every documented address, in the order in which the document shows them.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(export_jobs::dry_run::validate)
        .service(export_jobs::create::create)
        .service(export_jobs::show::list)
        .service(export_jobs::show::show)
        .service(export_jobs::items::list_items)
        .service(export_jobs::items::show_item)
        .service(export_jobs::log::events)
        .service(export_jobs::orders::pause)
        .service(export_jobs::orders::resume)
        .service(export_jobs::orders::stop)
        .service(export_jobs::orders::run)
        .service(export_jobs::orders::retry)
        .service(export_jobs::orders::delete)
        .service(export_jobs::files::list_files)
        .service(export_jobs::files::fetch_file)
        .service(export_jobs::files::fetch_download)
        .service(export_jobs::files::fetch_archive)
        .service(export_jobs::files::fetch_manifest)
        .service(export_jobs::links::create_link)
        .service(export_jobs::links::list_links)
        .service(export_jobs::links::revoke_link)
        .service(export_schedules::create::create_schedule)
        .service(export_schedules::show::list_schedules)
        .service(export_schedules::show::show_schedule)
        .service(export_schedules::change::change_schedule)
        .service(export_schedules::orders::pause_schedule)
        .service(export_schedules::orders::resume_schedule)
        .service(export_schedules::orders::run_schedule)
        .service(export_schedules::orders::delete_schedule)
        .service(export_jobs::deliveries::list_deliveries)
        .service(export_jobs::deliveries::replay)
        .service(webhook_secret::show_secret)
        .service(webhook_secret::rotate_secret)
        .service(downloads::open_link)
        .service(upload::upload_assets)
        .service(uploads::create::offer)
        .service(uploads::create::create_upload)
        .service(uploads::show::list_uploads)
        .service(uploads::show::show_upload)
        .service(uploads::append::append)
        .service(uploads::show::end_upload)
        .service(assets::list_assets)
        .service(assets::show_asset)
        .service(asset_change::change_asset)
        .service(assets::delete_asset)
        .service(preview::preview)
        .service(asset_content::download_content)
        .service(asset_content::replace_content)
        .service(asset_sets::create_set)
        .service(image_presets::list_image_presets)
        .service(image_presets::show_image_preset)
        .service(image_presets::save_image_preset)
        .service(image_presets::delete_image_preset)
        .service(modifier_language::commands)
        .service(modifier_language::check)
        .service(api_keys::create_key)
        .service(api_keys::list_keys)
        .service(api_keys::show_key)
        .service(api_keys::revoke_key)
        .service(system::page)
        .service(system::info)
        .service(workers::list_workers)
        .service(audit_log::list_audit_log)
        .service(usage::show_usage);
    health(config);
}

/// What a process answers that only works, too.
fn health(config: &mut ServiceConfig) {
    config.service(system::live).service(system::ready).service(system::metrics);
}

/// What answers at an address of its own to those who look after the service: its health and its numbers, without keys.
pub fn numbers(
    state: State,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = Error,
        InitError = (),
    >,
> {
    let (app, _) = App::new()
        .app_data(system::Operators)
        .app_data(Data::new(state))
        .into_utoipa_app()
        .configure(health)
        .split_for_parts();
    app.default_service(route().to(system::only_numbers_here)).wrap(from_fn(pace::deadline)).wrap(from_fn(trace::trace))
}

/// The application as it runs, in production and in tests.
pub fn app(
    state: State,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = Error,
        InitError = (),
    >,
> {
    let only_works = state.settings.role == Role::Worker;
    let cors = cors::allowed(&state.settings.cors_origins);
    let (app, _) = App::new()
        .app_data(PathConfig::default().error_handler(|_, _| Problem::missing("object").into()))
        .app_data(QueryConfig::default().error_handler(|error, request| bad_query(request, &error).into()))
        .app_data(Data::new(state))
        .into_utoipa_app()
        .configure(if only_works { health } else { routes })
        .split_for_parts();
    app.configure(|config| {
        if !only_works {
            pages(config)
        }
    })
    .default_service(route().to(system::nothing_here))
    .wrap(from_fn(guard::guard))
    .wrap(from_fn(pace::deadline))
    .wrap(from_fn(pace::pace))
    .wrap(cors)
    .wrap(from_fn(trace::trace))
}

/// The document, and the pages that show it.
fn pages(config: &mut web::ServiceConfig) {
    config
        .route("/openapi.json", get().to(document::show))
        .route("/swagger-ui", get().to(system::to_swagger_ui))
        .service(SwaggerUi::new("/swagger-ui/{_:.*}").config(Config::new(["/openapi.json"]).try_it_out_enabled(true)));
}

fn bad_query(request: &HttpRequest, error: &QueryPayloadError) -> Problem {
    let said = json::clipped(request.query_string());
    let why = error.to_string();
    let why = why.trim_start_matches("Query deserialize error: ");
    Problem::parameter("query", format!("`?{said}`: {why}. The parameters are listed in /openapi.json."))
}
