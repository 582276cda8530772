//! `offprint serve`: the HTTP API, the workers, and a private Postgres unless a database is given.
//!
//! Begin reading at [`run_serve`]; [`serve_with_database`] starts the parts in order and stops them in reverse. Everything
//! that can be wrong with a setting is found before the service listens, and the process ends with a sentence that says so.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use offprint_core::Code;
use offprint_embedded_postgres::EmbeddedPostgres;
use offprint_imaging::ProfileLibrary;
use offprint_modifiers::Attributes;
use offprint_storage::{DownloadSigner, EnvironmentVariables, InstanceCredentials, Storage};
use sqlx::postgres::PgConnectOptions;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::CliError;
use super::database::{read_connect_options, wait_for_database};
use crate::app;
use crate::app::connections::Connections;
use crate::app::signal_relay;
use crate::app::{AppState, ConfinementError, RenderPools};
use crate::db::{self, PgPool};
use crate::http;
use crate::http::server::{ConnectionLimits, ConnectionRegistry};
use crate::id::WorkerId;
use crate::jobs::CallbackPolicy;
use crate::notify::Mailer;
use crate::notify::webhook::WebhookSender;
use crate::oidc::{IdentityProvider, OidcConfig, check_oidc_settings};
use crate::settings::{
    AuthMode, DatabaseSettings, ModifierSettings, RedirectDownloads, Role, Settings, StorageSettings,
};
use crate::telemetry;
use crate::worker;

/// Arguments of `offprint serve`.
#[derive(clap::Args)]
pub struct ServeArgs {
    #[command(flatten)]
    settings: Box<Settings>,
}

/// Runs until SIGTERM or SIGINT. Then it takes no new work, finishes or gives back the items in progress, and exits with 0.
pub fn run_serve(arguments: ServeArgs) -> Result<(), CliError> {
    let settings = *arguments.settings;
    telemetry::init_logging(settings.log_json);
    let settings = settings.with_secrets().map_err(|error| CliError::new(Code::InvalidValue, error))?;
    check_network_access(&settings)?;
    check_oidc_settings(&settings).map_err(|error| CliError::new(Code::InvalidValue, error))?;
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| to_unavailable_error("The async runtime could not be started", &error))?;
    runtime.block_on(serve_until_stopped(settings))
}

/// Refuses to serve a network without API keys, unless the settings say so in a word that nobody sets by accident.
pub(super) fn check_network_access(settings: &Settings) -> Result<(), CliError> {
    let open =
        settings.bind.ip().is_loopback() || settings.is_key_required() || settings.auth == AuthMode::OpenOnNetwork;
    if open {
        return Ok(());
    }
    let detail = format!(
        "Other machines can reach {}, and without API keys anyone could use the service. Set OFFPRINT_AUTH=keys (and \
         create a key with `offprint admin create-key`) or OFFPRINT_API_KEY, or listen on 127.0.0.1. Set \
         OFFPRINT_AUTH=open-on-network if everyone on that network may do everything.",
        settings.bind
    );
    Err(CliError::new(Code::Unauthenticated, detail))
}

async fn serve_until_stopped(settings: Settings) -> Result<(), CliError> {
    let metrics = telemetry::install_metrics()
        .map_err(|error| to_unavailable_error("Metrics could not be initialised", &error))?;
    super::data_dir::prepare_data_dir(&settings.database.data_dir)?;
    let (options, private_postgres) = open_database(&settings).await?;
    let result = serve_with_database(settings, options, metrics).await;
    if let Some(postgres) = private_postgres
        && let Err(error) = postgres.stop().await
    {
        warn!(error = %error, "The private Postgres could not be stopped: {error}");
    }
    result
}

/// The database that is given, or a private one.
async fn open_database(settings: &Settings) -> Result<(PgConnectOptions, Option<EmbeddedPostgres>), CliError> {
    // The private Postgres belongs to the process that answers HTTP; workers on the same data folder join it.
    if settings.database.database_url.is_some() || settings.role == Role::Worker {
        return Ok((read_connect_options(&settings.database)?, None));
    }
    let postgres = EmbeddedPostgres::start(&settings.database.data_dir)
        .await
        .map_err(|error| CliError::new(Code::Unavailable, error.to_string()))?;
    Ok((postgres.connect_options(), Some(postgres)))
}

/// Database connections for requests.
const MAX_REQUEST_CONNECTIONS: u32 = 10;

/// Database connections for claims, settles and the files that are kept before. A process does each of them once at a time, and
/// settles what needs no rendering once for each job. The pool uses its connections in turn, and Postgres is slower the more of
/// them have to keep the plans of these statements.
const MAX_QUEUE_CONNECTIONS: u32 = 3;

