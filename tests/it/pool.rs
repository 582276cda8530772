//! Connections that return to their pool: after whoever used them was cut off, for another company, after they died.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use offprint::db::row_level_security::run_as_company;
use offprint::db::{PgPool, open_request_pool, open_system_pool};
use offprint::id::CompanyId;

use crate::support::cut_off::run_steps;
use crate::support::test_app::TestApp;

/// Cuts `begin` off at each step, and writes through the same connection afterwards: what is written must be there for
/// others, instead of in a transaction that nobody knows of.
async fn assert_writes_are_committed(app: &TestApp, pool: &PgPool) {
    // With a connection that is there, the first step sends `begin`.
    sqlx::query("select 1").execute(pool).await.unwrap();
    let (mut cut_off, mut ended) = (0, 0);
    // The answer is sometimes there before anybody has waited for it, so this is done more than once.
    for number in 0.. {
        let has_ended = run_steps(async { pool.begin().await.unwrap() }, number % 4).await;
        (cut_off, ended) = (cut_off + usize::from(!has_ended), ended + usize::from(has_ended));
        let name = format!("name {number}");
        let sql = "update company set name = $1 where company_id = $2";
        let written = sqlx::query(sql).bind(&name).bind(app.state.company).execute(pool).await.unwrap();
        assert_eq!(written.rows_affected(), 1);
        let read = sqlx::query_scalar("select name from company where company_id = $1").bind(app.state.company);
        let read: String = read.fetch_one(&app.state.system).await.unwrap();
        assert_eq!(read, name, "after {} steps", number % 4);
        if cut_off > 3 && ended > 3 {
            break;
        }
        assert!(number < 1000, "{cut_off} times cut off, {ended} times ended");
    }
}

#[sqlx::test]
async fn who_is_cut_off_while_a_transaction_begins_leaves_none_behind(pool: sqlx::PgPool) {
    let app = TestApp::open(pool).await;
    let options = app.state.system.connect_options().clone();
    assert_writes_are_committed(&app, &open_system_pool(options.clone(), 1)).await;
    let pool = open_request_pool(options, 1);
    run_as_company(app.state.company, assert_writes_are_committed(&app, &pool)).await;
}

async fn read_number(pool: &PgPool, sql: &'static str) -> i32 {
    sqlx::query_scalar(sql).fetch_one(pool).await.unwrap()
}

const PROCESS_SQL: &str = "select pg_backend_pid()";

#[sqlx::test]
async fn who_is_cut_off_in_a_query_leaves_no_answer_to_the_next(pool: sqlx::PgPool) {
    let app = TestApp::open(pool).await;
    let pool = open_system_pool(app.state.system.connect_options().clone(), 1);
    let process = read_number(&pool, PROCESS_SQL).await;
    let mut cut_off = 0;
    for times in 0.. {
        let has_ended = run_steps(read_number(&pool, "select 1 from pg_sleep(0.01)"), times).await;
        cut_off += usize::from(!has_ended);
        assert_eq!(read_number(&pool, "select 2").await, 2, "after {times} steps");
        if has_ended {
            break;
        }
    }
    assert!(cut_off > 0, "it was not cut off");
    assert_eq!(read_number(&pool, PROCESS_SQL).await, process, "it is the same connection");
}

#[sqlx::test]
async fn a_transaction_that_is_not_committed_is_undone_and_its_connection_goes_on(pool: sqlx::PgPool) {
    let app = TestApp::open(pool).await;
    let pool = open_system_pool(app.state.system.connect_options().clone(), 1);
    let process = read_number(&pool, PROCESS_SQL).await;
    let count_sql = "select count(*)::int from company where name like 'new%'";
    let insert = async |name: &str, fails: bool| {
        let mut transaction = pool.begin().await.unwrap();
        let sql = "insert into company (company_id, name) values ($1, $2)";
        sqlx::query(sql).bind(CompanyId::new()).bind(name).execute(&mut *transaction).await.unwrap();
        if fails {
            sqlx::query("select 1 / 0").execute(&mut *transaction).await.unwrap_err();
        }
        transaction
    };
    drop(insert("new, dropped", false).await);
    assert_eq!(read_number(&pool, count_sql).await, 0);
    drop(insert("new, failed and dropped", true).await);
    assert_eq!(read_number(&pool, count_sql).await, 0);
    insert("new, rolled back", false).await.rollback().await.unwrap();
    assert_eq!(read_number(&pool, count_sql).await, 0);
    // Postgres takes the commit of a failed transaction as the order to undo it.
    insert("new, failed and committed", true).await.commit().await.unwrap();
    assert_eq!(read_number(&pool, count_sql).await, 0);
    insert("new, committed", false).await.commit().await.unwrap();
    assert_eq!(read_number(&pool, count_sql).await, 1);
    assert_eq!(read_number(&pool, PROCESS_SQL).await, process, "it is the same connection");
}

