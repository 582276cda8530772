//! For operators and programs: start page, version and limits, health checks, metrics, and answers to unknown paths.

use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use offprint_core::Code;
use offprint_sandbox::Confinement;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::AppState;
use crate::app::readiness::MIN_FREE_BYTES;
use crate::db::job::Backlog;
use crate::db::task_queue::TaskQueueRow;
use crate::db::{self, DbError};
use crate::http::address::write_address;
use crate::http::extract::body::compute_export_body_limit;
use crate::http::extract::caller::Caller;
use crate::http::extract::json::clip_text;
use crate::http::limits::EffectiveLimits;
use crate::http::middleware::route::find_route;
use crate::http::operations::Route;
use crate::http::problem::Problem;
use crate::i18n;
use crate::settings::Role;
use crate::telemetry;

/// Version, limits and formats of this service.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Info {
    /// Name of the service.
    #[schema(example = "offprint")]
    pub(in crate::http) name: &'static str,
    /// Version of the service.
    #[schema(example = "0.1.0")]
    pub(in crate::http) version: &'static str,
    /// Version of the render engine. It is raised when rendering the same recipe and image gives different bytes.
    pub(in crate::http) engine_version: i32,
    /// Formats that can be read and written.
    pub(in crate::http) formats: Formats,
    /// Languages of events and mails.
    #[schema(example = json!(["en"]))]
    pub(in crate::http) languages: Vec<&'static str>,
    /// Limits of the service and of the caller's company.
    pub(in crate::http) limits: Limits,
    /// Number of images that this process renders at the same time.
    pub(in crate::http) slots: usize,
    /// Confinement of render processes; absent when none can be started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) sandbox: Option<RenderProcess>,
}

/// Confinement of render processes. False where the kernel does not support it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RenderProcess {
    /// Memory is limited.
    pub(in crate::http) address_space: bool,
    /// CPU time is limited.
    pub(in crate::http) cpu: bool,
    /// The process ends with the service.
    pub(in crate::http) parent_death: bool,
    /// The process is not root and has no capabilities.
    pub(in crate::http) privileges: bool,
    /// The process can make only the system calls that rendering needs: no files, sockets, programs or other processes
    /// (seccomp).
    pub(in crate::http) seccomp: bool,
    /// The process can open no files; it gets its sources and its output open (Landlock).
    pub(in crate::http) landlock_files: bool,
    /// The process cannot open TCP connections or listen on a port (Landlock).
    pub(in crate::http) landlock_network: bool,
    /// The process cannot send signals to other processes or reach abstract Unix sockets (Landlock).
    pub(in crate::http) landlock_scopes: bool,
}

impl From<Confinement> for RenderProcess {
    fn from(confinement: Confinement) -> Self {
        let Confinement {
            address_space,
            cpu,
            parent_death,
            privileges,
            seccomp,
            landlock_files,
            landlock_network,
            landlock_scopes,
        } = confinement;
        Self {
            address_space,
            cpu,
            parent_death,
            privileges,
            seccomp,
            landlock_files,
            landlock_network,
            landlock_scopes,
        }
    }
}

/// Formats that can be converted. Files of any format can be exported as originals.
#[derive(Serialize, ToSchema)]
pub struct Formats {
    /// Media types of images that can be converted.
    #[schema(example = json!(["image/jpeg", "image/png"]))]
    pub(in crate::http) input: Vec<&'static str>,
    /// Values of the modifier command `fmt=`.
    #[schema(example = json!(["jpeg", "png-alpha"]))]
    pub(in crate::http) output: Vec<&'static str>,
}

