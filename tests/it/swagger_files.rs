//! The files of Swagger UI: the program has them compressed, and sends them as the client can read them.

use std::io::Read;

use flate2::read::GzDecoder;
use sqlx::PgPool;

use crate::support::test_app::TestApp;

#[sqlx::test]
async fn every_client_gets_the_files_in_a_coding_that_it_reads(pool: PgPool) {
    let app = TestApp::open(pool).await;
    for (file, media, part) in [
        ("", "text/html", "swagger-ui-bundle.js"),
        ("index.html", "text/html", "swagger-ui-bundle.js"),
        ("swagger-ui-bundle.js", "text/javascript", "SwaggerUIBundle"),
        ("swagger-ui.css", "text/css", ".swagger-ui"),
    ] {
        let path = format!("/swagger-ui/{file}");
        let plain = app.get(&path).await;
        assert_eq!(plain.status, 200, "{path}");
        assert!(plain.header("content-type").starts_with(media), "{path}: {}", plain.header("content-type"));
        assert_eq!(plain.header("content-encoding"), "", "{path}");
        assert!(String::from_utf8_lossy(&plain.body).contains(part), "{path}");
        let packed = app.get_with_header(&path, "accept-encoding", "gzip, br").await;
        assert_eq!(packed.header("content-encoding"), "gzip", "{path}");
        let mut unpacked = Vec::new();
        GzDecoder::new(&packed.body[..]).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, plain.body, "{path}");
        for answer in [&plain, &packed] {
            assert_eq!(answer.header("vary").to_lowercase(), "accept-encoding", "{path}");
        }
    }
    // A quarter of it: nothing is kept twice.
    let packed = app.get_with_header("/swagger-ui/swagger-ui-bundle.js", "accept-encoding", "gzip").await;
    assert!(packed.body.len() < 600_000, "{}", packed.body.len());
    let missing = app.get("/swagger-ui/nothing.js").await;
    assert_eq!((missing.status.as_u16(), missing.header("content-type")), (404, "application/problem+json"));
}
