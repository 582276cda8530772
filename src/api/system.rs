//! For machines and operators: what this is, whether it lives, what it allows, its numbers.

use std::time::Duration;

use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::body::order_limit;
use crate::api::caller::Caller;
use crate::api::document;
use crate::api::limits::Allowed;
use crate::api::problem::Problem;
use crate::code::Code;
use crate::render::Confinement;
use crate::settings::Role;
use crate::state::State;
use crate::storage::Storage;
use crate::{db, language, render, words};

/// What this is and where to go.
///
/// One small page for people.
#[utoipa::path(tag = "service", responses((status = 200, description = "The page.", content_type = "text/html")))]
#[get("/")]
pub async fn page() -> HttpResponse {
    HttpResponse::Ok().content_type("text/html; charset=utf-8").body(include_str!("page.html"))
}

/// Version, limits and formats of this service.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Info {
    /// The service's name.
    #[schema(example = "offprint")]
    name: &'static str,
    /// Its version.
    #[schema(example = "0.1.0")]
    version: &'static str,
    /// Raised whenever the same recipe on the same picture gives other bytes.
    engine_version: i32,
    /// Formats that can be converted.
    formats: Formats,
    /// Languages of events and mails.
    #[schema(example = json!(["en", "nl"]))]
    languages: Vec<&'static str>,
    /// What it refuses to exceed.
    limits: Limits,
    /// How many pictures are rendered at once.
    slots: usize,
    /// Which walls stand around a render's process; absent when none can be started.
    #[serde(skip_serializing_if = "Option::is_none")]
    render_process: Option<RenderProcess>,
}

/// Walls around a render's process. False is what the kernel does not have.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RenderProcess {
    /// Its memory is bounded.
    address_space: bool,
    /// Its processor time is bounded.
    cpu: bool,
    /// It dies with the service.
    parent_death: bool,
    /// It reads its one source and writes its one result, and reaches no other file.
    landlock_files: bool,
    /// It opens no TCP connection and listens on no port.
    landlock_network: bool,
}

impl From<Confinement> for RenderProcess {
    fn from(confinement: Confinement) -> Self {
        let Confinement { address_space, cpu, parent_death, landlock_files, landlock_network } = confinement;
        Self { address_space, cpu, parent_death, landlock_files, landlock_network }
    }
}

/// Formats that the service reads and writes. Anything can be exported as original.
#[derive(Serialize, ToSchema)]
pub struct Formats {
    /// Kinds of picture that can be converted, as media types.
    #[schema(example = json!(["image/jpeg", "image/png"]))]
    input: Vec<&'static str>,
    /// Words of the modifier's command `fmt=`.
    #[schema(example = json!(["jpeg", "png-alpha"]))]
    output: Vec<&'static str>,
}

/// What the service refuses to exceed. 0: no limit.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Items in one job.
    items: usize,
    /// Requests of one caller in a minute.
    requests_per_minute: u32,
    /// Assets of the company.
    assets: u64,
    /// Bytes of the company's originals.
    stored_bytes: u64,
    /// Jobs of the company that are not finished.
    unfinished_jobs: u32,
    /// Items of the company that run at once.
    running_items: u32,
    /// Schedules of the company.
    schedules: u32,
    /// Seconds that the runs of a schedule must be apart.
    schedule_interval_seconds: f64,
    /// Image presets of the company.
    image_presets: usize,
    /// Mails that the company causes in a day.
    mails_per_day: u32,
    /// Live streams of the company at one process.
    streams: u32,
    /// Bytes of an archive.
    archive_bytes: u64,
    /// Bytes of one uploaded file.
    upload_bytes: u64,
    /// Uploads in pieces of the company that are not finished.
    open_uploads: u32,
    /// Bytes of an order's JSON: the handles of the largest job have room. Other JSON may have 1 MiB.
    order_bytes: usize,
    /// Bytes of a request's address and headers.
    head_bytes: usize,
    /// Bytes a second that a request's body must come with on average. 0: any.
    body_bytes_per_second: u64,
    /// Pixels of a source picture.
    source_pixels: u64,
    /// Pixels along a source picture's longer side.
    source_side: u32,
    /// Bytes of a decoded source picture.
    decoded_bytes: u64,
    /// Frames of an animation.
    frames: u32,
    /// Pixels of all frames of an animation together.
    frame_pixels: u64,
    /// Bytes of a colour profile that is used.
    profile_bytes: u64,
    /// Pixels of an output picture.
    output_pixels: u64,
    /// Pixels along an output picture's longer side.
    output_side: u32,
    /// Seconds of processor time for one render.
    render_cpu_seconds: f64,
    /// Seconds for one render.
    render_seconds: f64,
    /// Bytes of memory of one render.
    render_bytes: u64,
}

