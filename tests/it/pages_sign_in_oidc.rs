//! Signing in at an identity provider: the way there and back, and everything that can be wrong on it.

use actix_web::test::TestRequest;
use offprint::settings::Settings;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::browser::{OpenPage, PAGE_ACCEPT, TestBrowser};
use crate::support::identity_provider::{
    CLIENT_ID, CLIENT_SECRET, FakeProvider, ProviderBehavior, TokenSignature, write_callback,
};
use crate::support::secret_leak_check;
use crate::support::test_app::{TestApp, TestResponse};
use crate::support::test_database::TestDatabase;
use crate::support::test_user::TestUser;

/// An application whose people sign in at this provider and may read assets and export.
pub async fn open_app(
    database: impl TestDatabase,
    provider: &FakeProvider,
    change: impl FnOnce(&mut Settings),
) -> TestApp {
    TestApp::with_settings(database, |settings| {
        let oidc = &mut settings.oidc;
        oidc.oidc_issuer = Some(provider.issuer());
        oidc.oidc_client_id = Some(CLIENT_ID.into());
        oidc.oidc_client_secret = Some(CLIENT_SECRET.into());
        oidc.oidc_capabilities = vec!["assets:read".into(), "exports:create".into()];
        change(settings);
    })
    .await
}

/// Asks the service for the way to the provider.
pub async fn begin(browser: &TestBrowser<'_>, address: &str) -> TestResponse {
    browser.send(TestRequest::get().uri(address).insert_header(("accept", PAGE_ACCEPT))).await
}

/// The path on which the provider sends the browser back.
#[track_caller]
fn approve(provider: &FakeProvider, answer: &TestResponse) -> String {
    assert_eq!(answer.status, 303, "{}", String::from_utf8_lossy(&answer.body));
    provider.approve(answer.header("location"))
}

/// Signs a browser in; the page that it comes to.
pub async fn sign_in(browser: &TestBrowser<'_>, provider: &FakeProvider) -> OpenPage {
    let answer = begin(browser, "/sign-in/oidc?next=/export-jobs").await;
    let callback = approve(provider, &answer);
    let page = browser.open(&callback).await;
    if page.status() >= 400 {
        page.assert_sound();
    }
    page
}

fn has_session(browser: &TestBrowser<'_>) -> bool {
    browser.cookies.borrow().contains_key("offprint_session")
}

/// The value of a parameter of an address.
fn read_parameter(address: &str, name: &str) -> String {
    let url = url::Url::parse("http://localhost").unwrap().join(address).unwrap();
    url.query_pairs().find(|(found, _)| found == name).unwrap().1.into_owned()
}