/// Without row-level security only the queries' own conditions keep companies apart. The service works, and says so.
async fn warn_without_row_level_security(system: &PgPool) {
    if matches!(db::row_level_security::is_row_level_security_enforced(system).await, Ok(false)) {
        warn!(
            "The database role is a superuser or bypasses row-level security, so the database does not check that \
             companies stay apart. Use a separate role that owns its database in DATABASE_URL (docs/OPERATIONS.md, The \
             database's role)."
        );
    }
}

async fn serve_with_database(
    mut settings: Settings,
    options: PgConnectOptions,
    metrics: PrometheusHandle,
) -> Result<(), CliError> {
    // One connection for each two items in progress, which need it for heartbeats and originals, and 4 for background tasks and
    // API keys. Notifications have one of their own.
    let system = db::open_system_pool(options.clone(), 4 + app::get_render_slots(&settings) as u32);
    let queue = db::open_queue_pool(options.clone(), MAX_QUEUE_CONNECTIONS);
    wait_for_database(&system, &options).await?;
    super::migrate::migrate_on_start(&system, settings.migrate).await?;
    warn_without_row_level_security(&system).await;
    let listener = bind_listener(settings.bind)?;
    let max_open_files = raise_open_file_limit();
    // With port 0 the system has chosen one.
    settings.bind = listener.local_addr().unwrap_or(settings.bind);
    let state =
        build_state(settings, (db::open_request_pool(options, MAX_REQUEST_CONNECTIONS), system, queue), metrics)
            .await?;
    let is_key_required = state.settings.is_key_required();
    tokio::task::spawn_blocking(move || http::document::get_served_document(is_key_required).len());
    let connection_limits = ConnectionLimits::from_settings(&state.settings, max_open_files);
    let connections = ConnectionRegistry::new("http", connection_limits.clone());
    let server = build_server(listener, &state, connections.clone())?;
    // With a registry of its own: nobody who fills the public port keeps operators out.
    let metrics_connections = ConnectionRegistry::new("metrics", connection_limits);
    let metrics_server = build_metrics_server(&state, metrics_connections.clone())?;
    hint_at_keys(&state).await;
    let signal_task = tokio::spawn(stop_on_signal(state.closing.clone(), server.handle()));
    let metrics_server = metrics_server.map(|server| (server.handle(), tokio::spawn(server)));
    let background_tasks = [
        tokio::spawn(signal_relay::run_signal_relay(state.clone())),
        tokio::spawn(run_metrics_upkeep(state.metrics.clone())),
        tokio::spawn(connections.run_watchdog()),
        tokio::spawn(metrics_connections.run_watchdog()),
    ];
    let workers = state.settings.role.is_worker().then(|| tokio::spawn(worker::run_workers(state.clone())));
    info!("Offprint {} answers at {}", env!("CARGO_PKG_VERSION"), state.public_url());
    let result = server.await;
    state.closing.cancel();
    if let Some(workers) = workers
        && let Err(error) = workers.await
    {
        warn!(error = %error, "The workers panicked: {error}");
    }
    signal_task.abort();
    if let Some((handle, _)) = metrics_server {
        handle.stop(false).await;
    }
    background_tasks.iter().for_each(tokio::task::JoinHandle::abort);
    for pool in [&state.db, &state.system, &state.queue] {
        pool.close();
    }
    info!("Offprint has stopped");
    result.map_err(|error| to_unavailable_error("The HTTP server failed", &error))
}

/// Sorts measured durations into their histogram buckets. Without it each would be kept until `/metrics` is read.
async fn run_metrics_upkeep(metrics: PrometheusHandle) {
    loop {
        tokio::time::sleep(Duration::from_secs(5)).await;
        metrics.run_upkeep();
    }
}