/// Show version, formats and limits.
///
/// The limits are those of the caller's company.
#[utoipa::path(tag = "service", responses((status = 200, description = "Version, formats and limits.", body = Info)))]
#[get("/info")]
pub async fn info(state: Data<State>, caller: Caller) -> Result<HttpResponse, Problem> {
    let settings = &state.settings;
    let allowed = Allowed::of(&state, caller.company).await?;
    Ok(HttpResponse::Ok().json(Info {
        name: "offprint",
        version: env!("CARGO_PKG_VERSION"),
        engine_version: render::ENGINE_VERSION,
        formats: Formats {
            input: render::SourceFormat::ALL.iter().map(|format| format.mime()).collect(),
            output: language::output_words().collect(),
        },
        languages: words::languages().iter().map(|language| language.tag()).collect(),
        limits: Limits {
            items: settings.max_items,
            requests_per_minute: settings.requests_per_minute(),
            assets: allowed.assets,
            stored_bytes: allowed.stored,
            unfinished_jobs: allowed.jobs,
            running_items: allowed.running,
            schedules: allowed.schedules,
            schedule_interval_seconds: settings.min_schedule_interval.as_secs_f64(),
            image_presets: settings.max_presets,
            mails_per_day: settings.max_mails,
            streams: settings.max_streams,
            archive_bytes: settings.max_archive,
            upload_bytes: allowed.upload,
            open_uploads: settings.max_open_uploads,
            order_bytes: order_limit(settings.max_items),
            head_bytes: settings.max_head,
            body_bytes_per_second: settings.body_pace,
            source_pixels: settings.max_source_pixels,
            source_side: settings.max_source_side,
            decoded_bytes: settings.max_decoded_bytes,
            output_pixels: settings.max_output_pixels,
            output_side: settings.max_output_side,
            frames: settings.max_frames,
            frame_pixels: settings.max_frame_pixels,
            profile_bytes: settings.max_profile_bytes,
            render_cpu_seconds: settings.max_render_cpu.as_secs_f64(),
            render_seconds: settings.max_render_time.as_secs_f64(),
            render_bytes: settings.max_render_memory,
        },
        slots: state.slots(),
        render_process: state.renders.items.confinement().await.ok().map(RenderProcess::from),
    }))
}

/// Stands in the application at the address for those who look after the service.
pub struct Operators;

/// Whether the caller may learn how much is stored by all companies together. From that it could be told whether a file
/// that one uploads was there already.
fn sees_whole(state: &State, request: &HttpRequest) -> bool {
    !state.settings.asks_for_keys() || request.app_data::<Operators>().is_some()
}

/// How the service is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// `ok`, or in a word what is wrong.
    #[schema(example = "ok")]
    status: &'static str,
    /// Whether the database keeps companies apart by itself, should a query forget to. False is no reason not to work: the
    /// database's role is a superuser or bypasses row-level security.
    #[serde(skip_serializing_if = "Option::is_none")]
    second_wall: Option<bool>,
    /// Bytes that the storage has left. Not shown where keys are asked for, but at OFFPRINT_METRICS_BIND.
    #[serde(skip_serializing_if = "Option::is_none")]
    free_bytes: Option<u64>,
    /// Stored files that are known to be damaged: they are not handed out, and all others are. Shown as `freeBytes` is.
    #[serde(skip_serializing_if = "Option::is_none")]
    damaged_blobs: Option<i64>,
}

/// Tell that the process lives.
///
/// Asks nobody else: restart a process that does not answer, and take one that is not ready out of service.
#[utoipa::path(tag = "service", responses((status = 200, description = "It lives.", body = Health)))]
#[get("/health/live")]
pub async fn live() -> HttpResponse {
    HttpResponse::Ok().json(Health { status: "ok", second_wall: None, free_bytes: None, damaged_blobs: None })
}

