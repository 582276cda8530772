//! One item: claimed, worked on under a heartbeat, settled.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::{Instrument, info_span, warn};

use crate::code::{Code, Note};
use crate::db;
use crate::db::item::{self, Beat, Claim};
use crate::db::settle::{Ending, Made, Try, settle, settle_ready};
use crate::language::Recipe;
use crate::render::Failure;
use crate::render::pool::Ended;
use crate::state::{KeepError, State};
use crate::storage;
use crate::worker::{ENGINE, within_grace};

/// Takes the item whose turn it is and works on it. Whether there was one.
pub async fn next(state: &State) -> Result<bool, db::Error> {
    let Some(claim) = item::claim(&state.db, state.worker, state.settings.lease, ENGINE).await? else {
        return Ok(false);
    };
    let span = info_span!("item", job.handle = %claim.job_id, item.position = claim.position);
    work(state, claim).instrument(span).await?;
    Ok(true)
}

async fn work(state: &State, claim: Claim) -> Result<(), db::Error> {
    if claim.first {
        item::begin_run(&state.db, claim.company_id, claim.job_id).await?;
        state.news.ring();
    }
    let which = Try { company: claim.company_id, job: claim.job_id, position: claim.position, claim: claim.claim };
    match ready(&claim) {
        Some(made) => {
            end(state, which, Ending::Done(made)).await?;
            state.news.ring();
            // Where one needs no render there are often more: those are settled together.
            while settle_ready(&state.db, claim.company_id, claim.job_id, state.worker, ENGINE).await? > 0 {
                state.news.ring();
            }
        }
        None => {
            let ending = rendered(state, &claim).await;
            log(&claim, &ending);
            if !end(state, which, ending).await? {
                warn!("The lease of item {} of job {} ran out while it was worked on", claim.position, claim.job_id);
            }
        }
    }
    state.news.ring();
    state.work.ring();
    Ok(())
}

/// Settles, and tries again when the database is away for a moment: work that is done shall not wait for its lease to
/// run out and be done twice.
async fn end(state: &State, which: Try, ending: Ending) -> Result<bool, db::Error> {
    let mut pause = Duration::from_millis(100);
    loop {
        match settle(&state.db, which, ending.clone(), ENGINE).await {
            Err(db::Error::Down(error)) if pause < state.settings.lease => {
                warn!(error = %error, "An item could not be settled yet: {error}");
                sleep(pause).await;
                pause *= 2;
            }
            settled => return settled,
        }
    }
}

/// What an item hands out that needs no render: the original, or a rendition that is known.
fn ready(claim: &Claim) -> Option<Made> {
    if claim.recipe_id.is_none() {
        return Some(Made { sha256: claim.sha256, picture: None, warnings: Vec::new(), reused: false });
    }
    let known = &claim.known;
    let picture = (known.known_width?, known.known_height?, known.known_mime.clone()?);
    let warnings = known.known_warnings.clone().map(|warnings| warnings.0).unwrap_or_default();
    Some(Made { sha256: known.known_sha256?, picture: Some(picture), warnings, reused: true })
}

/// Renders, while the lease is kept alive and orders are listened to.
async fn rendered(state: &State, claim: &Claim) -> Ending {
    // Dropped, it kills the render.
    let render = develop(state, claim);
    tokio::pin!(render);
    let mut beats = interval(state.settings.lease / 4);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    beats.tick().await;
    loop {
        tokio::select! {
            ending = &mut render => return ending,
            _ = beats.tick() => match item::beat(&state.db, claim, state.settings.lease).await {
                Ok(Beat::GoOn) => {}
                Ok(Beat::Stop) => return Ending::Stopped,
                // Settle will find that the item is somebody else's.
                Ok(Beat::Lost) => return Ending::Lost,
                Err(error) => warn!(error = %error, "A heartbeat was missed: {error}"),
            },
            () = state.closing.cancelled() => {
                return within_grace(&mut render).await.unwrap_or(Ending::GivenBack);
            }
        }
    }
}

/// Has the picture rendered, and keeps the result.
async fn develop(state: &State, claim: &Claim) -> Ending {
    let begun = std::time::Instant::now();
    let text = claim.recipe.as_deref().unwrap_or_default();
    let Ok(recipe) = serde_json::from_str::<Recipe>(text) else {
        return Ending::Failed(Note::new(
            Code::Internal,
            "The recipe of this item does not read; a newer version wrote it.",
        ));
    };
    let output = match state.storage.scratch().await {
        Ok(output) => output,
        Err(error) => return Ending::TryAgain(from_storage(&error)),
    };
    let mime = recipe.format().mime().to_owned();
    let rendered = state.renders.items.render(text, &state.storage.path(&claim.sha256), &output).await;
    metrics::histogram!("offprint_render_seconds").record(begun.elapsed().as_secs_f64());
    let rendered = match rendered {
        Ok(rendered) => rendered,
        Err(Ended::Refused(failure)) => return failed(failure),
        Err(Ended::Died(failure)) => {
            metrics::counter!("offprint_renders_died_total", "code" => failure.code.as_str()).increment(1);
            return Ending::Crashed(Note::new(failure.code, failure.detail));
        }
    };
    let kept = match state.storage.stage(output).await {
        Ok(staged) => state.keep(staged).await,
        Err(error) => Err(error.into()),
    };
    match kept {
        Ok(sha256) => Ending::Done(Made {
            sha256,
            picture: Some((rendered.width as i32, rendered.height as i32, mime)),
            warnings: rendered.warnings.into_iter().map(|warning| Note::new(warning.code, warning.detail)).collect(),
            reused: false,
        }),
        Err(KeepError::Storage(error)) => Ending::TryAgain(from_storage(&error)),
        Err(KeepError::Db(error)) => Ending::TryAgain(Note::new(Code::Unavailable, error.to_string())),
    }
}

/// What the picture or the modifier causes fails for good; what the world causes is tried again.
fn failed(failure: Failure) -> Ending {
    let note = Note::new(failure.code, failure.detail);
    match failure.code {
        Code::OriginalMissing | Code::StorageFull | Code::Unavailable | Code::Internal => Ending::TryAgain(note),
        _ => Ending::Failed(note),
    }
}

fn from_storage(error: &storage::Error) -> Note {
    match error {
        storage::Error::Full(_) => {
            Note::new(Code::StorageFull, "The storage is full; the item waits until there is room.")
        }
        _ => Note::new(Code::Unavailable, "The storage did not take the file."),
    }
}

fn log(claim: &Claim, ending: &Ending) {
    if let Ending::Failed(note) | Ending::TryAgain(note) | Ending::Crashed(note) = ending {
        warn!(code = %note.code, "{} of job {} did not work: {}", claim.asset_name, claim.job_id, note.detail);
    }
}
