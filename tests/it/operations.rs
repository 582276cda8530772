//! Every operation of the OpenAPI document and every page with every kind of wrong key, with each capability missing, and with the key
//! of another company. An operation without a row in `tests/support/operations.rs` fails the tests.

use actix_web::test::TestRequest;
use offprint::db::api_key::{self, RawKey};
use offprint::db::capability::Capability;
use serde_json::Value;
use sqlx::PgPool;

use crate::support::operations::{ForeignAccess, OperationFixtures, list_operations};
use crate::support::test_app::TestResponse;
use crate::support::test_user::{TestUser, open_guarded_app, send_with_authorization};

/// Status and body of a problem without the parts that differ from request to request.
fn normalize_response(answer: TestResponse, objects: &OperationFixtures) -> (u16, String) {
    let status = answer.status.as_u16();
    let mut body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if let Some(body) = body.as_object_mut() {
        body.remove("requestId");
    }
    let text = [
        (&objects.upload, "U"),
        (&objects.import, "I"),
        (&objects.job, "J"),
        (&objects.asset, "A"),
        (&objects.key, "K"),
        (&objects.link, "L"),
        (&objects.preset, "P"),
        (&objects.schedule, "S"),
        (&objects.delivery, "D"),
    ]
    .into_iter()
    .fold(body.to_string(), |text, (handle, letter)| text.replace(handle, letter));
    (status, text)
}

#[sqlx::test]
async fn no_operation_lets_a_wrong_key_in(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let ann = TestUser::new(&app, "ours", "ann").await;
    let objects = OperationFixtures::create(&ann).await;
    let (revoked, expired) = (ann.create_key(&Capability::ALL).await, ann.create_key(&Capability::ALL).await);
    let id = |key: &str| key.parse::<RawKey>().unwrap().id;
    api_key::revoke_api_key(&app.state.system, ann.company, id(&revoked)).await.unwrap();
    sqlx::query("update api_key set expires_at = now() where key_id = $1")
        .bind(id(&expired))
        .execute(&app.state.system)
        .await
        .unwrap();
    let stranger = RawKey::new().unwrap().reveal();
    // The ID of one key with the secret of another.
    let forged = format!("{}{}", &ann.key[..36], &stranger[36..]);
    let bearer = |key: &str| Some(format!("Bearer {key}"));
    let wrong: Vec<(&str, Option<String>, &str)> = vec![
        ("no key", None, "unauthenticated"),
        ("not a bearer", Some(format!("Basic {}", ann.key)), "invalid-credentials"),
        ("the key alone", Some(ann.key.clone()), "invalid-credentials"),
        ("no text", bearer(""), "invalid-credentials"),
        ("malformed", bearer("op_1_2"), "invalid-credentials"),
        ("cut", bearer(&ann.key[..99]), "invalid-credentials"),
        ("in capitals", bearer(&ann.key.to_uppercase()), "invalid-credentials"),
        ("unknown", bearer(&stranger), "invalid-credentials"),
        ("forged", bearer(&forged), "invalid-credentials"),
        ("revoked", bearer(&revoked), "key-disabled"),
        ("expired", bearer(&expired), "key-disabled"),
    ];
    for operation in list_operations() {
        for (case, authorization, code) in &wrong {
            let answer = send_with_authorization(&app, operation.request(&objects), authorization.as_deref()).await;
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            if operation.needs.is_empty() {
                let status = answer.status.as_u16();
                assert!(operation.is_answered(status), "{} with {case}: {status}", operation.name());
                continue;
            }
            assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"offprint\"", "{} {case}", operation.name());
            assert_eq!(answer.status.as_u16(), 401, "{} with {case}: {text}", operation.name());
            assert!(text.contains(&format!("\"code\":\"{code}\"")), "{} with {case}: {text}", operation.name());
        }
    }
    for open in ["/openapi.json", "/swagger-ui/", "/problems/not-found"] {
        assert!(send_with_authorization(&app, TestRequest::get().uri(open), None).await.status.is_success(), "{open}");
    }
    assert_eq!(send_with_authorization(&app, TestRequest::get().uri("/nowhere"), None).await.status.as_u16(), 401);
    assert_eq!(ann.get("/nowhere").await.status.as_u16(), 404);
}