/// Tell whether the service can do its work.
///
/// Ready means: the database and the storage answer, there is room (64 MiB at least), and the service is not closing.
#[utoipa::path(tag = "service", responses(
    (status = 200, description = "It can.", body = Health),
    (status = 503, description = "It cannot; `status` says why in a word: `closing`, `database`, `storage-full`, `storage`.", body = Health),
))]
#[get("/health/ready")]
pub async fn ready(state: Data<State>, request: HttpRequest) -> HttpResponse {
    const ROOM: u64 = 64 << 20;
    let free = state.storage.free_bytes().await.ok();
    let second_wall = db::wall::stands(&state.system).await.ok();
    let status = if state.closing.is_cancelled() {
        "closing"
    } else if second_wall.is_none() {
        "database"
    } else if free.is_some_and(|free| free < ROOM) {
        "storage-full"
    } else if !lives(&state.storage).await {
        "storage"
    } else {
        "ok"
    };
    let mut answer = if status == "ok" { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    if !sees_whole(&state, &request) {
        return answer.json(Health { status, second_wall, free_bytes: None, damaged_blobs: None });
    }
    let damaged = db::blob::damaged(&state.system).await.ok().filter(|damaged| *damaged > 0);
    answer.json(Health { status, second_wall, free_bytes: free, damaged_blobs: damaged })
}

/// Whether the storage answers, soon enough for those who ask every few seconds.
async fn lives(storage: &Storage) -> bool {
    const SOON: Duration = Duration::from_secs(2);
    matches!(tokio::time::timeout(SOON, storage.ping()).await, Ok(Ok(())))
}

/// Show the service's numbers for Prometheus.
///
/// Where keys are asked for, how many files are stored and how many are damaged is told only at the address
/// OFFPRINT_METRICS_BIND, which needs no key.
#[utoipa::path(tag = "service", responses((status = 200, description = "Numbers in Prometheus' text format.", content_type = "text/plain", body = String)))]
#[get("/metrics")]
pub async fn metrics(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let (backlog, workers) = (db::job::backlog(&state.system).await?, db::worker::live(&state.system).await?);
    let mut text = state.metrics.render() + &gauges(&backlog, &workers, db::blob::damaged(&state.system).await?);
    if !sees_whole(&state, &request) {
        text = text.lines().filter(|line| !line.contains("blob")).flat_map(|line| [line, "\n"]).collect();
    }
    Ok(HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(text))
}

/// What there is to do, counted now: every process of the service says the same.
fn gauges(backlog: &db::job::Backlog, workers: &[db::worker::Worker], damaged: i64) -> String {
    format!(
        "# HELP offprint_jobs Jobs that are not finished, by state.\n# TYPE offprint_jobs gauge\n\
         offprint_jobs{{state=\"scheduled\"}} {}\noffprint_jobs{{state=\"active\"}} {}\n\
         offprint_jobs{{state=\"paused\"}} {}\noffprint_jobs{{state=\"stopping\"}} {}\n\
         # HELP offprint_items Items that wait in active jobs, and items that run.\n# TYPE offprint_items gauge\n\
         offprint_items{{state=\"waiting\"}} {}\noffprint_items{{state=\"running\"}} {}\n\
         # HELP offprint_oldest_wait_seconds How long the oldest job that has not begun has waited.\n\
         # TYPE offprint_oldest_wait_seconds gauge\noffprint_oldest_wait_seconds {:.3}\n\
         # HELP offprint_oldest_running_seconds How long the item that runs for longest has run.\n\
         # TYPE offprint_oldest_running_seconds gauge\noffprint_oldest_running_seconds {:.3}\n\
         # HELP offprint_workers Processes that work on items.\n# TYPE offprint_workers gauge\noffprint_workers {}\n\
         # HELP offprint_slots Pictures that all workers together render at once.\n\
         # TYPE offprint_slots gauge\noffprint_slots {}\n\
         # HELP offprint_damaged_blobs Stored files that are known to be damaged.\n\
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

/// `/swagger-ui` without its slash.
pub async fn to_swagger_ui() -> HttpResponse {
    HttpResponse::PermanentRedirect().insert_header((header::LOCATION, "/swagger-ui/")).finish()
}

/// What answers at the address for numbers where nothing else does.
pub async fn only_numbers_here() -> Result<HttpResponse, Problem> {
    let detail = "This address answers /health/live, /health/ready and /metrics; the API is at another.";
    Err(Problem::new(Code::NotFound, detail))
}

/// What answers where no route does: 405 when the address exists with other methods, else 404.
pub async fn nothing_here(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    if state.settings.role == Role::Worker {
        let detail = "This process only works on items (OFFPRINT_ROLE=worker). It answers /health/live, /health/ready and \
                      /metrics; the API is at another address.";
        return Err(Problem::new(Code::NotFound, detail));
    }
    Err(nothing_at(&request))
}

fn nothing_at(request: &HttpRequest) -> Problem {
    let paths = &document::document().paths.paths;
    let found = paths.iter().find(|(path, _)| actix_web::dev::ResourceDef::new(path.as_str()).is_match(request.path()));
    let Some((_, item)) = found else {
        return Problem::new(
            Code::NotFound,
            format!("There is nothing at {}. /openapi.json lists what there is.", request.path()),
        );
    };
    let methods = [
        ("GET", &item.get),
        ("HEAD", &item.head),
        ("POST", &item.post),
        ("PUT", &item.put),
        ("PATCH", &item.patch),
        ("DELETE", &item.delete),
    ];
    let allowed: Vec<&str> =
        methods.iter().filter(|(_, operation)| operation.is_some()).map(|(name, _)| *name).collect();
    let detail = format!("{} does not take {}; it takes {}.", request.path(), request.method(), allowed.join(", "));
    Problem::new(Code::MethodNotAllowed, detail).header(header::ALLOW, &allowed.join(", "))
}
