//! Connections that return to their pool after whoever used them was cut off.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use offprint::db::row_level_security::run_as_company;
use offprint::db::{open_request_pool, open_system_pool};
use sqlx::PgPool;

use crate::support::test_app::TestApp;

/// Polls a future this many times and drops it, as the end of a request does. Whether it has ended.
async fn poll_times<T>(work: impl Future<Output = T>, times: usize) -> bool {
    let (mut work, mut done) = (pin!(work), 0);
    poll_fn(|context| {
        if work.as_mut().poll(context).is_ready() {
            return Poll::Ready(true);
        }
        done += 1;
        if done > times { Poll::Ready(false) } else { Poll::Pending }
    })
    .await
}

/// Cuts `begin` off at each step, and writes through the same connection afterwards: what is written must be there for
/// others, instead of in a transaction that nobody knows of.
async fn assert_writes_are_committed(app: &TestApp, pool: &PgPool) {
    // With a connection that is there, the first step sends `begin`.
    sqlx::query("select 1").execute(pool).await.unwrap();
    let mut cut_off = 0;
    for times in 0.. {
        let has_ended = poll_times(pool.begin(), times).await;
        cut_off += usize::from(!has_ended);
        let name = format!("name {times}");
        let sql = "update company set name = $1 where company_id = $2";
        let written = sqlx::query(sql).bind(&name).bind(app.state.company).execute(pool).await.unwrap();
        assert_eq!(written.rows_affected(), 1);
        let read = sqlx::query_scalar("select name from company where company_id = $1").bind(app.state.company);
        let read: String = read.fetch_one(&app.state.system).await.unwrap();
        assert_eq!(read, name, "after {times} steps");
        if has_ended {
            break;
        }
    }
    assert!(cut_off > 0, "it was not cut off");
}

#[sqlx::test]
async fn who_is_cut_off_while_a_transaction_begins_leaves_none_behind(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let options = (*app.state.system.connect_options()).clone();
    assert_writes_are_committed(&app, &open_system_pool(options.clone(), 1)).await;
    let pool = open_request_pool(options, 1);
    run_as_company(app.state.company, assert_writes_are_committed(&app, &pool)).await;
}
