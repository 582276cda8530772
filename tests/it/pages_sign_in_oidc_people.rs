//! Who somebody is that has signed in at an identity provider: company, user and capabilities, and how long the session lasts.

use actix_web::test::TestRequest;
use clap::Parser;
use offprint::oidc::check_oidc_settings;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::pages_sign_in_oidc::{begin, open_app, sign_in};
use crate::support::browser::TestBrowser;
use crate::support::identity_provider::{CLIENT_ID, FakeProvider};
use crate::support::test_app::{SettingsArgs, TestApp, open_second_app};
use crate::support::test_user::TestUser;

/// The statuses of operations that need one capability each: assets:read, presets:read, exports:create, admin.
async fn probe(browser: &TestBrowser<'_>) -> [u16; 4] {
    let mut statuses = [0; 4];
    for (status, path) in statuses.iter_mut().zip(["/assets", "/image-presets", "/export-jobs", "/api-keys"]) {
        *status = browser.open(path).await.status();
    }
    statuses
}

async fn count_users(app: &TestApp) -> i64 {
    sqlx::query_scalar("select count(*) from company_user").fetch_one(&app.state.system).await.unwrap()
}

#[sqlx::test]
async fn claims_give_what_the_map_says_and_never_more(pool: PgPool) {
    let provider = FakeProvider::start();
    let app = open_app(pool, &provider, |settings| {
        settings.oidc.oidc_capabilities = vec!["assets:read".into()];
        settings.oidc.oidc_capabilities_claim = Some("resource_access.offprint.roles".into());
        settings.oidc.oidc_capabilities_map = Some("exporters=exports:create;cn=designers,ou=x=presets:read".into());
    })
    .await;
    let roles = |roles: Value| json!({"resource_access": {"offprint": {"roles": roles}}});
    for (claims, statuses) in [
        (json!({}), [200, 403, 403, 403]),
        (roles(json!(["exporters"])), [200, 403, 200, 403]),
        (roles(json!("exporters")), [200, 403, 200, 403]),
        (roles(json!(["exporters", "cn=designers,ou=x", "admin", 7, null])), [200, 200, 200, 403]),
        // What a token says is looked up, never taken: neither capabilities, nor roles of IPS, nor parts of values.
        (roles(json!(["admin", "presets:read", "IpsAdmin", "exporter", "exporters "])), [200, 403, 403, 403]),
        (roles(json!({"exporters": true})), [200, 403, 403, 403]),
        (json!({"resource_access": ["exporters"], "roles": ["exporters"]}), [200, 403, 403, 403]),
        // A name with dots is a name first.
        (json!({"resource_access.offprint.roles": ["exporters"]}), [200, 403, 200, 403]),
    ] {
        provider.set_claims(claims.clone());
        let browser = TestBrowser::elsewhere(&app);
        assert!(sign_in(&browser, &provider).await.response.status.as_u16() < 404, "{claims}");
        assert_eq!(probe(&browser).await, statuses, "{claims}");
    }
    // Settings that give less count at once, also for a session that began before.
    provider.set_claims(roles(json!(["exporters"])));
    let browser = TestBrowser::elsewhere(&app);
    sign_in(&browser, &provider).await;
    let less = open_second_app(&app, None, |settings| {
        settings.oidc = app.state.settings.oidc.clone();
        settings.oidc.oidc_capabilities_map = Some("others=exports:create,admin".into());
        settings.oidc.oidc_capabilities = vec!["presets:read".into()];
    })
    .await;
    let there = TestBrowser::elsewhere(&less);
    there.cookies.borrow_mut().clone_from(&browser.cookies.borrow());
    assert_eq!(probe(&there).await, [403, 403, 200, 403], "only what it had, and what can still be had");
}