#[sqlx::test]
async fn every_operation_needs_what_the_document_says_and_no_more(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let ann = TestUser::new(&app, "ours", "ann").await;
    let mut objects = OperationFixtures::create(&ann).await;
    for operation in list_operations().iter().filter(|operation| !operation.needs.is_empty()) {
        // Each capability that every alternative needs is taken away, or else all alternatives together.
        let without: Vec<Vec<Capability>> = match operation.needs.as_slice() {
            [only] => only.iter().map(|capability| vec![*capability]).collect(),
            several => vec![several.concat()],
        };
        for missing in without {
            let rest: Vec<Capability> = Capability::ALL.into_iter().filter(|it| !missing.contains(it)).collect();
            let key = format!("Bearer {}", ann.create_key(&rest).await);
            let answer = send_with_authorization(&app, operation.request(&objects), Some(&key)).await;
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            assert_eq!(answer.status.as_u16(), 403, "{} without {missing:?}: {text}", operation.name());
            assert!(operation.method == "HEAD" || text.contains("\"code\":\"operation-forbidden\""), "{text}");
            for capability in missing {
                assert!(operation.method == "HEAD" || text.contains(&capability.name()), "{text}");
            }
        }
        for enough in &operation.needs {
            let key = format!("Bearer {}", ann.create_key(enough).await);
            let answer = send_with_authorization(&app, operation.request(&objects), Some(&key)).await;
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            let let_in = !matches!(answer.status.as_u16(), 401 | 403) && !answer.status.is_server_error();
            assert!(let_in, "{} with {enough:?}: {} {text}", operation.name(), answer.status);
            if operation.method == "DELETE" {
                objects = OperationFixtures::create(&ann).await;
            }
        }
    }
}

#[sqlx::test]
async fn another_companys_objects_answer_as_if_they_were_nowhere(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let (ann, eve) = (TestUser::new(&app, "ours", "ann").await, TestUser::new(&app, "theirs", "eve").await);
    let objects = OperationFixtures::create(&ann).await;
    let read_lists = async || {
        let mut lists = Vec::new();
        for path in ["/export-jobs", "/export-schedules", "/assets", "/image-presets", "/api-keys"] {
            let mut shown = ann.get(path).await.expect_status(200);
            let used = shown["items"].as_array_mut().unwrap().iter_mut().filter_map(|item| item.as_object_mut());
            used.for_each(|item| drop(item.remove("lastUsedAt")));
            lists.push(shown);
        }
        lists
    };
    let before = read_lists().await;
    let nowhere = OperationFixtures::missing();
    for operation in list_operations() {
        if operation.foreign_access == ForeignAccess::OwnData {
            let answer = eve.send(operation.request(&objects)).await;
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            assert!(operation.is_answered(answer.status.as_u16()), "{}: {} {text}", operation.name(), answer.status);
            if operation.path == "/audit-log" {
                // It shows the handles that eve tried herself.
                assert!(!text.contains("\"ann\""), "eve sees what ann did: {text}");
                continue;
            }
            let ours =
                [&objects.job, &objects.asset, &objects.key, &objects.schedule, &objects.delivery, &objects.upload];
            for handle in ours {
                assert!(!text.contains(handle.as_str()), "{} shows {handle}: {text}", operation.name());
            }
            continue;
        }
        // Guessing a handle gives no information: the response is that for a handle that does not exist.
        eve.delete("/image-presets/preset-of-ours").await;
        let (theirs, nothing) =
            (eve.send(operation.request(&objects)).await, eve.send(operation.request(&nowhere)).await);
        assert!(!theirs.status.is_success(), "{}: {}", operation.name(), theirs.status);
        assert_eq!(normalize_response(theirs, &objects), normalize_response(nothing, &nowhere), "{}", operation.name());
    }
    assert_eq!(read_lists().await, before, "nothing of ours has changed");
}
