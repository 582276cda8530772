//! Resumable uploads: requests of the tus protocol.

use actix_web::http::Method;
use actix_web::test::TestRequest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::support::test_app::{TestApp, TestResponse};

pub fn encode_metadata(words: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = words.iter().map(|(word, value)| format!("{word} {}", STANDARD.encode(value))).collect();
    pairs.join(",")
}

pub fn build_creation(length: usize, words: &[(&str, &str)]) -> TestRequest {
    let request = TestRequest::post().uri("/uploads").insert_header(("tus-resumable", "1.0.0"));
    request
        .insert_header(("upload-length", length.to_string()))
        .insert_header(("upload-metadata", encode_metadata(words)))
}

/// Creates an upload; its path.
pub async fn create_upload(app: &TestApp, length: usize, words: &[(&str, &str)]) -> String {
    let answer = app.send(build_creation(length, words)).await;
    let address = answer.header("location").to_owned();
    answer.expect_status(201);
    address
}

pub fn build_patch(address: &str, offset: usize) -> TestRequest {
    let request = TestRequest::patch().uri(address).insert_header(("tus-resumable", "1.0.0"));
    request
        .insert_header(("upload-offset", offset.to_string()))
        .insert_header(("content-type", "application/offset+octet-stream"))
}

pub async fn send_piece(app: &TestApp, address: &str, offset: usize, bytes: &[u8]) -> TestResponse {
    app.send(build_patch(address, offset).set_payload(bytes.to_vec())).await
}

pub async fn send_head(app: &TestApp, address: &str) -> TestResponse {
    let request = TestRequest::default().method(Method::HEAD).uri(address);
    app.send(request.insert_header(("tus-resumable", "1.0.0"))).await
}

pub async fn fetch_offset(app: &TestApp, address: &str) -> usize {
    send_head(app, address).await.header("upload-offset").parse().unwrap()
}
