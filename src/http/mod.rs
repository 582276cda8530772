//! The HTTP API: the only module that knows status codes.
//!
//! A handler takes typed parameters ([`extract`]), calls `jobs` or `db`, and answers with a resource or a [`Problem`]. It
//! never calls the worker: it writes rows and notifies. [`register_routes`] lists all handlers, and the OpenAPI document is
//! generated from it; [`operations`] is the table of what holds for each of them. [`server`] accepts connections. Begin
//! reading at [`build_app`].

pub mod access_rule;
pub(crate) mod address;
pub mod admission;
pub mod document;
pub mod extract;
pub mod file_response;
pub mod limits;
mod long_poll;
pub mod middleware;
pub mod operations;
pub(crate) mod pages;
pub mod problem;
pub mod resources;
pub mod responses;
pub mod schema;
pub mod server;
pub(crate) mod session;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::error::QueryPayloadError;
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data, PathConfig, QueryConfig, get, route};
use actix_web::{App, Error, HttpRequest};
use utoipa_actix_web::AppExt;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::app::AppState;
use crate::http::problem::Problem;
use crate::settings::Role;

/// Registers every documented operation, in the order of the document.
pub fn register_routes(config: &mut ServiceConfig) {
    config
        .service(resources::export_jobs::dry_run::validate_export_job)
        .service(resources::export_jobs::create::create_export_job)
        .service(resources::export_jobs::show::list_export_jobs)
        .service(resources::export_jobs::show::show_export_job)
        .service(resources::export_jobs::items::list_items)
        .service(resources::export_jobs::items::show_item)
        .service(resources::export_jobs::events::list_events)
        .service(resources::export_jobs::actions::pause_export_job)
        .service(resources::export_jobs::actions::resume_export_job)
        .service(resources::export_jobs::actions::stop_export_job)
        .service(resources::export_jobs::actions::run_export_job)
        .service(resources::export_jobs::actions::retry_export_job)
        .service(resources::export_jobs::actions::delete_export_job)
        .service(resources::export_jobs::files::list_files)
        .service(resources::export_jobs::files::fetch_file)
        .service(resources::export_jobs::thumbnails::fetch_thumbnail)
        .service(resources::export_jobs::files::download_export)
        .service(resources::export_jobs::files::fetch_archive)
        .service(resources::export_jobs::files::fetch_manifest)
        .service(resources::export_jobs::links::create_link)
        .service(resources::export_jobs::links::list_links)
        .service(resources::export_jobs::links::revoke_link)
        .service(resources::export_job_groups::create::create_export_job_group)
        .service(resources::export_job_groups::show::show_export_job_group)
        .service(resources::export_schedules::create::create_schedule)
        .service(resources::export_schedules::show::list_schedules)
        .service(resources::export_schedules::show::show_schedule)
        .service(resources::export_schedules::change::change_schedule)
        .service(resources::export_schedules::actions::pause_schedule)
        .service(resources::export_schedules::actions::resume_schedule)
        .service(resources::export_schedules::actions::run_schedule)
        .service(resources::export_schedules::actions::delete_schedule)
        .service(resources::export_jobs::deliveries::list_deliveries)
        .service(resources::export_jobs::destinations::list_destinations)
        .service(resources::export_jobs::deliveries::replay_delivery)
        .service(resources::webhook_secret::show_secret)
        .service(resources::webhook_secret::rotate_secret)
        .service(resources::shared_links::open_link)
        .service(resources::assets::multipart_upload::upload_assets)
        .service(resources::uploads::create::describe_uploads)
        .service(resources::uploads::create::create_upload)
        .service(resources::uploads::show::list_uploads)
        .service(resources::uploads::show::show_upload)
        .service(resources::uploads::append::append_to_upload)
        .service(resources::uploads::show::end_upload)
        .service(resources::assets::asset::list_assets)
        .service(resources::assets::asset::show_asset)
        .service(resources::assets::bulk_change::change_assets)
        .service(resources::assets::change::change_asset)
        .service(resources::assets::asset::delete_asset)
        .service(resources::assets::preview::preview_asset)
        .service(resources::assets::template::show_template)
        .service(resources::assets::content::download_content)
        .service(resources::assets::content::replace_content)
        .service(resources::assets::sets::create_set)
        .service(resources::image_preset_import::import_image_presets)
        .service(resources::image_presets::list_image_presets)
        .service(resources::image_presets::show_image_preset)
        .service(resources::image_presets::save_image_preset)
        .service(resources::image_presets::delete_image_preset)
        .service(resources::migrations::create::migrate_scene7)
        .service(resources::migrations::show::list_migrations)
        .service(resources::migrations::show::show_migration)
        .service(resources::migrations::show::delete_migration)
        .service(resources::migrations::redirects::fetch_redirects)
        .service(resources::modifiers::language::list_modifier_commands)
        .service(resources::modifiers::language::explain_modifier)
        .service(resources::api_keys::create_api_key)
        .service(resources::api_keys::list_api_keys)
        .service(resources::api_keys::show_api_key)
        .service(resources::api_keys::revoke_api_key)
        .service(resources::system::show_info)
        .service(resources::connections::list_connections)
        .service(resources::imports::create::create_import)
        .service(resources::imports::show::list_imports)
        .service(resources::imports::show::show_import)
        .service(resources::imports::show::list_import_entries)
        .service(resources::imports::actions::stop_import)
        .service(resources::imports::actions::retry_import)
        .service(resources::imports::actions::delete_import)
        .service(resources::workers::list_workers)
        .service(resources::audit_log::list_audit_log)
        .service(resources::usage::show_usage);
    register_health(config);
}

