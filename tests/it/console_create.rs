//! The console's form for a new export, as people without scripts use it.

use actix_web::http::Method;
use actix_web::test::TestRequest;
use offprint::db::capability::Capability;
use serde_json::{Value, json};
use sqlx::PgPool;
use tempfile::TempDir;

use crate::pages_sign_in::sign_in_by_key;
use crate::support::browser::{OpenPage, PAGE_ACCEPT, TestBrowser, unescape};
use crate::support::export_jobs::{drain_work, fetch_items, run_export};
use crate::support::images::draw_jpeg;
use crate::support::test_app::TestApp;
use crate::support::test_user::{TestUser, open_guarded_app};

const PATH: &str = "/console/exports/new";

/// What a new form has.
const DEFAULTS: [(&str, &str); 3] = [("when", "now"), ("timeZone", "UTC"), ("fmt", "convert")];

/// Opens the form, fills it in, and presses a button.
async fn press(browser: &TestBrowser<'_>, button: &str, fields: &[(&str, &str)]) -> OpenPage {
    let page = browser.open(PATH).await;
    page.assert_sound();
    press_on(browser, &page, button, fields).await
}

async fn press_on(browser: &TestBrowser<'_>, page: &OpenPage, button: &str, fields: &[(&str, &str)]) -> OpenPage {
    let is_sent = |name: &str| fields.iter().any(|(sent, _)| *sent == name);
    let defaults = DEFAULTS.into_iter().filter(|(name, _)| !is_sent(name));
    let all: Vec<_> = fields.iter().copied().chain(defaults).chain([("action", button)]).collect();
    browser.submit(page, PATH, &all).await
}

/// The address and the body of the call that a page shows.
fn read_call(page: &OpenPage) -> (String, Value) {
    let code = page.html.split("id=\"curl\">").nth(1).unwrap_or_else(|| panic!("no call: {}", page.html));
    let code = unescape(code.split("</code>").next().unwrap());
    let url = code.split('\'').nth(1).unwrap();
    let body = code.split_once("--data '").unwrap().1.strip_suffix('\'').unwrap().replace("'\\''", "'");
    (url[url.find("/export-").unwrap()..].to_owned(), serde_json::from_str(&body).unwrap())
}

/// A job without what differs from job to job.
async fn fetch_comparable(app: &TestApp, handle: &str) -> (Value, Vec<Value>) {
    let mut job = app.get(format!("/export-jobs/{handle}")).await.expect_status(200);
    let items = fetch_items(app, &job).await;
    for name in ["jobHandle", "createdAt", "startedAt", "finishedAt", "expiresAt", "links", "progress"] {
        job[name] = Value::Null;
    }
    let items =
        items.into_iter().map(|item| json!([item["assetHandle"], item["is_modifier"], item["files"][0]["path"]]));
    (job, items.collect())
}

fn get_last_segment(path: &str) -> &str {
    path.split('?').next().unwrap().rsplit('/').next().unwrap()
}

