//! What became of a job's webhooks.

use actix_web::web::{Data, Path, Query};
use actix_web::{HttpRequest, HttpResponse, get, post};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::caller::Caller;
use crate::api::export_jobs::{JobPath, managed, seen};
use crate::api::page::{self, Page, PageQuery};
use crate::api::problem::Problem;
use crate::api::responses::{BadQuery, Conflict, Missing};
use crate::code::Code;
use crate::db::webhook::{self, DeliveryState};
use crate::id::{JobId, WebhookId};
use crate::state::State;

/// A message to the receiver that a job names: one for each run.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// What it is called; every try sends it as `webhook-id`.
    delivery_handle: WebhookId,
    /// The job it tells of.
    job_handle: JobId,
    /// The run it tells of.
    run: i32,
    /// What happened.
    #[schema(example = "export_job.finished")]
    r#type: String,
    /// Where it is sent.
    url: String,
    /// What became of it.
    state: DeliveryState,
    /// When it was written.
    created_at: DateTime<Utc>,
    /// When it is tried next; null when it is on its way or over.
    next_attempt_at: Option<DateTime<Utc>>,
    /// When it was delivered or given up.
    ended_at: Option<DateTime<Utc>>,
    /// The last fifty tries, first to last.
    attempts: Vec<DeliveryAttempt>,
}

/// A try.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryAttempt {
    /// Its number, from 1; replays count on.
    attempt: i32,
    /// When it began.
    at: DateTime<Utc>,
    /// What the receiver answered; null when it did not, or not yet.
    #[schema(example = 200)]
    status: Option<i16>,
    /// Milliseconds until the answer or the error was there.
    #[schema(example = 85)]
    latency_ms: Option<i32>,
    /// Why it was not delivered.
    error: Option<String>,
}

impl Delivery {
    fn of(job_handle: JobId, delivery: webhook::Delivery) -> Self {
        Self {
            delivery_handle: delivery.webhook_id,
            job_handle,
            run: delivery.run,
            r#type: delivery.r#type,
            url: delivery.url,
            state: delivery.state,
            created_at: delivery.created_at,
            next_attempt_at: delivery.next_at,
            ended_at: delivery.ended_at,
            attempts: delivery.attempts.0.into_iter().map(DeliveryAttempt::from).collect(),
        }
    }
}

impl From<webhook::Attempt> for DeliveryAttempt {
    fn from(tried: webhook::Attempt) -> Self {
        let cut = tried.latency.is_none() && !tried.going_on;
        Self {
            attempt: tried.attempt,
            at: tried.begun_at,
            status: tried.status,
            latency_ms: tried.latency,
            error: tried.error.or_else(|| {
                cut.then(|| "The worker ended meanwhile; the receiver may have got it. It is sent again.".into())
            }),
        }
    }
}

/// List a job's webhooks.
///
/// One for each run that has ended, in order, with its tries. A job without `callbackUrl` has none.
#[utoipa::path(
    tag = "webhooks",
    operation_id = "listDeliveries",
    params(("jobHandle" = String, Path, description = "The job."), PageQuery),
    responses((status = 200, description = "One page of deliveries.", body = Page<Delivery>), BadQuery, Missing),
)]
#[get("/export-jobs/{jobHandle}/deliveries")]
pub async fn list_deliveries(
    state: Data<State>,
    caller: Caller,
    path: JobPath,
    filters: Query<PageQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let limit = page::limit(filters.limit)?;
    let after = page::after(filters.cursor.as_deref(), &*filters, page::only)?.unwrap_or(0);
    let job = seen(&state, &caller, &path).await?.job_id;
    let found = webhook::list(&state.db, caller.company, job, after, limit + 1).await?;
    let shown: Vec<Delivery> = found.into_iter().map(|delivery| Delivery::of(job, delivery)).collect();
    Ok(Page::new(shown, limit, &*filters, |delivery| vec![delivery.run.to_string()]).answer(&request))
}

/// Send a webhook again.
///
/// At once, whatever became of it, and then with the usual pauses for another day. The body and `webhook-id` are the
/// same as before; timestamp and signature are new.
#[utoipa::path(
    tag = "webhooks",
    operation_id = "replayDelivery",
    params(
        ("jobHandle" = String, Path, description = "The job."),
        ("deliveryHandle" = String, Path, description = "The delivery."),
    ),
    responses((status = 202, description = "It is sent again."), Missing, Conflict),
)]
#[post("/export-jobs/{jobHandle}/deliveries/{deliveryHandle}/replay")]
pub async fn replay(state: Data<State>, caller: Caller, path: Path<(String, String)>) -> Result<HttpResponse, Problem> {
    let (job, delivery) = path.into_inner();
    let job = managed(&state, &caller, &job).await?;
    let delivery: WebhookId = delivery.parse().map_err(|_| Problem::missing("delivery of this job"))?;
    if !webhook::replay(&state.db, caller.company, job, delivery).await? {
        let detail = "The delivery is on its way right now. Look at it again in a few seconds.";
        return Err(Problem::new(Code::WrongState, detail));
    }
    state.news.ring();
    Ok(HttpResponse::Accepted().finish())
}
