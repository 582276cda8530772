//! The tab with the files of a job.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path, Query};
use actix_web::{HttpRequest, HttpResponse, get};
use askama::Template;
use serde::Deserialize;

use crate::app::AppState;
use crate::db::enums::{FileState, JobState};
use crate::db::job::JobRow;
use crate::http::address::write_address;
use crate::http::pages::console::frame::ConsoleFrame;
use crate::http::pages::console::jobs::head::{JobHead, JobTab, build_head};
use crate::http::pages::console::pager::Pager;
use crate::http::pages::console::section::Section;
use crate::http::pages::file_words::describe_file;
use crate::http::pages::frame::Icon;
use crate::http::problem::Problem;
use crate::http::resources::export_jobs::files::{ExportFile, FileQuery, encode_path, load_file_page};
use crate::http::resources::export_jobs::find_visible_job;
use crate::http::resources::export_jobs::thumbnails::has_thumbnail;

/// Files on one page.
const FILES_PER_PAGE: u32 = 100;

#[derive(Template)]
#[template(path = "console/jobs/files.html")]
struct FilesPage {
    frame: ConsoleFrame,
    head: JobHead,
    files: Vec<FileLine>,
    pager: Pager,
    /// Addresses of the manifest as JSON and CSV, once there is one.
    manifests: Option<(String, String)>,
}

struct FileLine {
    path: String,
    rendition: Option<String>,
    address: Option<String>,
    thumbnail: Option<String>,
    details: String,
    icon: Icon,
    word: String,
    is_reused: bool,
}

/// Which files the page shows.
#[derive(Deserialize)]
pub(super) struct CursorQuery {
    pub(super) cursor: Option<String>,
}

/// `GET /console/jobs/{jobHandle}/files`.
#[get("/console/jobs/{jobHandle}/files")]
pub(super) async fn show_job_files(
    state: Data<AppState>,
    path: Path<String>,
    query: Query<CursorQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let frame = ConsoleFrame::open(&state, &request, Section::Jobs).await?;
    let job = find_visible_job(&state, &frame.caller, &path).await?;
    let cursor = query.into_inner().cursor;
    let query = FileQuery { state: None, limit: Some(FILES_PER_PAGE), cursor };
    let page = load_file_page(&state, frame.caller.company, &job, &query).await?;
    let head = build_head(&state, &frame, &job, JobTab::Files).await?;
    let frame = frame.with_title(&job.job_name);
    let manifest = format!("/export-jobs/{}/manifest", job.job_id);
    let page = FilesPage {
        pager: Pager::new(&request, page.next_cursor.as_deref()),
        files: page.items.into_iter().map(|file| FileLine::new(&frame, &job, file)).collect(),
        manifests: (job.state == JobState::Finished)
            .then(|| (write_address(&manifest), write_address(&format!("{manifest}?format=csv")))),
        head,
        frame,
    };
    page.frame.respond(StatusCode::OK, &page)
}

impl FileLine {
    fn new(frame: &ConsoleFrame, job: &JobRow, file: ExportFile) -> Self {
        let (icon, word) = match file.state {
            FileState::Ready => (Icon::Done, "page-file-ready"),
            FileState::Waiting => (Icon::Waiting, "page-file-waiting"),
            FileState::Absent => (Icon::Failed, "page-file-absent"),
        };
        let sides = file.width.zip(file.height);
        let thumbnail = format!("/export-jobs/{}/thumbnails/{}", job.job_id, encode_path(&file.path));
        let has_picture = file.href.is_some() && has_thumbnail(file.mime.as_deref());
        Self {
            details: describe_file(frame.language, file.size, sides, file.mime.as_deref()),
            thumbnail: has_picture.then(|| write_address(&thumbnail)),
            address: file.href.map(|href| write_address(&href)),
            path: file.path,
            rendition: file.rendition,
            icon,
            word: frame.text(word),
            is_reused: file.reused,
        }
    }
}
