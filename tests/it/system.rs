//! What machines and operators ask.

use crate::house::House;
use sqlx::PgPool;

#[sqlx::test]
async fn a_new_house_is_ready(pool: PgPool) {
    let house = House::open(pool).await;
    assert_eq!(house.get("/health/live").await.is(200)["status"], "ok");
    assert_eq!(house.get("/health/ready").await.is(200)["status"], "ok");
    assert_eq!(house.get("/info").await.is(200)["name"], "offprint");
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
