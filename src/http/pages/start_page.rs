//! The start page: what this is, and where to go from here.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use askama::Template;

use crate::app::AppState;
use crate::http::extract::locale;
use crate::http::pages::frame::{Account, Frame};
use crate::http::pages::sign_in::write_provider_address;
use crate::http::problem::Problem;
use crate::http::session::find_session;
use crate::i18n;

#[derive(Template)]
#[template(path = "start.html")]
struct StartPage {
    frame: Frame,
    /// Whether everybody may call the API.
    is_open: bool,
    /// Address of the way to the identity provider, for whoever is not signed in.
    provider: Option<String>,
    version: &'static str,
}

/// `GET /`: the start page for this reader.
#[get("/")]
pub(crate) async fn show_start_page(state: Data<AppState>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let language = locale::find_accepted_language(&request).unwrap_or_else(i18n::default_language);
    let mut frame = Frame::new(language, language.format("page-start-title", &[]));
    frame.account = find_session(&state, request.headers()).await?.map(|session| Account {
        name: session.user_name.unwrap_or_else(|| language.format("page-operator", &[])),
        csrf: session.csrf_token,
    });
    let is_open = !state.settings.is_key_required();
    frame.can_sign_in = !is_open;
    let provider = write_provider_address(&state, "/").filter(|_| frame.account.is_none());
    let page = StartPage { frame, is_open, provider, version: env!("CARGO_PKG_VERSION") };
    page.frame.respond(StatusCode::OK, &page)
}