#[sqlx::test]
async fn the_form_creates_the_job_that_its_call_creates(pool: PgPool) {
    let app = TestApp::open(pool).await;
    for (name, seed) in [("a.jpg", 1), ("b.jpg", 2), ("c.jpg", 3)] {
        app.upload_to("spring", &[(name, &draw_jpeg(seed))]).await.expect_status(201);
    }
    let c = app.get("/assets?name=c").await.expect_status(200)["items"][0]["assetHandle"].as_str().unwrap().to_owned();
    let c = c.as_str();
    app.put("/image-presets/small", json!({"urlModifier": "hei=9"})).await.expect_status(201);
    let browser = TestBrowser::new(&app);
    for fields in [
        &[
            ("source", "list"),
            ("list", "sku\tmodifier\r\na\t\r\nspring/b\twid=5\r\n"),
            ("is_modifier", "wid=8&fmt=png"),
            ("nameTemplate", "{name|upper}-{width}"),
            ("layout", "folders"),
            ("jobName", "it's a \"job\" & more"),
        ][..],
        &[
            ("source", "picked"),
            ("asset", c),
            ("macro", "$small$"),
            ("priority", "3"),
            ("onCorrupt", "warn"),
            ("further", "{\"metadata\": {\"order\": \"A-1\"}, \"expiresIn\": 3600}"),
        ],
        &[
            ("source", "folder"),
            ("folder", "spring"),
            ("search", "b"),
            ("fmt", "orig"),
            ("description", "two\r\nlines"),
        ],
        &[
            ("source", "folder"),
            ("folder", "spring"),
            ("rendition-name", "web"),
            ("rendition-modifier", "wid=8"),
            ("rendition-macro", ""),
            ("rendition-suffix", ""),
            ("rendition-name", "tiny"),
            ("rendition-modifier", "wid=2"),
            ("rendition-macro", "$small$"),
            ("rendition-suffix", "t"),
        ],
    ] {
        let tried = press(&browser, "validate", fields).await;
        tried.assert_sound();
        assert_eq!(tried.status(), 200, "{}", tried.text());
        let (address, body) = read_call(&tried);
        let by_call = app.post(&address, body.clone()).await.expect_status(202);
        let created = press_on(&browser, &tried, "create", fields).await;
        assert_eq!(created.status(), 200, "{}", created.text());
        let by_form = get_last_segment(&created.path).to_owned();
        drain_work(&app).await;
        let by_call = fetch_comparable(&app, by_call["jobHandle"].as_str().unwrap()).await;
        assert_eq!(fetch_comparable(&app, &by_form).await, by_call, "{body}");
        assert_eq!(by_call.0["outcome"], "succeeded", "{body}");
    }
    app.assert_consistent().await;
}

#[sqlx::test]
async fn a_form_that_is_sent_twice_creates_one_job(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let browser = TestBrowser::new(&app);
    let page = browser.open(PATH).await;
    let fields = [("asset", asset.as_str()), ("is_modifier", "wid=8")];
    let first = press_on(&browser, &page, "create", &fields).await;
    let second = press_on(&browser, &page, "create", &fields).await;
    assert_eq!(get_last_segment(&first.path), get_last_segment(&second.path));
    // Whoever goes back and changes something means another job.
    let other = press_on(&browser, &page, "create", &[("asset", &asset), ("is_modifier", "wid=9")]).await;
    assert_ne!(get_last_segment(&first.path), get_last_segment(&other.path));
    let jobs = app.get("/export-jobs").await.expect_status(200);
    assert_eq!(jobs["items"].as_array().unwrap().len(), 2);
}

#[sqlx::test]
async fn names_that_are_not_found_are_told_by_their_lines(pool: PgPool) {
    let app = TestApp::open(pool).await;
    for name in ["a.jpg", "b.jpg"] {
        app.upload_asset(name, &draw_jpeg(1)).await;
    }
    let browser = TestBrowser::new(&app);
    let fields = [("source", "list"), ("list", "a\r\nmissing\r\n\r\nb\r\nnowhere"), ("is_modifier", "wid=8")];
    for button in ["validate", "preview", "create"] {
        let page = press(&browser, button, &fields).await;
        page.assert_sound();
        assert_eq!(page.status(), 422, "{button}");
        let text = page.text();
        assert!(
            text.contains("Line 2: There is no asset missing.") && text.contains("Line 5: There is no asset nowhere."),
            "{text}"
        );
        assert!(page.html.contains("<a href=\"#list\">") && page.html.contains("id=\"list-mistake\""), "{}", page.html);
        assert!(page.html.contains("missing\r\n\r\nb"), "the list is still there: {}", page.html);
    }
    assert_eq!(app.get("/export-jobs").await.expect_status(200)["items"], json!([]));
    let skipping: Vec<_> = fields.into_iter().chain([("skipMissing", "1")]).collect();
    let tried = press(&browser, "validate", &skipping).await;
    assert!(tried.text().contains("There is no asset nowhere. It was left out"), "{}", tried.text());
    assert_eq!(press(&browser, "create", &skipping).await.status(), 200);
    assert_eq!(app.get("/export-jobs").await.expect_status(200)["items"][0]["counts"]["total"], 2);
    // A table that cannot be read is a mistake of its field, too.
    let table = [("source", "list"), ("list", "sku,modifier\r\na"), ("is_modifier", "wid=8")];
    let page = press(&browser, "create", &table).await;
    assert_eq!(page.status(), 422);
    assert!(
        page.text().contains("Line 2: The line has 1 cells") && page.html.contains("href=\"#list\""),
        "{}",
        page.text()
    );
}

