//! Ordering an export.

use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpResponse, HttpResponseBuilder, post};

use crate::api::body::Body;
use crate::api::caller::Caller;
use crate::api::export_jobs::allowed::allowed;
use crate::api::export_jobs::job::{self, Job};
use crate::api::export_schedules;
use crate::api::export_schedules::schedule::Schedule;
use crate::api::idempotency::IdempotencyKey;
use crate::api::limits::Allowed;
use crate::api::problem::Problem;
use crate::api::responses::{BadBody, BadQuery, KeyInUse, QueueFull};
use crate::code::Code;
use crate::reason::Note;
use crate::db;
use crate::digest::Digest;
use crate::export::place::Place;
use crate::export::{Order, Refusal};
use crate::state::State;

/// Seconds after which to look whether a full queue has room.
const QUEUE_PAUSE: &str = "30";

/// Order an export.
///
/// Writes the job down and answers at once; the work goes on in the background. Watch the job at the address in
/// `Location`, with `?wait=60` to be told of changes; fetch each file as soon as it is done, or the archive at the end.
///
/// `fmt: orig` hands out the uploaded files. `fmt: convert` renders them by `is_modifier` and `macro` together: the macro
/// stands after the modifier, so it wins in every command that it has. `renditions` make several files of each picture
/// in the place of the two. All mistakes of an order are told at once, and then nothing is created.
///
/// With `execSchedule` it makes a schedule and answers 201 with that, as `POST /export-schedules` does; the key then needs
/// `schedules`, too.
#[utoipa::path(
    tag = "export jobs",
    operation_id = "createExportJob",
    params(("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,255}$", description = "Up to 255 visible characters of your own choice. \
        The same key with the same body gets the first answer again, for 24 hours, and nothing is created twice.")),
    request_body(content = Order, examples(
        ("As documented" = (summary = "PNG by the modifier, TIFF by the macro: the macro wins", value = json!({
            "assetHandleArray": ["00000000-0000-7000-8000-000000000001"], "fmt": "convert",
            "is_modifier": "&fmt=png", "macro": "$test$", "emailSetting": "None"
        }))),
        ("Originals" = (summary = "Uploaded files as they are, by folder", value = json!({
            "assetFilter": {"folder": "samples", "recursive": true}, "fmt": "orig", "layout": "folders", "jobName": "samples as uploaded"
        }))),
        ("For the web" = (summary = "A square of each picture on white, with a mail if something fails", value = json!({
            "assetFilter": {"folder": "samples"}, "fmt": "convert",
            "is_modifier": "wid=800&hei=800&fit=constrain&fmt=jpeg&qlt=85", "emailSetting": "Error", "notifyEmails": ["ann@example.org"]
        }))),
        ("Several sizes" = (summary = "Three files of each picture", value = json!({
            "assetFilter": {"folder": "samples"}, "fmt": "convert", "renditions": [
                {"name": "large", "is_modifier": "wid=1600&fmt=jpeg&qlt=85"},
                {"name": "web", "is_modifier": "wid=800&fmt=webp&qlt=80"},
                {"name": "thumbnail", "is_modifier": "wid=200&hei=200&fit=constrain&fmt=jpeg", "suffix": "200"}
            ]
        }))),
        ("Every night" = (summary = "A schedule: new pictures of a folder, on working days", value = json!({
            "assetFilter": {"folder": "samples"}, "fmt": "convert", "is_modifier": "wid=400&fmt=webp&qlt=80",
            "execSchedule": "0 30 2 ? * MON-FRI", "timeZone": "Europe/Amsterdam", "jobName": "samples every night"
        }))),
        ("With a webhook" = (summary = "A program is told when it is done", value = json!({
            "assetFilter": {"folder": "samples"}, "fmt": "orig", "callbackUrl": "https://hooks.example.org/export"
        }))),
        ("Tonight" = (summary = "A job for later", value = json!({
            "assetFilter": {"folder": "samples"}, "fmt": "convert", "is_modifier": "wid=400&fmt=webp&qlt=80", "execTime": "2099-12-24T02:00:00+01:00"
        }))),
    )),
    responses(
        (status = 202, description = "The job was written down.", body = Job, headers(
            ("Location" = String, description = "Address of the job."),
            ("Retry-After" = u32, description = "Seconds after which to look at it."),
            ("Idempotent-Replayed" = String, description = "`true` when this is the answer to an earlier request with the same key."),
        )),
        (status = 201, description = "The schedule was written down, for an order with `execSchedule`.", body = Schedule, headers(
            ("Location" = String, description = "Address of the schedule."),
            ("Idempotent-Replayed" = String, description = "`true` when this is the answer to an earlier request with the same key."),
        )),
        BadQuery, BadBody, KeyInUse, QueueFull,
    ),
)]
#[post("/export-jobs")]
pub async fn create(
    state: Data<State>,
    caller: Caller,
    key: IdempotencyKey,
    Body(order, digest): Body<Order>,
) -> Result<HttpResponse, Problem> {
    answered(&state, &caller, &key, (order, digest), false).await
}

