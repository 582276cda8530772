//! Webhook deliveries of a job: list them with their attempts, and send one again.

use actix_web::web::{Data, Path, Query};
use actix_web::{HttpRequest, HttpResponse, get, post};
use chrono::{DateTime, Utc};
use offprint_core::Code;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::AppState;
use crate::db::webhook::{self, DeliveryState};
use crate::http::extract::caller::Caller;
use crate::http::extract::page;
use crate::http::extract::page::Page;
use crate::http::extract::page::PageQuery;
use crate::http::limits::count_repeat;
use crate::http::problem::Problem;
use crate::http::resources::export_jobs::JobPath;
use crate::http::resources::export_jobs::authorize_job_change;
use crate::http::resources::export_jobs::find_visible_job;
use crate::http::responses::BusyProblem;
use crate::http::responses::ConflictProblem;
use crate::http::responses::NotFoundProblem;
use crate::http::responses::QueryProblems;
use crate::id::{CompanyId, JobId, WebhookId};

/// A webhook: one message for each run of a job with `callbackUrl`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// Handle of the delivery; every attempt sends it as `webhook-id`.
    pub(in crate::http) delivery_handle: WebhookId,
    /// The job.
    pub(in crate::http) job_handle: JobId,
    /// Number of the run, from 1.
    pub(in crate::http) run: i32,
    /// Type of the message.
    #[schema(example = "export_job.finished")]
    pub(in crate::http) r#type: String,
    /// URL of the receiver.
    pub(in crate::http) url: String,
    /// State of the delivery.
    pub(in crate::http) state: DeliveryState,
    /// When the delivery was created.
    pub(in crate::http) created_at: DateTime<Utc>,
    /// When the next attempt is due; null during an attempt and at the end.
    pub(in crate::http) next_attempt_at: Option<DateTime<Utc>>,
    /// When it was delivered or given up; null until then.
    pub(in crate::http) ended_at: Option<DateTime<Utc>>,
    /// The last fifty attempts, oldest first.
    pub(in crate::http) attempts: Vec<DeliveryAttempt>,
}

/// One attempt to deliver a webhook.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryAttempt {
    /// Number of the attempt, from 1; replays continue the numbers.
    pub(in crate::http) attempt: i32,
    /// When the attempt began.
    pub(in crate::http) at: DateTime<Utc>,
    /// HTTP status of the receiver's response; null when there is none, or none yet.
    #[schema(example = 200)]
    pub(in crate::http) status: Option<i16>,
    /// Milliseconds until the response or the error.
    #[schema(example = 85)]
    pub(in crate::http) latency_ms: Option<i32>,
    /// Why the attempt failed.
    pub(in crate::http) error: Option<String>,
}

impl Delivery {
    fn from_row(job_handle: JobId, delivery: webhook::DeliveryRow) -> Self {
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

impl From<webhook::DeliveryAttemptRow> for DeliveryAttempt {
    fn from(row: webhook::DeliveryAttemptRow) -> Self {
        let was_interrupted = row.latency.is_none() && !row.going_on;
        Self {
            attempt: row.attempt,
            at: row.begun_at,
            status: row.status,
            latency_ms: row.latency,
            error: row.error.or_else(|| {
                was_interrupted.then(|| {
                    "The worker ended during the attempt; the receiver may have the message. It is sent again.".into()
                })
            }),
        }
    }
}

/// List the webhook deliveries of a job.
///
/// One for each run that has ended, oldest first, with its attempts. A job without `callbackUrl` has none.
#[utoipa::path(
    tag = "webhooks",
    operation_id = "listDeliveries",
    params(("jobHandle" = JobId, Path, description = "Handle of the job."), PageQuery),
    responses((status = 200, description = "One page of deliveries.", body = Page<Delivery>), QueryProblems, NotFoundProblem),
)]
#[get("/export-jobs/{jobHandle}/deliveries")]
pub async fn list_deliveries(
    state: Data<AppState>,
    caller: Caller,
    path: JobPath,
    filters: Query<PageQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let job = find_visible_job(&state, &caller, &path).await?;
    Ok(load_delivery_page(&state, caller.company, job.job_id, &filters).await?.into_response(&request))
}

/// A page of the webhooks of a job of this company, which the caller may see.
///
/// # Errors
/// 400 for a limit or a cursor that is wrong.
pub(in crate::http) async fn load_delivery_page(
    state: &AppState,
    company: CompanyId,
    job: JobId,
    query: &PageQuery,
) -> Result<Page<Delivery>, Problem> {
    let limit = page::parse_limit(query.limit)?;
    let after = page::parse_cursor(query.cursor.as_deref(), query, page::parse_single_key)?.unwrap_or(0);
    let rows = webhook::list_deliveries(&state.db, company, job, after, limit + 1).await?;
    let deliveries: Vec<Delivery> = rows.into_iter().map(|row| Delivery::from_row(job, row)).collect();
    Ok(Page::new(deliveries, limit, query, |delivery| vec![delivery.run.to_string()]))
}

/// Send a webhook again.
///
/// Sends it at once, whatever its state, and retries with the usual delays for another day. Body and `webhook-id` stay the
/// same; timestamp and signature are new. A webhook can be sent again ten times a minute, and all webhooks of a company
/// thirty times.
#[utoipa::path(
    tag = "webhooks",
    operation_id = "replayDelivery",
    params(
        ("jobHandle" = JobId, Path, description = "Handle of the job."),
        ("deliveryHandle" = WebhookId, Path, description = "Handle of the delivery."),
    ),
    responses((status = 202, description = "The webhook will be sent again."), NotFoundProblem, ConflictProblem, BusyProblem),
)]
#[post("/export-jobs/{jobHandle}/deliveries/{deliveryHandle}/replay")]
pub async fn replay_delivery(
    state: Data<AppState>,
    caller: Caller,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let (job, delivery) = path.into_inner();
    send_again(&state, &caller, &job, &delivery).await?;
    Ok(HttpResponse::Accepted().finish())
}

/// Sends a webhook again, if the caller may control its job.
///
/// # Errors
/// 404, 403, 429 when it was asked for too often, 409 while it is being sent.
pub(in crate::http) async fn send_again(
    state: &AppState,
    caller: &Caller,
    job: &str,
    delivery: &str,
) -> Result<(), Problem> {
    let job = authorize_job_change(state, caller, job).await?;
    let delivery: WebhookId = delivery.parse().map_err(|_| Problem::not_found("delivery of this job"))?;
    count_repeat(state, caller, delivery.0)?;
    if !webhook::replay_webhook(&state.db, caller.company, job, delivery).await? {
        let detail = "An attempt to deliver the webhook is in progress. Retry in a few seconds.";
        return Err(Problem::new(Code::WrongState, detail));
    }
    state.work_available.notify();
    Ok(())
}
