//! Reads the audit log of a company. It is written by [`audit_trail`](crate::http::middleware::audit_trail).

use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse, get};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::AppState;
use crate::db::audit::{self, AuditFilter, AuditOutcome};
use crate::http::extract::caller::Caller;
use crate::http::extract::page;
use crate::http::extract::page::Page;
use crate::http::problem::Problem;
use crate::http::responses::QueryProblems;
use crate::id::{AuditId, KeyId, UserId};

/// One entry of the audit log.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditLine {
    /// Handle of the entry.
    audit_handle: AuditId,
    /// When the request was answered.
    at: DateTime<Utc>,
    /// The user; null when unknown.
    user_handle: Option<UserId>,
    /// The user's name at that time.
    user: Option<String>,
    /// The API key that was sent.
    key_handle: Option<KeyId>,
    /// The operation: method and path as in this document, or a command of `offprint admin`.
    #[schema(example = "DELETE /assets/{assetHandle}")]
    operation: String,
    /// Path of the request, or of the object that it created.
    #[schema(example = "/assets/0198f3c2-a7e4-7d5f-8b1c-2d3e4f5a6b7c")]
    object: String,
    /// IP address of the client.
    #[schema(example = "192.0.2.7")]
    address: Option<String>,
    /// How the operation ended.
    outcome: AuditOutcome,
    /// HTTP status of the response.
    status: Option<i16>,
    /// Code of the problem, if it failed.
    code: Option<String>,
    /// The request ID, as in the server's log.
    request_id: Option<String>,
}

impl From<audit::AuditRow> for AuditLine {
    fn from(row: audit::AuditRow) -> Self {
        Self {
            audit_handle: row.audit_id,
            at: row.at,
            user_handle: row.user_id,
            user: row.user_name,
            key_handle: row.key_id,
            operation: row.operation,
            object: row.object,
            address: row.address,
            outcome: row.outcome,
            status: row.status,
            code: row.code,
            request_id: row.request_id,
        }
    }
}

/// Which entries to list.
#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditLogQuery {
    /// Only operations of this user.
    user_handle: Option<UserId>,
    /// Only operations with this API key.
    key_handle: Option<KeyId>,
    /// Only this operation, such as `DELETE /assets/{assetHandle}`.
    operation: Option<String>,
    /// Only operations on this object, by its path, such as `/assets/0198…`.
    object: Option<String>,
    /// Only operations with this outcome.
    outcome: Option<AuditOutcome>,
    /// Only entries at or after this time.
    since: Option<DateTime<Utc>>,
    /// Only entries before this time.
    until: Option<DateTime<Utc>>,
    /// Entries per page, 1 to 1000. Default: 100.
    #[serde(skip_serializing_if = "page::not_a_filter")]
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `nextCursor` of the previous page.
    #[serde(skip_serializing_if = "page::not_a_filter")]
    #[param(min_length = 1)]
    cursor: Option<String>,
}

/// List audit log entries.
///
/// Newest first: every operation that changed something, every refused access, and every look at the webhook secret, with
/// user, object, client address and outcome. Entries are kept for 90 days. Refused and failed requests have at most 60
/// entries per minute and key. Those of unknown callers are in the log of the company `default`, at most 60 per minute and
/// address.
#[utoipa::path(
    tag = "service",
    operation_id = "listAuditLog",
    params(AuditLogQuery),
    responses((status = 200, description = "One page of entries.", body = Page<AuditLine>), QueryProblems),
)]
#[get("/audit-log")]
pub async fn list_audit_log(
    state: Data<AppState>,
    caller: Caller,
    filters: Query<AuditLogQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let limit = page::parse_limit(filters.limit)?;
    let before = page::parse_cursor(filters.cursor.as_deref(), &*filters, page::parse_single_key)?;
    let filter = AuditFilter {
        user: filters.user_handle,
        key: filters.key_handle,
        operation: filters.operation.clone(),
        object: filters.object.clone(),
        outcome: filters.outcome,
        since: filters.since,
        until: filters.until,
    };
    let rows = audit::list_audit_entries(&state.db, caller.company, &filter, before, limit + 1).await?;
    let entries: Vec<AuditLine> = rows.into_iter().map(AuditLine::from).collect();
    Ok(Page::new(entries, limit, &*filters, |entry| vec![entry.audit_handle.to_string()]).into_response(&request))
}
