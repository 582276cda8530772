//! What a code means: the page to which the `type` of a problem leads.

use actix_web::http::header;
use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse, get};
use offprint_core::Code;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::extract::accept::choose_media_type;
use crate::http::pages::code_page;
use crate::http::problem::{IpsFault, Problem, choose_status, format_title, map_ips_fault};
use crate::http::responses::{NotAcceptableProblem, NotFoundProblem};
use crate::reason::CodeSchema;

/// What a code means.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CodeExplanation {
    /// The code.
    #[schema(value_type = CodeSchema)]
    code: Code,
    /// Short name, as in problems.
    #[schema(example = "Not found")]
    title: String,
    /// What it means.
    description: &'static str,
    /// The HTTP status of a problem with this code. Codes of items and warnings never are an answer by themselves.
    #[schema(example = 404)]
    status: u16,
    /// The corresponding fault of IPS; null when there is none.
    ips: Option<IpsFault>,
}

/// Explain a code.
///
/// The `type` of a problem leads here. A page for browsers, JSON for programs.
#[utoipa::path(
    tag = "service",
    operation_id = "explainCode",
    params(("code" = String, Path, description = "A code, as in problems, failures and warnings.", example = "not-found")),
    responses((status = 200, description = "What the code means.", body = CodeExplanation), NotFoundProblem, NotAcceptableProblem),
)]
#[get("/problems/{code}")]
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