#[sqlx::test]
async fn a_search_ticks_assets_and_goes_on(pool: PgPool) {
    let app = TestApp::open(pool).await;
    for number in 0..55 {
        app.upload_to("many", &[(&format!("m{number:02}.jpg"), &draw_jpeg(1))]).await.expect_status(201);
    }
    let other = app.upload_asset("other.jpg", &draw_jpeg(2)).await;
    let browser = TestBrowser::new(&app);
    let found = press(&browser, "find", &[("folder", "many"), ("search", "m"), ("asset", &other)]).await;
    found.assert_sound();
    let handles: Vec<String> = found.attributes("value").into_iter().filter(|value| value.len() == 36).collect();
    let once = found.find_form(PATH).into_iter().find(|(name, _)| name == "once").unwrap().1;
    let handles: Vec<String> = handles.into_iter().filter(|handle| *handle != once).collect();
    assert_eq!(handles.len(), 51, "those that were found, and the one that was ticked");
    assert!(found.text().contains("1 asset is ticked: other.jpg"), "{}", found.text());
    let cursor = found.html.split("name=\"cursor\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let more = press_on(
        &browser,
        &found,
        "",
        &[("folder", "many"), ("search", "m"), ("cursor", &cursor), ("asset", &handles[1])],
    )
    .await;
    assert!(more.text().contains("many/m50.jpg") && !more.text().contains("many/m49.jpg"), "{}", more.text());
    let wrong = press(&browser, "find", &[("folder", "a/../b")]).await;
    assert_eq!(wrong.status(), 422);
    assert!(wrong.html.contains("id=\"folder-mistake\""), "{}", wrong.text());
}

#[sqlx::test]
async fn modifiers_are_checked_and_previewed_beside_the_originals(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let text = app.upload_asset("b.txt", b"no image").await;
    let browser = TestBrowser::new(&app);
    let checked = press(&browser, "check", &[("asset", &asset), ("is_modifier", "wid=7&hei=5&fmt=png")]).await;
    checked.assert_sound();
    assert!(checked.text().contains("image/png, 7 × 5"), "{}", checked.text());
    let wrong = press(&browser, "check", &[("asset", &asset), ("is_modifier", "widd=7")]).await;
    wrong.assert_sound();
    assert_eq!(wrong.status(), 422);
    assert!(wrong.html.contains("id=\"is_modifier-mistake\"") && wrong.text().contains("wid"), "{}", wrong.text());
    let renditions = [
        ("asset", asset.as_str()),
        ("rendition-name", "a"),
        ("rendition-modifier", "wid=7"),
        ("rendition-name", "b"),
        ("rendition-modifier", "qlt=700"),
    ];
    let wrong = press(&browser, "check", &renditions).await;
    assert!(wrong.html.contains("id=\"rendition-modifier-1-mistake\""), "{}", wrong.text());
    // A format that browsers do not show is shown as another one.
    for (modifier, kind) in [("wid=7&fmt=png", "image/png"), ("wid=7&fmt=tif", "image/png"), ("wid=7", "image/jpeg")] {
        let page = press(&browser, "preview", &[("asset", &asset), ("asset", &text), ("is_modifier", modifier)]).await;
        page.assert_sound();
        assert_eq!(page.status(), 200, "{}", page.text());
        let images: Vec<String> = page.attributes("src").into_iter().filter(|src| src.contains(&asset)).collect();
        let [original, result] = images.as_slice() else { panic!("{images:?}") };
        let original = app.get(original).await;
        assert_eq!((original.status.as_u16(), original.header("content-type")), (200, "image/webp"));
        let result = app.get(result).await;
        assert_eq!((result.status.as_u16(), result.header("content-type")), (200, kind), "{modifier}");
    }
    app.assert_consistent().await;
}