#[sqlx::test]
async fn somebody_signs_in_at_the_provider_and_acts_until_signing_out(pool: PgPool) {
    let provider = FakeProvider::start();
    let app = open_app(pool, &provider, |_| {}).await;
    let admin = TestUser::new(&app, "default", "admin").await;
    let browser = TestBrowser::elsewhere(&app);
    // A button on the start page, and on the page to sign in, which leads back.
    let start = browser.open("/").await;
    start.assert_sound();
    assert!(start.attributes("href").contains(&"/sign-in/oidc?next=%2F".to_owned()), "{}", start.html);
    let page = browser.open("/sign-in?next=/export-jobs?limit=5").await;
    page.assert_sound();
    assert!(page.text().contains("Sign in with your organisation"), "{}", page.text());
    let way = page.attributes("href").into_iter().find(|address| address.starts_with("/sign-in/oidc")).unwrap();
    let answer = begin(&browser, &way).await;
    let location = answer.header("location").to_owned();
    assert_eq!(answer.header("cache-control"), "private, no-store");
    let (sent, provider_page) = provider.read_request(&location);
    assert_eq!(provider_page, format!("{}/page", provider.issuer()));
    assert_eq!((sent["realm"].as_str(), sent["ui_locales"].as_str()), ("acme", "en"));
    let callback = provider.approve(&location);
    let done = browser.open(&callback).await;
    assert_eq!((done.status(), done.path.as_str()), (200, "/export-jobs?limit=5"), "{}", done.html);
    let start = browser.open("/").await;
    assert!(start.text().contains("ann Sign out"), "{}", start.text());
    assert!(!start.html.contains("/sign-in/oidc"), "who is signed in needs no way there");
    assert_eq!(browser.open("/sign-in").await.path, "/");
    assert_eq!(begin(&browser, "/sign-in/oidc?next=/info").await.header("location"), "/info");
    // What is configured, and nothing else.
    let statuses = ["/assets", "/export-jobs", "/image-presets", "/api-keys", "/audit-log", "/webhook-secret"];
    let mut found = Vec::new();
    for path in statuses {
        found.push(browser.open(path).await.status());
    }
    assert_eq!(found, [200, 200, 403, 403, 403, 403]);
    let user: (Option<String>, Option<String>, Option<String>) =
        sqlx::query_as("select email, locale, time_zone from company_user where name = 'ann'")
            .fetch_one(&app.state.system)
            .await
            .unwrap();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(user, (text("ann@example.org"), text("nl"), text("Europe/Brussels")));
    let lines = admin.get("/audit-log?limit=100").await.expect_status(200);
    let line = lines["items"].as_array().unwrap().iter().find(|line| line["operation"] == "GET /sign-in/oidc/callback");
    let line = line.unwrap_or_else(|| panic!("{lines}"));
    assert_eq!(
        (&line["outcome"], &line["user"], &line["object"]),
        (&json!("done"), &json!("ann"), &json!("/sign-in/oidc/callback"))
    );
    // Nothing of the attempt is left, in the database or in the log.
    let (rows, log) = (
        secret_leak_check::dump_tables(&mut app.state.system.acquire().await.unwrap()).await,
        secret_leak_check::read_log(),
    );
    for secret in
        [sent["state"].clone(), sent["nonce"].clone(), read_parameter(&callback, "code"), CLIENT_SECRET.into()]
    {
        assert!(!rows.contains(&secret) && !log.contains(&secret), "{secret}");
    }
    let left: i64 =
        sqlx::query_scalar("select count(*) from sign_in_attempt").fetch_one(&app.state.system).await.unwrap();
    assert_eq!(left, 0);
    let out = browser.submit(&start, "/sign-out", &[]).await;
    assert_eq!((out.status(), has_session(&browser)), (200, false));
    assert_eq!(browser.open("/export-jobs").await.status(), 401);
}

#[sqlx::test]
async fn a_state_works_once_for_ten_minutes_in_its_own_browser(pool: PgPool) {
    let provider = FakeProvider::start();
    let app = open_app(pool, &provider, |_| {}).await;
    let admin = TestUser::new(&app, "default", "admin").await;
    let (browser, other) = (TestBrowser::elsewhere(&app), TestBrowser::elsewhere(&app));
    let callback = approve(&provider, &begin(&browser, "/sign-in/oidc").await);
    begin(&other, "/sign-in/oidc").await;
    let code = read_parameter(&callback, "code");
    let no_cookies = TestBrowser::elsewhere(&app);
    for (who, address) in [
        ("another browser", callback.clone()),
        ("a made-up state", write_callback(&[("state", "made-up"), ("code", &code)])),
        ("a long state", write_callback(&[("state", &"x".repeat(5000)), ("code", &code)])),
        ("no state", write_callback(&[("code", &code)])),
        ("nothing", "/sign-in/oidc/callback".to_owned()),
    ] {
        for browser in [&other, &no_cookies] {
            let page = browser.open(&address).await;
            page.assert_sound();
            assert_eq!((page.status(), page.element("h1").as_str()), (403, "Please sign in again"), "{who}");
            assert!(!has_session(browser), "{who}");
            let again = page.attributes("href").into_iter().find(|address| address.starts_with("/sign-in"));
            assert_eq!(again.as_deref(), Some("/sign-in"), "not back to the provider's answer");
        }
    }
    // Its own browser still can, once: afterwards neither the state nor the code works.
    let copy = TestBrowser::elsewhere(&app);
    copy.cookies.borrow_mut().clone_from(&browser.cookies.borrow());
    assert_eq!(browser.open(&callback).await.path, "/");
    assert!(has_session(&browser));
    assert_eq!(copy.open(&callback).await.status(), 403);
    let replayed = approve(&provider, &begin(&copy, "/sign-in/oidc").await);
    let replayed =
        write_callback(&[("state", &read_parameter(&replayed, "state")), ("code", &code), ("iss", &provider.issuer())]);
    assert_eq!(copy.open(&replayed).await.status(), 403, "the provider does not take a code twice");
    assert!(!has_session(&copy));
    // Ten minutes.
    let late = TestBrowser::elsewhere(&app);
    let callback = approve(&provider, &begin(&late, "/sign-in/oidc").await);
    app.advance_time("10 minutes").await;
    assert_eq!(late.open(&callback).await.status(), 403);
    let callback = approve(&provider, &begin(&late, "/sign-in/oidc").await);
    app.advance_time("9 minutes").await;
    assert_eq!(late.open(&callback).await.status(), 200);
    // The sweep removes what nobody finished.
    app.advance_time("10 minutes").await;
    offprint::worker::sweep_expired(&app.state).await.unwrap();
    let left: i64 =
        sqlx::query_scalar("select count(*) from sign_in_attempt").fetch_one(&app.state.system).await.unwrap();
    assert_eq!(left, 0);
    let lines = admin.get("/audit-log?limit=100").await.expect_status(200);
    let refused = lines["items"].as_array().unwrap().iter().filter(|line| line["code"] == "sign-in-expired");
    assert!(refused.count() >= 10, "{lines}");
}

