//! One item: claimed, worked on under a heartbeat, settled.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tempfile::TempPath;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::{Instrument, info_span, warn};

use crate::code::Code;
use crate::reason::Note;
use crate::db;
use crate::db::item::{self, Beat, Claim, Terms, Wanted};
use crate::db::ready::settle_ready;
use crate::db::settle::{self, Ending, Made, Try, settle};
use crate::digest::Digest;
use crate::language::Recipe;
use crate::render::pool::{Ended, Picture};
use crate::render::{Failure, Files, Rendered};
use crate::state::{KeepError, State, Told};
use crate::storage::{self, Local};
use crate::worker::{ENGINE, grace_is_over};

/// Takes the item whose turn it is and works on it. Whether there was one.
pub async fn next(state: &State) -> Result<bool, db::Error> {
    // Before the claim: an order that comes in just after it is heard.
    let orders = state.orders.listen();
    let (lease, max_running) = (state.settings.lease, state.settings.max_running);
    let counted = max_running > 0 || state.own_running.load(Ordering::Relaxed);
    let terms = Terms { worker: state.worker, lease, engine_version: ENGINE, max_running, counted };
    let Some(claim) = db::patiently(item::claim(&state.system, &terms)).await? else {
        return Ok(false);
    };
    let span = info_span!("item", job.handle = %claim.job_id, item.position = claim.position);
    work(state, claim, orders).instrument(span).await?;
    Ok(true)
}

async fn work(state: &State, claim: Claim, orders: Told) -> Result<(), db::Error> {
    if claim.first {
        db::patiently(item::begin_run(&state.system, claim.company_id, claim.job_id)).await?;
        state.news.ring();
    }
    let which = claim.attempt(state.worker);
    let (known, missing): (Vec<_>, Vec<_>) = claim.files.iter().partition(|file| is_ready(file));
    let mut again = false;
    let mut made: Vec<Made> = known.into_iter().map(|file| ready(&claim, file)).collect();
    if missing.is_empty() {
        let ending = handed_out(state, &claim).await?;
        log(&claim, &ending);
        end(state, &which, if matches!(ending, Ending::Done) { &made } else { &[] }, ending).await?;
        state.news.ring();
        // Where one needs no render there are often more: those are settled together.
        let more = || settle_ready(&state.system, claim.company_id, claim.job_id, state.worker, ENGINE);
        while db::patiently(more()).await? > 0 {
            state.news.ring();
        }
    } else {
        let ending = rendered(state, &claim, &missing, &mut made, orders).await;
        log(&claim, &ending);
        again = matches!(ending, Ending::GivenBack | Ending::Crashed(_));
        if !end(state, &which, &made, ending).await? {
            warn!("The lease of item {} of job {} ran out while it was worked on", claim.position, claim.job_id);
        }
    }
    state.news.ring();
    // What waits again at once is anybody's. Else it may have been the last of its job, which this process seals.
    if again {
        state.work.ring()
    } else {
        state.work.ring_here()
    }
    Ok(())
}

/// Settles, and tries again when the database is away for a moment: work that is done shall not wait for its lease to
/// run out and be done twice.
async fn end(state: &State, which: &Try, made: &[Made], ending: Ending) -> Result<bool, db::Error> {
    let mut pause = Duration::from_millis(100);
    loop {
        match db::patiently(settle(&state.system, which, made, ending.clone(), ENGINE)).await {
            Err(db::Error::Down(error)) if pause < state.settings.lease => {
                warn!(error = %error, "An item could not be settled yet: {error}");
                sleep(pause).await;
                pause *= 2;
            }
            settled => return settled,
        }
    }
}

/// Whether a file needs no render: it is the original, or a rendition that is known.
fn is_ready(file: &Wanted) -> bool {
    file.recipe.is_none() || file.known.is_some()
}

/// How an item ends that needs no render: well, unless it is an original that is known to be damaged.
async fn handed_out(state: &State, claim: &Claim) -> Result<Ending, db::Error> {
    let original = claim.files.iter().any(|file| file.recipe.is_none());
    let damaged = original && db::blob::fetch(&state.system, &claim.sha256).await?.damaged;
    Ok(if damaged { corrupt() } else { Ending::Done })
}

