//! The files that pages load: stylesheet, scripts, icon. Their address has a version made of their bytes, so browsers may keep
//! them for ever and load them anew after an update. Scripts import each other by relative addresses, which have it, too.

use std::sync::LazyLock;

use actix_web::http::header;
use actix_web::web::Path;
use actix_web::{HttpResponse, get};
use offprint_core::Digest;

use crate::http::address::write_address;
use crate::http::problem::Problem;

const ICON: &str = include_str!("static/icon.svg");

/// Each file with its media type and its text.
const FILES: &[(&str, &str, &str)] = &[
    ("style.css", "text/css; charset=utf-8", include_str!("static/style.css")),
    ("page.js", "text/javascript; charset=utf-8", include_str!("static/page.js")),
    ("link.js", "text/javascript; charset=utf-8", include_str!("static/link.js")),
    ("live.js", "text/javascript; charset=utf-8", include_str!("static/live.js")),
    ("job.js", "text/javascript; charset=utf-8", include_str!("static/job.js")),
    ("jobs.js", "text/javascript; charset=utf-8", include_str!("static/jobs.js")),
    ("csrf.js", "text/javascript; charset=utf-8", include_str!("static/csrf.js")),
    ("modifier.js", "text/javascript; charset=utf-8", include_str!("static/modifier.js")),
    ("new_export.js", "text/javascript; charset=utf-8", include_str!("static/new_export.js")),
    ("preset.js", "text/javascript; charset=utf-8", include_str!("static/preset.js")),
    ("ticks.js", "text/javascript; charset=utf-8", include_str!("static/ticks.js")),
    ("tus.js", "text/javascript; charset=utf-8", include_str!("static/tus.js")),
    ("uploads.js", "text/javascript; charset=utf-8", include_str!("static/uploads.js")),
    ("icon.svg", "image/svg+xml", ICON),
];

/// The first digits of the digest of all files.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let all: String = FILES.iter().flat_map(|(name, _, text)| [*name, *text]).collect();
    Digest::compute(all.as_bytes()).to_string()[..12].to_owned()
});

/// The address of a file, with the version.
pub(super) fn write_file_address(name: &str) -> String {
    write_address(&format!("/static/{}/{name}", *VERSION))
}

/// `GET /static/{version}/{file}`. While several versions of the service run side by side, one may be asked for the file of
/// another: it answers with its own, which then is not kept.
#[get("/static/{version}/{file}")]
pub(super) async fn show_static_file(path: Path<(String, String)>) -> Result<HttpResponse, Problem> {
    let (version, name) = path.into_inner();
    let file = FILES.iter().find(|(known, _, _)| *known == name);
    let (_, media, text) = file.ok_or_else(|| Problem::not_found("file of a page"))?;
    let caching = if version == *VERSION { "public, max-age=31536000, immutable" } else { "no-cache" };
    Ok(respond_with_file(media, text, caching))
}

/// `GET /favicon.ico`, which browsers ask for where no page names an icon.
#[get("/favicon.ico")]
pub(super) async fn show_icon() -> HttpResponse {
    respond_with_file("image/svg+xml", ICON, "public, max-age=86400")
}

/// `GET /robots.txt`. Nothing here is for search engines.
#[get("/robots.txt")]
pub(super) async fn show_robots() -> HttpResponse {
    respond_with_file("text/plain; charset=utf-8", "User-agent: *\nDisallow: /\n", "public, max-age=86400")
}

/// `GET /swagger-ui/swagger-initializer.js`, in place of the one that comes with Swagger UI.
#[get("/swagger-ui/swagger-initializer.js")]
pub(super) async fn show_swagger_initializer() -> HttpResponse {
    let text = include_str!("static/swagger-initializer.js");
    respond_with_file("text/javascript; charset=utf-8", text, "no-cache")
}

fn respond_with_file(media: &str, text: &'static str, caching: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(media)
        .insert_header((header::CACHE_CONTROL, caching))
        // An icon that is opened by itself is a page of its own.
        .insert_header((header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox; frame-ancestors 'none'"))
        .body(text)
}
