//! Ordering an export, and trying an order out.

use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpResponse, HttpResponseBuilder, post};
use chrono::Utc;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::body::Body;
use crate::api::caller::Caller;
use crate::api::export_jobs::job::{self, Job};
use crate::api::idempotency::IdempotencyKey;
use crate::api::problem::Problem;
use crate::api::responses::{BadBody, BadQuery, KeyInUse};
use crate::code::{Code, Note};
use crate::db::asset::Asset;
use crate::db::creation::{NewItem, NewJob};
use crate::db::vocabulary::{EmailSetting, ItemState, OnUnconvertible};
use crate::db::{self, creation};
use crate::digest::Digest;
use crate::export::{Draft, DraftItem, Order, Refusal, draft, names};
use crate::id::{AssetId, JobId};
use crate::render::{Header, Limits, Plan};
use crate::state::State;

/// Seconds that files are kept when the order does not say.
const KEPT: i64 = 7 * 24 * 3600;

/// Order an export.
///
/// Writes the job down and answers at once; the work goes on in the background. Watch the job at the address in
/// `Location`, with `?wait=60` to be told of changes; fetch each file as soon as it is done, or the archive at the end.
///
/// `fmt: orig` hands out the uploaded files. `fmt: convert` renders them by `is_modifier` and `macro` together: the macro
/// stands after the modifier, so it wins in every command that it has. All mistakes of an order are told at once, and
/// then nothing is created.
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
        BadQuery, BadBody, KeyInUse,
    ),
)]
#[post("/export-jobs")]
pub async fn create(
    state: Data<State>,
    caller: Caller,
    key: IdempotencyKey,
    Body(order, digest): Body<Order>,
) -> Result<HttpResponse, Problem> {
    let mut transaction = state.db.begin().await.map_err(db::Error::from)?;
    let answer = match ordered(&state, &mut transaction, &caller, &key, (order, digest)).await {
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
    key: &IdempotencyKey,
    (order, digest): (Order, Digest),
) -> Result<HttpResponse, Problem> {
    if let Some(given) = key.given(connection, caller, digest).await? {
        return Ok(accepted(&given.location).insert_header(("idempotent-replayed", "true")).json(given.answer.0));
    }
    let draft = draft(connection, caller.company, order, state.settings.max_items).await.map_err(refused)?;
    let job_id = JobId::new();
    write(state, connection, caller, job_id, draft).await?;
    let found = db::job::find(&mut *connection, caller.company, job_id).await?;
    let (etag, shown) = (job::etag(&found), Job::from(found));
    let location = shown.links.own.clone();
    key.keep(connection, caller, digest, (&location, &shown)).await?;
    let (name, items) = (&shown.job_name, shown.counts.total);
    tracing::info!(job.handle = %job_id, item.count = items, "Job {name:?} ({job_id}) is ordered: {items} items");
    Ok(accepted(&location).insert_header((header::ETAG, etag)).json(shown))
}

fn accepted(location: &str) -> HttpResponseBuilder {
    let mut answer = HttpResponse::Accepted();
    answer.insert_header((header::LOCATION, location)).insert_header((header::RETRY_AFTER, "1"));
    answer
}

/// An order that was tried out.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DryRun {
    /// One for each asset, in request order.
    items: Vec<DryRunItem>,
    /// The modifier with every macro in its place; null for `orig`.
    effective_modifier: Option<String>,
    /// Bytes of the originals that would be read or handed out.
    source_bytes: i64,
    /// What there is to know.
    warnings: Vec<Note>,
}

/// What would become of an asset.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DryRunItem {
    /// The asset.
    asset_handle: AssetId,
    /// Its name.
    name: String,
    /// `convert`, `original`, `skip` or `fail`.
    #[schema(example = "convert")]
    action: &'static str,
    /// Place of its file in the archive.
    path: Option<String>,
    /// Pixels across of the rendered picture.
    width: Option<u32>,
    /// Pixels down of the rendered picture.
    height: Option<u32>,
    /// Why it would fail.
    failure: Option<Note>,
    /// What there is to know.
    warnings: Vec<Note>,
}