fn ready(claim: &Claim, file: &Wanted) -> Made {
    let rendition = file.rendition;
    match file.known.clone() {
        Some(known) => Made {
            rendition,
            sha256: known.sha256,
            picture: Some(settle::Picture { width: known.width, height: known.height, mime: known.mime, plan: None }),
            warnings: known.warnings,
            reused: true,
        },
        None => Made { rendition, sha256: claim.sha256, picture: None, warnings: Vec::new(), reused: false },
    }
}

/// Renders the files that are missing, while the lease is kept alive and orders are listened to. Adds what was made.
async fn rendered(state: &State, claim: &Claim, missing: &[&Wanted], made: &mut Vec<Made>, mut orders: Told) -> Ending {
    // Dropped, it kills the render.
    let render = make(state, claim, missing, made);
    tokio::pin!(render);
    let over = grace_is_over(state);
    tokio::pin!(over);
    let mut beats = interval(state.settings.lease / 4);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    beats.tick().await;
    loop {
        tokio::select! {
            ending = &mut render => return ending,
            _ = beats.tick() => match db::patiently(item::beat(&state.system, claim, state.worker, state.settings.lease)).await {
                Ok(Beat::GoOn) => {}
                Ok(Beat::Stop) => return Ending::Stopped,
                // Settle will find that the item is somebody else's.
                Ok(Beat::Lost) => return Ending::Lost,
                Err(error) => warn!(error = %error, "A heartbeat was missed: {error}"),
            },
            // The beat tells what the order means for the item.
            () = orders.of(claim.job_id) => beats.reset_immediately(),
            () = &mut over => return Ending::GivenBack,
        }
    }
}

/// Has the files that are missing rendered of one decoded picture, and keeps them. Those that worked are added to
/// `made`, also when others did not.
async fn make(state: &State, claim: &Claim, missing: &[&Wanted], made: &mut Vec<Made>) -> Ending {
    let begun = std::time::Instant::now();
    let (mut wanted, mut pins) = (Vec::new(), BTreeSet::new());
    for file in missing {
        let text = file.recipe.as_deref().unwrap_or_default();
        let Ok(recipe) = serde_json::from_str::<Recipe>(text) else {
            return Ending::Failed(Note::new(
                Code::Internal,
                "The recipe of this item does not read; a newer version wrote it.",
            ));
        };
        pins.extend(recipe.pins().filter_map(|pin| pin.parse::<Digest>().ok()));
        match state.storage.scratch().await {
            Ok(output) => wanted.push((
                recipe.format().mime(),
                Picture { recipe: text.to_owned(), output: output.to_path_buf() },
                output,
            )),
            Err(error) => return Ending::TryAgain(from_storage(&error)),
        }
    }
    let source = match original(state, &claim.sha256).await {
        Ok(source) => source,
        Err(ending) => return ending,
    };
    let pictures = wanted.iter().map(|(_, picture, _)| picture.clone()).collect();
    let mut others = Vec::new();
    for pin in &pins {
        match original(state, pin).await {
            Ok(other) => others.push(other),
            Err(ending) => return ending,
        }
    }
    let objects = pins.iter().zip(&others).map(|(pin, file)| (pin.to_string(), file.to_path_buf())).collect();
    let files = Files { source: source.to_path_buf(), objects };
    let rendered = state.renders.items.render(files, pictures).await;
    metrics::histogram!("offprint_render_seconds").record(begun.elapsed().as_secs_f64());
    let rendered = match rendered {
        Ok(rendered) => rendered,
        Err(ended) => return without(ended),
    };
    let mut failures = Vec::new();
    for ((file, (mime, _, output)), rendered) in missing.iter().zip(wanted).zip(rendered) {
        let kept = match rendered {
            Ok(rendered) => keep(state, file.rendition, mime, rendered, output).await,
            Err(failure) => Err(failed(failure)),
        };
        match kept {
            Ok(file) => made.push(file),
            Err(ending) => failures.push((file.name.as_deref(), ending)),
        }
    }
    together(failures)
}

