//! Mails from the end of a job to the mail server, with retries when the server is down or refuses.

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::export_jobs::{create_job, drain_work, fetch_job};
use crate::support::images::draw_jpeg;
use crate::support::mail::{CONNECTION_CUT, FakeMailServer, parse_mail, start_mail_server};
use crate::support::test_app::TestApp;

/// A finished job with one recipient, and the mail server, which gives these replies.
async fn run_job_with_mail(pool: PgPool, answers: &'static [&'static str]) -> (TestApp, FakeMailServer, String) {
    let server = start_mail_server(answers).await;
    let app = TestApp::with_settings(pool, |settings| settings.smtp_url = Some(server.url.clone())).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let request =
        json!({"assetHandleArray": [asset], "fmt": "orig", "emailSetting": "All", "notifyEmails": ["ann@example.org"]});
    let job = create_job(&app, request).await;
    drain_work(&app).await;
    (app, server, job)
}

/// The `Message-ID` of each mail that the server received.
fn list_message_ids(server: &FakeMailServer) -> Vec<String> {
    server.mails.lock().unwrap().iter().map(|mail| parse_mail(mail, "").header("Message-ID").to_owned()).collect()
}

async fn fetch_notification(app: &TestApp, job: &str) -> Value {
    fetch_job(app, job).await["notification"].clone()
}

async fn fetch_event_codes(app: &TestApp, job: &str) -> Vec<String> {
    let log = app.get(format!("/export-jobs/{job}/events")).await.expect_status(200);
    log["items"].as_array().unwrap().iter().map(|event| event["code"].as_str().unwrap().to_owned()).collect()
}

#[sqlx::test]
async fn a_server_that_is_busy_gets_the_mail_later(pool: PgPool) {
    let (app, server, job) = run_job_with_mail(pool, &["451 come back later", "250 taken"]).await;
    let waits = fetch_notification(&app, &job).await;
    assert_eq!(waits["state"], "waiting", "{waits}");
    assert!(waits["detail"].as_str().unwrap().contains("451"), "{waits}");
    app.advance_time("5 seconds").await;
    drain_work(&app).await;
    assert_eq!(list_message_ids(&server).len(), 1, "not before the retry is due");
    app.advance_time("1 minute").await;
    drain_work(&app).await;
    let sent = fetch_notification(&app, &job).await;
    assert_eq!((&sent["state"], &sent["detail"]), (&json!("sent"), &Value::Null), "{sent}");
    let ids = list_message_ids(&server);
    assert_eq!((ids.len(), &ids[0]), (2, &ids[1]));
    assert_eq!(fetch_event_codes(&app, &job).await.last().unwrap(), "emailSent");
    assert_eq!(fetch_job(&app, &job).await["outcome"], "succeeded");
}

#[sqlx::test]
async fn a_mail_that_is_refused_for_good_is_not_sent_again(pool: PgPool) {
    let (app, server, job) = run_job_with_mail(pool, &["550 no such user"]).await;
    let failed = fetch_notification(&app, &job).await;
    assert_eq!(failed["state"], "failed", "{failed}");
    app.advance_time("1 day").await;
    drain_work(&app).await;
    assert_eq!(list_message_ids(&server).len(), 1);
    assert_eq!(fetch_event_codes(&app, &job).await.last().unwrap(), "emailFailed");
    let dutch = app
        .get_with_header(format!("/export-jobs/{job}/events?code=emailFailed"), "accept-language", "nl")
        .await
        .expect_status(200);
    let message = dutch["items"][0]["message"].as_str().unwrap();
    assert!(
        message.starts_with("Er is geen mail gestuurd naar ann@example.org.") && message.contains("550"),
        "{message}"
    );
    assert_eq!(fetch_job(&app, &job).await["outcome"], "succeeded");
}

#[sqlx::test]
async fn a_line_that_is_cut_after_the_mail_makes_one_duplicate_at_most(pool: PgPool) {
    // The server has accepted the mail, but its reply was lost.
    let (app, server, job) = run_job_with_mail(pool, &[CONNECTION_CUT, "250 taken"]).await;
    assert_eq!(fetch_notification(&app, &job).await["state"], "waiting");
    app.advance_time("1 minute").await;
    drain_work(&app).await;
    assert_eq!(fetch_notification(&app, &job).await["state"], "sent");
    app.advance_time("1 day").await;
    drain_work(&app).await;
    let ids = list_message_ids(&server);
    assert_eq!(ids.len(), 2, "{ids:?}");
    assert!(!ids[0].is_empty() && ids[0] == ids[1], "the same Message-ID, so mail programs show it once: {ids:?}");
}

