//! Ordering an export.

use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpResponse, HttpResponseBuilder, post};
use chrono::Utc;

use crate::api::body::Body;
use crate::api::caller::Caller;
use crate::api::export_jobs::allowed::allowed;
use crate::api::export_jobs::job::{self, Job};
use crate::api::idempotency::IdempotencyKey;
use crate::api::limits::{self, Allowed};
use crate::api::problem::Problem;
use crate::api::responses::{BadBody, BadQuery, KeyInUse, QueueFull};
use crate::code::{Code, Note};
use crate::db::asset::Asset;
use crate::db::company::User;
use crate::db::creation::{NewFile, NewItem, NewJob};
use crate::db::vocabulary::{EmailSetting, OnUnconvertible};
use crate::db::{self, creation};
use crate::digest::Digest;
use crate::export::{Draft, DraftFile, DraftItem, Order, Refusal, draft, names};
use crate::id::{CompanyId, JobId};
use crate::state::State;

/// Seconds that files are kept when the order does not say.
const KEPT: i64 = 7 * 24 * 3600;

/// Order an export.
///
/// Writes the job down and answers at once; the work goes on in the background. Watch the job at the address in
/// `Location`, with `?wait=60` to be told of changes; fetch each file as soon as it is done, or the archive at the end.
///
/// `fmt: orig` hands out the uploaded files. `fmt: convert` renders them by `is_modifier` and `macro` together: the macro
/// stands after the modifier, so it wins in every command that it has. `renditions` make several files of each picture
/// in the place of the two. All mistakes of an order are told at once, and then nothing is created.
#[utoipa::path(
    tag = "export jobs",
    operation_id = "createExportJob",
    params(("Idempotency-Key" = Option<String>, Header, description = "Up to 255 visible characters of your own choice. \
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
    let within = Allowed::of(&state, caller.company).await?;
    let mut transaction = state.db.begin().await.map_err(db::Error::from)?;
    let answer = match ordered(&state, &mut transaction, &caller, &within, &key, (order, digest)).await {
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

/// The answer to an order: the job that it made, or the answer that the same request got before.
async fn ordered(
    state: &State,
    connection: &mut db::Connection,
    caller: &Caller,
    within: &Allowed,
    key: &IdempotencyKey,
    (order, digest): (Order, Digest),
) -> Result<HttpResponse, Problem> {
    if let Some(given) = key.given(connection, caller, digest).await? {
        return Ok(accepted(&given.location).insert_header(("idempotent-replayed", "true")).json(given.answer.0));
    }
    let mut order = order;
    let user = allowed(connection, caller, &mut order).await?;
    limits::check_queue(connection, caller.company, within, false).await?;
    let draft =
        draft(connection, caller.company, order, state.settings.max_items, &state.desk()).await.map_err(refused)?;
    limits::check_archive(&draft, &state.settings)?;
    let job_id = JobId::new();
    write(state, connection, caller.company, (job_id, user), draft).await?;
    let found = db::job::find(&mut *connection, caller.company, job_id).await?;
    let (etag, shown) = (job::etag(&found), Job::from(found));
    let location = shown.links.own.clone();
    key.keep(connection, caller, digest, (&location, &shown)).await?;
    // Last, for others wait behind it.
    limits::check_queue(connection, caller.company, within, true).await?;
    let (name, items) = (&shown.job_name, shown.counts.total);
    tracing::info!(job.handle = %job_id, item.count = items, "Job {name:?} ({job_id}) is ordered: {items} items");
    Ok(accepted(&location).insert_header((header::ETAG, etag)).json(shown))
}

fn accepted(location: &str) -> HttpResponseBuilder {
    let mut answer = HttpResponse::Accepted();
    answer.insert_header((header::LOCATION, location)).insert_header((header::RETRY_AFTER, "1"));
    answer
}

pub(super) fn refused(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::Mistakes(mistakes) => Problem::refused(mistakes),
        Refusal::Db(error) => error.into(),
    }
}

/// A warning when a mail is asked for and nobody is known who could get it.
pub(super) fn no_recipient(state: &State, order: &Order, user: Option<&User>) -> Option<Note> {
    let wanted = order.email_setting.unwrap_or_default() != EmailSetting::None;
    let nobody = order.notify_emails.iter().flatten().next().is_none()
        && user.is_none_or(|user| user.email.is_none())
        && state.settings.mail_to.is_none();
    (wanted && nobody).then(|| {
        Note::new(
            Code::NoRecipient,
            "A mail is asked for, but nobody is known who could get it. Send `notifyEmails`, or set OFFPRINT_MAIL_TO.",
        )
    })
}

async fn write(
    state: &State,
    connection: &mut db::Connection,
    company: CompanyId,
    (job_id, user): (JobId, Option<User>),
    draft: Draft,
) -> Result<(), Problem> {
    let order = &draft.order;
    let objects = draft.objects();
    let mut warnings = draft.warnings;
    warnings.extend(no_recipient(state, order, user.as_ref()));
    let generated = format!("export {}", Utc::now().format("%Y-%m-%d %H:%M:%S"));
    let job = NewJob {
        job_id,
        user_id: user.as_ref().map(|user| user.user_id),
        job_name: order.job_name.as_deref().filter(|name| !name.trim().is_empty()).unwrap_or(&generated),
        description: order.description.as_deref(),
        client_id: order.client_id.as_deref(),
        locale: order.locale.as_deref().or(user.as_ref().and_then(|user| user.locale.as_deref())),
        fmt: order.fmt,
        is_modifier: order.is_modifier.as_deref(),
        r#macro: order.r#macro.as_deref(),
        effective_modifier: draft.effective_modifier.as_deref(),
        renditions: draft.renditions.as_deref(),
        email_setting: order.email_setting.unwrap_or_default(),
        notify_emails: order.notify_emails.as_deref().unwrap_or_default(),
        callback_url: order.callback_url.as_deref(),
        on_unsupported: order.on_unsupported.unwrap_or_default(),
        on_unconvertible: order.on_unconvertible.unwrap_or(OnUnconvertible::Original),
        on_corrupt: order.on_corrupt.unwrap_or_default(),
        layout: order.layout.unwrap_or_default(),
        strict: order.strict.unwrap_or(false),
        priority: order.priority.unwrap_or(0),
        exec_time: order.exec_time,
        expires_in: order.expires_in.unwrap_or(KEPT),
        warnings: &warnings,
        recipes: &draft.recipes,
        objects,
        items: draft.items.iter().map(new_item).collect(),
    };
    creation::create(connection, company, &job).await.map_err(Problem::from)
}

fn new_item(item: &DraftItem) -> NewItem<'_> {
    let asset = &item.asset;
    NewItem {
        asset_id: asset.asset_id,
        asset_name: &asset.name,
        asset_type: asset.kind,
        folder: &asset.folder,
        file_name: asset.file_name.as_deref(),
        sha256: asset.sha256,
        size: asset.size,
        entry_time: asset.entry_time,
        state: item.state,
        failure: item.failure.as_ref(),
        warnings: &item.warnings,
        files: item.files.iter().map(|file| new_file(asset, file)).collect(),
    }
}

fn new_file<'a>(asset: &'a Asset, file: &'a DraftFile) -> NewFile<'a> {
    // What an original is stands in its header; what a rendered picture is, its plan will say.
    let original = file.meaning.is_none().then_some(asset);
    let side =
        |name: &str| original.and_then(|asset| asset.header.as_ref()?.get(name)?.as_i64()).map(|side| side as i32);
    NewFile {
        recipe_id: file.meaning.as_ref().map(|meaning| meaning.recipe_id),
        path: &file.path,
        path_key: names::key(&file.path),
        mime: original.and_then(|asset| asset.mime.as_deref()),
        width: side("width"),
        height: side("height"),
    }
}
