//! Who gets in: foreign hosts, foreign pages, callers without the key.

use actix_web::test::TestRequest;
use offprint::settings::Auth;
use sqlx::PgPool;

use crate::house::{Answer, House};

async fn ask(house: &House, request: TestRequest, headers: &[(&'static str, &'static str)]) -> Answer {
    let with = |request: TestRequest, header: &(&'static str, &'static str)| request.append_header(*header);
    house.send_as_is(headers.iter().fold(request, with)).await
}

#[sqlx::test]
async fn a_foreign_host_is_not_answered_in_open_mode(pool: PgPool) {
    let house = House::with(pool, |settings| settings.public_url = Some("https://offprint.example:8443/".into())).await;
    for (host, status) in [
        ("localhost:8080", 200),
        ("127.0.0.1:8080", 200),
        ("[::1]:8080", 200),
        ("offprint.example:8443", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("192.168.1.7:8080", 421),
    ] {
        let answer = ask(&house, TestRequest::get().uri("/assets"), &[("host", host)]).await;
        assert_eq!(answer.status.as_u16(), status, "{host}");
    }
    // What anybody can write beside the host does not make it ours, and one good name does not cover a bad one.
    for disguise in [("x-forwarded-host", "localhost"), ("forwarded", "host=localhost"), ("host", "localhost")] {
        let answer = ask(&house, TestRequest::get().uri("/assets"), &[("host", "evil.example"), disguise]).await;
        assert_eq!(answer.status.as_u16(), 421, "{disguise:?}");
    }
    let problem = ask(&house, TestRequest::get().uri("/assets"), &[("host", "evil.example")]).await.is(421);
    assert_eq!(problem["code"], "misdirected-request");
    let alive = ask(&house, TestRequest::get().uri("/health/live"), &[("host", "10.0.0.1")]).await;
    assert_eq!(alive.status.as_u16(), 200, "a load balancer asks by address");
}

#[sqlx::test]
async fn a_page_of_another_site_cannot_write(pool: PgPool) {
    let house = House::open(pool).await;
    let delete = || TestRequest::delete().uri("/image-presets/nothing");
    let foreign = ask(&house, delete(), &[("host", "localhost:8080"), ("origin", "https://evil.example")]).await;
    assert_eq!(foreign.is(403)["code"], "foreign-origin");
    let disguised =
        [("host", "localhost:8080"), ("origin", "https://evil.example"), ("x-forwarded-host", "evil.example")];
    assert_eq!(ask(&house, delete(), &disguised).await.is(403)["code"], "foreign-origin");
    let opaque = ask(&house, delete(), &[("host", "localhost:8080"), ("origin", "null")]).await;
    assert_eq!(opaque.is(403)["code"], "foreign-origin");
    for own in ["http://localhost:8080", "http://127.0.0.1:8080"] {
        let answer = ask(&house, delete(), &[("host", "localhost:8080"), ("origin", own)]).await;
        assert_eq!(answer.is(404)["code"], "not-found", "{own}");
    }
    let read = ask(
        &house,
        TestRequest::get().uri("/assets"),
        &[("host", "localhost:8080"), ("origin", "https://evil.example")],
    )
    .await;
    assert_eq!(read.status.as_u16(), 200, "reading is the browser's own business");
}

#[sqlx::test]
async fn with_a_key_nothing_but_health_and_documentation_is_open(pool: PgPool) {
    let house = House::with(pool, |settings| settings.api_key = Some("sixteen-characters-and-more".into())).await;
    let get = |path: &'static str| TestRequest::get().uri(path);
    for closed in ["/", "/assets", "/export-jobs", "/image-presets", "/info", "/metrics", "/nowhere"] {
        let answer = ask(&house, get(closed), &[("host", "anything")]).await;
        assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"offprint\"");
        assert_eq!(answer.is(401)["code"], "unauthenticated", "{closed}");
    }
    for open in ["/health/live", "/health/ready", "/openapi.json", "/swagger-ui/"] {
        assert_eq!(ask(&house, get(open), &[("host", "anything")]).await.status.as_u16(), 200, "{open}");
    }
    let with = |key: &'static str| [("host", "anything"), ("authorization", key)];
    assert_eq!(ask(&house, get("/assets"), &with("Bearer sixteen-characters-and-more")).await.status.as_u16(), 200);
    for wrong in ["Bearer sixteen-characters-and-less", "sixteen-characters-and-more", "Basic eA==", "Bearer "] {
        assert_eq!(ask(&house, get("/assets"), &with(wrong)).await.status.as_u16(), 401, "{wrong}");
    }
}

#[sqlx::test]
async fn open_on_a_network_answers_to_every_name(pool: PgPool) {
    let house = House::with(pool, |settings| settings.auth = Auth::OpenOnNetwork).await;
    let answer = ask(&house, TestRequest::get().uri("/assets"), &[("host", "pictures.lan")]).await;
    assert_eq!(answer.status.as_u16(), 200);
}

#[sqlx::test]
async fn problems_leak_nothing_of_the_inside(pool: PgPool) {
    let house = House::open(pool).await;
    tokio::join!(house.state.db.close(), house.state.system.close());
    let down = house.get("/assets").await;
    let text = String::from_utf8(down.body.clone()).unwrap();
    assert_eq!(down.header("retry-after"), "5");
    assert_eq!(down.is(503)["code"], "unavailable");
    for secret in ["select", "sql", "postgres", "Pool", "/tmp", ".rs"] {
        assert!(!text.contains(secret), "{text}");
    }
    assert_eq!(house.get("/health/ready").await.is(503)["status"], "database");
}