#[sqlx::test]
async fn who_has_no_rights_is_told_so_and_leaves_nothing(pool: PgPool) {
    let provider = FakeProvider::start();
    let app = open_app(pool, &provider, |settings| {
        settings.oidc.oidc_capabilities = Vec::new();
        settings.oidc.oidc_capabilities_claim = Some("groups".into());
        settings.oidc.oidc_capabilities_map = Some("exporters=exports:create".into());
        settings.oidc.oidc_company_claim = Some("hd".into());
    })
    .await;
    let admin = TestUser::new(&app, "acme.example", "admin").await;
    let others = TestUser::new(&app, "other.example", "ann").await;
    let before = count_users(&app).await;
    let good = json!({"groups": ["exporters"], "hd": "acme.example"});
    for (wrong, name) in [
        (json!({"groups": ["others"]}), "no capabilities"),
        (json!({"groups": null}), "no claim"),
        (json!({"hd": "nobody.example"}), "an unknown company"),
        (json!({"hd": null}), "no company"),
        (json!({"preferred_username": null}), "no name"),
        (json!({"preferred_username": "  "}), "an empty name"),
        (json!({"preferred_username": "a\u{7}b"}), "a control character"),
        (json!({"preferred_username": "x".repeat(300)}), "a long name"),
        (json!({"preferred_username": "admin"}), "the name of another user"),
    ] {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
        provider.set_claims(claims);
        let browser = TestBrowser::elsewhere(&app);
        let page = sign_in(&browser, &provider).await;
        assert_eq!((page.status(), page.element("h1").as_str()), (403, "You have no access here"), "{name}");
        assert!(!browser.cookies.borrow().contains_key("offprint_session"), "{name}");
        assert_eq!(count_users(&app).await, before, "{name}");
    }
    let companies: i64 = sqlx::query_scalar("select count(*) from company").fetch_one(&app.state.system).await.unwrap();
    assert_eq!(companies, 3, "a claim creates no company");
    // The company of the claim: what another one has is not seen.
    provider.set_claims(good);
    let browser = TestBrowser::elsewhere(&app);
    assert_eq!(sign_in(&browser, &provider).await.status(), 200);
    let company: String = sqlx::query_scalar(
        "select company.name from browser_session join company using (company_id) where issuer is not null",
    )
    .fetch_one(&app.state.system)
    .await
    .unwrap();
    assert_eq!(company, "acme.example");
    let refusals = TestUser::new(&app, "default", "reader").await.get("/audit-log?limit=100").await.expect_status(200);
    let refused = refusals["items"].as_array().unwrap().iter().filter(|line| line["code"] == "sign-in-not-permitted");
    assert_eq!(refused.count(), 9, "{refusals}");
    drop((admin, others));
}

#[sqlx::test]
async fn a_user_is_known_by_the_subject_and_not_by_the_name(pool: PgPool) {
    let provider = FakeProvider::start();
    let app = open_app(pool, &provider, |_| {}).await;
    let find_user = async || -> (i64, String) {
        sqlx::query_as(
            "select (select count(*) from company_user), name from browser_session join company_user using (company_id, user_id)
              order by browser_session.created_at desc limit 1",
        )
        .fetch_one(&app.state.system)
        .await
        .unwrap()
    };
    sign_in(&TestBrowser::elsewhere(&app), &provider).await;
    assert_eq!(find_user().await, (1, "ann".into()));
    // Another name of the same person.
    provider.set_claims(json!({"preferred_username": "ann.smith"}));
    sign_in(&TestBrowser::elsewhere(&app), &provider).await;
    assert_eq!(find_user().await, (1, "ann".into()));
    // Another person of the same name.
    provider.set_claims(json!({"sub": "another"}));
    assert_eq!(sign_in(&TestBrowser::elsewhere(&app), &provider).await.status(), 403);
    provider.set_claims(json!({"sub": "another", "preferred_username": "bob", "email_verified": false}));
    sign_in(&TestBrowser::elsewhere(&app), &provider).await;
    assert_eq!(find_user().await, (2, "bob".into()));
    // Only a verified address is kept; it may come later.
    let find_email = async || -> Option<String> {
        sqlx::query_scalar("select email from company_user where name = 'bob'")
            .fetch_one(&app.state.system)
            .await
            .unwrap()
    };
    assert_eq!(find_email().await, None);
    provider.set_claims(json!({"sub": "another", "email": "bob@example.org"}));
    sign_in(&TestBrowser::elsewhere(&app), &provider).await;
    assert_eq!(find_email().await.as_deref(), Some("bob@example.org"));
    provider.set_claims(json!({"sub": "another", "email": "mallory@example.org"}));
    sign_in(&TestBrowser::elsewhere(&app), &provider).await;
    assert_eq!(find_email().await.as_deref(), Some("bob@example.org"));
}

