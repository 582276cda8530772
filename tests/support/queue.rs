//! A worker in the hand of a test: it claims and settles items through the real queries, and renders nothing.

use std::time::Duration;

use offprint::db::DbError;
use offprint::db::attempt::Attempt;
use offprint::db::item::{self, ClaimOptions};
use offprint::db::kept_rendition::keep_renditions;
use offprint::db::settle::{AttemptEnd, AttemptOutcome, SettledFile, settle_items};
use offprint::db::task::{TaskClaim, TaskKind};
use offprint::db::task_claim::{self, TaskClaimOptions};
use offprint_imaging::ENGINE_VERSION;

use crate::support::test_app::TestApp;

pub const LEASE_DURATION: Duration = Duration::from_secs(20);

pub fn build_claim_terms(app: &TestApp) -> ClaimOptions {
    ClaimOptions {
        worker: app.state.worker,
        lease: LEASE_DURATION,
        engine_version: ENGINE_VERSION,
        max_running: app.state.settings.max_running,
    }
}

/// Claims one item, if there is one.
pub async fn try_claim_item(app: &TestApp) -> Option<item::Claim> {
    claim_items(app, 1).await.pop()
}

pub async fn claim_items(app: &TestApp, slots: usize) -> Vec<item::Claim> {
    item::claim_items(&app.state.queue, &build_claim_terms(app), slots).await.unwrap()
}

pub async fn claim_item(app: &TestApp) -> item::Claim {
    try_claim_item(app).await.expect("an item is waiting")
}

/// Keeps the original of a claim as if it were what was rendered.
async fn keep_original(app: &TestApp, claim: &item::Claim) {
    let mut transaction = app.state.system.begin().await.unwrap();
    keep_renditions(&mut transaction, &[(&claim.attempt(app.state.worker), claim.sha256)]).await.unwrap();
    transaction.commit().await.unwrap();
}

/// Settles one attempt. Whether it was written.
pub async fn settle_item(
    app: &TestApp,
    attempt: &Attempt,
    files: &[SettledFile],
    outcome: AttemptOutcome,
) -> Result<bool, DbError> {
    let end = AttemptEnd { attempt: attempt.clone(), files: files.to_vec(), outcome };
    Ok(settle_items(&app.state.queue, &[&end], ENGINE_VERSION).await?.written == [true])
}

/// Settles an attempt as succeeded; its files are copies of the original.
pub async fn settle_with_files(app: &TestApp, claim: &item::Claim) -> bool {
    keep_original(app, claim).await;
    let files: Vec<SettledFile> = claim.files.iter().map(|file| build_settled_file(claim, file.rendition)).collect();
    settle_item(app, &claim.attempt(app.state.worker), &files, AttemptOutcome::Succeeded).await.unwrap()
}

fn build_settled_file(claim: &item::Claim, rendition: i16) -> SettledFile {
    SettledFile { rendition, sha256: claim.sha256, image: None, warnings: Vec::new(), reused: false }
}

/// Claims up to this many tasks of a kind.
pub async fn claim_tasks(app: &TestApp, kind: TaskKind, slots: usize) -> Vec<TaskClaim> {
    let options = TaskClaimOptions { worker: app.state.worker, lease: LEASE_DURATION, slots: &[(kind, slots)] };
    task_claim::claim_tasks(&app.state.system, &options).await.unwrap()
}

pub async fn try_claim_task(app: &TestApp, kind: TaskKind) -> Option<TaskClaim> {
    claim_tasks(app, kind, 1).await.pop()
}

pub async fn claim_task(app: &TestApp, kind: TaskKind) -> TaskClaim {
    try_claim_task(app, kind).await.expect("a task is due")
}

/// Makes the database reject statements that write more than one row to a table, as `event` (`insert on`, `update on`) and, of
/// these rows, where `condition` holds.
pub async fn reject_sets(app: &TestApp, event_and_table: &str, condition: &str) {
    let function = format!(
        "create function reject_sets() returns trigger language plpgsql as $$
         begin
             if (select count(*) from written where {condition}) > 1 then
                 perform nextval('rejected_set');
                 raise exception 'no sets today';
             end if;
             return null;
         end $$"
    );
    let trigger = format!(
        "create trigger reject_sets after {event_and_table} referencing new table as written
             for each statement execute function reject_sets()"
    );
    // What a sequence counts stays counted when the statement is undone.
    for sql in ["create sequence rejected_set".to_owned(), function, trigger] {
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&app.state.system).await.unwrap();
    }
}

/// Whether [`reject_sets`] has rejected any.
pub async fn was_set_rejected(app: &TestApp) -> bool {
    sqlx::query_scalar("select is_called from rejected_set").fetch_one(&app.state.system).await.unwrap()
}