#[sqlx::test]
async fn a_code_of_another_browser_signs_nobody_in(pool: PgPool) {
    // Somebody's code under one's own state: the provider compares the code verifier, and we the nonce.
    let provider = FakeProvider::start();
    let app = open_app(pool, &provider, |_| {}).await;
    let (victim, attacker) = (TestBrowser::elsewhere(&app), TestBrowser::elsewhere(&app));
    let stolen = approve(&provider, &begin(&victim, "/sign-in/oidc").await);
    let own = approve(&provider, &begin(&attacker, "/sign-in/oidc").await);
    let mixed = write_callback(&[
        ("state", &read_parameter(&own, "state")),
        ("code", &read_parameter(&stolen, "code")),
        ("iss", &provider.issuer()),
    ]);
    assert_eq!(attacker.open(&mixed).await.status(), 403);
    assert!(!has_session(&attacker));
}

#[sqlx::test]
async fn only_a_token_that_passes_every_check_signs_in(pool: PgPool) {
    let provider = FakeProvider::start();
    let app = open_app(pool, &provider, |_| {}).await;
    let now = chrono::Utc::now().timestamp();
    let attempt = async |name: &str, claims: Value, header: Value, signature: TokenSignature| {
        provider.set_claims(claims);
        provider.set_header(header);
        provider.set_signature(signature);
        let browser = TestBrowser::elsewhere(&app);
        let page = sign_in(&browser, &provider).await;
        (name.to_owned(), page.status(), has_session(&browser))
    };
    let own = TokenSignature::Own;
    let mut results = Vec::new();
    for (name, claims) in [
        ("another nonce", json!({"nonce": "another"})),
        ("no nonce", json!({"nonce": null})),
        ("another issuer", json!({"iss": "https://id.example"})),
        ("an issuer with a slash", json!({"iss": format!("{}/", provider.issuer())})),
        ("no issuer", json!({"iss": null})),
        ("for somebody else", json!({"aud": "another client"})),
        ("for nobody", json!({"aud": []})),
        ("no audience", json!({"aud": null})),
        ("for several, issued to nobody", json!({"aud": [CLIENT_ID, "another client"]})),
        ("for several, issued to another", json!({"aud": [CLIENT_ID, "another client"], "azp": "another client"})),
        ("for us, issued to another", json!({"azp": "another client"})),
        ("expired", json!({"exp": now - 61})),
        ("without an end", json!({"exp": null})),
        ("an end that is a text", json!({"exp": "tomorrow"})),
        ("an end that is no time", json!({"exp": 1e300})),
        ("of the future", json!({"iat": now + 300})),
        ("without a beginning", json!({"iat": null})),
        ("not valid yet", json!({"nbf": now + 300})),
        ("without a subject", json!({"sub": null})),
        ("an empty subject", json!({"sub": ""})),
        ("a subject that is a number", json!({"sub": 7})),
        ("a long subject", json!({"sub": "x".repeat(256)})),
    ] {
        results.push(attempt(name, claims, json!({}), own).await);
    }
    for (name, header) in [
        ("an unknown algorithm", json!({"alg": "ES256K"})),
        ("none, in other letters", json!({"alg": "None"})),
        ("an extension that must be understood", json!({"crit": ["x"]})),
        ("a token of another kind", json!({"typ": "logout+jwt"})),
        ("a key that is not published", json!({"kid": "another"})),
    ] {
        results.push(attempt(name, json!({}), header, own).await);
    }
    for (name, signature) in [
        ("none", TokenSignature::Absent),
        ("HS256 with the public key", TokenSignature::PublicKeyAsSecret),
        ("another key of the same name", TokenSignature::OtherKey),
        ("changed after it was signed", TokenSignature::Changed),
    ] {
        results.push(attempt(name, json!({}), json!({}), signature).await);
    }
    results.push(attempt("an algorithm in the header only", json!({}), json!({"alg": "RS256"}), own).await);
    for (name, status, is_in) in results {
        assert_eq!((status, is_in), (502, false), "{name}");
    }
    for (name, claims, header) in [
        ("as it is", json!({}), json!({})),
        ("a list of one", json!({"aud": [CLIENT_ID]}), json!({})),
        ("for several, issued to us", json!({"aud": ["another client", CLIENT_ID], "azp": CLIENT_ID}), json!({})),
        ("just expired", json!({"exp": now - 20}), json!({})),
        ("a clock that is ahead", json!({"iat": now + 40, "nbf": now + 40}), json!({})),
        ("fractions of seconds", json!({"exp": now as f64 + 60.5}), json!({})),
        ("without the name of the key", json!({}), json!({"kid": null, "typ": null})),
    ] {
        assert_eq!(attempt(name, claims, header, own).await, (name.to_owned(), 200, true), "{name}");
    }
}