#[sqlx::test]
async fn an_existing_user_is_taken_over_only_where_the_settings_say_so(pool: PgPool) {
    let provider = FakeProvider::start();
    let app = open_app(pool, &provider, |_| {}).await;
    let ann = TestUser::new(&app, "default", "ann").await;
    assert_eq!(sign_in(&TestBrowser::elsewhere(&app), &provider).await.status(), 403);
    let linking = open_second_app(&app, None, |settings| {
        settings.oidc = app.state.settings.oidc.clone();
        settings.oidc.oidc_link_users = true;
    })
    .await;
    let browser = TestBrowser::new(&linking);
    assert_eq!(sign_in(&browser, &provider).await.status(), 200);
    assert!(browser.open("/").await.text().contains("ann Sign out"));
    // The rights are those of the provider, not those of the user's keys.
    assert_eq!(probe(&browser).await, [200, 403, 200, 403]);
    provider.set_claims(json!({"sub": "another"}));
    assert_eq!(sign_in(&TestBrowser::new(&linking), &provider).await.status(), 403, "one identity is enough");
    drop(ann);
    // A name that is an address must be verified.
    let by_email = open_second_app(&app, None, |settings| {
        settings.oidc = app.state.settings.oidc.clone();
        settings.oidc.oidc_user_claim = "email".into();
    })
    .await;
    for (verified, status) in [(json!(false), 403), (json!(null), 403), (json!("yes"), 403), (json!("true"), 200)] {
        provider.set_claims(json!({"sub": "third", "email": "third@example.org", "email_verified": verified}));
        assert_eq!(sign_in(&TestBrowser::new(&by_email), &provider).await.status(), status, "{verified}");
    }
}

#[sqlx::test]
async fn a_session_of_the_provider_ends_with_its_time_its_user_and_its_issuer(pool: PgPool) {
    let provider = FakeProvider::start();
    let app = open_app(pool, &provider, |_| {}).await;
    let is_in = async |browser: &TestBrowser<'_>| browser.open("/export-jobs").await.status() == 200;
    let browser = TestBrowser::elsewhere(&app);
    sign_in(&browser, &provider).await;
    app.advance_time("7 hours 59 minutes").await;
    assert!(is_in(&browser).await);
    app.advance_time("1 minute").await;
    assert!(!is_in(&browser).await);
    sign_in(&browser, &provider).await;
    assert!(is_in(&browser).await);
    // A process with other settings.
    for issuer in [None, Some("https://id.example".to_owned())] {
        let other = open_second_app(&app, None, |settings| {
            settings.auth = offprint::settings::AuthMode::Keys;
            if issuer.is_some() {
                settings.oidc = app.state.settings.oidc.clone();
                settings.oidc.oidc_issuer = issuer;
            }
        })
        .await;
        let there = TestBrowser::new(&other);
        there.cookies.borrow_mut().clone_from(&browser.cookies.borrow());
        assert!(!is_in(&there).await);
    }
    // The user is deleted.
    sqlx::query("delete from company_user where name = 'ann'").execute(&app.state.system).await.unwrap();
    assert!(!is_in(&browser).await);
}

#[sqlx::test]
async fn signing_in_at_the_provider_begins_a_new_session(pool: PgPool) {
    let provider = FakeProvider::start();
    let app = open_app(pool, &provider, |_| {}).await;
    let (browser, attacker) = (TestBrowser::elsewhere(&app), TestBrowser::elsewhere(&app));
    sign_in(&attacker, &provider).await;
    // Somebody plants a session that he knows while the browser is at the provider.
    let answer = begin(&browser, "/sign-in/oidc").await;
    let planted = attacker.cookies.borrow()["offprint_session"].clone();
    browser.cookies.borrow_mut().insert("offprint_session".into(), planted.clone());
    provider.set_claims(json!({"sub": "bob", "preferred_username": "bob"}));
    browser.open(&provider.approve(answer.header("location"))).await;
    assert_ne!(browser.cookies.borrow()["offprint_session"], planted);
    assert!(browser.open("/").await.text().contains("bob Sign out"));
    assert_eq!(attacker.open("/export-jobs").await.status(), 401, "the planted session has ended");
    // Writes need the token, as with every session.
    let body = json!({"assetHandleArray": [], "fmt": "orig"});
    let write = || TestRequest::post().uri("/export-jobs").set_json(&body);
    assert_eq!(browser.send(write().insert_header(("origin", "http://localhost"))).await.status, 403);
    let token = browser.cookies.borrow()["offprint_csrf"].clone();
    let with_token = write().insert_header(("origin", "http://localhost")).insert_header(("x-csrf-token", token));
    assert_eq!(browser.send(with_token).await.status, 422, "only the body is wrong");
}

