//! `offprint serve`: the HTTP API, the workers, and a private Postgres unless a database is given.

use std::net::{SocketAddr, TcpListener};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpServer;
use metrics_exporter_prometheus::PrometheusHandle;
use sqlx::postgres::PgConnectOptions;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::Refusal;
use crate::code::Code;
use crate::db::cluster::{self, Cluster};
use crate::db::{self, PgPool};
use crate::export::Callbacks;
use crate::id::WorkerId;
use crate::language::Attributes;
use crate::notify::Mailer;
use crate::notify::webhook::Courier;
use crate::render::Library;
use crate::settings::{Auth, Role, Settings};
use crate::state::{self, Renders, State, post};
use crate::storage::{self, Environment, Storage};
use crate::{api, telemetry, worker};

/// Arguments of `offprint serve`.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    settings: Settings,
}

/// Runs until SIGTERM or SIGINT: then takes no new work, ends or gives back what runs, and exits with 0.
pub fn run(arguments: Arguments) -> Result<(), Refusal> {
    let settings = arguments.settings;
    telemetry::start(settings.log_json);
    let settings = settings.with_secrets().map_err(|error| Refusal::new(Code::InvalidValue, error))?;
    guard(&settings)?;
    let runtime =
        tokio::runtime::Runtime::new().map_err(|error| unavailable("The runtime could not be started", &error))?;
    runtime.block_on(serve(settings))
}

/// Beyond loopback keys are needed, or a word that nobody says by accident.
fn guard(settings: &Settings) -> Result<(), Refusal> {
    let open = settings.bind.ip().is_loopback() || settings.asks_for_keys() || settings.auth == Auth::OpenOnNetwork;
    if open {
        return Ok(());
    }
    let detail = format!(
        "{} can be reached from other machines, and anyone could use the service. Set OFFPRINT_AUTH=keys (and make a key \
         with `offprint admin create-key`) or OFFPRINT_API_KEY, or listen on 127.0.0.1, or set OFFPRINT_AUTH=open-on-network if everyone on that network may do everything.",
        settings.bind
    );
    Err(Refusal::new(Code::Unauthenticated, detail))
}

async fn serve(settings: Settings) -> Result<(), Refusal> {
    let metrics = telemetry::metrics().map_err(|error| unavailable("Metrics could not be started", &error))?;
    std::fs::create_dir_all(&settings.data_dir).map_err(|error| {
        unavailable(&format!("The data folder {} could not be made", settings.data_dir.display()), &error)
    })?;
    let (options, cluster) = database(&settings).await?;
    let ended = with_database(settings, options, metrics).await;
    if let Some(cluster) = cluster
        && let Err(error) = cluster.stop().await
    {
        warn!(error = %error, "The private Postgres did not stop: {error}");
    }
    ended
}

/// The database that is given, or a private one.
async fn database(settings: &Settings) -> Result<(PgConnectOptions, Option<Cluster>), Refusal> {
    // The private Postgres belongs to the process that answers HTTP; workers on the same data folder join it.
    if settings.database_url.is_some() || settings.role == Role::Worker {
        return Ok((options(settings)?, None));
    }
    let cluster =
        Cluster::start(&settings.data_dir).await.map_err(|error| Refusal::new(Code::Unavailable, error.to_string()))?;
    Ok((cluster.connect_options(), Some(cluster)))
}

/// How to connect to the database: the one that is given, or the private one that `serve` runs.
pub fn options(settings: &Settings) -> Result<PgConnectOptions, Refusal> {
    match &settings.database_url {
        Some(url) => PgConnectOptions::from_str(url).map_err(|_| {
            Refusal::new(
                Code::InvalidValue,
                "DATABASE_URL is not a Postgres URL, such as postgres://user:password@host:5432/name.",
            )
        }),
        None => {
            cluster::running(&settings.data_dir).map_err(|error| Refusal::new(Code::Unavailable, error.to_string()))
        }
    }
}

/// How many connections requests have.
const REQUESTS: u32 = 10;

/// The service works without the second wall between companies, and says so.
async fn say_if_walls_lack(system: &PgPool) {
    if matches!(db::wall::stands(system).await, Ok(false)) {
        warn!(
            "The database's role is a superuser or bypasses row-level security: one wall stands between companies, not \
             two. Let DATABASE_URL name a role of its own that owns its database (docs/OPERATIONS.md, The database's role)."
        );
    }
}