/// The answer to an order, in a transaction of its own. What is to be `recurring` must say when.
pub(in crate::api) async fn answered(
    state: &State,
    caller: &Caller,
    key: &IdempotencyKey,
    sent: (Order, Digest),
    recurring: bool,
) -> Result<HttpResponse, Problem> {
    let within = Allowed::of(state, caller.company).await?;
    let mut transaction = state.db.begin().await.map_err(db::Error::from)?;
    let answer = match ordered(state, &mut transaction, caller, &within, key, sent, recurring).await {
        Ok(answer) => answer,
        Err(problem) => {
            // At once, so that the key is free when the client hears of its mistake.
            transaction.rollback().await.map_err(db::Error::from)?;
            return Err(problem);
        }
    };
    transaction.commit().await.map_err(db::Error::from)?;
    state.work.ring();
    Ok(answer)
}

/// The answer to an order: what it made, or the answer that the same request got before.
async fn ordered(
    state: &State,
    connection: &mut db::Connection,
    caller: &Caller,
    within: &Allowed,
    key: &IdempotencyKey,
    (mut order, digest): (Order, Digest),
    recurring: bool,
) -> Result<HttpResponse, Problem> {
    let has_schedule = order.exec_schedule.is_some();
    if let Some(given) = key.given(connection, caller, digest).await? {
        let mut answer = made(has_schedule, &given.location);
        return Ok(answer.insert_header(("idempotent-replayed", "true")).json(given.answer.0));
    }
    let user = allowed(connection, caller, &mut order).await?;
    if recurring || has_schedule {
        let shown = export_schedules::create::write(state, connection, caller, (within, user.as_ref()), order).await?;
        let location = shown.location();
        key.keep(connection, caller, digest, (&location, &shown)).await?;
        return Ok(made(true, &location).json(shown));
    }
    let desk = state.desk();
    let place = Place {
        company: caller.company,
        user: user.as_ref(),
        schedule: None,
        most_jobs: within.jobs,
        settings: &state.settings,
        desk: &desk,
    };
    let job_id = place.order(connection, order).await.map_err(refused)?;
    let found = db::job::find(&mut *connection, caller.company, job_id).await?;
    let (etag, shown) = (job::etag(&found), Job::from(found));
    let location = shown.links.own.clone();
    key.keep(connection, caller, digest, (&location, &shown)).await?;
    // Last, for others wait behind it.
    place.has_room(connection, true).await.map_err(refused)?;
    let (name, items) = (&shown.job_name, shown.counts.total);
    tracing::info!(job.handle = %job_id, item.count = items, "Job {name:?} ({job_id}) is ordered: {items} items");
    Ok(accepted(&location).insert_header((header::ETAG, etag)).json(shown))
}

/// The answer that something was made: a schedule is there, a job has only begun.
fn made(is_schedule: bool, location: &str) -> HttpResponseBuilder {
    if !is_schedule {
        return accepted(location);
    }
    let mut answer = HttpResponse::Created();
    answer.insert_header((header::LOCATION, location));
    answer
}

/// The answer that a job has begun.
pub(in crate::api) fn accepted(location: &str) -> HttpResponseBuilder {
    let mut answer = HttpResponse::Accepted();
    answer.insert_header((header::LOCATION, location)).insert_header((header::RETRY_AFTER, "1"));
    answer
}

pub(in crate::api) fn refused(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::Mistakes(mistakes) => Problem::refused(mistakes),
        Refusal::Beyond(Note { code: Code::QueueFull, detail }) => {
            Problem::new(Code::QueueFull, detail).header(header::RETRY_AFTER, QUEUE_PAUSE)
        }
        Refusal::Beyond(limit) => Problem::new(limit.code, limit.detail),
        Refusal::Db(error) => error.into(),
    }
}
