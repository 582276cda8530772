//! Makes jobs of schedules that are due, each run once, however many processes look.
//!
//! The schedule's row is locked, the job written and the next run set in one transaction. Every end of it moves the
//! schedule on, also when no job can be made, so nothing is tried in a circle; only when the database is away the run
//! stays due.

use std::time::Duration;

use serde_json::json;
use sqlx::Acquire as _;
use tokio::time::timeout;
use tracing::{error, info, warn};

use super::rest;
use crate::code::Code;
use crate::reason::{Mistake, Note};
use crate::db::capability::Capability::ExportsCreate;
use crate::db::schedule::{self, Became, Due};
use crate::db::{self, Connection, api_key, company, limits};
use crate::export::order::Overlap;
use crate::export::place::{Place, most_jobs};
use crate::export::schedule::Timetable;
use crate::export::{Order, Refusal, rights};
use crate::id::JobId;
use crate::state::State;

/// How long a job may take to be made.
const PATIENCE: Duration = Duration::from_secs(60);

/// Mistakes of an order that are noted of a run.
const NOTED: usize = 10;

/// Makes jobs of what is due until the service closes.
pub async fn run(state: State) {
    while !state.closing.is_cancelled() {
        match next(&state).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => warn!(error = %error, "Schedules could not be looked after: {error}"),
        }
        // No bell rings when a time comes.
        rest(&state, std::future::pending()).await;
    }
}

/// Looks after one schedule that is due: whether there was one.
pub async fn next(state: &State) -> Result<bool, db::Error> {
    let mut transaction = db::patiently(async { Ok(state.system.begin().await?) }).await?;
    let Some(due) = db::patiently(schedule::due(&mut transaction)).await? else { return Ok(false) };
    match timeout(PATIENCE, look_after(state, &mut transaction, &due)).await {
        Ok(Ok(())) => db::patiently(async { Ok(transaction.commit().await?) }).await?,
        Ok(Err(error @ db::Error::Down(_))) => return Err(error),
        ended => {
            let why = ended.map_or_else(|_| "it took too long".to_owned(), |ended| format!("{:?}", ended.err()));
            error!(schedule.handle = %due.schedule_id, "A run of schedule {} failed for a reason of ours: {why}", due.schedule_id);
            drop(transaction);
            give_up(state, &due).await?;
        }
    }
    state.work.ring();
    state.news.ring();
    Ok(true)
}

async fn look_after(state: &State, connection: &mut Connection, due: &Due) -> Result<(), db::Error> {
    let row = schedule::find(&mut *connection, due.company_id, due.schedule_id).await?;
    let order: Result<Order, _> = serde_json::from_value(row.wish.0.clone());
    let became = match order {
        Ok(order) if row.unfinished && order.overlap.unwrap_or_default() == Overlap::Skip => Became::Skipped,
        Ok(order) => {
            // What a refused order has written goes, what became of the run stays.
            let mut attempt = connection.begin().await?;
            match job(state, &mut attempt, &row, order).await {
                Ok(job) => {
                    attempt.commit().await?;
                    Became::Job(job)
                }
                Err(Refusal::Db(error @ (db::Error::Down(_) | db::Error::Bug(_)))) => return Err(error),
                Err(refusal) => {
                    attempt.rollback().await?;
                    Became::Refused(problem(refusal))
                }
            }
        }
        Err(error) => Became::Refused(noted(Code::Internal, &error.to_string(), &[])),
    };
    told(due, &became);
    finish(connection, due, &row, &became).await
}

/// Writes down what became of the run, and when the next one is. Those that were missed meanwhile are not made up for.
async fn finish(
    connection: &mut Connection,
    due: &Due,
    row: &schedule::Schedule,
    became: &Became,
) -> Result<(), db::Error> {
    let now = schedule::now(connection).await?;
    let next = Timetable::kept(&row.wish).and_then(|timetable| timetable.next(now));
    schedule::note(connection, due.company_id, due.schedule_id, Some(due.next_run_at), became).await?;
    schedule::move_on(connection, due.company_id, due.schedule_id, next).await
}