async fn with_database(
    mut settings: Settings,
    options: PgConnectOptions,
    metrics: PrometheusHandle,
) -> Result<(), Refusal> {
    // One connection for each item that is worked on, one that listens, the chores and looking at keys.
    let system = db::system(options.clone(), 5 + 2 * state::slots(&settings) as u32);
    reach(&system).await?;
    super::migrate::on_start(&system, settings.migrate).await?;
    say_if_walls_lack(&system).await;
    let listener = listener(settings.bind)?;
    open_more_files();
    // The port that the system chose, where 0 was asked for.
    settings.bind = listener.local_addr().unwrap_or(settings.bind);
    let state = state(settings, (db::pool(options, REQUESTS), system), metrics).await?;
    let server = server(listener, &state)?;
    let numbers = numbers(&state)?;
    hint_at_keys(&state).await;
    let stopping = tokio::spawn(stop_on_signal(state.closing.clone(), server.handle()));
    let numbers = numbers.map(|numbers| (numbers.handle(), tokio::spawn(numbers)));
    let beside = [tokio::spawn(post::run(state.clone())), tokio::spawn(keep_up(state.metrics.clone()))];
    let workers = state.settings.role.works().then(|| tokio::spawn(worker::run(state.clone())));
    info!("Offprint {} answers at {}", env!("CARGO_PKG_VERSION"), state.public_url());
    let ended = server.await;
    state.closing.cancel();
    if let Some(workers) = workers
        && let Err(error) = workers.await
    {
        warn!(error = %error, "The workers ended with a panic: {error}");
    }
    stopping.abort();
    if let Some((handle, _)) = numbers {
        handle.stop(false).await;
    }
    beside.iter().for_each(tokio::task::JoinHandle::abort);
    tokio::join!(state.db.close(), state.system.close());
    info!("Offprint has stopped");
    ended.map_err(|error| unavailable("The server ended", &error))
}

/// Sorts measured seconds into their buckets, or each would be kept by itself until somebody looks.
async fn keep_up(metrics: PrometheusHandle) {
    loop {
        tokio::time::sleep(Duration::from_secs(5)).await;
        metrics.run_upkeep();
    }
}