/// Limits of the service and of the caller's company. 0 means no limit.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Items per job.
    pub(in crate::http) items: usize,
    /// Requests per minute and caller.
    pub(in crate::http) requests_per_minute: u32,
    /// Assets of the company.
    pub(in crate::http) assets: u64,
    /// Bytes of the company's originals.
    pub(in crate::http) stored_bytes: u64,
    /// Jobs of the company that are not finished.
    pub(in crate::http) unfinished_jobs: u32,
    /// Items of the company that run at the same time.
    pub(in crate::http) running_items: u32,
    /// Schedules of the company.
    pub(in crate::http) schedules: u32,
    /// Minimum seconds between two runs of a schedule.
    pub(in crate::http) schedule_interval_seconds: f64,
    /// Image presets of the company.
    pub(in crate::http) image_presets: usize,
    /// Mails of the company per day.
    pub(in crate::http) mails_per_day: u32,
    /// Live streams of the company per process.
    pub(in crate::http) streams: u32,
    /// Bytes per archive.
    pub(in crate::http) archive_bytes: u64,
    /// Bytes per uploaded file.
    pub(in crate::http) upload_bytes: u64,
    /// Resumable uploads of the company that are not finished.
    pub(in crate::http) open_uploads: u32,
    /// Bytes of the JSON of an export request: large enough for the handles of the largest job. Other JSON bodies: 1 MiB.
    pub(in crate::http) order_bytes: usize,
    /// Bytes of the URL and headers of a request.
    pub(in crate::http) head_bytes: usize,
    /// Minimum average rate of request bodies in bytes per second; 0 for none.
    pub(in crate::http) body_bytes_per_second: u64,
    /// Pixels of a source image.
    pub(in crate::http) source_pixels: u64,
    /// Pixels of the longer side of a source image.
    pub(in crate::http) source_side: u32,
    /// Bytes of a decoded source image.
    pub(in crate::http) decoded_bytes: u64,
    /// Bytes of a colour profile; larger ones are not used.
    pub(in crate::http) profile_bytes: u64,
    /// Pixels of an output image.
    pub(in crate::http) output_pixels: u64,
    /// Pixels of the longer side of an output image.
    pub(in crate::http) output_side: u32,
    /// CPU seconds per render.
    pub(in crate::http) render_cpu_seconds: f64,
    /// Seconds per render.
    pub(in crate::http) render_seconds: f64,
    /// Bytes of memory per render.
    pub(in crate::http) render_bytes: u64,
}

/// Show version, formats and limits.
///
/// Limits of the caller's company are included.
#[utoipa::path(tag = "service", responses((status = 200, description = "Version, formats and limits.", body = Info)))]
#[get("/info")]
pub async fn show_info(state: Data<AppState>, caller: Caller) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(load_info(&state, &caller).await?))
}

/// Version, formats, and the limits of the service and of the caller's company.
///
/// # Errors
/// When the database does not answer.
pub(in crate::http) async fn load_info(state: &AppState, caller: &Caller) -> Result<Info, Problem> {
    let settings = &state.settings;
    let effective = EffectiveLimits::load(state, caller.company).await?;
    Ok(Info {
        name: "offprint",
        version: env!("CARGO_PKG_VERSION"),
        engine_version: offprint_imaging::ENGINE_VERSION,
        formats: Formats {
            input: offprint_imaging::SourceFormat::ALL.iter().map(|format| format.mime()).collect(),
            output: offprint_modifiers::list_output_formats().collect(),
        },
        languages: i18n::list_languages().iter().map(|language| language.tag()).collect(),
        limits: Limits {
            items: settings.max_items,
            requests_per_minute: settings.requests_per_minute(),
            assets: effective.assets,
            stored_bytes: effective.stored,
            unfinished_jobs: effective.jobs,
            running_items: effective.running,
            schedules: effective.schedules,
            schedule_interval_seconds: settings.min_schedule_interval.as_secs_f64(),
            image_presets: settings.max_presets,
            mails_per_day: settings.max_mails,
            streams: settings.max_streams,
            archive_bytes: settings.max_archive,
            upload_bytes: effective.upload,
            open_uploads: settings.max_open_uploads,
            order_bytes: compute_export_body_limit(settings.max_items),
            head_bytes: settings.max_header_bytes,
            body_bytes_per_second: settings.body_min_rate,
            source_pixels: settings.max_source_pixels,
            source_side: settings.max_source_side,
            decoded_bytes: settings.max_decoded_bytes,
            output_pixels: settings.max_output_pixels,
            output_side: settings.max_output_side,
            profile_bytes: settings.max_profile_bytes,
            render_cpu_seconds: settings.max_render_cpu.as_secs_f64(),
            render_seconds: settings.max_render_time.as_secs_f64(),
            render_bytes: settings.max_render_memory,
        },
        slots: state.render_slots(),
        sandbox: state.render_pools.items.confinement().await.ok().map(RenderProcess::from),
    })
}

