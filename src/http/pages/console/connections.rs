//! The stores of others that the company may use. The operator sets them up, so there is nothing to change here.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use askama::Template;

use crate::app::AppState;
use crate::http::pages::console::frame::ConsoleFrame;
use crate::http::pages::console::section::Section;
use crate::http::problem::Problem;
use crate::http::resources::connections::list_company_connections;

#[derive(Template)]
#[template(path = "console/connections.html")]
struct ConnectionsPage {
    frame: ConsoleFrame,
    connections: Vec<ConnectionLine>,
}

struct ConnectionLine {
    name: String,
    kind: String,
    can_read: bool,
    can_write: bool,
}

/// `GET /console/connections`.
#[get("/console/connections")]
pub(super) async fn show_connections(state: Data<AppState>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let frame = ConsoleFrame::open(&state, &request, Section::Connections).await?;
    let connections = list_company_connections(&state, &frame.caller).await?;
    let connections = connections.into_iter().map(|connection| ConnectionLine {
        kind: frame.text(&format!("console-connection-{}", connection.kind)),
        name: connection.name,
        can_read: connection.can_read,
        can_write: connection.can_write,
    });
    let page = ConnectionsPage { connections: connections.collect(), frame };
    page.frame.respond(StatusCode::OK, &page)
}