/// Waits a little for a database that is still starting, as it does beside us in a container.
async fn reach(pool: &PgPool) -> Result<(), Refusal> {
    let mut tries = 0;
    loop {
        match db::ping(pool).await {
            Ok(()) => return Ok(()),
            Err(error) if tries >= 15 => {
                return Err(Refusal::new(
                    Code::Unavailable,
                    format!("{error}. Check DATABASE_URL and that Postgres runs."),
                ));
            }
            Err(error) => {
                tries += 1;
                info!(error = %error, "Waiting for the database ({tries})");
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
        }
    }
}

async fn state(
    settings: Settings,
    (db, system): (PgPool, PgPool),
    metrics: PrometheusHandle,
) -> Result<State, Refusal> {
    let mailer = Mailer::new(settings.smtp_url.as_deref(), &settings.mail_from, settings.data_dir.join("mail"))
        .map_err(|error| Refusal::new(Code::InvalidValue, error.to_string()))?;
    let callbacks = Callbacks { http: settings.webhook_http, networks: settings.webhook_networks.clone() };
    let storage = storage(&settings).await?;
    let profiles = Library::read(&settings.icc_dir);
    let attributes = attributes(&settings, &profiles)?;
    let renders = renders(&settings, &profiles).await?;
    let company =
        db::company::default(&system).await.map_err(|error| unavailable("The company could not be read", &error))?;
    Ok(State {
        settings: Arc::new(settings),
        db,
        system,
        storage,
        company,
        keys: Default::default(),
        worker: WorkerId::new(),
        work: Default::default(),
        news: Default::default(),
        orders: Default::default(),
        live: Default::default(),
        seats: Default::default(),
        profiles,
        attributes: Arc::new(attributes),
        renders,
        mailer: Arc::new(mailer),
        courier: Arc::new(Courier::new(callbacks)),
        metrics,
        meter: Default::default(),
        refusals: Default::default(),
        own_running: Default::default(),
        closing: CancellationToken::new(),
    })
}

/// The storage, after a sign of life: a wrong address or key shall be told at once, not by the first upload.
async fn storage(settings: &Settings) -> Result<Storage, Refusal> {
    let storage = open_storage(settings)?;
    let mut tries = 0;
    while let Err(error) = storage.ping().await {
        tries += 1;
        if tries > 5 {
            let remedy = "Check OFFPRINT_STORAGE_URL, its credentials and AWS_ENDPOINT_URL";
            return Err(Refusal::new(Code::Unavailable, format!("{error}. {remedy}.")));
        }
        info!(error = %error, "Waiting for the storage ({tries})");
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    Ok(storage)
}

/// The storage as the settings say, without asking it anything.
pub fn open_storage(settings: &Settings) -> Result<Storage, Refusal> {
    let opened = match &settings.storage_url {
        Some(url) => Storage::at(url, &environment(), &settings.data_dir, settings.storage_timeout),
        None => Storage::open(&settings.data_dir),
    };
    opened.map_err(|error| match error {
        storage::Error::Address(detail) => Refusal::new(Code::InvalidValue, detail),
        error => unavailable("The storage could not be opened", &error),
    })
}

/// The environment as far as it is text.
pub fn environment() -> Environment {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// What holds where modifiers are silent.
pub fn attributes(settings: &Settings, profiles: &Library) -> Result<Attributes, Refusal> {
    let mut attributes = Attributes { profiles: profiles.names().clone(), ..Attributes::default() };
    attributes.set_all(&settings.attributes).map_err(|fault| {
        Refusal::new(Code::InvalidValue, format!("OFFPRINT_ATTRIBUTES: {} {}", fault.detail, fault.remedy))
    })?;
    Ok(attributes)
}

/// The render processes: one is started now, because a service that cannot render shall say so at once.
async fn renders(settings: &Settings, profiles: &Library) -> Result<Renders, Refusal> {
    // Not by its name: that may be another version's by the time the next process is started.
    let renders = Renders::open(settings, profiles.clone(), "/proc/self/exe".into(), None)
        .map_err(|error| unavailable("The folder for renders could not be made", &error))?;
    let confinement =
        renders.items.confinement().await.map_err(|failure| Refusal::new(failure.code, failure.detail))?;
    info!(
        address_space = confinement.address_space,
        cpu = confinement.cpu,
        parent_death = confinement.parent_death,
        landlock_files = confinement.landlock_files,
        landlock_network = confinement.landlock_network,
        "Pictures are rendered in processes of their own; true is what this kernel confines them by"
    );
    Ok(renders)
}

fn listener(bind: SocketAddr) -> Result<TcpListener, Refusal> {
    TcpListener::bind(bind).map_err(|error| {
        let remedy = "Stop what listens there, or set OFFPRINT_BIND to another port.";
        Refusal::new(Code::Unavailable, format!("{bind} cannot be listened on: {error}. {remedy}"))
    })
}

/// Takes as many files and connections as the system lets us have. A slow upload holds two, and the usual 1024 are few.
fn open_more_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(
        Resource::Nofile,
        Rlimit { current: limit.maximum.map(|most| most.min(1 << 16)).or(Some(1 << 16)), ..limit },
    ) {
        warn!(error = %error, "The limit of open files could not be raised: {error}");
    }
}

fn server(listener: TcpListener, state: &State) -> Result<actix_web::dev::Server, Refusal> {
    let (state, head_timeout) = (state.clone(), state.settings.head_timeout);
    let server = HttpServer::new(move || api::app(state.clone()))
        .client_request_timeout(head_timeout)
        .shutdown_timeout(20)
        .disable_signals()
        .listen(listener)
        .map_err(|error| unavailable("The address cannot be listened on", &error))?;
    Ok(server.run())
}

/// What answers at the address for those who look after the service, where there is one.
fn numbers(state: &State) -> Result<Option<actix_web::dev::Server>, Refusal> {
    let Some(bind) = state.settings.metrics_bind else { return Ok(None) };
    let listener = TcpListener::bind(bind).map_err(|error| {
        let remedy = "Set OFFPRINT_METRICS_BIND to an address and port that are free.";
        Refusal::new(Code::Unavailable, format!("{bind} cannot be listened on: {error}. {remedy}"))
    })?;
    let at = listener.local_addr().unwrap_or(bind);
    let state = state.clone();
    let server = HttpServer::new(move || api::numbers(state.clone()))
        .workers(1)
        .disable_signals()
        .listen(listener)
        .map_err(|error| unavailable("The address for metrics cannot be listened on", &error))?;
    info!("Metrics and health answer without a key at http://{at}");
    Ok(Some(server.run()))
}

/// Where keys are asked for and nobody has one, says how to get the first.
async fn hint_at_keys(state: &State) {
    let needed = state.settings.asks_for_keys() && state.settings.api_key.is_none();
    if needed && matches!(db::api_key::exists(&state.system).await, Ok(false)) {
        info!("Callers need a key, and there is none yet: `offprint admin create-key` makes the first");
    }
}

/// On the first signal: nothing new is begun, open requests end.
async fn stop_on_signal(closing: CancellationToken, server: actix_web::dev::ServerHandle) {
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        return warn!("Signals cannot be listened to; the service will not stop cleanly");
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    info!("Closing: nothing new is begun, what runs has 20 seconds to end");
    closing.cancel();
    server.stop(true).await;
}

fn unavailable(what: &str, error: &dyn std::fmt::Display) -> Refusal {
    Refusal::new(Code::Unavailable, format!("{what}: {error}."))
}
