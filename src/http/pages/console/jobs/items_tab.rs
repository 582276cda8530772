//! The first tab of a job: its items, each with its source beside its results.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path, Query};
use actix_web::{HttpRequest, HttpResponse, get};
use askama::Template;
use serde::Deserialize;
use serde_json::json;

use crate::app::AppState;
use crate::db::asset::AssetType;
use crate::db::capability::Capability;
use crate::db::enums::{FileState, ItemState};
use crate::db::item;
use crate::db::job::JobRow;
use crate::http::address::write_address;
use crate::http::extract::caller::Caller;
use crate::http::pages::console::frame::ConsoleFrame;
use crate::http::pages::console::jobs::head::{JobHead, JobTab, build_head};
use crate::http::pages::console::jobs::remark::Remark;
use crate::http::pages::console::pager::Pager;
use crate::http::pages::console::section::{Section, can_open};
use crate::http::pages::file_words::describe_file;
use crate::http::pages::frame::{Icon, PageTime};
use crate::http::problem::Problem;
use crate::http::resources::export_jobs::files::encode_path;
use crate::http::resources::export_jobs::find_visible_job;
use crate::http::resources::export_jobs::items::{Item, ItemAttempt, ItemFile, ItemQuery, load_item_page};
use crate::http::resources::export_jobs::thumbnails::{has_thumbnail, serve_thumbnail_of};
use crate::i18n::Language;

/// Items on one page.
const ITEMS_PER_PAGE: u32 = 50;

#[derive(Template)]
#[template(path = "console/jobs/items.html")]
struct ItemsPage {
    frame: ConsoleFrame,
    head: JobHead,
    states: Vec<StateLink>,
    items: Vec<ItemLine>,
    pager: Pager,
    /// Words and icons of the states of items, for the script.
    words: String,
}

/// A link to the items in one state.
struct StateLink {
    address: String,
    text: String,
    count: String,
    is_current: bool,
}

struct ItemLine {
    position: i32,
    name: String,
    folder: String,
    /// Address of a small picture of the source.
    source: Option<String>,
    /// Address of the asset's own page.
    asset: Option<String>,
    icon: Icon,
    word: String,
    files: Vec<FileLine>,
    failure: Option<Remark>,
    warnings: Vec<Remark>,
    attempts: String,
    history: Vec<AttemptLine>,
}

struct FileLine {
    name: String,
    address: Option<String>,
    thumbnail: Option<String>,
    details: String,
}

struct AttemptLine {
    time: Option<PageTime>,
    text: String,
    host: Option<String>,
    failure: Option<Remark>,
}

/// Which items the page shows.
#[derive(Deserialize)]
pub(super) struct ItemsQuery {
    state: Option<ItemState>,
    cursor: Option<String>,
}

/// `GET /console/jobs/{jobHandle}`.
#[get("/console/jobs/{jobHandle}")]
pub(super) async fn show_job(
    state: Data<AppState>,
    path: Path<String>,
    query: Query<ItemsQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let frame = ConsoleFrame::open(&state, &request, Section::Jobs).await?;
    let job = find_visible_job(&state, &frame.caller, &path).await?;
    let ItemsQuery { state: item_state, cursor } = query.into_inner();
    let query = ItemQuery { state: item_state, attempts: Some(true), limit: Some(ITEMS_PER_PAGE), cursor };
    let page = load_item_page(&state, frame.caller.company, job.job_id, &query).await?;
    let head = build_head(&state, &frame, &job, JobTab::Items).await?;
    let frame = frame.with_title(&job.job_name);
    let page = ItemsPage {
        states: list_states(frame.language, &job, item_state),
        pager: Pager::new(&request, page.next_cursor.as_deref()),
        items: page.items.into_iter().map(|item| ItemLine::new(&frame, &job, item)).collect(),
        words: write_words(frame.language),
        head,
        frame,
    };
    page.frame.respond(StatusCode::OK, &page)
}

/// `GET /console/jobs/{jobHandle}/items/{position}/thumbnail`: a small picture of the source that the item was made from,
/// also when the asset has new content since.
#[get("/console/jobs/{jobHandle}/items/{position}/thumbnail")]
pub(super) async fn show_source_thumbnail(
    state: Data<AppState>,
    caller: Caller,
    path: Path<(String, i32)>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (job, position) = path.into_inner();
    let job = find_visible_job(&state, &caller, &job).await?;
    let source = item::find_source_image(&state.db, caller.company, job.job_id, position).await?;
    let source = source.ok_or_else(|| Problem::not_found("source image in this job"))?;
    serve_thumbnail_of(&state, caller.company, source, &request).await
}

