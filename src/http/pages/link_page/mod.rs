//! The page of a link: for somebody who has neither an account nor a key, perhaps on a phone.

mod failures;
mod file_list;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use offprint_core::Code;

use crate::app::AppState;
use crate::db::archive::FileRow;
use crate::db::company;
use crate::db::enums::{FileState, JobState};
use crate::db::job::JobRow;
use crate::http::address::{write_address, write_public_address};
use crate::http::extract::locale;
use crate::http::pages::frame::{Frame, PageTime};
use crate::http::pages::job_status::PageStatus;
use crate::http::problem::Problem;
use crate::http::resources::export_jobs::files;
use crate::http::resources::shared_links::opened_link::OpenedLink;
use crate::i18n::{self, Language};
use failures::PageFailure;
use file_list::{FileList, PageFile};

#[derive(Template)]
#[template(path = "link.html")]
struct LinkPage {
    frame: Frame,
    /// Name of the job, or of the only file.
    name: String,
    /// Name of the job that a single file belongs to.
    job_name: Option<String>,
    description: Option<String>,
    /// Who requested the job.
    sender: Option<String>,
    until: PageTime,
    status: PageStatus,
    /// The one thing that most people come for.
    download: Option<PageDownload>,
    /// Why there is no zip although the job has ended.
    note: Option<String>,
    files: FileList,
    failures: Vec<PageFailure>,
    /// How many failures are not listed.
    more_failures: Option<String>,
    /// Address of the progress, while there is any.
    progress_address: Option<String>,
}

struct PageDownload {
    address: String,
    label: String,
    /// A command that continues an interrupted download when it is called again.
    command: String,
}

/// The page of a link. `after` is the last file of the page before.
pub(in crate::http) async fn show_link_page(
    state: &AppState,
    link: &OpenedLink,
    job: &JobRow,
    after: Option<&str>,
    request: &HttpRequest,
) -> Result<HttpResponse, Problem> {
    files::check_unexpired(job)?;
    let language = locale::find_accepted_language(request)
        .or_else(|| i18n::find_language(job.locale.as_deref()?))
        .unwrap_or_else(i18n::default_language);
    let mut page = match &link.link.path {
        Some(path) => build_file_page(state, link, job, path, language).await?,
        None => build_archive_page(state, link, job, after, language).await?,
    };
    page.sender = match job.user_id {
        Some(user) => company::find_user_name(&state.db, link.company, user).await?,
        None => None,
    };
    page.frame.respond(StatusCode::OK, &page)
}

/// What the pages of all links show.
fn start_page(link: &OpenedLink, job: &JobRow, name: &str, language: &'static Language) -> LinkPage {
    let mut frame = Frame::new(language, name);
    frame.is_address_secret = true;
    LinkPage {
        frame,
        name: name.to_owned(),
        job_name: None,
        description: job.description.clone().filter(|text| !text.trim().is_empty()),
        sender: None,
        until: PageTime::new(language, link.link.expires_at),
        status: PageStatus::for_job(language, job),
        download: None,
        note: None,
        files: FileList::default(),
        failures: Vec::new(),
        more_failures: None,
        progress_address: None,
    }
}

async fn build_archive_page(
    state: &AppState,
    link: &OpenedLink,
    job: &JobRow,
    after: Option<&str>,
    language: &'static Language,
) -> Result<LinkPage, Problem> {
    let mut page = start_page(link, job, &job.job_name, language);
    page.files = file_list::load_files(state, link, job, after, language).await?;
    (page.failures, page.more_failures) = failures::load_failures(state, link, job, language).await?;
    if job.state != JobState::Finished {
        page.progress_address = Some(write_address(&link.path("/events")));
    } else if job.files > 0 {
        match files::find_downloadable_archive(state, link.company, job).await {
            Ok(sealed) => page.download = Some(describe_archive(state, link, job, sealed.size, language)),
            Err(problem) if problem.code() == Code::ArchiveTooLarge => {
                page.note = Some(language.format("page-link-too-large", &[]));
            }
            Err(problem) => return Err(problem),
        }
    }
    Ok(page)
}

fn describe_archive(state: &AppState, link: &OpenedLink, job: &JobRow, size: i64, language: &Language) -> PageDownload {
    let size = language.format_size(size);
    let label =
        language.format("page-download-zip", &[("files", i64::from(job.files).into()), ("size", (&size).into())]);
    let url = write_public_url(state, link);
    PageDownload {
        address: write_address(&link.path("?dl=1")),
        label,
        // The job's name could be any text, and a shell would interpret it.
        command: format!("curl --fail --continue-at - --output export-{}.zip '{url}'", job.job_id),
    }
}

async fn build_file_page(
    state: &AppState,
    link: &OpenedLink,
    job: &JobRow,
    path: &str,
    language: &'static Language,
) -> Result<LinkPage, Problem> {
    let file = files::fetch_unexpired_file(state, link.company, job, path).await?;
    let mut page = start_page(link, job, path.rsplit('/').next().unwrap_or(path), language);
    page.job_name = Some(job.job_name.clone());
    page.status = PageStatus::for_file(language, job, file.state);
    match file.state {
        FileState::Waiting => page.progress_address = Some(write_address(&link.path("/events"))),
        FileState::Ready => page.download = Some(describe_file(state, link, &file, language)),
        FileState::Absent => {
            page.failures = failures::load_failure_of(state, link, job, file.position, language).await?
        }
    }
    page.files = FileList::of_one(PageFile::new(link, &file, language));
    Ok(page)
}

fn describe_file(state: &AppState, link: &OpenedLink, file: &FileRow, language: &Language) -> PageDownload {
    let size = language.format_size(file.size.unwrap_or_default());
    PageDownload {
        address: write_address(&link.path("?dl=1")),
        label: language.format("page-download-file", &[("size", (&size).into())]),
        command: format!("curl --fail --remote-name --remote-header-name '{}'", write_public_url(state, link)),
    }
}

/// The whole address of the link, for programs elsewhere.
fn write_public_url(state: &AppState, link: &OpenedLink) -> String {
    let url = write_public_address(state, format!("{}{}", state.public_url(), link.path("")));
    url.replace('\'', "%27")
}