/// The original as a local file, after a look at its checksum: what was damaged in the storage shall not become a
/// picture. That fails for good, for another try would read the same bytes.
async fn original(state: &State, sha256: &Digest) -> Result<Local, Ending> {
    let blob = db::blob::fetch(&state.system, sha256).await;
    let blob = blob.map_err(|error| Ending::TryAgain(Note::new(Code::Unavailable, error.to_string())))?;
    let sound = state.storage.sound(sha256, blob.size as u64, blob.crc32 as u32).await.map_err(|error| match error {
        storage::Error::Missing(_) => {
            Ending::TryAgain(Note::new(Code::OriginalMissing, "The original is not in the storage."))
        }
        error if error.is_loss() => corrupt(),
        error => Ending::TryAgain(from_storage(&error)),
    });
    if let Err(Ending::Failed(_)) = &sound {
        state.found_damaged(sha256).await;
    }
    sound
}

/// How an item ends whose original was damaged in the storage.
fn corrupt() -> Ending {
    let detail = "The stored original is no longer what was uploaded. Upload the file again, then retry.";
    Ending::Failed(Note::new(Code::CorruptOriginal, detail))
}

/// How an item ends of which no file could be rendered.
fn without(ended: Ended) -> Ending {
    match ended {
        Ended::Refused(failure) => failed(failure),
        Ended::Died(failure) => {
            metrics::counter!("offprint_renders_died_total", "code" => failure.code.as_str()).increment(1);
            Ending::Crashed(Note::new(failure.code, failure.detail))
        }
    }
}

/// Makes a rendered file a blob.
async fn keep(state: &State, rendition: i16, mime: &str, rendered: Rendered, output: TempPath) -> Result<Made, Ending> {
    let kept = match state.storage.stage(output).await {
        Ok(staged) => state.keep(staged).await,
        Err(error) => Err(error.into()),
    };
    match kept {
        Ok(sha256) => Ok(Made {
            rendition,
            sha256,
            picture: Some(settle::Picture {
                width: rendered.width as i32,
                height: rendered.height as i32,
                mime: mime.to_owned(),
                plan: Some(rendered.plan),
            }),
            warnings: rendered.warnings.into_iter().map(|warning| Note::new(warning.code, warning.detail)).collect(),
            reused: false,
        }),
        Err(KeepError::Storage(error)) => Err(Ending::TryAgain(from_storage(&error))),
        Err(KeepError::Db(error)) => Err(Ending::TryAgain(Note::new(Code::Unavailable, error.to_string()))),
    }
}

/// How an item ends of which these files, by the names of their renditions, did not work. Another try comes before
/// giving up, for it may mend what the world caused; what the picture causes is found again then.
fn together(failures: Vec<(Option<&str>, Ending)>) -> Ending {
    let rank = |ending: &Ending| u8::from(!matches!(ending, Ending::TryAgain(_)));
    let Some(first) = failures.iter().map(|(_, ending)| rank(ending)).min() else { return Ending::Done };
    let mut notes = failures.iter().filter(|(_, ending)| rank(ending) == first).filter_map(|(name, ending)| {
        let (Ending::Failed(note) | Ending::TryAgain(note)) = ending else { return None };
        let detail = name.map_or_else(|| note.detail.clone(), |name| format!("{name}: {}", note.detail));
        Some(Note::new(note.code, detail))
    });
    let Some(mut said) = notes.next() else { return Ending::Done };
    for note in notes {
        said.detail = format!("{} {}", said.detail, note.detail);
    }
    if first == 0 { Ending::TryAgain(said) } else { Ending::Failed(said) }
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
        error => Note::new(Code::Unavailable, format!("The storage did not do its part: {error}.")),
    }
}

fn log(claim: &Claim, ending: &Ending) {
    if let Ending::Failed(note) | Ending::TryAgain(note) | Ending::Crashed(note) = ending {
        warn!(code = %note.code, "{} of job {} did not work: {}", claim.asset_name, claim.job_id, note.detail);
    }
}