#[sqlx::test]
async fn a_trial_counts_equal_names(pool: PgPool) {
    let app = TestApp::open(pool).await;
    for folder in ["one", "two", "three"] {
        app.upload_to(folder, &[("a.jpg", &draw_jpeg(1))]).await.expect_status(201);
    }
    let browser = TestBrowser::new(&app);
    let fields = [("source", "folder"), ("recursive", "1"), ("is_modifier", "wid=8&fmt=png")];
    let page = press(&browser, "validate", &fields).await;
    let text = page.text();
    assert!(text.contains("Numbered, because of equal names 2") && text.contains("a (2).png 8 × "), "{text}");
    let apart: Vec<_> = fields.into_iter().chain([("layout", "folders")]).collect();
    let page = press(&browser, "validate", &apart).await;
    assert!(page.text().contains("Numbered, because of equal names 0"), "{}", page.text());
}

#[sqlx::test]
async fn schedules_are_made_of_words(pool: PgPool) {
    let app = TestApp::open(pool).await;
    app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    for (language, words, cron) in [
        ("en", "every weekday at 02:30", "0 30 2 ? * MON-FRI"),
        ("nl", "elke werkdag om 02:30", "0 30 2 ? * MON-FRI"),
        ("nl", "op de 1e van elke maand om 3 uur", "0 0 3 1 * ?"),
        ("en", "0 15 10 ? * 6#3", "0 15 10 ? * 6#3"),
    ] {
        let browser = TestBrowser { language, ..TestBrowser::new(&app) };
        let fields = [
            ("source", "folder"),
            ("recursive", "1"),
            ("fmt", "orig"),
            ("when", "repeat"),
            ("words", words),
            ("timeZone", "Europe/Amsterdam"),
            ("overlap", "allow"),
        ];
        let tried = press(&browser, "validate", &fields).await;
        tried.assert_sound();
        assert!(tried.text().contains(cron), "{}", tried.text());
        let (address, body) = read_call(&tried);
        assert_eq!((address.as_str(), &body["execSchedule"]), ("/export-schedules", &json!(cron)));
        assert_eq!(press(&browser, "create", &fields).await.status(), 200);
        let schedules = app.get("/export-schedules").await.expect_status(200);
        let newest = schedules["items"].as_array().unwrap().last().unwrap().clone();
        assert_eq!(
            (&newest["execSchedule"], &newest["timeZone"], &newest["overlap"]),
            (&json!(cron), &json!("Europe/Amsterdam"), &json!("allow"))
        );
    }
    for (language, words, part) in [
        ("en", "every second friday at 10:00", "For example: every weekday at 02:30"),
        ("nl", "om de week op maandag om 10:00", "‘week’ wordt hier niet begrepen."),
        ("nl", "elke werkdag", "De tijd ontbreekt."),
        ("en", "", "not understood as a schedule"),
        // It can be read, and is refused by the service: it never runs.
        ("en", "0 0 0 30 2 ?", "never runs"),
        ("en", "every weekday at 02:30", "not a time zone"),
    ] {
        let browser = TestBrowser { language, ..TestBrowser::new(&app) };
        let zone = if part.contains("zone") { "Mars/Olympus" } else { "UTC" };
        let fields = [
            ("source", "folder"),
            ("recursive", "1"),
            ("fmt", "orig"),
            ("when", "repeat"),
            ("words", words),
            ("timeZone", zone),
        ];
        let page = press(&browser, "create", &fields).await;
        page.assert_sound();
        assert_eq!(page.status(), 422, "{words}");
        assert!(page.text().contains(part), "{words}: {}", page.text());
        let field = if part.contains("zone") { "timeZone" } else { "words" };
        assert!(page.html.contains(&format!("id=\"{field}-mistake\"")), "{words}: {}", page.html);
    }
    assert_eq!(app.get("/export-schedules").await.expect_status(200)["items"].as_array().unwrap().len(), 4);
    assert_eq!(app.get("/export-jobs").await.expect_status(200)["items"], json!([]));
}