#[sqlx::test]
async fn mails_are_in_the_language_of_the_job(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let mut broken = draw_jpeg(2);
    broken.truncate(broken.len() / 2);
    let handles = [app.upload_asset("goed.jpg", &draw_jpeg(1)).await, app.upload_asset("kapot.jpg", &broken).await];
    for (locale, subject, reason) in [
        (
            Some("nl_BE"),
            "is deels mislukt: 1 van 2 bestanden",
            "Het bestand houdt eerder op dan de afbeelding. (truncated)",
        ),
        (Some("tlh"), "partly failed: 1 of 2 assets", "(truncated)"),
        (None, "partly failed: 1 of 2 assets", "(truncated)"),
    ] {
        let mut request = json!({"assetHandleArray": handles, "fmt": "convert", "is_modifier": "wid=20", "jobName": "voorjaar",
            "emailSetting": "All", "notifyEmails": ["ann@example.org"]});
        if let Some(locale) = locale {
            request["locale"] = json!(locale);
        }
        create_job(&app, request).await;
        drain_work(&app).await;
        let folder = app.folder.path().join("mail");
        let file = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
        let mail = parse_mail(&std::fs::read_to_string(&file).unwrap(), "");
        assert!(mail.header("Subject").contains(subject), "{locale:?}: {}", mail.header("Subject"));
        assert!(mail.text.contains(reason) && mail.text.contains("kapot.jpg"), "{}", mail.text);
        assert!(mail.text.contains("/downloads/"), "a link that works by itself: {}", mail.text);
        std::fs::remove_file(file).unwrap();
    }
}

#[sqlx::test]
async fn mails_go_to_five_addresses_at_most_and_to_domains_that_are_allowed(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| {
        settings.mail_domains = vec!["example.org".into(), "*.example.net".into()]
    })
    .await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let request =
        |to: Value| json!({"assetHandleArray": [asset], "fmt": "orig", "emailSetting": "All", "notifyEmails": to});
    let good = json!(["ann@example.org", "Bob <bob@EXAMPLE.org>", "eve@a.example.net"]);
    app.post("/export-jobs", request(good)).await.expect_status(202);
    for path in ["/export-jobs", "/export-jobs/validate"] {
        let to = json!(["ann@example.org", "eve@example.net", "eve@notexample.org", "nobody", "a@b.example.org"]);
        let refused = app.post(path, request(to)).await.expect_status(422);
        let errors: Vec<(&str, &str)> = refused["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|error| (error["pointer"].as_str().unwrap(), error["code"].as_str().unwrap()))
            .collect();
        assert_eq!(
            errors,
            [
                ("/notifyEmails/1", "value-forbidden"),
                ("/notifyEmails/2", "value-forbidden"),
                ("/notifyEmails/3", "invalid-value"),
                ("/notifyEmails/4", "value-forbidden"),
            ]
        );
        let detail = refused["errors"][0]["detail"].as_str().unwrap();
        assert!(detail.contains("eve@example.net") && detail.contains("*.example.net"), "{detail}");
    }
    let six: Vec<String> = (0..6).map(|number| format!("ann{number}@example.org")).collect();
    let refused = app.post("/export-jobs", request(json!(six))).await.expect_status(422);
    assert_eq!(refused["errors"][0]["pointer"], "/notifyEmails", "{refused}");
    // No header can be injected through an address.
    let refused =
        app.post("/export-jobs", request(json!(["a@example.org\r\nBcc: eve@example.com"]))).await.expect_status(422);
    assert_eq!(refused["errors"][0]["code"], "invalid-value", "{refused}");
}

/// Without a list of domains the service writes to nobody that the operator or an administrator has not named.
#[sqlx::test]
async fn without_a_list_of_domains_mails_go_to_users_of_the_company_only(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| {
        settings.mail_domains = Vec::new();
        settings.mail_to = Some("Office <office@example.net>".into());
    })
    .await;
    let mut connection = app.state.system.acquire().await.unwrap();
    let other = offprint::db::company::ensure_company(&mut connection, "other").await.unwrap();
    for (company, user, email) in [(app.state.company, "ann", "Ann@Example.com"), (other, "eve", "eve@example.com")] {
        offprint::db::company::upsert_user(&mut connection, company, user, Some(email), None).await.unwrap();
    }
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let request =
        |to: Value| json!({"assetHandleArray": [asset], "fmt": "orig", "emailSetting": "All", "notifyEmails": to});
    for path in ["/export-jobs/validate", "/export-jobs"] {
        let allowed = json!(["Ann <ann@example.com>", "office@example.net"]);
        assert!(app.post(path, request(allowed)).await.status.is_success(), "{path}");
        let refused = app.post(path, request(json!(["ann@example.com", "eve@example.com"]))).await.expect_status(422);
        let error = &refused["errors"][0];
        assert_eq!((&error["pointer"], &error["code"]), (&json!("/notifyEmails/1"), &json!("value-forbidden")));
        assert!(error["detail"].as_str().unwrap().contains("OFFPRINT_MAIL_DOMAINS"), "{error}");
    }
    let all =
        TestApp::with_settings(app.state.system.clone(), |settings| settings.mail_domains = vec!["*".into()]).await;
    let asset = all.upload_asset("b.jpg", &draw_jpeg(2)).await;
    let request =
        json!({"assetHandleArray": [asset], "fmt": "orig", "emailSetting": "All", "notifyEmails": ["x@anywhere.test"]});
    all.post("/export-jobs/validate", request).await.expect_status(200);
}