#[sqlx::test]
async fn keys_are_fetched_again_when_the_provider_has_another(pool: PgPool) {
    let provider = FakeProvider::start();
    let app = open_app(pool, &provider, |_| {}).await;
    for _ in 0..2 {
        assert_eq!(sign_in(&TestBrowser::elsewhere(&app), &provider).await.status(), 200);
    }
    assert_eq!(provider.key_fetches(), 1);
    provider.rotate_key("second", true);
    assert_eq!(sign_in(&TestBrowser::elsewhere(&app), &provider).await.status(), 200);
    assert_eq!(provider.key_fetches(), 2);
    // Keys that nobody publishes do not make us ask without end.
    for number in 0..5 {
        provider.rotate_key(&format!("unpublished {number}"), false);
        assert_eq!(sign_in(&TestBrowser::elsewhere(&app), &provider).await.status(), 502);
    }
    assert_eq!(provider.key_fetches(), 2);
}

#[sqlx::test]
async fn what_the_provider_does_wrong_is_a_page_with_the_request_id(pool: PgPool) {
    let provider = FakeProvider::start();
    let app = open_app(pool, &provider, |_| {}).await;
    let mut browser = TestBrowser::elsewhere(&app);
    browser.language = "nl";
    let check = async |page: &OpenPage, status: u16, title: &str| {
        page.assert_sound();
        assert_eq!((page.status(), page.element("h1").as_str()), (status, title), "{}", page.html);
        let id = page.response.header("x-request-id").to_owned();
        assert!(!id.is_empty() && page.text().contains(&id), "{}", page.text());
        assert!(page.attributes("href").contains(&"/sign-in".to_owned()), "{}", page.html);
    };
    // Before the browser goes there.
    for (behavior, status, title) in [
        (ProviderBehavior::Failing(500), 503, "De pagina van je organisatie antwoordt niet"),
        (ProviderBehavior::Failing(404), 502, "Inloggen is niet gelukt"),
        (ProviderBehavior::OtherIssuer, 502, "Inloggen is niet gelukt"),
        (ProviderBehavior::PlainEndpoint, 502, "Inloggen is niet gelukt"),
    ] {
        provider.set_behavior(behavior);
        // A failure is remembered for some seconds: another process.
        let app = open_app(app.state.system.clone(), &provider, |_| {}).await;
        let mut browser = TestBrowser::elsewhere(&app);
        browser.language = "nl";
        let page = browser.open("/sign-in/oidc").await;
        check(&page, status, title).await;
        assert!(!page.html.contains(&provider.issuer()), "nothing of the installation: {}", page.html);
        if status == 503 {
            assert_eq!(page.response.header("retry-after"), "5");
        }
    }
    provider.set_behavior(ProviderBehavior::Healthy);
    // When it comes back.
    let denied = [("access_denied", 403, "Je bent niet ingelogd"), ("login_required", 403, "Je bent niet ingelogd")];
    let broken = [
        ("server_error", 503, "De pagina van je organisatie antwoordt niet"),
        ("invalid_scope", 502, "Inloggen is niet gelukt"),
        ("<b>\u{7}evil", 502, "Inloggen is niet gelukt"),
    ];
    for (error, status, title) in denied.into_iter().chain(broken) {
        let state = read_parameter(&approve(&provider, &begin(&browser, "/sign-in/oidc").await), "state");
        let address = write_callback(&[
            ("error", error),
            ("error_description", "made up by somebody"),
            ("state", &state),
            ("iss", &provider.issuer()),
        ]);
        let page = browser.open(&address).await;
        check(&page, status, title).await;
        assert!(!page.html.contains("made up") && !page.html.contains("evil"), "{}", page.html);
    }
    // Without a code, of another provider, and with a token endpoint that does not work.
    for (name, value) in [("code", ""), ("iss", "https://another.example"), ("iss", "")] {
        let callback = approve(&provider, &begin(&browser, "/sign-in/oidc").await);
        let all = ["state", "code", "iss"].map(|name| (name, read_parameter(&callback, name)));
        let changed: Vec<(&str, &str)> =
            all.iter().map(|(known, old)| (*known, if *known == name { value } else { old.as_str() })).collect();
        check(&browser.open(&write_callback(&changed)).await, 502, "Inloggen is niet gelukt").await;
    }
    for (status, shown, title) in
        [(503, 503, "De pagina van je organisatie antwoordt niet"), (403, 502, "Inloggen is niet gelukt")]
    {
        let callback = approve(&provider, &begin(&browser, "/sign-in/oidc").await);
        provider.set_behavior(ProviderBehavior::FailingTokens(status));
        check(&browser.open(&callback).await, shown, title).await;
        provider.set_behavior(ProviderBehavior::Healthy);
    }
    // Programs get the same as JSON.
    let json = app.get("/sign-in/oidc/callback?state=x").await;
    assert_eq!(json.expect_status(403)["code"], "sign-in-expired");
    assert!(!has_session(&browser));
    // It works again, and then the provider is gone for good.
    let callback = approve(&provider, &begin(&browser, "/sign-in/oidc").await);
    drop(provider);
    check(&browser.open(&callback).await, 503, "De pagina van je organisatie antwoordt niet").await;
}

