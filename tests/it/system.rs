//! What machines and operators ask.

use crate::house::House;
use serde_json::json;
use sqlx::PgPool;

#[sqlx::test]
async fn a_new_house_is_ready(pool: PgPool) {
    let house = House::open(pool).await;
    assert_eq!(house.get("/health/live").await.is(200)["status"], "ok");
    assert_eq!(house.get("/health/ready").await.is(200)["status"], "ok");
    let info = house.get("/info").await.is(200);
    assert_eq!(info["name"], "offprint");
    assert!(info["formats"]["input"].as_array().unwrap().contains(&json!("image/tiff")), "{info}");
    assert!(info["formats"]["output"].as_array().unwrap().contains(&json!("png-alpha")), "{info}");
    assert!(house.get("/").await.header("content-type").starts_with("text/html"));
}

#[sqlx::test]
async fn unknown_addresses_and_methods_are_problems(pool: PgPool) {
    let house = House::open(pool).await;
    let nothing = house.get("/nowhere").await;
    assert_eq!(nothing.header("content-type"), "application/problem+json");
    let request_id = nothing.header("x-request-id").to_owned();
    let problem = nothing.is(404);
    assert_eq!(problem["code"], "not-found");
    assert_eq!(problem["requestId"], request_id.as_str());
    let wrong = house.delete("/info").await;
    assert_eq!(wrong.header("allow"), "GET");
    assert_eq!(wrong.is(405)["code"], "method-not-allowed");
}

#[sqlx::test]
async fn metrics_say_how_much_there_is_to_do(pool: PgPool) {
    let house = House::open(pool).await;
    let handles = [house.asset("a.txt", b"a").await, house.asset("b.txt", b"b").await];
    let order = |more: serde_json::Value| {
        let mut order = json!({ "assetHandleArray": handles, "fmt": "orig" });
        order.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        order
    };
    house.post("/export-jobs", order(json!({}))).await.is(202);
    house.post("/export-jobs", order(json!({ "execTime": "2099-01-01T00:00:00Z" }))).await.is(202);
    let says = async |lines: [&str; 4]| {
        let text = String::from_utf8(house.get("/metrics").await.body).unwrap();
        for line in lines {
            assert!(text.lines().any(|said| said == line), "{line} is not in\n{text}");
        }
    };
    let (scheduled, running) = ("offprint_jobs{state=\"scheduled\"} 1", "offprint_items{state=\"running\"} 0");
    says(["offprint_jobs{state=\"active\"} 1", scheduled, "offprint_items{state=\"waiting\"} 2", running]).await;
    offprint::worker::drain(&house.state).await.unwrap();
    says(["offprint_jobs{state=\"active\"} 0", scheduled, "offprint_items{state=\"waiting\"} 0", running]).await;
}