/// Marks the application at OFFPRINT_METRICS_BIND, where operators need no key.
pub struct OperatorPort;

/// Whether the caller may see how much all companies together store. These numbers show whether an uploaded file was already
/// stored by another company, because equal bytes are stored once.
pub(in crate::http) fn can_see_details(state: &AppState, request: &HttpRequest) -> bool {
    !state.settings.is_key_required() || request.app_data::<OperatorPort>().is_some()
}

/// Health of the service.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// `ok`, or one word that says what is wrong.
    #[schema(example = "ok")]
    pub(in crate::http) status: &'static str,
    /// Whether row-level security in the database separates the companies, as a second protection behind the queries. False
    /// when the database role is a superuser or bypasses row-level security; the service works all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) row_level_security: Option<bool>,
    /// `full` when render processes are confined completely, `degraded` when the kernel or the container runtime lacks a part
    /// of it; the service works all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "full")]
    pub(in crate::http) sandbox: Option<&'static str>,
    /// The parts of the confinement that are missing, as `/info` names them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["landlockScopes"]))]
    pub(in crate::http) sandbox_missing: Vec<&'static str>,
    /// Free bytes of the storage. With API keys, only shown at OFFPRINT_METRICS_BIND.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) free_bytes: Option<u64>,
    /// Number of stored files known to be damaged; they cannot be downloaded. Shown where `freeBytes` is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) damaged_blobs: Option<i64>,
}

impl Health {
    fn new(status: &'static str) -> Self {
        Self {
            status,
            row_level_security: None,
            sandbox: None,
            sandbox_missing: Vec::new(),
            free_bytes: None,
            damaged_blobs: None,
        }
    }
}

/// Liveness check.
///
/// Checks nothing but the process itself. Restart a process that does not answer; stop sending requests to one that is not
/// ready.
#[utoipa::path(tag = "service", responses((status = 200, description = "The process is alive.", body = Health)))]
#[get("/health/live")]
pub async fn check_liveness() -> HttpResponse {
    HttpResponse::Ok().json(Health::new("ok"))
}

