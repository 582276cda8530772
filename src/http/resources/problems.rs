//! What a code means: the page to which the `type` of a problem leads.

use actix_web::http::header;
use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse};
use offprint_core::Code;
use serde::Serialize;

use crate::http::extract::accept::choose_media_type;
use crate::http::pages::code_page;
use crate::http::problem::{IpsFault, Problem, choose_status, format_title, map_ips_fault};

/// What a code means.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CodeExplanation {
    /// The code.
    code: Code,
    /// Short name, as in problems.
    title: String,
    /// What it means.
    description: &'static str,
    /// The HTTP status of a problem with this code. Codes of items and warnings never are an answer by themselves.
    status: u16,
    /// The corresponding fault of IPS; null when there is none.
    ips: Option<IpsFault>,
}

/// `GET /problems/{code}`: the `type` of a problem leads here. A page for browsers, JSON for programs.
pub async fn explain_code(request: HttpRequest, code: Path<String>) -> Result<HttpResponse, Problem> {
    let code = Code::from_kebab_case(&code).ok_or_else(|| Problem::not_found("code"))?;
    let explanation = CodeExplanation {
        code,
        title: format_title(code),
        description: code.description(),
        status: choose_status(code).as_u16(),
        ips: map_ips_fault(code),
    };
    let mut answer = HttpResponse::Ok();
    answer.insert_header((header::VARY, "Accept"));
    Ok(match choose_media_type(&request, &[mime::APPLICATION_JSON, mime::TEXT_HTML])? {
        0 => answer.json(explanation),
        _ => code_page::show_code_page(
            &request,
            (&explanation.title, &code.to_kebab_case(), explanation.description),
            explanation.status,
        )?,
    })
}