#[sqlx::test]
async fn attempts_at_the_provider_are_limited_and_lead_nowhere_else(pool: PgPool) {
    let provider = FakeProvider::start();
    let app = open_app(pool, &provider, |_| {}).await;
    for next in ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "evil"] {
        let browser = TestBrowser::elsewhere(&app);
        let encoded: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
        let callback = approve(&provider, &begin(&browser, &format!("/sign-in/oidc?next={encoded}")).await);
        let answer = begin(&browser, &callback).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/"), "{next}");
    }
    let mut statuses = Vec::new();
    for _ in 0..40 {
        statuses.push(begin(&TestBrowser::new(&app), "/sign-in/oidc").await.status.as_u16());
    }
    assert!(statuses[..30].iter().all(|status| *status == 303) && statuses[30..].contains(&429), "{statuses:?}");
    let rows: i64 =
        sqlx::query_scalar("select count(*) from sign_in_attempt").fetch_one(&app.state.system).await.unwrap();
    assert!(rows < 35, "{rows}");
}

#[sqlx::test]
async fn another_site_cannot_begin_a_sign_in(pool: PgPool) {
    let provider = FakeProvider::start();
    let app = open_app(pool, &provider, |_| {}).await;
    for (site, is_led_there) in [("cross-site", false), ("same-site", false), ("same-origin", true), ("none", true)] {
        let mut browser = TestBrowser::elsewhere(&app);
        browser.headers.push(("sec-fetch-site", site.to_owned()));
        let answer = begin(&browser, "/sign-in/oidc?next=/info").await;
        let location = answer.header("location").to_owned();
        assert_eq!(
            (answer.status.as_u16(), location.starts_with("http://")),
            (303, is_led_there),
            "{site}: {location}"
        );
        assert!(is_led_there || location == "/sign-in?next=%2Finfo", "{site}: {location}");
    }
}

#[sqlx::test]
async fn without_a_provider_there_is_no_such_way(pool: PgPool) {
    let app = crate::support::test_user::open_guarded_app(pool).await;
    let browser = TestBrowser::elsewhere(&app);
    for path in ["/sign-in/oidc", "/sign-in/oidc/callback?state=x&code=y"] {
        let page = browser.open(path).await;
        page.assert_sound();
        assert_eq!(page.status(), 404);
    }
    assert!(!browser.open("/sign-in").await.html.contains("oidc") && !browser.open("/").await.html.contains("oidc"));
}