/// Try an order out.
///
/// Says what the order would do, asset by asset, without creating anything and without reading any pixels: names,
/// sizes, what would be skipped or fail and why. Mistakes of the order are told as when it is sent.
#[utoipa::path(
    tag = "export jobs",
    operation_id = "validateExportJob",
    request_body(content = Order, example = json!({
        "assetHandleArray": ["00000000-0000-7000-8000-000000000001"], "fmt": "convert", "is_modifier": "wid=640&fmt=png"
    })),
    responses((status = 200, description = "What the order would do.", body = DryRun), BadBody),
)]
#[post("/export-jobs/validate")]
pub async fn validate(state: Data<State>, caller: Caller, order: Body<Order>) -> Result<HttpResponse, Problem> {
    let mut connection = state.db.acquire().await.map_err(db::Error::from)?;
    let draft = draft(&mut connection, caller.company, order.0, state.settings.max_items).await.map_err(refused)?;
    let limits = state.limits();
    let source_bytes =
        draft.items.iter().filter(|item| item.state == ItemState::Waiting).filter_map(|item| item.asset.size).sum();
    let mut warnings = draft.warnings;
    warnings.extend(no_recipient(&state, &draft.order));
    Ok(HttpResponse::Ok().json(DryRun {
        items: draft.items.into_iter().map(|item| tried(item, &limits)).collect(),
        effective_modifier: draft.effective_modifier,
        source_bytes,
        warnings,
    }))
}

/// Plans an item's picture from the header that was read at upload.
fn tried(item: DraftItem, limits: &Limits) -> DryRunItem {
    let mut shown = DryRunItem {
        asset_handle: item.asset.asset_id,
        name: item.asset.name.clone(),
        action: match (item.state, &item.meaning) {
            (ItemState::Skipped, _) => "skip",
            (ItemState::Failed, _) => "fail",
            (_, Some(_)) => "convert",
            _ => "original",
        },
        path: item.path,
        width: None,
        height: None,
        failure: item.failure,
        warnings: item.warnings,
    };
    let Some(meaning) = item.meaning else { return shown };
    let header = item.asset.header.and_then(|header| serde_json::from_value::<Header>(header).ok());
    let plan = match header {
        Some(header) => {
            Plan::of(&meaning.recipe, &header, limits).map_err(|failure| Note::new(failure.code, failure.detail))
        }
        None => Err(Note::new(Code::UnsupportedFormat, "The format of this picture cannot be read.")),
    };
    match plan {
        Ok(plan) => {
            (shown.width, shown.height) = (Some(plan.width), Some(plan.height));
            shown.warnings.extend(plan.warnings.into_iter().map(|warning| Note::new(warning.code, warning.detail)));
        }
        Err(failure) => (shown.action, shown.failure) = ("fail", Some(failure)),
    }
    shown
}

fn refused(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::Mistakes(mistakes) => Problem::refused(mistakes),
        Refusal::Db(error) => error.into(),
    }
}

/// A warning when a mail is asked for and nobody is known who could get it.
fn no_recipient(state: &State, order: &Order) -> Option<Note> {
    let wanted = order.email_setting.unwrap_or_default() != EmailSetting::None;
    let nobody = order.notify_emails.iter().flatten().next().is_none() && state.settings.mail_to.is_none();
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
    caller: &Caller,
    job_id: JobId,
    draft: Draft,
) -> Result<(), Problem> {
    let order = &draft.order;
    let mut warnings = draft.warnings;
    warnings.extend(no_recipient(state, order));
    let generated = format!("export {}", Utc::now().format("%Y-%m-%d %H:%M:%S"));
    let job = NewJob {
        job_id,
        job_name: order.job_name.as_deref().filter(|name| !name.trim().is_empty()).unwrap_or(&generated),
        description: order.description.as_deref(),
        client_id: order.client_id.as_deref(),
        locale: order.locale.as_deref(),
        fmt: order.fmt,
        is_modifier: order.is_modifier.as_deref(),
        r#macro: order.r#macro.as_deref(),
        effective_modifier: draft.effective_modifier.as_deref(),
        email_setting: order.email_setting.unwrap_or_default(),
        notify_emails: order.notify_emails.as_deref().unwrap_or_default(),
        on_unsupported: order.on_unsupported.unwrap_or_default(),
        on_unconvertible: order.on_unconvertible.unwrap_or(OnUnconvertible::Original),
        layout: order.layout.unwrap_or_default(),
        strict: order.strict.unwrap_or(false),
        priority: order.priority.unwrap_or(0),
        exec_time: order.exec_time,
        expires_in: order.expires_in.unwrap_or(KEPT),
        warnings: &warnings,
        recipes: &draft.recipes,
        items: draft.items.iter().map(new_item).collect(),
    };
    creation::create(connection, caller.company, &job).await.map_err(Problem::from)
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
        recipe_id: item.meaning.as_ref().map(|meaning| meaning.recipe_id),
        state: item.state,
        failure: item.failure.as_ref(),
        warnings: &item.warnings,
        path: item.path.as_deref().map(|path| (path, names::key(path))),
        original: item.meaning.is_none().then(|| original(asset)),
    }
}

/// Media type and size of an original, as its header says.
fn original(asset: &Asset) -> (Option<String>, Option<i32>, Option<i32>) {
    let side = |name: &str| asset.header.as_ref().and_then(|header| header.get(name)?.as_i64()).map(|side| side as i32);
    (asset.mime.clone(), side("width"), side("height"))
}
