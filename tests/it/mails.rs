//! Mails from the end of a job to the mail server, and what becomes of them when that has its moods.

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::exportjob::{jpg, ordered, shown, work};
use crate::house::House;
use crate::notify::{CUT, Sink, sink, take_apart};

/// A finished job of which one is told, with the mail server that answers so.
async fn told(pool: PgPool, answers: &'static [&'static str]) -> (House, Sink, String) {
    let sink = sink(answers).await;
    let house = House::with(pool, |settings| settings.smtp_url = Some(sink.url.clone())).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    let order =
        json!({"assetHandleArray": [asset], "fmt": "orig", "emailSetting": "All", "notifyEmails": ["ann@example.org"]});
    let job = ordered(&house, order).await;
    work(&house).await;
    (house, sink, job)
}

/// The `Message-ID` of each mail that the server was handed.
fn ids(sink: &Sink) -> Vec<String> {
    sink.mails.lock().unwrap().iter().map(|mail| take_apart(mail, "").header("Message-ID").to_owned()).collect()
}

async fn notification(house: &House, job: &str) -> Value {
    shown(house, job).await["notification"].clone()
}

async fn codes(house: &House, job: &str) -> Vec<String> {
    let log = house.get(format!("/export-jobs/{job}/events")).await.is(200);
    log["items"].as_array().unwrap().iter().map(|event| event["code"].as_str().unwrap().to_owned()).collect()
}

#[sqlx::test]
async fn a_server_that_is_busy_gets_the_mail_later(pool: PgPool) {
    let (house, sink, job) = told(pool, &["451 come back later", "250 taken"]).await;
    let waits = notification(&house, &job).await;
    assert_eq!(waits["state"], "waiting", "{waits}");
    assert!(waits["detail"].as_str().unwrap().contains("451"), "{waits}");
    house.later("9 seconds").await;
    work(&house).await;
    assert_eq!(ids(&sink).len(), 1, "not before its time");
    house.later("1 minute").await;
    work(&house).await;
    let sent = notification(&house, &job).await;
    assert_eq!((&sent["state"], &sent["detail"]), (&json!("sent"), &Value::Null), "{sent}");
    let ids = ids(&sink);
    assert_eq!((ids.len(), &ids[0]), (2, &ids[1]));
    assert_eq!(codes(&house, &job).await.last().unwrap(), "emailSent");
    assert_eq!(shown(&house, &job).await["outcome"], "succeeded");
}

#[sqlx::test]
async fn a_mail_that_is_refused_for_good_is_not_sent_again(pool: PgPool) {
    let (house, sink, job) = told(pool, &["550 no such user"]).await;
    let failed = notification(&house, &job).await;
    assert_eq!(failed["state"], "failed", "{failed}");
    house.later("1 day").await;
    work(&house).await;
    assert_eq!(ids(&sink).len(), 1);
    assert_eq!(codes(&house, &job).await.last().unwrap(), "emailFailed");
    let dutch =
        house.get_with(format!("/export-jobs/{job}/events?code=emailFailed"), "accept-language", "nl").await.is(200);
    let message = dutch["items"][0]["message"].as_str().unwrap();
    assert!(
        message.starts_with("Er is geen mail gestuurd naar ann@example.org.") && message.contains("550"),
        "{message}"
    );
    assert_eq!(shown(&house, &job).await["outcome"], "succeeded");
}

#[sqlx::test]
async fn a_line_that_is_cut_after_the_mail_makes_one_duplicate_at_most(pool: PgPool) {
    // The server has the mail, and we do not know it.
    let (house, sink, job) = told(pool, &[CUT, "250 taken"]).await;
    assert_eq!(notification(&house, &job).await["state"], "waiting");
    house.later("1 minute").await;
    work(&house).await;
    assert_eq!(notification(&house, &job).await["state"], "sent");
    house.later("1 day").await;
    work(&house).await;
    let ids = ids(&sink);
    assert_eq!(ids.len(), 2, "{ids:?}");
    assert!(!ids[0].is_empty() && ids[0] == ids[1], "mail programs show it once: {ids:?}");
}

#[sqlx::test]
async fn mails_are_in_the_language_of_the_job(pool: PgPool) {
    let house = House::open(pool).await;
    let mut broken = jpg(2);
    broken.truncate(broken.len() / 2);
    let handles = [house.asset("goed.jpg", &jpg(1)).await, house.asset("kapot.jpg", &broken).await];
    for (locale, subject, reason) in [
        (
            Some("nl_BE"),
            "is deels mislukt: 1 van 2 bestanden",
            "Het bestand houdt eerder op dan de afbeelding. (truncated)",
        ),
        (Some("tlh"), "partly failed: 1 of 2 assets", "(truncated)"),
        (None, "partly failed: 1 of 2 assets", "(truncated)"),
    ] {
        let mut order = json!({"assetHandleArray": handles, "fmt": "convert", "is_modifier": "wid=20", "jobName": "voorjaar",
            "emailSetting": "All", "notifyEmails": ["ann@example.org"]});
        if let Some(locale) = locale {
            order["locale"] = json!(locale);
        }
        ordered(&house, order).await;
        work(&house).await;
        let folder = house.folder.path().join("mail");
        let file = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
        let mail = take_apart(&std::fs::read_to_string(&file).unwrap(), "");
        assert!(mail.header("Subject").contains(subject), "{locale:?}: {}", mail.header("Subject"));
        assert!(mail.text.contains(reason) && mail.text.contains("kapot.jpg"), "{}", mail.text);
        assert!(mail.text.contains("/downloads/"), "a link that works by itself: {}", mail.text);
        std::fs::remove_file(file).unwrap();
    }
}

#[sqlx::test]
async fn mails_go_to_five_addresses_at_most_and_to_domains_that_are_allowed(pool: PgPool) {
    let house =
        House::with(pool, |settings| settings.mail_domains = vec!["example.org".into(), "*.example.net".into()]).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    let order =
        |to: Value| json!({"assetHandleArray": [asset], "fmt": "orig", "emailSetting": "All", "notifyEmails": to});
    let good = json!(["ann@example.org", "Bob <bob@EXAMPLE.org>", "eve@a.example.net"]);
    house.post("/export-jobs", order(good)).await.is(202);
    for path in ["/export-jobs", "/export-jobs/validate"] {
        let to = json!(["ann@example.org", "eve@example.net", "eve@notexample.org", "nobody", "a@b.example.org"]);
        let refused = house.post(path, order(to)).await.is(422);
        let said: Vec<(&str, &str)> = refused["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|error| (error["pointer"].as_str().unwrap(), error["code"].as_str().unwrap()))
            .collect();
        assert_eq!(
            said,
            [
                ("/notifyEmails/1", "value-forbidden"),
                ("/notifyEmails/2", "value-forbidden"),
                ("/notifyEmails/3", "invalid-value"),
                ("/notifyEmails/4", "value-forbidden"),
            ]
        );
        let detail = refused["errors"][0]["detail"].as_str().unwrap();
        assert!(detail.contains("example.net") && detail.contains("*.example.net"), "{detail}");
    }
    let six: Vec<String> = (0..6).map(|number| format!("ann{number}@example.org")).collect();
    let refused = house.post("/export-jobs", order(json!(six))).await.is(422);
    assert_eq!(refused["errors"][0]["pointer"], "/notifyEmails", "{refused}");
    // Nobody gets a header of their own through an address.
    let refused = house.post("/export-jobs", order(json!(["a@example.org\r\nBcc: eve@example.com"]))).await.is(422);
    assert_eq!(refused["errors"][0]["code"], "invalid-value", "{refused}");
}