async fn build_state(
    settings: Settings,
    (db, system, queue): (PgPool, PgPool, PgPool),
    metrics: PrometheusHandle,
) -> Result<AppState, CliError> {
    let mailer =
        Mailer::new(settings.smtp_url.as_deref(), &settings.mail_from, settings.database.data_dir.join("mail"))
            .map_err(|error| CliError::new(Code::InvalidValue, error.to_string()))?;
    let callbacks =
        CallbackPolicy { allow_http: settings.webhook_http, allowed_networks: settings.webhook_networks.clone() };
    let reads = CallbackPolicy { allow_http: settings.import_http, allowed_networks: settings.import_networks.clone() };
    let identity_provider =
        OidcConfig::from_settings(&settings).map_err(|detail| CliError::new(Code::InvalidValue, detail))?;
    let storage = connect_storage(&settings.database, &settings.storage).await?;
    let connections = read_connections(&settings)?;
    let download_signer = open_download_signer(&settings)?;
    let profiles = ProfileLibrary::read(&settings.modifiers.icc_dir);
    let attributes = build_attributes(&settings.modifiers, &profiles)?;
    let renders = start_render_pools(&settings, &profiles).await?;
    let company = db::company::ensure_default_company(&system)
        .await
        .map_err(|error| to_unavailable_error("The default company could not be read", &error))?;
    Ok(AppState {
        settings: Arc::new(settings),
        db,
        system,
        queue,
        storage,
        connections,
        download_signer,
        company,
        keys: Default::default(),
        worker: WorkerId::new(),
        work_available: Default::default(),
        tasks_available: Default::default(),
        job_changes: Default::default(),
        job_signals: Default::default(),
        live_jobs: Default::default(),
        live_links: Default::default(),
        newest_jobs: Default::default(),
        stream_limiter: Default::default(),
        bytes_in_flight: Default::default(),
        profiles,
        attributes: Arc::new(attributes),
        render_pools: renders,
        mailer: Arc::new(mailer),
        identity_provider: identity_provider.map(|config| Arc::new(IdentityProvider::new(config))),
        webhook_sender: Arc::new(WebhookSender::new(callbacks, reads)),
        metrics,
        rate_limiter: Default::default(),
        probe_limiter: Default::default(),
        refusal_limiter: Default::default(),
        replay_limiter: Default::default(),
        sign_in_limiter: Default::default(),
        compute: Default::default(),
        preview_renders: Default::default(),
        thumbnail_renders: crate::app::preview_renders::PreviewRenders::for_thumbnails(),
        readiness: Default::default(),
        closing: CancellationToken::new(),
    })
}