#[sqlx::test]
async fn a_schedule_needs_a_key_whose_rights_its_runs_have(pool: PgPool) {
    let provider = FakeProvider::start();
    let app = open_app(pool, &provider, |settings| {
        settings.oidc.oidc_capabilities = vec!["IpsUser".into()];
        settings.oidc.oidc_link_users = true;
    })
    .await;
    let browser = TestBrowser::elsewhere(&app);
    sign_in(&browser, &provider).await;
    let create = async || {
        let token = browser.cookies.borrow()["offprint_csrf"].clone();
        let body = json!({"assetFilter": {"type": "Image"}, "fmt": "orig", "execSchedule": "0 0 12 * * ?"});
        let request = TestRequest::post().uri("/export-schedules").set_json(body);
        browser.send(request.insert_header(("x-csrf-token", token)).insert_header(("origin", "http://localhost"))).await
    };
    let refused = create().await.expect_status(403);
    assert!(refused["detail"].as_str().unwrap().contains("API keys"), "{refused}");
    let ann = TestUser::new(&app, "default", "ann").await;
    create().await.expect_status(201);
    drop(ann);
}

#[test]
fn settings_that_cannot_work_are_refused_with_the_remedy() {
    let id = format!("--oidc-client-id={CLIENT_ID}");
    let check = |arguments: &[&str]| {
        let base = ["offprint", "--oidc-issuer=https://id.example"];
        let arguments = base.iter().copied().chain(arguments.iter().copied()).filter(|argument| !argument.is_empty());
        check_oidc_settings(&SettingsArgs::parse_from(arguments).settings)
    };
    let everybody = "--oidc-capabilities=assets:read,IpsUser";
    assert_eq!(check(&[&id, everybody]), Ok(()));
    assert_eq!(check(&[&id, everybody, "--bind=0.0.0.0:80", "--public-url=https://images.example"]), Ok(()));
    for (arguments, mentioned) in [
        (vec![everybody], "OFFPRINT_OIDC_CLIENT_ID"),
        (vec![&id], "OFFPRINT_OIDC_CAPABILITIES"),
        (vec![&id, "--oidc-capabilities=everything"], "everything"),
        (vec![&id, everybody, "--oidc-scopes=profile email"], "openid"),
        (vec![&id, everybody, "--bind=0.0.0.0:80"], "OFFPRINT_PUBLIC_URL"),
        (vec![&id, "--oidc-capabilities-claim=groups", "--oidc-capabilities-map=a"], "OFFPRINT_OIDC_CAPABILITIES_MAP"),
    ] {
        let error = check(&arguments).unwrap_err();
        assert!(error.contains(mentioned), "{arguments:?}: {error}");
    }
    // Settings beside an issuer that is missing.
    for argument in [id.as_str(), everybody, "--oidc-link-users", "--oidc-company=acme", "--oidc-company-claim=hd"] {
        let settings = SettingsArgs::parse_from(["offprint", argument]).settings;
        assert!(check_oidc_settings(&settings).unwrap_err().contains("OFFPRINT_OIDC_ISSUER"), "{argument}");
    }
    let without = SettingsArgs::parse_from(["offprint"]).settings;
    assert_eq!((check_oidc_settings(&without), without.is_key_required()), (Ok(()), false));
    let with = SettingsArgs::parse_from(["offprint", "--oidc-issuer=https://id.example"]).settings;
    assert!(with.is_key_required(), "the provider is there so that not everybody may do everything");
}
