//! The secret that signs webhooks, so that receivers can verify them.

use actix_web::http::{StatusCode, header};
use actix_web::web::Data;
use actix_web::{HttpResponse, HttpResponseBuilder, get, post};
use chrono::{DateTime, Utc};
use offprint_core::Digest;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::AppState;
use crate::db::{self, webhook_secret};
use crate::http::extract::caller::Caller;
use crate::http::extract::idempotency::IdempotencyKey;
use crate::http::problem::Problem;
use crate::http::responses::IdempotencyProblem;
use crate::http::responses::KeyReuseProblem;
use crate::http::responses::QueryProblems;

/// The webhook secret of a company.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookSecret {
    /// The secret for a Standard Webhooks library: `whsec_` and base64.
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    secret: String,
    /// When the secret was created.
    created_at: DateTime<Utc>,
    /// The previous secret, as long as it also signs; null when there is none.
    previous: Option<PreviousSecret>,
}

/// A replaced secret, which also signs until it expires, so that receivers can switch.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreviousSecret {
    /// The secret.
    secret: String,
    /// When the secret stops signing.
    expires_at: Option<DateTime<Utc>>,
}

fn build_secret_response(
    mut answer: HttpResponseBuilder,
    secrets: Vec<webhook_secret::WebhookSecretRow>,
) -> Result<HttpResponse, Problem> {
    let mut secrets = secrets.into_iter();
    let current = secrets.next().ok_or_else(|| Problem::internal("the company has no webhook secret"))?;
    let previous =
        secrets.next().map(|secret| PreviousSecret { secret: secret.to_text(), expires_at: secret.expires_at });
    let shown = WebhookSecret { secret: current.to_text(), created_at: current.created_at, previous };
    Ok(answer.insert_header((header::CACHE_CONTROL, "no-store")).json(shown))
}

/// Show the webhook secret.
///
/// The secret signs every webhook of the company, as specified by <https://www.standardwebhooks.com>. It is created when it
/// is first needed.
#[utoipa::path(tag = "webhooks", operation_id = "showWebhookSecret",
    responses((status = 200, description = "The secret.", body = WebhookSecret)))]
#[get("/webhook-secret")]
pub async fn show_secret(state: Data<AppState>, caller: Caller) -> Result<HttpResponse, Problem> {
    let secrets = webhook_secret::ensure_webhook_secrets(&state.db, caller.company).await?;
    build_secret_response(HttpResponse::Ok(), secrets)
}

/// Replace the webhook secret.
///
/// For 24 hours the previous secret also signs: each webhook has two signatures, and a receiver that knows either secret can
/// verify it. Replacing the secret twice disables the first one at once; with an `Idempotency-Key` a repeated request replaces
/// nothing, and is answered with the secrets as they are then.
#[utoipa::path(tag = "webhooks", operation_id = "rotateWebhookSecret",
    responses((status = 200, description = "The new secret and the previous one.", body = WebhookSecret), QueryProblems, IdempotencyProblem, KeyReuseProblem))]
#[post("/webhook-secret/rotate")]
pub async fn rotate_secret(
    state: Data<AppState>,
    caller: Caller,
    key: IdempotencyKey,
) -> Result<HttpResponse, Problem> {
    let digest = Digest::compute(b"");
    let mut transaction = state.db.begin().await.map_err(db::DbError::from)?;
    if let Some(earlier) = key.reserve(&mut transaction, &caller, digest).await? {
        drop(transaction);
        let secrets = webhook_secret::ensure_webhook_secrets(&state.db, caller.company).await?;
        return build_secret_response(earlier.to_builder(StatusCode::OK), secrets);
    }
    let secrets = webhook_secret::rotate_webhook_secret(&mut transaction, caller.company).await?;
    // Without the secret: a second copy of it would be one more that can leak.
    key.store(&mut transaction, &caller, digest, ("", &())).await?;
    transaction.commit().await.map_err(db::DbError::from)?;
    tracing::info!("The webhook secret of company {} was replaced", caller.company);
    build_secret_response(HttpResponse::Ok(), secrets)
}