/// The storage, once it has answered: a wrong address or key should stop the start, not fail the first upload.
async fn connect_storage(database: &DatabaseSettings, settings: &StorageSettings) -> Result<Storage, CliError> {
    const MAX_STORAGE_TRIES: u32 = 5;
    let storage = open_storage(database, settings)?;
    let mut tries = 0;
    while let Err(error) = storage.ping().await {
        tries += 1;
        if tries > MAX_STORAGE_TRIES {
            let remedy = "Check OFFPRINT_STORAGE_URL, its credentials and AWS_ENDPOINT_URL";
            return Err(CliError::new(Code::Unavailable, format!("{error}. {remedy}.")));
        }
        info!(error = %error, "Waiting for the storage (try {tries} of {MAX_STORAGE_TRIES}): {error}");
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    Ok(storage)
}

/// The storage that the settings name. Nothing is sent to it yet.
pub fn open_storage(database: &DatabaseSettings, settings: &StorageSettings) -> Result<Storage, CliError> {
    let storage = match &settings.storage_url {
        Some(url) => Storage::connect(
            url,
            &read_environment(),
            InstanceCredentials::from_setting(settings.storage_instance_credentials),
            &database.data_dir,
            settings.storage_timeout,
        ),
        None => Storage::open(&database.data_dir),
    };
    storage.map_err(|error| match error {
        offprint_storage::StorageError::InvalidAddress(detail) => CliError::new(Code::InvalidValue, detail),
        error => to_unavailable_error("The storage could not be opened", &error),
    })
}

/// What signs the addresses that downloads are redirected to. Nothing is sent to the store yet.
fn open_download_signer(settings: &Settings) -> Result<Option<DownloadSigner>, CliError> {
    if settings.redirect_downloads == RedirectDownloads::Off {
        return Ok(None);
    }
    let address = settings.storage.storage_url.as_deref().unwrap_or_default();
    let credentials = InstanceCredentials::from_setting(settings.storage.storage_instance_credentials);
    let (timeout, endpoint) = (settings.storage.storage_timeout, settings.redirect_downloads.endpoint());
    let signer = DownloadSigner::connect(address, &read_environment(), credentials, timeout, endpoint)
        .map_err(|error| CliError::new(Code::InvalidValue, format!("OFFPRINT_REDIRECT_DOWNLOADS: {error}")))?;
    if signer.is_none() {
        warn!("OFFPRINT_REDIRECT_DOWNLOADS has no effect: files are not stored in S3 or Google Cloud Storage");
    }
    Ok(signer)
}

/// The connections that the operator has set up. Nothing is sent to them yet.
pub(super) fn read_connections(settings: &Settings) -> Result<Connections, CliError> {
    let Some(file) = &settings.connections else { return Ok(Connections::default()) };
    Connections::read(file, &read_environment(), settings.storage.storage_timeout)
        .map_err(|error| CliError::new(Code::InvalidValue, error))
}

/// The environment variables that are Unicode.
pub fn read_environment() -> EnvironmentVariables {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// The default Image Serving attributes.
pub fn build_attributes(settings: &ModifierSettings, profiles: &ProfileLibrary) -> Result<Attributes, CliError> {
    let mut attributes = Attributes { profiles: profiles.names().clone(), ..Attributes::default() };
    attributes.set_all(&settings.attributes).map_err(|error| {
        CliError::new(Code::InvalidValue, format!("OFFPRINT_ATTRIBUTES: {} {}", error.detail, error.remedy))
    })?;
    Ok(attributes)
}

/// The render processes. One is started at once, so that a service that cannot render does not start.
async fn start_render_pools(settings: &Settings, profiles: &ProfileLibrary) -> Result<RenderPools, CliError> {
    // Not by its path: after an upgrade in place another version may be there when the next process starts.
    let renders = RenderPools::open(settings, profiles.clone(), "/proc/self/exe".into(), None);
    let confinement = renders.check_confinement(settings.sandbox).await.map_err(|error| match error {
        ConfinementError::NotStarted(failure) => CliError::new(failure.code, failure.detail),
        ConfinementError::Incomplete(detail) => CliError::new(Code::Unavailable, detail),
    })?;
    if confinement.list_missing_layers().next().is_none() {
        info!("Images are rendered in confined processes; no part of the confinement is missing");
    }
    Ok(renders)
}

fn bind_listener(bind: SocketAddr) -> Result<TcpListener, CliError> {
    TcpListener::bind(bind).map_err(|error| {
        let remedy = "Stop the program that listens there, or set OFFPRINT_BIND to another port.";
        CliError::new(Code::Unavailable, format!("Cannot listen on {bind}: {error}. {remedy}"))
    })
}

/// Raises the limit of open files to what the system allows, at most 65,536: a slow upload holds two, and the usual 1024
/// are few. Returns the limit that holds now; none: no limit.
fn raise_open_file_limit() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = limit.maximum.map_or(1 << 16, |most| most.min(1 << 16));
    match setrlimit(Resource::Nofile, Rlimit { current: Some(raised), ..limit }) {
        Ok(()) => Some(raised),
        Err(error) => {
            warn!(error = %error, "The limit of open files could not be raised: {error}. Many connections at once may fail.");
            limit.current
        }
    }
}

fn build_server(
    listener: TcpListener,
    state: &AppState,
    connections: ConnectionRegistry,
) -> Result<actix_web::dev::Server, CliError> {
    let state = state.clone();
    http::server::build_server(listener, connections, None, move || http::build_app(state.clone()))
        .map_err(|error| to_unavailable_error("Cannot listen on OFFPRINT_BIND", &error))
}

/// The server for metrics and health without an API key, where OFFPRINT_METRICS_BIND is set.
fn build_metrics_server(
    state: &AppState,
    connections: ConnectionRegistry,
) -> Result<Option<actix_web::dev::Server>, CliError> {
    let Some(bind) = state.settings.metrics_bind else { return Ok(None) };
    let listener = TcpListener::bind(bind).map_err(|error| {
        let remedy = "Set OFFPRINT_METRICS_BIND to a free address and port.";
        CliError::new(Code::Unavailable, format!("Cannot listen on {bind}: {error}. {remedy}"))
    })?;
    let address = listener.local_addr().unwrap_or(bind);
    let state = state.clone();
    let build_app = move || http::build_health_app(state.clone());
    let server = http::server::build_server(listener, connections, Some(1), build_app)
        .map_err(|error| to_unavailable_error("Cannot listen on OFFPRINT_METRICS_BIND", &error))?;
    info!("Metrics and health answer without a key at http://{address}");
    Ok(Some(server))
}

/// Logs how to create the first API key, where keys are required and there is none.
async fn hint_at_keys(state: &AppState) {
    let is_key_missing = state.settings.is_key_required() && state.settings.api_key.is_none();
    if is_key_missing && matches!(db::api_key::has_any_api_key(&state.system).await, Ok(false)) {
        info!("Callers need an API key, and there is none yet: create the first with `offprint admin create-key`");
    }
}

/// On the first signal: no new work is taken, and open requests finish.
async fn stop_on_signal(closing: CancellationToken, server: actix_web::dev::ServerHandle) {
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        return warn!("Signals cannot be handled; the service will not stop cleanly");
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    info!("Stopping: no new work is taken, and work in progress has 20 seconds to finish");
    closing.cancel();
    server.stop(true).await;
}

fn to_unavailable_error(what: &str, error: &dyn std::fmt::Display) -> CliError {
    CliError::new(Code::Unavailable, format!("{what}: {error}."))
}
