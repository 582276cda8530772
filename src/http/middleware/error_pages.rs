//! Problems as pages: whoever asks for HTML gets an error in words, with the same status and headers. Programs get JSON.
//! Whoever must sign in to see the console is led there.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse};
use offprint_core::Code;

use crate::http::extract::accept::prefers_page;
use crate::http::extract::locale;
use crate::http::middleware::head::omit_body;
use crate::http::middleware::route::find_route;
use crate::http::pages::error_page::{ErrorReader, build_error_page, write_sign_in_path};
use crate::http::pages::frame::redirect_to;
use crate::http::problem::ProblemDetails;
use crate::i18n;

/// Replaces the problem in a response by a page.
pub async fn show_error_pages(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let (is_page_wanted, is_head) = (prefers_page(request.headers()), request.method() == Method::HEAD);
    let reader = ErrorReader {
        language: locale::find_accepted_language(&request).unwrap_or_else(i18n::default_language),
        next: (request.method() == Method::GET).then(|| request.uri().to_string()),
        is_link: is_below(&request, "/downloads/"),
        is_console: is_below(&request, "/console"),
    };
    let convert = |answer: HttpResponse| {
        let is_problem = answer.extensions().contains::<ProblemDetails>();
        match (is_problem, is_page_wanted) {
            (false, _) => answer,
            (true, false) => add_vary(answer),
            (true, true) => replace_by_page(answer, &reader, is_head),
        }
    };
    match next.call(request).await {
        Ok(answer) => {
            let (request, response) = answer.map_into_boxed_body().into_parts();
            Ok(ServiceResponse::new(request, convert(response)))
        }
        Err(error) => {
            let response = convert(error.as_response_error().error_response());
            Err(InternalError::from_response("a problem", response).into())
        }
    }
}

fn is_below(request: &ServiceRequest, path: &str) -> bool {
    find_route(request).template().is_some_and(|template| template.starts_with(path))
}

/// The answer depends on `Accept`, whatever it is this time.
fn add_vary(mut answer: HttpResponse) -> HttpResponse {
    answer.headers_mut().append(header::VARY, HeaderValue::from_static("Accept"));
    answer
}

fn replace_by_page(answer: HttpResponse, reader: &ErrorReader, is_head: bool) -> HttpResponse {
    let page = {
        let extensions = answer.extensions();
        let Some(problem) = extensions.get::<ProblemDetails>() else {
            return HttpResponse::InternalServerError().finish();
        };
        match &reader.next {
            Some(next) if reader.is_console && problem.code() == Code::Unauthenticated => {
                return redirect_to(&write_sign_in_path(Some(next)));
            }
            _ => build_error_page(problem, answer.headers(), reader),
        }
    };
    let (mut answer, _) = answer.into_parts();
    let (page_head, body) = page.into_parts();
    copy_headers(page_head.headers(), answer.headers_mut());
    match is_head {
        true => answer.set_body(body).map_body(|head, body| BoxBody::new(omit_body(head, body))),
        false => answer.set_body(body),
    }
}

/// The headers of the page take the place of the problem's; those that say how its body was sent are about the old one.
fn copy_headers(page: &HeaderMap, answer: &mut HeaderMap) {
    for about_body in [header::CONTENT_LENGTH, header::CONTENT_ENCODING, header::CONTENT_TYPE, header::ETAG] {
        answer.remove(about_body);
    }
    for (name, value) in page {
        match *name == header::VARY {
            true => answer.append(name.clone(), value.clone()),
            false => drop(answer.insert(name.clone(), value.clone())),
        }
    }
}