/// Readiness check.
///
/// Ready means that the database and the storage answer, that at least 64 MiB are free, and that the service is not shutting
/// down. Database and storage are asked at most once a second.
#[utoipa::path(tag = "service", responses(
    (status = 200, description = "The service is ready.", body = Health),
    (status = 503, description = "The service is not ready. `status` says why: `closing`, `database`, `storage-full` or `storage`.", body = Health),
))]
#[get("/health/ready")]
pub async fn check_readiness(state: Data<AppState>, request: HttpRequest) -> HttpResponse {
    let health = measure_health(&state, can_see_details(&state, &request)).await;
    let mut answer = if health.status == "ok" { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    answer.json(health)
}

/// Whether the service can do its work. `has_details`: with what all companies together store.
pub(in crate::http) async fn measure_health(state: &AppState, has_details: bool) -> Health {
    let readiness = state.readiness.check(&state.system, &state.storage).await;
    let (row_level_security, free_bytes) = (readiness.row_level_security, readiness.free_bytes);
    let status = if state.closing.is_cancelled() {
        "closing"
    } else if row_level_security.is_none() {
        "database"
    } else if free_bytes.is_some_and(|free| free < MIN_FREE_BYTES) {
        "storage-full"
    } else if !readiness.is_storage_alive {
        "storage"
    } else {
        "ok"
    };
    let (sandbox, sandbox_missing) = describe_confinement(state).await;
    let mut health = Health { row_level_security, sandbox, sandbox_missing, ..Health::new(status) };
    if has_details {
        health.free_bytes = free_bytes;
        health.damaged_blobs = readiness.damaged_blobs.filter(|damaged| *damaged > 0);
    }
    health
}

/// How render processes are confined, and the parts that are missing; nothing when none can be started. It is found out
/// once.
async fn describe_confinement(state: &AppState) -> (Option<&'static str>, Vec<&'static str>) {
    let Ok(confinement) = state.render_pools.items.confinement().await else { return (None, Vec::new()) };
    let missing: Vec<&str> = confinement.list_missing_layers().map(|layer| layer.name).collect();
    (Some(if missing.is_empty() { "full" } else { "degraded" }), missing)
}

/// What waits and runs, of all companies: items, and tasks by kind. For whoever may see the metrics.
pub(in crate::http) async fn measure_queues(state: &AppState) -> Result<(Backlog, Vec<TaskQueueRow>), DbError> {
    let backlog = db::job::count_backlog(&state.system).await?;
    Ok((backlog, db::task_queue::measure_task_queue(&state.system).await?))
}

/// Show metrics.
///
/// For Prometheus. With API keys, the numbers of stored and damaged files and the free disk are only shown at
/// OFFPRINT_METRICS_BIND, which needs no key.
#[utoipa::path(tag = "service", responses((status = 200, description = "Metrics in the Prometheus text format.", content_type = "text/plain", body = String)))]
#[get("/metrics")]
pub async fn show_metrics(state: Data<AppState>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let (backlog, tasks) = measure_queues(&state).await?;
    let workers = db::worker::list_live_workers(&state.system).await?;
    let mut text = state.metrics.render()
        + &format_gauges(&backlog, &workers, db::blob::count_damaged_blobs(&state.system).await?)
        + &format_task_gauges(&tasks)
        + &format_build_info()
        + &telemetry::format_process_metrics();
    if can_see_details(&state, &request) {
        text += &format_disk_metrics(&state).await;
    } else {
        text = text.lines().filter(|line| !line.contains("blob")).flat_map(|line| [line, "\n"]).collect();
    }
    Ok(HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(text))
}

/// The free space of the data folder. A disk that cannot be asked has no value.
async fn format_disk_metrics(state: &AppState) -> String {
    state.storage.free_bytes().await.map_or(String::new(), |bytes| {
        format!(
            "# HELP offprint_disk_free_bytes Bytes that the service can still write in its data folder.\n\
             # TYPE offprint_disk_free_bytes gauge\noffprint_disk_free_bytes {bytes}\n"
        )
    })
}

/// What is running.
fn format_build_info() -> String {
    let (version, engine) = (env!("CARGO_PKG_VERSION"), offprint_imaging::ENGINE_VERSION);
    format!(
        "# HELP offprint_build_info 1, with the versions of the service and of its render engine as labels.\n\
         # TYPE offprint_build_info gauge\noffprint_build_info{{version=\"{version}\",engine_version=\"{engine}\"}} 1\n"
    )
}

/// The queue of tasks, each kind also when there is nothing to do.
fn format_task_gauges(queue: &[TaskQueueRow]) -> String {
    let mut text =
        "# HELP offprint_tasks Tasks that have not ended, by kind and state.\n# TYPE offprint_tasks gauge\n".to_owned();
    for TaskQueueRow { kind, waiting, running, .. } in queue {
        let kind = kind.name();
        text += &format!(
            "offprint_tasks{{kind=\"{kind}\",state=\"waiting\"}} {waiting}\n\
             offprint_tasks{{kind=\"{kind}\",state=\"running\"}} {running}\n"
        );
    }
    text += "# HELP offprint_task_oldest_wait_seconds How long the oldest task of a kind has been due.\n\
             # TYPE offprint_task_oldest_wait_seconds gauge\n";
    for TaskQueueRow { kind, oldest_wait, .. } in queue {
        text += &format!("offprint_task_oldest_wait_seconds{{kind=\"{}\"}} {oldest_wait:.3}\n", kind.name());
    }
    text
}

/// Gauges that are counted in the database now: every process of the service reports the same values.
fn format_gauges(backlog: &db::job::Backlog, workers: &[db::worker::WorkerRow], damaged: i64) -> String {
    format!(
        "# HELP offprint_jobs Unfinished jobs, by state.\n# TYPE offprint_jobs gauge\n\
         offprint_jobs{{state=\"scheduled\"}} {}\noffprint_jobs{{state=\"active\"}} {}\n\
         offprint_jobs{{state=\"paused\"}} {}\noffprint_jobs{{state=\"stopping\"}} {}\n\
         # HELP offprint_items Waiting items of active jobs, and running items.\n# TYPE offprint_items gauge\n\
         offprint_items{{state=\"waiting\"}} {}\noffprint_items{{state=\"running\"}} {}\n\
         # HELP offprint_oldest_wait_seconds Waiting time of the oldest job that has not started.\n\
         # TYPE offprint_oldest_wait_seconds gauge\noffprint_oldest_wait_seconds {:.3}\n\
         # HELP offprint_oldest_running_seconds Running time of the item that has been running longest.\n\
         # TYPE offprint_oldest_running_seconds gauge\noffprint_oldest_running_seconds {:.3}\n\
         # HELP offprint_workers Live processes that work on items.\n# TYPE offprint_workers gauge\noffprint_workers {}\n\
         # HELP offprint_slots Images that all workers together render at the same time.\n\
         # TYPE offprint_slots gauge\noffprint_slots {}\n\
         # HELP offprint_damaged_blobs Stored files known to be damaged.\n\
         # TYPE offprint_damaged_blobs gauge\noffprint_damaged_blobs {}\n",
        backlog.scheduled,
        backlog.active,
        backlog.paused,
        backlog.stopping,
        backlog.waiting,
        backlog.running,
        backlog.oldest_wait,
        backlog.oldest_running,
        workers.len(),
        workers.iter().map(|worker| i64::from(worker.slots)).sum::<i64>(),
        damaged,
    )
}

/// Redirects `/swagger-ui` to `/swagger-ui/`.
pub async fn redirect_to_swagger_ui() -> HttpResponse {
    HttpResponse::PermanentRedirect().insert_header((header::LOCATION, write_address("/swagger-ui/"))).finish()
}

/// 404 at OFFPRINT_METRICS_BIND.
pub async fn reject_non_health_path() -> Result<HttpResponse, Problem> {
    let detail = "This address serves only /health/live, /health/ready and /metrics. The API is at another address.";
    Err(Problem::new(Code::NotFound, detail))
}

/// For requests that match no route: 405 when the path exists with other methods, else 404.
pub async fn reject_unknown_path(state: Data<AppState>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    if state.settings.role == Role::Worker {
        let detail = "This process is a worker (OFFPRINT_ROLE=worker): it serves only health and metrics, at /health/live, \
                      /health/ready and /metrics. The API is at another address.";
        return Err(Problem::new(Code::NotFound, detail));
    }
    Err(explain_unknown_path(&request))
}

fn explain_unknown_path(request: &HttpRequest) -> Problem {
    let path = clip_text(request.path());
    let Route::OtherMethod(known) = find_route(request) else {
        return Problem::new(Code::NotFound, format!("No route matches {path}. See /openapi.json."));
    };
    let allowed = known.list_methods().join(", ");
    let detail = format!("{path} does not support {}. Supported: {allowed}.", clip_text(request.method().as_str()));
    Problem::new(Code::MethodNotAllowed, detail).with_header(header::ALLOW, &allowed)
}
