//! The live list of the console, and what ends it.

use std::time::Duration;

use actix_web::dev::Service as _;
use actix_web::test::{TestRequest, init_service};
use offprint::db::api_key::RawKey;
use offprint::db::row_level_security::run_as_company;
use offprint::settings::AuthMode;
use serde_json::json;
use sqlx::PgPool;

use crate::support::browser::TestBrowser;
use crate::support::test_app::TestApp;
use crate::support::test_user::TestUser;

use super::pages_sign_in::sign_in_by_key;

const TEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Nobody waits for a heartbeat: with the key the stream ends at once.
#[sqlx::test]
async fn a_live_list_ends_with_the_key_of_its_session(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| {
        settings.auth = AuthMode::Keys;
        settings.stream_heartbeat = Duration::from_secs(3600);
    })
    .await;
    let ann = TestUser::new(&app, "one", "ann").await;
    let bob = TestUser::new(&app, "one", "bob").await;
    let asset = ann.upload_asset("a.txt", b"bytes").await;
    let request = json!({"assetHandleArray": [asset], "fmt": "orig", "execTime": "2099-01-01T00:00:00Z"});
    ann.post("/export-jobs", request).await.expect_status(202);
    let browser = TestBrowser::new(&app);
    sign_in_by_key(&browser, &ann.key).await;
    let address = browser.open("/console/jobs").await.attributes("data-progress").remove(0);
    let service = init_service(offprint::http::build_app(app.state.clone())).await;
    let cookie = format!("offprint_session={}", browser.cookies.borrow()["offprint_session"]);
    let request =
        TestRequest::get().uri(&address).insert_header(("cookie", cookie)).insert_header(("host", "localhost"));
    let answer = run_as_company(ann.company, service.call(request.to_request())).await.unwrap().map_into_boxed_body();
    assert_eq!(answer.status(), 200);
    let revocation = format!("/api-keys/{}", ann.key.parse::<RawKey>().unwrap().id);
    let read_all = tokio::time::timeout(TEST_TIMEOUT, actix_web::body::to_bytes(answer.into_body()));
    let (text, revoked) = tokio::join!(read_all, bob.delete(&revocation));
    assert_eq!(revoked.status.as_u16(), 204);
    let text = text.expect("the stream ends").unwrap_or_default();
    assert!(text.starts_with(b"retry: "), "{text:?}");
}
