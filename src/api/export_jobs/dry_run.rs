//! Trying an order out: what it would do, without doing it.

use actix_web::web::Data;
use actix_web::{HttpResponse, post};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::body::Body;
use crate::api::caller::Caller;
use crate::api::export_jobs::allowed::allowed;
use crate::api::export_jobs::create::refused;
use crate::api::export_schedules::schedule::SHOWN_RUNS;
use crate::api::problem::Problem;
use crate::api::responses::BadBody;
use crate::reason::Note;
use crate::db;
use crate::db::job::Rendition;
use crate::db::vocabulary::ItemState;
use crate::export::explain::plan;
use crate::export::place::{fits_an_archive, no_recipient};
use crate::export::schedule::Timetable;
use crate::export::{Desk, DraftFile, DraftItem, Order, draft, header};
use crate::id::AssetId;
use crate::render::Header;
use crate::state::State;

/// An order that was tried out.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DryRun {
    /// One for each asset, in request order.
    items: Vec<DryRunItem>,
    /// The modifier with every macro in its place; null for `orig`, and where there are renditions.
    effective_modifier: Option<String>,
    /// The renditions with their effective modifiers; null when the order has none.
    renditions: Option<Vec<Rendition>>,
    /// Bytes of the originals that would be read or handed out.
    source_bytes: i64,
    /// When its first runs would be; null for an order without `execSchedule`. The rest says what a run would do now.
    next_runs: Option<Vec<DateTime<Utc>>>,
    /// What there is to know.
    warnings: Vec<Note>,
}

/// What would become of an asset.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DryRunItem {
    /// The asset.
    asset_handle: AssetId,
    /// Its name.
    name: String,
    /// `convert`, `original`, `skip` or `fail`.
    #[schema(example = "convert")]
    action: &'static str,
    /// Place of its file in the archive; null when it has none or several.
    path: Option<String>,
    /// Pixels across of the rendered picture; null when there are several.
    width: Option<u32>,
    /// Pixels down of the rendered picture; null when there are several.
    height: Option<u32>,
    /// One for each rendition, or one for an original; empty when nothing would be handed out.
    files: Vec<DryRunFile>,
    /// Why it would fail.
    failure: Option<Note>,
    /// What there is to know.
    warnings: Vec<Note>,
}

/// What would be handed out.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DryRunFile {
    /// The rendition's name; null where the order has none, and for originals.
    rendition: Option<String>,
    /// Its place in the archive.
    path: String,
    /// Pixels across of the rendered picture.
    width: Option<u32>,
    /// Pixels down of the rendered picture.
    height: Option<u32>,
    /// Why it would fail.
    failure: Option<Note>,
    /// What there is to know about it.
    warnings: Vec<Note>,
}

/// Try an order out.
///
/// Says what the order would do, asset by asset, without creating anything and without reading any pixels: names,
/// sizes, what would be skipped or fail and why. Mistakes of the order are told as when it is sent.
#[utoipa::path(
    tag = "export jobs",
    operation_id = "validateExportJob",
    request_body(content = Order, example = json!({
        "assetHandleArray": ["00000000-0000-7000-8000-000000000001"], "fmt": "convert", "is_modifier": "wid=640&fmt=png"
    })),
    responses((status = 200, description = "What the order would do.", body = DryRun), BadBody),
)]
#[post("/export-jobs/validate")]
pub async fn validate(state: Data<State>, caller: Caller, order: Body<Order>) -> Result<HttpResponse, Problem> {
    let mut connection = state.db.acquire().await.map_err(db::Error::from)?;
    let Body(mut order, _) = order;
    let user = allowed(&mut connection, &caller, &mut order).await?;
    let desk = state.desk();
    let draft =
        draft(&mut connection, caller.company, order, state.settings.max_items, &desk).await.map_err(refused)?;
    fits_an_archive(&draft, &state.settings).map_err(refused)?;
    let next_runs = next_runs(&mut connection, &draft.order).await?;
    let source_bytes =
        draft.items.iter().filter(|item| item.state == ItemState::Waiting).filter_map(|item| item.asset.size).sum();
    let mut warnings = draft.warnings;
    warnings.extend(no_recipient(&state.settings, &draft.order, user.as_ref()));
    Ok(HttpResponse::Ok().json(DryRun {
        items: draft.items.into_iter().map(|item| tried(item, draft.renditions.as_deref(), &desk)).collect(),
        effective_modifier: draft.effective_modifier,
        renditions: draft.renditions,
        source_bytes,
        next_runs,
        warnings,
    }))
}

/// When the first runs of an order would be that recurs.
async fn next_runs(connection: &mut db::Connection, order: &Order) -> Result<Option<Vec<DateTime<Utc>>>, Problem> {
    let Some(timetable) = Timetable::of(order).transpose().map_err(Problem::refused)? else { return Ok(None) };
    let now = db::schedule::now(connection).await?;
    Ok(Some(timetable.from(timetable.next(now), SHOWN_RUNS)))
}

/// What would become of an item: plans its pictures from the header that was read at upload.
fn tried(item: DraftItem, renditions: Option<&[Rendition]>, desk: &Desk<'_>) -> DryRunItem {
    let header = header(&item.asset);
    let converts = item.files.iter().any(|file| file.meaning.is_some());
    let names = renditions.unwrap_or_default().iter().map(|rendition| Some(rendition.name.clone()));
    let files: Vec<DryRunFile> = (item.files.into_iter().zip(names.chain(std::iter::repeat(None))))
        .map(|(file, name)| planned(file, name, header.as_ref(), desk))
        .collect();
    let failure = item.failure.or_else(|| files.iter().find_map(|file| file.failure.clone()));
    let mut warnings = item.warnings;
    for warning in files.iter().flat_map(|file| &file.warnings) {
        if !warnings.contains(warning) {
            warnings.push(warning.clone());
        }
    }
    let only = if let [only] = files.as_slice() { Some(only) } else { None };
    DryRunItem {
        asset_handle: item.asset.asset_id,
        name: item.asset.name,
        action: match item.state {
            ItemState::Skipped => "skip",
            _ if failure.is_some() => "fail",
            _ if converts => "convert",
            _ => "original",
        },
        path: only.map(|file| file.path.clone()),
        width: only.and_then(|file| file.width),
        height: only.and_then(|file| file.height),
        files,
        failure,
        warnings,
    }
}

fn planned(file: DraftFile, name: Option<String>, header: Option<&Header>, desk: &Desk<'_>) -> DryRunFile {
    let mut shown = DryRunFile {
        rendition: name.filter(|_| file.meaning.is_some()),
        path: file.path,
        width: None,
        height: None,
        failure: None,
        warnings: Vec::new(),
    };
    let Some(meaning) = file.meaning else { return shown };
    match plan(&meaning.recipe, header, &meaning.others, desk) {
        Ok(plan) => {
            (shown.width, shown.height) = (Some(plan.width), Some(plan.height));
            shown.warnings = plan.warnings.into_iter().map(|warning| Note::new(warning.code, warning.detail)).collect();
        }
        Err(failure) => shown.failure = Some(failure),
    }
    shown
}
