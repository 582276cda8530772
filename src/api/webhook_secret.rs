//! The secret by which receivers know that a webhook is from us.

use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::caller::Caller;
use crate::api::problem::Problem;
use crate::db::webhook_secret;
use crate::state::State;

/// The secret of a company's webhooks.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookSecret {
    /// What a library of Standard Webhooks verifies with: `whsec_` and base64.
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    secret: String,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// The one before, while it signs too; null when there is none.
    previous: Option<PreviousSecret>,
}

/// A secret that was replaced, and signs beside the other until receivers have changed.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreviousSecret {
    /// The secret.
    secret: String,
    /// When it ceases to sign.
    expires_at: Option<DateTime<Utc>>,
}

fn answer(secrets: Vec<webhook_secret::WebhookSecret>) -> Result<HttpResponse, Problem> {
    let mut secrets = secrets.into_iter();
    let own = secrets.next().ok_or_else(|| Problem::internal("the company has no webhook secret"))?;
    let previous =
        secrets.next().map(|secret| PreviousSecret { secret: secret.spelled(), expires_at: secret.expires_at });
    let shown = WebhookSecret { secret: own.spelled(), created_at: own.created_at, previous };
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(shown))
}

/// Show the webhook secret.
///
/// It signs every webhook of the company, as <https://www.standardwebhooks.com> has it. It is made when it is asked for
/// first.
#[utoipa::path(tag = "webhooks", operation_id = "showWebhookSecret",
    responses((status = 200, description = "The secret.", body = WebhookSecret)))]
#[get("/webhook-secret")]
pub async fn show_secret(state: Data<State>, caller: Caller) -> Result<HttpResponse, Problem> {
    answer(webhook_secret::valid(&state.db, caller.company).await?)
}

/// Replace the webhook secret.
///
/// For 24 hours the one before signs too: each webhook then has two signatures, and a receiver that knows either secret
/// can verify it. To do it twice ends the first secret at once.
#[utoipa::path(tag = "webhooks", operation_id = "rotateWebhookSecret",
    responses((status = 200, description = "The new secret, and the one before.", body = WebhookSecret)))]
#[post("/webhook-secret/rotate")]
pub async fn rotate_secret(state: Data<State>, caller: Caller) -> Result<HttpResponse, Problem> {
    let secrets = webhook_secret::rotate(&state.db, caller.company).await?;
    tracing::info!("The webhook secret of company {} was replaced", caller.company);
    answer(secrets)
}