#[sqlx::test]
async fn a_job_can_be_created_like_another(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let (a, b) = (app.upload_asset("a.jpg", &draw_jpeg(1)).await, app.upload_asset("b.jpg", &draw_jpeg(2)).await);
    let browser = TestBrowser::new(&app);
    for request in [
        json!({"assetHandleArray": [a, b], "fmt": "orig", "layout": "folders", "priority": -2, "jobName": "first"}),
        json!({"assetHandleArray": [b], "fmt": "convert", "renditions": [{"name": "web", "is_modifier": "wid=8"},
               {"name": "big", "is_modifier": "wid=9", "suffix": "b"}], "nameTemplate": "{rendition}/{name}",
               "metadata": {"order": "A-1"}, "strict": true, "jobName": "second"}),
        json!({"assets": [{"assetHandle": a, "is_modifier": "wid=3"}, {"assetHandle": b}], "fmt": "convert",
               "is_modifier": "hei=9&fmt=png", "emailSetting": "Error", "notifyEmails": ["x@example.org"], "jobName": "third"}),
    ] {
        let job = run_export(&app, request.clone()).await;
        let handle = job["jobHandle"].as_str().unwrap().to_owned();
        let page = browser.open(&format!("{PATH}?like={handle}")).await;
        page.assert_sound();
        // What a browser would send: every field with what is in it.
        let fields = read_fields(&page);
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let created = browser.post_form(PATH, &to_owned(&[&fields[..], &[("action", "create")]].concat())).await;
        assert_eq!(created.status(), 200, "{}", created.text());
        drain_work(&app).await;
        let again = fetch_comparable(&app, get_last_segment(&created.path)).await;
        let mut first = fetch_comparable(&app, &handle).await;
        let mut again = again;
        // Who is told when is decided by the mail server of each run.
        for job in [&mut first.0, &mut again.0] {
            job["notification"] = Value::Null;
        }
        assert_eq!(again, first, "{request}");
    }
    let unknown = browser.open(&format!("{PATH}?like={}", uuid::Uuid::now_v7())).await;
    assert_eq!(unknown.status(), 404);
}

