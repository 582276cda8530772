//! The files of Swagger UI. The program has them compressed with gzip, in a quarter of their size, and sends them so.

use std::io::Read;
use std::sync::Arc;

use actix_web::http::header;
use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse, get};
use flate2::read::GzDecoder;
use utoipa_swagger_ui::{Config, serve};

use crate::http::extract::accept::find_coding_quality;
use crate::http::problem::Problem;

/// `GET /swagger-ui/{file}`; without a file its page.
#[get("/swagger-ui/{file:.*}")]
pub(super) async fn show_swagger_file(request: HttpRequest, path: Path<String>) -> Result<HttpResponse, Problem> {
    let file = serve(&path, Arc::new(Config::default())).map_err(|error| Problem::internal(error.to_string()))?;
    let file = file.ok_or_else(|| Problem::not_found("file of Swagger UI"))?;
    let mut response = HttpResponse::Ok();
    response.content_type(file.content_type);
    if !file.gzpipped {
        return Ok(response.body(file.bytes.into_owned()));
    }
    if find_coding_quality(request.headers(), "gzip") > 0.0 {
        response.insert_header((header::CONTENT_ENCODING, "gzip")).insert_header((header::VARY, "Accept-Encoding"));
        return Ok(response.body(file.bytes.into_owned()));
    }
    let mut plain = Vec::new();
    let decoded = GzDecoder::new(&*file.bytes).read_to_end(&mut plain);
    decoded.map_err(|error| Problem::internal(format!("A file of Swagger UI is damaged: {error}")))?;
    Ok(response.body(plain))
}
