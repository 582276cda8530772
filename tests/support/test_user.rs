//! An application that requires API keys, and users with a key.

use actix_web::test::TestRequest;
use offprint::db::api_key::{self, NewApiKeyRow, RawKey};
use offprint::db::capability::Capability;
use offprint::db::company;
use offprint::id::CompanyId;
use offprint::settings::AuthMode;
use serde_json::Value;

use crate::support::test_app::{TestApp, TestResponse, build_multipart_request};
use crate::support::test_database::TestDatabase;

/// An application that requires API keys.
pub async fn open_guarded_app(database: impl TestDatabase) -> TestApp {
    TestApp::with_settings(database, |settings| settings.auth = AuthMode::Keys).await
}

/// A user of a company with an API key.
pub struct TestUser<'a> {
    pub app: &'a TestApp,
    pub company: CompanyId,
    user: String,
    pub key: String,
}

impl<'a> TestUser<'a> {
    /// A user whose key has these capabilities.
    pub async fn with_capabilities(app: &'a TestApp, company: &str, user: &str, capabilities: &[Capability]) -> Self {
        let mut connection = app.state.system.acquire().await.unwrap();
        let company = company::ensure_company(&mut connection, company).await.unwrap();
        drop(connection);
        let mut caller = Self { app, company, user: user.into(), key: String::new() };
        caller.key = caller.create_key(capabilities).await;
        caller
    }

    /// A user whose key has all capabilities.
    pub async fn new(app: &'a TestApp, company: &str, user: &str) -> Self {
        Self::with_capabilities(app, company, user, &Capability::ALL).await
    }

    /// Creates another key of the same user.
    pub async fn create_key(&self, capabilities: &[Capability]) -> String {
        let raw = RawKey::new().unwrap();
        let mut connection = self.app.state.system.acquire().await.unwrap();
        let user = company::upsert_user(&mut connection, self.company, &self.user, None, None).await.unwrap();
        let new = NewApiKeyRow { name: "of a test", user, capabilities, expires_at: None };
        api_key::insert_api_key(&mut connection, self.company, &raw, &new).await.unwrap();
        let key = raw.reveal();
        self.app.leak_check.remember_keys(&key);
        key
    }

    pub async fn send(&self, request: TestRequest) -> TestResponse {
        send_with_authorization(self.app, request, Some(&format!("Bearer {}", self.key))).await
    }

    pub async fn get(&self, uri: &str) -> TestResponse {
        self.send(TestRequest::get().uri(uri)).await
    }

    pub async fn post(&self, uri: &str, body: Value) -> TestResponse {
        self.send(TestRequest::post().uri(uri).set_json(body)).await
    }

    pub async fn delete(&self, uri: &str) -> TestResponse {
        self.send(TestRequest::delete().uri(uri)).await
    }

    pub async fn upload(&self, name: &str, bytes: &[u8]) -> TestResponse {
        self.send(build_upload_request(name, bytes)).await
    }

    /// Uploads one file; its handle.
    pub async fn upload_asset(&self, name: &str, bytes: &[u8]) -> String {
        let answer = self.upload(name, bytes).await.expect_status(201);
        answer["assets"][0]["assetHandle"].as_str().unwrap().to_owned()
    }
}

/// Sends a request with this `Authorization`.
pub async fn send_with_authorization(app: &TestApp, request: TestRequest, authorization: Option<&str>) -> TestResponse {
    let request = match authorization {
        Some(authorization) => request.insert_header(("authorization", authorization)),
        None => request,
    };
    app.send_as_is(request).await
}

pub fn build_upload_request(name: &str, bytes: &[u8]) -> TestRequest {
    build_multipart_request([(format!("name=\"file\"; filename=\"{name}\""), bytes)])
}
