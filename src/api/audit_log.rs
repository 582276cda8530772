//! The audit log, read by those who look after the company.

use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse, get};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::caller::Caller;
use crate::api::page::{self, Page};
use crate::api::problem::Problem;
use crate::api::responses::BadQuery;
use crate::db::audit::{self, AuditFilter, AuditOutcome};
use crate::id::{AuditId, KeyId, UserId};
use crate::state::State;

/// One line of the audit log.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditLine {
    /// What the line is called.
    audit_handle: AuditId,
    /// When the answer was given.
    at: DateTime<Utc>,
    /// Who asked; null when that is not known.
    user_handle: Option<UserId>,
    /// What the user was called then.
    user: Option<String>,
    /// The key that was sent.
    key_handle: Option<KeyId>,
    /// What was asked for: method and address as this document has them, or a command of `offprint admin`.
    #[schema(example = "DELETE /assets/{assetHandle}")]
    operation: String,
    /// The address that was sent, or that of what was made.
    #[schema(example = "/assets/0198f3c2-a7e4-7d5f-8b1c-2d3e4f5a6b7c")]
    object: String,
    /// Where the caller was.
    #[schema(example = "192.0.2.7")]
    address: Option<String>,
    /// How it ended.
    outcome: AuditOutcome,
    /// HTTP status of the answer.
    status: Option<i16>,
    /// The problem's code.
    code: Option<String>,
    /// The request's id, as the server's log has it.
    request_id: Option<String>,
}

impl From<audit::Line> for AuditLine {
    fn from(line: audit::Line) -> Self {
        Self {
            audit_handle: line.audit_id,
            at: line.at,
            user_handle: line.user_id,
            user: line.user_name,
            key_handle: line.key_id,
            operation: line.operation,
            object: line.object,
            address: line.address,
            outcome: line.outcome,
            status: line.status,
            code: line.code,
            request_id: line.request_id,
        }
    }
}

/// Which lines to list.
#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditFilters {
    /// Only what this user did.
    user_handle: Option<UserId>,
    /// Only what this key did.
    key_handle: Option<KeyId>,
    /// Only this operation, as lines have it, such as `DELETE /assets/{assetHandle}`.
    operation: Option<String>,
    /// Only what was done to this object, by its address, such as `/assets/0198…`.
    object: Option<String>,
    /// Only what ended like this.
    #[param(inline)]
    outcome: Option<AuditOutcome>,
    /// Only what was done at this moment or later.
    since: Option<DateTime<Utc>>,
    /// Only what was done before this moment.
    until: Option<DateTime<Utc>>,
    /// Lines on a page, 1 to 1000; 100 when absent.
    #[serde(skip_serializing_if = "page::not_a_filter")]
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    #[serde(skip_serializing_if = "page::not_a_filter")]
    #[param(min_length = 1)]
    cursor: Option<String>,
}

/// Read the audit log.
///
/// Every operation of the company's callers that changes something, and every access that was refused, the newest first:
/// who, what, which object, from where, how it ended. Lines are kept for 90 days. Requests of callers who are not known
/// stand in the log of the company `default`, as far as they are not too many.
#[utoipa::path(
    tag = "service",
    operation_id = "listAuditLog",
    params(AuditFilters),
    responses((status = 200, description = "One page of lines.", body = Page<AuditLine>), BadQuery),
)]
#[get("/audit-log")]
pub async fn list_audit_log(
    state: Data<State>,
    caller: Caller,
    filters: Query<AuditFilters>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let limit = page::limit(filters.limit)?;
    let before = page::after(filters.cursor.as_deref(), &*filters, page::only)?;
    let filter = AuditFilter {
        user: filters.user_handle,
        key: filters.key_handle,
        operation: filters.operation.clone(),
        object: filters.object.clone(),
        outcome: filters.outcome,
        since: filters.since,
        until: filters.until,
    };
    let found = audit::list(&state.db, caller.company, &filter, before, limit + 1).await?;
    let shown: Vec<AuditLine> = found.into_iter().map(AuditLine::from).collect();
    Ok(Page::new(shown, limit, &*filters, |line| vec![line.audit_handle.to_string()]).answer(&request))
}
