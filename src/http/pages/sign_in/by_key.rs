//! By an API key: the session has its capabilities and ends with it.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, post};
use offprint_core::{Code, Digest};
use serde::Deserialize;

use super::{begin, check_keys_required, check_next, count_attempt, find_client, refuse};
use crate::app::AppState;
use crate::app::rate_limiter::RateLimitKey;
use crate::db::browser_session::SignInMethod;
use crate::http::extract::caller::Caller;
use crate::http::extract::form::PageForm;
use crate::http::middleware::audit_trail::AuditedCaller;
use crate::http::middleware::auth::{KnownKey, check_key_validity, find_key};
use crate::http::problem::Problem;

#[derive(Deserialize)]
pub(in crate::http) struct KeyForm {
    key: String,
    next: Option<String>,
}

/// `POST /sign-in/key`.
#[post("/sign-in/key")]
pub(in crate::http) async fn sign_in_by_key(
    state: Data<AppState>,
    PageForm(form): PageForm<KeyForm>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    check_keys_required(&state)?;
    let client = find_client(&request);
    count_attempt(&state, client)?;
    let next = check_next(form.next.as_deref());
    let known = match find_key(&state, form.key.trim(), client).await {
        Ok(known) => known,
        Err(problem) if problem.code() == Code::InvalidCredentials => {
            return refuse(&state, &request, next, problem.code(), "page-sign-in-wrong-key");
        }
        Err(problem) => return Err(problem),
    };
    let (caller, method) = match known {
        KnownKey::Operator => {
            let hash = Digest::compute(form.key.trim().as_bytes());
            (Caller::with_all_capabilities(state.company), SignInMethod::OperatorKey(hash))
        }
        KnownKey::Stored(key) => {
            count_attempt(&state, RateLimitKey::Caller(key.key_id.0))?;
            if check_key_validity(&key).is_err() {
                let mut answer = refuse(&state, &request, next, Code::KeyDisabled, "page-sign-in-ended-key")?;
                answer.extensions_mut().insert(AuditedCaller(Caller::from_key(&key)));
                return Ok(answer);
            }
            (Caller::from_key(&key), SignInMethod::Key(key.user_id, key.key_id))
        }
    };
    begin(&state, &request, caller, &method, next).await
}