/// The job of a run.
async fn job(
    state: &State,
    connection: &mut Connection,
    row: &schedule::Schedule,
    mut order: Order,
) -> Result<JobId, Refusal> {
    order.once();
    check_author(state, connection, row, &mut order).await?;
    let user = match row.user_id {
        Some(user) => Some(company::find_user(connection, row.company_id, user).await?),
        None => None,
    };
    let own = limits::own(&mut *connection, row.company_id).await?;
    let desk = state.desk();
    let place = Place {
        company: row.company_id,
        user: user.as_ref(),
        schedule: Some(row.schedule_id),
        most_jobs: most_jobs(&state.settings, &own),
        settings: &state.settings,
        desk: &desk,
    };
    let job = place.order(connection, order).await?;
    place.has_room(connection, true).await?;
    Ok(job)
}

/// Whether whoever made or last changed the schedule may do today what it asks for: with any key of theirs.
async fn check_author(
    state: &State,
    connection: &mut Connection,
    row: &schedule::Schedule,
    order: &mut Order,
) -> Result<(), Refusal> {
    let Some(author) = row.author_id.filter(|_| state.settings.asks_for_keys()) else { return Ok(()) };
    let Some(rights) = api_key::rights_of(connection, row.company_id, author).await? else {
        let detail = "Whoever made or last changed the schedule has no key in force any more. Change it with a key of \
                      somebody who shall answer for it (PATCH), or delete it.";
        return Err(Refusal::Beyond(Note::new(Code::KeyDisabled, detail)));
    };
    if !rights.contains(&ExportsCreate) {
        let detail =
            "Whoever made or last changed the schedule may order no exports any more. It needs `exports:create`.";
        return Err(Refusal::Beyond(Note::new(Code::OperationForbidden, detail)));
    }
    match rights::exceeded(order, |capability| rights.contains(&capability)) {
        mistakes if mistakes.is_empty() => Ok(()),
        mistakes => Err(Refusal::Mistakes(mistakes)),
    }
}

/// A run that failed for a reason of ours is noted, so that the next one gets its turn.
async fn give_up(state: &State, due: &Due) -> Result<(), db::Error> {
    db::patiently(async {
        let mut transaction = state.system.begin().await?;
        if schedule::still_due(&mut transaction, due).await? {
            let row = schedule::find(&mut *transaction, due.company_id, due.schedule_id).await?;
            let detail = "The service made a mistake. Its log has the reason under the schedule's handle.";
            let became = Became::Refused(noted(Code::Internal, detail, &[]));
            told(due, &became);
            finish(&mut transaction, due, &row, &became).await?;
            transaction.commit().await?;
        }
        Ok(())
    })
    .await
}

fn problem(refusal: Refusal) -> serde_json::Value {
    match refusal {
        Refusal::Beyond(note) => noted(note.code, &note.detail, &[]),
        Refusal::Db(error) => noted(Code::SourceMissing, &format!("{error}."), &[]),
        Refusal::Mistakes(mistakes) => {
            let detail = match mistakes.as_slice() {
                [only] => format!("{}: {}", only.pointer, only.detail),
                all => format!("The order has {} mistakes as things are now; `errors` lists the first.", all.len()),
            };
            noted(Code::ValidationFailed, &detail, &mistakes)
        }
    }
}

/// A problem as it is noted of a run.
fn noted(code: Code, detail: &str, mistakes: &[Mistake]) -> serde_json::Value {
    json!({ "code": code, "detail": detail, "errors": mistakes.iter().take(NOTED).collect::<Vec<_>>() })
}

fn told(due: &Due, became: &Became) {
    let (schedule, at) = (due.schedule_id, due.next_run_at);
    let outcome = match became {
        Became::Job(job) => {
            info!(schedule.handle = %schedule, job.handle = %job, "Schedule {schedule}, due at {at}, is job {job}");
            "started"
        }
        Became::Skipped => {
            info!(schedule.handle = %schedule, "Schedule {schedule}, due at {at}, is skipped: its last job is not finished");
            "skipped"
        }
        Became::Refused(problem) => {
            warn!(schedule.handle = %schedule, "Schedule {schedule}, due at {at}, could not run: {}", problem["detail"]);
            "refused"
        }
    };
    metrics::counter!("offprint_schedule_runs_total", "outcome" => outcome).increment(1);
}