fn list_states(language: &Language, job: &JobRow, current: Option<ItemState>) -> Vec<StateLink> {
    let own = JobTab::Items.path(job.job_id);
    let count = |state| match state {
        ItemState::Waiting => job.count_waiting(),
        ItemState::Running => job.running,
        ItemState::Succeeded => job.succeeded.into(),
        ItemState::Failed => job.failed.into(),
        ItemState::Skipped => job.skipped.into(),
        ItemState::Stopped => job.stopped.into(),
    };
    let all = StateLink {
        address: write_address(&own),
        text: language.format("console-items-all", &[]),
        count: language.format_number(job.total.into()),
        is_current: current.is_none(),
    };
    let shown = ItemState::ALL.into_iter().filter(|state| count(*state) > 0 || current == Some(*state));
    let link = |state: ItemState| StateLink {
        address: write_address(&format!("{own}?state={}", state.name())),
        text: describe_item_state(language, state).1,
        count: language.format_number(count(state)),
        is_current: current == Some(state),
    };
    [all].into_iter().chain(shown.map(link)).collect()
}

fn describe_item_state(language: &Language, state: ItemState) -> (Icon, String) {
    let icon = match state {
        ItemState::Waiting => Icon::Waiting,
        ItemState::Running => Icon::Running,
        ItemState::Succeeded => Icon::Done,
        ItemState::Skipped => Icon::Warning,
        ItemState::Failed | ItemState::Stopped => Icon::Failed,
    };
    (icon, language.format(&format!("console-item-{}", state.name()), &[]))
}

/// What the script says of items, as JSON.
fn write_words(language: &Language) -> String {
    let describe = |state: ItemState| {
        let (icon, word) = describe_item_state(language, state);
        (state.name().to_owned(), json!({"word": word, "icon": icon.class(), "path": icon.path()}))
    };
    serde_json::Value::Object(ItemState::ALL.map(describe).into_iter().collect()).to_string()
}

impl ItemLine {
    fn new(frame: &ConsoleFrame, job: &JobRow, item: Item) -> Self {
        let language = frame.language;
        let (icon, word) = describe_item_state(language, item.state);
        let can_see_source = item.asset_type == AssetType::Image && frame.caller.has_capability(Capability::AssetsRead);
        let asset = format!("/console/assets/{}", item.asset_handle);
        let source = format!("{}/items/{}/thumbnail", JobTab::Items.path(job.job_id), item.position);
        let history = item.attempt_history.unwrap_or_default();
        Self {
            position: item.position,
            name: item.name,
            folder: item.folder,
            source: can_see_source.then(|| write_address(&source)),
            asset: can_open("GET", &asset, &frame.caller).then(|| write_address(&asset)),
            icon,
            word,
            files: item.files.iter().map(|file| FileLine::new(language, job, file)).collect(),
            failure: item.failure.map(|failure| Remark::new(language, &failure)),
            warnings: Remark::list(language, &item.warnings),
            attempts: language.format_number(item.attempts.into()),
            history: history.into_iter().map(|attempt| AttemptLine::new(frame, attempt)).collect(),
        }
    }
}

impl FileLine {
    fn new(language: &Language, job: &JobRow, file: &ItemFile) -> Self {
        let is_ready = file.state == FileState::Ready && !job.expired;
        let address = |kind: &str| {
            is_ready.then(|| write_address(&format!("/export-jobs/{}/{kind}/{}", job.job_id, encode_path(&file.path))))
        };
        Self {
            name: file.path.clone(),
            address: address("files"),
            thumbnail: address("thumbnails").filter(|_| has_thumbnail(file.mime.as_deref())),
            details: match file.state {
                FileState::Ready => {
                    describe_file(language, file.size, file.width.zip(file.height), file.mime.as_deref())
                }
                FileState::Waiting => language.format("page-file-waiting", &[]),
                FileState::Absent => language.format("page-file-absent", &[]),
            },
        }
    }
}

impl AttemptLine {
    fn new(frame: &ConsoleFrame, attempt: ItemAttempt) -> Self {
        Self {
            time: attempt.started_at.map(|at| frame.time(at)),
            text: frame.text(&format!("console-attempt-{}", attempt.ending.name())),
            host: attempt.host,
            failure: attempt.failure.map(|failure| Remark::new(frame.language, &failure)),
        }
    }
}
