//! `Idempotency-Key`: a request that is sent twice is done once.

use actix_web::test::TestRequest;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::exportjob::jpg;
use crate::house::{Answer, House};

async fn order(house: &House, key: &str, body: &Value) -> Answer {
    house.send(TestRequest::post().uri("/export-jobs").insert_header(("idempotency-key", key)).set_json(body)).await
}

async fn jobs(house: &House) -> usize {
    house.get("/export-jobs").await.is(200)["items"].as_array().unwrap().len()
}

#[sqlx::test]
async fn the_same_key_and_body_get_the_first_answer(pool: PgPool) {
    let house = House::open(pool).await;
    let body = json!({"assetHandleArray": [house.asset("a.jpg", &jpg(1)).await], "fmt": "orig"});
    let first = order(&house, "order-1", &body).await;
    assert_eq!(first.header("idempotent-replayed"), "");
    let location = first.header("location").to_owned();
    let first = first.is(202);
    offprint::worker::drain(&house.state).await.unwrap();
    let second = order(&house, "order-1", &body).await;
    assert_eq!((second.header("idempotent-replayed"), second.header("location")), ("true", location.as_str()));
    assert_eq!(second.is(202), first, "the first answer, not the job as it is now");
    assert_eq!(jobs(&house).await, 1);
    order(&house, "order-2", &body).await.is(202);
    assert_eq!(jobs(&house).await, 2);
}

#[sqlx::test]
async fn another_body_under_the_same_key_is_refused(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    order(&house, "k", &json!({"assetHandleArray": [asset], "fmt": "orig"})).await.is(202);
    let other = order(&house, "k", &json!({"assetHandleArray": [asset], "fmt": "orig", "jobName": "x"})).await;
    assert_eq!(other.is(422)["code"], "idempotency-conflict");
    assert_eq!(order(&house, "two words", &json!({})).await.is(400)["code"], "invalid-parameter");
}

#[sqlx::test]
async fn a_refused_order_leaves_its_key_free(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    order(&house, "k", &json!({"assetHandleArray": [asset], "fmt": "convert"})).await.is(422);
    order(&house, "k", &json!({"assetHandleArray": [asset], "fmt": "orig"})).await.is(202);
}

#[sqlx::test]
async fn fifty_at_once_make_one_job(pool: PgPool) {
    let house = House::open(pool).await;
    let body = json!({"assetHandleArray": [house.asset("a.jpg", &jpg(1)).await], "fmt": "orig"});
    let answers = futures_util::future::join_all((0..50).map(|_| order(&house, "storm", &body))).await;
    let codes: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    assert!(codes.iter().all(|code| matches!(code, 202 | 409)), "{codes:?}");
    assert_eq!(
        answers.iter().filter(|answer| answer.status == 202 && answer.header("idempotent-replayed").is_empty()).count(),
        1
    );
    assert_eq!(jobs(&house).await, 1);
}