fn to_owned(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The fields of the form as a browser sends them.
fn read_fields(page: &OpenPage) -> Vec<(String, String)> {
    let form = page.html.split("id=\"export\"").nth(1).unwrap().split("</form>").next().unwrap();
    let attribute = |tag: &str, name: &str| {
        tag.split(&format!(" {name}=\"")).nth(1).map(|rest| unescape(rest.split('"').next().unwrap()))
    };
    let mut fields = Vec::new();
    for part in form.split('<').skip(1) {
        let (tag, inner) = part.split_once('>').unwrap_or((part, ""));
        let Some(name) = attribute(tag, "name") else { continue };
        let is_choice = tag.contains("type=\"radio\"") || tag.contains("type=\"checkbox\"");
        if tag.starts_with("input") && (!is_choice || tag.ends_with(" checked")) {
            fields.push((name, attribute(tag, "value").unwrap_or_default()));
        } else if tag.starts_with("textarea") {
            fields.push((name, unescape(inner)));
        } else if tag.starts_with("select") {
            let options = form.split(&format!("name=\"{name}\"")).nth(1).unwrap().split("</select>").next().unwrap();
            let chosen = options
                .split("<option")
                .skip(1)
                .find(|option| option.split('>').next().unwrap().ends_with(" selected"));
            fields.push((name, chosen.and_then(|option| attribute(option, "value")).unwrap_or_default()));
        }
    }
    fields
}

#[sqlx::test]
async fn only_connections_that_can_be_written_are_offered(pool: PgPool) {
    let folder = TempDir::new().unwrap();
    std::fs::create_dir(folder.path().join("out")).unwrap();
    let table = |name: &str, access: &str, company: &str| {
        let path = folder.path().display();
        format!("[{name}]\nurl = \"file://{path}/out\"\naccess = \"{access}\"\ncompanies = [\"{company}\"]\n")
    };
    let text = [table("shop", "write", "*"), table("source", "read", "*"), table("theirs", "write", "others")].concat();
    let file = folder.path().join("connections.toml");
    std::fs::write(&file, text).unwrap();
    let app = TestApp::with_settings(pool, |settings| settings.connections = Some(file)).await;
    let asset = app.upload_asset("a.txt", b"delivered").await;
    let browser = TestBrowser::new(&app);
    let page = browser.open(PATH).await;
    assert!(page.html.contains("<option value=\"shop\""), "{}", page.html);
    assert!(!page.html.contains("source</option>") && !page.html.contains("theirs"), "{}", page.html);
    let fields =
        [("asset", asset.as_str()), ("fmt", "orig"), ("connection", "shop"), ("prefix", "{date}"), ("manifest", "1")];
    let tried = press(&browser, "validate", &fields).await;
    assert!(tried.text().contains("Delivered to shop: 20"), "{}", tried.text());
    assert_eq!(press(&browser, "create", &fields).await.status(), 200);
    drain_work(&app).await;
    let job = app.get("/export-jobs").await.expect_status(200)["items"][0].clone();
    assert_eq!(
        (&job["outcome"], &job["deliverTo"][0]["counts"]["delivered"]),
        (&json!("succeeded"), &json!(1)),
        "{job:#}"
    );
    let wrong = press(&browser, "create", &[("asset", &asset), ("fmt", "orig"), ("connection", "theirs")]).await;
    assert!(wrong.status() == 422 && wrong.html.contains("id=\"connection-mistake\""), "{}", wrong.text());
}

#[sqlx::test]
async fn assets_of_others_are_not_exported_and_not_named(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let (ann, eve) = (TestUser::new(&app, "ours", "ann").await, TestUser::new(&app, "theirs", "eve").await);
    let theirs = eve.upload_asset("secret-name.jpg", &draw_jpeg(1)).await;
    let browser = TestBrowser::new(&app);
    sign_in_by_key(&browser, &ann.key).await;
    for button in ["find", "check", "preview", "validate", "create"] {
        let page = press(&browser, button, &[("asset", &theirs), ("is_modifier", "wid=8")]).await;
        assert!(!page.html.contains("secret-name"), "{button}: {}", page.html);
        assert_eq!(page.status() == 200, button == "find", "{button}: {}", page.text());
    }
    let page = browser.open(&format!("{PATH}?asset={theirs}")).await;
    assert!(!page.html.contains("secret-name"), "{}", page.html);
    assert_eq!(ann.get("/export-jobs").await.expect_status(200)["items"], json!([]));
}

#[sqlx::test]
async fn rights_hide_what_would_be_refused(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let ann = TestUser::with_capabilities(&app, "ours", "ann", &[Capability::ExportsCreate]).await;
    let browser = TestBrowser::new(&app);
    sign_in_by_key(&browser, &ann.key).await;
    let page = browser.open(PATH).await;
    page.assert_sound();
    assert!(!page.html.contains("value=\"check\"") && !page.html.contains("value=\"find\""), "{}", page.html);
    let refused = press(&browser, "check", &[("is_modifier", "wid=8")]).await;
    assert_eq!(refused.status(), 403);
    let original = press(&browser, "create", &[("source", "list"), ("list", "a"), ("fmt", "orig")]).await;
    assert!(original.status() == 422 && original.text().contains("exports:create-original"), "{}", original.text());
    // Who may create no jobs has no form for it.
    let reader = TestUser::with_capabilities(&app, "ours", "bob", &[Capability::AssetsRead]).await;
    let browser = TestBrowser::new(&app);
    sign_in_by_key(&browser, &reader.key).await;
    assert_eq!(browser.open(PATH).await.status(), 403);
    assert!(!browser.open("/console/assets").await.html.contains(PATH));
}

#[sqlx::test]
async fn forms_of_the_console_come_from_its_pages_only(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let ann = TestUser::new(&app, "ours", "ann").await;
    let asset = ann.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let preset = TestRequest::put().uri("/image-presets/mine").set_json(json!({"urlModifier": "wid=8"}));
    ann.send(preset).await.expect_success();
    let (browser, other) = (TestBrowser::new(&app), TestBrowser::new(&app));
    sign_in_by_key(&browser, &ann.key).await;
    sign_in_by_key(&other, &ann.key).await;
    let own = browser.open(PATH).await.find_form(PATH)[0].1.clone();
    let of_other = other.open(PATH).await.find_form(PATH)[0].1.clone();
    let forms = [
        PATH.to_owned(),
        "/console/assets/move".to_owned(),
        format!("/console/assets/{asset}"),
        format!("/console/assets/{asset}/delete"),
        "/console/presets".to_owned(),
        "/console/presets/mine".to_owned(),
        "/console/presets/mine/delete".to_owned(),
    ];
    let before = ann.get(&format!("/assets/{asset}")).await.expect_status(200);
    for path in &forms {
        let fields = |csrf: &str| {
            [
                ("csrf", csrf),
                ("action", "create"),
                ("asset", &asset),
                ("is_modifier", "wid=8"),
                ("to", "x"),
                ("folder", "x"),
                ("name", "new"),
                ("urlModifier", "wid=9"),
                ("sure", "1"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
        };
        for wrong in ["", "0", of_other.as_str()] {
            let answer = browser.post_form(path, &fields(wrong)).await;
            answer.assert_sound();
            assert_eq!(answer.status(), 403, "{path} with {wrong:?}");
        }
        for (name, value) in [("origin", "https://evil.example"), ("origin", "null"), ("sec-fetch-site", "cross-site")]
        {
            let request = TestRequest::post().uri(path).set_form(fields(&own)).insert_header((name, value));
            assert_eq!(browser.send(request).await.status, 403, "{path} {name} {value}");
        }
    }
    for path in
        ["/console/assets".to_owned(), format!("/console/assets/{asset}/content"), "/console/preset-imports".to_owned()]
    {
        let send = async |parts: &[(&str, &str)], origin: &str| {
            let mut body = String::new();
            for (head, text) in parts {
                body += &format!("--x\r\ncontent-disposition: form-data; {head}\r\n\r\n{text}\r\n");
            }
            let request = TestRequest::default().method(Method::POST).uri(&path).set_payload(body + "--x--\r\n");
            let request = request.insert_header(("content-type", "multipart/form-data; boundary=x"));
            let request = request.insert_header(("origin", origin.to_owned())).insert_header(("accept", PAGE_ACCEPT));
            browser.send(request).await.status.as_u16()
        };
        let (token, file) =
            (("name=\"csrf\"", own.as_str()), ("name=\"file\"; filename=\"b.txt\"", "Name\tDefinition\nb\twid=5\n"));
        assert_eq!(send(&[file], "http://localhost").await, 403, "{path} without a token");
        assert_eq!(send(&[file, token], "http://localhost").await, 403, "{path} with the token behind the file");
        assert_eq!(send(&[("name=\"csrf\"", &of_other), file], "http://localhost").await, 403, "{path}");
        assert_eq!(send(&[token, file], "https://evil.example").await, 403, "{path} from another site");
    }
    assert_eq!(ann.get(&format!("/assets/{asset}")).await.expect_status(200), before);
    assert_eq!(ann.get("/assets").await.expect_status(200)["items"].as_array().unwrap().len(), 1);
    assert_eq!(ann.get("/image-presets").await.expect_status(200)["items"][0]["urlModifier"], "wid=8");
    assert_eq!(ann.get("/image-presets").await.expect_status(200)["items"].as_array().unwrap().len(), 1);
    assert_eq!(ann.get("/export-jobs").await.expect_status(200)["items"], json!([]));
}
