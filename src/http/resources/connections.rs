//! Connections to stores of others, as far as callers need to know them: name and rights, never addresses or secrets.

use actix_web::web::Data;
use actix_web::{HttpResponse, get};
use offprint_storage::remote::RemoteKind;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::AppState;
use crate::app::connections;
use crate::db::{self, company};
use crate::http::extract::caller::Caller;
use crate::http::extract::page::Page;
use crate::http::problem::Problem;

/// A store of somebody else that the operator has set up for the company.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    /// Name by which requests refer to it.
    #[schema(example = "shop-photos")]
    pub(in crate::http) name: String,
    /// `bucket` (S3, Google Cloud Storage, Azure and compatible stores), `folder`, or `web` (a web server, which can only be read,
    /// and not listed).
    #[schema(example = "bucket")]
    pub(in crate::http) kind: &'static str,
    /// Whether files can be imported from it.
    pub(in crate::http) can_read: bool,
    /// Whether files can be delivered to it.
    pub(in crate::http) can_write: bool,
}

impl From<&connections::Connection> for Connection {
    fn from(connection: &connections::Connection) -> Self {
        let kind = match connection.store.kind() {
            RemoteKind::Bucket => "bucket",
            RemoteKind::Folder => "folder",
            RemoteKind::Web => "web",
        };
        let (can_read, can_write) = (connection.access.can_read(), connection.access.can_write());
        Self { name: connection.name.clone(), kind, can_read, can_write }
    }
}

/// List connections.
///
/// The buckets, folders and web servers from which your company can import files, and to which it can have files delivered,
/// sorted by name, on one page. The operator sets them up (`OFFPRINT_CONNECTIONS`); their addresses and credentials are
/// not shown.
#[utoipa::path(tag = "connections", operation_id = "listConnections",
    responses((status = 200, description = "The connections of the company.", body = Page<Connection>)))]
#[get("/connections")]
pub async fn list_connections(state: Data<AppState>, caller: Caller) -> Result<HttpResponse, Problem> {
    let items = list_company_connections(&state, &caller).await?;
    Ok(HttpResponse::Ok().json(Page::<Connection> { items, next_cursor: None }))
}

/// The connections of the caller's company, sorted by name.
pub(in crate::http) async fn list_company_connections(
    state: &AppState,
    caller: &Caller,
) -> Result<Vec<Connection>, Problem> {
    let mut connection = state.db.acquire().await.map_err(db::DbError::from)?;
    let company = company::fetch_company_name(&mut connection, caller.company).await?;
    Ok(state.connections.list(&company).map(Connection::from).collect())
}
