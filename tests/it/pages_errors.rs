//! The start page, errors as pages, and the files that pages load.

use actix_web::http::Method;
use actix_web::test::TestRequest;
use offprint::settings::AuthMode;
use sqlx::PgPool;

use crate::support::browser::{PAGE_ACCEPT, TestBrowser};
use crate::support::test_app::TestApp;
use crate::support::test_user::{TestUser, open_guarded_app};

#[sqlx::test]
async fn the_start_page_is_there_in_every_mode(pool: PgPool) {
    for (mode, sentence) in [
        (AuthMode::Open, "This service is in open mode"),
        (AuthMode::OpenOnNetwork, "This service is in open mode"),
        (AuthMode::Keys, "Programs need an API key."),
    ] {
        let app = TestApp::with_settings(pool.clone(), |settings| settings.auth = mode).await;
        let browser = TestBrowser::new(&app);
        let page = browser.open("/").await;
        page.assert_sound();
        assert_eq!(page.status(), 200);
        assert!(page.text().contains(sentence), "{}", page.text());
        for address in page.attributes("href").into_iter().filter(|address| !address.starts_with('#')) {
            let linked = browser.send(TestRequest::get().uri(&address)).await;
            assert!(linked.status.is_success() || linked.status.is_redirection(), "{address}: {}", linked.status);
        }
        let dutch = TestBrowser { language: "nl", ..TestBrowser::new(&app) }.open("/").await;
        assert_eq!(dutch.element("h1"), "Exporteer veel opgeslagen afbeeldingen in één opdracht");
    }
}

#[sqlx::test]
async fn errors_are_pages_for_people_and_problems_for_programs(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let ann = TestUser::with_capabilities(&app, "one", "ann", &[]).await;
    let key = format!("Bearer {}", ann.key);
    for (path, key, status, code, title) in [
        ("/export-jobs", None, 401, "unauthenticated", "Please sign in"),
        ("/nowhere", None, 401, "unauthenticated", "Please sign in"),
        ("/nowhere", Some(&key), 404, "not-found", "There is nothing here"),
        ("/assets", Some(&key), 403, "operation-forbidden", "This is not allowed"),
        ("/problems/none", None, 404, "not-found", "There is nothing here"),
        ("/?x=%00", None, 400, "invalid-parameter", "This did not work"),
    ] {
        let request = |accept: &str| {
            let request = TestRequest::get().uri(path).insert_header(("accept", accept));
            key.iter().fold(request, |request, key| request.insert_header(("authorization", key.as_str())))
        };
        let browser = TestBrowser::new(&app);
        let response = browser.send(request(PAGE_ACCEPT)).await;
        let html = String::from_utf8(response.body.clone()).unwrap();
        let page = crate::support::browser::OpenPage { response, html, path: path.into() };
        page.assert_sound();
        assert_eq!((page.status(), page.element("h1").as_str()), (status, title), "{path}");
        assert!(page.text().contains(page.response.header("x-request-id")), "{}", page.text());
        let program = browser.send(request("*/*")).await;
        assert_eq!(program.header("content-type"), "application/problem+json");
        assert!(program.headers.get_all("vary").any(|vary| vary == "Accept"), "{path}");
        assert_eq!(
            (program.header("www-authenticate"), program.header("allow")),
            (page.response.header("www-authenticate"), page.response.header("allow")),
            "other headers are the same"
        );
        assert_eq!(program.expect_status(status)["code"], code);
    }
}

#[sqlx::test]
async fn errors_of_the_service_itself_are_pages_too(pool: PgPool) {
    let mut app = TestApp::open(pool).await;
    let mut settings = (*app.state.settings).clone();
    settings.max_requests = Some(1);
    app.state.settings = settings.into();
    let browser = TestBrowser::new(&app);
    assert_eq!(browser.open("/").await.status(), 200);
    let page = browser.open("/").await;
    page.assert_sound();
    assert_eq!((page.status(), page.element("h1").as_str()), (429, "Too many requests"));
    let wait = page.response.header("retry-after").to_owned();
    assert!(page.text().contains(&format!("Try again in {wait} s")), "{}", page.text());

    let app = TestApp::open(app.state.system.clone()).await;
    app.state.db.close();
    app.state.system.close();
    let page = TestBrowser { language: "nl", ..TestBrowser::new(&app) }.open("/assets").await;
    page.assert_sound();
    assert_eq!((page.status(), page.element("h1").as_str()), (503, "De dienst kan nu niet antwoorden"));
    for inside in ["select", "sql", "postgres", "Pool", "/tmp", ".rs"] {
        assert!(!page.html.contains(inside), "{}", page.html);
    }
}

#[sqlx::test]
async fn head_of_an_error_has_its_headers_and_no_body(pool: PgPool) {
    let app = TestApp::open(pool).await;
    for path in ["/nowhere", "/downloads/nothing", "/assets/none"] {
        let ask =
            |method: Method| TestRequest::default().method(method).uri(path).insert_header(("accept", PAGE_ACCEPT));
        let browser = TestBrowser::new(&app);
        let (get, head) = (browser.send(ask(Method::GET)).await, browser.send(ask(Method::HEAD)).await);
        assert_eq!((head.status, head.body.len()), (get.status, 0), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
        assert_eq!(head.header("content-length"), get.body.len().to_string(), "{path}");
    }
}

#[sqlx::test]
async fn pages_load_files_that_browsers_keep(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let page = TestBrowser::new(&app).open("/").await;
    let addresses = ["href", "src"].map(|name| page.attributes(name)).concat();
    let files: Vec<&String> = addresses.iter().filter(|address| address.starts_with("/static/")).collect();
    assert_eq!(files.len(), 3, "{addresses:?}");
    for file in files {
        let fetched = app.get(file).await;
        assert_eq!(fetched.header("cache-control"), "public, max-age=31536000, immutable", "{file}");
        assert_eq!(fetched.header("x-content-type-options"), "nosniff");
        let kind = match file.rsplit_once('.').unwrap().1 {
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            _ => "image/svg+xml",
        };
        assert_eq!(fetched.header("content-type"), kind);
        // During an update a page of one version may ask another.
        let (version, name) = file.trim_start_matches("/static/").split_once('/').unwrap();
        let other = app.get(format!("/static/{}/{name}", version.replace(|_| true, "0"))).await;
        assert_eq!((other.header("cache-control"), &other.body), ("no-cache", &fetched.body));
    }
    for missing in ["/static/x/none.js", "/static/x/..%2Fstyle.css", "/static/x/"] {
        assert!(matches!(app.get(missing).await.status.as_u16(), 401 | 404), "{missing}");
    }
    assert_eq!(app.get("/favicon.ico").await.header("content-type"), "image/svg+xml");
    assert_eq!(app.get("/robots.txt").await.body, b"User-agent: *\nDisallow: /\n");
    assert_eq!(app.delete("/robots.txt").await.expect_status(405)["code"], "method-not-allowed");
}