/// Registers health and metrics, which processes with the role `worker` serve, too.
fn register_health(config: &mut ServiceConfig) {
    config
        .service(resources::system::check_liveness)
        .service(resources::system::check_readiness)
        .service(resources::system::show_metrics);
}

/// The application at OFFPRINT_METRICS_BIND for operators: health and metrics, without keys.
pub fn build_health_app(
    state: AppState,
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
        .app_data(resources::system::OperatorPort)
        .app_data(Data::new(state))
        .into_utoipa_app()
        .configure(register_health)
        .split_for_parts();
    app.default_service(route().to(resources::system::reject_non_health_path))
        .wrap(from_fn(middleware::compression::compress_response))
        .wrap(from_fn(middleware::head::answer_head))
        .wrap(from_fn(middleware::body_timeout::enforce_deadline))
        .wrap(from_fn(middleware::response_headers::protect_response))
        .wrap(from_fn(middleware::trace::trace_request))
        .wrap(from_fn(middleware::route::resolve_route))
}

/// The application as it runs, in production and in tests. Middleware that is added last runs first.
pub fn build_app(
    state: AppState,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = Error,
        InitError = (),
    >,
> {
    let is_worker = state.settings.role == Role::Worker;
    let cors = middleware::cors::build_cors(&state.settings.cors_origins);
    let (app, _) = App::new()
        .app_data(PathConfig::default().error_handler(|_, _| Problem::not_found("object").into()))
        .app_data(QueryConfig::default().error_handler(|error, request| reject_query(request, &error).into()))
        .app_data(Data::new(state))
        .into_utoipa_app()
        .configure(if is_worker { register_health } else { register_routes })
        .split_for_parts();
    app.configure(|config| {
        if !is_worker {
            register_undocumented_routes(config)
        }
    })
    .default_service(route().to(resources::system::reject_unknown_path))
    .wrap(from_fn(middleware::compression::compress_response))
    .wrap(from_fn(middleware::head::answer_head))
    .wrap(from_fn(server::note_recognized_caller))
    .wrap(from_fn(middleware::auth::authenticate_request))
    .wrap(from_fn(middleware::body_timeout::enforce_deadline))
    .wrap(from_fn(middleware::body_timeout::enforce_body_rate))
    .wrap(cors)
    .wrap(from_fn(middleware::error_pages::show_error_pages))
    .wrap(from_fn(middleware::response_headers::protect_response))
    .wrap(from_fn(middleware::trace::trace_request))
    .wrap(from_fn(middleware::route::resolve_route))
}

/// Registers what the document does not show: itself, Swagger UI, and what belongs to pages.
fn register_undocumented_routes(config: &mut web::ServiceConfig) {
    config
        .configure(pages::register_page_routes)
        .route("/problems/{code}", get().to(resources::problems::explain_code))
        .route("/openapi.json", get().to(document::show_document))
        .route("/swagger-ui", get().to(resources::system::redirect_to_swagger_ui))
        .service(resources::shared_links::progress_stream::stream_link_progress)
        .service(resources::shared_links::files::fetch_link_file)
        .service(resources::shared_links::files::fetch_link_thumbnail);
}

fn reject_query(request: &HttpRequest, error: &QueryPayloadError) -> Problem {
    let query = extract::json::clip_text(request.query_string());
    let cause = error.to_string();
    let cause = cause.trim_start_matches("Query deserialize error: ");
    Problem::invalid_parameter("query", format!("`?{query}`: {cause}. See /openapi.json for the parameters."))
}
