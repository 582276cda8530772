//! What mails offer to people with an account and without one: links that work for them, times of their zone, names.

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::browser::TestBrowser;
use crate::support::mail::{ParsedMail, parse_mail};
use crate::support::test_app::TestApp;
use crate::support::test_user::{TestUser, open_guarded_app};

/// The mails in the folder, by recipient; they are removed.
fn take_mails(app: &TestApp) -> Vec<(String, ParsedMail)> {
    let mut mails = Vec::new();
    for file in std::fs::read_dir(app.folder.path().join("mail")).unwrap() {
        let path = file.unwrap().path();
        let mail = parse_mail(&std::fs::read_to_string(&path).unwrap(), "");
        mails.push((mail.header("To").to_owned(), mail));
        std::fs::remove_file(path).unwrap();
    }
    mails.sort_by(|a, b| a.0.cmp(&b.0));
    mails
}

/// Every address in a mail, from its text and its HTML.
fn list_addresses(mail: &ParsedMail) -> Vec<String> {
    let all = format!("{}\n{}", mail.text, mail.html);
    let begins = all.match_indices("http://").map(|(at, _)| &all[at..]);
    let mut addresses: Vec<String> = begins
        .map(|rest| rest.split(|c: char| c.is_whitespace() || "\"'<>&".contains(c)).next().unwrap())
        .map(|url| format!("/{}", url.splitn(4, '/').last().unwrap()))
        .collect();
    addresses.sort();
    addresses.dedup();
    addresses
}

async fn order_mails(user: &TestUser<'_>, assets: &[&str], more: Value) {
    let mut request = json!({"assetHandleArray": assets, "fmt": "orig", "emailSetting": "All",
        "notifyEmails": ["Bob <BOB@example.org>", "agency@example.org"]});
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    user.post("/export-jobs", request).await.expect_status(202);
    offprint::worker::drain_work(&user.app.state).await.unwrap();
}

#[sqlx::test]
async fn people_without_an_account_get_only_links_that_work_for_them(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let ann = TestUser::new(&app, "one", "ann").await;
    let bob = json!({"name": "of bob", "user": "bob", "email": "bob@example.org", "timeZone": "Europe/Amsterdam"});
    let created = ann.post("/api-keys", bob).await.expect_status(201);
    assert_eq!(created["user"]["timeZone"], "Europe/Amsterdam");
    let (a, b) = (ann.upload_asset("a.txt", b"bytes of a").await, ann.upload_asset("b.txt", b"bytes of b").await);
    order_mails(&ann, &[&a, &b], json!({"timeZone": "Asia/Tokyo"})).await;
    let mails = take_mails(&app);
    let [(to_bob, for_bob), (to_agency, for_agency)] = mails.as_slice() else { panic!("{} mails", mails.len()) };
    assert!(to_bob.starts_with("Bob") && to_agency.starts_with("agency"), "{to_bob} {to_agency}");
    let browser = TestBrowser::new(&app);
    let addresses = list_addresses(for_agency);
    assert_eq!(addresses.len(), 1, "{addresses:?}");
    for address in &addresses {
        let page = browser.open(address).await;
        page.assert_sound();
        assert_eq!((page.status(), page.element("h1")), (200, for_agency_name(for_agency)), "{address}");
    }
    assert!(list_addresses(for_bob).iter().any(|address| address.starts_with("/export-jobs/")), "{}", for_bob.text);
    for mail in [for_bob, for_agency] {
        assert!(mail.text.contains("Requested by  ann") || mail.text.contains("Requested by ann"), "{}", mail.text);
    }
    // Each in the recipient's zone: the user's own, else that of the job.
    assert!(for_bob.text.contains("(Amsterdam time)"), "{}", for_bob.text);
    assert!(for_agency.text.contains("(Tokyo time)"), "{}", for_agency.text);
    let wrong = ann.post("/api-keys", json!({"name": "x", "user": "eve", "timeZone": "Amsterdam"})).await;
    assert_eq!(wrong.expect_status(422)["errors"][0]["pointer"], "/timeZone");
    let request = json!({"assetHandleArray": [a], "fmt": "orig", "timeZone": "Amsterdam"});
    let wrong = ann.post("/export-jobs", request).await.expect_status(422);
    assert!(wrong["errors"][0]["detail"].as_str().unwrap().contains("`Europe/Amsterdam`"), "{wrong}");
}

/// The job's name in the subject.
fn for_agency_name(mail: &ParsedMail) -> String {
    mail.header("Subject").split('"').nth(1).unwrap().to_owned()
}

#[sqlx::test]
async fn a_job_without_a_name_is_called_after_what_it_exports(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let today = chrono::Utc::now().format("%-d %b").to_string();
    let upload = async |folder: &str, name: &str| {
        let uploaded = app.upload_to(folder, &[(name, b"bytes".as_slice())]).await.expect_status(201);
        uploaded["assets"][0]["assetHandle"].as_str().unwrap().to_owned()
    };
    let (red, blue, coat) = (
        upload("spring/shoes", "red.txt").await,
        upload("spring/shoes/low", "blue.txt").await,
        upload("autumn", "c.txt").await,
    );
    for (assets, name) in [
        (vec![&red], format!("red, {today}")),
        (vec![&red, &blue], format!("2 assets from spring/shoes, {today}")),
        (vec![&red, &blue, &coat], format!("3 assets, {today}")),
    ] {
        let job = app.post("/export-jobs", json!({"assetHandleArray": assets, "fmt": "orig"})).await.expect_status(202);
        assert_eq!(job["jobName"], name.as_str());
    }
}

#[sqlx::test]
async fn a_mail_about_a_failure_leads_to_a_page_that_says_why(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let ann = TestUser::new(&app, "one", "ann").await;
    let asset = ann.upload_asset("a.jpg", &crate::support::images::create_broken_jpeg()).await;
    order_mails(&ann, &[&asset], json!({"fmt": "convert", "is_modifier": "wid=20"})).await;
    let mails = take_mails(&app);
    let (_, mail) = &mails[1];
    assert!(mail.text.contains("See what happened:") && !mail.text.contains("curl"), "{}", mail.text);
    let addresses = list_addresses(mail);
    assert_eq!(addresses.len(), 1, "{addresses:?}");
    let page = TestBrowser::new(&app).open(&addresses[0]).await;
    page.assert_sound();
    assert!(page.text().contains("Failed No image could be exported."), "{}", page.text());
    assert!(page.text().contains("What failed a.jpg"), "{}", page.text());
}
