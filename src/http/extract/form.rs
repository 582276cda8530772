//! Forms of pages. A form is taken only when it comes from a page of the service that this browser has loaded.

use actix_web::dev::Payload;
use actix_web::web::{Data, Query};
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use futures_util::future::LocalBoxFuture;
use offprint_core::Code;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::app::AppState;
use crate::http::extract::body::read_body;
use crate::http::middleware::route::find_route;
use crate::http::operations::BodyRule;
use crate::http::problem::Problem;
use crate::http::session::check_form_token;

/// More than any form has that people fill in by hand.
const MAX_FORM_BYTES: usize = 8 << 10;
/// Room for a list of some ten thousand names.
const MAX_CONSOLE_FORM_BYTES: usize = 1 << 20;

/// A form without fields of its own: a button.
#[derive(serde::Deserialize)]
pub(crate) struct EmptyForm {}

/// The fields of a form whose CSRF token was checked.
pub(crate) struct PageForm<T>(pub(crate) T);

/// The hidden field that every form has.
#[derive(Deserialize)]
struct CsrfField {
    csrf: String,
}

impl<T: DeserializeOwned> FromRequest for PageForm<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, pieces) = (request.clone(), payload.take());
        Box::pin(async move {
            let state = request.app_data::<Data<AppState>>().cloned();
            let state = state.ok_or_else(|| Problem::internal("the application has no state"))?;
            if !request.content_type().eq_ignore_ascii_case("application/x-www-form-urlencoded") {
                let detail = "This is a form of a page: `Content-Type` must be `application/x-www-form-urlencoded`.";
                return Err(Problem::new(Code::UnsupportedMediaType, detail));
            }
            let body = read_body(pieces, find_max_bytes(&request)).await?;
            let text = String::from_utf8(body).map_err(|_| reject_form())?;
            // A form is written as a query string is.
            let token = Query::<CsrfField>::from_query(&text).map(|field| field.into_inner().csrf).unwrap_or_default();
            check_form_token(&state, &request, &token)?;
            Query::<T>::from_query(&text).map(|fields| Self(fields.into_inner())).map_err(|_| reject_form())
        })
    }
}

fn find_max_bytes(request: &HttpRequest) -> usize {
    match find_route(request).operation().map(|operation| operation.body) {
        Some(BodyRule::ConsoleForm) => MAX_CONSOLE_FORM_BYTES,
        _ => MAX_FORM_BYTES,
    }
}

fn reject_form() -> Problem {
    Problem::new(Code::InvalidParameter, "The form cannot be read. Load its page again.")
}