#[sqlx::test]
async fn a_connection_is_told_its_company_when_it_had_another_one(pool: sqlx::PgPool) {
    let app = TestApp::open(pool).await;
    let pool = open_request_pool(app.state.system.connect_options().clone(), 1);
    let read = async || -> (String, i32) {
        let sql = "select current_setting('application_name'), pg_backend_pid()";
        sqlx::query_as(sql).fetch_one(&pool).await.unwrap()
    };
    let (first, second) = (CompanyId::new(), CompanyId::new());
    let (nobody, process) = read().await;
    assert_eq!(nobody, "offprint/nobody");
    for company in [first, first, second, first] {
        let expected = (format!("offprint/{company}"), process);
        assert_eq!(run_as_company(company, read()).await, expected);
        // Statements one after the other, and within a transaction.
        let mut transaction = run_as_company(company, pool.begin()).await.unwrap();
        let sql = "select current_setting('application_name')";
        let name: String = sqlx::query_scalar(sql).fetch_one(&mut *transaction).await.unwrap();
        assert_eq!(name, expected.0);
    }
    assert_eq!(read().await, ("offprint/nobody".to_owned(), process), "outside of a request it sees nothing again");
}

#[sqlx::test]
async fn a_connection_is_told_and_asked_nothing_between_queries_of_one_company(pool: sqlx::PgPool) {
    let app = TestApp::open(pool).await;
    let pool = open_request_pool(app.state.system.connect_options().clone(), 1);
    let (first, second) = (CompanyId::new(), CompanyId::new());
    let process = run_as_company(first, read_number(&pool, PROCESS_SQL)).await;
    for (company, last_statement) in
        [(first, "select 7".to_owned()), (second, format!("set application_name = 'offprint/{second}'"))]
    {
        run_as_company(first, read_number(&pool, "select 7")).await;
        let connection = run_as_company(company, pool.acquire()).await.unwrap();
        let sql = "select query from pg_stat_activity where pid = $1";
        let seen: String = sqlx::query_scalar(sql).bind(process).fetch_one(&app.state.system).await.unwrap();
        assert_eq!(seen, last_statement);
        drop(connection);
    }
}

#[sqlx::test]
async fn a_connection_that_died_is_replaced(pool: sqlx::PgPool) {
    let app = TestApp::open(pool).await;
    let pool = open_system_pool(app.state.system.connect_options().clone(), 1);
    let process = read_number(&pool, PROCESS_SQL).await;
    let ended: bool = sqlx::query_scalar("select pg_terminate_backend($1, 10000)")
        .bind(process)
        .fetch_one(&app.state.system)
        .await
        .unwrap();
    assert!(ended);
    // Whoever comes at once finds out; whoever comes later gets another one.
    let _ = sqlx::query("select 1").execute(&pool).await;
    assert_ne!(read_number(&pool, PROCESS_SQL).await, process);
}

#[sqlx::test]
async fn a_pool_has_no_more_connections_than_it_may(pool: sqlx::PgPool) {
    let app = TestApp::open(pool).await;
    let pool = open_system_pool(app.state.system.connect_options().clone(), 2);
    let (first, second) = (pool.begin().await.unwrap(), pool.acquire().await.unwrap());
    let mut third = pin!(pool.acquire());
    assert!(poll_fn(|context| Poll::Ready(third.as_mut().poll(context).is_pending())).await, "there are two");
    // Its transaction is undone first.
    drop(first);
    let third = third.await.unwrap();
    pool.close();
    assert!(matches!(pool.acquire().await, Err(sqlx::Error::PoolClosed)));
    drop((second, third));
}
